"""The features and examples of a forecast that declares its `Panel` and writes no functions of its own."""

from __future__ import annotations

import pandas as pd

from contender.core.errors import DataError, some
from contender.core.interval import Interval
from contender.core.naming import DUE_AT, EVENT_TIME, KNOWN_AT
from contender.core.panel import NAIVE, Panel
from contender.core.spec import ModelSpec
from contender.stages.defaults.tabular import joined_key

LABEL_KNOWN_AT = "label_known_at"


def features(tables: dict[str, pd.DataFrame], interval: Interval, spec: ModelSpec) -> dict[str, pd.DataFrame]:
    """What is known of each series at the end of each of its steps.

    Args:
        tables: Raw tables that reach back before the interval as far as the longest lag, mean or season.
        interval: Time of the rows.
        spec: The model; its one view has the panel's features.

    Returns:
        The view's rows: the entity, `Panel.features()`, and `event_timestamp` and `created_timestamp`, both the end of
        the newest step that the row knows of. A value before the series began, or a step that is missing, is missing.
    """
    panel = declared(spec)
    steps = _steps(tables[spec.tables[0].name], spec)
    known = steps.groupby("_series", sort=False)[spec.label]
    made = {f"lag_{lag}": known.shift(lag - 1) for lag in panel.lags}
    for mean in panel.means:
        rolled = known.rolling(mean, min_periods=mean).mean()
        made[f"mean_{mean}"] = rolled.reset_index(level=0, drop=True)
    made[NAIVE] = known.shift(panel.naive_lag - 1)
    ends = steps["_step"] + panel.duration
    rows = steps[list(spec.entity)].assign(**made, **{EVENT_TIME: ends, KNOWN_AT: ends})
    within = (ends >= interval.start) & (ends < interval.end)
    return {spec.views[0].name: rows[within].reset_index(drop=True)}


def examples(tables: dict[str, pd.DataFrame], window: Interval, known_by: Interval, spec: ModelSpec) -> pd.DataFrame:
    """One example for each series and step of the window.

    Args:
        tables: Raw tables that cover the window.
        window: Time of the steps that are predicted.
        known_by: Its end is the moment of looking: a step that had not ended by then has no label.
        spec: The model.

    Returns:
        `example_id`, `event_timestamp` (when the question is asked: `horizon - 1` steps before the step begins),
        `due_at` (the step's beginning), `day` (UTC date, text), the entity, `label_known_at` (its end), the label.
    """
    panel, first = declared(spec), spec.tables[0]
    steps = _steps(tables[first.name], spec)
    steps = steps[(steps["_step"] >= window.start) & (steps["_step"] < window.end)]
    due = steps["_step"]
    ends = due + panel.duration
    observed = steps[spec.label].notna() & (ends <= known_by.end)
    found = steps[list(spec.entity)].assign(
        example_id=steps["_series"].str.cat(due.dt.strftime("%Y-%m-%dT%H:%M"), sep="@"),
        **{EVENT_TIME: due - (panel.horizon - 1) * panel.duration, DUE_AT: due},
        day=due.dt.strftime("%Y-%m-%d").astype("string"),
        **{LABEL_KNOWN_AT: ends.where(observed), spec.label: steps[spec.label].where(observed)},
    )
    return found.sort_values([DUE_AT, "example_id"], ignore_index=True)


def scale(training: pd.DataFrame, holdout: pd.DataFrame, spec: ModelSpec) -> pd.Series | None:
    """For each holdout row the mean absolute error of its series' naive forecast in the training window, for `mase`.

    A series that was predicted without a fault, or is new, takes the mean of the others; `None` where there is no naive
    forecast at all.
    """
    if NAIVE not in training or not spec.entity:
        return None
    names = list(spec.entity)
    errors = (training[spec.label] - training[NAIVE]).abs()
    by_series = errors.groupby(joined_key(training, names)).mean()
    sound = by_series[by_series > 0]
    if sound.empty:
        return None
    found = joined_key(holdout, names).map(sound)
    return found.astype("float64").fillna(float(sound.mean()))


def declared(spec: ModelSpec) -> Panel:
    """The spec's panel.

    Raises:
        DataError: It has none.
    """
    if spec.panel is None:
        raise DataError(
            "a forecast needs a panel, or functions of its own",
            where=f"{spec.name}: SPEC.panel",
            expected="Panel(step=…)",
            got="none",
            next_step="declare it in dag.py, or write features and examples in model.py",
        )
    return spec.panel


def _steps(rows: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """The series at every step from each one's first to its last, a missing step as a row without a value.

    Raises:
        DataError: A time is not the beginning of a step, or a series has two rows of one step.
    """
    panel, first, time = declared(spec), spec.tables[0], str(spec.tables[0].time_column)
    series = joined_key(rows, list(spec.entity))
    frame = rows[[*spec.entity, spec.label]].assign(_series=series, _step=rows[time])
    # Weeks have no common origin: each series' own first step is one.
    origin = (
        frame.groupby("_series")["_step"].transform("min") if panel.step == "week" else frame["_step"].dt.floor("D")
    )
    off = (frame["_step"] - origin).dt.total_seconds() % panel.duration.total_seconds() != 0
    twice = frame.duplicated(["_series", "_step"])
    for wrong, what in ((off, f"times that do not begin a {panel.step}"), (twice, "two rows of one step")):
        if wrong.any():
            found = frame["_series"][wrong] + " " + rows[time][wrong].astype("string")
            raise DataError(
                f"the series cannot be laid out by the {panel.step}: {what}",
                where=f"{first.name}.{time}",
                expected=f"one row for each {panel.step} of a series, at its beginning, UTC",
                got=f"{len(found)} rows, e.g. {some(found)}",
                next_step="sum the source up by the step, or declare another step in the spec's panel",
            )
    parts = []
    for name, part in frame.groupby("_series", sort=True):
        steps = pd.date_range(part["_step"].min(), part["_step"].max(), freq=panel.duration).as_unit("us")
        laid = part.set_index("_step").reindex(steps)
        laid[list(spec.entity)] = part[list(spec.entity)].iloc[0].to_list()
        parts.append(laid.assign(_series=name).rename_axis("_step").reset_index())
    return pd.concat(parts, ignore_index=True).astype({"_series": "string"}) if parts else frame

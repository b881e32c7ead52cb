"""The spec of a new model, from its template's and from what the data say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import Any

from contender.core import schema
from contender.core.errors import ScaffoldRefused, some
from contender.core.policy import GatePolicy
from contender.core.source import ColumnType, Source
from contender.core.spec import ROW, Column, ModelSpec, Shares, Table, Tuning, View
from contender.scaffold.inputs import usable
from contender.scaffold.kinds import ColumnProfile
from contender.scaffold.profile import Profile
from contender.scaffold.request import UNLABELLED, WITH_TIME_AND_ENTITY, Asked
from contender.scaffold.schedule import panel_of, times_of

LARGEST = 1e308  # beyond which a sum may be infinite
ANY_TASK = "batch_only"


@dataclass(frozen=True)
class Declared:
    """A spec and what was decided on the way.

    Attributes:
        spec: The model's.
        inputs: What its inputs look like, in the order of `spec.columns`; none for a forecast, whose follow from lags.
        left_out: Columns that are no inputs, and why.
        guesses: One sentence each.
    """

    spec: ModelSpec
    inputs: tuple[ColumnProfile, ...]
    left_out: dict[str, str]
    guesses: tuple[str, ...]


def declare(asked: Asked, template: ModelSpec, made: Profile, source: Source, today: datetime) -> Declared:
    """The new model's spec.

    Args:
        asked: What was asked for.
        template: The template's spec: its gate, tuning and task are kept.
        made: What the data look like.
        source: Where they lie.
        today: Of which a model without time takes the month, as its data begin.

    Raises:
        ScaffoldRefused: The label is of another task than the template, or its key tells no rows apart; see `usable`.
        SpecError: The parts do not fit each other.
    """
    forecast = asked.template == WITH_TIME_AND_ENTITY
    task = _task(asked, template, made)
    _require_key(made)
    told: list[str] = []
    facts: dict[str, Any] = {"gate": template.gate, "tuning": template.tuning}
    inputs: tuple[ColumnProfile, ...] = ()
    if forecast:
        facts["panel"], said = panel_of(*_series(made))
        told.append(said)
        left = {one.name: "a forecast learns from the label's own past" for one in made.columns if _spare(one, made)}
    else:
        inputs, left = usable(made, drop=asked.drop, keep=asked.keep)
        if known := [one for one in inputs if one.leak]:
            told.append(
                f"leak: kept although suspected: {some(f'{one.header}: {one.leak}' for one in known)}; the gate may "
                "reject every run for it, raise max_single_feature_power only if it is truly known in time"
            )
    view = f"{asked.name}_{'history' if forecast else 'features'}" if made.entity else ""
    if made.times is None:
        facts |= _timeless(today, template)
    else:
        found = times_of(made.times, facts.get("panel"), asked.label_delay)
        told += found.guesses
        tuning = {**template.tuning.model_dump(), "validation_days": found.validation_days}
        tuning["folds"] = template.tuning.folds if forecast else 1
        facts |= {
            "schedule": found.schedule, "data_from": found.data_from, "data_until": found.data_until,
            "windows": found.windows, "label_delay_hours": 24 * asked.label_delay, "tuning": Tuning(**tuning),
            "gate": GatePolicy(**{**_set(template.gate), "cluster": "day"}),
        }  # fmt: skip
    columns = (
        _panel_columns(facts["panel"], view) if forecast else tuple(_column(one, view or "request") for one in inputs)
    )
    told += _bounds(columns)
    spec = ModelSpec(
        schema_version=schema.VERSION,
        name=asked.name,
        title=asked.title or _title(made, task, asked.name),
        owner=asked.owner or "ml-platform",
        task=task,
        classes=made.classes,
        tables=(_table(asked.name, made, source),),
        views=(View(name=view, max_age_hours=_max_age(facts.get("panel"))),) if view else (),
        columns=columns,
        label=made.label or "planted",
        planted=template.planted,
        seed=1,
        **facts,
    )
    return Declared(spec, inputs, left, tuple(told))


def _title(made: Profile, task: str, name: str) -> str:
    """What the model tells, in words that suit a label of any name."""
    if not made.label:
        return f"Does this row of {name} look odd?"
    if task == "binary":
        return f"Predicts whether {made.label} is {made.classes[-1] if made.classes else 1}"
    return f"Predicts the next {made.label} of each series" if task == "forecast" else f"Predicts {made.label}"


def _task(asked: Asked, template: ModelSpec, made: Profile) -> Any:
    if asked.template == WITH_TIME_AND_ENTITY and made.task != "regression" and made.classes:
        raise _mismatch(asked, made, "a number in each step")
    if asked.template in (WITH_TIME_AND_ENTITY, UNLABELLED):
        return template.task
    if asked.template != ANY_TASK and made.task != template.task:
        raise _mismatch(asked, made, template.task)
    return made.task


def _mismatch(asked: Asked, made: Profile, expected: str) -> ScaffoldRefused:
    fitting = {"binary": "classification"}.get(made.task, made.task)
    values = some((f"{name} ({share:.2g} of the rows)" for name, share in made.shares.items()), 6)
    return ScaffoldRefused(
        "the label is of another task than the template",
        where=f"LABEL={asked.label}, FROM={asked.template}",
        expected=expected,
        got=f"{made.task}" + (f" with {len(made.shares)} values: {values}" if made.shares else ""),
        next_step=f"say FROM={fitting}, or choose another label; where a value is a slip, mend the data",
    )


def _require_key(made: Profile) -> None:
    if made.repeats:
        named = [*made.entity, *([made.time] if made.time else [])]
        raise ScaffoldRefused(
            "rows cannot be told apart",
            where=f"ENTITY={','.join(made.entity)}" + (f", TIME={made.time}" if made.time else ""),
            expected=f"one row for each {' and '.join(named)}",
            got=f"{made.repeats} of {made.total} rows repeat another's",
            next_step="name by ENTITY or TIME what tells them apart, or leave ENTITY out: rows are then numbered",
        )


def _table(name: str, made: Profile, source: Source) -> Table:
    time_format = made.column(made.time).time_format if made.time else ""
    types: dict[str, ColumnType] = {}
    numbered = not made.entity
    facts = {**_set(source), "row_number": numbered, "time_format": time_format, "types": types}
    key = (ROW,) if numbered else (*made.entity, *([made.time] if made.time else []))
    return Table(
        name=name, time_column=made.time, key=key, entity=made.entity,
        source=Source(**{field: value for field, value in facts.items() if value or field in ("url", "format")}),
    )  # fmt: skip


def _column(one: ColumnProfile, source: str) -> Column:
    if one.kind != "number":
        return Column(name=one.name, kind="category", source=source)
    low, high = widened(float(one.minimum or 0.0), float(one.maximum or 0.0), whole=one.whole)
    return Column(name=one.name, source=source, minimum=low, maximum=high)


def widened(low: float, high: float, *, whole: bool = False) -> tuple[float, float]:
    """A range with as much again at both ends, to four digits or to whole numbers; what never was negative stays so.

    A range that was seen is no law: requests beyond the bounds are refused, so they only keep out what cannot be meant.
    """
    slack = min(high / 2 - low / 2, (LARGEST - abs(high)) / 2, (LARGEST - abs(low)) / 2) * 2
    least = 0.0 if low >= 0 and low - slack < 0 else low - slack
    least, most = min(_rounded(least), low), max(_rounded(high + slack), high)
    return (float(floor(least)), float(ceil(most))) if whole else (least, most)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _bounds(columns: tuple[Column, ...]) -> list[str]:
    """What is to be said of the numbers' bounds."""
    bounded = [f"{one.name} {one.minimum:g} to {one.maximum:g}" for one in columns if one.minimum is not None]
    said = (
        f"bounds: {some(bounded)}; that is the range seen and its width again at both ends, not below 0 where nothing "
        "was; a request beyond is refused (422), a row set aside; to accept others change minimum and maximum of the "
        "column in the spec and in its suite, or leave them out"
    )
    return [said] if bounded else []


def _panel_columns(panel: Any, view: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, source=view) for name in panel.features())


def _max_age(panel: Any) -> float | None:
    return None if panel is None else max(3 * panel.duration / timedelta(hours=1), 72.0)


def _timeless(today: datetime, template: ModelSpec) -> dict[str, Any]:
    month = today.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return {
        "data_from": month, "windows": Shares(), "tuning": Tuning(trials=template.tuning.trials, validation_days=5),
        "gate": GatePolicy(**{**_set(template.gate), "cluster": "example_id"}),
    }  # fmt: skip


def _series(made: Profile) -> tuple[Any, Any]:
    return made.times, made.series


def _spare(one: ColumnProfile, made: Profile) -> bool:
    return one.name not in {made.label, made.time, *made.entity}


def _set(declared: Any) -> dict[str, Any]:
    """The fields that were set."""
    return {name: getattr(declared, name) for name in declared.model_fields_set}

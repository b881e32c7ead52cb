"""Drafted suites: what held of the data, with slack, each expectation with the reason it was drafted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from contender.core.naming import DUE_AT, EVENT_TIME, KNOWN_AT
from contender.core.spec import Column, ModelSpec
from contender.scaffold.kinds import ColumnProfile
from contender.scaffold.profile import Profile
from contender.stages.score import answered_columns

Expectation = dict[str, Any]
TYPES = {"string": "str", "float64": "float64", "int64": "int64"}  # a time is checked by where it lies
FEWER, MORE = 0.5, 2.0  # of the rows that the thinnest and the fullest month had
START, END = ({"$PARAMETER": f"interval_{end}"} for end in ("start", "end"))
FEWEST_SET = 50  # categories that are listed


def suites(
    spec: ModelSpec,
    inputs: tuple[ColumnProfile, ...],
    raw: pd.DataFrame,
    examples: pd.DataFrame,
    seen: Profile,
) -> dict[str, str]:
    """The text of each suite file, by its stem.

    Args:
        spec: The model.
        inputs: What its inputs look like.
        raw: Rows of its table, as they are read.
        examples: Examples made of these rows.
        seen: The profile, which knows how many rows there are where `raw` is only their beginning.
    """
    of_all = replace(seen, total=round(seen.total * len(examples) / len(raw)))
    drafted = {
        spec.tables[0].name: _raw(spec, inputs, raw, seen),
        **{view.name: _view(spec, view.name) for view in spec.views},
        "training_set": [_counted(spec, examples, DUE_AT, FEWER / 2, of_all), *_examples(), *_labels(spec)],
        "scoring_set": [_count(1, None, "an interval that is scored has rows"), *_examples()],
        "predictions": _predictions(spec),
    }
    return {name: _text(name, expectations) for name, expectations in drafted.items()}


def _raw(spec: ModelSpec, inputs: tuple[ColumnProfile, ...], raw: pd.DataFrame, seen: Profile) -> list[Expectation]:
    table, types = spec.tables[0], spec.types(spec.tables[0])
    found = [_columns(types, "exactly these columns are read; one more or less means another declaration")]
    found.append(_counted(spec, raw, table.time_column, FEWER, seen))
    for name, kind in types.items():
        if kind in TYPES:
            found.append(_of("values_to_be_of_type", name, f"read as {kind}", type_=TYPES[kind]))
    for name in table.key:
        found.append(_of("values_to_not_be_null", name, "part of the key"))
    found.append(_unique(table.key))
    if table.time_column:
        found += _within(table.time_column)
    by_name = {column.name: column for column in spec.columns}
    for one in inputs:
        found += _input(one, by_name[one.name])
    return found + ([] if spec.planted else _label_values(spec, raw))


def _input(one: ColumnProfile, column: Column) -> list[Expectation]:
    found = []
    if column.kind == "number":
        seen = (
            f"{one.minimum:g} to {one.maximum:g} in the data that it was drafted from, and as much again on both sides"
        )
        found.append(_of(
            "values_to_be_between", one.name, seen, quarantine=True,
            min_value=column.minimum, max_value=column.maximum, mostly=0.95,
        ))  # fmt: skip
    elif 0 < len(one.values) <= FEWEST_SET:
        found.append(_of(
            "values_to_be_in_set", one.name, "the categories of the data that it was drafted from; others are unknown "
            "to the model until it is trained on them", severity="warning", value_set=sorted(one.values), mostly=0.95,
        ))  # fmt: skip
    filled = 1 - one.missing
    found.append(_of(
        "proportion_of_non_null_values_to_be_between", one.name, f"{filled:.0%} of the rows had a value",
        severity="warning", min_value=round(filled * 0.8, 3),
    ))  # fmt: skip
    return found


def _label_values(spec: ModelSpec, raw: pd.DataFrame) -> list[Expectation]:
    if spec.classes:
        return [_of("values_to_be_in_set", spec.label, "the label's classes", value_set=list(spec.classes))]
    if spec.task == "binary":
        return [_of("values_to_be_in_set", spec.label, "no and yes", value_set=[0, 1])]
    low, high = float(raw[spec.label].min()), float(raw[spec.label].max())
    width = high - low
    seen = f"{low:g} to {high:g} in the data that it was drafted from, and as much again on both sides"
    return [_of(
        "values_to_be_between", spec.label, seen, severity="warning", min_value=low - width, max_value=high + width,
        mostly=0.99,
    )]  # fmt: skip


def _view(spec: ModelSpec, name: str) -> list[Expectation]:
    columns = [column for column in spec.columns if column.source == name]
    entity = spec.tables[0].entity
    found = [
        _columns(
            [*entity, *(column.name for column in columns), EVENT_TIME, KNOWN_AT], "what the feature view declares"
        ),
        _count(1, None, "a month has feature rows"),
    ]
    found += [_of("values_to_not_be_null", key, "part of the key") for key in (*entity, EVENT_TIME, KNOWN_AT)]
    for column in columns:
        kind = "float64" if column.kind == "number" else "str"
        found.append(_of("values_to_be_of_type", column.name, f"stored as {kind}", type_=kind))
    rule = f"{KNOWN_AT} >= {EVENT_TIME}"
    found.append(_expectation(
        "expect_rows_to_satisfy", "nothing is known before it happened: the guard against leakage",
        column_list=[KNOWN_AT, EVENT_TIME], rule=rule,
    ))  # fmt: skip
    return found


def _examples() -> list[Expectation]:
    named = [
        _of("values_to_not_be_null", name, "names the example, or places it") for name in ("example_id", EVENT_TIME)
    ]
    return [*named, _unique(("example_id",)), *_within(DUE_AT)]


def _labels(spec: ModelSpec) -> list[Expectation]:
    filled = _of(
        "proportion_of_non_null_values_to_be_between", spec.label, "the spec's label_share", min_value=spec.label_share
    )
    if spec.task not in ("binary", "multiclass") or spec.planted:
        return [filled]
    codes = list(range(max(len(spec.classes), 2)))
    return [filled, _of("values_to_be_in_set", spec.label, "the codes of the classes", value_set=codes)]


def _predictions(spec: ModelSpec) -> list[Expectation]:
    answers = answered_columns(spec)
    found = [
        _columns(["example_id", EVENT_TIME, DUE_AT, *answers, "version"], "what monitoring joins with the labels"),
        _count(1, None, "a scored interval has rows"),
        _unique(("example_id",)),
        *_within(DUE_AT),
    ]
    for name in ("example_id", EVENT_TIME, *answers, "version"):
        found.append(_of("values_to_not_be_null", name, "a prediction without it cannot be joined or judged"))
    for name in answers:
        if name.startswith("probability"):
            found.append(_of("values_to_be_between", name, "a probability", min_value=0, max_value=1))
    return found


def _counted(spec: ModelSpec, frame: pd.DataFrame, time: str | None, fewer: float, seen: Profile) -> Expectation:
    """How many rows an interval has: of timed rows for each of its days, of others as many as there were."""
    total = seen.total if seen.sampled else len(frame)
    if spec.tables[0].time_column is None or time is None:
        return _count(max(round(total * fewer), 1), round(total * MORE), f"{total:,} rows when it was drafted")
    times, share = (
        (seen.times, total / len(seen.times)) if seen.sampled and seen.times is not None else (frame[time], 1)
    )
    months = times.dt.tz_localize(None).dt.to_period("M")
    whole = months[(months >= pd.Period(spec.data_from, "M")) & (months < pd.Period(spec.data_until, "M"))]
    a_day = [share * count / month.days_in_month for month, count in whole.value_counts().items()]
    low, high = min(a_day, default=0.0), max(a_day, default=0.0)
    least = {"$PARAMETER": f"trunc(interval_days * {low * fewer:.3g}) + 1"}
    most = {"$PARAMETER": f"interval_days * {max(high * MORE, 1):.3g} + 1"}
    return _count(least, most, f"{low:.3g} to {high:.3g} rows a day in the months that it was drafted from")


def _count(least: Any, most: Any, reason: str) -> Expectation:
    bounds = {"min_value": least} | ({} if most is None else {"max_value": most})
    return _expectation("expect_table_row_count_to_be_between", reason, **bounds)


def _columns(names: Any, reason: str) -> Expectation:
    return _expectation("expect_table_columns_to_match_set", reason, column_set=list(names), exact_match=True)


def _unique(key: tuple[str, ...]) -> Expectation:
    reason = "one row for each key, or joins would multiply rows"
    if len(key) == 1:
        return _of("values_to_be_unique", key[0], reason)
    return _expectation("expect_compound_columns_to_be_unique", reason, column_list=list(key))


def _within(time: str) -> list[Expectation]:
    reason = "rows belong to the interval that they were read for"
    return [
        _of("min_to_be_between", time, reason, min_value=START),
        _of("max_to_be_between", time, reason, max_value=END, strict_max=True),
    ]


def _of(rule: str, column: str, reason: str, **kwargs: Any) -> Expectation:
    return _expectation(f"expect_column_{rule}", reason, column=column, **kwargs)


def _expectation(
    kind: str, reason: str, *, severity: str = "critical", quarantine: bool = False, **kwargs: Any
) -> Expectation:
    meta: Mapping[str, Any] = {"reason": reason} | ({"quarantine": True} if quarantine else {})
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": dict(meta)}


def _text(name: str, expectations: list[Expectation]) -> str:
    """One line for each part of an expectation, so that a change shows as one line."""
    return json.dumps({"name": name, "expectations": expectations}, indent=2, ensure_ascii=False) + "\n"

"""Data validation with Great Expectations: suites as reviewable JSON files, run on pandas, judged by severity.

GX drops an expectation of unknown type, accepts a minimum above its maximum, passes empty data, and calls a run with a
failed warning unsuccessful. Hence the checks in `load_suite` and the judgement in `validate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import pandas as pd

from contender.adapters.expectations_rules import ProgressBarsConfig, gx
from contender.adapters.expectations_suite import load_suite
from contender.core.errors import EXAMPLES, SpecError, some

__all__ = ["Validation", "load_suite", "validate"]

# Functions of GX's parameter expressions, as in `trunc(interval_days * 590)`; any other name is a parameter.
_FUNCTIONS = {"abs", "round", "timedelta", "trunc"}
_RESULT_FORMAT = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


@dataclass(frozen=True, eq=False)
class Validation:
    """What a suite found in a frame.

    Attributes:
        rows: Number of rows looked at.
        critical: One line for each failed expectation of severity `critical`; empty means that the frame passed.
        warnings: One line for each failed expectation of severity `warning`.
        quarantine: Why a row is set aside, by its position in the frame (`frame.iloc`); ascending.
        result: GX's own result, for `write_docs`.
    """

    rows: int
    critical: tuple[str, ...]
    warnings: tuple[str, ...]
    quarantine: pd.Series
    result: Any


def validate(frame: pd.DataFrame, suite: gx.ExpectationSuite, *, parameters: Mapping[str, Any]) -> Validation:
    """Run a suite on a frame.

    Args:
        frame: The rows; left untouched.
        suite: From `load_suite`.
        parameters: Values of the suite's `$PARAMETER` expressions: times as aware datetimes, or numbers. Where
            `interval_start` and `interval_end` are given, `interval_days` follows from them.

    Returns:
        The findings. An expectation that cannot be evaluated, as its column is missing, is one that failed.

    Raises:
        SpecError: The suite uses a parameter that is not given.
    """
    given = _given(suite, parameters)
    batch = _whole_frame().get_batch({"dataframe": frame.reset_index(drop=True)})
    result = batch.validate(suite, result_format=_RESULT_FORMAT, expectation_parameters=given)
    # GX lists what it could not evaluate first; a reader wants the missing column before what follows from it.
    failed = sorted((found for found in result.results if not found.success), key=_not_evaluated)
    lines: dict[str, list[str]] = {"critical": [], "warning": []}
    for found in failed:
        lines[found.expectation_config.severity.value].append(_line(found))
    return Validation(
        rows=len(frame),
        critical=tuple(lines["critical"]),
        warnings=tuple(lines["warning"]),
        quarantine=_quarantine(result.results, frame),
        result=result,
    )


@cache
def _whole_frame() -> Any:
    """GX's way to a batch that is a whole frame, in a context that leaves nothing on disk; one for each process."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return (
        context.data_sources.add_pandas("frames")
        .add_dataframe_asset("frame")
        .add_batch_definition_whole_dataframe("all")
    )


def _given(suite: gx.ExpectationSuite, parameters: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(parameters)
    if {"interval_start", "interval_end"} <= given.keys():
        days = (given["interval_end"] - given["interval_start"]).total_seconds() / 86_400
        given.setdefault("interval_days", int(days) if days.is_integer() else days)
    used = {
        name for text in suite.suite_parameter_options for name in re.findall(r"(?<![\w.])[A-Za-z]\w*(?!\w*\s*=)", text)
    }
    missing = sorted(used - given.keys() - _FUNCTIONS)
    if missing:
        raise SpecError(
            f"suite {suite.name!r} needs parameters that were not given",
            where=f"expectations {suite.name}.json",
            expected=", ".join(sorted(used - _FUNCTIONS)),
            got=", ".join(sorted(given)) or "none",
            next_step=f"pass {', '.join(missing)} to validate(), or take them out of the suite",
        )
    # ISO text is what GX's expressions parse, its results can keep as JSON, and it compares with aware timestamps.
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in given.items()}


def _not_evaluated(found: Any) -> bool:
    return bool(list(_exceptions(found)))


def _exceptions(found: Any) -> Iterator[str]:
    """Messages of the exceptions behind a result: GX gives one record, or one for each metric that failed."""
    info = found.exception_info or {}
    for record in [info] if "raised_exception" in info else info.values():
        if record["raised_exception"]:
            yield str(record["exception_message"])


def _line(found: Any) -> str:
    """One failed expectation as `columns: rule (arguments): got …; because …`."""
    config = found.expectation_config
    kwargs = {name: value for name, value in config.kwargs.items() if name not in {"batch_id", "partition_object"}}
    columns = kwargs.pop("column", None) or some(kwargs.pop("column_list", ()))
    kwargs.pop("column_set", None)
    rule = config.type.removeprefix("expect_").replace("_", " ")
    expected = ", ".join(f"{name}={value}" for name, value in kwargs.items())
    raised = sorted(set(_exceptions(found)))
    got = f"cannot be checked: {some(raised, 2)}" if raised else f"got {_got(found.result)}"
    return f"{columns or 'table'}: {rule}{f' ({expected})' if expected else ''}: {got}; because {config.meta['reason']}"


def _got(result: Mapping[str, Any]) -> str:
    mismatched = (result.get("details") or {}).get("mismatched")
    if mismatched:
        return "; ".join(f"{kind} {some(names)}" for kind, names in mismatched.items())
    if "partial_missing_list" in result:
        return f"missing {some(result['partial_missing_list'])}; unexpected {some(result['partial_unexpected_list'])}"
    if "element_count" in result:
        examples = [_shown(entry) for entry in result["unexpected_list"][:EXAMPLES]]
        share = 100 * result["unexpected_count"] / max(result["element_count"], 1)
        count = f"{result['unexpected_count']} of {result['element_count']} rows ({share:.3g} %)"
        return f"{count}, e.g. {', '.join(examples)}"
    observed = result.get("observed_value")
    return f"{observed:.6g}" if isinstance(observed, float) else str(observed)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name}={part}" for name, part in value.items()) + ")"
    return str(value)


def _quarantine(results: list[Any], frame: pd.DataFrame) -> pd.Series:
    reasons: dict[int, list[str]] = {}
    for found in results:
        config = found.expectation_config
        if config.meta.get("quarantine"):
            columns = [config.kwargs["column"]] if "column" in config.kwargs else config.kwargs["column_list"]
            for position in found.result.get("unexpected_index_list") or ():
                got = some(f"{column}={frame[column].iloc[position]}" for column in columns)
                reasons.setdefault(position, []).append(f"{config.meta['reason']}; got {got}")
    positions = sorted(reasons)
    return pd.Series(
        [" | ".join(reasons[position]) for position in positions],
        index=pd.Index(positions, dtype="int64"),
        dtype="object",
        name="reason",
    )

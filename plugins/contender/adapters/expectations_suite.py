"""Reading a suite file, with the checks that Great Expectations leaves out.

A file holds `name` (its stem), optional `meta`, and `expectations`: each a `type`, its `kwargs`, a `severity`
(`critical` or `warning`) and `meta` with the `reason` it is there and, for a row-level rule, `quarantine: true`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from contender.adapters.expectations_rules import (
    ExpectationConfiguration,
    GreatExpectationsError,
    ValidationError,
    get_expectation_impl,
    gx,
    list_registered_expectation_implementations,
)
from contender.core.errors import SpecError, some

SEVERITIES = ("critical", "warning")
ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")


def load_suite(path: Path) -> gx.ExpectationSuite:
    """Read a suite file.

    Returns:
        The suite, with every expectation of the file in it; the file's `meta` is `suite.meta`.

    Raises:
        SpecError: The file is missing or malformed, holds an expectation that GX would drop or accept wrongly, or
            has no row count, without which empty data passes.
    """
    content = _read(path)
    items = content["expectations"]
    expectations = [
        _expectation(f"{path.name}, expectation {number}", item) for number, item in enumerate(items, start=1)
    ]
    suite = gx.ExpectationSuite(name=content["name"], meta=dict(content.get("meta", {})), expectations=expectations)
    if len(suite.expectations) != len(items):
        raise SpecError(
            "expectations were lost in loading",
            where=path.name,
            expected=f"{len(items)} expectations",
            got=len(suite.expectations),
            next_step="look for expectations that Great Expectations takes for the same",
        )
    if not any(_counts_rows(item) for item in items):
        raise SpecError(
            "the suite does not count rows, so that empty data would pass it",
            where=path.name,
            expected=f"a critical {ROW_COUNTS[0]} with a min_value above 0",
            got=some(item["type"] for item in items) or "no expectations",
            next_step="add the row count that an interval has at least",
        )
    return suite


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError(
            "there is no such suite",
            where=str(path),
            expected=some(sorted(file.name for file in path.parent.glob("*.json")), 20) or "a JSON file",
            got="no file" + _meant(path.name, (file.name for file in path.parent.glob("*.json"))),
            next_step="name the suite after its table or feature view",
        ) from error
    except ValueError as error:
        raise SpecError("the suite is no JSON", where=path.name, got=error, next_step="mend the file") from error
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise SpecError("the suite has no list of expectations", where=path.name, expected='{"expectations": [...]}')
    _know(content, ("name", "meta", "expectations"), where=path.name)
    if content.get("name") != path.stem:
        raise SpecError(
            "the suite's name is not its file's", where=path.name, expected=path.stem, got=content.get("name")
        )
    return content


def _expectation(where: str, item: Any) -> Any:
    """One expectation of the file as GX's object."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise SpecError("an expectation without a type", where=where, expected='{"type": "expect_…", …}', got=item)
    where = f"{where} ({item['type']})"
    _know(item, ("type", "kwargs", "severity", "meta"), where=where)
    _know([item["type"]], list_registered_expectation_implementations(), where=where, what="expectation type")
    kwargs, meta = item.get("kwargs", {}), item.get("meta", {})
    if item.get("severity") not in SEVERITIES:
        raise SpecError(
            "the severity is not set", where=where, expected=" or ".join(SEVERITIES), got=item.get("severity")
        )
    _know(meta, ("reason", "quarantine"), where=f"{where}, meta")
    if not meta.get("reason"):
        raise SpecError("the expectation does not say why it is there", where=where, expected='"meta": {"reason": "…"}')
    implementation = get_expectation_impl(item["type"])
    _know(kwargs, implementation.__fields__, where=where, what="argument")
    if meta.get("quarantine") and not (getattr(implementation, "map_metric", None) and kwargs.get("mostly", 1) < 1):
        raise SpecError(
            "only a row-level expectation with mostly below 1 can quarantine",
            where=where,
            expected="an expectation on each row's values, and the share of rows that must meet it",
            got=f"mostly={kwargs.get('mostly', 1)}",
            next_step="set mostly, or leave quarantine out",
        )
    _ordered(kwargs, where)
    try:
        return ExpectationConfiguration(**item).to_domain_obj()
    except (GreatExpectationsError, ValidationError, TypeError) as error:
        raise SpecError(
            "the expectation cannot be built", where=where, got=str(error), next_step="mend its kwargs"
        ) from error


def _ordered(kwargs: Mapping[str, Any], where: str) -> None:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        raise SpecError(
            "the minimum is above the maximum", where=where, expected="min_value <= max_value", got=f"{low} > {high}"
        )


def _counts_rows(item: Mapping[str, Any]) -> bool:
    """Whether the expectation stops empty data: a minimum that is computed from a parameter counts as above 0."""
    kwargs = item.get("kwargs", {})
    least = kwargs.get("min_value", kwargs.get("value"))
    return (
        item["type"] in ROW_COUNTS and item["severity"] == "critical" and (isinstance(least, dict) or (least or 0) > 0)
    )


def _know(names: Iterable[str], known: Iterable[str], *, where: str, what: str = "field") -> None:
    known = list(known)
    for name in names:
        if name not in known:
            raise SpecError(
                f"unknown {what} {name!r}{_meant(name, known)}",
                where=where,
                expected=some(get_close_matches(name, known, n=5, cutoff=0.4) or sorted(known), 20),
                got=name,
                next_step="mend the suite file",
            )


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""

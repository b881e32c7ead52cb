from __future__ import annotations

import traceback
from typing import Any

import pytest

from contender.core.errors import SpecError
from contender.core.spec import Source


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"format": "sql"}, "where: query; expected: a query where the format is 'sql'.*; got: ''"),
        ({"query": "SELECT 1"}, "where: query; .*; got: 'SELECT 1'"),
        ({"encoding": "utf-9"}, "where: encoding; expected: one that Python knows.*; got: 'utf-9'"),
        (
            {"time_zone": "Europe/Berlim"},
            "where: time_zone; expected: a name of the tz database.*; got: 'Europe/Berlim'",
        ),
        ({"time_zone": "/etc/passwd"}, "where: time_zone"),
        ({"url": "https://ann:hush@host/rows.csv"}, "where: url; expected: an address without a password"),
        ({"url": "s3://bucket/rows.csv?sslpassword=hush"}, "where: url; expected: an address without a password"),
    ],
)
def test_source_that_cannot_be_read_is_refused_when_it_is_declared(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        Source(**({"url": "rows.csv", "format": "csv"} | facts))
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["rows.csv", "C:\\rows.csv", "https://ann@host/rows.csv?sv=1", "http://[rows.csv"])
def test_source_at_any_other_address_is_accepted(url: str) -> None:
    assert Source(url=url, format="csv").url == url

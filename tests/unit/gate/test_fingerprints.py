from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contender.core.errors import DataError
from contender.core.interval import Interval
from contender.core.lineage import sha256, trace
from contender.core.results import Snapshot
from contender.core.settings import CHECKOUT
from contender.stages.gate.fingerprints import keys, pack, pairs, traced, unpack

JUNE = datetime(2013, 6, 15, 4, 30, tzinfo=UTC)


def _rows(ids: Any, clusters: Any = None, due: Any = None) -> pd.DataFrame:
    ids = ids if isinstance(ids, pd.Series) else pd.Series(ids)
    return pd.DataFrame(
        {
            "example_id": ids,
            "day": ["2013-06-15"] * len(ids) if clusters is None else clusters,
            "due_at": [JUNE] * len(ids) if due is None else due,
        }
    )


def _expected(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def test_keys_are_the_first_64_bits_of_blake2b_of_the_text() -> None:
    # Written out: lineages of years ago are compared with what is computed today.
    assert [f"{value:016x}" for value in keys(_rows(["UA1545@EWR-20130101T1015", "zürich"]))] == [
        "91b5d8d4b5c9d110", "84cf67cc10b22537",
    ]  # fmt: skip
    assert list(keys(_rows(["a", "b", "a"]))) == [_expected("a"), _expected("b"), _expected("a")]


def test_pairs_are_of_cluster_and_utc_day() -> None:
    rows = _rows(["a", "b"], ["2013-06-14", "2013-06-15"])
    assert list(pairs(rows, "day")) == [_expected(f"2013-06-{day}\x1f2013-06-15") for day in (14, 15)]


MIDNIGHT = datetime(2013, 6, 15)  # noqa: DTZ001
SAME = {
    "17": [
        pd.Series(["17"]), pd.Series(["17"], dtype="string"), pd.Series(["17"], dtype="category"), pd.Series([17]),
        pd.Series([17], dtype="int8"), pd.Series([17], dtype="Int64"), pd.Series([17.0]),
        pd.Series([17.0], dtype="float32"), pd.Series([np.int64(17)], dtype="object"),
        pd.Series(["17"], dtype="string[pyarrow]"), pd.Series([17], dtype="int64[pyarrow]"),
        pd.Series([Decimal(17)]),
    ],
    "1": [pd.Series([True]), pd.Series([1]), pd.Series(["1"]), pd.Series([True], dtype="boolean")],
    "2013-06-15": [
        pd.Series(["2013-06-15"]), pd.Series([date(2013, 6, 15)]), pd.Series([MIDNIGHT]),
        pd.Series([MIDNIGHT]).dt.as_unit("us"), pd.Series([MIDNIGHT]).dt.tz_localize("UTC"),
        pd.Series([MIDNIGHT.replace(tzinfo=timezone(timedelta(0)))], dtype="object"),
    ],
    "2013-06-15T04:30:00.000000": [
        pd.Series([JUNE]), pd.Series([JUNE]).dt.as_unit("s"), pd.Series([JUNE]).dt.tz_convert("America/New_York"),
        pd.Series([JUNE.replace(tzinfo=None)]),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "column"),
    [pytest.param(text, column, id=f"{text} {column.dtype}") for text in SAME for column in SAME[text]],
)
def test_fingerprints_of_a_value_do_not_depend_on_its_type(text: str, column: pd.Series) -> None:
    assert list(keys(_rows(column))) == [_expected(text)]
    assert list(pairs(_rows(["a"], column), "day")) == [_expected(f"{text}\x1f2013-06-15")]


@pytest.mark.parametrize(
    "due",
    [
        [JUNE], [JUNE.replace(hour=23)], pd.Series([JUNE]).dt.as_unit("us"), ["2013-06-15T00:00:00Z"],
        [datetime(2013, 6, 14, 20, 30, tzinfo=timezone(-timedelta(hours=4)))], [JUNE.replace(tzinfo=None)],
    ],
    ids=["ns", "later", "us", "text", "other zone", "naive"],
)  # fmt: skip
def test_pairs_of_one_utc_day_are_equal_whatever_the_times_form(due: Any) -> None:
    assert list(pairs(_rows(["a"], due=due), "day")) == [_expected("2013-06-15\x1f2013-06-15")]


@given(ids=st.lists(st.text(), min_size=1, max_size=30))
def test_keys_are_equal_where_the_texts_are_and_packed_once(ids: list[str]) -> None:
    found = keys(_rows(ids))
    assert list(found) == [int(keys(_rows([text]))[0]) for text in ids]
    packed = unpack(pack(found))
    assert list(packed) == sorted({int(value) for value in found})
    assert pack(packed) == pack(found)


def test_pack_is_little_endian() -> None:
    assert pack(np.array([256, 1], dtype=np.uint64)) == bytes([1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])


ELSEWHERE = """
import pandas as pd
from contender.stages.gate.fingerprints import keys, pairs
rows = pd.DataFrame({"example_id": ["a", "b"], "day": [1, 2], "due_at": ["2013-06-15T04:30:00Z"] * 2})
print(*keys(rows), *pairs(rows, "day"))
"""


@pytest.mark.parametrize("seed", ["0", "1"])
def test_fingerprints_of_another_process_are_the_same(seed: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "plugins"), "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    rows = _rows(["a", "b"], [1, 2])
    assert [int(value) for value in done.stdout.split()] == [*keys(rows), *pairs(rows, "day")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (_rows(["a", None]), "1 of 2 rows have no example_id"),
        (_rows(["a", "b"], ["2013-06-15", np.nan]), "1 of 2 rows have no day"),
        (_rows(["a", "b"], due=[JUNE, pd.NaT]), "1 of 2 rows have no due_at"),
        (_rows(["a"]).drop(columns="day"), "the rows have no column 'day'"),
    ],
    ids=["no key", "no cluster", "no time", "no column"],
)
def test_traced_of_rows_that_cannot_be_told_apart_refuses(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _traced(rows)


def _traced(rows: pd.DataFrame) -> Any:
    return traced(
        rows, version="2", model_digest="a" * 64, train=Interval.parse("2013-06"), cluster="day",
        training_set=Snapshot(table="toy_training_set", version=1, digest="d" * 64, rows=len(rows) + 5),
    )  # fmt: skip


def test_traced_says_what_the_rows_say_and_is_read_again() -> None:
    rows = _rows(["a", "b", "b"], due=[JUNE, JUNE + timedelta(days=2), JUNE - timedelta(days=2)])
    kept = _traced(rows)
    lineage = kept.lineage
    assert (lineage.rows, lineage.first_due, lineage.last_due) == (
        3, JUNE - timedelta(days=2), JUNE + timedelta(days=2),
    )  # fmt: skip
    assert (len(unpack(kept.keys)), len(unpack(kept.pairs))) == (2, 3)
    files = kept.files()
    assert trace("2", "a" * 64, sha256(files["lineage.json"]), files) == kept


def test_fingerprints_of_no_rows_are_none() -> None:
    assert len(keys(_rows([], [], []))) == len(pairs(_rows([], [], []), "day")) == 0

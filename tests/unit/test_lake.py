from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contender.adapters.lake import ATTEMPTS, Lake, digest
from contender.core.errors import DataError, RowsNotConserved, SpecError, TableContended
from contender.core.interval import Interval
from contender.core.settings import CHECKOUT

JANUARY, FEBRUARY = Interval.parse("2013-01"), Interval.parse("2013-02")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def rows(*days: str, text: list[str] | None = None) -> pd.DataFrame:
    times = pd.to_datetime(list(days), utc=True, format="ISO8601").as_unit("us")
    return pd.DataFrame({"at": times, "value": [float(len(day)) for day in days], "name": text or ["x"] * len(days)})


def write(lake: Lake, frame: pd.DataFrame, interval: Interval) -> int:
    return lake.write("table", frame, time="at", interval=interval).version


def test_digest_does_not_depend_on_the_order_of_rows_or_columns() -> None:
    frame = rows("2013-01-01", "2013-01-02", text=["a", "b"])
    assert digest(frame) == digest(frame.iloc[::-1]) == digest(frame[["name", "value", "at"]])


@pytest.mark.parametrize(
    "other",
    [
        rows("2013-01-01", "2013-01-02", text=["a", "c"]),
        rows("2013-01-01", text=["a"]),
        rows("2013-01-01", "2013-01-02", text=["a", "b"]).rename(columns={"name": "label"}),
        rows("2013-01-01", "2013-01-02", text=["a", "b"]).astype({"value": "int64"}),
    ],
    ids=["a value", "a row", "a name", "a type"],
)
def test_digest_changes_with_the_content(other: pd.DataFrame) -> None:
    assert digest(other) != digest(rows("2013-01-01", "2013-01-02", text=["a", "b"]))


def test_write_of_a_slice_leaves_the_others(lake: Lake) -> None:
    write(lake, rows("2013-01-05"), JANUARY)
    write(lake, rows("2013-02-01", "2013-02-03"), FEBRUARY)
    write(lake, rows("2013-02-02"), FEBRUARY)
    assert lake.read("table")["at"].dt.strftime("%m-%d").sort_values().tolist() == ["01-05", "02-02"]
    assert len(lake.read("table", time="at", interval=FEBRUARY)) == 1
    assert lake.months("table", "at") == {"2013-01", "2013-02"}


def test_write_of_what_is_there_makes_no_version(lake: Lake) -> None:
    first = write(lake, rows("2013-01-05", "2013-01-06"), JANUARY)
    assert write(lake, rows("2013-01-06", "2013-01-05"), JANUARY) == first
    assert write(lake, rows("2013-01-06"), JANUARY) == first + 1


@pytest.mark.parametrize("kind", ["string", "object"])
def test_write_of_what_is_there_makes_no_version_whatever_type_its_text_has(lake: Lake, kind: str) -> None:
    frame = rows("2013-01-05", "2013-01-06", text=["a", "b"]).astype({"name": kind})
    first = lake.write("table", frame)
    assert lake.write("table", frame) == first


def test_write_at_the_edges_of_a_slice_keeps_to_the_half_open_interval(lake: Lake) -> None:
    write(lake, rows("2013-01-01T00:00", "2013-01-31T23:59:59.999999"), JANUARY)
    write(lake, rows("2013-02-01T00:00"), FEBRUARY)
    assert len(lake.read("table", time="at", interval=JANUARY)) == 2
    assert len(lake.read("table", time="at", interval=FEBRUARY)) == 1


def test_write_of_rows_outside_the_slice_is_refused(lake: Lake) -> None:
    with pytest.raises(RowsNotConserved, match="expected: 2 rows; got: 1 rows"):
        write(lake, rows("2013-01-05", "2013-02-05"), JANUARY)


def test_read_of_an_older_version_gives_its_rows(lake: Lake) -> None:
    first = lake.write("table", rows("2013-01-05"))
    second = lake.write("table", rows("2013-01-06", "2013-01-07"))
    assert (second.version, second.rows) == (first.version + 1, 2)
    assert digest(lake.read("table", version=first.version)) == first.digest
    assert digest(lake.read("table")) == second.digest


def test_read_keeps_times_text_and_missing_values(lake: Lake) -> None:
    frame = pd.DataFrame(
        {
            "at": pd.to_datetime(["2013-01-05T10:00:00.000001Z", None], utc=True).as_unit("us"),
            "value": [1.5, float("nan")],
            "name": pd.array(["a", pd.NA], dtype="string"),
        }
    )
    lake.write("table", frame)
    pd.testing.assert_frame_equal(lake.read("table"), frame)


def test_read_of_a_table_that_is_not_there_names_it(lake: Lake) -> None:
    assert not lake.has("nothing")
    assert lake.months("nothing", "at") == set()
    with pytest.raises(DataError, match="there is no table 'nothing'"):
        lake.read("nothing")


def test_write_with_a_new_column_adds_it_and_keeps_the_other_slices(lake: Lake) -> None:
    january, february = rows("2013-01-05"), rows("2013-02-05")
    lake.write("table", january, time="at", interval=JANUARY)
    lake.write("table", february.assign(extra=1.5), time="at", interval=FEBRUARY)
    assert lake.columns("table") == {*january.columns, "extra"}
    assert lake.read("table", time="at", interval=JANUARY)["extra"].isna().all()
    assert (lake.read("table", time="at", interval=FEBRUARY)["extra"] == 1.5).all()
    version = lake.open("table").version()
    lake.write("table", january, time="at", interval=JANUARY)
    assert lake.open("table").version() == version


TWO_WRITERS = """
import sys, time
from pathlib import Path
import pandas as pd
from contender.adapters.lake import Lake
from contender.core.interval import Interval

root, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
months = Interval.parse("2013-01-01/2013-05-01").months()
lake = Lake(root)
Path(root, f"ready_{name}").touch()
while not Path(root, "go").exists():
    time.sleep(0.001)
for table in (f"new_{number}" for number in range(rounds)):
    for month in months:
        days = pd.date_range(month.start, periods=20, freq="D", unit="us")
        frame = pd.DataFrame({"at": days, "value": range(20)})
        lake.write(table, frame, time="at", interval=month, commit={"by": name})
    lake.write(f"whole_{table}", pd.DataFrame({"name": ["a", "b"], "value": [1.0, 2.0]}))
    lake.write(f"differs_{table}", pd.DataFrame({"name": [name, name], "value": [1.0, 2.0]}))
"""


def test_write_by_two_processes_at_once_neither_doubles_nor_loses_rows(lake: Lake, tmp_path: Path) -> None:
    rounds, names = 6, ("one", "two")
    calls = [[sys.executable, "-c", TWO_WRITERS, str(tmp_path), name, str(rounds)] for name in names]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT / "plugins")}
    running = [subprocess.Popen(call, env=env, stderr=subprocess.PIPE, text=True) for call in calls]
    while not all((tmp_path / f"ready_{name}").exists() for name in names):
        assert all(process.poll() is None for process in running), [p.communicate()[1] for p in running]
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [(process.communicate()[1], process.returncode) for process in running] == [("", 0)] * 2
    for number in range(rounds):
        found = lake.read(f"new_{number}")
        assert len(found) == found["at"].nunique() == 4 * 20
        assert sorted(lake.read(f"whole_new_{number}")["name"]) == ["a", "b"]
        assert lake.read(f"differs_new_{number}")["name"].tolist() in (["one"] * 2, ["two"] * 2)


def test_write_between_look_and_commit_of_another_begins_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write(lake, rows("2013-01-05"), JANUARY)
    other, created, lost = Lake(lake.root), lake._created, []

    def overtaken(table: str, schema: Any, owner: str) -> Any:
        delta = created(table, schema, owner)
        if not lost:
            lost.append(write(other, rows("2013-01-07", "2013-01-08"), JANUARY))
        return delta

    monkeypatch.setattr(lake, "_created", overtaken)
    assert write(lake, rows("2013-01-06"), JANUARY) == lost[0] + 1
    assert lake.read("table")["at"].dt.day.tolist() == [6]


def test_write_overtaken_at_each_attempt_says_that_the_table_is_contended(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lake, rows("2013-01-05"), JANUARY)
    other, created, times = Lake(lake.root), lake._created, []

    def overtaken(table: str, schema: Any, owner: str) -> Any:
        delta = created(table, schema, owner)
        times.append(write(other, rows(f"2013-01-{10 + len(times)}"), JANUARY))
        return delta

    monkeypatch.setattr(lake, "_created", overtaken)
    monkeypatch.setattr("contender.adapters.lake.PAUSE_SECONDS", 0)
    with pytest.raises(TableContended, match=r"table 2013-01.*expected: one of 8 commits"):
        write(lake, rows("2013-01-06"), JANUARY)
    assert len(times) == ATTEMPTS
    assert lake.read("table")["at"].dt.day.tolist() == [10 + ATTEMPTS - 1]


def test_table_of_another_model_is_neither_written_nor_free(lake: Lake) -> None:
    first = lake.write("visits", rows("2013-01-05"), time="at", interval=JANUARY, owner="churn")
    with pytest.raises(SpecError, match=r"the table 'visits' is another model's.*'upsell'.*owner='churn' to share it"):
        lake.write("visits", rows("2013-02-05"), time="at", interval=FEBRUARY, owner="upsell")
    with pytest.raises(SpecError, match="another model's"):
        lake.require_own(["habits", "visits"], "upsell")
    lake.require_own(["habits", "visits"], "churn")
    assert lake.open("visits").version() == first.version
    assert lake.write("visits", rows("2013-02-05"), time="at", interval=FEBRUARY, owner="churn").version == 2


def test_table_from_before_owners_were_noted_is_of_the_first_that_changes_it(lake: Lake) -> None:
    lake.write("visits", rows("2013-01-05"), time="at", interval=JANUARY)
    lake.write("visits", rows("2013-01-05"), time="at", interval=JANUARY, owner="churn")
    lake.write("visits", rows("2013-01-06"), time="at", interval=JANUARY, owner="churn")
    with pytest.raises(SpecError, match="got: one that 'churn' writes"):
        lake.write("visits", rows("2013-01-07"), time="at", interval=JANUARY, owner="upsell")
    assert lake.read("visits")["at"].dt.day.tolist() == [6]

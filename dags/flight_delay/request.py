"""What a caller of `flight_delay` sends, and how the model's own inputs follow from it.

Copied into the model's bundle and run by the serving app: standard library and msgspec only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

# The question is asked this long before the scheduled departure.
LEAD = timedelta(hours=1)
# All three origins lie in this zone; hour and weekday mean what passengers and crews call them.
NEW_YORK = ZoneInfo("America/New_York")

# `$` also matches before a final line break, hence the lengths beside the patterns.
Airport = Annotated[str, Meta(pattern="^[A-Z]{3}$", max_length=3)]
Carrier = Annotated[str, Meta(pattern="^[A-Z0-9]{2}$", max_length=2)]
Tailnum = Annotated[str, Meta(pattern="^[A-Z0-9-]{3,8}$", max_length=8)]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One flight that somebody asks about.

    Attributes:
        flight: Flight number, 1 to 9999.
        origin: One of the New York airports.
        dest: IATA code of the destination; one the model never saw is answered as an unknown category.
        carrier: IATA code of the airline, likewise.
        tailnum: Registration of the plane; null where none is assigned yet.
        scheduled_departure: ISO 8601 with a UTC offset or `Z`.
    """

    flight: Annotated[int, Meta(ge=1, le=9999)]
    origin: Literal["EWR", "JFK", "LGA"]
    dest: Airport
    carrier: Carrier
    tailnum: Tailnum | None
    scheduled_departure: Annotated[datetime, Meta(tz=True)]


def calendar(scheduled_departure: datetime) -> dict[str, float]:
    """The calendar features of a departure, the one definition for training and serving.

    Args:
        scheduled_departure: Aware; any time zone.

    Returns:
        `hour`: local hour in New York with its fraction, 0 ≤ hour < 24; `weekday`: 0 is Monday.

    Raises:
        ValueError: The time has no zone.

    >>> calendar(datetime(2013, 7, 1, 12, 30, tzinfo=UTC))
    {'hour': 8.5, 'weekday': 0.0}
    """
    if scheduled_departure.tzinfo is None:
        raise ValueError(f"scheduled_departure {scheduled_departure.isoformat()} has no time zone")
    local = scheduled_departure.astimezone(NEW_YORK)
    return {"hour": local.hour + local.minute / 60, "weekday": float(local.weekday())}


def route_key(origin: str, dest: str) -> str:
    """Key of a route, e.g. `JFK-LAX`."""
    return f"{origin}-{dest}"


def flight_key(carrier: str, flight: int, route: str) -> str:
    """Key of a flight number on its route, e.g. `UA1545/EWR-IAH`: airlines give one number to several routes."""
    return f"{carrier}{flight}/{route}"


def resolve(request: Request) -> tuple[datetime, dict[str, str], dict[str, float | str | None]]:
    """What the serving app needs to look the features up.

    Returns:
        The prediction time (UTC), the join keys by name (without `tailnum` where it is null), and the values of
        the columns whose source is `request`.
    """
    route = route_key(request.origin, request.dest)
    keys = {
        "origin": request.origin,
        "carrier": request.carrier,
        "dest": request.dest,
        "route": route,
        "flight_number": flight_key(request.carrier, request.flight, route),
    }
    if request.tailnum is not None:
        keys["tailnum"] = request.tailnum
    values: dict[str, float | str | None] = {
        "origin": request.origin,
        "carrier": request.carrier,
        "dest": request.dest,
        **calendar(request.scheduled_departure),
    }
    return request.scheduled_departure.astimezone(UTC) - LEAD, keys, values

"""What a caller of `origin_departures` sends, and how the model's own inputs follow from it.

Copied into the model's bundle and run by the serving app: standard library and msgspec only.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One airport that somebody asks about.

    Attributes:
        origin: One of the New York airports.
        asked_at: When it is asked; ISO 8601 with a UTC offset or `Z`. The answer is of the hour that begins 23 hours
            after the last full one.
    """

    origin: Literal["EWR", "JFK", "LGA"]
    asked_at: Annotated[datetime, Meta(tz=True)]


def resolve(request: Request) -> tuple[datetime, dict[str, str], dict[str, float | str | None]]:
    """What the serving app needs to look the features up.

    Returns:
        The prediction time (UTC), the join keys by name, and the values of the columns whose source is `request`.
    """
    return request.asked_at.astimezone(UTC), {"origin": request.origin}, {"origin": request.origin}

"""Figures, spans of time and digests as a reader is shown them."""

from __future__ import annotations

from datetime import datetime, timedelta

from contender.core.evidence import Estimate
from contender.core.interval import Interval

MINUS = "−"
DAY = timedelta(days=1)


def figure(value: float, sign: str = "") -> str:
    """A figure with the digits that tell: four decimals, fewer above 10, a power of ten below 0.0001.

    Args:
        value: The figure.
        sign: `+` to write the sign of a positive figure too.

    Example:
        >>> figure(0.45678), figure(1234.5), figure(0.0123, "+"), figure(0.00001234)
        ('0.4568', '1,234', '+0.0123', '1.2e−05')
    """
    size = abs(value)
    if 0 < size < 0.0001:  # noqa: PLR2004
        form = ".1e"
    elif size < 10:  # noqa: PLR2004
        form = ".4f"
    else:
        form = ",.2f" if size < 1000 else ",.0f"  # noqa: PLR2004
    return f"{value:{sign}{form}}".replace("-", MINUS)


def change(value: float) -> str:
    """A difference, with its sign."""
    return figure(value, "+")


def ends(estimate: Estimate) -> str:
    """The interval of a difference, or that there is none."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{change(estimate.low)} to {change(estimate.high)}"


def share(value: float) -> str:
    """A share in percent."""
    return f"{100 * value:.4g} %"


def span(interval: Interval | None) -> str:
    """First and last day of whole days, both included; otherwise the two instants, UTC. None of rows without a time."""
    if interval is None:
        return "rows without a time, chosen by their key"
    if all((moment.hour, moment.minute, moment.second) == (0, 0, 0) for moment in (interval.start, interval.end)):
        first, last = interval.start.date(), (interval.end - DAY).date()
        return f"{first}" if first == last else f"{first} to {last}"
    return f"{moment(interval.start)} to {moment(interval.end)}"


def moment(when: datetime) -> str:
    """An instant, UTC, to the second."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def clipped(text: str, length: int = 36) -> str:
    """A label short enough for a figure, without what cannot be drawn."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"

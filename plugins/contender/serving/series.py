"""Series kept as plain numbers, and shown to Prometheus only when it asks.

`prometheus_client`'s own counters take a lock and a look-up of their labels at each step: tens of microseconds for one
answer. These take none of it, so they belong to one thread, that of the event loop, which also answers the scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class Family(Protocol):
    """Series of one name."""

    def metric(self, common: dict[str, str]) -> Any:
        """What they are now, as Prometheus' client wants it; `common` are labels of all of them."""


class Counts(dict[Labels, float]):
    """A counter for each set of labels; one that was never touched is 0 and not shown.

    >>> counts = Counts("seen", "Things seen.", "colour")
    >>> counts["red",] += 2
    >>> counts["red",], counts["blue",]
    (2, 0)
    """

    def __init__(self, name: str, text: str, *labels: str) -> None:
        super().__init__()
        self.name, self.text, self.labels = name, text, labels

    def __missing__(self, labels: Labels) -> float:
        return 0

    def metric(self, common: dict[str, str]) -> CounterMetricFamily:
        """See `Family`."""
        shown = CounterMetricFamily(self.name, self.text, labels=(*common, *self.labels))
        for labels, value in self.items():
            shown.add_metric((*common.values(), *labels), value)
        return shown


class Buckets:
    """How many values lie where: one histogram. A value belongs to the first bound that is not below it.

    Attributes:
        bounds: Upper bounds, rising; what is above the last, or no number, counts beyond it.
        counts: How many values lie below each bound and above the one before, and how many beyond.
        total: The sum of the values that are numbers.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = list(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value.

        >>> buckets = Buckets([1, 2])
        >>> for value in (1, 1.5, 9, float("nan")):
        ...     buckets.add(value)
        >>> buckets.counts, buckets.total
        ([1, 1, 2], 11.5)
        """
        if value == value:  # noqa: PLR0124  # NaN is not; this is many times faster than math.isnan
            self.counts[bisect_left(self.bounds, value)] += 1
            self.total += value
        else:
            self.counts[-1] += 1


class Histograms(dict[Labels, Buckets]):
    """A histogram for each set of labels; one without labels is shown from the start."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> None:
        super().__init__()
        self.name, self.text, self.labels, self._bounds = name, text, labels, bounds
        if not labels:
            self[()] = Buckets(bounds)

    def __missing__(self, labels: Labels) -> Buckets:
        made = self[labels] = Buckets(self._bounds)
        return made

    def metric(self, common: dict[str, str]) -> HistogramMetricFamily:
        """See `Family`."""
        shown = HistogramMetricFamily(self.name, self.text, labels=(*common, *self.labels))
        for labels, buckets in self.items():
            seen, below = 0, []
            for bound, count in zip((*buckets.bounds, inf), buckets.counts, strict=True):
                seen += count
                below.append((floatToGoString(bound), seen))  # type: ignore[no-untyped-call]
            shown.add_metric((*common.values(), *labels), below, buckets.total)
        return shown


@dataclass(frozen=True)
class Watched:
    """A number that is read when Prometheus asks."""

    name: str
    text: str
    read: Callable[[], float]
    kind: Literal["gauge", "counter"] = "gauge"

    def metric(self, common: dict[str, str]) -> GaugeMetricFamily | CounterMetricFamily:
        """See `Family`."""
        family = GaugeMetricFamily if self.kind == "gauge" else CounterMetricFamily
        shown = family(self.name, self.text, labels=tuple(common))
        shown.add_metric(tuple(common.values()), self.read())
        return shown


@dataclass(frozen=True)
class WatchedState:
    """Which of some states it is in: 1 for that one, 0 for the others."""

    name: str
    text: str
    states: tuple[str, ...]
    read: Callable[[], str]

    def metric(self, common: dict[str, str]) -> GaugeMetricFamily:
        """See `Family`."""
        shown = GaugeMetricFamily(self.name, self.text, labels=(*common, "state"))
        now = self.read()
        for state in self.states:
            shown.add_metric((*common.values(), state), float(state == now))
        return shown


class Series(Collector):
    """Families with labels in common, as a collector of a registry."""

    def __init__(self, common: dict[str, str]) -> None:
        self._common = common
        self._families: list[Family] = []

    def add(self, family: Family) -> None:
        """Show a family from now on."""
        self._families.append(family)

    def collect(self) -> Iterator[Any]:
        """All families as they are now."""
        for family in self._families:
            yield family.metric(self._common)

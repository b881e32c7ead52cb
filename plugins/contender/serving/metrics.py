"""What Prometheus reads from the app. Every series bears the model, its version and the variant.

The methods are for the thread of the event loop, and cost about a microsecond each: see `contender.serving.series`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from contender.core.golden import Output
from contender.serving.breaker import STATES, Breaker
from contender.serving.lookup import Looked
from contender.serving.series import Counts, Family, Histograms, Series, Watched, WatchedState

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LOOKUP_SECONDS = (0.0001, 0.00025, *SECONDS)
PROBABILITIES = tuple(step / 20 for step in range(1, 21))
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MINUTE, HOUR, DAY = 60, 3600, 86_400
AGES = (
    MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 7 * DAY, 30 * DAY, 365 * DAY,
)  # fmt: skip

F = TypeVar("F", bound=Family)


class Metrics:
    """The series of one app, in a registry of its own.

    Args:
        model, version: From the bundle.
        variant: The part this process plays: `stable`, `canary` or `shadow`.
        about: Further facts of the model, labels of `contender_model_info`.
        golden: What the model answered in training: the buckets of predicted numbers lie where these do.

    Attributes:
        in_flight: Requests that have come and are not answered; the app counts it up and down itself.
    """

    def __init__(
        self, *, model: str, version: str, variant: str, about: dict[str, Any], golden: Sequence[Output] = ()
    ) -> None:
        self.in_flight = 0
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        common = {"model": model, "version": version, "variant": variant}
        self._series = Series(common)
        self.registry.register(self._series)
        facts = {name: str(about.get(name, "")) for name in ("model_digest", "code_revision")}
        info = Series(common | facts)
        info.add(Watched("contender_model_info", "The model that is loaded.", lambda: 1))
        self.registry.register(info)
        self._new_request_series(golden)
        self._new_lookup_series()

    def _new_request_series(self, golden: Sequence[Output]) -> None:
        self._requests = self._add(Counts("contender_requests", "Requests answered.", "endpoint", "status"))
        self._seconds = self._add(Histograms("contender_request_seconds", "Seconds to answer.", SECONDS, "endpoint"))
        self._errors = self._add(Counts("contender_errors", "Requests not answered, by the error's class.", "cause"))
        self.watch("contender_requests_in_flight", "Requests not answered yet.", lambda: self.in_flight)
        text = "Predictions; of several classes the highest."
        self._prediction = self._add(Histograms("contender_prediction", text, _buckets(golden)))[()]
        text = "Rows that went through the model at once."
        self._batch = self._add(Histograms("contender_batch_rows", text, SIZES))[()]

    def _new_lookup_series(self) -> None:
        text = "Features that look-ups found null, or stale: used all the same, or why a request was refused."
        self._unknown = self._add(Counts("contender_features_unknown", text, "feature", "reason"))
        text = "How old the rows of the online store were at the prediction time, if they were used."
        self._ages = self._add(Histograms("contender_feature_age_seconds", text, AGES, "view"))
        text = "Seconds a request waited for its features."
        self._lookup = self._add(Histograms("contender_lookup_seconds", text, LOOKUP_SECONDS))[()]
        name, text = "contender_lookup_round_trip_seconds", "Seconds of one round trip to the online store."
        self._trips = self._add(Histograms(name, text, LOOKUP_SECONDS, "outcome"))
        text = "Requests whose features came in one round trip."
        self._together = self._add(Histograms("contender_lookup_requests", text, SIZES))[()]

    def _add(self, family: F) -> F:
        self._series.add(family)
        return family

    def watch(
        self, name: str, text: str, read: Callable[[], float], kind: Literal["gauge", "counter"] = "gauge"
    ) -> None:
        """Show a number that is kept elsewhere; it is read when Prometheus asks. A counter's name gets `_total`."""
        self._add(Watched(name, text, read, kind))

    def watch_breaker(self, breaker: Breaker) -> None:
        """Show the state of the circuit breaker before the online store."""
        text = "1 for the state that the circuit breaker before the online store is in."
        self._add(WatchedState("contender_lookup_breaker_state", text, STATES, lambda: breaker.state))
        text = "How often the circuit breaker has opened."
        self.watch("contender_lookup_breaker_opened", text, lambda: breaker.opened, "counter")

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer, whatever its status."""
        self._requests[endpoint, str(status)] += 1
        self._seconds[endpoint,].add(seconds)

    def failed(self, cause: str) -> None:
        """Count one error by the name of its class."""
        self._errors[cause,] += 1

    def flushed(self, rows: int) -> None:
        """Count one run of the model by the number of its rows."""
        self._batch.add(rows)

    def predicted(self, outputs: Iterable[Output]) -> None:
        """Count predictions, of one answer or of a flush."""
        add = self._prediction.add
        for output in outputs:
            add(_highest(output))

    def looked_up(self, seconds: float, looked: Sequence[Looked]) -> None:
        """Count one request's look-up: how long it waited, how old its rows are, what it has to do without."""
        self._lookup.add(seconds)
        ages = self._ages
        for one in looked:
            for view, age in one.ages:
                ages[view,].add(age)
            for reason, features in one.unknown.items():
                for feature in features:
                    self._unknown[feature, reason] += 1

    def round_trip(self, seconds: float, asked: int, *, answered: bool) -> None:
        """Count one round trip to the online store, on behalf of so many requests."""
        self._trips["answered" if answered else "failed",].add(seconds)
        self._together.add(asked)

    def text(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)


def _highest(output: Output) -> float:
    return max(output) if isinstance(output, list) else output


def _buckets(golden: Sequence[Output]) -> tuple[float, ...]:
    """Twentieths for probabilities; for other numbers the golden answers themselves, which are spread over time."""
    seen = sorted({_highest(output) for output in golden})
    return PROBABILITIES if not seen or (seen[0] >= 0 and seen[-1] <= 1) else tuple(seen)

"""What Prometheus reads from the app. Every series bears the model, its version and the variant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from contender.core.golden import Output

COMMON = ("model", "version", "variant")
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
PROBABILITIES = tuple(step / 20 for step in range(1, 21))


class Metrics:
    """The series of one app, in a registry of its own.

    Args:
        model, version: From the bundle.
        variant: The part this process plays: `stable`, `canary` or `shadow`.
        about: Further facts of the model, labels of `contender_model_info`.
        golden: What the model answered in training: the buckets of predicted numbers lie where these do.
    """

    def __init__(
        self, *, model: str, version: str, variant: str, about: dict[str, Any], golden: Sequence[Output] = ()
    ) -> None:
        self._common = (model, version, variant)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = self._new(Counter, "contender_requests", "Requests answered.", "endpoint", "status")
        self._seconds = self._new(
            Histogram, "contender_request_seconds", "Seconds to answer.", "endpoint", buckets=SECONDS
        )
        self._errors = self._new(Counter, "contender_errors", "Requests not answered, by the error's class.", "cause")
        self._predictions = self._new(
            Histogram, "contender_prediction", "Predictions; of several classes the highest.", buckets=_buckets(golden)
        ).labels(*self._common)
        self._unknown = self._new(
            Counter, "contender_features_unknown", "Features that were null at prediction.", "feature", "reason"
        )
        facts = {name: str(about.get(name, "")) for name in ("model_digest", "code_revision")}
        info = self._new(Gauge, "contender_model_info", "The model that is loaded.", *facts)
        info.labels(*self._common, *facts.values()).set(1)

    def _new(self, kind: Any, name: str, text: str, *labels: str, **options: Any) -> Any:
        return kind(name, text, (*COMMON, *labels), registry=self.registry, **options)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer, whatever its status."""
        self._requests.labels(*self._common, endpoint, str(status)).inc()
        self._seconds.labels(*self._common, endpoint).observe(seconds)

    def failed(self, cause: str) -> None:
        """Count one error by the name of its class."""
        self._errors.labels(*self._common, cause).inc()

    def predicted(self, outputs: Iterable[Output]) -> None:
        """Count the predictions of one answer."""
        for output in outputs:
            self._predictions.observe(_highest(output))

    def unknown(self, feature: str, reason: str) -> None:
        """Count a feature that a prediction had to do without."""
        self._unknown.labels(*self._common, feature, reason).inc()

    def text(self) -> bytes:
        """All series in Prometheus' text format."""
        return generate_latest(self.registry)


def _highest(output: Output) -> float:
    return max(output) if isinstance(output, list) else output


def _buckets(golden: Sequence[Output]) -> tuple[float, ...]:
    """Twentieths for probabilities; for other numbers the golden answers themselves, which are spread over time."""
    seen = sorted({_highest(output) for output in golden})
    return PROBABILITIES if not seen or (seen[0] >= 0 and seen[-1] <= 1) else tuple(seen)

"""What Prometheus reads of the prediction log, made of its counts when asked: no request pays for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from contender.serving.supervisor import Figures

COMMON = ("model", "version", "variant")
STATES = ("shipping", "waiting", "stopped")
NAME = "contender_prediction_log"


class LogMetrics(Collector):
    """The series `contender_prediction_log_*`; register it with the registry of the app's metrics.

    Args:
        figures: Of the prediction log.
        common: Values of the labels model, version and variant.
    """

    def __init__(self, figures: Callable[[], Figures], common: Sequence[str]) -> None:
        self._figures, self._common = figures, tuple(common)

    def collect(self) -> Iterable[Metric]:
        """The series as of now."""
        now = self._figures()
        yield self._gauge("pending_bytes", "Bytes in the journal that are not in the store yet.", now.pending_bytes)
        yield self._gauge(
            "seconds_since_success", "Since the store took all there was, or part of it.", now.seconds_since_success
        )
        for name, text, value in (
            ("shipped", "Records handed to the store.", now.shipped),
            ("repeated", "Of these, the ones that it had already.", now.repeated),
            ("refused", "Records that the store takes in no case, set aside.", now.refused),
            ("torn", "Halves of lines of killed writers, set aside.", now.torn),
        ):
            counter = CounterMetricFamily(f"{NAME}_{name}", text, labels=COMMON)
            counter.add_metric(self._common, value)
            yield counter
        failures = CounterMetricFamily(f"{NAME}_failures", "Failed attempts to ship.", labels=(*COMMON, "cause"))
        for cause, value in now.failures.items():
            failures.add_metric((*self._common, cause), value)
        yield failures
        state = GaugeMetricFamily(f"{NAME}_state", "1 for the state it is in.", labels=(*COMMON, "state"))
        for one in STATES:
            state.add_metric((*self._common, one), float(one == now.state))
        yield state

    def _gauge(self, name: str, text: str, value: float) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(f"{NAME}_{name}", text, labels=COMMON)
        gauge.add_metric(self._common, value)
        return gauge

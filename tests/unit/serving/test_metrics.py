from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from contender.serving.breaker import STATES, Breaker
from contender.serving.lookup import Looked
from contender.serving.metrics import PROBABILITIES, SECONDS, Metrics
from contender.serving.series import Histograms, Series

COMMON = {"model": "m", "version": "3", "variant": "canary"}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(**COMMON, about={"model_digest": "d"})


def samples(metrics: Metrics) -> list[Sample]:
    return [one for family in text_string_to_metric_families(metrics.text().decode()) for one in family.samples]


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """The only sample of a name with these labels; each has those in common, too."""
    found = [one for one in samples(metrics) if one.name == name and labels.items() <= one.labels.items()]
    (only,) = found
    assert COMMON.items() <= only.labels.items()
    return only.value


def test_answers_are_counted_by_endpoint_and_status(metrics: Metrics) -> None:
    metrics.answered("/predict", 200, 0.002)
    metrics.answered("/predict", 200, 0.002)
    metrics.answered("/predict", 200, 2.0)
    metrics.answered("/predict", 503, 0.1)
    assert value(metrics, "contender_requests_total", endpoint="/predict", status="200") == 3
    assert value(metrics, "contender_requests_total", endpoint="/predict", status="503") == 1
    assert value(metrics, "contender_request_seconds_count", endpoint="/predict") == 4
    assert value(metrics, "contender_request_seconds_sum", endpoint="/predict") == pytest.approx(2.104)
    assert value(metrics, "contender_request_seconds_bucket", endpoint="/predict", le="0.0025") == 2
    assert value(metrics, "contender_request_seconds_bucket", endpoint="/predict", le="+Inf") == 4


def test_histogram_is_what_prometheus_own_client_shows(metrics: Metrics) -> None:
    seen = [0.0, 0.0005, 0.0007, 0.25, 0.25, 1.0, 7.5]
    registry, own = CollectorRegistry(), CollectorRegistry()
    theirs = Histogram("h", "Some text.", ["endpoint", *COMMON], buckets=SECONDS, registry=registry)
    ours = Histograms("h", "Some text.", SECONDS, "endpoint")
    for one in seen:
        theirs.labels("/x", *COMMON.values()).observe(one)
        ours["/x",].add(one)
    series = Series(COMMON)
    series.add(ours)
    own.register(series)
    shown = [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]
    assert generate_latest(own).decode().splitlines() == shown


def test_predictions_of_probabilities_lie_in_twentieths(metrics: Metrics) -> None:
    metrics.predicted([0.05, 0.051, [0.2, 0.7, 0.1]])
    assert value(metrics, "contender_prediction_bucket", le="0.05") == 1
    assert value(metrics, "contender_prediction_bucket", le="0.7") == 3
    assert value(metrics, "contender_prediction_sum") == pytest.approx(0.801)
    assert len([one for one in samples(metrics) if one.name == "contender_prediction_bucket"]) == 1 + len(PROBABILITIES)


def test_predictions_of_numbers_lie_between_the_golden_ones() -> None:
    metrics = Metrics(**COMMON, about={}, golden=[30.0, 10.0, 20.0])
    metrics.predicted([15.0, 99.0])
    assert value(metrics, "contender_prediction_bucket", le="20.0") == 1
    assert value(metrics, "contender_prediction_bucket", le="+Inf") == 2


def test_prediction_that_is_no_number_is_counted_beyond_the_buckets(metrics: Metrics) -> None:
    metrics.predicted([float("nan"), 0.5])
    assert value(metrics, "contender_prediction_bucket", le="1.0") == 1
    assert value(metrics, "contender_prediction_count") == 2
    assert value(metrics, "contender_prediction_sum") == 0.5


def test_look_ups_show_ages_by_view_and_features_without_value(metrics: Metrics) -> None:
    looked = Looked([1.0])
    looked.ages = [("weather", 59.0), ("planes", 400 * 86_400.0)]
    looked.unknown["stale"].append("temp")
    looked.unknown["missing"].append("seats")
    metrics.looked_up(0.0002, [looked, looked])
    assert value(metrics, "contender_feature_age_seconds_bucket", view="weather", le="60.0") == 2
    assert value(metrics, "contender_feature_age_seconds_bucket", view="planes", le=floatToGoString(365 * 86_400)) == 0
    assert value(metrics, "contender_feature_age_seconds_count", view="planes") == 2
    assert value(metrics, "contender_features_unknown_total", feature="temp", reason="stale") == 2
    assert value(metrics, "contender_features_unknown_total", feature="seats", reason="missing") == 2
    assert value(metrics, "contender_lookup_seconds_count") == 1


def test_round_trips_show_how_many_requests_shared_them(metrics: Metrics) -> None:
    metrics.round_trip(0.0001, 5, answered=True)
    metrics.round_trip(0.1, 1, answered=False)
    assert value(metrics, "contender_lookup_round_trip_seconds_bucket", outcome="answered", le="0.0001") == 1
    assert value(metrics, "contender_lookup_round_trip_seconds_count", outcome="failed") == 1
    assert value(metrics, "contender_lookup_requests_sum") == 6


def test_errors_batches_and_requests_in_flight_are_counted(metrics: Metrics) -> None:
    metrics.failed("LookupsPaused")
    metrics.flushed(8)
    metrics.in_flight += 2
    assert value(metrics, "contender_errors_total", cause="LookupsPaused") == 1
    assert value(metrics, "contender_batch_rows_bucket", le="4.0") == 0
    assert value(metrics, "contender_batch_rows_bucket", le="8.0") == 1
    assert value(metrics, "contender_requests_in_flight") == 2


def test_watched_numbers_are_read_at_each_scrape(metrics: Metrics) -> None:
    journal = {"pending": 10.0, "shipped": 0.0}
    metrics.watch("contender_journal_pending_bytes", "Bytes to ship.", lambda: journal["pending"])
    metrics.watch("contender_journal_shipped", "Records shipped.", lambda: journal["shipped"], "counter")
    assert value(metrics, "contender_journal_pending_bytes") == 10
    journal |= {"pending": 0.0, "shipped": 3.0}
    assert value(metrics, "contender_journal_pending_bytes") == 0
    assert value(metrics, "contender_journal_shipped_total") == 3


def test_breaker_state_is_one_of_its_states(metrics: Metrics) -> None:
    breaker = Breaker(failures=1)
    metrics.watch_breaker(breaker)
    for expected in ("closed", "open"):
        shown = {state: value(metrics, "contender_lookup_breaker_state", state=state) for state in STATES}
        assert shown == {state: float(state == expected) for state in STATES}
        breaker.failed(ConnectionError())
    assert value(metrics, "contender_lookup_breaker_opened_total") == 1


def test_series_without_a_value_yet_are_shown_where_they_have_no_labels(metrics: Metrics) -> None:
    assert value(metrics, "contender_prediction_count") == 0
    assert value(metrics, "contender_model_info", model_digest="d", code_revision="") == 1
    assert "contender_requests_total" not in {one.name for one in samples(metrics)}

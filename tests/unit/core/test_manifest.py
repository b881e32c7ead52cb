from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contender.core.evidence import Estimate, Evidence, Finding, Verdict
from contender.core.interval import Interval
from contender.core.manifest import Release, canonical, digest_of
from contender.core.results import ImageProof, Snapshot


@given(value=st.dictionaries(st.text(), st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text())))
def test_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    finite = {key: item for key, item in value.items() if item not in {float("inf"), float("-inf")}}
    assert digest_of(finite) == digest_of(dict(reversed(finite.items())))


def test_canonical_is_compact_sorted_and_utf8() -> None:
    assert canonical({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'.encode()


def test_canonical_of_nan_refuses() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical({"a": float("nan")})


def test_release_survives_json_with_the_same_digest() -> None:
    month = Interval.parse("2013-06")
    table = Snapshot(table="flights", version=3, digest="d", rows=10, interval=month)
    figures = {"auc": Estimate(value=0.7, low=0.6, high=0.8)}
    release = Release(
        model="flight_delay",
        version="3",
        interval=month,
        train=month,
        holdout=month,
        code_revision="abc-dirty",
        lock_digest="l",
        tables=(table,),
        features_digest="f",
        training_set=table,
        parameters={"learning_rate": 0.05, "categories": ["a"]},
        seed=0,
        model_digest="m",
        run_id="r",
        evidence=Evidence(
            metric="auc",
            reference="champion",
            holdout_digest="d",
            rows=10,
            clusters=7,
            challenger=figures,
            champion=figures,
            improvement=figures,
        ),
        verdict=Verdict(
            verdict="hold", findings=(Finding(rule="improved", verdict="hold", reason="why"),), evidence_digest="e"
        ),
        image=ImageProof(
            image="contender/x:3", digest="i", model_digest="m", answered=5, largest_difference=0.0, size_mb=200.0
        ),
    )
    again = Release.model_validate_json(canonical(release.facts()))
    assert again == release
    assert digest_of(again.facts()) == digest_of(release.facts())


@pytest.mark.parametrize(
    "ends", [(0.1, None), (None, 0.1), (0.2, 0.1), (float("nan"), 0.1), (0.1, float("inf"))], ids=str
)
def test_estimate_with_impossible_ends_is_refused(ends: tuple[float | None, float | None]) -> None:
    with pytest.raises(ValidationError):
        Estimate(value=0.1, low=ends[0], high=ends[1])


def test_estimate_that_is_nan_is_refused() -> None:
    with pytest.raises(ValidationError):
        Estimate(value=float("nan"))

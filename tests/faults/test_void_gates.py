"""Gates that are void, built by mistake or by hand on the real operators: none of them promotes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contender.adapters.tracking import Tracking
from contender.core import decisions, naming
from contender.core.errors import ChampionUnrecorded, EvidenceStale, OverrideRefused, PromotionRefused
from contender.core.evidence import Finding, Verdict
from contender.core.interval import Interval
from contender.operators.evaluation import Evaluation
from contender.operators.train import read_training_set
from tests.tiny_platform import MODEL, Run, Tiny, champion, manifest, records, run

AGREED = "promote: agreed with the airline in June"


def move_alias(version: str) -> None:
    """Move the alias past the platform."""
    Tracking(MODEL).set_alias(naming.CHAMPION, version)


def kinds(tiny: Tiny, of: Run) -> list[str]:
    return [record.kind for record in records(tiny.home, of.chain.run_id)]


def delete_alias() -> None:
    """Take the alias away past the platform."""
    Tracking(MODEL).client.delete_registered_model_alias(MODEL, naming.CHAMPION)


def test_alias_moved_by_hand_to_what_was_never_promoted_measures_nothing(tiny: Tiny) -> None:
    move_alias("2")
    said = r"version 2 .*was never promoted.*expected: version 1, .*run first.*set_registered_model_alias.*'1'"
    with pytest.raises(ChampionUnrecorded, match=said):
        tiny.better.measure()
    assert kinds(tiny, tiny.better) == []


def test_alias_taken_away_makes_no_challenger_a_first_model(tiny: Tiny) -> None:
    delete_alias()
    with pytest.raises(ChampionUnrecorded, match=r"no version .*expected: version 1, "):
        tiny.better.measure()
    assert kinds(tiny, tiny.better) == []


@pytest.mark.parametrize("change", [delete_alias, lambda: move_alias("2")], ids=["deleted", "moved"])
def test_alias_changed_after_measuring_is_not_taken_for_the_runs_own_doing(
    tiny: Tiny, change: Callable[[], None]
) -> None:
    tiny.better.measure()
    change()
    with pytest.raises(ChampionUnrecorded, match="expected: version 1, "):
        tiny.better.decide()
    assert kinds(tiny, tiny.better) == ["look"]
    move_alias("1")
    tiny.better.decide()
    change()
    with pytest.raises(ChampionUnrecorded, match="expected: version 1, "):
        tiny.better.release()
    assert kinds(tiny, tiny.better) == ["look", "decision"]


def test_former_champion_set_back_by_hand_is_the_one_to_beat(tiny: Tiny) -> None:
    tiny.better.to_release()
    move_alias("1")
    assert tiny.best.measure()["reference"] == "version 1"


def test_champion_from_before_there_was_a_log_is_the_one_to_beat(tiny: Tiny, caplog: pytest.LogCaptureFixture) -> None:
    for path in (tiny.home / "decisions" / f"{MODEL}.jsonl", tiny.home / "releases" / MODEL / "1" / "release.json"):
        path.unlink()
    assert tiny.better.measure()["reference"] == "version 1"
    assert "no promotion is on record" in caplog.text


def test_champion_changed_between_measuring_and_deciding_decides_nothing(tiny: Tiny) -> None:
    tiny.better.measure()
    tiny.best.to_release()
    with pytest.raises(EvidenceStale, match=r"expected: champion version 3, .*got: champion version 1, "):
        tiny.better.decide()
    assert kinds(tiny, tiny.better) == ["look"]
    assert champion(tiny.home) == "3"


def test_evidence_of_another_run_decides_nothing(tiny: Tiny) -> None:
    tiny.best.measure()
    with pytest.raises(EvidenceStale, match="evidence is of another challenger"):
        tiny.best.decide(**tiny.better.measure())
    assert kinds(tiny, tiny.best) == ["look"]


@pytest.mark.parametrize("digest", ["", "0" * 64], ids=["none", "another"])
def test_evidence_of_other_rows_decides_nothing(tiny: Tiny, digest: str) -> None:
    tiny.better.measure()
    with pytest.raises(EvidenceStale, match="evidence is of another holdout"):
        tiny.better.decide(holdout_digest=digest)
    assert kinds(tiny, tiny.better) == ["look"]


def test_policy_changed_after_measuring_decides_nothing_without_another_look(tiny: Tiny) -> None:
    strict = run("strict", "ab", minimum_improvement=0.5)
    strict.measure()
    assert strict.decide() == "gate.hold"
    lenient = run("strict", "ab")
    with pytest.raises(EvidenceStale, match=r"evidence is of another policy.*clear gate\.measure"):
        lenient.decide(**strict.chain.returned["gate.measure"])
    assert kinds(tiny, lenient) == ["look", "decision"]
    lenient.measure()
    assert lenient.decide() == "gate.promote"
    assert kinds(tiny, lenient) == ["look", "decision", "look", "decision"]


def test_policy_changed_after_deciding_releases_nothing(tiny: Tiny) -> None:
    strict = run("strict", "ab", approval="on_promote")
    strict.measure()
    strict.decide()
    with pytest.raises(PromotionRefused, match=r"the policy changed after the decision.*clear gate\.measure"):
        run("strict", "ab").release(**strict.decided)
    assert champion(tiny.home) == "1"


def test_verdict_that_the_gate_never_gave_is_not_acted_on(tiny: Tiny) -> None:
    tiny.better.measure()
    wished = Verdict(
        verdict="promote", findings=(Finding(rule="flag", verdict="promote", reason="is_better = True"),),
        evidence_digest="0" * 64,
    )  # fmt: skip
    given = {name: tiny.better.decided[name] for name in ("materialised", "inventory", "approval")} | tiny.better.made
    with pytest.raises(PromotionRefused, match=r"no decision on record says promote.*got: none"):
        tiny.better.chain.call(
            tiny.better.dag, "promote.release", **given, evidence=tiny.better.chain.returned["gate.measure"],
            verdict=wished.facts(),
        )  # fmt: skip
    assert champion(tiny.home) == "1"


def test_evidence_changed_after_the_decision_is_not_released(tiny: Tiny) -> None:
    tiny.better.measure()
    tiny.better.decide()
    with pytest.raises(PromotionRefused, match="got: promote on evidence"):
        tiny.better.release(evidence={**tiny.better.decided["evidence"], "rows": 1_000_000})
    assert (champion(tiny.home), kinds(tiny, tiny.better)) == ("1", ["look", "decision"])


def test_hold_that_is_released_all_the_same_is_refused(tiny: Tiny) -> None:
    held = run("held", "ab", user="ada", minimum_improvement=0.5)
    held.measure()
    assert held.decide() == "gate.hold"
    with pytest.raises(PromotionRefused, match="got: hold on evidence"):
        held.release()
    assert champion(tiny.home) == "1"


def test_proof_of_another_model_is_left_out(tiny: Tiny) -> None:
    tiny.better.measure()
    proof = {"image": "i", "digest": "sha256:1", "model_digest": "0" * 64, "answered": 20, "largest_difference": 0.0,
             "size_mb": 1.0}  # fmt: skip
    tiny.better.decide(proof=proof)
    evidence = tiny.better.decided["evidence"]
    assert (evidence["image"], evidence["image_skipped"]) == (None, "no engine")


@pytest.mark.parametrize("built", [{"digest": "sha256:2"}, {"digest": ""}], ids=["another", "none"])
def test_proof_of_another_image_than_was_built_is_left_out(tiny: Tiny, built: dict[str, str]) -> None:
    tiny.better.measure()
    proof = {"image": "i", "digest": "sha256:1", "model_digest": tiny.better.made["fitted"]["model_digest"],
             "answered": 20, "largest_difference": 0.0, "size_mb": 1.0}  # fmt: skip
    tiny.better.decide(proof=proof, built=built)
    assert tiny.better.decided["evidence"]["image"] is None


def test_proof_of_this_model_is_part_of_the_evidence_and_on_record(tiny: Tiny) -> None:
    tiny.better.measure()
    proof = {"image": "i", "digest": "sha256:1", "model_digest": tiny.better.made["fitted"]["model_digest"],
             "answered": 20, "largest_difference": 0.0, "size_mb": 1.0}  # fmt: skip
    tiny.better.decide(proof=proof)
    assert tiny.better.decided["evidence"]["image"]["digest"] == "sha256:1"
    _, record = records(tiny.home, "second")
    made = tiny.better.made
    assert record.inputs == {
        "challenger": made["fitted"]["model_digest"], "reference": Tracking(MODEL).version("1").digest,
        "holdout": tiny.better.chain.returned["gate.measure"]["holdout_digest"], "image": "sha256:1",
        "training_set": made["assembled"]["training_set"]["digest"],
    }  # fmt: skip
    assert record.holdout == Interval.parse(made["assembled"]["holdout"])


def overridden(tiny: Tiny, said: str, **policy: Any) -> Run:
    """A run of two inputs with an override, measured."""
    assert champion(tiny.home) == "1"
    made = run("overridden", "ab", user="ada", params={"override": said}, **policy)
    made.measure()
    return made


def test_override_goes_before_the_gate_and_is_shown_as_one_everywhere(tiny: Tiny) -> None:
    made = overridden(tiny, AGREED, minimum_improvement=0.5)
    assert made.decide() == "gate.promote"
    assert made.decided["verdict"]["verdict"] == "hold"
    assert made.release()["version"] == "2"
    _, decision, override, promotion = records(tiny.home, "overridden")
    assert (decision.kind, decision.actor, decision.verdict) == ("decision", "airflow:manual", "hold")
    assert (override.kind, override.actor, override.verdict) == ("override", "ada", "promote")
    assert override.reasons == ("agreed with the airline in June",)
    assert override.evidence_digest == decision.evidence_digest
    assert promotion.reasons[-1] == "override by ada: promote, agreed with the airline in June"
    released = manifest(tiny.home, "2")
    assert released["verdict"]["override"]["by"] == "ada"
    assert released["decision_hash"] == override.hash
    (report,) = (tiny.home / "reports" / MODEL).glob("*version-2*.html")
    assert "agreed with the airline in June" in report.read_text()


@pytest.mark.parametrize("word", ["hold", "reject"])
def test_override_keeps_the_champion_where_the_gate_would_promote(tiny: Tiny, word: str) -> None:
    made = overridden(tiny, f"{word}: a strike makes the month void")
    assert made.decide() == f"gate.{word}"
    assert [record.verdict for record in records(tiny.home, "overridden")] == [None, "promote", word]
    with pytest.raises(PromotionRefused, match=f"got: {word} on evidence"):
        made.release()


def test_override_taken_up_twice_is_on_record_once(tiny: Tiny) -> None:
    made = overridden(tiny, AGREED)
    made.decide()
    made.decide()
    assert kinds(tiny, made) == ["look", "decision", "override"]


def test_override_is_not_followed_again_on_other_evidence(tiny: Tiny) -> None:
    made = overridden(tiny, AGREED, minimum_improvement=0.5)
    assert made.decide() == "gate.promote"
    with pytest.raises(OverrideRefused, match=r"given on other evidence.*trigger a run with the override anew"):
        made.decide(label_coverage=0.5)
    assert [record.verdict for record in records(tiny.home, "overridden")] == [None, "hold", "promote", "hold"]


def test_override_without_a_name_is_refused_after_the_gates_decision(tiny: Tiny) -> None:
    made = overridden(tiny, AGREED)
    made.chain.user = ""
    with pytest.raises(OverrideRefused, match="an override needs a name"):
        made.decide()
    assert kinds(tiny, made) == ["look", "decision"]


def test_override_cannot_promote_the_champion_itself(tiny: Tiny) -> None:
    same = run("same", "a", params={"override": AGREED})
    same.measure()
    with pytest.raises(OverrideRefused, match="challenger and version 1 are the same model"):
        same.decide()
    assert kinds(tiny, same) == ["look", "decision"]


def test_override_cannot_do_without_the_image_that_the_policy_needs(tiny: Tiny) -> None:
    made = overridden(tiny, AGREED, require_image=True)
    with pytest.raises(OverrideRefused, match="the policy needs a proven image: no engine"):
        made.decide()
    assert champion(tiny.home) == "1"


def approve(made: Run, evidence_digest: str) -> None:
    """Put a person's approval on record, as `promote.approve` does."""
    about = Evaluation(made.spec, made.chain.context("promote.approve"), **made.made)
    verdict = Verdict.model_validate(made.decided["verdict"]).model_copy(update={"evidence_digest": evidence_digest})
    decisions.append(about.log_path, about.decision("decision", verdict, reasons=("approved by Ada",), actor="Ada"))


def test_release_needs_the_approval_of_this_evidence_on_record_where_one_is_asked_for(tiny: Tiny) -> None:
    made = tiny.better
    made.chain.params["approval"] = True
    made.measure()
    made.decide()
    with pytest.raises(PromotionRefused, match=r"nobody approved this evidence.*clear promote\.approve"):
        made.release()  # `promote.approve` was marked as a success
    approve(made, "0" * 64)
    said = {"answer": "Approve", "by": "Ada", "comment": ""}
    with pytest.raises(PromotionRefused, match="nobody approved this evidence"):
        made.release(approval=said)  # on what was known before measuring again
    assert champion(tiny.home) == "1"
    approve(made, made.decided["verdict"]["evidence_digest"])
    made.release(approval=said)
    assert champion(tiny.home) == "2"


def test_gate_cleared_after_an_approval_says_the_same_once(tiny: Tiny) -> None:
    tiny.better.measure()
    tiny.better.decide()
    approve(tiny.better, tiny.better.decided["verdict"]["evidence_digest"])
    tiny.better.decide()
    assert [record.actor for record in records(tiny.home, "second")] == ["airflow:manual", "airflow:manual", "Ada"]


def test_another_seed_in_the_spec_draws_the_same_resamples(tiny: Tiny) -> None:
    again = tiny.better.spec.model_copy(update={"seed": 77})
    context = tiny.better.chain.context("gate.measure")
    assert Evaluation(again, context, **tiny.better.made).measure().facts() == tiny.better.measure()


def test_champion_that_needs_a_dropped_column_hides_no_other_contamination(tiny: Tiny) -> None:
    made, tracking = run("other", "b"), Tracking(MODEL)
    training, _ = read_training_set(MODEL, made.made["assembled"])
    about = Evaluation(made.spec, made.chain.context("gate.measure"), **made.made)
    versions = tracking.version(made.made["fitted"]["version"]), tracking.version("1")
    _, void = about._holdout(tracking, *versions, training, training.drop(columns="x_a"))
    seen, _, needs = void.partition("; the champion needs columns")
    assert seen
    assert needs.startswith(" that the holdout lacks: x_a")


def test_loser_that_nobody_approved_where_one_is_asked_for_takes_no_second_look(tiny: Tiny) -> None:
    tiny.best.chain.params["approval"] = True
    tiny.best.measure()
    tiny.best.decide()
    tiny.better.to_release()
    with pytest.raises(PromotionRefused, match="nobody approved this evidence"):
        tiny.best.release()
    assert (champion(tiny.home), kinds(tiny, tiny.best)) == ("2", ["look", "decision"])


def test_image_built_again_in_the_run_that_promoted_is_released_without_a_second_move(tiny: Tiny) -> None:
    tiny.better.to_release()
    proof = {"image": "i", "digest": "sha256:2", "model_digest": tiny.better.made["fitted"]["model_digest"],
             "answered": 20, "largest_difference": 0.0, "size_mb": 1.0}  # fmt: skip
    assert tiny.better.decide(proof=proof) == "gate.promote"
    tiny.better.release()
    assert manifest(tiny.home, "2")["image"]["digest"] == "sha256:2"
    assert kinds(tiny, tiny.better) == ["look", "decision", "promotion", "decision"]

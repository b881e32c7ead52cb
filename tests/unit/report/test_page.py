"""The page says what was decided and loads nothing, whatever is in the evidence."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.core.evidence import Curve, SliceFigures, VerdictName
from contender.core.policy import METRICS_OF, GatePolicy, SliceRule, Task
from contender.stages.gate.holdout import Holdout
from contender.stages.gate.measure import measure
from contender.stages.gate.rules import decide
from contender.stages.report.facts import Report
from contender.stages.report.figures import figures
from contender.stages.report.page import page
from tests.unit.report.html import Page
from tests.unit.report.reports import bare, curves, full, provenance, record, verdict

HOSTILE = """<script>alert("1")</script>'"><img src=https://evil.example/x.png onerror=alert(1)>&amp;$x^{$"""
OVERRIDE = record("override", 2, actor="alice", verdict="promote", reasons=("accepted until the quarter ends",))


def made(report: Report) -> Page:
    return Page(page(report, figures(report)))


def contaminated() -> Report:
    report = bare()
    evidence = report.evidence.model_copy(update={"contaminated": "12 rows of the holdout were trained on"})
    return bare(evidence=evidence, verdict=verdict("hold", "contaminated: 12 rows of the holdout were trained on"))


CASES = {
    "full": full,
    "hold": lambda: full("hold"),
    "reject": lambda: full("reject"),
    "contaminated": contaminated,
    "overridden": lambda: full("hold", followed=(record("decision"), OVERRIDE)),
    **{task: (lambda task=task: bare(task)) for task in METRICS_OF},
}


@pytest.mark.parametrize("case", CASES)
def test_page_whatever_the_evidence_is_well_formed_and_loads_nothing(case: str) -> None:
    found = made(CASES[case]())
    assert found.problems == []
    assert found.loads() == []
    assert found.repeated_ids() == []
    assert found.dangling() == []


@pytest.mark.parametrize("name", ["promote", "hold", "reject"])
def test_page_says_the_verdict_first_and_every_rule_with_its_reason(name: VerdictName) -> None:
    report = full(name)
    found = made(report)
    assert found.within("h1")[0].startswith(name.capitalize())
    assert found.within("title")[0].startswith(name.capitalize())
    for finding in report.verdict.findings:
        assert finding.rule in found.within("th")
        assert finding.reason in found.within("td")


def test_page_of_full_evidence_has_its_figures_in_words() -> None:
    found = made(full()).text
    for said in (
        "+0.0089 to +0.0201",
        "−0.0100",
        "14,321 in 17 clusters of day",
        "97.5 %, look 2",
        "not enough data: 12 rows, 200 are needed",
        "Left out for too few rows: HA, OO.",
        "4.2 ms",
        "88.1 MB",
        "Population stability index between them: 0.0800",
        "an alpha of 0.0250 instead of the policy's 0.0500",
        "97.2 % of the holdout's examples have a label",
        "arr_delay tells the label by itself",
        "The strongest: arr_delay 0.9990, dep_delay 0.6978; at 0.9800 it is a leak.",
        "champion against itself",
        "hold: same model",
        "metric auc, margin 0.01",
        "Version 3 became champion",
        "flight_delay_training_set version 4, 54,321 rows",
    ):
        assert said in found, said


def test_page_of_full_evidence_has_every_figure_named_for_those_who_hear_it() -> None:
    report = full()
    drawings = figures(report)
    names = [drawing.name for drawing in drawings]
    assert names == ["metrics", "slices", "curves", "calibration", "scores", "fairness-1", "budgets"]
    found = Page(page(report, drawings))
    pictures = [attributes for tag, attributes in found.elements if tag == "svg" and attributes.get("role") == "img"]
    assert [picture["aria-labelledby"].split()[0] for picture in pictures] == [f"{name}-title" for name in names]
    assert found.within("figcaption") == [" ".join(drawing.words.split()) for drawing in drawings]


def test_page_of_bare_evidence_says_what_is_missing() -> None:
    found = made(bare()).text
    for said in (
        "The policy names no slices.",
        "The policy names no groups.",
        "The evidence has no curves",
        "There is no proven image.",
        "The evidence has no self-test.",
        "This run has no record in the decision log yet.",
        "No promotion is on record for this run.",
    ):
        assert said in found, said


def test_page_of_regression_evidence_shows_residuals_and_no_roc() -> None:
    report = bare("regression")
    grid = tuple(float(step) for step in range(5))
    lines = tuple(Curve(figure="residuals", role=role, x=grid, y=grid) for role in ("challenger", "champion"))
    report = bare("regression", evidence=report.evidence.model_copy(update={"curves": lines}))
    found = made(report).text
    assert "Residuals" in found
    assert "ROC" not in found


def _holdout(task: Task) -> Holdout:
    """Two weeks of rows in two groups; the challenger errs less than the reference."""
    rng = np.random.default_rng(3)
    days = np.repeat(np.arange(14), 60)
    signal = rng.normal(size=len(days))
    if task == "multiclass":
        labels: Any = rng.integers(0, 3, len(days))
        scores = [np.exp(skill * np.eye(3)[labels] + rng.normal(size=(len(days), 3))) for skill in (2.0, 1.0)]
        challenger, reference = (of / of.sum(axis=1, keepdims=True) for of in scores)
    elif task == "binary":
        labels = (signal + rng.normal(size=len(days)) > 0).astype(int)
        challenger, reference = (1 / (1 + np.exp(-skill * signal)) for skill in (2.0, 0.5))
    else:
        labels = 1000 + 100 * signal
        challenger, reference = (labels + noise * rng.normal(size=len(days)) for noise in (10, 30))
    frame = pd.DataFrame({"signal": rng.normal(size=len(days)), "origin": rng.choice(["A", "B"], len(days))})
    return Holdout(
        task=task, labels=labels, challenger=challenger, reference=reference, clusters=days, frame=frame,
        inputs=("signal",), scale=np.full(len(days), 50.0) if task == "forecast" else None,
    )  # fmt: skip


@pytest.mark.parametrize("task", METRICS_OF)
def test_page_of_evidence_that_the_gate_measured_has_its_figures(task: Task) -> None:
    policy = GatePolicy(metric=METRICS_OF[task][0], resamples=200, slices=(SliceRule(column="origin", minimum_rows=9),))
    evidence = measure(_holdout(task), policy, reference="version 1", holdout_digest="d", seed=1, label_coverage=1.0)
    report = Report(
        evidence=evidence, verdict=decide(evidence, policy), policy=policy, provenance=provenance(), followed=()
    )
    drawings = figures(report)
    of_scores = ["curves", "scores"] if task in {"regression", "forecast"} else ["curves", "calibration", "scores"]
    assert [drawing.name for drawing in drawings] == ["metrics", "slices", *of_scores]
    found = Page(page(report, drawings))
    assert (found.problems, found.loads(), found.repeated_ids(), found.dangling()) == ([], [], [], [])
    assert found.within("h1")[0] == "Promote"
    assert set(METRICS_OF[task]) <= set(found.within("th"))


def test_page_of_an_override_shows_who_why_and_the_gate_s_own_verdict() -> None:
    found = made(full("hold", followed=(record("decision"), OVERRIDE)))
    assert "Overridden by alice: hold became promote." in found.text
    assert "accepted until the quarter ends" in found.text
    assert found.within("h1")[0] == "Hold"
    assert found.within("title")[0].startswith("Promote")
    assert "override: promote" in found.within("th")


def test_page_of_a_promotion_that_was_approved_says_by_whom() -> None:
    report = full()
    reasons = (*report.verdict.reasons, "approved by admin: looks right")
    promotion = record("promotion", 2, reasons=reasons)
    assert "2 rules, as above; approved by admin: looks right" in made(full(followed=(promotion,))).text


def test_page_without_a_leak_says_so() -> None:
    assert "No input tells the label by itself." in made(bare()).text


def test_page_without_an_override_speaks_of_none() -> None:
    assert "verridden" not in made(full("hold")).text


def test_page_with_html_in_every_name_comes_out_harmless() -> None:
    report = full()
    hostile = SliceFigures(column="origin", value=HOSTILE, rows=1, clusters=1, not_enough=HOSTILE)
    measured = report.evidence.slices[0].model_copy(update={"value": HOSTILE})
    groups = report.evidence.fairness[0].model_copy(update={"groups": {HOSTILE: 0.1, "B": 0.2}, "left_out": (HOSTILE,)})
    evidence = report.evidence.model_copy(
        update={"slices": (hostile, measured), "fairness": (groups,), "reference": HOSTILE, "contaminated": HOSTILE}
    )
    found = made(
        full(
            evidence=evidence,
            verdict=verdict("reject", HOSTILE),
            provenance=provenance(model=HOSTILE, title=HOSTILE, parameters={HOSTILE: HOSTILE}, dag_run=HOSTILE),
            followed=(record("override", actor=HOSTILE, verdict="promote", reasons=(HOSTILE,)),),
        )
    )
    assert found.problems == []
    assert found.loads() == []
    assert not {"script", "img"} & {tag for tag, _ in found.elements}
    assert "<script>alert" in found.text


@pytest.mark.parametrize(
    "value", ["$", "$x^{", "東京", "a\x00b\nc", "x" * 500], ids=["dollar", "math", "kanji", "control", "long"]
)
def test_figures_of_a_slice_of_any_name_are_drawn(value: str) -> None:
    report = full()
    named = report.evidence.slices[0].model_copy(update={"value": value})
    shown = full(evidence=report.evidence.model_copy(update={"slices": (named,)}))
    assert made(shown).problems == []


def test_figures_of_many_slices_show_the_worst_and_the_table_all() -> None:
    report = full()
    one = report.evidence.slices[0]
    assert one.improvement is not None
    moved = [one.improvement.model_copy(update={"value": n / 1000, "low": n / 1000 - 0.1}) for n in range(100)]
    slices = tuple(one.model_copy(update={"value": f"s{n}", "improvement": moved[n]}) for n in reversed(range(100)))
    shown = full(evidence=report.evidence.model_copy(update={"slices": slices}))
    drawing = next(drawing for drawing in figures(shown) if drawing.name == "slices")
    assert "The 40 worst of 100 slices." in drawing.words
    assert "s39<" in drawing.svg
    assert "s40<" not in drawing.svg
    assert "origin = s99" in made(shown).within("th")


def test_figures_with_one_curve_each_are_drawn() -> None:
    report = bare()
    for curve in curves():
        assert figures(bare(evidence=report.evidence.model_copy(update={"curves": (curve,)})))


def test_page_made_twice_is_the_same_to_the_byte() -> None:
    first, second = (page(report, figures(report)) for report in (full(), full()))
    assert first == second


def test_page_has_no_style_that_its_own_policy_forbids() -> None:
    found = made(full())
    assert [tag for tag, attributes in found.elements if "style" in attributes] == []
    assert len(found.within("style")) == 1
    (policy,) = [attributes["content"] for tag, attributes in found.elements if "http-equiv" in attributes]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'; form-action 'none'", policy
    )


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_page_every_colour_of_text_and_lines_stands_out_from_white() -> None:
    html = page(full("hold"), figures(full("hold")))
    decorative = {"#fff", "#ffffff", "#d0d6dc", "#d5dae0"}
    colours = set(re.findall(r"#[0-9a-f]{6}\b", html)) - decorative
    # Relative luminance and contrast of WCAG 2.2.
    faint = {colour for colour in colours if 1.05 / (_luminance(colour) + 0.05) < 4.5}
    assert faint == set()


def test_tasks_all_have_a_case() -> None:
    tasks: tuple[Task, ...] = ("binary", "multiclass", "regression", "forecast")
    assert set(tasks) <= CASES.keys()

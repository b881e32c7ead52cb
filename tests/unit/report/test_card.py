"""The model card says what the report says, in Markdown, no longer than the registry takes it."""

from __future__ import annotations

from contender.core.markdown import plain
from contender.stages.report.card import CUT, LIMIT, card, description
from tests.unit.report.reports import bare, full, provenance, record

OVERRIDE = record("override", 2, actor="alice", verdict="promote", reasons=("accepted | <b>for now</b>",))


def test_card_of_full_evidence_has_the_facts_of_the_report() -> None:
    found = card(full(), "http://airflow.example/contender/reports/flight_delay/1.html")
    for said in (
        "# flight_delay, version 3",
        "**Promote** by the gate, against version 2.",
        "It became champion.",
        "[Decision report](http://airflow.example/contender/reports/flight_delay/1.html)",
        "| log_loss (decides) | 0.4321 | 0.4463 | +0.0142 | +0.0089 to +0.0201 |",
        "origin = LGA: −0.0020 (−0.0120 to +0.0080)",
        "1 have not enough",
        "selection rate by carrier: largest difference 0.0900",
        "p95 latency 4.2 ms, memory 88.1 MB",
        "trained on 2013-01-01 to 2013-03-13; held out 2013-03-15 to 2013-03-31",
        "trigger `flight_delay_train` with the interval `2013-03-01/2013-04-01`",
        "Will this flight arrive 15 minutes late or more?",
    ):
        assert said in found, said


def test_card_of_an_override_names_who_and_why_harmlessly() -> None:
    found = card(full("hold", followed=(record("decision"), OVERRIDE)))
    assert "**overridden by alice: promote.** Reason: accepted \\| &lt;b&gt;for now&lt;/b&gt;" in found
    assert "improved: log_loss of 0.4321 against 0.4463" in found
    assert "It has not become champion." in found


def test_card_of_bare_evidence_has_no_empty_section() -> None:
    found = card(bare())
    assert "## Slices" not in found
    assert "## Fairness" not in found
    assert "Decision report" not in found
    assert "\n\n\n" not in found


def test_card_has_the_owner_s_words_as_they_are() -> None:
    assert "**When to worry.** Never." in card(bare(provenance=provenance(doc="**When to worry.** Never.")))


def test_description_too_long_for_the_registry_is_cut_after_a_line_and_says_so() -> None:
    whole = card(full(provenance=provenance(doc="many words of documentation\n" * 400)))
    cut = description(whole)
    assert len(whole) > LIMIT >= len(cut)
    assert cut.endswith(CUT)
    assert whole.startswith(cut.removesuffix(CUT))
    assert description("short") == "short"


def test_plain_leaves_nothing_that_markdown_or_html_would_read() -> None:
    assert plain("<b>a|b</b>\n[x](y) `c`") == r"&lt;b&gt;a\|b&lt;/b&gt; \[x\]\(y\) \`c\`"

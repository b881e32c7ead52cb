"""docs/gate.md names every field of the policy, every rule and every metric."""

from __future__ import annotations

import re

from contender.core import policy
from contender.core.policy import METRICS_OF, GatePolicy
from contender.core.settings import CHECKOUT
from contender.stages.gate.rules import JUDGEMENT
from contender.stages.gate.validity import VALIDITY
from tests.docs.pages import example

PAGE = (CHECKOUT / "docs" / "gate.md").read_text(encoding="utf-8")


def _table(heading: str) -> dict[str, list[str]]:
    """The rows below a heading of the first table whose header begins with that word, by their first cell."""
    body = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()[2:]]
    return {cells[0].strip(" `"): cells[1:] for cells in rows}


def test_gate_page_names_every_field_of_the_policy_with_its_default() -> None:
    said = _table("field")
    assert list(said) == list(GatePolicy.model_fields)
    for name, (default, _) in said.items():
        declared = GatePolicy.model_fields[name].default
        if isinstance(declared, bool):
            assert default == ("on" if declared else "off")
        elif isinstance(declared, int | float | str):
            assert default.strip("`") == f"{declared:g}" if isinstance(declared, float) else str(declared)
        else:
            assert default == "-", name


def test_gate_page_names_every_rule_in_the_order_in_which_they_are_asked() -> None:
    assert list(_table("rule")) == [rule.__name__ for rule in (*VALIDITY, *JUDGEMENT)]


def test_gate_page_names_every_metric_of_every_task() -> None:
    said = {task: re.findall(r"`(\w+)`", cells[0]) for task, cells in _table("task").items()}
    assert said == {task: list(names) for task, names in METRICS_OF.items()}


def test_gate_pages_example_is_a_policy_and_says_what_it_seems_to() -> None:
    made = eval(example("docs/gate.md", "policy"), vars(policy).copy())  # noqa: S307  our own page's
    assert isinstance(made, GatePolicy)
    assert made.approval == "on_promote"
    assert [rule.metric for rule in made.guardrails] == ["auc"]
    assert made.budgets.max_p95_latency_ms == 250

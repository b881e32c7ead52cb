from __future__ import annotations

from pathlib import Path

import pytest

from contender.core.errors import ScaffoldRefused
from contender.scaffold.questions import completed
from contender.scaffold.request import asked_of

GIVEN = {"NAME": "churn", "FROM": "classification", "DATA": "rows.csv", "LABEL": "left"}


def test_arguments_that_are_all_there_are_not_asked_for(root: Path) -> None:
    assert completed(GIVEN | {"TIME": ""}, root, None) == GIVEN


def test_arguments_that_are_missing_are_asked_for_in_turn(root: Path) -> None:
    said: list[str] = []
    answers = iter(["classification", "", "rows.csv", "left", "", "who, where"])

    def ask(question: str) -> str:
        said.append(question)
        return next(answers)

    found = completed({"NAME": "churn"}, root, ask)
    assert found == GIVEN | {"TIME": "", "ENTITY": "who, where"}
    assert said[0] == "Template (anomaly, batch_only, classification, forecasting, multiclass, regression): "
    assert said[1:3] == ["Path or address of the data: "] * 2
    assert asked_of(found).entity == ("who", "where")


def test_arguments_that_a_template_has_no_use_for_are_not_asked_for(root: Path) -> None:
    given = {"NAME": "odd", "FROM": "anomaly", "DATA": "rows.csv"}
    assert completed(given, root, None) == given


def test_arguments_that_are_missing_with_nobody_to_ask_are_refused_with_the_command(root: Path) -> None:
    with pytest.raises(ScaffoldRefused, match=r"where: FROM, DATA, LABEL; expected: make new-model NAME=churn"):
        completed({"NAME": "churn"}, root, None)

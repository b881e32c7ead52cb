from __future__ import annotations

from pathlib import Path

import pytest

from contender.core.errors import ScaffoldRefused
from contender.scaffold.questions import completed
from contender.scaffold.request import asked_of

GIVEN = {"NAME": "churn", "FROM": "classification", "DATA": "rows.csv", "LABEL": "left"}


def test_arguments_that_are_all_there_are_not_asked_for(root: Path) -> None:
    assert completed(GIVEN | {"TIME": ""}, root, None) == GIVEN


class Person:
    """Somebody at a terminal, who gives some answers in turn."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked, self.shown = iter(answers), [], []  # type: ignore[var-annotated]

    def ask(self, question: str) -> str:
        self.asked.append(question)
        return next(self.answers)

    def say(self, line: str) -> None:
        self.shown.append(line)

    def completed(self, given: dict[str, str], root: Path) -> dict[str, str]:
        return completed(given, root, self.ask, self.say)


@pytest.fixture
def rows(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(root)
    (root / "rows.csv").write_text("who,where,signed up,left\nann,here,2013-05-01,no\n")
    return root


def test_arguments_that_are_missing_are_asked_for_in_turn(rows: Path) -> None:
    person = Person("classification", "", "rows.csv", "left", "", "who, where")
    found = person.completed({"NAME": "churn"}, rows)
    assert found == GIVEN | {"TIME": "", "ENTITY": "who, where"}
    assert person.asked == [
        "Template: ",
        "Path or address of the data: ",
        "Path or address of the data: ",
        "Column to predict: ",
        "Column that says when a row happened (empty for none): ",
        "Columns that name what a row is about, with commas (empty for none): ",
    ]
    assert asked_of(found).entity == ("who", "where")


def test_templates_are_shown_with_what_they_are_for_and_columns_before_they_are_asked_for(rows: Path) -> None:
    person = Person("churn", "regression", "rows.csv", "left", "signed up", "")
    person.completed({"DROP": "who"}, rows)
    assert "  regression      A number from the columns of a row." in person.shown
    assert len([line for line in person.shown if line.startswith("  batch_only ")]) == 1
    assert person.shown.count("  Columns: who, where, signed up, left") == 3


WRONG = {
    "name": ("NAME", "json", "churn", "the name is that of a package"),
    "template": ("FROM", "clasification", "classification", "did you mean 'classification'"),
    "data": ("DATA", "row.csv", "rows.csv", "there is no such file"),
    "label": ("LABEL", "lefd", "left", "did you mean 'left'"),
    "time": ("TIME", "when", "signed up", "there is no column 'when'"),
    "time that is the label": ("TIME", "left", "signed_up", "asked to be two things"),
    "entity": ("ENTITY", "who,wheer", "who,where", "did you mean 'where'"),
    "entity that is the label by its other name": ("ENTITY", "who,left", "", "asked to be two things"),
}


@pytest.mark.parametrize(("name", "wrong", "right", "said"), WRONG.values(), ids=WRONG.keys())
def test_answer_that_is_none_is_asked_for_again_at_once_with_the_reason(
    rows: Path, name: str, wrong: str, right: str, said: str
) -> None:
    answers = {**GIVEN, "TIME": "", "ENTITY": ""}
    given = [part for one, answer in answers.items() for part in ([wrong, right] if one == name else [answer])]
    person = Person(*given)
    assert person.completed({}, rows) == {**answers, name: right}
    assert len(person.asked) == len(answers) + 1
    assert [line for line in person.shown if said in line and "\n  next: " in line]


def test_argument_that_was_given_and_is_none_is_asked_for_too(rows: Path) -> None:
    person = Person("churn", "rows.csv", "left", "", "")
    assert person.completed({"NAME": "json", "FROM": "regression"}, rows)["NAME"] == "churn"
    assert person.asked[0].startswith("Name of the model")


def test_time_and_entity_that_a_forecast_needs_are_asked_for_until_they_are_given(rows: Path) -> None:
    person = Person("left", "", "signed up", "who")
    found = person.completed({"NAME": "churn", "FROM": "forecasting", "DATA": "rows.csv"}, rows)
    assert (found["TIME"], found["ENTITY"]) == ("signed up", "who")
    assert "empty for none" not in "".join(person.asked)


def test_arguments_that_a_template_has_no_use_for_are_not_asked_for(root: Path) -> None:
    given = {"NAME": "odd", "FROM": "anomaly", "DATA": "rows.csv"}
    assert completed(given, root, None) == given


def test_arguments_that_are_missing_with_nobody_to_ask_are_refused_with_the_command(root: Path) -> None:
    with pytest.raises(ScaffoldRefused, match=r"where: FROM, DATA, LABEL; expected: make new-model NAME=churn"):
        completed({"NAME": "churn"}, root, None)

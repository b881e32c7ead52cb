"""What is asked for and cannot be meant: told before anything is read, or as soon as the columns are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contender.core.errors import ContenderError, ScaffoldRefused, SourceUnreadable
from contender.scaffold.inputs import usable
from contender.scaffold.profile import profile
from contender.scaffold.refusals import readable
from contender.scaffold.request import Asked, asked_of, require_possible
from contender.scaffold.where import source_of
from tests.unit.scaffold.test_profile import ROWS, customers

GIVEN: dict[str, Any] = {"name": "mine", "template": "classification", "data": "rows.csv", "label": "churned"}
FORECAST: dict[str, Any] = {"template": "forecasting", "label": "sold", "time": "day", "entity": ("shop",)}

ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "table of another model": ({"name": "flights"}, "flights of theirs; next: choose another, e.g. NAME=flights_model"),
    "view of another model": ({"name": "churn", "entity": ("who",)}, "churn_features of theirs"),
    "suite of every model": ({"name": "predictions"}, "one of the platform's own"),
    "quarantine of a table": ({"name": "flights_quarantine"}, "one of the platform's own"),
    "one class": ({"classes": ("yes",)}, "classes cannot be told apart"),
    "one class twice": ({"classes": ("yes", "yes")}, "classes cannot be told apart"),
    "classes of a number": ({"template": "regression", "classes": ("a", "b")}, "has no classes"),
    "classes of a forecast": ({**FORECAST, "classes": ("a", "b")}, "has no classes"),
    "inputs of a forecast": ({**FORECAST, "drop": ("weather",)}, "no inputs to choose from; where: DROP, KEEP"),
    "delay of rows without a time": ({"label_delay": 30}, "nothing is known late here; where: LABEL_DELAY"),
    "delay of a forecast": ({**FORECAST, "label_delay": 1}, "nothing is known late here.*FROM=forecasting"),
    "dropped and kept": ({"drop": ("plan", "age"), "keep": ("plan",)}, "both dropped and kept.*got: plan;"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), ASKED.values(), ids=ASKED.keys())
def test_request_that_cannot_be_meant_is_refused_before_anything_is_read(
    root: Path, change: dict[str, Any], said: str
) -> None:
    for table in ("flights", "churn_features", "predictions"):
        (root / "expectations" / "theirs").mkdir(exist_ok=True)
        (root / "expectations" / "theirs" / f"{table}.json").write_text("{}")
    with pytest.raises(ScaffoldRefused, match=said):
        require_possible(Asked(**(GIVEN | change)), root)


@pytest.mark.parametrize("days", ["thirty", "-1", "1.5", "367"])
def test_request_with_a_delay_that_is_no_number_of_days_is_refused(days: str) -> None:
    given = {"NAME": "mine", "FROM": "classification", "DATA": "rows.csv", "LABEL": "churned", "LABEL_DELAY": days}
    with pytest.raises(ScaffoldRefused, match=rf"where: LABEL_DELAY; expected: a whole number from 0 .*; got: {days};"):
        asked_of(given)


def test_request_named_like_a_view_that_it_will_not_have_is_possible(root: Path) -> None:
    (root / "expectations" / "theirs").mkdir()
    (root / "expectations" / "theirs" / "mine_features.json").write_text("{}")
    require_possible(Asked(**GIVEN), root)


@pytest.mark.parametrize(
    "roles",
    [{"time": "churned"}, {"entity": ["churned"]}, {"time": "signed up", "entity": ["signed_up"]},
     {"entity": ["plan", "plan"]}],
    ids=["label and time", "label and entity", "time and entity", "entity twice"],
)  # fmt: skip
def test_profile_of_a_column_that_is_asked_to_be_two_things_is_refused(roles: dict[str, Any]) -> None:
    with pytest.raises(ScaffoldRefused, match="asked to be two things"):
        profile(customers(), label="churned", **roles)


@pytest.mark.parametrize("name", ["churned", "signed up", "customer_id"], ids=["label", "time", "entity"])
@pytest.mark.parametrize("argument", ["drop", "keep"])
def test_inputs_asked_of_a_column_that_the_model_needs_otherwise_are_refused(argument: str, name: str) -> None:
    made = profile(customers(), label="churned", time="signed up", entity=["Customer ID"])
    asked: dict[str, Any] = {argument: [name]}
    with pytest.raises(ScaffoldRefused, match="the model needs are no inputs"):
        usable(made, **asked)


@pytest.mark.parametrize(
    ("values", "wished", "task"),
    [
        ([3, 4, 5], None, "multiclass"),
        ([3, 4, 5], "multiclass", "multiclass"),
        ([3, 4, 5], "regression", "regression"),
        ([0, 1], "regression", "binary"),
        ([0, 1], "forecast", "regression"),
        (["low", "high"], "regression", "binary"),
    ],
    ids=["nothing wished", "classes", "grades", "no and yes", "counts up to one", "names"],
)  # fmt: skip
def test_profile_of_a_few_whole_numbers_is_of_the_task_that_is_wished(values: Any, wished: Any, task: str) -> None:
    made = profile(customers(target=np.resize(values, ROWS)), label="target", task=wished)
    assert made.task == task


def test_profile_of_infinite_values_gives_finite_bounds_and_refuses_such_a_label() -> None:
    spent = np.where(np.arange(ROWS) == 3, np.inf, np.arange(ROWS) / 4)
    column = profile(customers(spent=spent), label="churned").column("spent")
    assert (column.kind, column.minimum, column.maximum) == ("number", 0.0, (ROWS - 1) / 4)
    with pytest.raises(ScaffoldRefused, match=r"infinite values.*1 of 400"):
        profile(customers(spent=spent), label="spent")


def test_refusal_is_shown_with_each_fact_on_a_line_of_its_own() -> None:
    error = ScaffoldRefused("there is none", where="LABEL", expected="a; b", got=3, next_step="say LABEL=x")
    assert readable(error).splitlines() == [
        "ScaffoldRefused: there is none",
        "  where:    LABEL",
        "  expected: a; b",
        "  got:      3",
        "  next:     say LABEL=x",
    ]
    assert readable(ScaffoldRefused("alone")) == "ScaffoldRefused: alone"


def test_column_that_is_left_out_for_its_name_is_said_to_name_the_row_only_if_it_does() -> None:
    _, left = usable(profile(customers(shop_id=np.arange(ROWS) % 90), label="churned"))
    assert left["customer_id"] == "it names the row; KEEP uses it"
    assert left["shop_id"] == "its name is that of a key, and it has 90 values; KEEP uses it"


PLACES: dict[str, tuple[str, type[ContenderError], str]] = {
    "password in a file's address": (
        "https://me:secret@host/rows.csv",
        ScaffoldRefused,
        r"got: https://me:\*\*\*@host",
    ),
    "package that is not there": ("abfs://box/rows.csv", SourceUnreadable, "package.*not installed.*requirements.in"),
    "neither file nor query": ("foo://host/rows.csv", ScaffoldRefused, "needs a query.*files are read by"),
}


@pytest.mark.parametrize(("place", "kind", "said"), PLACES.values(), ids=PLACES.keys())
def test_source_at_an_address_that_cannot_be_read_is_refused(
    root: Path, place: str, kind: type[ContenderError], said: str
) -> None:
    with pytest.raises(kind, match=said) as refused:
        source_of(place, root)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_source_that_says_its_encoding_in_its_first_bytes_is_believed(root: Path, encoding: str) -> None:
    customers().to_csv(root / "data" / "rows.csv", index=False, sep="\t", encoding=encoding)
    source, told = source_of(str(root / "data" / "rows.csv"), root)
    assert (source.encoding, source.delimiter) == (encoding, "\t")
    assert f"delimiter: {chr(9)!r}; change it in the spec's source" in told

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

from contender.core import schema
from contender.core.settings import CHECKOUT
from contender.core.spec import Column, ModelSpec, Shares, Table, Tuning
from contender.scaffold.render import comments_of, dag_file, declared_in


def spec(**changes: Any) -> ModelSpec:
    facts: dict[str, Any] = {
        "schema_version": schema.VERSION,
        "name": "mine", "title": "Is it so?", "owner": "me", "data_from": datetime(2013, 1, 1, tzinfo=UTC),
        "tables": (Table(name="mine", time_column=None, key=("row",)),),
        "columns": (Column(name="age", source="request", minimum=0, maximum=90.5),),
        "label": "so", "windows": Shares(), "tuning": Tuning(trials=3, validation_days=5), "seed": 1,
    }  # fmt: skip
    return ModelSpec(**(facts | changes))


def rendered(declared: ModelSpec, comments: dict[str, list[str]] | None = None) -> str:
    return dag_file(declared, comments or {}, purpose="Tells.", inputs="Rows.", normal="Calm.")


SPECS: dict[str, ModelSpec] = {
    "plain": spec(),
    "quotes": spec(title='Will """it\\ \'churn\' {x} $HOME\n?', owner='a "b" {c}'),
    "classes that are quoted": spec(task="multiclass", classes=("high's", 'low "x"', "mid\\dle")),
    "wide bounds": spec(columns=(Column(name="age", source="request", minimum=-1.1e308, maximum=1e307),)),
    "no bounds": spec(columns=(Column(name="age", source="request", minimum=-1e-7, maximum=1e300),)),
    "long list": spec(task="multiclass", classes=tuple(f"a rather long name of a class, {n}" for n in range(30))),
}


@pytest.mark.parametrize("declared", SPECS.values(), ids=SPECS.keys())
def test_spec_written_down_and_read_again_is_the_same(declared: ModelSpec) -> None:
    text = rendered(declared)
    assert declared_in(text) == declared
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("template", ["classification", "multiclass", "regression", "forecasting", "anomaly"])
def test_spec_of_each_template_written_down_and_read_again_is_the_same(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(CHECKOUT / "dags" / "templates"))
    declared = importlib.import_module(f"{template}.dag").SPEC
    assert declared_in(rendered(declared)) == declared


def test_guess_of_a_field_that_has_its_default_is_in_the_file_all_the_same() -> None:
    guessed = [
        "task: binary; so",
        "imbalance: few",
        "schedule: @monthly",
        "time: perhaps",
        "encoding: cp1252",
        "x: odd",
    ]
    text = rendered(spec(), comments_of(guessed, {"mail": "personal"}))
    for guess in guessed:
        assert f"# Guessed: {guess}." in text
    assert "# Left out: mail: personal." in text

"""Which set of a search a release was fitted with, where a step before the estimator is tuned as well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from optuna.distributions import IntDistribution
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from contender.adapters import tuning
from contender.release.parameters import chosen
from contender.stages.train import parameters_of
from tests.tiny_platform import spec

SPACE = {"best": IntDistribution(1, 1000)}
DRAWN = list(tuning.drawn(SPACE, trials=4, seed=1))


def estimator(parameters: dict[str, Any], *, seed: int, **_: Any) -> Pipeline:
    best = SelectKBest(k=parameters.get("best", 1))
    return Pipeline([("best", best), ("model", LogisticRegression(random_state=seed))])


FUNCTIONS = SimpleNamespace(estimator=estimator, search_space=lambda: SPACE)
NAMED = parameters_of(estimator({}, seed=1))  # the same whatever `best` is


@pytest.mark.parametrize("number", range(4))
def test_chosen_is_what_the_estimator_was_called_with(number: int) -> None:
    found = chosen(FUNCTIONS, NAMED, spec("a"), DRAWN[number])
    assert (found.given, found.trial, found.manifest) == (DRAWN[number], number, found.here)


def test_chosen_of_a_manifest_that_does_not_say_is_the_first_that_gives_its_parameters() -> None:
    found = chosen(FUNCTIONS, NAMED, spec("a"))
    assert (found.given, found.trial) == ({}, 0)


def test_chosen_of_what_no_trial_gives_names_it_and_is_made_of_it_all_the_same() -> None:
    found = chosen(FUNCTIONS, NAMED, spec("a"), {"best": 2000})
    assert (found.manifest, found.trial) == ("called with best=2000", None)
    assert found.here == "called with best=not named (trial 0, the nearest)"
    made = found.make(found.given, numbers=[], categories=[], seed=1)
    assert made.steps[0][1].k == 2000

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution

from contender.adapters import tuning

SPACE = {"rate": FloatDistribution(0.01, 0.1, log=True), "leaves": IntDistribution(8, 64)}


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def draw(storage: str, study: str = "run", trials: int = 4, seed: int = 7) -> list[int]:
    return tuning.draw(storage, study, SPACE, trials=trials, seed=seed)


def sets(storage: str, study: str, trials: int = 4) -> list[dict[str, float]]:
    return [tuning.parameters(storage, study, number) for number in range(trials)]


def test_draw_makes_the_defaults_the_first_trial(storage: str) -> None:
    assert draw(storage) == [0, 1, 2, 3]
    first, *others = sets(storage, "run")
    assert first == {}
    assert all(set(other) == set(SPACE) for other in others)


def test_draw_again_makes_no_more_trials(storage: str) -> None:
    draw(storage)
    before = sets(storage, "run")
    assert draw(storage) == [0, 1, 2, 3]
    assert sets(storage, "run") == before


def test_draw_cut_short_goes_on_with_the_same_sets(storage: str) -> None:
    draw(storage, "whole")
    draw(storage, "cut", trials=2)
    draw(storage, "cut")
    assert sets(storage, "cut") == sets(storage, "whole")


def test_draw_with_another_seed_tries_other_sets(storage: str) -> None:
    draw(storage, "one")
    draw(storage, "other", seed=8)
    assert sets(storage, "one")[1:] != sets(storage, "other")[1:]


def test_tell_again_keeps_the_first_score(storage: str) -> None:
    draw(storage, trials=1)
    tuning.tell(storage, "run", 0, 0.5)
    tuning.tell(storage, "run", 0, 0.1)
    assert optuna.load_study(study_name="run", storage=storage).best_value == 0.5

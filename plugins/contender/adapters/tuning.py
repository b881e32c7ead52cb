"""Optuna: a study on shared storage whose trials any worker can run.

The parameter sets are drawn before any trial runs, from a seeded sampler, so that they do not depend on the order in
which workers finish.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)


def draw(storage: str, study_name: str, space: dict[str, Any], *, trials: int, seed: int) -> list[int]:
    """Open (or reopen) a study with exactly this many drawn trials.

    The first trial has no parameters of its own: it is the estimator with its defaults.

    Args:
        storage: SQLAlchemy URL.
        study_name: One for each DAG run and training set, so that a task that is run again finds its trials.
        space: Distributions by parameter name.
        trials: Number of trials.
        seed: Seed of the sampler.

    Returns:
        The trial numbers.
    """
    study = _open(storage, study_name)
    for number in range(len(study.trials), trials):
        _ask(study, space, number, seed)
    return list(range(trials))


def drawn(space: dict[str, Any], *, trials: int, seed: int) -> Iterator[dict[str, Any]]:
    """The parameter sets that `draw` draws, one after the other, without a storage."""
    study = optuna.create_study(direction="minimize")
    for number in range(trials):
        yield dict(_ask(study, space, number, seed).params)


def _ask(study: optuna.Study, space: dict[str, Any], number: int, seed: int) -> optuna.Trial:
    # A sampler of its own for each trial: drawing that was cut short goes on with the same sets.
    study.sampler = optuna.samplers.RandomSampler(seed=(seed + number) % 2**32)
    return study.ask(space if number else {})


def parameters(storage: str, study_name: str, number: int) -> dict[str, Any]:
    """What a trial is to try."""
    return dict(_open(storage, study_name).trials[number].params)


def tell(storage: str, study_name: str, number: int, value: float) -> None:
    """Record a trial's score; once told, a trial keeps its score."""
    _open(storage, study_name).tell(number, value, skip_if_finished=True)


def _open(storage: str, study_name: str) -> optuna.Study:
    return optuna.create_study(
        storage=storage,
        study_name=study_name,
        direction="minimize",
        load_if_exists=True,
    )

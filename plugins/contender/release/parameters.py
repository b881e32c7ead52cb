"""Which of the parameter sets that a search draws a release was fitted with.

A manifest has the fitted estimator's own parameters, its defaults among them, and not what the model's `estimator` was
called with. But the sets that trials try follow from search space and seed alone: one of them gives just these
parameters, or the manifest, the search space or the estimator's defaults were changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contender.core.spec import ModelSpec

MOST = 500  # trials that a run may ask for


@dataclass(frozen=True)
class Chosen:
    """How to make a release's estimator.

    Attributes:
        make: The model's `estimator`, or one that has the manifest's parameters set afterwards.
        parameters: What to call it with.
        manifest, here: The parameters that differ from the nearest set's, or a digest of them all.
        trial: Number of the set that has them; `None` where none has.
    """

    make: Any
    parameters: dict[str, Any]
    manifest: str
    here: str
    trial: int | None


def chosen(functions: Any, named: Mapping[str, Any], spec: ModelSpec) -> Chosen:
    """The set that gives an estimator of the named parameters; where none does, the named ones, and what differs.

    Args:
        functions: The model's functions.
        named: The manifest's parameters.
        spec: The model, with the manifest's seed.
    """
    from contender.adapters import tuning

    nearest: tuple[int, int, dict[str, Any]] | None = None
    for number, tried in enumerate(tuning.drawn(functions.search_space(), trials=MOST, seed=spec.seed)):
        found = _made(functions.estimator, tried, spec, spec.seed)
        if _text(found) == _text(named):
            digest = hashlib.sha256(_text(named).encode()).hexdigest()
            return Chosen(functions.estimator, tried, digest, digest, number)
        if nearest is None or len(_other(named, found)) < nearest[0]:
            nearest = (len(_other(named, found)), number, found)
    _, number, found = nearest or (0, 0, {})
    other = _other(named, found)
    return Chosen(
        _with(functions.estimator, named, spec), {}, _shown(named, other),
        f"{_shown(found, other)} (trial {number}, the nearest)", None,
    )  # fmt: skip


def _with(make: Any, named: Mapping[str, Any], spec: ModelSpec) -> Any:
    """An `estimator` whose last step has the named parameters; those that follow from the seed follow from it still."""
    from contender.stages.train import last_step

    one, another = (_made(make, {}, spec, seed) for seed in (spec.seed, spec.seed + 1))
    seeded = _other(one, another)

    def made(parameters: dict[str, Any], **given: Any) -> Any:
        model = make(parameters, **given)
        last = last_step(model)
        known = last.get_params()
        last.set_params(**{name: value for name, value in named.items() if name in known and name not in seeded})
        return model

    return made


def _made(make: Any, parameters: dict[str, Any], spec: ModelSpec, seed: int) -> dict[str, Any]:
    """The parameters of the estimator that is made, in the form that a manifest has them in."""
    from contender.stages.train import parameters_of

    model = make(parameters, numbers=spec.inputs("number"), categories=spec.inputs("category"), seed=seed)
    return dict(json.loads(_text(parameters_of(model))))


def _other(one: Mapping[str, Any], another: Mapping[str, Any]) -> list[str]:
    """Names of the parameters that are not the same in both."""
    names = sorted(one.keys() | another.keys())
    return [name for name in names if _text(one.get(name)) != _text(another.get(name))]


def _shown(parameters: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={parameters.get(name, 'not named')}" for name in names)


def _text(value: Any) -> str:
    """A value as JSON; a missing number, which a few estimators have as a parameter, is equal to itself in it."""
    return json.dumps(value, sort_keys=True)

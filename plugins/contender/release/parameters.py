"""Which of the parameter sets that a search draws a release was fitted with.

A manifest has the fitted estimator's own parameters, its defaults among them, and what the model's `estimator` was
called with, which manifests from before it was kept lack. The sets that trials try follow from search space and seed
alone: one of them is what it was called with and gives just these parameters, or the manifest, the search space or the
estimator's defaults were changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contender.core.spec import ModelSpec

MOST = 500  # trials that a run may ask for
UNNAMED = "not named"
GIVEN = "called with "  # before the name of what `estimator` is given, which may bear the name of a parameter


@dataclass(frozen=True)
class Chosen:
    """How to make a release's estimator.

    Attributes:
        make: The model's `estimator`, or one that has the manifest's parameters set afterwards.
        given: What to call it with.
        manifest, here: The parameters that differ from the nearest set's, or a digest of them all.
        trial: Number of the set that has them; `None` where none has.
    """

    make: Any
    given: dict[str, Any]
    manifest: str
    here: str
    trial: int | None


def chosen(
    functions: Any, named: Mapping[str, Any], spec: ModelSpec, called_with: Mapping[str, Any] | None = None
) -> Chosen:
    """The set that gives an estimator of the named parameters; where none does, the named ones, and what differs.

    Args:
        functions: The model's functions.
        named: The manifest's parameters.
        spec: The model, with the manifest's seed.
        called_with: What the manifest says that `estimator` was given; `None` where it does not say.
    """
    from contender.adapters import tuning

    wanted = _with_given(named, called_with)
    nearest: tuple[int, int, dict[str, Any]] | None = None
    for number, tried in enumerate(tuning.drawn(functions.search_space(), trials=MOST, seed=spec.seed)):
        made = _made(functions.estimator, tried, spec, spec.seed)
        found = _with_given(made, tried if called_with is not None else None)
        other = _other(wanted, found)
        if not other:
            digest = hashlib.sha256(_text(wanted).encode()).hexdigest()
            return Chosen(functions.estimator, tried, digest, digest, number)
        if nearest is None or len(other) < nearest[0]:
            nearest = (len(other), number, found)
    _, number, found = nearest or (0, 0, {})
    other = _other(wanted, found)
    return Chosen(
        _with(functions.estimator, named, spec), dict(called_with or {}), _shown(wanted, other),
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


def _with_given(parameters: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any]:
    return {**parameters, **{f"{GIVEN}{name}": value for name, value in (given or {}).items()}}


def _made(make: Any, parameters: dict[str, Any], spec: ModelSpec, seed: int) -> dict[str, Any]:
    """The parameters of the estimator that is made, in the form that a manifest has them in."""
    from contender.stages.train import parameters_of

    model = make(parameters, numbers=spec.inputs("number"), categories=spec.inputs("category"), seed=seed)
    return dict(json.loads(_text(parameters_of(model))))


def _other(one: Mapping[str, Any], another: Mapping[str, Any]) -> list[str]:
    """Names of the parameters that are not the same in both."""
    names = sorted(one.keys() | another.keys())
    return [name for name in names if _text(one.get(name, UNNAMED)) != _text(another.get(name, UNNAMED))]


def _shown(parameters: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={parameters.get(name, UNNAMED)}" for name in names)


def _text(value: Any) -> str:
    """A value as JSON; a missing number, which a few estimators have as a parameter, is equal to itself in it."""
    return json.dumps(value, sort_keys=True)

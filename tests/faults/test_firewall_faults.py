"""Training rows that the gate must not take for new, on the real rows and the real store of a trained platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from contender.adapters.lineage import lineages
from contender.adapters.tracking import Tracking, Version
from contender.bench.chain import Chain
from contender.core.evidence import Evidence
from contender.core.interval import Interval
from contender.core.lineage import DOCUMENT, KEYS, PAIRS, Traced
from contender.core.naming import CHALLENGER, CHAMPION
from contender.operators.train import read_training_set
from contender.stages.gate.fingerprints import traced
from contender.stages.gate.firewall import contamination
from contender.stages.gate.rules import decide
from flight_delay.dag import SPEC
from tests.conftest import Trained


@pytest.fixture
def version(platform: Trained) -> Version:
    return Tracking(SPEC.name).version(platform.returned["train.fit"]["version"])


@pytest.fixture
def known(version: Version) -> Traced:
    (found,) = lineages(Tracking(SPEC.name), version)
    assert isinstance(found, Traced)
    return found


@pytest.fixture
def slices(platform: Trained) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows and holdout rows."""
    return read_training_set(SPEC.name, platform.returned["train.assemble"])


def test_fit_keeps_what_the_version_was_trained_on(platform: Trained, known: Traced) -> None:
    assembled, lineage = platform.returned["train.assemble"], known.lineage
    assert (lineage.rows, str(lineage.train)) == (assembled["train_rows"], assembled["train"])
    assert lineage.training_set.facts() == assembled["training_set"]
    assert len(known.keys) == 8 * assembled["train_rows"], "each training row has a key of its own"
    assert lineage.ancestors == ()
    assert platform.returned["gate.measure"]["contaminated"] == ""


Change = Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]


SMUGGLED: dict[str, tuple[Change, str]] = {
    "a row twice": (lambda train, holdout: pd.concat([train, holdout.iloc[[4]]]), "was trained on 1 of"),
    "its time shifted": (
        lambda train, holdout: pd.concat(
            [train, holdout.iloc[[4]].assign(due_at=train["due_at"].iloc[0], day=train["day"].iloc[0])]
        ),
        "was trained on 1 of",
    ),
    "another key": (
        lambda train, holdout: pd.concat([train, holdout.iloc[[4]].assign(example_id="copy of a flight")]),
        "of the same day, and of the same day in UTC, as",
    ),
    "all of it": (lambda train, holdout: pd.concat([train, holdout]), "was trained on rows of"),
}


@pytest.mark.parametrize("how", SMUGGLED)
def test_contamination_by_a_smuggled_row_is_found(
    platform: Trained, known: Traced, slices: tuple[pd.DataFrame, pd.DataFrame], how: str
) -> None:
    change, reason = SMUGGLED[how]
    train, holdout = slices
    lineage, window = known.lineage, Interval.parse(platform.returned["train.assemble"]["holdout"])

    def said(rows: pd.DataFrame) -> str:
        champion = traced(
            rows, version="1", model_digest=lineage.model_digest, train=lineage.train,
            training_set=lineage.training_set, cluster=SPEC.gate.cluster,
        )  # fmt: skip
        return contamination(holdout, window, SPEC.gate.cluster, {CHALLENGER: [known], CHAMPION: [champion]})

    assert said(train) == ""
    assert reason in said(change(train, holdout))


def _measured(platform: Trained) -> Any:
    from contender.factory import model_dags
    from tests.conftest import INTERVAL

    chain = Chain(Interval.parse(INTERVAL), trials=1, run_id="firewall")
    came = platform.returned
    dag = model_dags(SPEC, doc=None)[0]
    return chain.call(dag, "gate.measure", assembled=came["train.assemble"], fitted=came["train.fit"])


@pytest.fixture
def files(platform: Trained, version: Version) -> Iterator[Path]:
    """The champion's lineage on disk, whole again afterwards."""
    folder = platform.home / "mlflow" / "artifacts" / version.run_id / "artifacts" / "lineage" / version.digest
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path, content in whole.items():
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (KEYS, lambda path: path.write_bytes(path.read_bytes()[:-800])),
        (PAIRS, lambda path: path.write_bytes(b"")),
        (DOCUMENT, lambda path: path.write_bytes(path.read_bytes().replace(b'"day"', b'"dest"'))),
        (DOCUMENT, Path.unlink),
    ],
    ids=["keys cut", "pairs emptied", "document altered", "document removed"],
)
def test_measure_with_a_damaged_lineage_of_the_champion_ends_in_a_hold(
    platform: Trained, files: Path, name: str, damage: Callable[[Path], Any]
) -> None:
    damage(files / name)
    evidence = Evidence.model_validate(_measured(platform))
    assert "the champion (version 1) cannot be shown to be new to these rows: " in evidence.contaminated
    assert name in evidence.contaminated
    verdict = decide(evidence, SPEC.gate)
    assert verdict.verdict == "hold"
    assert any(reason.startswith("contaminated: ") for reason in verdict.reasons)

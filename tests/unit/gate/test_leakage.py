from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics

from contender.core.errors import DataError
from contender.stages.gate.holdout import Holdout, checked
from contender.stages.gate.leakage import STRONGEST, strongest


def _powers(task: Any, labels: Any, columns: dict[str, Any], **more: Any) -> dict[str, float]:
    scores = np.full((len(labels), 3), 1 / 3) if task == "multiclass" else np.full(len(labels), 0.5)
    frame = pd.DataFrame(columns, index=range(5, 5 + len(labels)))
    given = Holdout(
        task=task, labels=labels, challenger=scores, reference=scores, clusters=np.zeros(len(labels)), frame=frame,
        inputs=tuple(columns), **more,
    )  # fmt: skip
    return {leak.column: leak.power for leak in strongest(given, checked(given))}


RNG = np.random.default_rng(0)
LABELS = (RNG.random(500) < 0.3).astype(int)
SIGNAL = RNG.normal(size=500) + LABELS


def test_strongest_of_numbers_is_their_auc_whichever_way_they_point() -> None:
    area = sklearn.metrics.roc_auc_score(LABELS, SIGNAL)
    found = _powers("binary", LABELS, {"up": SIGNAL, "down": -SIGNAL, "flat": np.ones(500)})
    assert found == pytest.approx({"up": area, "down": area, "flat": 0.5}, abs=1e-6)
    assert list(found) == ["down", "up", "flat"]


def test_strongest_of_the_label_itself_tells_everything() -> None:
    assert _powers("binary", LABELS, {"told": LABELS == 1})["told"] == 1


def test_strongest_counts_what_a_missing_value_tells() -> None:
    """Filled in only where the label is 1: the value says nothing, that there is one says all."""
    filled = np.where(LABELS == 1, RNG.normal(size=500), np.nan)
    found = _powers("binary", LABELS, {"filled": filled, "nullable": pd.array(filled, dtype="Float64")})
    assert found == {"filled": 1, "nullable": 1}


def test_strongest_puts_missing_values_on_the_side_that_tells_more() -> None:
    value = np.where(RNG.random(500) < 0.2, np.nan, SIGNAL)
    low, high = (sklearn.metrics.roc_auc_score(LABELS, np.where(np.isnan(value), end, value)) for end in (-99, 99))
    assert _powers("binary", LABELS, {"x": value})["x"] == pytest.approx(max(low, high, 1 - low, 1 - high), abs=1e-6)


def test_strongest_of_a_category_is_what_its_training_rows_tell() -> None:
    status = np.where(LABELS == 1, "refunded", "kept").astype(object)
    training = pd.DataFrame({"status": status, "late": LABELS})
    assert _powers("binary", LABELS, {"status": status}, training=training, label="late")["status"] == 1
    shuffled = training.assign(status=RNG.permutation(status))
    found = _powers("binary", LABELS, {"status": status}, training=shuffled, label="late")
    assert found["status"] == 1, "two categories are told apart whichever way round they were learned"


def test_strongest_of_a_category_that_names_the_row_knows_nothing_of_new_rows() -> None:
    training = pd.DataFrame({"id": [f"t{i}" for i in range(500)], "late": LABELS})
    ids = {"id": [f"h{i}" for i in range(500)]}
    assert _powers("binary", LABELS, ids, training=training, label="late")["id"] == 0.5


def test_strongest_of_a_category_with_missing_values_takes_them_as_one_more() -> None:
    status = np.where(LABELS == 1, None, "kept")
    training = pd.DataFrame({"status": status, "late": LABELS})
    assert _powers("binary", LABELS, {"status": status}, training=training, label="late")["status"] == 1


def test_strongest_of_several_classes_is_the_mean_over_pairs() -> None:
    classes = RNG.integers(0, 3, 600)
    blurred = classes + RNG.normal(0, 0.7, 600)
    areas = []
    for low, high in ((0, 1), (0, 2), (1, 2)):
        among = np.isin(classes, (low, high))
        areas.append(sklearn.metrics.roc_auc_score(classes[among] == high, blurred[among]))
    kind = np.array(["a", "b", "c"])[(classes + 1) % 3]
    training = pd.DataFrame({"kind": kind, "label": classes})
    columns = {"blurred": blurred, "told": classes.astype(float), "kind": kind}
    found = _powers("multiclass", classes, columns, training=training, label="label")
    assert found == pytest.approx({"blurred": np.mean(areas), "told": 1, "kind": 1}, abs=1e-6)


@pytest.mark.parametrize("task", ["regression", "forecast"])
def test_strongest_of_a_number_to_predict_is_the_rank_correlation(task: str) -> None:
    value = RNG.normal(size=400)
    other = -value + RNG.normal(size=400)
    kind = np.where(value > 0, "high", "low").astype(object)
    training = pd.DataFrame({"kind": kind, "label": value})
    columns = {"told": np.exp(value), "other": other, "flat": np.zeros(400), "kind": kind}
    found = _powers(task, value, columns, training=training, label="label")
    correlation = scipy.stats.spearmanr(value, other).statistic
    assert found["told"] == 1
    assert found["other"] == pytest.approx(0.5 + abs(correlation) / 2, abs=1e-6)
    assert found["flat"] == 0.5
    assert 0.9 < found["kind"] < 1


def test_strongest_of_constant_numbers_to_predict_tells_nothing() -> None:
    assert _powers("regression", np.ones(50), {"x": RNG.normal(size=50)}) == {"x": 0.5}


def test_strongest_of_one_class_tells_nothing() -> None:
    assert _powers("binary", np.ones(50), {"x": RNG.normal(size=50)}) == {"x": 0.5}


def test_strongest_keeps_the_strongest_few() -> None:
    columns = {f"x{k}": SIGNAL + RNG.normal(0, k, 500) for k in range(9)}
    found = _powers("binary", LABELS, columns)
    assert len(found) == STRONGEST
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found)) == "x0"


def test_strongest_does_not_find_what_tells_only_together() -> None:
    """The weakness that the module states."""
    coin = RNG.random(500) < 0.5
    found = _powers("binary", LABELS, {"key": coin, "mask": coin ^ (LABELS == 1)})
    assert max(found.values()) < 0.6


@pytest.mark.parametrize(
    ("inputs", "training", "said"),
    [
        (("x", "gone"), None, "the holdout has no column gone; where: inputs"),
        (("kind",), None, "cannot learn what the categories tell.*without kind, late"),
        (("kind",), pd.DataFrame({"kind": ["a"]}), "cannot learn what the categories tell.*without late"),
    ],
    ids=["missing input", "no training rows", "no training labels"],
)
def test_strongest_without_what_it_needs_refuses(inputs: Any, training: Any, said: str) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "kind": ["a", "b"]})
    scores = np.array([0.2, 0.3])
    given = Holdout(task="binary", labels=[0, 1], challenger=scores, reference=scores, clusters=[1, 2], frame=frame)
    given = replace(given, inputs=inputs, training=training, label="late")
    with pytest.raises(DataError, match=said):
        strongest(given, checked(given))

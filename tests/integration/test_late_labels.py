"""A model whose labels are known thirty days after their rows: its holdout is one that has labels."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from contender.scaffold.make import make
from contender.scaffold.request import Asked
from tests.made_model import environment, trained
from tests.unit.scaffold.conftest import root  # noqa: F401  fixture

DELAY = pd.Timedelta(days=30)


def customers() -> pd.DataFrame:
    """Thirty a day who signed up, what they then did, and whether they left within thirty days."""
    draw = np.random.default_rng(7)
    days = pd.date_range("2012-09-01", "2013-05-31", freq="D").repeat(30)
    visits, logins = draw.poisson(5, len(days)), draw.normal(size=len(days))
    left = draw.random(len(days)) < 1 / (1 + np.exp(visits - 5 + logins))
    facts = {"customer": range(len(days)), "signed_up": days, "visits": visits, "logins": logins.round(3)}
    return pd.DataFrame(facts | {"left": np.where(left, "yes", "no")})


def as_of(rows: pd.DataFrame, day: str) -> pd.DataFrame:
    """What the source delivers on a day: the rows until then, with the labels that are known by then."""
    there = rows[rows["signed_up"] < day]
    return there.assign(left=there["left"].where(there["signed_up"] + DELAY <= day))


@pytest.mark.long
@pytest.mark.slow
def test_model_with_late_labels_holds_out_rows_that_have_them(root: Path, tmp_path: Path) -> None:  # noqa: F811
    rows, data = customers(), tmp_path / "mine.csv"
    rows.to_csv(data, index=False)
    given = Asked(name="mine", template="classification", data=str(data), label="left", time="signed_up",
                  drop=("customer",), label_delay=30)  # fmt: skip
    make(given, root, datetime(2013, 6, 1, tzinfo=UTC), lambda _: None)
    file = root / "dags" / "mine" / "dag.py"
    assert "label_delay_hours=720," in file.read_text()
    env = environment(root, tmp_path / "home")

    def run(month: str, day: str) -> dict[str, Any]:
        as_of(rows, day).to_csv(data, index=False)
        done = trained(file, month, env)
        return {"verdict": done["verdict"], **done["train.assemble"]}

    april = run("2013-04", "2013-05-01")
    assert april["verdict"] == "promote"
    assert april["holdout"].endswith("/2013-04-01")
    assert april["holdout_unlabelled"] == 0
    # March was in the lake without its last labels: what came in since is read.
    may = run("2013-05", "2013-06-01")
    assert may["holdout"].endswith("/2013-05-02")
    assert may["holdout_unlabelled"] == 0
    assert may["unlabelled"] == 0
    # Labels that came later are not known to a replay.
    again = run("2013-04", "2013-06-01")
    assert again["training_set"]["digest"] == april["training_set"]["digest"]

"""Lineages in an MLflow store of their own."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from contender.adapters.lineage import TAG, keep, lineages
from contender.adapters.tracking import DIGEST_TAG, Tracking, Version
from contender.core.errors import TrackingUnreachable
from contender.core.interval import Interval
from contender.core.lineage import DOCUMENT, KEYS, PAIRS, Traced, Untraced
from contender.core.manifest import canonical
from contender.core.naming import CHALLENGER, CHAMPION
from contender.core.results import Snapshot
from contender.stages.gate.fingerprints import traced
from contender.stages.gate.firewall import contamination

TRAIN, WINDOW = Interval.parse("2013-06-01/2013-06-14"), Interval.parse("2013-06-15/2013-06-20")


def _rows(interval: Interval) -> pd.DataFrame:
    due = pd.Series(pd.date_range(interval.start, interval.end, freq="6h", inclusive="left")).dt.as_unit("us")
    day = due.dt.strftime("%Y-%m-%d")
    return pd.DataFrame({"example_id": "row " + due.dt.strftime("%Y%m%dT%H"), "due_at": due, "day": day})


TRAINED, HOLDOUT = _rows(TRAIN), _rows(WINDOW)


@pytest.fixture
def tracking(tracking: Tracking) -> Tracking:
    tracking.client.create_registered_model("toy")
    return tracking


def _version(tracking: Tracking, digest: str = "") -> Version:
    """A version of a run of its own, with nothing but its digest."""
    digest = (
        digest or hashlib.sha256(str(len(tracking.client.search_model_versions("name = 'toy'"))).encode()).hexdigest()
    )
    run = tracking.client.create_run(tracking.experiment)
    made = tracking.client.create_model_version("toy", "mlruns:/none", run.info.run_id, tags={DIGEST_TAG: digest})
    return tracking.version(str(made.version))


def _kept(tracking: Tracking, rows: pd.DataFrame = TRAINED, ancestors: tuple[str, ...] = ()) -> Version:
    """A version and its lineage."""
    version = _version(tracking)
    keep(tracking, version, _traced(version, rows, ancestors))
    return tracking.version(version.version)


def _traced(version: Version, rows: pd.DataFrame = TRAINED, ancestors: tuple[str, ...] = ()) -> Traced:
    snapshot = Snapshot(table="toy_training_set", version=1, digest="d" * 64, rows=len(rows))
    return traced(
        rows, version=version.version, model_digest=version.digest, train=TRAIN, training_set=snapshot, cluster="day",
        ancestors=ancestors,
    )  # fmt: skip


def _said(tracking: Tracking, champion: Version, rows: pd.DataFrame = HOLDOUT) -> str:
    known = {CHALLENGER: lineages(tracking, _kept(tracking)), CHAMPION: lineages(tracking, champion)}
    return contamination(rows, WINDOW, "day", known)


def _file(version: Version, tmp_path: Path, name: str) -> Path:
    (found,) = (tmp_path / "mlflow" / "artifacts" / version.run_id).rglob(name)
    return found


def test_lineages_of_a_kept_version_are_what_was_kept(tracking: Tracking) -> None:
    version = _kept(tracking)
    assert lineages(tracking, version) == (_traced(version),)
    assert _said(tracking, version) == ""


def test_lineages_lie_beside_the_bundle_and_not_in_it(tracking: Tracking) -> None:
    version = _kept(tracking)
    (folder,) = tracking.client.list_artifacts(version.run_id)
    (inside,) = tracking.client.list_artifacts(version.run_id, folder.path)
    assert inside.path == f"lineage/{version.digest}"
    files = {Path(item.path).name for item in tracking.client.list_artifacts(version.run_id, inside.path)}
    assert files == {DOCUMENT, KEYS, PAIRS}


def test_keep_again_changes_nothing_and_mends_what_was_lost(tracking: Tracking, tmp_path: Path) -> None:
    version = _kept(tracking)
    document = _file(version, tmp_path, DOCUMENT).read_bytes()
    keep(tracking, version, _traced(version, TRAINED.head(9)))
    assert _file(version, tmp_path, DOCUMENT).read_bytes() == document

    _file(version, tmp_path, KEYS).unlink()
    assert isinstance(lineages(tracking, version)[0], Untraced)
    keep(tracking, version, _traced(version))
    assert lineages(tracking, tracking.version(version.version)) == (_traced(version),)


def test_keep_killed_before_its_tag_is_done_by_the_next_attempt(tracking: Tracking) -> None:
    version = _kept(tracking)
    tracking.client.delete_model_version_tag("toy", version.version, TAG)
    assert "no lineage was kept" in _said(tracking, tracking.version(version.version))
    keep(tracking, tracking.version(version.version), _traced(version))
    assert _said(tracking, tracking.version(version.version)) == ""


def test_lineages_follow_each_ancestor_once(tracking: Tracking) -> None:
    first = _kept(tracking)
    second, third = _kept(tracking, ancestors=(first.version,)), _kept(tracking, ancestors=(first.version,))
    fourth = _kept(tracking, ancestors=(second.version, third.version))
    assert [found.version for found in lineages(tracking, fourth)] == ["4", "2", "3", "1"]
    assert _said(tracking, fourth) == ""


def _without_tag(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    tracking.client.delete_model_version_tag("toy", version.version, TAG)


def _removed(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    shutil.rmtree(_file(version, tmp_path, DOCUMENT).parent)


def _truncated(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    path = _file(version, tmp_path, KEYS)
    path.write_bytes(path.read_bytes()[:-8])


def _emptied(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    _file(version, tmp_path, PAIRS).write_bytes(b"")


def _rewritten(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    path = _file(version, tmp_path, DOCUMENT)
    path.write_bytes(canonical(json.loads(path.read_bytes()) | {"train": {"start": "2012-01-01", "end": "2012-02-01"}}))


def _exchanged(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    # All three files of another version, which fit together.
    other = _kept(tracking, TRAINED.head(5))
    for name in (DOCUMENT, KEYS, PAIRS):
        shutil.copy(_file(other, tmp_path, name), _file(version, tmp_path, name))


def _run_purged(tracking: Tracking, version: Version, tmp_path: Path) -> None:
    tracking.client.delete_run(version.run_id)
    shutil.rmtree(tmp_path / "mlflow" / "artifacts" / version.run_id)


DAMAGE: dict[str, tuple[Callable[[Tracking, Version, Path], None], str]] = {
    "no tag": (_without_tag, "no lineage was kept with it"),
    "missing": (_removed, "lineage.json and keys.u64 and pairs.u64 of its lineage is missing"),
    "truncated": (_truncated, "its keys.u64 is not the one that was written"),
    "emptied": (_emptied, "its pairs.u64 is not the one that was written"),
    "rewritten": (_rewritten, "its lineage.json is not the one that was registered"),
    "exchanged": (_exchanged, "its lineage.json is not the one that was registered"),
    "run purged": (_run_purged, "of its lineage is missing"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_contamination_by_a_champion_whose_lineage_was_damaged_says_how(
    tracking: Tracking, tmp_path: Path, damage: str
) -> None:
    version = _kept(tracking)
    DAMAGE[damage][0](tracking, version, tmp_path)
    said = _said(tracking, tracking.version(version.version))
    assert said.startswith("the champion (version 1) cannot be shown to be new to these rows: ")
    assert DAMAGE[damage][1] in said


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_contamination_by_a_damaged_ancestor_names_it(tracking: Tracking, tmp_path: Path, damage: str) -> None:
    ancestor = _kept(tracking)
    champion = _kept(tracking, ancestors=(ancestor.version,))
    DAMAGE[damage][0](tracking, ancestor, tmp_path)
    assert _said(tracking, champion).startswith("version 1, an ancestor of the champion, cannot be shown to be new")


def test_contamination_by_an_ancestor_that_knew_a_row_names_it(tracking: Tracking) -> None:
    smuggled = HOLDOUT.iloc[[3]].assign(due_at=TRAINED["due_at"].iloc[0], day=TRAINED["day"].iloc[0])
    ancestor = _kept(tracking, pd.concat([TRAINED, smuggled], ignore_index=True))
    champion = _kept(tracking, ancestors=(_kept(tracking, ancestors=(ancestor.version,)).version,))
    said = _said(tracking, champion)
    assert said == "version 1, an ancestor of the champion, was trained on 1 of 20 holdout rows (row 20130615T18)"


def test_contamination_by_an_ancestor_that_was_removed_names_it(tracking: Tracking) -> None:
    ancestor = _kept(tracking)
    champion = _kept(tracking, ancestors=(ancestor.version,))
    tracking.client.delete_model_version("toy", ancestor.version)
    assert "version 1, an ancestor of the champion, cannot be shown" in _said(tracking, champion)
    assert "the registry has no such version" in _said(tracking, champion)


def test_contamination_by_lineages_that_go_in_a_circle_ends(tracking: Tracking) -> None:
    first, second = _version(tracking), _version(tracking)
    keep(tracking, first, _traced(first, ancestors=(second.version,)))
    keep(tracking, second, _traced(second, ancestors=(first.version,)))
    said = _said(tracking, tracking.version(second.version))
    assert "no older than itself: version 2" in said


def test_lineages_of_a_store_that_does_not_answer_raise(tracking: Tracking, monkeypatch: pytest.MonkeyPatch) -> None:
    version = _kept(tracking)
    for name, value in (("TRACKING_URI", "http://127.0.0.1:1"), ("HTTP_REQUEST_MAX_RETRIES", "0")):
        monkeypatch.setenv(f"MLFLOW_{name}", value)
    tracking.client = MlflowClient()
    with pytest.raises(TrackingUnreachable):
        lineages(tracking, version)


def _smuggled(**changes: Any) -> pd.DataFrame:
    return pd.concat([TRAINED, HOLDOUT.iloc[[0]].assign(**changes)], ignore_index=True)


@pytest.mark.parametrize(
    "rows",
    [
        _smuggled(),
        _smuggled(due_at=TRAINED["due_at"].iloc[0], day=TRAINED["day"].iloc[0]),
        _smuggled(example_id="another"),
    ],
    ids=["a holdout row", "its key alone", "its cluster and day"],
)
def test_contamination_by_what_was_smuggled_into_training_is_found(tracking: Tracking, rows: pd.DataFrame) -> None:
    assert "(version 1) was trained on" in _said(tracking, _kept(tracking, rows))

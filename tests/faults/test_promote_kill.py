"""`promote.release` killed where that leaves something else, then run again: one move, one record, one manifest."""

from __future__ import annotations

import gc
import hashlib
import inspect
import json
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from contender.bench.chain import Chain
from contender.core import decisions
from contender.core.manifest import Release
from contender.operators import evaluation, promote, supply_chain
from tests.tiny_platform import INTERVAL, Run, Tiny, champion, environment, manifest, moves, records, spec, watch_alias

FORK = multiprocessing.get_context("fork")
# Reading the lake does not survive a fork.
SPAWN = multiprocessing.get_context("spawn")
TRACED = {module.__file__ for module in (promote, evaluation, decisions, supply_chain)}

Place = tuple[str, int]


def in_child(home: Path, work: Callable[[], Any]) -> int:
    """The exit code of the work in a process of its own on a home of its own; -9 where it was killed."""

    def at_home() -> None:
        os.environ.update(environment(home))
        work()

    child = FORK.Process(target=at_home)
    # What is freed in the child may wait for threads that are its parent's alone, as sessions of ONNX Runtime do.
    gc.collect()
    gc.freeze()
    child.start()
    gc.unfreeze()
    child.join(120)
    assert child.exitcode is not None, "the child hangs"
    return child.exitcode


def traced(at: Callable[[Place], None]) -> None:
    """Call `at` before each line of the traced modules that this process comes to."""

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            at((frame.f_code.co_filename, frame.f_lineno))
        return local

    sys.settrace(lambda frame, event, _: local if frame.f_code.co_filename in TRACED else None)


def state(home: Path) -> str:
    """Digest of all files below a home."""
    digest = hashlib.sha256()
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(home)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def places(home: Path, run: Run) -> dict[Place, str]:
    """The lines that a release comes to, in their order, and the state of its home when it first does.

    That is all that a process which is killed there leaves to the next try.
    """
    found, written = dict[Place, str](), home.with_suffix(".places")

    def come(place: Place) -> None:
        if place not in found:
            found[place] = state(home)

    def note() -> None:
        traced(come)
        run.release()
        sys.settrace(None)
        written.write_text(json.dumps([[*place, left] for place, left in found.items()]))

    assert in_child(home, note) == 0
    return {(file, line): left for file, line, left in json.loads(written.read_text())}


def ends(found: Mapping[Place, str]) -> list[Place]:
    """The first and the last place of each state: killed at any between the two, a process leaves the same."""
    last = {left: place for place, left in found.items()}
    first = {left: place for place, left in reversed(found.items())}
    return [place for place in found if place in {*first.values(), *last.values()}]


def killed_at(place: Place, run: Run) -> None:
    """Release until the process first comes to a line, where it kills itself."""

    def kill(here: Place) -> None:
        if here == place:
            os.kill(os.getpid(), signal.SIGKILL)

    traced(kill)
    run.release()


def again(kept: Path, home: Path) -> None:
    """Set a home back to what was kept of it."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for name in ("decisions", "releases", "models", "keys", "sboms"):
        shutil.copytree(kept / name, home / name)
    shutil.copy(kept / "mlflow.db", home)


def test_release_killed_before_and_after_each_change_then_run_again_moves_once(tiny: Tiny, tmp_path: Path) -> None:
    home, run = tmp_path / "other", tiny.better  # the children's: a connection of this process would not survive a fork
    run.measure()
    assert run.decide() == "gate.promote"
    watch_alias(tiny.home)
    again(tiny.home, home)
    found = places(home, run)
    assert len(found) > 65
    for place in (chosen := ends(found)):
        again(tiny.home, home)
        assert in_child(home, lambda place=place: killed_at(place, run)) == -signal.SIGKILL, place
        assert in_child(home, run.release) == 0, place
        assert moves(home) == ["2"], place
        mine = records(home, "second")
        assert [record.kind for record in mine] == ["look", "decision", "promotion"], place
        assert Release.model_validate(manifest(home, "2")).decision_hash == mine[1].hash, place
    assert len(chosen) > 8
    assert champion(home) == "2"


def swap_at(text: str) -> Place:
    """The line of the swap that begins with a text."""
    lines, first = inspect.getsourcelines(promote.PromoteRelease._promote)
    (found,) = (number for number, line in enumerate(lines, start=first) if line.strip().startswith(text))
    return promote.PromoteRelease._promote.__code__.co_filename, found


def best_killed_at(place: Place, returned: dict[str, Any], pushed: dict[tuple[str, str], Any]) -> None:
    """The run of version 3, killed in a process that begins with nothing."""
    from contender.factory import model_dags

    chain, declared = Chain(INTERVAL, 1, "third"), spec("abc")
    chain.returned, chain.pushed = returned, pushed
    killed_at(place, Run(declared, chain, model_dags(declared, doc=None)[0]))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("supply_chain.write(", marks=pytest.mark.slow),
        pytest.param("release_files.keep(", marks=pytest.mark.slow),
        pytest.param("tracking.set_alias(", marks=pytest.mark.slow),
        "log.append(",
        "return release",
    ],
)
def test_loser_killed_while_it_is_promoted_after_all_is_finished_by_a_second_try(tiny: Tiny, line: str) -> None:
    tiny.best.measure()
    assert tiny.best.decide() == "gate.promote"
    tiny.better.to_release()
    watch_alias(tiny.home)
    left = swap_at(line), tiny.best.chain.returned, tiny.best.chain.pushed
    child = SPAWN.Process(target=best_killed_at, args=left)
    child.start()
    child.join(200)
    assert child.exitcode == -signal.SIGKILL
    assert tiny.best.release()["version"] == "3"
    assert moves(tiny.home) == ["3"]
    mine = records(tiny.home, "third")
    assert [record.kind for record in mine] == ["look", "decision", "look", "decision", "promotion"]
    assert mine[-1].evidence_digest == mine[-2].evidence_digest
    released = Release.model_validate(manifest(tiny.home, "3"))
    assert (released.decision_hash, released.evidence.reference) == (mine[-2].hash, "version 2")

"""What `up` and `down` do to the engine, and in which order."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contender.client.lock import lock
from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT
from contender.stack import env_file, lifecycle
from contender.stack.checkout import DataMismatch
from contender.stack.engine import ComposeFailed, Done
from contender.stack.env_file import EnvFileInvalid
from contender.stack.lifecycle import NotConfirmed, Wanted
from tests.unit.stack.machine import VOLUME, Machine

PLENTY = 100 * 10**9
MODELS = ("ps", "--all", "--format", "{{.Names}}")


def up(machine: Machine, said: list[str], wanted: Wanted | None = None) -> None:
    lifecycle.up(machine.engine(), wanted or Wanted(), said.append, free=lambda _: PLENTY)


def down(machine: Machine, said: list[str], ask: Callable[[str], str] | None, **how: bool) -> None:
    lifecycle.down(machine.engine(), said.append, ask=ask, **{"volumes": True, "confirmed": False, **how})


def running(machine: Machine, *services: str) -> None:
    rows = [{"Service": name, "Name": f"contender-{name}-1", "State": "running"} for name in services]
    machine.answers["compose", "ps"] = Done(0, "\n".join(map(json.dumps, rows)))


def test_up_failed_build_shows_its_last_lines_and_starts_nothing(machine: Machine) -> None:
    machine.answers["compose", "build"] = Done(17, "Step 3/9\nerror: no matching distribution\n")
    before, said = machine.files(), list[str]()
    with pytest.raises(ComposeFailed, match="no matching distribution") as raised:
        up(machine, said)
    assert "nothing was started" in raised.value.next_step
    assert "Step 3/9" in said
    assert machine.files() == before, "not even .env was written"
    assert not any(machine.did("compose", word) for word in ("up", "stop", "pull"))


def test_up_failed_pull_starts_nothing(machine: Machine) -> None:
    machine.answers["compose", "pull"] = Done(1, "manifest unknown\n")
    before = machine.files()
    with pytest.raises(ComposeFailed, match="could not be pulled"):
        up(machine, [])
    assert machine.did("compose", "pull", "postgres", "router", "engine-proxy"), "not what was just built"
    assert machine.files() == before


def test_up_with_an_env_file_of_an_earlier_version_adds_what_it_lacks_and_says_so(machine: Machine) -> None:
    lacking = "CONTENDER_PREDICTIONS_DB_PASSWORD"
    machine.write_env(**{lacking: None})
    machine.answers["volume", "inspect"] = Done(0, "[]")  # it has data by now
    path, said = machine.folder / env_file.NAME, list[str]()
    before = path.read_text()
    assert not before.endswith("\n")
    machine.answers["compose", "up"] = Done(1, "the start is another matter\n")
    with pytest.raises(ContenderError):
        up(machine, said)
    assert path.read_text().startswith(before + "\n")
    assert path.stat().st_mode & 0o777 == 0o600
    added = env_file.read(machine.folder) or {}
    assert len(added[lacking]) == 48
    env_file.check(machine.folder, added)
    assert f"  added to .env, which lacked them: {lacking}" in said
    assert not any(added[lacking] in line for line in said)
    after = path.read_text()
    with pytest.raises(ContenderError):
        up(machine, said)
    assert path.read_text() == after, "nothing is lacking any more"


def test_up_failed_build_adds_nothing_to_an_env_file_of_an_earlier_version(machine: Machine) -> None:
    machine.write_env(CONTENDER_PREDICTIONS_DB_PASSWORD=None)
    machine.answers["compose", "build"] = Done(17, "no\n")
    before = machine.files()
    with pytest.raises(ComposeFailed):
        up(machine, [])
    assert machine.files() == before


@pytest.mark.parametrize(
    "wanted", [Wanted("kubernetes"), Wanted("", 2), Wanted("celery", 0)], ids=["profile", "no-profile", "none"]
)
def test_up_what_cannot_be_wanted_is_refused_before_anything(machine: Machine, wanted: Wanted) -> None:
    with pytest.raises(EnvFileInvalid):
        up(machine, [], wanted)
    assert machine.asked == []


def test_down_stops_models_and_services_and_keeps_the_rest(machine: Machine) -> None:
    machine.write_env()
    running(machine, "router", "postgres")
    machine.answers[MODELS] = Done(0, "contender-flight_delay\n")
    said: list[str] = []
    down(machine, said, None, volumes=False)
    assert said[0] == "Stopping 2 services and contender-flight_delay"
    assert machine.asked[-2:] == [["stop", "contender-flight_delay"], ["compose", "stop"]]


def test_down_nothing_runs_says_so(machine: Machine) -> None:
    said: list[str] = []
    down(machine, said, None, volumes=False)
    assert said == ["Nothing to stop: the stack is not running"]
    assert not machine.did("compose", "stop")


@pytest.mark.parametrize("volumes", [False, True], ids=["stop", "delete"])
def test_down_stack_of_another_checkout_is_not_touched(machine: Machine, volumes: bool) -> None:
    running(machine, "router")
    machine.answers["ps", "--all", "--filter"] = Done(0, f"{machine.folder.parent}\n")
    with pytest.raises(DataMismatch, match="another checkout"):
        down(machine, [], None, volumes=volumes, confirmed=True)
    assert [words[0] for words in machine.asked] == ["ps"]


@pytest.mark.parametrize("ask", [None, lambda _: "", lambda _: "yes"], ids=["no-terminal", "enter", "yes"])
def test_down_unconfirmed_deletion_touches_nothing(machine: Machine, ask: Callable[[str], str] | None) -> None:
    with pytest.raises(NotConfirmed):
        down(machine, [], ask)
    assert not any(machine.did(*words) for words in (("compose", "down"), ("rm",), ("compose", "stop")))


@pytest.mark.parametrize(
    ("ask", "confirmed"), [(lambda _: "contender\n", False), (None, True)], ids=["typed", "on-the-command-line"]
)
def test_down_confirmed_deletion_removes_models_then_all_with_volumes(
    machine: Machine, ask: Callable[[str], str] | None, confirmed: bool
) -> None:
    machine.answers[MODELS] = Done(0, "contender-flight_delay\n")
    network = machine.config["networks"]["models"]["name"]
    machine.answers["volume", "ls"] = Done(0, f"{network}-flight_delay-journal\n{network}-other\n")
    down(machine, [], ask, confirmed=confirmed)
    removed = [words for words in machine.asked if words[0] == "rm" or words[:2] == ["volume", "rm"]]
    assert removed == [
        ["rm", "--force", "--volumes", "contender-flight_delay"],
        ["volume", "rm", f"{network}-flight_delay-journal"],
    ]
    assert machine.asked[-1] == ["compose", "down", "--volumes", "--remove-orphans"]


def test_down_question_names_what_goes(machine: Machine) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "contender"

    down(machine, [], ask)
    assert VOLUME in asked[0]


def test_greeting_first_start_shows_the_password_once(machine: Machine) -> None:
    secrets = env_file.fresh(machine.folder)
    env_file.write(machine.folder, secrets)
    first = lifecycle.Ready(machine.engine(), machine.config, secrets, ())
    later = lifecycle.Ready(machine.engine(), machine.config, {}, ())
    assert secrets[env_file.PASSWORD] in lifecycle._greeting(first)
    assert not any(secrets[name] in lifecycle._greeting(later) for name in secrets if name != env_file.USER)


def _hold(home: Path, ready: Any, done: Any) -> None:
    with lock(home, "stack"):
        ready.set()
        done.wait(30)


def test_up_twice_at_once_the_second_says_who_is_at_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, ready, done))
    holder.start()
    try:
        assert ready.wait(30)
        env = {**os.environ, "CONTENDER_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT / "plugins")}
        call = [sys.executable, "-S", "-m", "contender.stack", "up"]
        second = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    finally:
        done.set()
        holder.join()
    assert second.returncode == 1
    assert second.stdout == ""
    assert (
        "Busy: another `make up` or `make down` of this checkout is under way; "
        f"where: {tmp_path}; got: process {holder.pid}" in second.stderr
    )

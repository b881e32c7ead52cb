"""The registry that a connection names, as docs/registry.md writes it, and its page's commands."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from contender.core.errors import RegistryRefused
from contender.core.settings import CHECKOUT
from contender.operators.registry import registry
from tests.docs.pages import example


def test_registry_is_that_of_the_page_s_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    written = example("docs/registry.md", "connection")
    said = subprocess.run(
        ["bash", "-euc", f"{written}\nexec env --null"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.defpath},
    )
    for name in ("CONTENDER_REGISTRY", "AIRFLOW_CONN_REGISTRY_DEFAULT"):
        monkeypatch.setenv(name, dict(line.partition("=")[::2] for line in said.stdout.split("\0"))[name])
    found = registry()
    assert found is not None
    assert (found.address, found.user, found.password) == ("registry.example:5000/team", "robot", "of the robot")
    assert found.repository("contender/toy") == "registry.example:5000/team/contender/toy"


FORMS = {
    "bare": ({"host": "registry.example"}, "registry.example", None),
    "with a scheme": ({"host": "https://registry.example/"}, "registry.example", None),
    "with a path": ({"host": "registry.example/team", "login": "u", "password": "p"}, "registry.example/team",
                    {"username": "u", "password": "p"}),
}  # fmt: skip


@pytest.mark.parametrize(("said", "address", "account"), FORMS.values(), ids=FORMS.keys())
def test_registry_takes_a_connection_s_host_in_each_form(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], address: str, account: dict[str, str] | None
) -> None:
    monkeypatch.setenv("CONTENDER_REGISTRY", "mine")
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps({"conn_type": "docker", **said}))
    found = registry()
    assert found is not None
    assert (found.address, found.account) == (address, account)


def test_registry_is_none_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTENDER_REGISTRY", raising=False)
    assert registry() is None


@pytest.mark.parametrize(
    ("connection", "got"), [("", "no such connection"), ('{"conn_type": "docker"}', "a connection without a host")]
)
def test_registry_whose_connection_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, connection: str, got: str
) -> None:
    monkeypatch.setenv("CONTENDER_REGISTRY", "absent")
    if connection:
        monkeypatch.setenv("AIRFLOW_CONN_ABSENT", connection)
    with pytest.raises(RegistryRefused, match=f"CONTENDER_REGISTRY=absent.*{got}"):
        registry()


def asked(line: str, **env: str) -> list[str]:
    """The arguments of the command that a line for `make` would run."""
    call = [*line.partition("#")[0].split(), "--dry-run", "--no-print-directory", "--old-file=install"]
    outer = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MODEL"}
    given = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(call, cwd=CHECKOUT, env=given | env, capture_output=True, text=True, check=True)
    return done.stdout.split("contender.retention")[1].split()


def test_prune_as_the_page_says_is_what_the_makefile_takes() -> None:
    lines = example("docs/registry.md", "prune").splitlines()
    assert [asked(line) for line in lines] == [["'flight_delay'"], ["'flight_delay'", "--yes"]]


def test_prune_takes_its_model_but_no_yes_from_the_environment_and_is_of_all_models_by_default() -> None:
    assert asked("make prune") == []
    assert asked("make prune", MODEL="flight_delay", YES="1") == ["'flight_delay'"]
    assert asked("make prune YES=no") == []
    assert asked("make prune YES=1") == ["--yes"]


def test_prune_where_nothing_is_on_record_yet_says_so_and_makes_nothing(tmp_path: Path) -> None:
    import sys

    env = {
        **os.environ,
        "CONTENDER_HOME": str(tmp_path / "home"),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    call = [sys.executable, "-m", "contender.retention"]
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == f"no model was decided on or released yet below {tmp_path / 'home'}\n"
    assert list(tmp_path.iterdir()) == []

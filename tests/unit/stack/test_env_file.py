from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from contender.core.settings import CHECKOUT
from contender.stack import env_file
from contender.stack.env_file import EnvFileInvalid


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / env_file.EXAMPLE).write_bytes((CHECKOUT / env_file.EXAMPLE).read_bytes())
    return tmp_path


def test_fresh_secrets_are_long_different_each_time_and_pass_the_check(folder: Path) -> None:
    one, other = env_file.fresh(folder), env_file.fresh(folder)
    secret = [name for name in one if name != env_file.USER]
    assert len({one[name] for name in secret} | {other[name] for name in secret}) == 2 * len(secret)
    assert all(len(one[name]) >= 20 for name in secret)
    assert len(base64.urlsafe_b64decode(one[env_file.FERNET_KEY])) == 32
    env_file.check(folder, one)


def test_write_file_is_private_complete_and_keeps_the_example_s_words(folder: Path) -> None:
    values = env_file.fresh(folder)
    env_file.write(folder, values)
    path = folder / env_file.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert env_file.read(folder) == values
    example = (folder / env_file.EXAMPLE).read_text().splitlines()
    assert [line for line in path.read_text().splitlines() if line.startswith("#")] == [
        line for line in example if line.startswith("#")
    ]
    assert sorted(entry.name for entry in folder.iterdir()) == [env_file.NAME, env_file.EXAMPLE]


def test_write_never_replaces_a_file(folder: Path) -> None:
    (folder / env_file.NAME).write_text("mine")
    with pytest.raises(EnvFileInvalid, match="by now"):
        env_file.write(folder, env_file.fresh(folder))
    assert (folder / env_file.NAME).read_text() == "mine"
    assert not (folder / env_file.DRAFT).exists()


def test_add_to_a_file_that_cannot_be_written_says_which_and_no_value(folder: Path) -> None:
    (folder / env_file.NAME).mkdir()
    with pytest.raises(EnvFileInvalid, match=r"A cannot be added to it.*add a line NAME=<value>") as raised:
        env_file.add(folder, {"A": "secret"})
    assert "secret" not in str(raised.value)


def test_read_without_a_file_is_none(folder: Path) -> None:
    assert env_file.read(folder) is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("A = b  # why", "b"),
        ("A='[{\"x\": 1}] # kept'", '[{"x": 1}] # kept'),
        ('A="b"', "b"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A=b#c", "b#c"),
        ("\ufeffA=b\r", "b"),
    ],
)
def test_read_line_gives_what_compose_takes(folder: Path, line: str, value: str) -> None:
    (folder / env_file.NAME).write_bytes(f"{line}\n# comment\n\n".encode())
    assert env_file.read(folder) == {"A": value}


def test_read_malformed_line_is_named_without_its_content(folder: Path) -> None:
    (folder / env_file.NAME).write_text("A=b\nsecret without a name\n")
    with pytest.raises(EnvFileInvalid, match="line 2 is neither") as raised:
        env_file.read(folder)
    assert "without a name" not in str(raised.value)


def test_read_folder_in_its_place_is_refused(folder: Path) -> None:
    (folder / env_file.NAME).mkdir()
    with pytest.raises(EnvFileInvalid, match="cannot be read"):
        env_file.read(folder)


def test_check_names_every_problem_at_once(folder: Path) -> None:
    values = {**env_file.fresh(folder), "CONTENDER_REDIS_PASSWORD": "", "CONTENDER_PORT": "0"}
    del values["CONTENDER_JWT_SECRET"]
    with pytest.raises(EnvFileInvalid) as raised:
        env_file.check(folder, values)
    for problem in ("REDIS_PASSWORD is empty", "PORT is no port", "JWT_SECRET is missing: add the line"):
        assert problem in str(raised.value)

"""`.env`: the stack's secrets and settings, written once, read and checked ever after; what is new is added to it.

`.env.example` says what belongs in it: its lines without `#` are the required names.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from contender.core.errors import ContenderError

NAME, EXAMPLE, DRAFT = ".env", ".env.example", ".env.draft"
USER, PASSWORD, FERNET_KEY = "CONTENDER_ADMIN_USER", "CONTENDER_ADMIN_PASSWORD", "CONTENDER_FERNET_KEY"
PORT, BIND, EXECUTOR = "CONTENDER_PORT", "CONTENDER_BIND", "CONTENDER_EXECUTOR"
STACK, PROJECT = "CONTENDER_STACK", "contender"
CELERY = "CeleryExecutor"
# What the data were made with, or open with: another value is no better than none. The rest is put in force by each
# start, so that a name that a `.env` of an earlier version lacks can be given a value.
OF_THE_DATA = frozenset({"CONTENDER_POSTGRES_PASSWORD", FERNET_KEY, USER, PASSWORD})
OWN = "CONTENDER_"
LINE = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", re.ASCII)
# What may stand in a URL as it is: most of the values become part of one.
SAFE = re.compile(r"[A-Za-z0-9_.~-]+")
FERNET_BYTES, LARGEST_PORT = 32, 65535


class EnvFileInvalid(ContenderError):
    """`.env`, or the shell's own variables over it, cannot be used."""


def required(folder: Path) -> list[str]:
    """The names that every `.env` must have, from `.env.example`."""
    return re.findall(r"(?m)^([A-Z][A-Z0-9_]*)=", (folder / EXAMPLE).read_text(encoding="utf-8"))


def fresh(folder: Path) -> dict[str, str]:
    """A value for each required name: secrets of 192 random bits, 80 for the password that people type."""
    values = {name: secrets.token_hex(24) for name in required(folder)}
    key = base64.urlsafe_b64encode(secrets.token_bytes(FERNET_BYTES)).decode()
    return {**values, USER: "admin", PASSWORD: secrets.token_hex(10), FERNET_KEY: key}


def write(folder: Path, values: Mapping[str, str]) -> None:
    """Write `.env` from `.env.example`, for its owner alone, in one step; one that is there is never replaced.

    Raises:
        EnvFileInvalid: There is one already, written since we looked.
    """
    lines = (folder / EXAMPLE).read_text(encoding="utf-8").splitlines()
    text = "\n".join(f"{name}={values[name]}" if (name := line.partition("=")[0]) in values else line for line in lines)
    draft = folder / DRAFT
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, folder / NAME)
    except FileExistsError as there:
        raise EnvFileInvalid(
            "there is a `.env` by now", where=str(folder / NAME), next_step="`make up` again"
        ) from there
    finally:
        draft.unlink(missing_ok=True)


def lacking(folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    """A value for each secret that a `.env` of an earlier version has not heard of, as a first `.env` would have it.

    Args:
        folder: The checkout.
        values: The file's, with the shell's own over them.
    """
    return {name: value for name, value in fresh(folder).items() if name not in OF_THE_DATA | values.keys()}


def add(folder: Path, values: Mapping[str, str]) -> None:
    """Add lines to the end of `.env`; what is there stays as it is.

    Raises:
        EnvFileInvalid: It cannot be written.
    """
    path = folder / NAME
    lines = "".join(f"{name}={value}\n" for name, value in values.items())
    try:
        ended = path.read_bytes()[-1:] in {b"", b"\n"}
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(f"{'' if ended else chr(10)}# Added by `make up`, as this version needs them.\n{lines}")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EnvFileInvalid(
            f"{', '.join(values)} cannot be added to it", where=str(path), expected="a file that can be written",
            got=error.strerror, next_step="make it writable, or add a line NAME=<value> for each; then `make up` again",
        ) from error  # fmt: skip


def read(folder: Path) -> dict[str, str] | None:
    """The file's values as Compose takes them, or `None` without a file.

    Raises:
        EnvFileInvalid: It cannot be read, or a line is none; no value is ever shown.
    """
    path = folder / NAME
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _invalid(path, [f"it cannot be read: {error.strerror}"]) from error
    values, problems = {}, []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        found = LINE.fullmatch(line)
        if found:
            values[found[1]] = _unquoted(found[2])
        elif line and not line.startswith("#"):
            problems.append(f"line {number} is neither NAME=value nor a comment")
    if problems:
        raise _invalid(path, problems)
    return values


def check(folder: Path, values: Mapping[str, str]) -> None:
    """Refuse values that the stack could not work with, all of them at once and by name.

    Args:
        folder: The checkout.
        values: The file's, with the shell's own over them, as Compose has it.

    Raises:
        EnvFileInvalid: One is missing, empty or malformed.
    """
    problems = [problem for name in required(folder) if (problem := _problem(name, values.get(name)))]
    port = values.get(PORT) or "8080"
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= LARGEST_PORT):
        problems.append(f"{PORT} is no port: say a number from 1 to {LARGEST_PORT}, or remove the line")
    try:
        ipaddress.IPv4Address(values.get(BIND) or "127.0.0.1")
    except ValueError:
        problems.append(f"{BIND} is no IPv4 address: say 127.0.0.1, or 0.0.0.0 for every network, or remove the line")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", values.get(STACK) or PROJECT):
        problems.append(f"{STACK} is no name: say lower-case letters, digits, _ and -, or remove the line")
    if problems:
        raise _invalid(folder / NAME, problems)


def project(folder: Path, env: Mapping[str, str]) -> str:
    """The stack's name on the engine, as the shell or the file has it."""
    return {**(read(folder) or {}), **own(env)}.get(STACK) or PROJECT


def readable_by_others(folder: Path) -> bool:
    """Whether users other than the owner may read the file."""
    return bool((folder / NAME).stat().st_mode & 0o077)


def own(env: Mapping[str, str]) -> dict[str, str]:
    """The shell's variables that go before those of the file."""
    return {name: value for name, value in env.items() if name.startswith(OWN)}


def _problem(name: str, value: str | None) -> str:
    if value is None:
        return f"{name} is missing: add the line {name}=<value>"
    if not value:
        return f"{name} is empty: write {name}=<value>"
    if name == FERNET_KEY:
        return "" if _is_fernet(value) else f"{name} is no Fernet key: 32 bytes in URL-safe base64, 44 characters"
    return "" if SAFE.fullmatch(value) else f"{name} has a character that is none of A-Z a-z 0-9 _ . ~ -"


def _is_fernet(value: str) -> bool:
    try:
        return len(base64.b64decode(value, altchars=b"-_", validate=True)) == FERNET_BYTES
    except (binascii.Error, ValueError):
        return False


def _unquoted(value: str) -> str:
    if value[:1] in {"'", '"'} and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return re.sub(r"(^|\s+)#.*", "", value).strip()


def _invalid(path: Path, problems: list[str]) -> EnvFileInvalid:
    return EnvFileInvalid(
        "the stack's settings cannot be used",
        where=str(path) if path.exists() else "variables of the shell",
        expected=f"the names and forms of {EXAMPLE}",
        got="".join(f"\n  {problem}" for problem in problems) + "\n",
        next_step=f"mend {NAME} with the values that the data was made with (a variable of the shell goes before it); "
        f"for a new stack move {NAME} away: `make up` writes one",
    )

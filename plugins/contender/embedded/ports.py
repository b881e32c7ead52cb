"""The ports of one checkout's platform: chosen once, remembered, chosen again only where another program took one."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

from contender.core.errors import ContenderError

HOST = "127.0.0.1"
SPAN = 400
FIRST = {
    "airflow": 8080,
    "mlflow": 5000,
    "serving": 8500,
    "execution": 8900,
    "worker_logs": 18793,
    "trigger_logs": 19194,
    "scheduler_health": 19594,
}


class PortTaken(ContenderError):
    """A port that was asked for belongs to another program."""


@dataclass(frozen=True)
class Ports:
    """TCP ports on the loopback interface, 1024 to 65535, all different.

    Attributes:
        airflow: Airflow's UI and API (`CONTENDER_PORT_AIRFLOW`).
        mlflow: MLflow's UI and API (`CONTENDER_PORT_MLFLOW`).
        serving: The first of the served models' ports (`CONTENDER_PORT_SERVING`).
        execution: The API that Airflow's tasks report to.
        worker_logs: Airflow's log server beside the LocalExecutor.
        trigger_logs: Log server of a triggerer, if one is started by hand.
        scheduler_health: The scheduler's health server.
    """

    airflow: int
    mlflow: int
    serving: int
    execution: int
    worker_logs: int
    trigger_logs: int
    scheduler_health: int

    def facts(self) -> dict[str, int]:
        """The ports by name, for the file that remembers them."""
        return asdict(self)


class Claims:
    """Ports that this process means to have bound soon: no other start by the same user chooses them meanwhile.

    A claim is a lock on a file for each port. It ends with the `with` block, and with the process, however that ends.

    Args:
        folder: Of the lock files; the machine's temporary folder, which all checkouts share, when left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        self._held: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._held:
            os.close(self._held.popitem()[1])

    def free(self, port: int) -> bool:
        """Whether `port` is free and no other start has claimed it; it is claimed then."""
        if port in self._held:
            return is_free(port)
        path = self._folder / f"contender-{os.getuid()}-{port}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            claimed = is_free(port)  # asked under the lock: whoever had it before may have bound the port since
        except BlockingIOError:
            claimed = False
        if claimed:
            self._held[port] = descriptor
        else:
            os.close(descriptor)
        return claimed


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of the loopback interface now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(first: int, excluded: Iterable[int] = (), free: Callable[[int], bool] = is_free) -> int:
    """The first free port from `first` on that is not in `excluded`.

    Raises:
        PortTaken: None of the next 400 is free.
    """
    taken = set(excluded)
    for port in range(first, first + SPAN):
        if port not in taken and free(port):
            return port
    raise PortTaken(
        "no free port",
        where="the loopback interface",
        expected=f"one of {first} to {first + SPAN - 1}",
        got="all taken",
        next_step="stop other programs, or set CONTENDER_PORT_AIRFLOW, _MLFLOW and _SERVING",
    )


def choose_ports(
    remembered: Mapping[str, int],
    ours: Iterable[int] = (),
    user: Mapping[str, str] | None = None,
    free: Callable[[int], bool] = is_free,
) -> Ports:
    """Choose every port: the user's, else the remembered one if it is still free, else the first free one.

    Args:
        remembered: Ports of the last start by name; may be empty or partial.
        ours: Ports on which a living process of this platform listens: taken, but by us.
        user: Environment with `CONTENDER_PORT_<NAME>`; the process's own when left out.
        free: Says whether a port is free.

    Raises:
        PortTaken: A port the user set is malformed, or belongs to another program.
    """
    env, mine = os.environ if user is None else user, set(ours)
    chosen: dict[str, int] = {}
    for name in (field.name for field in fields(Ports)):
        variable = f"CONTENDER_PORT_{name.upper()}"
        if env.get(variable):
            chosen[name] = _asked_for(variable, env[variable], mine, free)
    for name, first in FIRST.items():
        last = remembered.get(name)
        usable = last is not None and last not in chosen.values() and (last in mine or free(last))
        if name not in chosen:
            chosen[name] = last if usable and last is not None else free_port(first, chosen.values(), free)
    return Ports(**chosen)


def _asked_for(variable: str, text: str, ours: set[int], free: Callable[[int], bool]) -> int:
    if not text.isdecimal() or not 1024 <= int(text) <= 65535:  # noqa: PLR2004
        raise PortTaken(
            "not a port", where=variable, expected="1024 to 65535", got=text, next_step=f"correct {variable}"
        )
    port = int(text)
    if port in ours or free(port):
        return port
    raise PortTaken(
        f"port {port} belongs to another program",
        where=variable,
        expected="a free port",
        next_step=f"stop that program, or choose another with {variable}=<port>",
    )

"""Which models the platform of a checkout serves: each by a process and on a port of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from contender.embedded import home as places
from contender.embedded import processes
from contender.embedded.ports import Ports, free_port

PREFIX = "serving-"


def process_of(model: str) -> str:
    """The name of the process that serves a model."""
    return f"{PREFIX}{model}"


def models(home: Path) -> list[str]:
    """The models that are being served now."""
    records = processes.recorded(home).values()
    living = (record.name for record in records if processes.is_alive(record))
    return [name.removeprefix(PREFIX) for name in living if name.startswith(PREFIX)]


def remembered(home: Path) -> dict[str, int]:
    """The port of each model that was ever served here."""
    return dict(places.remembered(home).get("served", {}))


def choose_port(home: Path, ports: Ports, model: str, free: Callable[[int], bool]) -> int:
    """The model's port, remembered: its last one if that is still free, else the first free one that is no other's.

    Args:
        home: The platform's folder.
        ports: The platform's ports; the served models' begin with `serving`.
        model: The model's name.
        free: Says whether a port is free.

    Raises:
        PortTaken: There is none.
    """
    known = remembered(home)
    last = known.pop(model, None)
    others = {port for name, port in ports.facts().items() if name != "serving"} | set(known.values())
    keeps = last is not None and last not in others and free(last)
    port = last if keeps and last is not None else free_port(ports.serving, others, free)
    places.remember(home, served={**known, model: port})
    return port

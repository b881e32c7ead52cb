from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.unit.stack.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that can carry the stack, with nothing on it yet, and a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "checkout"
    folder.mkdir()
    return Machine(folder, port)

"""A model's code, run in a process of its own: whatever it does there ends no other's."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

FORK = get_context("fork")  # each begins with what is imported already: some ms, not a second, for each model


def said_apart(ask: Callable[[], str], seconds: float) -> str:
    """What a function says that may crash its process or never end.

    Args:
        ask: The function.
        seconds: How long it may take.

    Returns:
        Its own words, or how its process ended without any.
    """
    ours, theirs = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_say, args=(ask, theirs))
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return f"it does not end: it was given {seconds:g} s; what is slow belongs into a task"
        return str(ours.recv())
    except EOFError:
        process.join(seconds)
        return f"it ends the process that loads it, {_how(process.exitcode)}"
    finally:
        _end(process)
        ours.close()


def _say(ask: Callable[[], str], answer: Connection) -> None:
    os.setsid()  # so that what it started ends with it
    os.dup2(2, 1)  # what it prints, also from below Python, is no part of the answer
    answer.send(ask())


def _how(code: int | None) -> str:
    """In words, how a process ended.

    >>> _how(3), _how(-11), _how(-99)
    ('with exit code 3', 'by SIGSEGV', 'by signal 99')
    """
    if code is None or code >= 0:
        return f"with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"by {names.get(-code, f'signal {-code}')}"


def _end(process: BaseProcess) -> None:
    """Kill what is left of the process and of what it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left, or it never came to its session
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.kill()
    process.join()

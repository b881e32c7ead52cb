"""The stack: `python -m contender.stack up | down | logs | demo | airflow | decisions | verify | prune`.

A bare Python 3.11 is enough.
"""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType

from contender.client.lock import lock
from contender.core.errors import ContenderError
from contender.core.settings import CHECKOUT, settings
from contender.stack import lifecycle, tools
from contender.stack.demo import demo
from contender.stack.engine import Engine, this_engine

FAILED, INTERRUPTED, TERMINATED = 1, 130, 143
# One change at a time; a demo may be followed while another terminal reads logs.
LOCK, BUSY = "stack", "another `make up` or `make down` of this checkout is under way"
STAYS = {
    "up": "What was started stays; `make up` goes on with it, `make down` stops it.",
    "down": "What was stopped stays so; `make down` stops the rest.",
    "logs": "The stack goes on.",
    "demo": "The stack goes on, and so does a triggered run; `make down` stops both.",
    "airflow": "The stack goes on.",
    "decisions": "The stack goes on.",
    "verify": "The stack goes on.",
    "prune": "The stack goes on; what was not removed yet stays.",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors go to stderr and end with the next thing to do.

    Returns:
        The exit code: 0 only if what the command promises happened.
    """
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return int(_COMMANDS[asked.command](this_engine(CHECKOUT), asked))
    except ContenderError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt as interrupt:
        print(f"\nInterrupted. {STAYS[asked.command]}", file=sys.stderr)
        return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="contender.stack", description="The composable stack of this checkout.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="check, build, start, wait until all is healthy")
    up.add_argument("--profile", default="", help="celery: tasks run on workers")
    up.add_argument("--workers", type=int, help=f"with --profile celery; default {lifecycle.WORKERS}")
    down = commands.add_parser("down", help="stop the stack; its data stay")
    down.add_argument("--volumes", action="store_true", help="delete the data too")
    down.add_argument("--yes", action="store_true", help="do not ask before deleting")
    logs = commands.add_parser("logs", help="follow the logs")
    logs.add_argument("--service", default="", help="of one service")
    shown = commands.add_parser("demo", help="train a model in the running stack, show the result")
    shown.add_argument("--model", default="flight_delay")
    shown.add_argument("--interval", default="")
    airflow = commands.add_parser("airflow", help="run Airflow's command line in the running stack", add_help=False)
    airflow.add_argument("arguments", nargs=argparse.REMAINDER)
    commands.add_parser("decisions", help="check the hash chain of the decision logs of the running stack")
    verify = commands.add_parser("verify", help="check a release of the running stack")
    verify.add_argument("release")
    prune = commands.add_parser("prune", help="list or remove old images of the running stack's models")
    prune.add_argument("model", nargs="?", default="")
    prune.add_argument("--yes", action="store_true", help="remove them")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


def _up(engine: Engine, asked: argparse.Namespace) -> int:
    with lock(settings().home, LOCK, what=BUSY):
        lifecycle.up(engine, lifecycle.Wanted(asked.profile, asked.workers), _say)
    return 0


def _down(engine: Engine, asked: argparse.Namespace) -> int:
    ask = input if sys.stdin.isatty() else None
    with lock(settings().home, LOCK, what=BUSY):
        lifecycle.down(engine, _say, volumes=asked.volumes, confirmed=asked.yes, ask=ask)
    return 0


def _logs(engine: Engine, asked: argparse.Namespace) -> int:
    return lifecycle.logs(engine, asked.service)


def _demo(engine: Engine, asked: argparse.Namespace) -> int:
    with lock(settings().home, "stack-demo"):
        return demo(engine, asked.model, asked.interval)


def _airflow(engine: Engine, asked: argparse.Namespace) -> int:
    return tools.airflow(engine, asked.arguments)


def _decisions(engine: Engine, _: argparse.Namespace) -> int:
    return tools.verify_decisions(engine)


def _verify(engine: Engine, asked: argparse.Namespace) -> int:
    return tools.verify_release(engine, asked.release)


def _prune(engine: Engine, asked: argparse.Namespace) -> int:
    return tools.prune(engine, asked.model, yes=asked.yes)


_COMMANDS = {
    "up": _up, "down": _down, "logs": _logs, "demo": _demo, "airflow": _airflow, "decisions": _decisions,
    "verify": _verify, "prune": _prune,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())

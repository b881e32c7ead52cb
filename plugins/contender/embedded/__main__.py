"""Command line of the embedded platform: `python -m contender.embedded demo | stop | serve | verify | status`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from contender.core.errors import ContenderError
from contender.core.settings import settings
from contender.embedded import home as places
from contender.embedded import processes
from contender.embedded.environment import environment
from contender.embedded.ports import FIRST, choose_ports, free_port, is_free

FAILED, INTERRUPTED = 1, 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors go to stderr and end with the next thing to do.

    Returns:
        The exit code: 0 only if what the command promises happened.
    """
    asked = _parser().parse_args(arguments)
    home = settings().home
    try:
        return int(_COMMANDS[asked.command](home, asked))
    except ContenderError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print(
            "\nInterrupted. What was started stays up, a triggered run goes on; `make stop` ends it all.",
            file=sys.stderr,
        )
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="contender.embedded", description="The embedded platform of this checkout.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="start the platform, train a model in Airflow, show the result")
    demo.add_argument("--model", default="flight_delay")
    demo.add_argument(
        "--interval",
        default="",
        help="a month, 2013-06, or the firsts of two, 2013-03-01/2013-06-01 (UTC); "
        "without it the newest of the model's data",
    )
    commands.add_parser("stop", help="stop the platform")
    serve = commands.add_parser("serve", help="serve a model's champion in the foreground")
    serve.add_argument("--model", default="flight_delay")
    serve.add_argument("--port", type=int, help="default: a free one")
    airflow = commands.add_parser("airflow", help="run Airflow's command line on this platform", add_help=False)
    airflow.add_argument("arguments", nargs=argparse.REMAINDER)
    verify = commands.add_parser("verify", help="check a release of this platform")
    verify.add_argument("release")
    commands.add_parser("status", help="say what runs")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


def _demo(home: Path, asked: argparse.Namespace) -> int:
    from contender.embedded.demo import demo

    demo(home, asked.model, asked.interval, _say)
    return 0


def _stop(home: Path, _: argparse.Namespace) -> int:
    from contender.embedded.lifecycle import take_down

    left = take_down(home, _say)
    if left:
        print(f"{left} processes are left; `ps` shows them", file=sys.stderr)
    return FAILED if left else 0


def _serve(home: Path, asked: argparse.Namespace) -> int:
    from contender.embedded.champion import command, export, serving_env
    from contender.embedded.lifecycle import StartFailed
    from contender.embedded.served import remembered

    port = asked.port or free_port(FIRST["serving"] + 1, remembered(home).values())
    if not is_free(port):
        raise StartFailed(f"port {port} is taken", next_step="choose another: make serve PORT=<port>")
    places.prepare(home)
    ports = choose_ports(places.remembered(home).get("ports", {}), free=lambda _: True)
    env = {**os.environ, **environment(home, ports)}
    version, bundle = export(asked.model, home, env)
    _say(f"Serving {asked.model} version {version} at http://127.0.0.1:{port} (Ctrl-C ends it)")
    os.execve(sys.executable, command(port), serving_env(bundle, home, env))  # noqa: S606


def _airflow(home: Path, asked: argparse.Namespace) -> int:
    from contender.embedded.lifecycle import StartFailed

    if "migrated" not in places.remembered(home):
        raise StartFailed("this platform has no database yet", where=str(home), next_step="run `make demo` once")
    ports = choose_ports(places.remembered(home).get("ports", {}), free=lambda _: True)
    env = {**os.environ, **environment(home, ports)}
    os.execve(sys.executable, [sys.executable, "-m", "airflow", *asked.arguments], env)  # noqa: S606


def _verify(home: Path, asked: argparse.Namespace) -> int:
    ports = choose_ports(places.remembered(home).get("ports", {}), free=lambda _: True)
    env = {**os.environ, **environment(home, ports)}
    os.execve(sys.executable, [sys.executable, "-m", "contender.release", "verify", asked.release], env)  # noqa: S606


def _status(home: Path, _: argparse.Namespace) -> int:
    records = processes.recorded(home)
    for name, record in records.items():
        _say(f"  {name:<14} {'running' if processes.is_alive(record) else 'ended'}, process {record.pid}")
    if not records:
        _say("Nothing runs here")
    return 0


_COMMANDS = {
    "demo": _demo, "stop": _stop, "serve": _serve, "airflow": _airflow, "verify": _verify, "status": _status,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())

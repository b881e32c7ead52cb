"""Run the benches, each in a process of its own, then make docs/benchmarks.md anew.

    python -m contender.bench [--only NAME]

NAME is one bench, or a family: `gate` means all whose names begin with `gate_`.
A bench is a module of this package with a function `main`; it records its own rows. They run one after another by
name. One that fails is named at the end and does not stop the others.
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
import time
from pathlib import Path

from contender.bench import report

FAILED, UNKNOWN = 1, 2


def benches(folder: Path = Path(__file__).parent) -> list[str]:
    """Names of the benches, sorted; their source is read, so that none is imported."""
    return [
        path.stem
        for path in sorted(folder.glob("*.py"))
        if not path.stem.startswith("_")
        and any(
            isinstance(node, ast.FunctionDef) and node.name == "main"
            for node in ast.parse(path.read_text(encoding="utf-8")).body
        )
    ]


def chosen(only: str | None, names: list[str]) -> list[str]:
    """The benches that a name means, itself or its family; all of them without one, none where it is unknown."""
    return [name for name in names if not only or name == only or name.startswith(f"{only}_")]


def main(arguments: list[str] | None = None) -> int:
    """Run all benches, one or a family; returns 0 only if every one of them ended well."""
    parser = argparse.ArgumentParser(prog="contender.bench", description="Run the benchmarks.")
    parser.add_argument("--only", metavar="NAME", help=f"one of: {', '.join(benches())}")
    only = parser.parse_args(arguments).only
    names = chosen(only, benches())
    if not names:
        print(f"there is no bench {only!r}; expected one of: {', '.join(benches())}", file=sys.stderr)
        return UNKNOWN
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", f"contender.bench.{name}"], check=False)
        print(f"== {name}: {time.monotonic() - began:.0f} s, exit code {done.returncode}", flush=True)
        failed += [name] if done.returncode else []
    report.write()
    if failed:
        print(f"benches that failed: {', '.join(failed)}; read what they said above", file=sys.stderr)
    return FAILED if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

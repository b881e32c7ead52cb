"""What the documents of other projects tell a user to write, and its counts: `lines_elsewhere.json`.

    python -m contender.bench.lines_elsewhere zenml-io/template-e2e-batch=CLONE databricks/mlops-stacks=CLONE

counts anew from clones, at the commits that the file names, and says where it differs; with `--write` the file takes
the new counts. Nothing is read from the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from contender.bench.lines_count import Count, Part, count, generated

DATA = Path(__file__).with_suffix(".json")


def elsewhere(data: Path = DATA) -> list[dict[str, Any]]:
    """One entry for each project and way of using it.

    Each has `project`, `way`, `repository`, `commit`, `address` (of its files), `answers` (to its generator's
    questions), `says` (quotations, each with its file and line), and `files`: `path`, `part` (arguments of `Part`),
    `lines`, `at_least` and `reason`.
    """
    return list(json.loads(data.read_text(encoding="utf-8")))


def save(entries: list[dict[str, Any]], data: Path = DATA) -> None:
    """Write the entries."""
    data.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def recounted(entry: dict[str, Any], clone: Path) -> list[Count]:
    """The counts of an entry's files, as the project generates them, from a clone, bare or not, that has its commit."""
    answers = entry["answers"]
    texts = [(_text(clone, entry["commit"], file["path"]), file) for file in entry["files"]]
    return [
        count(generated(text, answers), generated(file["path"], answers), Part(**file["part"])) for text, file in texts
    ]


def quoted(entry: dict[str, Any], clone: Path) -> list[bool]:
    """Whether each quotation stands on the lines that it is said to begin on."""
    found = []
    for saying in entry["says"]:
        lines = _text(clone, entry["commit"], saying["path"]).splitlines()[saying["line"] - 1 :]
        found.append(" ".join(" ".join(lines).split()).startswith(saying["text"]))
    return found


def _text(clone: Path, commit: str, path: str) -> str:
    return subprocess.run(
        ["git", "show", f"{commit}:{path}"], cwd=clone, check=True, capture_output=True, text=True
    ).stdout


def recount(arguments: list[str], data: Path = DATA) -> int:
    """Count anew; 0 when every count and quotation is as the file has it, or was written into it."""
    clones = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    entries, wrong = elsewhere(data), 0
    for entry in entries:
        if entry["repository"] not in clones:
            continue
        clone = Path(clones[entry["repository"]])
        for file, found in zip(entry["files"], recounted(entry, clone), strict=True):
            same = (found.lines, found.at_least) == (file["lines"], file["at_least"])
            told = "same" if same else "DIFFERS"
            print(f"{told:8} {found.lines} {found.at_least:4}  {entry['way']}: {file['path']}")
            wrong += not same
            file["lines"], file["at_least"] = found.lines, found.at_least
        for saying, there in zip(entry["says"], quoted(entry, clone), strict=True):
            if not there:
                print(f"NOT SAID  {saying['path']}:{saying['line']}: {saying['text']}")
                wrong += 1
    if "--write" in arguments:
        save(entries, data)
        return 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(recount(sys.argv[1:]))

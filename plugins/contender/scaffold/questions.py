"""Asking for what was left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from contender.core.errors import ScaffoldRefused, some
from contender.scaffold.request import REQUIRED, UNLABELLED, templates

QUESTIONS = {
    "NAME": "Name of the model, e.g. churn: ",
    "FROM": "Template ({choices}): ",
    "DATA": "Path or address of the data: ",
    "LABEL": "Column to predict: ",
    "TIME": "Column that says when a row happened (empty for none): ",
    "ENTITY": "Columns that name what a row is about, with commas (empty for none): ",
}


def completed(given: Mapping[str, str], root: Path, ask: Callable[[str], str] | None) -> dict[str, str]:
    """The arguments with those that were missing asked for.

    Args:
        given: The arguments, by their names in upper case; empty ones count as missing.
        root: The checkout.
        ask: Asks a person one question; `None` where there is nobody to ask.

    Raises:
        ScaffoldRefused: Something is missing and there is nobody to ask.
    """
    found = {name: value for name, value in given.items() if value.strip()}
    missing = [name for name in REQUIRED if name not in found and not _unasked(name, found)]
    if not missing:
        return found
    if ask is None:
        raise ScaffoldRefused(
            "arguments are missing", where=some(missing),
            expected="make new-model NAME=churn FROM=classification DATA=path-or-url LABEL=churned "
            "[TIME=col] [ENTITY=col,…]",
            got=some(f"{name}={value}" for name, value in found.items()) or "none",
            next_step=f"give them; FROM is one of {some(templates(root), 20)}",
        )  # fmt: skip
    for name in (*missing, *(name for name in ("TIME", "ENTITY") if name not in found)):
        if _unasked(name, found):
            continue
        answer = ""
        while not answer:
            answer = ask(QUESTIONS[name].format(choices=", ".join(templates(root)))).strip()
            if name not in REQUIRED:
                break
        found[name] = answer
    return found


def _unasked(name: str, found: Mapping[str, str]) -> bool:
    """What a template has no use for."""
    template = found.get("FROM", "")
    return (name == "LABEL" and template == UNLABELLED) or (name in ("TIME", "ENTITY") and template == "batch_only")

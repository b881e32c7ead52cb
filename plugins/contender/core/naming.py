"""The names that several parts must agree on."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable

CHAMPION = "champion"
CHALLENGER = "challenger"

# What the feature tables and the training set call the time a row speaks of, and the time it could be known.
EVENT_TIME = "event_timestamp"
KNOWN_AT = "created_timestamp"
# The time that places an example in an interval; its question may be asked before that interval begins.
DUE_AT = "due_at"


def asset_name(model: str) -> str:
    """Name of the asset that a promotion updates, e.g. `champion/flight_delay`."""
    return f"{CHAMPION}/{model}"


def quarantine_table(table: str) -> str:
    """Table of the rows of `table` that failed a row-level rule, with the reason."""
    return f"{table}_quarantine"


def built_table(model: str) -> str:
    """Table that notes, for each month of a model's feature rows, what they were computed from."""
    return f"_built/{model}"


def training_table(model: str) -> str:
    """Table of the training sets of a model, one slice for each interval."""
    return f"{model}_training_set"


def predictions_table(model: str) -> str:
    """Table of the batch predictions of a model."""
    return f"{model}_predictions"


def served_name(network: str, model: str) -> str:
    """Name of the container that serves a model, and its DNS name on that network; no two stacks share one."""
    return f"{network}-{model}"


def journal_volume(network: str, model: str) -> str:
    """Name of the volume with the journal of a served model's predictions; it outlives its containers."""
    return f"{served_name(network, model)}-journal"


def image_repository(model: str) -> str:
    """Repository part of the image name; OCI names take no underscores at their ends, dashes are customary."""
    return f"contender/{model.replace('_', '-')}"


# The platform's own columns of a training set: neither an input nor the label may bear their names.
OF_A_TRAINING_SET = frozenset(
    {EVENT_TIME, KNOWN_AT, DUE_AT, "example_id", "label_known_at", "day", "slice", "interval_start"}
)
# These and its columns elsewhere; a source's column of that name gets an underscore.
RESERVED = OF_A_TRAINING_SET | {"row", "naive", "at", "month", "request", "version", "quarantine_reason"}
LONGEST = 63
# Letters that Unicode does not take apart into a plain one and its mark.
LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})


def identifiers(headers: Iterable[str]) -> list[str]:
    """Column names for the headers of a source, in their order: lower case, no accents, words joined by underscores.

    A name that Python or the platform has taken gets an underscore behind it, one that begins with a digit or is
    empty a `c` before it, and one that another header had first a number.

    >>> identifiers(["Mean radius (mm)", "class", "2nd", "x", "X"])
    ['mean_radius_mm', 'class_', 'c_2nd', 'c_x', 'c_x_2']
    >>> identifiers(["Größe (m²)", "prénom", "Grosse m2"])
    ['grosse_m2', 'prenom', 'grosse_m2_2']
    """
    found: list[str] = []
    for header in headers:
        name = re.sub(r"[^a-z0-9]+", "_", _plain(str(header))).strip("_")[: LONGEST - 6]
        if len(name) < 2 or not name[0].isalpha():  # noqa: PLR2004  an identifier has two characters or more
            name = f"c_{name}" if name else "column"
        if keyword.iskeyword(name) or name in RESERVED:
            name += "_"
        unique, number = name, 2
        while unique in found:
            unique, number = f"{name}_{number}", number + 1
        found.append(unique)
    return found


def _plain(text: str) -> str:
    """Lower case without accents, `ß` as `ss`; what is no Latin letter stays."""
    parted = unicodedata.normalize("NFKD", text)
    return "".join(one for one in parted if not unicodedata.combining(one)).casefold().translate(LETTERS)

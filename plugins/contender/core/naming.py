"""The names that several parts must agree on."""

from __future__ import annotations

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


def image_repository(model: str) -> str:
    """Repository part of the image name; OCI names take no underscores at their ends, dashes are customary."""
    return f"contender/{model.replace('_', '-')}"

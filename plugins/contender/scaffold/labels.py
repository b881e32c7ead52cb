"""The label: the kind of problem that it makes, its classes, and which columns are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from contender.adapters.source_values import as_numbers, as_text
from contender.core.errors import ScaffoldRefused, some
from contender.core.policy import Task
from contender.scaffold.kinds import ColumnProfile, column_profile

CLASSES_AT_MOST = 30  # more distinct whole numbers than this are a quantity
# As many whole numbers are still classes where a quantity is wished: counts and grades are quantities too.
FEW_NUMBERS = {"regression": 2, "forecast": 1}
COUNTED = ("number", "no", "nr")  # last words of names of numbers that may be quantities too: the number of visitors


def require_a_label(column: ColumnProfile, values: pd.Series, wished: Task | None) -> None:
    """Refuse a column that names the rows, or what they are about, as `customer_id`: nothing can be learnt of a name.

    A number is a label all the same where it is not whole, where it repeats and its name may be that of a quantity
    (`visitors_no`), and, if it only counts up, for a forecast.
    """
    number, repeats = column.kind == "number", bool(values.dropna().duplicated().any())
    quantity = number and (
        not column.whole
        or (repeats and column.name.rpartition("_")[2] in COUNTED)
        or (wished == "forecast" and not column.named)
    )
    if not column.identifies or quantity:
        return
    how = "by its name those of a key" if repeats else "each of them once"
    raise ScaffoldRefused(
        "the label names the rows, which no model can tell",
        where=f"LABEL={column.header}",
        expected="a column to predict: a number that is more or less of something, or a few classes",
        got=f"{column.distinct} different values, {how}",
        next_step="name another column" + ("; if this is a quantity, give it another header" if column.named else ""),
    )


def task_of(
    table: pd.DataFrame, label: str, given: Sequence[str], wished: Task | None = None, *, sampled: bool = False
) -> tuple[Task, tuple[str, ...], dict[str, float]]:
    """The kind of problem that a label makes, its classes and their shares."""
    values = table[label].dropna()
    described = column_profile(values.rename(label), label)
    texts = as_text(values)
    counts = texts.value_counts(normalize=True)
    if values.empty or len(counts) < 2:  # noqa: PLR2004
        raise ScaffoldRefused(
            "the label teaches nothing",
            where=f"LABEL={label}",
            expected="at least two different values",
            got="no value at all" if values.empty else f"{counts.index[0]!r} in each of {len(values)} rows",
            next_step="name another column, or give rows of both kinds"
            + ("; these are the first rows only: shuffle them if they are sorted by the label" if sampled else ""),
        )
    if described.kind == "number" and np.isinf(as_numbers(values)).any():
        raise ScaffoldRefused(
            "the label has infinite values", where=f"LABEL={label}", expected="numbers that end",
            got=f"{int(np.isinf(as_numbers(values)).sum())} of {len(values)} are infinite",
            next_step="mend these rows, or leave them without a label",
        )  # fmt: skip
    shares = {str(name): float(share) for name, share in counts.items()}
    few = FEW_NUMBERS.get(wished or "", CLASSES_AT_MOST)
    quantity = described.kind == "number" and (not described.whole or len(counts) > few)
    if quantity and not given:
        return "regression", (), {}
    numeric = pd.to_numeric(texts, errors="coerce")
    if not given and len(counts) == 2 and set(numeric.dropna()) == {0.0, 1.0} and numeric.notna().all():  # noqa: PLR2004
        return "binary", (), {str(int(float(name))): share for name, share in shares.items()}
    if not given:
        _require_one_spelling(label, shares)
    if unknown := sorted(set(given) - set(shares)):
        raise ScaffoldRefused(
            "the label has none of these classes",
            where="CLASSES", expected=some(shares, 20), got=some(unknown), next_step="name them as the data do",
        )  # fmt: skip
    if not given and len(counts) > CLASSES_AT_MOST:
        raise ScaffoldRefused(
            "the label has too many classes",
            where=f"LABEL={label}", expected=f"at most {CLASSES_AT_MOST}, or a number", got=f"{len(counts)}",
            next_step="sum the rare ones up, write numbers with a point and no sign, or choose another label",
        )  # fmt: skip
    classes = tuple(given) or _ordered(shares)
    return ("binary" if len(classes) == 2 else "multiclass"), classes, shares  # noqa: PLR2004


def _require_one_spelling(label: str, shares: Mapping[str, float]) -> None:
    spellings: dict[str, list[str]] = {}
    for name in sorted(shares):
        spellings.setdefault(" ".join(name.casefold().split()), []).append(name)
    if several := [" = ".join(map(repr, names)) for names in spellings.values() if len(names) > 1]:
        raise ScaffoldRefused(
            "classes of the label are written in several ways",
            where=f"LABEL={label}",
            expected="each class in one spelling",
            got=some(several),
            next_step=f"write them alike in the data, in a QUERY by lower(trim({label})); where they are classes of "
            "their own, name all of them by CLASSES",
        )


def require_within(label: str, given: Sequence[str], counts: Mapping[str, int]) -> None:
    """Refuse values of the label that are none of the classes that were given: a run would stop at them.

    Args:
        label: Name of its column.
        given: The classes; none allows all values.
        counts: How many rows have each value.
    """
    if outside := {name: count for name, count in counts.items() if given and name not in given}:
        raise ScaffoldRefused(
            "the label has values that are none of the classes",
            where=f"LABEL={label}, CLASSES={','.join(given)}",
            expected=f"{some(given, 20)}, written as in CLASSES, or nothing",
            got=some(f"{name!r} in {count:,} rows" for name, count in sorted(outside.items(), key=lambda one: -one[1])),
            next_step="name them in CLASSES too, write them as CLASSES does, or leave these cells empty: rows without "
            "a label teach nothing and stop nothing",
        )


NEGATIVE = ("no", "false", "n", "f", "0", "negative", "benign", "good", "stayed", "ok", "normal", "none")


def _ordered(shares: dict[str, float]) -> tuple[str, ...]:
    """Of two classes the rarer one last, unless one says no; of several by name."""
    if len(shares) > 2:  # noqa: PLR2004
        return tuple(sorted(shares))
    says_no = [name for name in shares if name.lower() in NEGATIVE]
    return tuple(sorted(shares, key=lambda name: (name not in says_no, -shares[name], name)))

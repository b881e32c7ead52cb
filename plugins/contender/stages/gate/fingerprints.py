"""Fingerprints of rows, by which it is shown that a holdout's rows were not trained on.

A fingerprint is the first 64 bits of BLAKE2b (RFC 7693, digest size 8), read as a little-endian integer, of a text in
UTF-8. The text of a value depends neither on the process, nor on the version of a library, nor on the column's type:
whole numbers and flags are written in decimal digits (`17` for 17, 17.0 and "17"), times as ISO 8601 in UTC with
microseconds, a time at midnight as its date, text as it is, anything else by `str`. A change of this is another
`Lineage.scheme`.

Two different texts have the same fingerprint with a chance of 2^-64: for 340,000 training rows and a holdout of 15,000
some pair of them meets by chance once in 3.6 billion comparisons. Such a collision can only block a promotion, never
let one pass, for equal texts always have equal fingerprints. A row takes about a microsecond.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contender.core.errors import DataError, some
from contender.core.interval import Interval
from contender.core.lineage import FINGERPRINT_BYTES, Lineage, Traced, sha256
from contender.core.naming import DUE_AT
from contender.core.results import Snapshot

KEY = "example_id"
SEPARATOR = "\x1f"  # ASCII's unit separator

Fingerprints = npt.NDArray[np.uint64]


def keys(rows: pd.DataFrame) -> Fingerprints:
    """Fingerprint of each row's `example_id`, shape (rows,).

    Raises:
        DataError: There is no such column, or a row has no value in it.
    """
    codes, texts = _coded(rows, KEY)
    return _hashed(texts)[codes]


def pairs(rows: pd.DataFrame, cluster: str) -> Fingerprints:
    """Fingerprint of each row's cluster together with the UTC day of its `due_at`, shape (rows,).

    Raises:
        DataError: A column is missing, or a row has no value in one.
    """
    clusters, names = _coded(rows, cluster)
    days, dates = _coded(rows.assign(**{DUE_AT: days_of(rows)}), DUE_AT)
    codes, places = pd.factorize(clusters * len(dates) + days)
    texts = (f"{names[place // len(dates)]}{SEPARATOR}{dates[place % len(dates)]}" for place in places)
    return _hashed(texts)[codes]


def days_of(rows: pd.DataFrame) -> Any:
    """The UTC day of each row's `due_at`, as a column of midnights."""
    return pd.to_datetime(_column(rows, DUE_AT), utc=True).dt.floor("D")


def pack(fingerprints: Fingerprints) -> bytes:
    """Each fingerprint once, sorted, as little-endian 64-bit integers."""
    return np.unique(fingerprints).astype("<u8").tobytes()


def unpack(content: bytes) -> Fingerprints:
    """What `pack` packed."""
    return np.frombuffer(content, dtype="<u8").astype(np.uint64)


def traced(
    rows: pd.DataFrame,
    *,
    version: str,
    model_digest: str,
    train: Interval,
    training_set: Snapshot,
    cluster: str,
    ancestors: tuple[str, ...] = (),
) -> Traced:
    """What a version was trained on, to be kept with it.

    Args:
        rows: The very rows that the model was fitted on.
        version: Its number in the registry.
        model_digest, train, training_set, cluster, ancestors: See `Lineage`.

    Raises:
        DataError: A row lacks its key, cluster or time.
    """
    row_keys, row_pairs = pack(keys(rows)), pack(pairs(rows, cluster))
    due = pd.to_datetime(rows[DUE_AT], utc=True)
    lineage = Lineage(
        model_digest=model_digest,
        train=train,
        training_set=training_set,
        rows=len(rows),
        first_due=due.min().as_unit("us").to_pydatetime(),
        last_due=due.max().as_unit("us").to_pydatetime(),
        cluster=cluster,
        keys=sha256(row_keys),
        pairs=sha256(row_pairs),
        ancestors=ancestors,
    )
    return Traced(version, lineage, row_keys, row_pairs)


def _hashed(texts: Iterable[str]) -> Fingerprints:
    hashed = (hashlib.blake2b(_bytes(text), digest_size=FINGERPRINT_BYTES).digest() for text in texts)
    return unpack(b"".join(hashed))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _coded(rows: pd.DataFrame, name: str) -> tuple[npt.NDArray[np.int64], list[str]]:
    """For each row the place of its value's text among the column's different values, and these texts."""
    codes, values = _factorised(_column(rows, name))
    if (codes < 0).any():
        at = np.flatnonzero(codes < 0)
        raise DataError(
            f"{len(at)} of {len(codes)} rows have no {name}",
            where=f"rows {some(at)}",
            expected="a value in each row",
            got="missing",
            next_step=f"mend what computes {name}: a row that cannot be told from others cannot be kept apart",
        )
    return codes.astype(np.int64), [_text(value) for value in values]


def _factorised(column: Any) -> tuple[Any, Iterable[Any]]:
    """As `pd.factorize`, which reads texts only up to their first NUL character, so that two may pass for one."""
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return pd.factorize(column)
    places: dict[Any, int] = {}
    absent = column.isna()
    return np.array(
        [-1 if gone else places.setdefault(value, len(places)) for value, gone in zip(column, absent, strict=True)]
    ), places


def _column(rows: pd.DataFrame, name: str) -> Any:
    if name not in rows:
        raise DataError(
            f"the rows have no column {name!r}",
            where="training set",
            expected=name,
            got=some(rows.columns),
            next_step="return it from the model's function `examples`",
        )
    return rows[name]


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        midnight = (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)
        return moment.date().isoformat() if midnight else moment.isoformat(timespec="microseconds")
    return value.isoformat() if isinstance(value, date) else str(value)

"""The lake: Delta tables below one root, local or any object store that `deltalake` speaks to.

A table is written by overwriting the slice of an interval, so that writing twice leaves one copy, and content that is
already there is not written again: the table keeps its version. Timestamps are UTC microseconds.

Several processes may write one table. Delta refuses a commit whose slice another one changed meanwhile, if it has a
predicate and a version to start from: so a table is made empty first, and what replaces the whole of it has a predicate
too. A refused write begins anew, with a look at what is there by then.
"""

from __future__ import annotations

import hashlib
import random
import time as clock
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from contender.core.errors import DataError, RowsNotConserved, SpecError, TableContended, TableVersionGone, some
from contender.core.interval import Interval
from contender.core.results import Snapshot

MICROSECONDS = pa.timestamp("us", tz="UTC")
EVERY_ROW = "1 = 1"  # a predicate, as without one Delta does not see that two commits replace the same rows
OWNER = "contender.owner"  # property of a table
ATTEMPTS = 8  # at a commit that other processes get in the way of
PAUSE_SECONDS = 0.05  # after the first; twice as long after each further one, and at random so as not to meet again


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 of a frame's content, the same for any order of rows and of columns.

    Rows are hashed with pandas' keyed hash (`hash_pandas_object`), the hashes sorted; column names and types count too.
    """
    ordered = frame[sorted(frame.columns)]
    rows = np.sort(pd.util.hash_pandas_object(ordered, index=False).to_numpy())
    kinds = ",".join(f"{name}:{kind.name}" for name, kind in ordered.dtypes.items())
    return hashlib.sha256(kinds.encode() + rows.tobytes()).hexdigest()


class Lake:
    """The tables below one root.

    Args:
        root: Folder or URI.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def uri(self, table: str) -> str:
        """Where a table lies."""
        return f"{self.root.rstrip('/')}/{table}"

    def has(self, table: str) -> bool:
        """Whether the table exists."""
        return bool(DeltaTable.is_deltatable(self.uri(table)))

    def open(self, table: str, version: int | None = None) -> DeltaTable:
        """The table, at its newest or at a named version.

        Raises:
            DataError: There is no such table.
        """
        try:
            return DeltaTable(self.uri(table), version=version)
        except TableNotFoundError as error:
            raise DataError(
                f"there is no table {table!r}",
                where=self.uri(table),
                expected="a Delta table",
                got="nothing",
                next_step="run the DAG that writes it first, with an interval that covers the time you need",
            ) from error

    def read(
        self,
        table: str,
        *,
        time: str | None = None,
        interval: Interval | None = None,
        version: int | None = None,
        columns: list[str] | None = None,
    ) -> pd.DataFrame:
        """Rows of a table.

        Args:
            table: Its name.
            time, interval: Only rows whose column `time` lies in the interval.
            version: Delta version; the newest when `None`.
            columns: Only these columns; all when `None`.
        """
        delta = self.open(table, version)
        rows = delta.to_pyarrow_dataset().to_table(columns=columns, filter=_within(time, interval))
        return _to_pandas(rows)

    def copy(self, table: str, version: int, into: Lake) -> None:
        """Write a version of a table into another lake, which lacks the table; nothing changes here.

        Raises:
            DataError: There is no such table.
            TableVersionGone: There is, and this version of it cannot be read any more.
        """
        self.open(table)
        try:
            rows = self.open(table, version).to_pyarrow_dataset().to_table()
        except (DeltaError, OSError) as error:
            raise TableVersionGone(
                "a version of a table cannot be read any more",
                where=self.uri(table),
                expected=f"version {version} with all its files",
                got=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
                next_step="its files were removed, as a vacuum does; read the source anew instead, or restore a backup",
            ) from error
        write_deltalake(into.uri(table), rows, mode="error")

    def columns(self, table: str) -> set[str]:
        """The columns of the table; none where there is no table."""
        return {field.name for field in self.open(table).schema().fields} if self.has(table) else set()

    def months(self, table: str, time: str) -> set[str]:
        """The months (`2013-06`) of which the table has rows."""
        if not self.has(table):
            return set()
        column = self.open(table).to_pyarrow_dataset().to_table(columns=[time])[time]
        return set(pc.unique(pc.strftime(column, format="%Y-%m")).to_pylist())

    def write(
        self,
        table: str,
        frame: pd.DataFrame,
        *,
        time: str | None = None,
        interval: Interval | None = None,
        owner: str = "",
        commit: dict[str, str] | None = None,
    ) -> Snapshot:
        """Replace a slice (or, without `time`, the whole table) by the frame, unless it holds just that already.

        Columns that the table lacks are added to it, missing in its other slices; columns that the frame lacks are
        missing in the slice.

        Args:
            table: Its name.
            frame: The rows; with `time`, every row must lie in the interval.
            time, interval: The slice.
            owner: The model whose table it is, noted with the first write; empty for tables that are nobody's.
            commit: Facts to keep with the commit, e.g. the run.

        Raises:
            SpecError: The table is another model's.
            RowsNotConserved: A row lies outside the slice, or the slice holds another number of rows after the write.
            TableContended: Other processes changed the table at every attempt.
        """
        if time and interval:
            _require_within(table, frame, time, interval)
        arrow, refused = _to_arrow(frame), None
        for attempt in range(ATTEMPTS):
            if attempt:
                clock.sleep(PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            try:
                return self._write(table, arrow, time, interval, owner, commit or {})
            except CommitFailedError as error:
                refused = error
        raise TableContended(
            "a table was changed by others at every attempt to write it",
            where=f"{table} {interval or ''}".strip(),
            expected=f"one of {ATTEMPTS} commits to be accepted",
            got=str(refused)[:200],
            next_step="the task is tried again; if that does not help, look for runs that write the same table at once",
        ) from refused

    def require_own(self, tables: Iterable[str], owner: str) -> None:
        """Refuse before anything is written where a table is another model's.

        Raises:
            SpecError: One is.
        """
        for table in tables:
            if self.has(table):
                self._owned(table, self.open(table), owner)

    def _owned(self, table: str, delta: DeltaTable, owner: str) -> bool:
        """Whether the table notes its owner."""
        noted = delta.metadata().configuration.get(OWNER, "")
        if noted and owner and noted != owner:
            raise SpecError(
                f"the table {table!r} is another model's",
                where=self.uri(table),
                expected=f"a table that {owner!r} writes, or none",
                got=f"one that {noted!r} writes",
                next_step=f"declare it with owner={noted!r} to share it, or give it another name; if there is no model "
                f"{noted!r} any more, remove the table",
            )
        return bool(noted)

    def _write(
        self,
        table: str,
        arrow: pa.Table,
        time: str | None,
        interval: Interval | None,
        owner: str,
        commit: dict[str, str],
    ) -> Snapshot:
        """Write once; raises `CommitFailedError` where another process wrote what this one started from."""
        delta = self._created(table, arrow.schema, owner)
        if owner and not self._owned(table, delta, owner):  # made by a version of the platform that did not note it
            delta.alter.set_table_properties({OWNER: owner}, raise_if_not_exists=False)
        if {field.name for field in delta.schema().fields} >= set(arrow.column_names):
            there = self._snapshot(table, delta, time, interval, arrow.column_names)
            # Compared in the form in which rows come back: text, for one, may go in as objects.
            if there.rows == arrow.num_rows and there.digest == digest(_to_pandas(arrow)) and delta.version() > 0:
                return there
        predicate = _predicate(time, interval) if time and interval else EVERY_ROW
        facts = CommitProperties(custom_metadata=commit)
        write_deltalake(
            delta, arrow, mode="overwrite", predicate=predicate, schema_mode="merge", commit_properties=facts
        )
        snapshot = self._snapshot(table, delta, time, interval, arrow.column_names)
        if snapshot.rows != arrow.num_rows:
            raise RowsNotConserved(
                "the table holds another number of rows than were written",
                where=f"{table} {interval or ''}".strip(),
                expected=f"{arrow.num_rows} rows",
                got=f"{snapshot.rows} rows",
                next_step=f"restore version {snapshot.version - 1} and look at the slice's rows",
            )
        return snapshot

    def _created(self, table: str, schema: pa.Schema, owner: str) -> DeltaTable:
        """The table at its newest version, made without rows where there is none."""
        if not self.has(table):
            noted = {OWNER: owner} if owner else {}
            try:
                return DeltaTable.create(
                    self.uri(table), schema, mode="error", configuration=noted, raise_if_key_not_exists=False
                )
            except DeltaError:
                if not self.has(table):
                    raise
        return self.open(table)

    def snapshot(self, table: str, *, time: str | None = None, interval: Interval | None = None) -> Snapshot:
        """Version, digest and size of a slice as it is now."""
        return self._snapshot(table, self.open(table), time, interval)

    def _snapshot(
        self,
        table: str,
        delta: DeltaTable,
        time: str | None,
        interval: Interval | None,
        columns: list[str] | None = None,
    ) -> Snapshot:
        # Of one version: another process may commit between two looks.
        rows = _to_pandas(delta.to_pyarrow_dataset().to_table(columns=columns, filter=_within(time, interval)))
        return Snapshot(
            table=table, version=delta.version(), digest=digest(rows), rows=len(rows), interval=interval,
            time=time if time and interval else "",
        )  # fmt: skip

    def again(self, snapshot: Snapshot) -> Snapshot:
        """What a snapshot's slice is at the snapshot's version now.

        Raises:
            DataError: There is no such table or version any more, or a file of it cannot be read.
        """
        with _readable(f"{snapshot.table} version {snapshot.version}"):
            delta = self.open(snapshot.table, snapshot.version)
            found = self._snapshot(snapshot.table, delta, snapshot.time or None, snapshot.interval)
            # A column that only other slices have came into the table with them: it has no value in this one.
            if found.digest != snapshot.digest and found.rows:
                rows = self.read(snapshot.table, time=snapshot.time or None, interval=snapshot.interval,
                                 version=snapshot.version)  # fmt: skip
                found = found.model_copy(update={"digest": digest(rows.dropna(axis="columns", how="all"))})
            return found

    def files_digest(self, table: str, version: int) -> str:
        """SHA-256 of the names and the bytes of all files that a version of a table is made of.

        A digest of rows does not see a byte that no reader looks at.

        Raises:
            DataError: There is no such version any more, or a file of it cannot be read.
        """
        with _readable(f"{table} version {version}"):
            files, whole = self.open(table, version).to_pyarrow_dataset(), hashlib.sha256()
            for name in sorted(files.files):
                with files.filesystem.open_input_stream(name) as stream:
                    whole.update(f"{name}\0{hashlib.sha256(stream.read()).hexdigest()}\n".encode())
            return whole.hexdigest()


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Say which version of a table cannot be read, whatever it is that reading it raises."""
    try:
        yield
    except (DeltaError, pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            "a version of a table cannot be read",
            where=where,
            expected="the version with all its files, as they were written",
            got=str(error).splitlines()[0][:200],
            next_step="restore the lake from a backup; versions are kept as long as retention says",
        ) from error


def _require_within(table: str, frame: pd.DataFrame, time: str, interval: Interval) -> None:
    inside = (frame[time] >= interval.start) & (frame[time] < interval.end)
    if not inside.all():
        raise RowsNotConserved(
            "rows lie outside the slice that they are to replace",
            where=f"{table} {interval}",
            expected=f"{len(frame)} rows",
            got=f"{int(inside.sum())} rows inside; outside: {some(frame[time][~inside])}",
            next_step="nothing was written; write these rows with the interval that they belong to",
        )


def _within(time: str | None, interval: Interval | None) -> Any:
    if time is None or interval is None:
        return None
    start, end = (pa.scalar(moment, type=MICROSECONDS) for moment in (interval.start, interval.end))
    return (pc.field(time) >= start) & (pc.field(time) < end)


def _predicate(time: str, interval: Interval) -> str:
    def literal(moment: datetime) -> str:
        return f"arrow_cast('{moment.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"

    return f"{time} >= {literal(interval.start)} AND {time} < {literal(interval.end)}"


def _to_arrow(frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = []
    for field in table.schema:
        kind = MICROSECONDS if pa.types.is_timestamp(field.type) else field.type
        fields.append(pa.field(field.name, pa.string() if pa.types.is_large_string(kind) else kind))
    return table.cast(pa.schema(fields)).replace_schema_metadata(None)


def _to_pandas(rows: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas(types_mapper=_text)
    return frame


def _text(kind: pa.DataType) -> Any:
    return pd.StringDtype() if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None

"""Whether the holdout is new to every model that is compared on it, and to what these were trained from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from contender.core.errors import DataError, some
from contender.core.interval import Interval
from contender.core.lineage import Lineage, Trace, Traced
from contender.core.naming import CHALLENGER, DUE_AT
from contender.stages.gate import fingerprints
from contender.stages.gate.fingerprints import KEY, Fingerprints

REASONS = 3  # that are told of all there are
WIDTH = 60  # characters of a value that a reason shows


def contamination(rows: pd.DataFrame, holdout: Interval, cluster: str, lineages: Mapping[str, Sequence[Trace]]) -> str:
    """Say why the holdout cannot be trusted to be new to the compared models, or return the empty string.

    It is new to a model where the training window ended before the holdout began, all training rows lie in that
    window, and no training row has the key, or both the cluster and the UTC day, of a holdout row; and where the same
    holds of every ancestor. Where the fingerprints were taken by another cluster column than the policy's of today,
    no training row may be of a UTC day of the holdout at all. What is not known counts as contaminated.

    A cluster that spans midnight UTC (a local day) has rows on two UTC days: `Windows.gap_hours` keeps training and
    holdout apart there, not this.

    Args:
        rows: The holdout: `example_id`, `due_at`, the cluster column.
        holdout: Its window.
        cluster: `GatePolicy.cluster`.
        lineages: For each role what that model and its ancestors were trained on, the model first. A baseline has
            none: it knows what the challenger knows.

    Returns:
        The first reasons, each with counts and examples; bounded in length.
    """
    try:
        known = _Holdout.of(rows, cluster)
    except DataError as error:
        return f"the holdout's rows cannot be told apart: {error.what}"
    reasons = list(known.strays(holdout))
    for role in sorted({CHALLENGER, *lineages}):
        if not lineages.get(role):
            reasons.append(f"it is not known what the {role} was trained on")
    for role, traces in lineages.items():
        for generation, trace in enumerate(traces):
            who = f"the {role} (version {trace.version})" if not generation else (
                f"version {trace.version}, an ancestor of the {role},"
            )  # fmt: skip
            reasons += [f"{who} {reason}" for reason in known.met(trace, holdout)]
    more = f"; and {len(reasons) - REASONS} more reasons" if len(reasons) > REASONS else ""
    return "; ".join(reasons[:REASONS]) + more


@dataclass(frozen=True)
class _Holdout:
    """The holdout's rows and their fingerprints."""

    rows: pd.DataFrame
    cluster: str
    days: pd.Series
    keys: Fingerprints
    pairs: Fingerprints

    @classmethod
    def of(cls, rows: pd.DataFrame, cluster: str) -> _Holdout:
        """Raises `DataError` where a row lacks its key, cluster or time."""
        return cls(
            rows, cluster, fingerprints.days_of(rows), fingerprints.keys(rows), fingerprints.pairs(rows, cluster)
        )

    def strays(self, holdout: Interval) -> Iterator[str]:
        """Rows that lie outside the window that is said of them."""
        if self.rows.empty:
            yield "the holdout has no rows"
        due = pd.to_datetime(self.rows[DUE_AT], utc=True)
        outside = ~((due >= holdout.start) & (due < holdout.end)).to_numpy()
        if outside.any():
            yield f"{self._shown(outside)} lie outside the holdout window {holdout}"

    def met(self, trace: Trace, holdout: Interval) -> Iterator[str]:
        """Why these rows are not shown to be new to one version."""
        if not isinstance(trace, Traced):
            yield f"cannot be shown to be new to these rows: {trace.why}"
            return
        lineage = trace.lineage
        train = lineage.train
        if train.end > holdout.start:
            yield f"was trained until {train.end.isoformat()}, after the holdout began at {holdout.start.isoformat()}"
        if not train.start <= lineage.first_due <= lineage.last_due < train.end:
            yield f"was trained on rows of {lineage.first_due} to {lineage.last_due}, outside its window {train}"
        seen = np.isin(self.keys, fingerprints.unpack(trace.keys))
        if seen.any():
            yield f"was trained on {self._shown(seen)}"
        yield from self._neighbours(lineage, np.isin(self.pairs, fingerprints.unpack(trace.pairs)))

    def _neighbours(self, lineage: Lineage, shared: npt.NDArray[np.bool_]) -> Iterator[str]:
        if lineage.cluster != self.cluster:
            first, last = (
                pd.Timestamp(moment).tz_convert("UTC").floor("D") for moment in (lineage.first_due, lineage.last_due)
            )
            common = self.days[(self.days >= first) & (self.days <= last)]
            if len(common):
                yield (
                    f"was fingerprinted by {lineage.cluster}, not {self.cluster}, and trained on rows of "
                    f"{lineage.first_due} to {lineage.last_due}, on days of the holdout"
                )
        elif shared.any():
            values = self.rows[self.cluster].astype(str) + " on " + self.days.dt.strftime("%Y-%m-%d")
            yield (
                f"was trained on rows of the same {self.cluster}, and of the same day in UTC, as "
                f"{self._shown(shared, values)}"
            )

    def _shown(self, chosen: npt.NDArray[np.bool_], values: pd.Series | None = None) -> str:
        """How many rows were chosen, and some of their keys or other values."""
        values = self.rows[KEY].astype(str) if values is None else values
        examples = some(dict.fromkeys(values[chosen].str.slice(0, WIDTH)))
        return f"{chosen.sum()} of {len(chosen)} holdout rows ({examples})"

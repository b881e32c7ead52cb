"""What a sample cannot tell: how long the data reach, every class, and whether rows repeat, of all rows of a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from contender.adapters.source_values import pointed
from contender.adapters.sources import streamed
from contender.core.policy import Task
from contender.core.source import ColumnType, Source
from contender.scaffold.labels import require_within, task_of
from contender.scaffold.profile import Profile, require_entities, require_times

LABELS = 100_000  # labels that stand for all of them, in their shares


def completed(
    made: Profile,
    source: Source,
    root: Path,
    url: str,
    classes: Sequence[str] = (),
    task: Task | None = None,
    *,
    drop: Sequence[str] = (),
) -> Profile:
    """A sample's profile with what all rows say of time, entity and label; only these are read, part by part.

    Numbers are read too, but for those in `drop`: one that is none in a later row would stop the data at their first
    use.

    Args:
        made: Of some of the rows.
        source: Where all of them lie.
        root, url: As `contender.adapters.sources.read` takes them.
        classes, task: As `contender.scaffold.profile.profile` takes them.
        drop: Headers or names of columns that will not be used.

    Raises:
        SourceUnreadable: A row has a value of another type than those of the sample.
        ScaffoldRefused: A later row has no time or no entity, or a label that is none of the classes given.
    """
    types = _types(made, set(drop))
    if not types:
        return replace(made, total=sum(len(part) for part in streamed(source, {_any(made): "string"}, root, url)))
    form = made.column(made.time).time_format if made.time else ""
    labels: Counter[str] = Counter()
    times, series, rows, total = [], [], [], 0
    for part in streamed(source.model_copy(update={"time_format": form}), types, root, url):
        require_entities(part, made.entity, first_row=total)
        if made.time:
            require_times(part[made.time], made.column(made.time), part[made.time])
            times.append(part[made.time])
        if made.entity:
            series.append(_hashed(part[list(made.entity)]))
            rows.append(_hashed(part[[*made.entity, *([made.time] if made.time else [])]]))
        if _named(made):
            named = pointed(part[[made.label]].dropna(), source.decimal)[made.label]
            labels.update(str(name) for name in named.str.strip())
        total += len(part)
    found = replace(
        made,
        total=total,
        times=pd.concat(times, ignore_index=True) if times else None,
        series=pd.Series(np.concatenate(series)) if series else None,
        repeats=int(pd.Series(np.concatenate(rows)).duplicated().sum()) if rows else 0,
    )
    require_within(made.label, classes, labels)
    return _relabelled(found, labels, classes, task) if labels else found


def _types(made: Profile, dropped: set[str]) -> dict[str, ColumnType]:
    found: dict[str, ColumnType] = {
        one.name: "float64" for one in made.columns if one.kind == "number" and not {one.name, one.header} & dropped
    }
    found |= dict.fromkeys(made.entity, "string")
    if made.label:
        found[made.label] = "string" if _named(made) else "float64"
    if made.time:
        found[made.time] = "timestamp"
    return found


def _named(made: Profile) -> bool:
    """Whether the label's values are to be counted: those of classes are, those of a quantity are only read."""
    return bool(made.label) and made.task in ("binary", "multiclass")


def _any(made: Profile) -> str:
    return made.columns[0].name


def _hashed(part: pd.DataFrame) -> np.ndarray:
    """Eight bytes for each row: the texts themselves would take gigabytes."""
    return pd.util.hash_pandas_object(part, index=False).to_numpy()


def _relabelled(made: Profile, labels: Counter[str], classes: Sequence[str], wished: Task | None) -> Profile:
    total = labels.total()
    standing = [max(1, round(count * LABELS / total)) for count in labels.values()]
    column = pd.Series(np.repeat(np.array(list(labels), dtype=object), standing), dtype="string")
    task, found, _ = task_of(pd.DataFrame({made.label: column}), made.label, classes, wished)
    shares = {str(int(float(name))) if not found else name: count / total for name, count in labels.items()}
    return replace(made, task=task, classes=found, shares=shares if task != "regression" else {})

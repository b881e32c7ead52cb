"""What the behaviour tests of a drafted model do, so that fifty of them do not hold fifty copies."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd

from contender.adapters.source_values import converted
from contender.adapters.sources import sample
from contender.core.interval import Interval
from contender.core.naming import EVENT_TIME
from contender.core.settings import settings
from contender.core.spec import ROW, ModelSpec, Table
from contender.scaffold.connection import address_of
from contender.stages import train
from contender.stages.defaults import planted
from contender.stages.defaults.functions import functions_of
from contender.stages.defaults.tabular import joined_key

ROWS = 2_000
KEY = "_key"


def typed(frame: pd.DataFrame, table: Table, spec: ModelSpec) -> pd.DataFrame:
    """Rows of a source, by their headers, as the platform reads them."""
    from contender.core.naming import identifiers

    assert table.source is not None  # noqa: S101  only tables with a source are drafted
    named = frame.set_axis(identifiers(frame.columns), axis=1)
    types = spec.types(table)
    read = {
        name: converted(named[name], kind, table.source)
        for name, kind in types.items()
        if not (name == ROW and table.source.row_number)
    }
    made = pd.DataFrame(read).reset_index(drop=True)
    return made.assign(**{ROW: range(len(made))}) if table.source.row_number else made


def example_rows(spec: ModelSpec, module: ModuleType, rows: int = ROWS) -> pd.DataFrame:
    """Labelled examples with their inputs, made of the first rows of the model's source.

    A model of its own tables (without a source) writes this itself.

    Raises:
        ScaffoldRefused: Its source has a connection that this environment does not know.
    """
    (table,) = spec.tables
    if table.source is None:
        raise TypeError(f"{spec.name}: table {table.name} has no source to read examples from")
    url = address_of(table.source.connection)
    frame, _ = sample(table.source, root=settings().root, rows=rows, url=url)
    return examples_of(spec, module, typed(frame, table, spec))


def examples_of(spec: ModelSpec, module: ModuleType, raw: pd.DataFrame) -> pd.DataFrame:
    """The same of rows that were read already; a view's features are those of each example's own time."""
    functions, tables = functions_of(module, spec), {spec.tables[0].name: raw}
    time = spec.tables[0].time_column
    if time:
        window = Interval(start=raw[time].min(), end=raw[time].max() + pd.Timedelta(days=366))
    else:
        window = Interval.parse(f"{spec.data_from:%Y-%m}")
    examples = functions.examples(tables, window, window)
    for frame in functions.features(tables, window).values():
        examples = _known(examples, frame, list(spec.tables[0].entity))
    found = train.labelled(examples, spec)
    if not spec.planted:
        return found
    whole = (
        spec.windows.model_copy(update={"history_days": (window.end - window.start).days + 1}) if time else spec.windows
    )
    return planted.with_planted(found, whole.split(window, window.start), spec)


def _known(examples: pd.DataFrame, features: pd.DataFrame, entity: list[str]) -> pd.DataFrame:
    """Each example with the newest feature row of its entity."""
    left = examples.assign(**{KEY: joined_key(examples, entity)}).sort_values(EVENT_TIME)
    right = features.assign(**{KEY: joined_key(features, entity)}).sort_values(EVENT_TIME)
    kept = [name for name in right.columns if name not in examples.columns or name in (KEY, EVENT_TIME)]
    return pd.merge_asof(left, right[kept], on=EVENT_TIME, by=KEY).drop(columns=KEY).reset_index(drop=True)


def answered(module: ModuleType, spec: ModelSpec, *, fitted_on: pd.DataFrame, asked: pd.DataFrame) -> np.ndarray:
    """What the model answers to some rows once it is fitted on others."""
    model = train.fit(module.estimator, {}, fitted_on, spec)
    return train.answers(model, train.inputs(asked, spec.columns), spec.task)


def losses(module: ModuleType, spec: ModelSpec, rows: pd.DataFrame) -> tuple[float, float]:
    """What a model misses of the rows that it was fitted on, and what the best does that knows no input.

    Of classes the log loss, against their shares. Of numbers the mean squared error, against their mean: a model that
    is fitted to it may have a larger absolute error than the median where the labels are skewed.
    """
    learnt, share = answered(module, spec, fitted_on=rows, asked=rows), train.label_share(rows, spec)
    constant = np.tile(share, (len(rows), 1)) if isinstance(share, list) else np.full(len(rows), share)
    if spec.task in ("regression", "forecast"):
        label = train.labels(rows, spec)
        return float(np.mean((learnt - label) ** 2)), float(np.mean((constant - label) ** 2))
    return train.loss(rows, learnt, spec), train.loss(rows, constant, spec)


def never_seen(spec: ModelSpec) -> pd.DataFrame:
    """A row of categories that nobody has and numbers that are missing."""
    return pd.DataFrame(
        {column.name: ["never seen"] if column.kind == "category" else [np.nan] for column in spec.columns}
    )


def is_sound(answers: np.ndarray, spec: ModelSpec) -> bool:
    """Whether answers are finite and, of classes, probabilities."""
    chances = spec.task in ("binary", "multiclass")
    return bool(np.isfinite(answers).all() and (not chances or ((answers >= 0) & (answers <= 1)).all()))

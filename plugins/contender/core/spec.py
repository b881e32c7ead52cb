"""`ModelSpec`: the declaration of a model, from which its DAGs, stages and documents are made."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from contender.core import naming, schema
from contender.core.coherence import misfits_of
from contender.core.declared import Declared
from contender.core.interval import Interval
from contender.core.misfits import Misfit, Misfits, refuse
from contender.core.panel import Panel
from contender.core.planted import Planted
from contender.core.policy import GatePolicy, Identifier, Task
from contender.core.source import ColumnType, Source
from contender.core.task_settings import Limits, TaskSettings
from contender.core.windows import Shares, Split, Windows

__all__ = [
    "Column",
    "Limits",
    "ModelSpec",
    "Panel",
    "Planted",
    "Shares",
    "Source",
    "Split",
    "Table",
    "TaskSettings",
    "Tuning",
    "View",
    "Windows",
]


ROW = "row"  # the column of row numbers, where a source has no key of its own


class Table(Declared):
    """A raw table that the model's `read` brings in, or another model's where it has an owner.

    Attributes:
        name: Its name in the lake and the stem of its expectation suite.
        time_column: Column (UTC timestamp) whose value places a row in an interval; `None` for a table of
            facts that is replaced as a whole.
        key: Columns that identify a row.
        entity: Those of the key that name what a row is about, as a request does: a customer, a shop.
        source: Where the platform reads it; `None` where the model's own `read` does.
        owner: The model whose table it is, see `contender.core.sharing`: the lake has it once, and its owner's `read`
            and suite bring it in. The other fields repeat the owner's.
    """

    name: Identifier
    time_column: str | None
    key: tuple[str, ...] = Field(min_length=1)
    entity: tuple[Identifier, ...] = ()
    source: Source | None = None
    owner: Identifier | None = None

    @model_validator(mode="after")
    def _entity_is_in_the_key(self) -> Self:
        if foreign := [name for name in self.entity if name not in self.key]:
            raise Misfits([Misfit("entity", f"columns of the key {', '.join(self.key)}", ", ".join(foreign))])
        return self


class View(Declared):
    """A feature view of the Feast repository that the model reads.

    Attributes:
        name: Its name in Feast, in the lake, and the stem of its expectation suite.
        max_age_hours: Freshness limit: how far before the interval's end its newest row may lie.
            `None` for facts that do not age.
        owner: The model whose view it is: the lake and the stores have it once, and its owner's `features`, suite and
            feature file make it.
    """

    name: Identifier
    max_age_hours: Annotated[float, Field(gt=0)] | None
    owner: Identifier | None = None


class Column(Declared):
    """One input of the model.

    Attributes:
        name: Column name, the same in training set, signature and request.
        kind: `number` (float32) or `category` (string).
        source: `request` where the request itself gives it, otherwise the feature view it comes from.
        minimum, maximum: Bounds (inclusive) that a request's value must keep; numbers only.
        nullable: Whether a request may leave the value out by sending null.
    """

    name: Identifier
    kind: Literal["number", "category"] = "number"
    source: Identifier
    minimum: Annotated[float, Field(allow_inf_nan=False)] | None = None
    maximum: Annotated[float, Field(allow_inf_nan=False)] | None = None
    nullable: bool = True

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        bounds, field = (self.minimum, self.maximum), f"{self.name}.minimum, {self.name}.maximum"
        if self.kind == "category" and bounds != (None, None):
            raise Misfits([Misfit(field, "none, as it is a category", bounds)])
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise Misfits([Misfit(field, "a minimum not above the maximum", bounds)])
        return self


class Tuning(Declared):
    """The hyperparameter search.

    Attributes:
        trials: Default number of trials; the first one is always the estimator's own defaults.
        validation_days: The newest days of the training window, held out of each trial's fit.
        folds: How many such windows, one before the other, a trial is scored on: more than one is a backtest with a
            rolling origin (Tashman 2000, "Out-of-sample tests of forecasting accuracy", International Journal of
            Forecasting 16), each fit knowing only what was known before its window.
    """

    trials: int = Field(default=4, ge=1, le=500)
    validation_days: int = Field(default=7, ge=1, le=365)
    folds: int = Field(default=1, ge=1, le=24)


class ModelSpec(Declared):
    """All that the platform needs to know of a model.

    Attributes:
        schema_version: Version of the schema that the spec was written for, `contender/core/schema.py`: a number that
            is written down, so that a spec that a newer platform reads otherwise is told apart from one of its own.
        name: Stem of everything that belongs to the model.
        title: One line for people.
        owner: Who answers for it.
        task: Kind of problem.
        classes: Names of the classes, in the order of their codes 0, 1, …, where the first table's label column holds
            names: two for a binary model, the one that is predicted last; three or more for a multiclass one.
        schedule: How often it is trained; each interval is made of whole calendar months, UTC, because data is
            brought in, checked and kept by the month.
        data_from, data_until: The time of which there is data, whole months; no scheduled run lies outside.
        tables, views, columns: Raw tables, feature views and model inputs, in this order of derivation.
        label: Column of the label: 0 or 1, the code of a class, or a number; missing where not yet observed.
        label_delay_hours: How long after a row's own time its label can be observed. The windows lie so much earlier,
            and each run reads all months of its window again, for the labels that came in since.
        label_share: Smallest share of rows of a window that must have a label.
        windows: Which rows are trained on and which are held out: by their time, or, where they have none, by `Shares`.
        panel: How the features of a forecast follow from the past of its own series.
        planted: For a model without labels: anomalies that are planted, the label being whether a row is one.
        tuning, gate: See their classes.
        limits: What the model may take of what all models share.
        tasks: How single tasks are run, by task id, e.g. `train.trial`.
        seed: Seed of everything random.
    """

    schema_version: Annotated[int, Field(strict=True)]
    name: Identifier
    title: str
    owner: str
    task: Task = "binary"
    classes: tuple[str, ...] = ()
    schedule: Literal["@monthly", "@quarterly", "@yearly"] = "@monthly"
    data_from: AwareDatetime
    data_until: AwareDatetime | None = None
    tables: tuple[Table, ...] = Field(min_length=1)
    views: tuple[View, ...] = ()
    columns: tuple[Column, ...] = Field(min_length=1)
    label: Identifier
    label_delay_hours: float = Field(default=0, ge=0, le=24 * 366)
    label_share: float = Field(default=0.5, gt=0, le=1)
    windows: Windows | Shares
    panel: Panel | None = None
    planted: Planted | None = None
    tuning: Tuning = Tuning()
    gate: GatePolicy = GatePolicy()
    limits: Limits = Limits()
    tasks: dict[str, TaskSettings] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="before")
    @classmethod
    def _is_of_this_version(cls, data: Any) -> Any:
        if isinstance(data, dict) and (misfit := schema.misfit(data.get(schema.FIELD, schema.FIRST))):
            raise misfit
        return data

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        refuse(misfits_of(self))
        return self

    def split(self, interval: Interval) -> Split:
        """What a run on an interval trains on and holds out, all earlier by the time that a label takes.

        So each row held out has a label by the interval's end, if it ever gets one.

        Raises:
            IntervalError: Nothing is left to train on or to hold out.
        """
        return self.windows.split(interval, self.data_from, timedelta(hours=self.label_delay_hours))

    def writes(self) -> tuple[str, ...]:
        """Names of the tables in the lake that are the model's own."""
        tables = [table.name for table in self.tables if not table.owner]
        return (*tables, *(view.name for view in self.views if not view.owner), *self.derived_tables())

    def derived_tables(self) -> tuple[str, ...]:
        """Those of them that the spec does not declare: what is kept out of its tables, and what a run makes."""
        kept_out = [naming.quarantine_table(table.name) for table in self.tables if not table.owner]
        return (*kept_out, naming.training_table(self.name), naming.predictions_table(self.name))

    def owners(self) -> tuple[str, ...]:
        """Names of the other models whose tables or views this one shares."""
        named = [*(table.owner for table in self.tables), *(view.owner for view in self.views)]
        return tuple(sorted({owner for owner in named if owner}))

    @property
    def entity(self) -> tuple[str, ...]:
        """The columns that name what an example is about: the panel's series, or the first table's rows."""
        return (self.panel.entity if self.panel else ()) or self.tables[0].entity

    def features(self) -> list[str]:
        """Feast feature references (`view:column`) of the columns that come from feature views."""
        return [f"{column.source}:{column.name}" for column in self.columns if column.source != "request"]

    def inputs(self, kind: Literal["number", "category"]) -> list[str]:
        """Names of the model inputs of one kind, in the order of `columns`."""
        return [column.name for column in self.columns if column.kind == kind]

    def types(self, table: Table) -> dict[str, ColumnType]:
        """The columns that the platform reads of a table's source, and as what: no other column enters the lake.

        Of the first table these are its key, its time, the label, the model's inputs and what the gate's rules slice
        by; of every table what `source.types` adds or says otherwise.
        """
        if table.source is None:
            return {}
        found: dict[str, ColumnType] = dict.fromkeys(table.key, "string")
        if table.source.row_number:
            found[ROW] = "int64"
        if table == self.tables[0]:
            sliced = {*(rule.column for rule in self.gate.slices), *(rule.column for rule in self.gate.fairness)}
            found |= dict.fromkeys(sorted(sliced - {self.gate.cluster}), "string")
            derived = () if self.panel is None else self.panel.features()
            inputs = [column for column in self.columns if column.name not in derived]
            found |= {column.name: "float64" if column.kind == "number" else "string" for column in inputs}
            if self.planted is None:
                found[self.label] = "string" if self.classes else "float64"
        if table.time_column:
            found[table.time_column] = "timestamp"
        return found | dict(table.source.types)

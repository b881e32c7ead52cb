"""`data`: validate what the source delivers, then load what passed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Connection, Context

from contender.core import naming
from contender.core.interval import Interval
from contender.core.settings import settings
from contender.core.sharing import owner_of
from contender.core.spec import ModelSpec, Table
from contender.operators.base import ModelOperator, PushedLink, address, run_interval


class DataDocsLink(PushedLink):
    """The reports of the run's own interval; where tables failed, the first failed one's report."""

    name = "Data docs"


class DataValidate(ModelOperator):
    """Read the months that are needed, check them against the suites, and stage them with their verdicts."""

    operator_extra_links = (DataDocsLink(),)
    ui_color = "#d6eaf8"

    def execute(self, context: Context) -> dict[str, Any]:
        """Stage every month's rows; nothing is staged unless everything passed.

        Returns:
            `interval`, `months` to load, and for each table the rows, quarantined rows, warnings and report address
            of the run's own interval.
        """
        from contender.adapters.lake import Lake
        from contender.stages import data

        interval, lake, owners = run_interval(context, self.spec), Lake(self.settings.lake), self.owners
        lake.require_own(self.spec.writes(), self.spec.name)
        maker = {table.name: owner_of(self.spec, table.owner, owners) for table in self.spec.tables}
        timed = {table.name: table.time_column for table in self.spec.tables if table.time_column}
        present = {name: lake.months(name, time) for name, time in timed.items()}
        months = data.months_to_read(self.spec, interval, present, force=bool(context["params"].get("force_rebuild")))
        frames = {table.name: self._read(table, maker[table.name]) for table in self.spec.tables}
        checked = [(table, month, *self._check(table, maker[table.name], frames[table.name], month))
                   for table in self.spec.tables for month in self._slices(table, months)]  # fmt: skip
        critical = {f"{table.name} {month}": found.critical for table, month, _, found in checked}
        pages = {f"{table.name} {month}": address(_page(self._docs(table, month))) for table, month, _, _ in checked}
        failed = [pages[name] for name, lines in critical.items() if lines]
        folder = self.settings.data_docs / self.spec.name / f"{interval.start:%Y-%m-%d}"
        link = failed[0] if failed else f"{address(_page(folder))}/"
        context["ti"].xcom_push(key=self.operator_extra_links[0].xcom_key, value=link)
        data.require_valid(critical, pages)
        for table, month, rows, found in checked:
            self.log.info("%s %s: %d rows, %d quarantined", table.name, month, found.rows, len(found.quarantine))
            lake.write(
                _staged(self.spec.name, table.name), data.mark(rows, found.quarantine), time=table.time_column,
                interval=month if table.time_column else None,
            )  # fmt: skip
        own = [item for item in checked if item[1].start >= interval.start or item[0].time_column is None]
        return {
            "interval": str(interval),
            "months": [str(month) for month in months],
            "tables": self._reports([(table, month, found) for table, month, _, found in own]),
        }

    def _read(self, table: Table, maker: ModelSpec) -> Any:
        if table.source is None:
            return self.functions_of(maker).read(table.name, self.settings.source)
        from contender.adapters.sources import read

        named = table.source.connection
        url = Connection.get(named).get_uri().replace("postgres://", "postgresql+psycopg2://", 1) if named else ""
        declared = next(same for same in maker.tables if same.name == table.name)
        return read(table.source, maker.types(declared), root=self.settings.root, url=url)

    def _slices(self, table: Table, months: list[Interval]) -> list[Interval]:
        return months if table.time_column else [Interval(start=months[0].start, end=months[-1].end)]

    def _check(self, table: Table, maker: ModelSpec, frame: Any, month: Interval) -> tuple[Any, Any]:
        from contender.adapters.expectations import validate
        from contender.adapters.expectations_docs import write_docs
        from contender.adapters.expectations_suite import load_suite
        from contender.stages import data

        suite = load_suite(self.settings.expectations / maker.name / f"{table.name}.json")
        rows = data.cut(frame, table, month)
        data.require_rows({table.name: len(rows)}, month)
        found = validate(rows, suite, parameters=data.bounds(month, (suite.meta or {}).get("freshness_hours")))
        write_docs(found, self._docs(table, month), title=f"{self.spec.name}: {table.name} {month}")
        return rows, found

    def _docs(self, table: Table, month: Interval) -> Path:
        return self.settings.data_docs / self.spec.name / f"{month.start:%Y-%m-%d}" / f"{table.name}.html"

    def _reports(self, checked: list[tuple[Table, Interval, Any]]) -> dict[str, dict[str, Any]]:
        """Of each table what was found in all its slices, and the newest one's page."""
        reports: dict[str, dict[str, Any]] = {}
        several = len({str(month) for table, month, _ in checked if table.time_column}) > 1
        for table, month, found in checked:
            report = reports.setdefault(table.name, {"rows": 0, "quarantined": 0, "warnings": []})
            report["rows"] += found.rows
            report["quarantined"] += len(found.quarantine)
            report["warnings"] += [f"{month}: {one}" if several else one for one in found.warnings]
            report["docs"] = _page(self._docs(table, month))
        return reports


class DataLoad(ModelOperator):
    """Move staged rows into the lake: accepted ones into their tables, the others into quarantine.

    Args:
        validated: What `DataValidate` returned (templated).
    """

    template_fields: Sequence[str] = ("validated",)
    ui_color = "#d6eaf8"

    def __init__(self, *, validated: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validated = validated

    def execute(self, context: Context) -> dict[str, Any]:
        """Load every staged month.

        Returns:
            `snapshots` of the raw tables over the run's interval, and `written`, the slices whose rows are new.
        """
        from contender.adapters.lake import Lake
        from contender.stages import data

        lake, written, snapshots = Lake(self.settings.lake), [], []
        for table in self.spec.tables:
            months = [Interval.parse(month) for month in self.validated["months"]]
            for month in months if table.time_column else months[:1]:
                part: dict[str, Any] = {"time": table.time_column, "interval": month} if table.time_column else {}
                before = lake.open(table.name).version() if lake.has(table.name) else -1
                accepted, quarantined = data.separate(lake.read(_staged(self.spec.name, table.name), **part))
                note: dict[str, Any] = {"owner": table.owner or self.spec.name, "commit": {"run": context["run_id"]}}
                snapshot = lake.write(table.name, accepted, **part, **note)
                if len(quarantined) or lake.has(naming.quarantine_table(table.name)):
                    lake.write(naming.quarantine_table(table.name), quarantined, **part, **note)
                if snapshot.version != before:
                    written.append(f"{table.name} {month.start:%Y-%m}" if table.time_column else table.name)
                self.log.info("%s: %d rows, version %d", table.name, snapshot.rows, snapshot.version)
            snapshots.append(snapshot)
        return {"snapshots": [snapshot.facts() for snapshot in snapshots], "written": written}


def _page(report: Path) -> str:
    """Where Airflow's web server shows a report, or a folder of them."""
    return f"/contender/data_docs/{report.relative_to(settings().data_docs)}"


def _staged(model: str, table: str) -> str:
    return f"_staged/{model}/{table}"

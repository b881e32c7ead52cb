"""The schedule of a model's DAGs. Airflow loads it in every process, so it imports nothing but timetables."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from pendulum import DateTime, instance


class IntervalsWithData(CronDataIntervalTimetable):
    """Cron intervals, as Airflow's own, none of which ends after the data does.

    A DAG's `end_date` is no substitute: Airflow then leaves the tasks out of every run with a later logical date, so
    that a run triggered in the UI, whose form proposes today, succeeds without having done anything; and it still
    schedules the interval that begins at `end_date`.

    Args:
        cron: Cron expression or preset, e.g. `@monthly`; UTC.
        until: End of the data; `None` where it has none.
    """

    def __init__(self, cron: str, *, until: datetime | None = None) -> None:
        super().__init__(cron, timezone="UTC")
        self.until = until

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next interval, unless it ends after the data."""
        found = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )
        if found is None or found.data_interval is None or self.until is None:
            return found
        return found if found.data_interval.end <= self.until else None

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        """The newest interval that had ended by then and has data."""
        return super().infer_manual_data_interval(
            run_after=run_after if self.until is None else min(run_after, instance(self.until))
        )

    def serialize(self) -> dict[str, Any]:
        """As JSON, for the metadata database."""
        return {**super().serialize(), "until": self.until.isoformat() if self.until else None}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> IntervalsWithData:
        """Back from JSON."""
        until = data["until"]
        return intervals_with_data(data["expression"], datetime.fromisoformat(until) if until else None)


@lru_cache(maxsize=1024)
def intervals_with_data(cron: str, until: datetime | None) -> IntervalsWithData:
    """The timetable of these arguments, one for all DAGs that have them: it does not change once made.

    Airflow asks for a DAG's timetable a dozen times at each parse, and each new one is described in words anew, which
    took two fifths of the DAG processor's work on 500 models.
    """
    return IntervalsWithData(cron, until=until)

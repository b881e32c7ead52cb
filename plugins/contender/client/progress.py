"""What a run's tasks look like while they run and when they fail: plain lines from the API's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Say = Callable[[str], None]  # takes a line of a report

ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
SPOKEN = {
    "running": "started",
    "success": "done",
    "failed": "FAILED",
    "up_for_retry": "failed, will try again",
    "skipped": "skipped",
    "awaiting_input": "waits for your approval in the Airflow UI",
}
NAME_WIDTH = 34


def label(task: dict[str, Any]) -> str:
    """The task's name, with the index of a mapped one: `train.trial[2]`."""
    index = task.get("map_index", -1)
    return str(task["task_id"]) if index is None or index < 0 else f"{task['task_id']}[{index}]"


def changes(seen: dict[str, str], tasks: Iterable[dict[str, Any]], elapsed: float) -> list[str]:
    """One line for each task whose state changed to one worth telling; `seen` is brought up to date.

    Args:
        seen: Last told state by label; empty at first.
        tasks: The run's task instances.
        elapsed: Seconds since the run was triggered.

    A task that started and ended between two looks gets one line, its end.
    """
    lines = []
    tasks = list(tasks)
    for task in sorted(tasks, key=_moment):
        state, name = str(task.get("state")), label(task)
        told = f"{state} {task.get('try_number')}"
        if state not in SPOKEN or seen.get(name) == told:
            continue
        seen[name] = told
        took = f"{task['duration']:6.1f} s" if state in ENDED and task.get("duration") is not None else ""
        lines.append(f"{elapsed:7.1f} s  {name:<{NAME_WIDTH}} {SPOKEN[state]:<9} {took}".rstrip())
    return lines


def not_run(tasks: Iterable[dict[str, Any]]) -> int:
    """How many tasks were not run because one before them failed."""
    return sum(task.get("state") == "upstream_failed" for task in tasks)


def failures(tasks: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The failed tasks, first failure first, without those that merely came after one."""
    return sorted((task for task in tasks if task.get("state") == "failed"), key=_moment)


def error_message(events: Iterable[dict[str, Any]]) -> str:
    """The error a task ended with, from its log: the last exception, else the last error line, else a hint."""
    message = ""
    for event in events:
        for error in event.get("error_detail") or []:
            message = f"{error.get('exc_type')}: {error.get('exc_value')}"
        if not event.get("error_detail") and event.get("level") in {"error", "critical"} and event.get("event"):
            message = message or str(event["event"])
    return message or "the log holds no error: the process was probably killed (out of memory?)"


def _moment(task: dict[str, Any]) -> tuple[str, str, int]:
    moment = task.get("end_date") if task.get("state") in ENDED else task.get("start_date")
    return str(moment or "9"), str(task["task_id"]), int(task.get("map_index") or -1)

from __future__ import annotations

from typing import Any

from contender.client.progress import changes, error_message, failures, label, not_run


def task(name: str, state: str | None, **more: Any) -> dict[str, Any]:
    return {"task_id": name, "state": state, "map_index": -1, "try_number": 1, "duration": None, **more}


def test_changes_start_and_end_are_told_once_each() -> None:
    seen: dict[str, str] = {}
    running = [task("data.validate", "running", start_date="1"), task("data.load", None)]
    assert changes(seen, running, 1.0) == ["    1.0 s  data.validate                      started"]
    assert changes(seen, running, 2.0) == []
    done = [task("data.validate", "success", end_date="2", duration=1.25), task("data.load", "scheduled")]
    assert changes(seen, done, 3.0) == ["    3.0 s  data.validate                      done         1.2 s"]


def test_changes_task_seen_only_when_ended_gets_one_line() -> None:
    assert len(changes({}, [task("a", "success", duration=0.1)], 1.0)) == 1


def test_changes_mapped_tasks_are_told_by_index() -> None:
    tasks = [task("train.trial", "success", map_index=index, duration=1.0, end_date="1") for index in (1, 0)]
    assert [line.split()[2] for line in changes({}, tasks, 1.0)] == ["train.trial[0]", "train.trial[1]"]


def test_changes_second_try_is_told_again() -> None:
    seen: dict[str, str] = {}
    assert "will try again" in changes(seen, [task("a", "up_for_retry")], 1.0)[0]
    assert "started" in changes(seen, [task("a", "running", try_number=2)], 2.0)[0]


def test_changes_approval_says_where() -> None:
    assert "approval" in changes({}, [task("gate.approve", "awaiting_input")], 1.0)[0]


def test_failures_first_failure_comes_first_without_those_after_it() -> None:
    tasks = [
        task("c", "upstream_failed", end_date="1"),
        task("b", "failed", end_date="2013-02"),
        task("a", "failed", end_date="2013-03"),
    ]
    assert [label(one) for one in failures(tasks)] == ["b", "a"]
    assert not_run(tasks) == 1


def test_error_message_takes_the_last_exception_of_the_chain() -> None:
    detail = [{"exc_type": "ValidationFailed", "exc_value": "temp is missing"}]
    events = [
        {"event": "starting", "level": "info"},
        {"event": "Task failed", "level": "error", "error_detail": detail},
    ]
    assert error_message(events) == "ValidationFailed: temp is missing"


def test_error_message_log_without_error_guesses_a_kill() -> None:
    assert "killed" in error_message([{"event": "starting", "level": "info"}])

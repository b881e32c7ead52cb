"""The chain shown once on a running platform: trigger, follow, sum up, ask the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from contender.client.progress import Say
from contender.client.runs import RunFailed, Site, follow, wait_until_parsed
from contender.client.served import NoChampion, Served, ask
from contender.client.summary import WANTED, summary
from contender.core.interval import Interval
from contender.core.settings import settings

Values = Mapping[tuple[str, str], Any]
Serve = Callable[[str, Values], Served]  # from the run's ID and what its tasks left


def check_request(model: str, interval: str) -> None:
    """Refuse what cannot work before anything is started: a typing error is worth no minute of waiting.

    Args:
        model: The model's name.
        interval: What is to be trained on; empty for the newest of the model's data.

    Raises:
        IntervalError: The interval is not made of whole months.
        RunFailed: There is no such model.
    """
    if interval:
        Interval.parse_months(interval)
    folder = settings().models
    known = sorted(path.parent.name for path in folder.glob("*/dag.py"))
    if model not in known:
        raise RunFailed(
            f"there is no model {model}",
            where=str(folder),
            expected=f"one of {', '.join(known)}" if known else f"{model}/dag.py",
            next_step="say MODEL=<name>",
        )


def show(site: Site, model: str, interval: str, say: Say, *, beside: tuple[str, ...], serve: Serve) -> Values:
    """Run `<model>_train`, tell each task, sum up, and ask the champion the example request.

    Args:
        site: The platform.
        model: The model.
        interval: What to train on, e.g. `2013-06`; empty for the newest of the model's data.
        say: Takes each line of the report.
        beside: Other DAGs of the model to let run, by the last word of their names.
        serve: Sees to it that the champion is served; raises `NoChampion` where there is none.

    Returns:
        What the run's tasks left, by task and key; the keys are those of `WANTED`.

    Raises:
        RunFailed: A task failed, or the DAG cannot be parsed; names which, and its error.
        NoChampion: A version was promoted and yet none can be served.
        ExampleRefused: The served model answers with an error.
    """
    api, dag_id = site.api, f"{model}_train"
    wait_until_parsed(site, dag_id)
    for name in (dag_id, *(f"{model}_{word}" for word in beside)):
        row = api.dag(name)
        if row is not None and row["is_paused"]:
            api.unpause(name)
    run = dag_id, api.trigger(dag_id, {"interval": interval} if interval else {})
    say(f"Triggered {dag_id} on {interval or 'the newest of its data'}: {site.run_url(*run)}")
    follow(site, run, say)
    values = {(task, key): api.xcom(*run, task, key) for task, key in WANTED}
    interval = interval or str(values["data.validate", "return_value"]["interval"])
    say(f"\n{model}: {dag_id} on {interval}\n{summary(values)}")
    say(_asked(model, interval, values, partial(serve, run[1])))
    return values


def promoted(values: Values) -> str | None:
    """The version that the run promoted, or `None`."""
    released = values.get(("promote.release", "return_value"))
    return None if released is None else str(released["version"])


def data_docs(values: Values) -> str:
    """Path of the newest month's last validation report of the run, below Airflow's address."""
    tables = dict((values.get(("data.validate", "return_value")) or {}).get("tables", {}))
    return max((str(table["docs"]) for table in tables.values() if table.get("docs")), default="/contender/data_docs/")


def _asked(model: str, interval: str, values: Values, serve: Callable[[Values], Served]) -> str:
    """Serve the champion and ask it; after a hold or reject there may rightly be none to serve."""
    try:
        served = serve(values)
    except NoChampion as missing:
        if promoted(values) is not None:
            raise
        return f"  serving      nothing: {missing.what} ({missing.got})"
    return ask(served, model, Interval.parse(interval).end)

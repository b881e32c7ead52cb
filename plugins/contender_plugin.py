"""The one Airflow plugin. Every process of Airflow executes this file, tasks too: it imports nothing heavy."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from contender.operators.timetable import IntervalsWithData


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """The platform's own pages, loaded with the first request."""
    from contender.ui.pages import app

    await app(scope, receive, send)


class ContenderPlugin(AirflowPlugin):
    """Validation and decision reports below `/contender/`, behind Airflow's login, in the navigation; timetables.

    A scheduler that does not know a DAG's timetable by its plugin does not know the DAG.
    """

    name = "contender"
    timetables = [IntervalsWithData]  # noqa: RUF012  Airflow's form
    fastapi_apps = [{"app": pages, "url_prefix": "/contender", "name": "contender"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Data docs",
            "href": "/contender/data_docs/",
            "destination": "nav",
            "category": "browse",
            "url_route": "data-docs",
        },
        {
            "name": "Decision reports",
            "href": "/contender/reports/",
            "destination": "nav",
            "category": "browse",
            "url_route": "decision-reports",
        },
    ]

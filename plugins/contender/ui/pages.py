"""The pages that the platform adds to Airflow's web server: the validation reports, behind Airflow's own login."""

from __future__ import annotations

import html
from pathlib import Path

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from contender.core.settings import settings

LISTED = 500

# A mounted app would not inherit the dependency, hence a route that asks `StaticFiles` for the file.
app = FastAPI(dependencies=[Depends(requires_authenticated())], docs_url=None, redoc_url=None, openapi_url=None)


def _listing(folder: Path) -> HTMLResponse:
    """Links to the newest reports below a folder."""
    found = sorted(folder.rglob("*.html"), key=lambda path: path.stat().st_mtime, reverse=True)[:LISTED]
    names = [html.escape(path.relative_to(folder).as_posix()) for path in found]
    items = "".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    body = f"<ul>{items}</ul>" if items else "<p>No report yet: trigger a run; its task data.validate writes them.</p>"
    return HTMLResponse(f"<!doctype html><title>Data docs</title><h1>Data docs</h1>{body}")


@app.get("/data_docs/{path:path}")
async def report(path: str, request: Request) -> Response:
    """A folder's list of reports where the path ends with a slash, otherwise one file.

    `StaticFiles` refuses every path that leads out of the folder of the reports.
    """
    root = settings().data_docs.resolve()
    folder = (root / path).resolve()
    if (not path or path.endswith("/")) and folder.is_relative_to(root):
        return _listing(folder)
    files = StaticFiles(directory=settings().data_docs, check_dir=False)
    return await files.get_response(path, request.scope)

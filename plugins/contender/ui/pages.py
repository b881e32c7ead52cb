"""The pages that the platform adds to Airflow's web server, behind Airflow's own login: what its tasks reported."""

from __future__ import annotations

import html
from pathlib import Path
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from contender.core.settings import settings

LISTED = 500

# A mounted app would not inherit the dependency, hence a route that asks `StaticFiles` for the file.
app = FastAPI(dependencies=[Depends(requires_authenticated())], docs_url=None, redoc_url=None, openapi_url=None)


# A report's page needs nothing but itself; nothing else is loaded whatever stands in it.
SEALED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


@app.get("/data_docs/{path:path}")
async def data_docs(path: str, request: Request) -> Response:
    """The validation reports."""
    empty = "No report yet: trigger a run; its task data.validate writes them."
    return await _below(settings().data_docs, path, request, title="Data docs", empty=empty)


@app.get("/reports/{path:path}")
async def reports(path: str, request: Request) -> Response:
    """The decision reports."""
    empty = "No report yet: trigger a run; its task gate.decide writes one for each decision."
    found = await _below(settings().reports, path, request, title="Decision reports", empty=empty)
    if not _is_folder(path):
        found.headers.update(SEALED)
    return found


async def _below(folder: Path, path: str, request: Request, *, title: str, empty: str) -> Response:
    """A folder's list of pages where the path ends with a slash, otherwise one file.

    `StaticFiles` refuses every path that leads out of the folder.
    """
    root = folder.resolve()
    asked = (root / path).resolve()
    if _is_folder(path) and asked.is_relative_to(root):
        return _listing(asked, title, empty)
    return await StaticFiles(directory=folder, check_dir=False).get_response(path, request.scope)


def _is_folder(path: str) -> bool:
    return not path or path.endswith("/")


def _listing(folder: Path, title: str, empty: str) -> HTMLResponse:
    """Links to the newest pages below a folder."""
    found = sorted(folder.rglob("*.html"), key=lambda path: path.stat().st_mtime, reverse=True)[:LISTED]
    names = [path.relative_to(folder).as_posix() for path in found]
    items = "".join(f'<li><a href="{quote(name)}">{html.escape(name)}</a></li>' for name in names)
    body = f"<ul>{items}</ul>" if items else f"<p>{empty}</p>"
    return HTMLResponse(f"<!doctype html><title>{title}</title><h1>{title}</h1>{body}")

"""A database of known vulnerabilities that speaks OSV's documented form: pages, order, summaries, severities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest


@dataclass
class Osv:
    """A database: advisories by package name, one to a page, and what it was asked."""

    known: dict[str, list[str]]
    advisories: dict[str, dict[str, Any]]
    fails: bool = False
    asked: list[Any] = field(default_factory=list)
    url: str = ""

    def batch(self, queries: list[dict[str, Any]]) -> dict[str, Any]:
        """As documented: answers in order, an empty object for nothing, a token where there is more."""
        results = []
        for query in queries:
            package = query["package"]
            name = package.get("name") or package["purl"].rpartition("/")[2].partition("@")[0]
            page, known = int(query.get("page_token", 0)), self.known.get(name, [])
            shown = [{"id": one, "modified": "2026-01-01T00:00:00Z"} for one in known[page : page + 1]]
            more = {"next_page_token": str(page + 1)} if len(known) > page + 1 else {}
            results.append(({"vulns": shown} if shown else {}) | more)
        return {"results": results}


@pytest.fixture
def osv() -> Iterator[Osv]:
    database = Osv(
        known={"numpy": ["PYSEC-1", "GHSA-2"], "openssl": ["DEBIAN-CVE-3"]},
        advisories={
            "PYSEC-1": {"id": "PYSEC-1"},
            "GHSA-2": {"id": "GHSA-2", "database_specific": {"severity": "CRITICAL"}},
            "DEBIAN-CVE-3": {"severity": [
                {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N"}
            ]},
        },
    )  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            database.asked.append(asked)
            self.answer(database.batch(asked["queries"]) if self.path == "/v1/querybatch" else None)

        def do_GET(self) -> None:
            self.answer(database.advisories.get(self.path.removeprefix("/v1/vulns/")))

        def answer(self, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(503 if database.fails else 200 if content is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        database.url = f"http://127.0.0.1:{server.server_port}"
        yield database
        server.shutdown()
        thread.join()

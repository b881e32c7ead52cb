"""The OpenAPI document as a page to read: HTML and a few lines of style, nothing from elsewhere, no script."""

from __future__ import annotations

import json
from html import escape
from typing import Any

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h2 { margin-top: 2.5rem; border-top: 1px solid #cfd6df; padding-top: 1rem } h2 code { font-size: 1.1rem }
pre { background: #f3f5f8; padding: .8rem; overflow-x: auto; font-size: .85rem }
table { border-collapse: collapse } td, th { border: 1px solid #cfd6df; padding: .25rem .6rem; text-align: left }
"""


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    info = document["info"]
    routes = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    listed = "".join(
        f"<tr><td><a href='#{_anchor(path, method)}'><code>{method.upper()} {escape(path)}</code></a></td>"
        f"<td>{escape(operation['summary'])}</td></tr>"
        for path, method, operation in routes
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{escape(info['title'])}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])} For programs: "
        f"<a href='openapi.json'>openapi.json</a>.</p><table>{listed}</table>"
        f"{_fields(document['components']['schemas'])}"
        f"{''.join(_route(*route) for route in routes)}</body></html>"
    )


def _fields(schemas: dict[str, Any]) -> str:
    """Tables of the fields of what is sent."""
    tables = []
    for name, schema in schemas.items():
        if name != "Error":
            rows = "".join(_field(*field) for field in schema["properties"].items())
            head = "<tr><th>field</th><th>allowed</th><th></th></tr>"
            tables.append(f"<h2>Fields of {escape(name)}</h2><table>{head}{rows}</table>")
    return "".join(tables)


def _field(name: str, schema: dict[str, Any]) -> str:
    allowed = {key: value for key, value in schema.items() if key not in {"description", "title"}}
    said = escape(json.dumps(allowed)), escape(schema.get("description", ""))
    return f"<tr><td><code>{escape(name)}</code></td><td><code>{said[0]}</code></td><td>{said[1]}</td></tr>"


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f"<h2 id='{_anchor(path, method)}'><code>{method.upper()} {escape(path)}</code></h2>"]
    parts.append(f"<p>{escape(operation['summary'])}. {escape(operation.get('description', ''))}</p>")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts += [f"<p>{escape(name)}:</p>{_example(value)}" for name, value in _examples(media, content)]
    for status, response in operation["responses"].items():
        parts.append(f"<p><b>{status}</b> {escape(response['description'])}</p>")
        for media, content in response.get("content", {}).items():
            parts += [_example(value) for _, value in _examples(media, content)]
    return "".join(parts)


def _examples(media: str, content: dict[str, Any]) -> list[tuple[str, Any]]:
    several = [(f"{media}, {name}", one["value"]) for name, one in content.get("examples", {}).items()]
    return several or ([(media, content["example"])] if "example" in content else [])


def _example(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return f"<pre>{escape(text)}</pre>"


def _anchor(path: str, method: str) -> str:
    return escape(f"{method}{path.replace('/', '-')}")

"""The OpenAPI document: valid, with every route, the model's own schemas, and examples that are answered as it says."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import schemathesis
from jsonschema import Draft202012Validator

from contender.serving.app import routes
from contender.serving.asgi import MAX_BODY
from contender.serving.protocols import protocol_routes
from contender.serving.service import Service
from tests.unit.serving.test_predict import client, store  # noqa: F401  fixtures


@pytest.fixture
def document(raw_client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = raw_client.get("/openapi.json").json()
    return found


def test_document_is_openapi_and_has_every_route(document: dict[str, Any], bundle: Path) -> None:
    schemathesis.openapi.from_dict(document).validate()
    service = Service(bundle, None, "stable")
    served = {**routes(service), **protocol_routes(service)}
    described = {path: {method.upper() for method in methods} for path, methods in document["paths"].items()}
    assert described == {path: set(methods) for path, methods in served.items()}


def test_schema_of_an_instance_has_the_signature_s_bounds(document: dict[str, Any]) -> None:
    instance = document["components"]["schemas"]["Instance"]
    assert instance["additionalProperties"] is False
    assert instance["properties"]["hour"] | {"description": ""} == {
        "type": "number", "minimum": 0.0, "maximum": 24.0, "description": ""
    }  # fmt: skip
    assert len(instance["required"]) == len(instance["properties"]) == 9
    assert document["components"]["schemas"]["Request"]["properties"]["origin"] == {"enum": ["EWR", "JFK", "LGA"]}


def test_examples_are_answered_as_the_document_says(
    client: httpx.Client,  # noqa: F811
    document: dict[str, Any],
) -> None:
    asked = 0
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        answer = methods["post"]["responses"]["200"]["content"]["application/json"] if content else {}
        for media, one in content.items():
            examples = [example["value"] for example in one.get("examples", {}).values()] or [one["example"]]
            for example in examples:
                body = example if isinstance(example, str) else json.dumps(example)
                response = client.post(path, content=body, headers={"Content-Type": media})
                assert response.status_code == 200, response.text
                assert set(methods["post"]["responses"]["200"]["headers"]) == {"X-Request-ID"}
                assert UUID(response.headers["X-Request-ID"]).version == 7
                schema = answer["schema"] | {"components": document["components"]}
                Draft202012Validator(schema).validate(response.json())
                if "example" in answer:
                    assert numbers(response.json()) == pytest.approx(numbers(answer["example"]), abs=1e-5)
                asked += 1
    assert asked == 9  # two of ours, four forms and CSV of MLflow's, and tensors at two addresses


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"no json", {}, "400", id="no JSON"),
        pytest.param(b" " * (MAX_BODY + 1), {}, "413", id="too large"),
        pytest.param(b"\x1f\x8b", {"Content-Encoding": "gzip"}, "415", id="compressed"),
        pytest.param(b"{}", {}, "422", id="nothing in it"),
    ],
)
def test_refusals_are_answered_as_the_document_says(
    client: httpx.Client,  # noqa: F811
    document: dict[str, Any],
    body: bytes,
    headers: dict[str, str],
    status: str,
) -> None:
    seen = set()
    for path, methods in document["paths"].items():
        if "post" in methods:
            refused = client.post(path, content=body, headers={"Content-Type": "application/json", **headers})
            described = methods["post"]["responses"][str(refused.status_code)]["content"]["application/json"]["schema"]
            Draft202012Validator(described | {"components": document["components"]}).validate(refused.json())
            seen.add(str(refused.status_code))
    assert status in seen


def numbers(content: Any) -> list[float]:
    """Every number of an answer, in order."""
    if isinstance(content, dict | list):
        return [one for part in (content.values() if isinstance(content, dict) else content) for one in numbers(part)]
    return [content] if isinstance(content, int | float) else []


class Outside(HTMLParser):
    """What a page loads or links to, and the elements that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links |= {value or "" for name, value in attrs if name in {"src", "href"}}
        self.anchors |= {f"#{value}" for name, value in attrs if name == "id"}


def test_page_shows_every_route_and_loads_nothing(raw_client: httpx.Client, document: dict[str, Any]) -> None:
    answer = raw_client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    read = Outside()
    read.feed(answer.text)
    assert read.links == read.anchors | {"openapi.json"}
    assert len(read.anchors) == len(document["paths"])
    assert not read.tags & {"script", "img", "link", "iframe"}
    for path in document["paths"]:
        assert f"{path}</code>" in answer.text
    assert "<td><code>carrier_late_share_6h</code></td>" in answer.text


def test_page_escapes_what_the_model_is_called(bundle: Path, tmp_path: Path) -> None:
    from contender.serving.docs_page import page

    told = {"title": "<script>", "description": "a & b"}
    assert "<script>" not in page({"info": told, "paths": {}, "components": {"schemas": {}}})

"""The example request of a model, asked of the real app by whichever route it is for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from contender.client.served import ExampleRefused, Served, ask
from tests.unit.serving.test_predict import ENTITY, RAW, client, store  # noqa: F401  fixtures

END = datetime(2013, 7, 1, tzinfo=UTC)


def asked(models: Path, example: dict[str, Any], url: str, patch: pytest.MonkeyPatch) -> str:
    """What the summary says of a model of whose folder there is nothing but the example."""
    (models / "sharer").mkdir()
    (models / "sharer" / "example_request.json").write_text(json.dumps(example))
    patch.setenv("CONTENDER_MODELS", str(models))
    return ask(Served("7", url), "sharer", END)


@pytest.mark.parametrize("example", [ENTITY, RAW], ids=["by entity, with its owner's request.py", "raw features"])
def test_example_is_asked_as_the_served_model_takes_it(
    client: httpx.Client,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    example: dict[str, Any],
) -> None:
    assert "→" in asked(tmp_path, example, str(client.base_url), monkeypatch)


def test_example_that_the_model_does_not_take_is_refused_with_its_words(
    client: httpx.Client,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ExampleRefused, match=r"422: .*RequestInvalid"):
        asked(tmp_path, {"origin": "JFK"}, str(client.base_url), monkeypatch)

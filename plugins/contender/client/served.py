"""A served model, asked over HTTP: whether it is ready, which version it is, and the example request."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import requests

from contender.core.errors import ContenderError, some
from contender.core.settings import settings

PREDICT, RAW, READY, ABOUT = "/predict", "/predict/raw", "/ready", "/about"
TIMEOUT_SECONDS = 10
LOOK_SECONDS = 2


class NoChampion(ContenderError):
    """There is no champion to serve."""


class ExampleRefused(ContenderError):
    """The served model answers the example request with an error."""


@dataclass(frozen=True)
class Served:
    """A champion that answers.

    Attributes:
        version: Its version in the registry.
        url: Where it answers, without a slash at its end.
        shown: The same as the user reaches it; `url` where that is the same.
    """

    version: str
    url: str
    shown: str = ""


def readiness(url: str) -> str:
    """What `/ready` says: status and answer, or why there is none."""
    try:
        answer = _get(url + READY)
    except requests.RequestException as error:
        return f"no answer: {error}"
    return f"{answer.status_code}: {answer.text[:500]}"


def served_version(url: str) -> str | None:
    """The version that answers at `url`, or `None` while none does."""
    try:
        answer = _get(url + ABOUT)
        return str(answer.json()["about"]["version"]) if answer.ok else None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return None


def example_request(model: str, interval_end: datetime) -> dict[str, Any] | None:
    """The request in `<models>/<model>/example_request.json`; `None` without the file.

    Its `{hour_after_interval}` becomes the time one hour after the interval just trained on, when the features in the
    online store are fresh.

    Args:
        model: The model's name.
        interval_end: End of that interval, UTC.
    """
    path = settings().models / model / "example_request.json"
    if not path.exists():
        return None
    moment = f"{interval_end + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    return dict(json.loads(path.read_text(encoding="utf-8").replace("{hour_after_interval}", moment)))


def predict(url: str, request: Mapping[str, Any], *, raw: bool = False) -> tuple[dict[str, Any], float]:
    """Ask the served model once more after a first, warming request.

    Args:
        url: Where it answers.
        request: What is asked: an entity, or, where `raw`, the features themselves.

    Returns:
        Its prediction, and how long it took in milliseconds.

    Raises:
        ExampleRefused: It answered with an error, or not at all.
    """
    route, body = (RAW, {"instances": [dict(request)]}) if raw else (PREDICT, {"requests": [dict(request)]})
    try:
        with _direct() as http:
            http.post(url + route, json=body, timeout=TIMEOUT_SECONDS)
            began = time.perf_counter()
            answer = http.post(url + route, json=body, timeout=TIMEOUT_SECONDS)
            took = (time.perf_counter() - began) * 1000
    except requests.RequestException as error:
        raise _refused(url, type(error).__name__) from error
    if not answer.ok:
        raise _refused(url, f"{answer.status_code}: {answer.text[:500]}")
    (found,) = answer.json()["predictions"]
    return (dict(found) if isinstance(found, dict) else {"prediction": found}), took


def _columns(url: str) -> set[str]:
    """Names of the served model's inputs: a request of just these is one of raw features, any other one by entity."""
    try:
        return {column["name"] for column in _get(url + ABOUT).json()["signature"]["columns"]}
    except requests.RequestException as error:
        raise _refused(url, type(error).__name__) from error


def ask(served: Served, model: str, interval_end: datetime) -> str:
    """Ask the champion the model's example request; the lines of the summary that tell of it."""
    lines = [f"  serving      version {served.version} at {served.shown or served.url}"]
    request = example_request(model, interval_end)
    if request is None:
        return "\n".join([*lines, f"  prediction   none asked: {model} has no example_request.json"])
    answer, took = predict(served.url, request, raw=set(request) == _columns(served.url))
    asked = ", ".join(f"{name} {value}" for name, value in request.items())
    answered = ", ".join(f"{name} {_short(value)}" for name, value in answer.items() if name != "features")
    without = [f"{why} {_short(names)}" for why, names in dict(answer.get("features") or {}).items() if names]
    answered += f", without features: {'; '.join(without)}" if without else ""
    return "\n".join([*lines, f"  prediction   {asked}", f"               → {answered} ({took:.1f} ms)"])


def _get(url: str) -> requests.Response:
    with _direct() as http:
        return http.get(url, timeout=LOOK_SECONDS)


def _direct() -> requests.Session:
    """A session that heeds no proxy: the platform is on this machine, or on its network."""
    session = requests.Session()
    session.trust_env = False
    return session


def _refused(url: str, got: str) -> ExampleRefused:
    return ExampleRefused(
        "the served model refused the example request",
        where=url + PREDICT,
        expected="200",
        got=got,
        next_step="compare <models>/<model>/example_request.json with request.py",
    )


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    return some(value) if isinstance(value, list) else str(value)

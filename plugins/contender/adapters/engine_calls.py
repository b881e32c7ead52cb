"""What the Docker engine's SDK raises, as the platform's errors."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import requests
import urllib3

from contender.core.errors import EngineUnavailable, ImageFailed

TAIL = 20  # lines of a log that an error shows
# What the SDK raises when the other end of the connection goes away.
GONE = (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)


@contextmanager
def calling(doing: str) -> Iterator[None]:
    """Turn what the SDK raises inside into the platform's errors."""
    try:
        yield
    except docker.errors.APIError as error:
        raise refused(doing, error) from error
    except (docker.errors.DockerException, *GONE) as error:
        raise gone(doing, error) from error


def gone(doing: str, reason: object) -> EngineUnavailable:
    """The error of an engine that went away."""
    return EngineUnavailable(
        f"the Docker engine went away while {doing}",
        where="DOCKER_HOST",
        expected="an engine that answers until the end",
        got=reason,
        next_step="start the engine and clear the task: nothing was tagged",
    )


def refused(doing: str, got: object) -> ImageFailed:
    """The error of an engine that does not do what it is asked."""
    return ImageFailed(
        "the engine did not do what serving the image needs",
        where=doing,
        expected="an image that is there, and a name that no other container has",
        got=got,
        next_step="mend what the engine says and clear the task",
    )

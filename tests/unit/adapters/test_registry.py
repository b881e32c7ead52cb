"""What the engine says of a registry, as errors: which are tried again, and none with the password."""

from __future__ import annotations

import pytest

from contender.adapters.registry import Registry, _familiar, _refused, pull, require_same
from contender.core.errors import RegistryRefused, RegistryUnreachable

REGISTRY = Registry("registry.example:5000/team", "robot", "s3cret/p@ss")
DIGEST = "sha256:" + "0" * 64
AWAY = (
    'Get "http://127.0.0.1:5000/v2/": dial tcp 127.0.0.1:5000: connect: connection refused',
    "Get https://registry.example/v2/: dial tcp: lookup registry.example: no such host",
    'Get "https://registry.example/v2/": net/http: request canceled (Client.Timeout exceeded while awaiting headers)',
    "net/http: TLS handshake timeout",
    "received unexpected HTTP status: 503 Service Unavailable",
    'Put "http://registry.example/v2/": EOF',
    "toomanyrequests: slow down",
)
NOT_SO = (
    "unauthorized: authentication required",
    "no basic auth credentials",
    "denied: requested access to the resource is denied",
    "manifest unknown: manifest unknown",
    "http: server gave HTTP response to HTTPS client",
    "x509: certificate signed by unknown authority",
)


@pytest.mark.parametrize("said", AWAY)
def test_registry_that_is_away_is_unreachable_which_is_tried_again(said: str) -> None:
    assert isinstance(_refused(REGISTRY, "pushing", said), RegistryUnreachable)


@pytest.mark.parametrize("said", NOT_SO)
def test_registry_that_says_no_refuses_which_is_not_tried_again(said: str) -> None:
    error = _refused(REGISTRY, "pushing", said)
    assert isinstance(error, RegistryRefused)
    assert said in str(error)
    assert "for robot to push" in str(error)


def test_password_stands_in_no_error_and_not_in_the_text_of_the_registry_itself() -> None:
    repeated = _refused(REGISTRY, "pushing", f"cannot log in as robot:{REGISTRY.password}")
    assert REGISTRY.password not in str(repeated)
    assert "robot:***" in str(repeated)
    assert REGISTRY.password not in repr(REGISTRY)


@pytest.mark.parametrize(
    "pushed",
    [f"evil.example/contender/toy@{DIGEST}", f"registry.example:5000/teams/toy@{DIGEST}",
     "registry.example:5000/team/a:1", f"registry.example:5000/team@{DIGEST}"],
)  # fmt: skip
def test_pull_of_what_lies_elsewhere_or_has_no_digest_is_refused_before_anybody_is_asked(pushed: str) -> None:
    with pytest.raises(RegistryRefused, match="does not lie in the registry"):
        pull(None, pushed, REGISTRY)


@pytest.mark.parametrize(
    ("pushed", "listed"),
    [("docker.io/team/toy@d", "team/toy@d"), ("index.docker.io/team/toy@d", "team/toy@d"),
     ("docker.io/library/toy@d", "toy@d"), ("library/toy@d", "toy@d"), ("r.example:5000/toy@d", "r.example:5000/toy@d"),
     ("r.example/library/toy@d", "r.example/library/toy@d"), ("docker.io.example/toy@d", "docker.io.example/toy@d")],
)  # fmt: skip
def test_name_is_looked_for_as_the_engine_lists_it(pushed: str, listed: str) -> None:
    assert _familiar(pushed) == _familiar(listed) == listed


def test_require_same_refuses_another_image() -> None:
    require_same(DIGEST, DIGEST, "r@d")
    with pytest.raises(RegistryRefused, match=r"another image than the one that was proven.*got: sha256:1"):
        require_same("sha256:1", DIGEST, "r@d")

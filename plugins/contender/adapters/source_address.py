"""Addresses of sources, and the secrets in them, which no file and no message may have."""

from __future__ import annotations

from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from contender.core.source import SECRET

HIDDEN = "***"


def passwords(url: str) -> list[str]:
    """The passwords in an address, as they are and as they are written there."""
    parsed = _parsed(url)
    if parsed is None:
        return []
    given = [parsed.password, *(value for name, value in parsed.query.items() if name.lower() in SECRET)]
    found = [str(one) for one in given if one]
    return [*found, *(written for one in found if (written := quote(one, safe="")) != one)]


def shown(url: str) -> str:
    """The address without its passwords."""
    parsed = _parsed(url)
    if parsed is None or not passwords(url):
        return url
    query = {name: HIDDEN if name.lower() in SECRET else value for name, value in parsed.query.items()}
    return parsed.set(query=query).render_as_string(hide_password=True).replace(quote(HIDDEN, safe=""), HIDDEN)


def hidden(text: str, url: str) -> str:
    """A message about an address without the address's passwords."""
    text = text.replace(url, shown(url))
    for secret in passwords(url):
        text = text.replace(secret, HIDDEN)
    return text


def _parsed(url: str) -> URL | None:
    try:
        return make_url(url) if "://" in url else None
    except ArgumentError:
        return None

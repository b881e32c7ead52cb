"""Text of people and of data inside Markdown, as the model card and the request for approval have it."""

from __future__ import annotations

import re

# Characters that mean something in Markdown. `_` and `-` inside words mean nothing and stay readable.
MARKS = re.compile(r"([\\`*\[\]{}()#+!|~$])")


def plain(value: object) -> str:
    """Text that is nothing but text in Markdown, on one line."""
    line = " ".join(str(value).split())
    return MARKS.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code(value: object) -> str:
    """Text as code."""
    line = " ".join(str(value).split())
    return "`" + line.replace("`", "'") + "`"

"""How the serving image starts the app: `CMD` of its recipe, so that a bench starts it, and the limit, no other way."""

from __future__ import annotations

import json
import re

from contender.stages.image import RECIPE

APP, FACTORY = "contender.serving.app:app_from_env", "--factory"


def image_command(port: int, python: str, *, app: str = "") -> list[str]:
    """The command of the image on another port of the loopback interface.

    Args:
        port: Where it is to listen.
        python: The interpreter.
        app: Another app in the place of Contender's, which is no factory.
    """
    text = (RECIPE / "Dockerfile").read_text(encoding="utf-8")
    found = re.findall(r"(?ms)^CMD (\[.*?\])$", text)[-1]
    words: list[str] = json.loads(found.replace("\\\n", ""))
    words[0] = python
    words[words.index("--host") + 1] = "127.0.0.1"
    words[words.index("--port") + 1] = str(port)
    if app:
        words[words.index(APP)] = app
        words.remove(FACTORY)
    return words

"""A page taken apart, and what a well-formed page without anything outside itself looks like."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "br", "link", "img", "input", "hr"}
LOADING = {"src", "srcset", "href", "xlink:href", "action", "poster", "data", "background"}


class Page(HTMLParser):
    """The page's elements and text; every element that was opened must be closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[tuple[str, str]] = []
        self.problems: list[str] = []
        self.feed(html)
        self.close()
        self.problems += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes what is not open, line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open:
            self.texts.append((self.open[-1], " ".join(data.split())))

    @property
    def text(self) -> str:
        """What a reader sees, style sheet and names of figures aside."""
        return " ".join(text for tag, text in self.texts if tag not in {"style", "title", "desc"})

    def within(self, tag: str) -> list[str]:
        """The texts directly in elements of a tag."""
        return [text for found, text in self.texts if found == tag]

    def repeated_ids(self) -> list[str]:
        """Ids that more than one element bears."""
        counted = Counter(attributes["id"] for _, attributes in self.elements if "id" in attributes)
        return [name for name, count in counted.items() if count > 1]

    def loads(self) -> list[str]:
        """Everything that a browser would have to fetch, or run."""
        found = [f"<{tag}>" for tag, _ in self.elements if tag in {"script", "iframe", "object", "embed", "link"}]
        for tag, attributes in self.elements:
            for name, value in attributes.items():
                if name in LOADING and not str(value).startswith("#"):
                    found.append(f"{tag} {name}={value}")
                if name.startswith("on"):
                    found.append(f"{tag} {name}")
                found += [f"{tag} url({to})" for to in re.findall(r"url\(([^)]*)\)", str(value)) if to[:1] != "#"]
        style = " ".join(text for tag, text in self.texts if tag == "style")
        return found + re.findall(r"@import|url\(", style)

    def dangling(self) -> list[str]:
        """References inside the page to ids that nothing bears."""
        ids = {attributes.get("id") for _, attributes in self.elements}
        referred: list[str] = []
        for _, attributes in self.elements:
            referred += re.findall(r"url\(#([^)]*)\)", " ".join(map(str, attributes.values())))
            referred += [str(attributes["href"])[1:]] if "href" in attributes else []
            referred += str(attributes.get("aria-labelledby", "")).split()
        return [name for name in referred if name not in ids]

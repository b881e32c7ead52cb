"""How the report's figures are drawn: one style, and SVG that stands inside a page as it stands alone.

Nothing is told by colour alone: the two models differ in line, marker and hatch, which also survive a printer. All
colours have a contrast of at least 4.5 to white. The same facts give the same bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1a1f24", "#4a5560", "#d0d6dc"
# How each of the two models is drawn, whatever the figure.
LINES: dict[str, dict[str, Any]] = {
    "challenger": {"color": "#0b4f9e", "linestyle": "-", "marker": "o"},
    "champion": {"color": "#9c4a00", "linestyle": (0, (4, 2)), "marker": "s"},
}
BARS: dict[str, dict[str, Any]] = {
    "challenger": {"edgecolor": "#0b4f9e", "facecolor": "none", "hatch": "////"},
    "champion": {"edgecolor": "#9c4a00", "facecolor": "none", "hatch": "\\\\\\\\"},
}
WIDTH = 7.6  # inches; the page stretches a figure to its column
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "contender",
    "text.parse_math": False,  # a `$` in a slice's name is a dollar
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Drawing:
    """One figure of the report.

    Attributes:
        name: Stem of its file; no two figures of a report share one.
        title: What it is, for those who hear the page.
        words: What it shows, in words.
        svg: Its picture, an SVG element without anything outside itself.
    """

    name: str
    title: str
    words: str
    svg: str


def drawn(name: str, title: str, words: str, *, height: float, draw: Callable[[Figure], None]) -> Drawing:
    """Draw a figure.

    Args:
        name, title, words: See `Drawing`.
        height: In inches.
        draw: Fills the empty figure.
    """
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The reader's fonts draw the text; which glyphs the one has that measures it does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)  # no window system, no global state: tasks share a forked process's modules
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Drawing(name=name, title=title, words=words, svg=_standing_alone(out.getvalue(), name, title, words))


def _standing_alone(svg: str, name: str, title: str, words: str) -> str:
    """Make matplotlib's file an element of a page: named for those who hear it, ids of its own, no style sheet.

    Styles become attributes, so that a page's content security policy need not allow them.
    """
    ET.register_namespace("", SVG)
    root = ET.fromstring(svg)  # noqa: S314  matplotlib's own
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}style", f"{{{SVG}}}metadata"}:
                parent.remove(child)
    referred = set(re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', svg))
    kept = {either for pair in referred for either in pair if either}
    for element in root.iter():
        _rename(element, name, kept)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-words", "font-family": FONTS}
    root.attrib |= {"stroke-linejoin": "round"}
    for place, (tag, text) in enumerate((("title", title), ("words", words))):
        element = ET.Element(f"{{{SVG}}}{'title' if tag == 'title' else 'desc'}", {"id": f"{name}-{tag}"})
        element.text = text
        root.insert(place, element)
    return re.sub(r"\s*\n\s*", "\n", ET.tostring(root, encoding="unicode"))


def _rename(element: ET.Element, name: str, kept: set[str]) -> None:
    """Give the ids that are referred to the figure's name, drop the others, and turn the style into attributes."""
    attributes = element.attrib
    identity = attributes.pop("id", "")
    if identity in kept:
        attributes["id"] = f"{name}-{identity}"
    if target := attributes.pop(XLINK, ""):
        attributes["href"] = f"#{name}-{target.removeprefix('#')}"
    for declaration in filter(str.strip, attributes.pop("style", "").split(";")):
        key, _, value = declaration.partition(":")
        if key.strip() != "font-family":
            attributes[key.strip()] = value.strip()
    for key, value in attributes.items():
        attributes[key] = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", value)

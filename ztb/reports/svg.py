"""The few SVG elements that our pictures are made of.

The rule: everything that came from outside is escaped, and a picture refers to nothing outside itself. Looks are
attributes and not a style sheet, because inside a page a style sheet would reach the whole page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from ztb.core.error import InvariantBroken

_CONTROL: Final = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold at all, escaped or not, and the control characters from 0x7f to 0x9f."""

_NAMESPACE: Final = "{http://www.w3.org/2000/svg}"
_ELEMENTS: Final = frozenset({"svg", "title", "desc", "g", "rect", "line", "path", "text"})
_ATTRIBUTE_BANNED: Final = re.compile(r"^on|href$|^style$|^src$", re.IGNORECASE)


def text_escaped(text: str) -> str:
    """``text`` as XML or HTML text; characters that neither can hold become the replacement character."""
    return escape(_CONTROL.sub("\ufffd", text), {'"': "&quot;", "'": "&#39;"})


def printable(text: str) -> str:
    """``text`` on one line, without characters that could steer a terminal."""
    return _CONTROL.sub("\ufffd", " ".join(text.split()))


def element(name: str, attributes: dict[str, str | float], inner: Iterable[str] = ()) -> str:
    """One element; ``inner`` is markup already. A number is written with at most one decimal."""
    told = "".join(f" {key}={quoteattr(_value(value))}" for key, value in attributes.items())
    content = "".join(inner)
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def label(x: float, y: float, text: str, **attributes: str | float) -> str:
    """A line of text; an underscore in an attribute's name stands for a hyphen."""
    named: dict[str, str | float] = {"x": x, "y": y}
    named |= {key.replace("_", "-"): value for key, value in attributes.items()}
    return element("text", named, [text_escaped(text)])


def path(points: Sequence[tuple[float, float]]) -> str:
    """Path data through ``points``; stretches on one height are drawn as one line."""
    kept = [
        point
        for at, point in enumerate(points)
        if not 0 < at < len(points) - 1 or not points[at - 1][1] == point[1] == points[at + 1][1]
    ]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in kept) if kept else ""


def checked_svg(markup: str) -> str:
    """``markup`` when it may stand inside a page; InvariantBroken when it could do or load anything."""
    if "<!" in markup:
        raise InvariantBroken("a chart declares a document type, a comment or raw text")
    try:
        root = ElementTree.fromstring(markup)
    except ElementTree.ParseError as error:
        raise InvariantBroken(f"a chart is not well-formed XML: {error}") from None
    for node in root.iter():
        name = node.tag.removeprefix(_NAMESPACE)
        if name not in _ELEMENTS:
            raise InvariantBroken(f"a chart contains the element {node.tag}")
        for key, value in node.attrib.items():
            if _ATTRIBUTE_BANNED.search(key.rpartition("}")[2]) or "url(" in value or "javascript:" in value:
                raise InvariantBroken(f"a chart contains the attribute {key} of {name}")
    if root.tag != _NAMESPACE + "svg":
        raise InvariantBroken(f"a chart is the element {root.tag}, not svg")
    return markup


def _value(value: str | float) -> str:
    return _CONTROL.sub("\ufffd", value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")

"""Colour for people: states, and nothing else, and on a terminal only.

A state is always a word and a glyph as well, so that nobody needs the colour (two of twelve men do not see red and
green apart). ``NO_COLOR`` in the environment switches it off.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

MARKS: Final[dict[str, str]] = {
    "OK": "OK ●", "WARN": "WARN ▲", "CRIT": "CRIT ✖", "UNKNOWN": "UNKNOWN ◌", "STALE": "STALE ◌", "HOLD": "HOLD ◐",
}  # fmt: skip
"""The state as word and glyph."""

_SGR: Final[dict[str, str]] = {
    "OK": "34", "WARN": "33", "CRIT": "1;31", "UNKNOWN": "2", "STALE": "2", "HOLD": "33",
}  # fmt: skip
_MARK: Final = re.compile("|".join(re.escape(mark) for mark in MARKS.values()))


def painted(text: str) -> str:
    """Every mark in its colour."""
    return _MARK.sub(lambda found: f"\x1b[{_SGR[found.group().split()[0]]}m{found.group()}\x1b[0m", text)


def wants_colour() -> bool:
    """Standard output is a terminal, and nobody said no."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def speaks_unicode() -> bool:
    """Whether standard output takes the glyphs; bars are drawn with letters where it does not."""
    encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
    return encoding in ("utf8", "utf16", "utf32")

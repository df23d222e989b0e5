"""At which line of a TOML text each key stands. tomllib reads the values but forgets their places.

The text has passed tomllib before, so this scanner trusts its syntax and only follows it: headers, keys, and values
that span lines. A key inside an inline table stands at the line of the table.
"""

from __future__ import annotations

import re
from typing import Final

Key = tuple[str, ...]
"""The names of tables and of a key in them, from the outside in."""

_KEY_PART: Final = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*""")
_QUOTES: Final = ('"""', "'''", '"', "'")


def key_lines(text: str) -> dict[Key, int]:
    """Line number (from 1) of each table header and key, by the full key."""
    lines = text.split("\n")
    places: dict[Key, int] = {}
    table: Key = ()
    index = 0
    while index < len(lines):
        start = index
        line = lines[index].lstrip()
        index += 1
        if not line or line.startswith("#") or line == "\r":
            continue
        if line.startswith("["):
            table, _ = _key(line.lstrip("["))
            places.setdefault(table, start + 1)
            continue
        key, end = _key(line)
        for length in range(1, len(key) + 1):
            places.setdefault(table + key[:length], start + 1)
        rest = line[end + 1 :]  # after the equals sign
        while _is_open(rest) and index < len(lines):
            rest += "\n" + lines[index]
            index += 1
    return places


def line_of(places: dict[Key, int], key: Key) -> int:
    """Line of ``key``, or of the closest thing around it; 0 when there is none."""
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return places[key[:length]]
    return 0


def _key(text: str) -> tuple[Key, int]:
    """The dotted key at the beginning of ``text``, and where it ends."""
    parts: list[str] = []
    position = 0
    while match := _KEY_PART.match(text, position):
        parts.append(next(part for part in match.groups() if part is not None))
        position = match.end()
        if text[position : position + 1] != ".":
            break
        position += 1
    return tuple(parts), position


def _is_open(value: str) -> bool:
    """True while a string or an array that begins in ``value`` has not ended."""
    depth = 0
    position = 0
    while position < len(value):
        quote = next((quote for quote in _QUOTES if value.startswith(quote, position)), None)
        if quote is not None:
            end = _string_end(value, position + len(quote), quote)
            if end < 0:
                return len(quote) == 3
            position = end
        elif value[position] == "#":
            end = value.find("\n", position)
            position = len(value) if end < 0 else end
        else:
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(value[position], 0)
            position += 1
    return depth > 0


def _string_end(value: str, position: int, quote: str) -> int:
    """Where the string that is ended by ``quote`` is over, or -1."""
    while position < len(value):
        if value[position] == "\\" and quote[0] == '"':
            position += 2
        elif value.startswith(quote, position):
            position += len(quote)
            # up to two more quotation marks may belong to the text before the closing three
            while len(quote) == 3 and value[position : position + 1] == quote[0]:
                position += 1
            return position
        else:
            position += 1
    return -1

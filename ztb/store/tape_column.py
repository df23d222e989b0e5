"""Columns of a tape's block: integers in the narrowest width that holds them, and short texts.

A column is ``code (1 byte), form (1 byte), count (u32), base (i64), data``. Code: b, h, i, q for 1, 2, 4, 8 bytes,
little-endian and signed; form 0: the values minus ``base``; form 1: ``base``, then each value minus the one before.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise, repeat
from typing import Final

_HEAD: Final = struct.Struct("<cBIq")
_CODES: Final = (("b", 1 << 7), ("h", 1 << 15), ("i", 1 << 31), ("q", 1 << 63))
_WIDTHS: Final = {b"b": 1, b"h": 2, b"i": 4, b"q": 8}
_PLAIN: Final = 0
_DELTA: Final = 1

assert all(array(code.decode()).itemsize == width for code, width in _WIDTHS.items()), "a platform without these widths"

TEXT_BYTES_MAX: Final = 255

_EMPTY_TEXTS: Final = b"0"
_NUMBER_TEXTS: Final = b"n"
_FREE_TEXTS: Final = b"t"
_DIGITS_MAX: Final = 18
"""Longer numbers do not fit 64 bits for certain."""


def pack_integers(values: Sequence[int], *, delta: bool = False) -> bytes:
    """One column; ``delta`` for values that are near the one before."""
    if not values:
        return _HEAD.pack(b"b", _PLAIN, 0, 0)
    if delta:
        base = values[0]
        steps = [0, *(after - before for before, after in pairwise(values))]
        return _pack(steps, _DELTA, base)
    return _pack(values, _PLAIN, 0)


def _pack(values: Sequence[int], form: int, base: int) -> bytes:
    lowest, highest = min(values), max(values)
    code = next(code for code, bound in _CODES if -bound <= lowest and highest < bound)
    column = array(code, values)
    if sys.byteorder == "big":
        column.byteswap()
    return _HEAD.pack(code.encode(), form, len(values), base) + column.tobytes()


def pack_texts(texts: Sequence[str]) -> bytes:
    """One column; all empty and all whole numbers (most venues' trade ids) take little room."""
    if not any(texts):
        return _EMPTY_TEXTS
    if all(map(_is_number, texts)):
        return _NUMBER_TEXTS + pack_integers(list(map(int, texts)), delta=True)
    encoded = [text.encode() for text in texts]
    return _FREE_TEXTS + pack_integers(list(map(len, encoded))) + b"".join(encoded)


def _is_number(text: str) -> bool:
    """True when ``str(int(text)) == text``."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and (text[0] != "0" or text == "0")


class Cursor:
    """Reads columns one after another; ValueError when they are not what the packers write."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._offset = 0

    def _take(self, size: int) -> memoryview:
        taken = self._data[self._offset : self._offset + size]
        if len(taken) != size:
            raise ValueError("a column is longer than its block")
        self._offset += size
        return taken

    def integers(self, count: int) -> Sequence[int]:
        """The next column, which must have ``count`` values."""
        code, form, stored, base = _HEAD.unpack(self._take(_HEAD.size))
        if stored != count or code not in _WIDTHS or form not in (_PLAIN, _DELTA):
            raise ValueError("a column with a wrong head")
        column = array(code.decode())
        column.frombytes(self._take(count * _WIDTHS[code]))
        if sys.byteorder == "big":
            column.byteswap()
        if form == _DELTA:
            values = list(accumulate(column, initial=base))
            del values[0]
            return values
        return column if base == 0 else [value + base for value in column]

    def texts(self, count: int) -> Iterable[str]:
        """The next column of texts."""
        form = bytes(self._take(1))
        if form == _EMPTY_TEXTS:
            return repeat("", count)
        if form == _NUMBER_TEXTS:
            return map(str, self.integers(count))
        if form != _FREE_TEXTS:
            raise ValueError("a column of texts with a wrong head")
        sizes = self.integers(count)
        if count and not 0 <= min(sizes) <= max(sizes) <= TEXT_BYTES_MAX:
            raise ValueError(f"a text longer than {TEXT_BYTES_MAX} bytes")
        return [str(self._take(size), "utf-8") for size in sizes]

    def expect_end(self) -> None:
        """ValueError when something is left."""
        if self._offset != len(self._data):
            raise ValueError(f"{len(self._data) - self._offset} bytes are left over")

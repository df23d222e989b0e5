"""Trades from CSV: ``ts_ns,price,qty,side`` with that header, optionally ``,trade_id`` at the end.

The rule: every value of every row is checked (a positive time; a positive finite price and size on the instrument's
grid; side b, s, buy or sell), and amounts are exact: no float. It is fast because a chunk of rows is taken apart
column by column, and because a price or size that was seen lately is not computed again; a chunk with anything
unusual in it is read again row by row, which finds the row and the reason.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain, repeat
from pathlib import Path
from typing import Final

from ztb.core.error import AmountError, TapeError
from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import Grid, decimal_from_text
from ztb.store.tape_block import VALUE_MAX
from ztb.store.tape_import import LINE_BYTES_MAX, Advance, Tally, UnusableRow, damaged_gzip, open_input

COLUMNS: Final = ("ts_ns", "price", "qty", "side")
OPTIONAL_COLUMN: Final = "trade_id"
CHUNK_BYTES: Final = 1 << 15
"""Measured: what stays in the processor's cache is read a quarter faster than 256 KiB at a time."""
MEMO_ENTRIES_MAX: Final = 1 << 16
"""Of distinct texts; then the memo starts anew, so that a hostile file cannot fill the memory."""

SIDES: Final = {"b": BUY, "s": SELL, "buy": BUY, "sell": SELL, "BUY": BUY, "SELL": SELL}

_AMOUNT: Final = re.compile(r"[0-9.eE+-]+")
_TIME: Final = re.compile(r"[0-9]{1,19}")
_TRADE_ID_LENGTH_MAX: Final = 255


class _Memo(dict[str, int]):
    """Text of an amount to its grid steps; computes what it does not know."""

    def __init__(self, grid: Grid, name: str) -> None:
        super().__init__()
        self._grid = grid
        self._name = name

    def __missing__(self, text: str) -> int:
        if not _AMOUNT.fullmatch(text):
            raise UnusableRow(f"{self._name}_not_a_number", repr(text[:40]))
        try:
            value: Decimal = decimal_from_text(text)
        except AmountError as error:
            raise UnusableRow(f"{self._name}_not_a_number", str(error)) from None
        if value <= 0:
            raise UnusableRow(f"{self._name}_not_positive", text)
        try:
            steps = self._grid.exact(value)
        except (AmountError, ArithmeticError):
            raise UnusableRow(f"{self._name}_off_the_grid", f"{text} is not a multiple of {self._grid.step}") from None
        if steps >= VALUE_MAX:
            raise UnusableRow(f"{self._name}_too_large", text)
        if len(self) >= MEMO_ENTRIES_MAX:
            self.clear()
        self[text] = steps
        return steps


class _Rows:
    """Turns text into trades of one instrument."""

    def __init__(self, instrument: Instrument, width: int) -> None:
        self._symbol = instrument.symbol
        self._width = width
        self._prices = _Memo(instrument.prices, "price")
        self._sizes = _Memo(instrument.sizes, "size")

    def trades(self, chunk: str) -> list[Trade] | None:
        """All rows of ``chunk`` (whole lines), or None when at least one needs a closer look."""
        # The line ends stay in the text, in front of the time. As each of the other columns refuses a line end,
        # equal numbers of fields and rows prove that every row has exactly its columns.
        fields = chunk[:-1].replace("\n", ",\n").split(",")
        width = self._width
        if len(fields) != width * chunk.count("\n"):
            return None
        times_text = fields[0::width]
        if not "".join(times_text).replace("\n", "").isdigit() or not chunk.isascii():
            return None
        try:
            times = list(map(int, times_text))
            if min(times) <= 0 or max(times) >= VALUE_MAX:
                return None
            prices = map(self._prices.__getitem__, fields[1::width])
            lots = map(self._sizes.__getitem__, fields[2::width])
            sides = map(SIDES.__getitem__, fields[3::width])
            if width == len(COLUMNS):
                return list(map(Trade, times, repeat(self._symbol), prices, lots, sides))
            ids = fields[4::width]
            if max(map(len, ids)) > _TRADE_ID_LENGTH_MAX or "\n" in "".join(ids):
                return None
            return list(map(Trade, times, repeat(self._symbol), prices, lots, sides, repeat(0), ids))
        except (ValueError, KeyError, UnusableRow):
            return None

    def trade(self, line: str) -> Trade:
        """One row; UnusableRow says what is wrong with it."""
        if not line:
            raise UnusableRow("blank_line")
        fields = line.split(",")
        if len(fields) != self._width:
            raise UnusableRow("wrong_number_of_fields", f"{len(fields)} instead of {self._width}")
        time_text, price, size, side = fields[:4]
        if time_text in ("", "0"):
            raise UnusableRow("blank_time")
        if not _TIME.fullmatch(time_text) or not 0 < int(time_text) < VALUE_MAX:
            raise UnusableRow("time_not_nanoseconds", repr(time_text[:40]))
        if side not in SIDES:
            raise UnusableRow("unknown_side", repr(side[:40]))
        trade_id = fields[4] if self._width > 4 else ""
        if len(trade_id) > _TRADE_ID_LENGTH_MAX or not trade_id.isascii():
            raise UnusableRow("bad_trade_id", repr(trade_id[:40]))
        return Trade(int(time_text), self._symbol, self._prices[price], self._sizes[size], SIDES[side], 0, trade_id)


def read_trades(path: Path, instrument: Instrument, *, advance: Advance | None = None) -> Iterator[Trade]:
    """Every row of the file in its order; TapeError names file, line and remedy of the first bad one."""
    return chain.from_iterable(_read(path, instrument, None, advance))


def import_trades(
    path: Path, instrument: Instrument, tally: Tally, *, advance: Advance | None = None
) -> Iterator[Trade]:
    """Every usable row; the others are counted in ``tally`` as ``unused.REASON``."""
    return chain.from_iterable(_read(path, instrument, tally, advance))


def _read(
    path: Path, instrument: Instrument, tally: Tally | None, advance: Advance | None
) -> Iterator[Iterable[Trade]]:
    rows: _Rows | None = None
    line = 1
    for chunk in _chunks(path, advance):
        if rows is None:
            header, _, chunk = chunk.partition("\n")
            rows = _Rows(instrument, _width(path, header))
            line = 2
            if not chunk:
                continue
        trades = rows.trades(chunk)
        yield trades if trades is not None else _row_by_row(rows, chunk, f"{path}", line, tally)
        line += chunk.count("\n")
    if rows is None:
        raise TapeError(f"{path}: the file is empty", remedy=f"its first line must be {','.join(COLUMNS)}")


def _row_by_row(rows: _Rows, chunk: str, path: str, first: int, tally: Tally | None) -> Iterator[Trade]:
    for number, text in enumerate(chunk[:-1].split("\n"), first):
        try:
            yield rows.trade(text)
        except UnusableRow as error:
            if tally is None:
                remedy = "correct or remove the row; `ztb tape import` counts such rows and leaves them out"
                raise TapeError(f"{path}:{number}: {error}", remedy=remedy) from None
            tally.add(f"unused.{error.reason}", f"{path}:{number}")


def _width(path: Path, header: str) -> int:
    names = tuple(header.lstrip("﻿").strip().split(","))
    if names not in (COLUMNS, (*COLUMNS, OPTIONAL_COLUMN)):
        what = f"{path}:1: the header is {header[:80]!r}"
        raise TapeError(what, remedy=f"it must be {','.join(COLUMNS)}, with or without ,{OPTIONAL_COLUMN}")
    return len(names)


def _chunks(path: Path, advance: Advance | None) -> Iterator[str]:
    """Text of whole lines, each ended by a line feed."""
    source, below = open_input(path)
    rest = b""
    line = 0
    shown = 0
    with below, source:
        try:
            while data := source.read(CHUNK_BYTES):
                head, feed, tail = (rest + data).rpartition(b"\n")
                rest = tail
                if len(rest) > LINE_BYTES_MAX:
                    raise TapeError(f"{path}:{line + 1}: a line longer than {LINE_BYTES_MAX} bytes")
                if feed:
                    line += head.count(b"\n") + 1
                    yield _text(head + feed)
                if advance is not None:
                    advance(below.tell() - shown)
                    shown = below.tell()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise damaged_gzip(path, line, error) from None
    if rest:
        yield _text(rest + b"\n")


def _text(data: bytes) -> str:
    """Bytes that are no UTF-8 become visible marks, which no column accepts."""
    return data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")

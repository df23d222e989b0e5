"""The fills of a paper account on disk: what makes it one account over restarts.

One line of JSON for each fill, on disk before anybody is told of it, so that balances and positions are always the
configured ones plus every fill. Orders are not kept: the book of a new session is empty, and what worked in the last
one is gone, as if the venue had cancelled it. A line that a crash cut short was never told, and is dropped.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from ztb.core.error import AmountError, StoreCorrupt, StoreError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.paper.rules import FILLS_MAX
from ztb.venues.port import VenueFill

NAME: Final = "paper-fills.jsonl"
VERSION: Final = 1
FILE_BYTES_MAX: Final = FILLS_MAX * 1024
_REMEDY: Final = "move the file away: the paper account then begins anew with its configured balances"


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """The first line: which market the fills were made upon."""

    version: int
    venue: str


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One fill. Amounts are texts in units of their currencies, so that they outlive a change of the venue's steps."""

    trade_id: str
    tag: str
    venue_order_id: str
    instrument: str
    side: int
    price: str
    size: str
    fee: str
    maker: bool
    closes: bool
    ts_ns: int


class FillsFile:
    """Append only. One process at a time: its directory is locked by whoever hands it in."""

    def __init__(self, directory: Path, *, venue: str) -> None:
        """Opens or makes the file. StoreCorrupt when it is not one of this market, StoreError when the disk refuses."""
        self.path = directory / NAME
        self._file = -1
        try:
            data = self.path.read_bytes() if self.path.exists() else b""
            whole = data[: data.rfind(b"\n") + 1]
            self.lines = self._read(whole, venue)
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.ftruncate(self._file, len(whole))
            if not whole:
                self._write(msgspec.json.encode(Header(VERSION, venue)))
        except OSError as error:
            self.close()
            raise StoreError(f"{self.path}: {error.strerror}", remedy="check the state directory") from None

    def append(self, lines: list[Line]) -> None:
        """On disk when this returns; StoreError when the disk refuses: then the fill did not happen."""
        try:
            self._write(b"\n".join(msgspec.json.encode(line) for line in lines))
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}", remedy="make room on the disk") from None
        self.lines += lines

    def close(self) -> None:
        """Nothing more will be written."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, text: bytes) -> None:
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, text + b"\n") != len(text) + 1:
                raise OSError(0, "the disk took only a part of a line")
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _read(self, data: bytes, venue: str) -> list[Line]:
        lines = data.splitlines()
        if len(data) > FILE_BYTES_MAX or len(lines) > FILLS_MAX + 1:
            raise StoreCorrupt(f"{self.path}: more than {FILLS_MAX} fills", remedy=_REMEDY)
        if not lines:
            return []
        place = f"{self.path}: line 1"
        try:
            header = msgspec.json.decode(lines[0], type=Header)
            if header != Header(VERSION, venue):
                raise StoreCorrupt(
                    f"{place}: version {header.version} of {header.venue}, not {VERSION} of {venue}", remedy=_REMEDY
                )
            found = []
            for number, text in enumerate(lines[1:], start=2):
                place = f"{self.path}: line {number}"
                found.append(msgspec.json.decode(text, type=Line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreCorrupt(f"{place}: {error}", remedy=_REMEDY) from None
        return found


def line_of(fill: VenueFill, instrument: Instrument, *, closes: bool) -> Line:
    """The fill as it is written."""
    return Line(
        trade_id=fill.trade_id,
        tag=fill.tag,
        venue_order_id=fill.venue_order_id,
        instrument=fill.instrument,
        side=fill.side,
        price=instrument.prices.text(fill.price),
        size=instrument.sizes.text(fill.lots),
        fee=f"{fill.fee:f}",
        maker=fill.maker,
        closes=closes,
        ts_ns=fill.venue_ns,
    )


def fill_of(line: Line, instrument: Instrument, path: Path) -> VenueFill:
    """The fill that was written; StoreCorrupt when it is no amount of the instrument."""
    try:
        price, lots = instrument.prices.parse(line.price), instrument.sizes.parse(line.size)
        instrument.money.parse(line.fee)
        if line.side not in (BUY, SELL) or price <= 0 or lots <= 0:
            raise AmountError(f"side {line.side}, price {line.price}, size {line.size}")
    except AmountError as error:
        raise StoreCorrupt(f"{path}: fill {line.trade_id[:40]}: {error.message}", remedy=_REMEDY) from None
    return VenueFill(
        line.trade_id,
        line.tag,
        line.venue_order_id,
        line.instrument,
        line.side,
        price,
        lots,
        Decimal(line.fee),
        line.maker,
        line.ts_ns,
    )

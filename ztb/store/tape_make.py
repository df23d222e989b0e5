"""From recorded files to events and to a tape: which importer reads what, and what the tape says about it.

The rule: the same files and the same plan give the same bytes, on any machine and at any time.
"""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Final

from ztb.core.error import TapeError, UsageError
from ztb.core.event import Market
from ztb.core.instrument import Instrument
from ztb.store.tape_binance import BinanceImporter, Thinning, read_messages
from ztb.store.tape_format import MAGIC, Counts, Span
from ztb.store.tape_import import Advance, Tally, input_file, open_input, repaired
from ztb.store.tape_meta import Conversion, TapeMeta
from ztb.store.tape_scale import PRICE_RULE, SIZE_RULE, Scale
from ztb.store.tape_trades_csv import COLUMNS, import_trades
from ztb.store.tape_writer import LEVEL_DEFAULT, TapeWriter

BINANCE_JSONL: Final = "binance-jsonl"
TRADES_CSV: Final = "trades-csv"
TAPE: Final = "tape"
INPUT_FORMATS: Final = (BINANCE_JSONL, TRADES_CSV)

NOTHING_LEFT_OUT: Final = Thinning()


@dataclass(frozen=True)
class Recording:
    """Files of one instrument that continue each other, and how to read them."""

    files: tuple[Path, ...]
    format: str
    instrument: Instrument
    source_symbol: str = ""
    rate: Decimal | None = None
    thinning: Thinning = NOTHING_LEFT_OUT
    repair: bool = False

    def events(self, tally: Tally, *, advance: Advance | None = None) -> Iterator[Market]:
        """Every usable row as events; the rest is in ``tally``."""
        events = self._events(tally, advance)
        return repaired(events, tally) if self.repair else events

    def _events(self, tally: Tally, advance: Advance | None) -> Iterator[Market]:
        if self.format == TRADES_CSV:
            trades = [import_trades(path, self.instrument, tally, advance=advance) for path in self.files]
            return trades[0] if len(trades) == 1 else heapq.merge(*trades, key=attrgetter("ts_ns"))
        assert self.format == BINANCE_JSONL, self.format
        scale = Scale(self.instrument, self.rate)
        importer = BinanceImporter(self.instrument, self.source_symbol, tally, scale=scale, thinning=self.thinning)
        return importer.events(read_messages(self.files, tally, advance=advance))


@dataclass(frozen=True)
class Texts:
    """What people write about a recording."""

    source: str = ""
    licence: str = ""
    attribution: str = ""
    notes: str = ""


@dataclass(frozen=True)
class MadeTape:
    """What came out."""

    counts: Counts
    span: Span
    sha256: str


def make_tape(
    out: Path,
    recording: Recording,
    texts: Texts,
    tally: Tally,
    *,
    level: int = LEVEL_DEFAULT,
    advance: Advance | None = None,
) -> MadeTape:
    """Write ``out``, whole or not at all; TapeError when no row of the files can be used."""
    meta = TapeMeta(
        recording.instrument,
        source=texts.source,
        licence=texts.licence,
        attribution=texts.attribution,
        conversion=_conversion(recording),
        inputs=tuple(input_file(path) for path in recording.files),
        notes="; ".join(filter(None, (texts.notes, _thinning_note(recording.thinning)))),
    )
    with TapeWriter(out, meta, level=level) as tape:
        for event in recording.events(tally, advance=advance):
            tape.add(event)
        tape.flush()
        if tape.counts.total == 0:
            reasons = tally.with_prefix("unused.")
            unused = ", ".join(f"{count} {name}" for name, count in reasons.items())
            what = f"{recording.files[0]}: no row can be used ({unused or 'there is none'})"
            what += "".join(f"; {name} first at {tally.places[f'unused.{name}'][0]}" for name in reasons)
            raise TapeError(what, remedy="check --format, and --symbol, --tick and --lot")
        tape.summary.update(tally.counts)
    return MadeTape(tape.counts, tape.span, tape.sha256)


def _conversion(recording: Recording) -> Conversion | None:
    if recording.rate is None:
        return None
    symbol = recording.instrument.symbol
    return Conversion(recording.source_symbol, symbol, recording.rate, price_rule=PRICE_RULE, size_rule=SIZE_RULE)


def _thinning_note(thinning: Thinning) -> str:
    notes = []
    if thinning.depth_levels:
        depth_ms = thinning.depth_interval_ns // 1_000_000
        pace = f"at most each {depth_ms} ms" if depth_ms else "as often as recorded"
        notes.append(f"changes of the best {thinning.depth_levels} levels of the book {pace}, a snapshot each 10 s")
    if thinning.quote_interval_ns:
        quote_ms = thinning.quote_interval_ns // 1_000_000
        notes.append(f"quotes in which only a size changed at most each {quote_ms} ms")
    if thinning.same_quotes:
        notes.append("quotes without any change left out")
    return "; ".join(notes)


def detect_format(path: Path) -> str:
    """``tape``, ``trades-csv`` or ``binance-jsonl`` by the file's first bytes; UsageError when it is none of them."""
    source, below = open_input(path)
    try:
        with below, source:
            start = source.read(64)
    except (EOFError, OSError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(f"{path}: cannot be read: {error}", remedy="copy the file again") from None
    # An empty file, or the beginning of one, is taken for a tape, whose reader says best what is missing.
    if start.startswith(MAGIC[:6]) or not start or MAGIC.startswith(start):
        return TAPE
    if start.removeprefix(b"\xef\xbb\xbf").startswith(COLUMNS[0].encode() + b","):
        return TRADES_CSV
    first, _, rest = start.partition(b" ")
    if first.isdigit() and rest.startswith(b"{"):
        return BINANCE_JSONL
    formats = ", ".join((TAPE, *INPUT_FORMATS))
    raise UsageError(f"{path}: byte 0: not one of {formats}", remedy="see docs/tape-format.md for what these look like")

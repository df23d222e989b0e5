"""What ``ztb tape`` shows to people. Nothing is decided here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ztb.core.instrument import Instrument
from ztb.store.tape import TapeReader
from ztb.store.tape_check import CheckReport, time_text
from ztb.store.tape_format import Counts, Span
from ztb.store.tape_import import Tally
from ztb.store.tape_make import MadeTape

EXPLAINED: Final = {
    "gap": "pauses longer than --gap",
    "disorder": "times that go back",
    "newest_first": "answers of a polled venue, newest first",
    "duplicate_trade": "trade ids that occur again",
    "duplicate_row": "rows that occur again, all values equal",
    "blank_time": "events without a time",
    "blank_venue_time": "events without the venue's time among others that have it",
    "clock_offset": "events measured with a recorder's clock that is wrong by more than --offset-ms",
    "crossed_quote": "quotes whose bid is not below their ask",
    "crossed_book": "book snapshots whose bid is not below their ask",
    "nonsense_price": "prices further than --jump-percent from those around them",
    "depth_sequence_gaps": "update ids of the book that are missing",
    "cut": "the tape has no end",
}


def import_text(out: Path, made: MadeTape, tally: Tally) -> str:
    """The result of an import."""
    lines = [f"{out}: {_counts_text(made.counts)}", f"  span    {_span_text(made.span)}", f"  sha256  {made.sha256}"]
    for name, count in sorted(tally.counts.items()):
        places = ", ".join(tally.places.get(name, [])[:3])
        lines.append(f"  {count:>9,}  {_words(name)}{f'  (first: {places})' if places else ''}")
    return "\n".join(lines)


def info_text(reader: TapeReader) -> str:
    """Header and end of a tape."""
    meta = reader.meta
    rows = [
        ("instrument", _instrument_text(meta.instrument)),
        ("span", _span_text(reader.span)),
        ("events", _counts_text(reader.counts)),
        ("size", f"{reader.size_bytes:,} bytes"),
        ("complete", "yes" if reader.cut is None else f"no: cut at byte {reader.cut.offset}"),
        ("sha256", reader.sha256),
        ("source", meta.source),
        ("licence", meta.licence),
        ("attribution", meta.attribution),
        ("notes", meta.notes),
    ]
    if meta.conversion is not None:
        change = meta.conversion
        rows.append(("conversion", f"{change.from_symbol} x {change.rate:f} = {change.to_symbol}"))
        rows.append(("", f"prices: {change.price_rule}"))
        rows.append(("", f"sizes: {change.size_rule}"))
    rows += [("input", f"{file.name}  sha256 {file.sha256}") for file in meta.inputs]
    rows += [("counted", f"{count:,} {_words(name)}") for name, count in reader.summary.items()]
    # Whoever made the tape wrote some of these texts; none of them may look like a line of ours.
    lines = (f"  {name:<11}  {' '.join(value.split())}" for name, value in rows if value)
    return "\n".join([str(reader.path), *lines])


def check_text(path: Path, report: CheckReport, findings: dict[str, int], places: dict[str, list[str]]) -> str:
    """All findings with their first places, and the figures behind them."""
    lines = [f"{path}: {report.events:,} events, {len(findings)} kinds of findings"]
    for name, count in findings.items():
        lines.append(f"  {count:>9,}  {_words(name)}: {EXPLAINED.get(name, 'rows that cannot be used')}")
        lines += [f"             {place}" for place in places.get(name, [])]
    if report.gap_longest_ns:
        lines.append(f"  longest gap {_seconds(report.gap_longest_ns)} s")
    if report.backwards_longest_ns:
        lines.append(f"  furthest back {_seconds(report.backwards_longest_ns)} s")
    if report.offsets_ns:
        offsets = " / ".join(f"{_milliseconds(value)}" for value in report.offsets_ns.values())
        lines.append(f"  clock, local - venue: {offsets} ms at p1/p50/p99 of {report.offset_samples:,} events")
    return "\n".join(lines)


def _words(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ")


def _counts_text(counts: Counts) -> str:
    return f"{counts.trades:,} trades, {counts.quotes:,} quotes, {counts.depths:,} depths"


def _span_text(span: Span) -> str:
    duration = _seconds(span.last_ns - span.first_ns)
    return f"{time_text(span.first_ns)} .. {time_text(span.last_ns)} ({duration} s)"


def _instrument_text(instrument: Instrument) -> str:
    kind = "leveraged" if instrument.leveraged else "spot"
    steps = f"tick {instrument.tick_size:f} {instrument.quote}, lot {instrument.lot_size:f} {instrument.base}"
    fees = f"fees {instrument.maker_fee_ppm}/{instrument.taker_fee_ppm} ppm maker/taker"
    return f"{instrument.symbol} ({kind}, {steps}, {fees})"


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns // 1_000_000_000:,}.{duration_ns // 1_000_000 % 1000:03d}"


def _milliseconds(duration_ns: int) -> str:
    """With one decimal, as exact as the histogram is."""
    tenths = abs(duration_ns) // 100_000
    return f"{'-' if duration_ns < 0 and tenths else ''}{tenths // 10}.{tenths % 10}"

"""``ztb tape``: make tapes of recorded market data, tell what is in one, and find what is wrong with the data."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from ztb.cli.options import add_verbs, tape_file, whole
from ztb.cli.progress import progress
from ztb.cli.result import Result, Subparsers
from ztb.cli.tape_options import add_recording_options, recording_from
from ztb.cli.tape_text import check_text, import_text, info_text
from ztb.core.error import UsageError
from ztb.core.event import Market
from ztb.core.instrument import Instrument
from ztb.store.tape import TapeReader
from ztb.store.tape_check import CheckLimits, CheckReport, check_events
from ztb.store.tape_format import Counts, Span
from ztb.store.tape_import import Advance, Tally
from ztb.store.tape_make import INPUT_FORMATS, TAPE, Texts, detect_format, make_tape

MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
EXIT_FINDINGS: Final = 3

EXAMPLES: Final = """examples:
  ztb tape info demo-btc_jpy.tape              the tape that comes with ztb
  ztb tape import --format trades-csv ticks.csv --out ticks.tape
  ztb tape check ticks.tape
Each verb has more of them: `ztb tape import --help`."""
IMPORT_EXAMPLES: Final = """examples:
  ztb tape import --format trades-csv ticks.csv --out ticks.tape
  ztb tape import --format binance-jsonl day1.jsonl.gz day2.jsonl.gz --out btcusdt.tape
  ztb tape import --format binance-jsonl day1.jsonl.gz --convert btc_jpy --rate 147.00 --out demo.tape
Rows that cannot be used are counted by reason and shown; the tape keeps the counts."""
INFO_EXAMPLES: Final = """examples:
  ztb tape info demo.tape
  ztb tape info recording.tape --allow-cut     a recording whose process died
  ztb tape info demo.tape --json | jq .data.instrument"""
CHECK_EXAMPLES: Final = """examples:
  ztb tape check demo.tape
  ztb tape check ticks.csv --gap 300
Exit code: 0 nothing found, 2 unreadable, 3 findings."""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb tape import|info|check``."""
    parser.description = "Make tapes of recorded market data, tell what is on one, find what is wrong with the data."
    parser.epilog = EXAMPLES
    verbs = add_verbs(parser)
    _register_import(verbs)
    info = verbs.add_parser("info", help="what is on a tape", epilog=INFO_EXAMPLES)
    info.add_argument("file", type=tape_file, metavar="FILE", help="a tape, or the name of a bundled one")
    check = verbs.add_parser("check", help="gaps, duplicates, disorder, wrong clocks and prices", epilog=CHECK_EXAMPLES)
    check.add_argument("file", type=tape_file, metavar="FILE", help="a tape, or a recording that could become one")
    check.add_argument("--gap", type=whole(0, 10**9), default=60, metavar="SECONDS", help="longest pause (default: 60)")
    check.add_argument(
        "--offset-ms", type=whole(0, 10**9), default=500, metavar="MS", help="largest clock offset (default: 500)"
    )
    check.add_argument(
        "--jump-percent", type=whole(0, 10**6), default=20, metavar="P", help="largest step of a price (default: 20)"
    )
    add_recording_options(check)
    for verb in (info, check):
        verb.add_argument("--allow-cut", action="store_true", help="read what is complete of a cut recording")
    info.set_defaults(handler=show_tape)
    check.set_defaults(handler=check_tape)


def _register_import(verbs: Subparsers) -> None:
    parser = verbs.add_parser("import", help="make a tape of recorded files", epilog=IMPORT_EXAMPLES)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="plain or .gz; several continue each other")
    parser.add_argument("--format", choices=INPUT_FORMATS, required=True, help="of the files")
    parser.add_argument("--out", type=Path, required=True, metavar="TAPE", help="the tape to make")
    parser.add_argument("--replace", action="store_true", help="replace TAPE if it exists")
    parser.add_argument("--repair", action="store_true", help="put times in order and drop repeated trade ids; counted")
    parser.add_argument("--level", type=whole(1, 19), default=9, metavar="1..19", help="zstd (default: 9)")
    add_recording_options(parser)
    texts = parser.add_argument_group("what the tape says about itself")
    for name in ("source", "licence", "attribution", "notes"):
        texts.add_argument(f"--{name}", default="", metavar="TEXT")
    parser.set_defaults(handler=import_tape)


def import_tape(args: argparse.Namespace) -> Result:
    """Makes the tape; the rows that it could not use are in ``data.unused`` and in the warnings."""
    if args.out.exists() and not args.replace:
        raise UsageError(f"{args.out}: the file exists", remedy="name another one, or add --replace")
    recording = recording_from(args, args.files, args.format)
    texts = Texts(args.source, args.licence, args.attribution, args.notes)
    tally = Tally()
    with progress("import", _size(args.files)) as advance:
        made = make_tape(args.out, recording, texts, tally, level=args.level, advance=advance)
    unused = tally.with_prefix("unused.")
    data: dict[str, Any] = {
        "tape": args.out,
        "sha256": made.sha256,
        "counts": _counts_data(made.counts),
        "span": _span_data(made.span),
        "counted": tally.counts,
        "unused": unused,
        "places": tally.places,
    }
    warnings = tuple(
        f"{count} rows not used: {name.replace('_', ' ')} (first: {', '.join(tally.places[f'unused.{name}'][:3])})"
        for name, count in unused.items()
    )
    return Result(data, import_text(args.out, made, tally), warnings=warnings)


def show_tape(args: argparse.Namespace) -> Result:
    """Header and end of a tape; the blocks between are not read (``ztb tape check`` reads them)."""
    reader = TapeReader(args.file, allow_cut=args.allow_cut)
    meta = reader.meta
    data: dict[str, Any] = {
        "tape": args.file,
        "size_bytes": reader.size_bytes,
        "sha256": reader.sha256,
        "complete": reader.cut is None,
        "counts": _counts_data(reader.counts),
        "span": _span_data(reader.span),
        "instrument": _instrument_data(meta.instrument),
        "source": meta.source,
        "licence": meta.licence,
        "attribution": meta.attribution,
        "notes": meta.notes,
        "conversion": vars(meta.conversion) if meta.conversion else None,
        "inputs": [vars(file) for file in meta.inputs],
        "summary": reader.summary,
    }
    return Result(data, info_text(reader), warnings=_cut_warnings(reader))


def check_tape(args: argparse.Namespace) -> Result:
    """Reads all of it; exit code 3 with findings."""
    limits = CheckLimits(args.gap * SECOND, args.offset_ms * MS, args.jump_percent * 10_000)
    file_format = detect_format(args.file)
    report, tally, warnings = (_check_tape if file_format == TAPE else _check_recording)(args, limits, file_format)
    findings = dict(report.findings)
    places = dict(report.places)
    for name, count in tally.counts.items():
        if (name.startswith("unused.") and file_format != TAPE) or name == "depth_sequence_gaps":
            findings[name] = count
            places[name] = tally.places.get(name, [])
    if warnings:
        findings["cut"] = 1
    data: dict[str, Any] = {
        "file": args.file,
        "format": file_format,
        "events": report.events,
        "findings": findings,
        "places": places,
        "gap_longest_ns": report.gap_longest_ns,
        "backwards_longest_ns": report.backwards_longest_ns,
        "offset_samples": report.offset_samples,
        "offsets_ns": report.offsets_ns,
        "counted": tally.counts,
    }
    text = check_text(args.file, report, findings, places)
    return Result(data, text, EXIT_FINDINGS if findings else 0, warnings)


Checked = tuple[CheckReport, Tally, tuple[str, ...]]


def _check_tape(args: argparse.Namespace, limits: CheckLimits, file_format: str) -> Checked:
    assert file_format == TAPE
    reader = TapeReader(args.file, allow_cut=args.allow_cut)
    tally = Tally()
    tally.counts.update(reader.summary)
    with progress("check", reader.counts.total) as advance:
        report = check_events(_counted(reader.events(), advance), limits)
    return report, tally, _cut_warnings(reader)


def _check_recording(args: argparse.Namespace, limits: CheckLimits, file_format: str) -> Checked:
    recording = recording_from(args, [args.file], file_format)
    tally = Tally()
    with progress("check", _size([args.file])) as advance:
        report = check_events(recording.events(tally, advance=advance), limits)
    return report, tally, ()


def _counted(events: Iterator[Market], advance: Advance) -> Iterator[Market]:
    for number, event in enumerate(events, 1):
        yield event
        if number % 10_000 == 0:
            advance(10_000)


def _size(files: list[Path]) -> int:
    """Bytes, for the progress; what is missing is reported by whoever opens it."""
    return sum(path.stat().st_size for path in files if path.is_file())


def _counts_data(counts: Counts) -> dict[str, int]:
    return {"trades": counts.trades, "quotes": counts.quotes, "depths": counts.depths}


def _span_data(span: Span) -> dict[str, int]:
    return {"first_ns": span.first_ns, "last_ns": span.last_ns}


def _instrument_data(instrument: Instrument) -> dict[str, Any]:
    return {field.name: getattr(instrument, field.name) for field in fields(instrument) if field.init}


def _cut_warnings(reader: TapeReader) -> tuple[str, ...]:
    if reader.cut is None:
        return ()
    return (f"{reader.path}: cut at byte {reader.cut.offset}; {reader.cut.lost_bytes} bytes after it are incomplete",)

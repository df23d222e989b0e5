"""``ztb venue``: is an exchange reachable, and what can be traded there? Needs no key and cannot trade."""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final, TypeVar

from ztb.cli.options import add_verbs, loopback_url, number, whole
from ztb.cli.progress import progress
from ztb.cli.result import Result
from ztb.cli.venue_probe import DEGRADED, DOWN, HEALTHY, NS_PER_MS, Findings, Probe, answered, beside_ours
from ztb.core.error import VenueError
from ztb.core.instrument import Instrument
from ztb.host.clock import HostClock
from ztb.venues.port import HeadRoom, PartlyRead, Venue
from ztb.venues.registry import VENUE_NAMES, addresses_at, addresses_of, open_venue

T = TypeVar("T")

SAMPLES_DEFAULT: Final = 20
SAMPLES_MAX: Final = 1_000
TIMEOUT_S_DEFAULT: Final = 5.0
TIMEOUT_S_MAX: Final = 300.0
EXIT_CODES: Final = {HEALTHY: 0, DEGRADED: 1, DOWN: 2}

EPILOG: Final = """\
examples:
  ztb venue probe --venue zaif
  ztb venue instruments --venue zaif
"""
PROBE_EPILOG: Final = """\
exit code: 0 healthy, 1 degraded (the reasons are named), 2 down or wrong usage

examples:
  ztb venue probe --venue zaif
  ztb venue probe --venue zaif --samples 100 --json
  ztb venue probe --venue gmo --instrument BTC_JPY
  ztb venue probe --venue coinbase --url http://127.0.0.1:8080  a running `ztb simulator --venue coinbase`
"""
INSTRUMENTS_EPILOG: Final = """\
exit code: 0 listed, 69 the venue gave no answer, 2 wrong usage

examples:
  ztb venue instruments --venue zaif
  ztb venue instruments --venue gmo --json
  ztb venue instruments --venue coinbase --url http://127.0.0.1:8080  a running `ztb simulator --venue coinbase`
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb venue probe`` and ``ztb venue instruments``."""
    parser.description = "Exchanges from outside: reachability, clock, limits, instruments. Needs no key."
    parser.epilog = EPILOG
    verbs = add_verbs(parser)
    probe = verbs.add_parser("probe", help="reachability, latency, clock offset, rate limits, stream")
    probe.epilog = PROBE_EPILOG
    _add_venue_options(probe)
    probe.add_argument(
        "--samples",
        type=whole(1, SAMPLES_MAX),
        default=SAMPLES_DEFAULT,
        metavar="N",
        help=f"timed calls (default {SAMPLES_DEFAULT}), paced to half of the public rate limit at most",
    )
    probe.add_argument("--instrument", default="", metavar="SYMBOL", help="whose stream (default: bitcoin's)")
    probe.set_defaults(handler=run_probe)
    listing = verbs.add_parser("instruments", help="what can be traded: steps, smallest order, fees")
    listing.epilog = INSTRUMENTS_EPILOG
    _add_venue_options(listing)
    listing.set_defaults(handler=run_instruments)


def _add_venue_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--venue", required=True, choices=VENUE_NAMES, help="which exchange")
    parser.add_argument(
        "--url", type=loopback_url, metavar="URL", help="of a running `ztb simulator` of that venue, instead"
    )
    parser.add_argument(
        "--timeout",
        type=number(TIMEOUT_S_MAX),
        default=TIMEOUT_S_DEFAULT,
        metavar="S",
        help=f"seconds to wait for each answer (default {TIMEOUT_S_DEFAULT:g})",
    )


def run_probe(args: argparse.Namespace) -> Result:
    """Exit code 0, 1 or 2, with every reason."""
    with progress(f"probe {args.venue}", args.samples + 2) as advance:

        async def look(venue: Venue, clock: HostClock) -> Findings:
            probe = Probe(venue, clock=clock, timeout_s=args.timeout, advance=advance)
            return await probe.run(samples=args.samples, symbol=args.instrument)

        found = _with_venue(args, look)
    verdict, reasons = found.verdict()
    for failure in found.failures:
        failure.remedy = failure.remedy or _other_place(args)
    data = _probe_data(args.venue, found, verdict, reasons)
    return Result(data, _probe_text(args.venue, found, verdict, reasons), exit_code=EXIT_CODES[verdict])


def run_instruments(args: argparse.Namespace) -> Result:
    """Every instrument of the venue; VenueError (69) when it does not answer."""
    with progress(f"instruments of {args.venue}"):

        async def ask(venue: Venue, clock: HostClock) -> tuple[dict[str, Instrument], int]:
            try:
                told = await answered(venue.market.instruments(), args.timeout)
                return told, venue.market.unread if isinstance(venue.market, PartlyRead) else 0
            except VenueError as error:
                error.remedy = error.remedy or _other_place(args)
                raise

        listed, unread = _with_venue(args, ask)
    rows = [_row(listed[symbol]) for symbol in sorted(listed)]
    data = {"venue": args.venue, "instruments": rows}
    text = f"{_columns([list(_HEADINGS), *map(_cells, rows)])}\n\n{LEGEND}" if rows else f"{args.venue} lists nothing"
    warnings = (f"{unread} of the venue's instruments could not be read and are left out",) if unread else ()
    return Result(data, text, exit_code=0 if rows else 1, warnings=warnings)


_HEADINGS: Final = ("symbol", "pair", "kind", "tick", "lot", "min", "max", "value", "fees %")
LEGEND: Final = """\
tick, lot: steps of price and size · min, max: size of one order
value: smallest value of one order, in the quote currency · fees %: maker/taker"""


def _cells(row: dict[str, Any]) -> list[str]:
    """Of one line below the headings; narrow, so that the exchanges' own lists fit a terminal of 80 columns."""
    names = ("tick", "lot", "size_min", "size_max", "notional_min")
    fees = f"{_cell(row['maker_fee_percent'])}/{_cell(row['taker_fee_percent'])}"
    pair = f"{row['base']}/{row['quote']}".lower()
    return [row["symbol"], pair, row["kind"], *(_cell(row[name]) for name in names), fees]


def _other_place(args: argparse.Namespace) -> str:
    """What to do about an answer that the adapter cannot make sense of."""
    if args.url is None:
        return "see the venue's status page, and try again later"
    return f"does an exchange of --venue {args.venue} listen at {args.url}? `ztb simulator` says which one it is"


def _with_venue(args: argparse.Namespace, work: Callable[[Venue, HostClock], Awaitable[T]]) -> T:
    addresses = addresses_of(args.venue) if args.url is None else addresses_at(args.venue, args.url)

    async def whole_life() -> T:
        clock = HostClock()
        venue = open_venue(args.venue, addresses, clock=clock, jitter=random.Random().random)
        try:
            return await work(venue, clock)
        finally:
            await venue.close()

    return asyncio.run(whole_life())


def _row(instrument: Instrument) -> dict[str, Any]:
    sizes, money = instrument.sizes, instrument.money
    return {
        "symbol": instrument.symbol,
        "base": instrument.base,
        "quote": instrument.quote,
        "kind": "leverage" if instrument.leveraged else "spot",
        "tick": instrument.tick_size,
        "lot": instrument.lot_size,
        "size_min": sizes.decimal(instrument.lots_min),
        "size_max": sizes.decimal(instrument.lots_max),
        "notional_min": money.decimal(instrument.notional_min),
        "maker_fee_percent": Decimal(instrument.maker_fee_ppm).scaleb(-4),
        "taker_fee_percent": Decimal(instrument.taker_fee_ppm).scaleb(-4),
        "nets": instrument.nets,
    }


def _cell(value: object) -> str:
    """A Decimal without an exponent and without empty decimals."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _probe_data(name: str, found: Findings, verdict: str, reasons: list[str]) -> dict[str, Any]:
    offset = found.offset
    return {
        "venue": name,
        "verdict": verdict,
        "reasons": reasons,
        "calls": {"answered": len(found.latencies_ms), "failed": len(found.failures)},
        "failures": [asdict(failure) for failure in found.failures],
        "latency_ms": found.latency_ms(),
        "clock": None
        if offset is None
        else {
            "offset_ms": round(offset.offset_ns / NS_PER_MS, 3),
            "uncertainty_ms": round(offset.uncertainty_ns / NS_PER_MS, 3),
        },
        "rate_limits": [asdict(room) for room in found.rooms],
        "stream": {"instrument": found.stream_of, "first_data_ms": found.first_data_ms, "fault": found.stream_fault},
        "instruments": found.instruments,
    }


def _probe_text(name: str, found: Findings, verdict: str, reasons: list[str]) -> str:
    lines = [f"{name}: {verdict}", *(f"  {reason}" for reason in reasons)]
    remedies = dict.fromkeys(failure.remedy for failure in found.failures if failure.remedy)
    lines += [f"  remedy: {remedy}" for remedy in remedies]
    rows = [["calls", f"{len(found.latencies_ms)} timed, {len(found.failures)} failed"]]
    rows += [[f"latency {rank}", f"{value:.1f} ms"] for rank, value in found.latency_ms().items()]
    if found.offset is not None:
        offset_ms, uncertainty_ms = found.offset.offset_ns / NS_PER_MS, found.offset.uncertainty_ns / NS_PER_MS
        side = f": this host is {beside_ours(found.offset)} the venue"
        rows.append(["clock offset", f"{offset_ms:+.1f} ms ± {uncertainty_ms:.1f} ms{side}"])
    if found.instruments:
        rows.append(["instruments", str(found.instruments)])
    if found.stream_of:
        said = found.stream_fault or f"first data after {found.first_data_ms:.1f} ms"
        rows.append([f"stream {found.stream_of}", said])
    rows += [[f"limit {room.name}", _room_text(room)] for room in found.rooms]
    return "\n".join([*lines, "", _columns(rows)])


def _room_text(room: HeadRoom) -> str:
    kept = f", {room.free_urgent - room.free} kept for cancels and look-ups" if room.free_urgent > room.free else ""
    return f"{room.free} of {room.calls} free in {room.period_s:g} s{kept}"


def _columns(rows: list[list[str]]) -> str:
    """Left-aligned, two blanks apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)

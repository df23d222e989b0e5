"""``ztb status``: what the trader is doing, how old that news is, and whether there is a trader at all."""

from __future__ import annotations

import argparse
import time
from typing import Final

from ztb.cli.flatness_text import progress_words
from ztb.cli.operate import Place, add_place_options, place_from
from ztb.cli.result import Result, printable
from ztb.cli.risk_text import folded
from ztb.cli.sighting import Clock, Desk, FailedStart, NotRunning, RateLimit, Sighting, Status, sight
from ztb.service.operator import KILL_NAME
from ztb.service.sentence import reason_with_code
from ztb.service.status import SAFE
from ztb.venues.limits import BREAKER_OPEN_S

EXIT_STALE: Final = 1
EXIT_NONE_RUNS: Final = NotRunning.exit_code

EPILOG: Final = """\
examples:
  ztb status
  ztb status --profile demo --json        the whole status file under data.status

exit codes: 0 a trader runs and reports; 1 it lives but its status is STALE (older than 2 s); 69 no trader runs.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb status``."""
    parser.description = "What the trader of a profile is doing, or why it does nothing."
    parser.epilog = EPILOG
    add_place_options(parser)
    parser.set_defaults(handler=show_status)


def show_status(args: argparse.Namespace) -> Result:
    """NotRunning when no trader ever reported; else its last report, with its age before everything else."""
    place = place_from(args)
    seen = sight(place.runtime)
    has_kill_file = (place.operator / KILL_NAME).exists()
    if seen is None:
        raise NotRunning(
            f"no trader of profile {place.profile} runs: there is no status in {place.runtime}"
            + (", only a kill file that waits for the next start" if has_kill_file else ""),
            remedy=f"start one with `ztb run --profile {place.profile}`, or name its --runtime-dir",
        )
    data = {
        "running": seen.is_alive,
        "stale": seen.is_stale,
        "age_ms": int(seen.age_s * 1000),
        "kill_file": has_kill_file,
        "status": seen.document,
    }
    exit_code = EXIT_STALE if seen.is_stale else 0 if seen.is_alive else EXIT_NONE_RUNS
    lines = [_headline(place, seen), *_lines(seen)]
    if has_kill_file:
        lines.append(_line("kill file", f"{place.operator / KILL_NAME} is there"))
    shown = folded(lines[0], indent=4) + [part for line in lines[1:] for part in folded(line, indent=15)]
    return Result(data, printable("\n".join(shown)), exit_code, place.warnings)


def _headline(place: Place, seen: Sighting) -> str:
    status = seen.status
    if not seen.is_alive:
        how = "stopped in order" if status.phase == "stopped" else "ended without saying so"
        return f"no trader of profile {place.profile} runs: PID {status.pid} {how}; this is its last report"
    if seen.is_stale:
        return f"STALE: PID {status.pid} lives, but has not reported for {seen.age_s:.1f} s; do not trust these numbers"
    return f"profile {status.profile}: {status.says}"


def _lines(seen: Sighting) -> list[str]:
    status, meter = seen.status, seen.status.meter
    armed = "armed" if status.armed else "not armed"
    ready = "ready" if status.ready else "not ready"
    lines = [
        _line("trader", f"PID {status.pid}, {status.phase}, {ready}, level {status.level}, {armed}"),
        _line("venue", _venue_text(status)),
        _line("reported", f"{seen.age_s:.1f} s ago"),
    ]
    if status.level == SAFE:
        # There is neither engine nor journal: what is not known is not told as a number.
        return [*lines, *map(_failed_line, status.failed_starts), *_build_lines(status)]
    lines += [_line(symbol, _desk_text(desk)) for symbol, desk in status.instruments.items()]
    profit = ", ".join(f"{name} {amount}" for name, amount in _profit(status.instruments).items())
    lines += [
        _line("equity", f"{status.equity}, {status.drawdown_ppm / 10_000:.4f} % below its peak"),
        _line("profit", profit),
        _line(
            "orders",
            f"{status.orders.working} working, {status.orders.unknown} of unknown fate; since the start "
            f"{meter.get('orders_placed', '?')} placed, {meter.get('orders_rejected', '?')} rejected, "
            f"{meter.get('fills', '?')} fills",
        ),
    ]
    if status.orders.unknown:
        lines.append(_line("unknown", "looked up until their fate is known; nothing is opened there meanwhile"))
    if status.rate_limits:
        lines.append(_line("limits", _limits_text(status.rate_limits)))
    lines += _breaker_lines(status.rate_limits)
    if status.clock != Clock():
        lines.append(_line("clock", _clock_text(status.clock)))
    if status.kill.on:
        lines.append(_line("kill", f"on, by {status.kill.source}: {reason_with_code(status.kill.reason)}"))
    if status.flatten is not None:
        lines.append(_line("flatten", progress_words(status.flatten)))
    if status.reduce_only:
        lines.append(_line("reduce-only", reason_with_code(status.reduce_only)))
    if status.policy_suspended:
        lines.append(_line("policy", f"suspended: {status.policy_suspended}"))
    return [*lines, *_build_lines(status)]


def _venue_text(status: Status) -> str:
    where = f"{status.venue} ({status.mode})" if status.venue else status.mode
    return where + (f", time x {status.time_scale:g}" if status.time_scale != 1 else "")


def _failed_line(start: FailedStart) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(start.ts_ns / 1e9))
    return _line("failed start", f"{moment}, exit code {start.exit_code}: {start.text}")


def _build_lines(status: Status) -> list[str]:
    return [
        _line("journal", f"record {status.journal_seq} in {status.state_dir}"),
        _line("build", f"{status.build}, configuration {status.config[:12]}"),
    ]


def _desk_text(desk: Desk) -> str:
    last = "no price yet" if desk.last_price is None else f"last {desk.last_price}"
    age = "" if desk.data_age_ms is None else f" ({desk.data_age_ms / 1000:.1f} s old then)"
    dust = "" if desk.dust == "0" else f"; {desk.dust} of it is dust, too small to be closed"
    return f"holds {desk.position} at {desk.average_price}, {last}{age}{dust}"


def _limits_text(rooms: list[RateLimit]) -> str:
    tightest = min(rooms, key=lambda room: room.free / room.calls if room.calls else 0)
    return f"tightest {tightest.name}, {tightest.free} of {tightest.calls} calls free"


def _breaker_lines(rooms: list[RateLimit]) -> list[str]:
    """Whether the exchange answers at all; none when it does."""
    found = []
    for state, what in _BREAKER.items():
        if names := [room.name for room in rooms if room.breaker == state]:
            found.append(_line("breaker", f"{state.replace('_', '-')} for {', '.join(names)}: {what}"))
    return found


_BREAKER: Final = {
    "open": f"no answers; only cancels and look-ups leave, trial calls begin within {BREAKER_OPEN_S:g} s",
    "half_open": "trial calls are under way; it closes when all succeed",
}
"""What an API circuit breaker does in each state."""


def _clock_text(clock: Clock) -> str:
    side = "behind" if clock.offset_ms >= 0 else "ahead of"
    return f"{abs(clock.offset_ms)} ms {side} the venue's, give or take {clock.uncertainty_ms} ms"


def _profit(desks: dict[str, Desk]) -> dict[str, str]:
    """Of each instrument; the names carry the symbol only where there are several."""
    found: dict[str, str] = {}
    for symbol, desk in desks.items():
        prefix = f"{symbol} " if len(desks) > 1 else ""
        found |= {
            f"{prefix}realised": desk.realised, f"{prefix}unrealised": desk.unrealised, f"{prefix}fees": desk.fees,
        }  # fmt: skip
    return found


def _line(name: str, text: str) -> str:
    return f"  {name:12} {text}"

"""What the engine must be able to rely on before it opens anything: data that arrive, a clock that is right.

Data are judged by their age, not by what a socket says (F-20): without any for 30 s people are warned, after 60 s they
are lost. (What a price may be used for at all is the guard's ``stale_market_data``.) The clock is judged by what is
beyond doubt: an offset counts as far as it exceeds its own uncertainty, so that a venue that tells whole seconds does
not close the trader, and one that is truly a minute off does. Above 500 ms people are warned, above 1 s nothing is
opened; orders that shrink a position and cancels go on (F-18).
"""

from __future__ import annotations

from typing import Final

from ztb.core.command import Command, Notify
from ztb.core.event import BreakerTurned, ClockMeasured
from ztb.core.market import Desk
from ztb.core.state import State

_MS: Final = 1_000_000
DATA_LATE_NS: Final = 30_000 * _MS
DATA_LOST_NS: Final = 60_000 * _MS
CLOCK_WARN_NS: Final = 500 * _MS
CLOCK_NS_MAX: Final = 1_000 * _MS

_DATA_NOTICES: Final = (
    ("info", "market_data_back"), ("warning", "market_data_late"), ("error", "market_data_lost"),
)  # fmt: skip
_SILENT: Final = "no market data for {s} s; the stream is opened anew by itself"
_CLOCK_NOTICES: Final = (
    ("info", "clock_offset_passed"), ("warning", "clock_offset"), ("error", "clock_offset_exceeded"),
)  # fmt: skip


def listen_anew(state: State, now_ns: int) -> None:
    """A session begins: the age of the data counts from here, and the clock has to be measured again."""
    for desk in state.desks.values():
        desk.heard_ns = now_ns
        desk.lateness = 0
    state.control.clock_is_off = False
    state.clock_offset_ns = state.clock_uncertainty_ns = state.clock_stage = 0


def judge_data(state: State, now_ns: int) -> list[Command]:
    """At each timer: tell once when data are late, once when they are lost, and once when they are back."""
    commands: list[Command] = []
    for desk in state.desks.values():
        heard_ns = max(desk.heard_ns, desk.last_ns)
        if not heard_ns:
            continue  # no session has begun
        age_ns = now_ns - heard_ns
        lateness = (age_ns >= DATA_LATE_NS) + (age_ns >= DATA_LOST_NS)
        if lateness != desk.lateness:
            commands.append(_data_notice(desk, lateness, age_ns, now_ns))
            desk.lateness = lateness
    return commands


def _data_notice(desk: Desk, lateness: int, age_ns: int, now_ns: int) -> Notify:
    severity, code = _DATA_NOTICES[lateness]
    text = f"{desk.instrument.symbol}: " + (_SILENT.format(s=age_ns // (1000 * _MS)) if lateness else "data arrive")
    return Notify(now_ns, severity, code, text)


def judge_clock(state: State, event: ClockMeasured, now_ns: int) -> list[Command]:
    """Take one measurement; what changes by it is told."""
    assert event.uncertainty_ns >= 0
    state.clock_offset_ns = event.offset_ns
    state.clock_uncertainty_ns = event.uncertainty_ns
    excess_ns = abs(event.offset_ns) - event.uncertainty_ns
    stage = (excess_ns > CLOCK_WARN_NS) + (excess_ns > CLOCK_NS_MAX)
    state.control.clock_is_off = stage == 2
    if stage == state.clock_stage:
        return []
    state.clock_stage = stage
    severity, code = _CLOCK_NOTICES[stage]
    side = "behind" if event.offset_ns > 0 else "ahead of"
    text = (
        f"this host's clock is {abs(event.offset_ns) // _MS} ms {side} the venue's "
        f"(give or take {event.uncertainty_ns // _MS} ms)"
    )
    if stage == 2:
        text += "; nothing is opened until it is corrected (NTP)"
    return [Notify(now_ns, severity, code, text)]


def judge_breaker(event: BreakerTurned, now_ns: int) -> list[Command]:
    """The circuit breaker of the venue's interface opened or closed; it acts by itself, people have to know."""
    if event.is_open:
        return [Notify(now_ns, "error", "breaker_open", event.text)]
    return [Notify(now_ns, "info", "breaker_closed", event.text)]

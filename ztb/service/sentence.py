"""The one sentence that says what a trader does, or why it does nothing and what ends that (F-22).

Codes stand in the journal and in metrics; people are told in words, and of a pause how much of it is left.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ztb.core.control import Level
from ztb.core.flatten import left_in_words
from ztb.core.flattening import FLAT, FLAT_DUST, ORDERS_OFF, Flattening
from ztb.core.market import Desk
from ztb.core.reaction import REACTIONS, STREAM_STALE
from ztb.core.rules import CONSERVATIVE
from ztb.core.state import State

MS_NS: Final = 1_000_000
SECOND_NS: Final = 1_000 * MS_NS
RESUME: Final = "`ztb resume --reason TEXT`"
_HOLDS_BACK: Final = (Level.FROZEN, Level.PAUSED, Level.REDUCE_ONLY, Level.NORMAL)
_OUTCOMES: Final = {FLAT: "flat", FLAT_DUST: "flat + dust", ORDERS_OFF: "all orders off"}


def level_of(state: State, now_ns: int) -> Level:
    """The strongest control in force for everything that is traded: with one instrument paused others may trade."""
    return min(state.control.level(now_ns, symbol) for symbol in state.desks)


def in_words(state: State, *, phase: str, armed: bool, trouble: str, limits: str, now_ns: int) -> str:
    """The sentence; ``limits`` is the name of the risk profile in force, the other keywords are ``status.Facts``."""
    control = state.control
    level = level_of(state, now_ns)
    match level:
        case Level.KILLED:
            killed = f"killed by {control.kill_source}: {reason_in_words(control.kill_reason)}"
            if state.flattening is not None:
                return f"{killed}; {_flatten_words(state, state.flattening)}"
            return f"{killed}; nothing leaves but cancels; {RESUME} lifts it"
        case Level.FLATTENING if state.flattening is not None:
            return _flatten_words(state, state.flattening)
        case Level.STOPPING:
            return f"{phase}, {len(state.working)} orders still working"
        case Level.OBSERVE:
            return "observing: signals only, there is no way to send an order"
        case Level.STARTING:
            return _comparing(trouble)
        case Level.CLOCK:
            return _clock_off(state)
    assert level in _HOLDS_BACK, level
    said = _held_back(state, level, armed=armed, now_ns=now_ns) or ["trading"]
    if state.control.conservative and limits == CONSERVATIVE:
        said.append("within the conservative limits that a kill left; `ztb risk profile configured` ends them")
    return "; ".join(said)


def _held_back(state: State, level: Level, *, armed: bool, now_ns: int) -> list[str]:
    """Of a trader that may trade in principle: everything that keeps it from that now."""
    said = [_silence(desk, now_ns) for desk in state.desks.values() if desk.lateness]
    told = (STREAM_STALE,) if said else ()
    if paused := _pauses_in_words(state, now_ns, leave_out=told):
        is_partly = level in (Level.NORMAL, Level.REDUCE_ONLY)
        frozen = ", and nothing is closed either" if level is Level.FROZEN else ""
        said.append(f"trading, but paused: {paused}" if is_partly else f"paused{frozen}: {paused}")
    if reducing := _reducing(state, leave_out=told):
        said.append(reducing)
    if state.policy_suspended:
        said.append(f"idle, the policy is suspended: {state.policy_suspended}")
    if not armed:
        said.append("not armed: orders are decided and refused at the wire")
    return said


def duration(ns: int) -> str:
    """As people say it, the last part begun counting as whole."""
    minutes, seconds = divmod(-(-ns // SECOND_NS), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def reason_in_words(reason: str) -> str:
    """What a guard's code means; an operator's own words stay as they are."""
    reaction = REACTIONS.get(reason)
    return reason if reaction is None else reaction.words


def reason_with_code(reason: str) -> str:
    """The same with the guard's code, which docs/risk.md knows."""
    words = reason_in_words(reason)
    return words if words == reason else f"{words} ({reason})"


def _pauses_in_words(state: State, now_ns: int, *, leave_out: Collection[str]) -> str:
    """Every pause that is not over; those of single instruments with their name."""
    return "; ".join(
        f"{f'{instrument}: ' if instrument else ''}{reason_in_words(reason)} ({duration(until_ns - now_ns)} left)"
        for instrument, until_ns, reason, _ in state.control.pauses_in_force(now_ns)
        if reason not in leave_out
    )


def _flatten_words(state: State, running: Flattening) -> str:
    if not running.is_active:
        return f"{_OUTCOMES[running.outcome]} since a flatten; nothing is opened until {RESUME}"
    late = "LATE, " if running.alarmed_ns else ""
    return f"{late}flattening ({running.mode}): {left_in_words(state)}"


def _comparing(trouble: str) -> str:
    if trouble:
        return f"nothing is opened or closed, cancels go on: {trouble}; compared again and again until it is clean"
    return "reconciling orders and fills with the venue; nothing is opened until that is clean"


def _clock_off(state: State) -> str:
    side = "behind" if state.clock_offset_ns > 0 else "ahead of"
    return (
        f"this host's clock is {abs(state.clock_offset_ns) // 1_000_000} ms {side} the venue's: nothing is opened, "
        "closing and cancels go on; correct it (chronyc tracking, timedatectl); measured again every 5 minutes"
    )


def _silence(desk: Desk, now_ns: int) -> str:
    age_s = (now_ns - max(desk.heard_ns, desk.last_ns)) // SECOND_NS
    return (
        f"no market data of {desk.instrument.symbol} for {age_s} s: the stream is opened anew by itself, after five "
        "failures every 10 minutes; a restart of the trader tries at once"
    )


def _reducing(state: State, *, leave_out: Collection[str]) -> str:
    """Why positions are only closed, and what ends that; "" when they are not."""
    control = state.control
    reasons = {reason: clears for reason, clears in control.reduce_only_reasons.items() if reason not in leave_out}
    if not reasons:
        is_asked = control.reduce_only_profile
        return "reduce-only, as the profile says: positions are closed, none is opened" if is_asked else ""
    why = "; ".join(map(reason_in_words, reasons))
    until = "it has passed" if all(reasons.values()) else RESUME
    return f"reduce-only: {why}; nothing is opened until {until}"

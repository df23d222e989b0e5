"""``status.json`` in the runtime directory: what the trader is doing, for people and for other processes.

Written whole or not at all; a reader sees how old it is. Amounts are text, exact, in the units that people use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ztb.core.control import Level
from ztb.core.flatten import left_in_words
from ztb.core.flattening import FLAT, FLAT_DUST, ORDERS_OFF, Flattening
from ztb.core.market import Desk
from ztb.core.reaction import REACTIONS
from ztb.core.state import State
from ztb.service.flatness import progress
from ztb.service.governor_watch import plain_rooms
from ztb.service.measure import Meter
from ztb.venues.port import HeadRoom

STATUS_NAME: Final = "status.json"
SAFE: Final = "safe"
"""Phase and level of a trader in safe mode."""
SCHEMA_VERSION: Final = "1.0.0"


@dataclass
class Facts:
    """What the engine's state does not know; ``phase`` is all that changes."""

    profile: str
    mode: str
    armed: bool
    build: str
    config: str
    phase: str
    """``starting``, ``running``, ``stopping`` or ``stopped``."""
    pid: int
    state_dir: str
    """Where the journal of this session is."""
    time_scale: float
    venue: str = ""
    """Whose protocol is spoken, and with ``mode`` simulator or paper, whose market is played or followed."""
    trouble: str = ""
    """Why the newest comparison with the venue was not clean; "" when it was."""


def document(
    facts: Facts,
    state: State,
    meter: Meter,
    *,
    now_ns: int,
    journal_seq: int,
    rooms: Sequence[HeadRoom] = (),
    health: dict[str, Any] | None = None,
    risk: dict[str, Any] | None = None,
    preview: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The whole status as plain values; ``rooms`` are the venue's rate limits, the last three by their modules."""
    control = state.control
    level = control.level(now_ns)
    return {
        "schema_version": SCHEMA_VERSION,
        "updated_ns": now_ns,
        **vars(facts),
        "ready": facts.phase == "running" and control.reconciled,
        "level": level.name.lower(),
        "says": in_words(facts, state, level, now_ns=now_ns),
        "kill": {"on": control.killed, "source": control.kill_source, "reason": control.kill_reason},
        "flatten": progress(state, state.flattening, now_ns=now_ns),
        "reduce_only": control.reduce_only_reason or ("profile" if control.reduce_only_profile else ""),
        "pause_until_ns": control.pause_until_ns,
        "policy_suspended": state.policy_suspended,
        "session": {"install": state.install, "epoch": state.epoch, "sequence": state.sequence},
        "instruments": {symbol: _desk(desk, now_ns) for symbol, desk in state.desks.items()},
        "equity": next(iter(state.desks.values())).instrument.money.text(state.ledger.equity),
        "drawdown_ppm": state.ledger.drawdown_ppm(),
        "orders": {"working": len(state.working), "unknown": unknown_orders(state)},
        "clock": {
            "offset_ms": state.clock_offset_ns // 1_000_000,
            "uncertainty_ms": state.clock_uncertainty_ns // 1_000_000,
        },
        "rate_limits": plain_rooms(rooms),
        "journal_seq": journal_seq,
        "health": health,
        "risk": risk,
        "preview": preview,
        "meter": meter.to_dict(),
    }


def in_words(facts: Facts, state: State, level: Level, *, now_ns: int) -> str:
    """One sentence: what it does, or why it does nothing (F-22)."""
    control = state.control
    match level:
        case Level.KILLED:
            why = _reason_in_words(control.kill_reason)
            killed = f"killed by {control.kill_source}: {why}"
            if state.flattening is not None:
                return f"{killed}; {_flatten_words(state, state.flattening)}"
            return f"{killed}; nothing leaves but cancels; `ztb resume --reason TEXT` lifts it"
        case Level.FLATTENING if state.flattening is not None:
            return _flatten_words(state, state.flattening)
        case Level.STOPPING:
            return f"{facts.phase}, {len(state.working)} orders still working"
        case Level.OBSERVE:
            return "observing: signals only, there is no way to send an order"
        case Level.STARTING:
            return _comparing(facts)
        case Level.CLOCK:
            return _clock_off(state)
        case Level.FROZEN:
            return f"paused, and nothing is closed either: {_pauses_in_words(state, now_ns)}"
        case Level.PAUSED:
            return f"paused: {_pauses_in_words(state, now_ns)}"
    if state.policy_suspended:
        return f"idle, the policy is suspended: {state.policy_suspended}"
    if not facts.armed:
        return "not armed: orders are decided and refused at the wire"
    if silent := [_silence(desk, now_ns) for desk in state.desks.values() if desk.lateness]:
        return "; ".join(silent)
    does = _reducing(state) if level is Level.REDUCE_ONLY else "trading"
    paused = _pauses_in_words(state, now_ns)
    return f"{does}, but paused: {paused}" if paused else does


def _pauses_in_words(state: State, now_ns: int) -> str:
    """Every pause that is not over; those of single instruments with their name."""
    return "; ".join(
        f"{instrument}: {reason}" if instrument else reason
        for instrument, _, reason, _ in state.control.pauses_in_force(now_ns)
    )


_OUTCOMES: Final = {FLAT: "flat", FLAT_DUST: "flat + dust", ORDERS_OFF: "all orders off"}


def _flatten_words(state: State, running: Flattening) -> str:
    if not running.is_active:
        return f"{_OUTCOMES[running.outcome]} since a flatten; nothing is opened until `ztb resume`"
    late = "LATE, " if running.alarmed_ns else ""
    return f"{late}flattening ({running.mode}): {left_in_words(state)}"


def _comparing(facts: Facts) -> str:
    if facts.trouble:
        return (
            f"nothing is opened or closed, cancels go on: {facts.trouble}; compared again and again until it is clean"
        )
    return "reconciling orders and fills with the venue; nothing is opened until that is clean"


def _clock_off(state: State) -> str:
    side = "behind" if state.clock_offset_ns > 0 else "ahead of"
    return (
        f"this host's clock is {abs(state.clock_offset_ns) // 1_000_000} ms {side} the venue's: nothing is opened, "
        "closing and cancels go on; correct it (chronyc tracking, timedatectl); measured again every 5 minutes"
    )


def _silence(desk: Desk, now_ns: int) -> str:
    age_s = (now_ns - max(desk.heard_ns, desk.last_ns)) // 1_000_000_000
    return (
        f"no market data of {desk.instrument.symbol} for {age_s} s: the stream is opened anew by itself, after five "
        "failures every 10 minutes; a restart of the trader tries at once"
    )


def _reducing(state: State) -> str:
    reasons = state.control.reduce_only_reasons
    if not reasons:
        return "reduce-only, as the profile says: positions are closed, none is opened"
    why = "; ".join(_reason_in_words(reason) for reason in reasons)
    until = "it has passed" if all(reasons.values()) else "`ztb resume --reason TEXT`"
    return f"reduce-only: {why}; nothing is opened until {until}"


def _reason_in_words(reason: str) -> str:
    reaction = REACTIONS.get(reason)
    return reason if reaction is None else reaction.words


def unknown_orders(state: State) -> int:
    """Orders whose fate nobody knows."""
    return sum(order.state.value == "unknown" for order in state.working.values())


def _desk(desk: Desk, now_ns: int) -> dict[str, Any]:
    instrument, position = desk.instrument, desk.position
    lots = abs(position.lots)
    is_dust = instrument.is_dust(desk.last_price or position.average_price(), lots)
    return {
        "position": instrument.sizes.text(position.lots),
        "average_price": instrument.prices.text(position.average_price()),
        "last_price": instrument.prices.text(desk.last_price) if desk.last_price else None,
        "data_age_ms": (now_ns - desk.last_ns) // 1_000_000 if desk.last_ns else None,
        "realised": instrument.money.text(position.realised),
        "unrealised": instrument.money.text(position.unrealised),
        "fees": instrument.money.text(position.fees),
        "dust": instrument.sizes.text(lots) if is_dust else "0",
    }


def write(path: Path, plain: dict[str, Any]) -> None:
    """Replace the file in one step."""
    fresh = path.with_name(f".{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w") as file:
        json.dump(plain, file, indent=1)
    fresh.replace(path)

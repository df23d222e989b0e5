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

from ztb.core.market import Desk
from ztb.core.state import State
from ztb.service.flatness import progress
from ztb.service.governor_watch import plain_rooms
from ztb.service.measure import Meter
from ztb.service.sentence import in_words, level_of
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
    return {
        "schema_version": SCHEMA_VERSION,
        "updated_ns": now_ns,
        **vars(facts),
        "ready": facts.phase == "running" and control.reconciled,
        "level": level_of(state, now_ns).name.lower(),
        "says": says(facts, state, limits=(risk or {}).get("profile", ""), now_ns=now_ns),
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


def says(facts: Facts, state: State, *, limits: str, now_ns: int) -> str:
    """One sentence: what it does, or why it does nothing; ``limits`` names the risk profile in force."""
    return in_words(state, phase=facts.phase, armed=facts.armed, trouble=facts.trouble, limits=limits, now_ns=now_ns)


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

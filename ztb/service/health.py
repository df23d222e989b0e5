"""Whether the trader is well: three checks, five signals, and one state that is told in every vocabulary.

The rule: the state is the worst of all findings, each finding stands in one table with the state that it means, and
what is not known is never taken for well. Nothing here decides about orders; guards do that (E-28 to E-46, C-42).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

from ztb.core.control import EVERYTHING, Level
from ztb.core.state import State
from ztb.service.sentence import reason_with_code
from ztb.service.signals import STREAM_STALENESS, Signal, Status, Thresholds, summary
from ztb.service.vitals import Vitals
from ztb.venues.port import HeadRoom


class Health(IntEnum):
    """From well to ill; of several findings the highest counts."""

    HEALTHY = 0
    UNPROVEN = 1
    """Nothing is wrong, but something that has to be measured was not (no order in five minutes, for example)."""
    RECONNECTING = 2
    DEGRADED = 3
    STARTING = 4
    UNHEALTHY = 5


class Words(NamedTuple):
    """One state in the words of those who ask: of ``/health`` (E-28), ``monitor_status`` (C-42), a gate, an exit."""

    status: str
    monitor_status: str
    go: str
    exit_code: int


NO_GO: Final = "NO-GO"

WORDS: Final[dict[Health, Words]] = {
    Health.HEALTHY: Words("healthy", "active", "GO", 0),
    Health.UNPROVEN: Words("healthy", "active", "CAUTION", 0),
    Health.RECONNECTING: Words("degraded", "reconnecting", NO_GO, 0),
    Health.DEGRADED: Words("degraded", "degraded", "CAUTION", 0),
    Health.STARTING: Words("starting", "reconnecting", NO_GO, 3),
    Health.UNHEALTHY: Words("unhealthy", "degraded", NO_GO, 1),
}
"""The exit codes are those of ``ztb health``: 3 says that it is too early to tell."""

MONITOR_VALUES: Final[dict[str, int]] = {"active": 1, "reconnecting": 2, "degraded": 0}
"""The gauge ``monitor_status`` of the sources."""

OF_STATUS: Final[dict[Status, Health]] = {
    Status.OK: Health.HEALTHY,
    Status.UNKNOWN: Health.UNPROVEN,
    Status.WARN: Health.DEGRADED,
    Status.CRIT: Health.UNHEALTHY,
}

OF_BROKER: Final[dict[str, Health]] = {
    "pass": Health.HEALTHY,
    "warn": Health.DEGRADED,
    "unknown": Health.DEGRADED,
    "fail": Health.UNHEALTHY,
}

OF_LEVEL: Final[dict[Level, Health]] = {
    Level.NORMAL: Health.HEALTHY,
    Level.REDUCE_ONLY: Health.HEALTHY,  # the profile may ask for it (Phase A); a guard's is a finding of its own
    Level.CLOCK: Health.DEGRADED,
    Level.PAUSED: Health.DEGRADED,
    Level.FROZEN: Health.DEGRADED,
    Level.OBSERVE: Health.HEALTHY,
    Level.STARTING: Health.DEGRADED,  # once it was ready: a difference to the venue that nobody could explain
    Level.STOPPING: Health.UNHEALTHY,
    Level.FLATTENING: Health.UNHEALTHY,
    Level.KILLED: Health.UNHEALTHY,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what it means, and the words for people ("" where it is well)."""

    health: Health
    text: str


@dataclass(frozen=True, slots=True)
class Outside:
    """What the engine's state does not know."""

    phase: str
    """Of the trader: starting, running, stopping, stopped, safe."""
    breaker_open: bool
    has_heard_market: bool
    """Any market data in this session."""
    trips: int | None
    """Guard trips of the last hour."""


def is_breaker_open(rooms: Sequence[HeadRoom]) -> bool:
    """Whether a circuit breaker before the venue lets nothing out; one that tries again does."""
    return any(room.breaker not in ("closed", "half_open") for room in rooms)


def document(state: State, vitals: Vitals, thresholds: Thresholds, outside: Outside, *, now_ns: int) -> dict[str, Any]:
    """The health as plain values, in the form that ``/health`` of the runbook has."""
    signals = vitals.signals(
        thresholds, trips=outside.trips, data_age_ns=_data_age_ns(state, now_ns) if outside.has_heard_market else None
    )
    broker, latency_ms = vitals.broker(breaker_open=outside.breaker_open)
    staleness = next(signal for signal in signals if signal.name == STREAM_STALENESS)
    control = state.control
    checks = {
        "broker": {"status": broker, "latency_ms": latency_ms},
        "websocket": {
            "connected": state.feed_up,
            "stale": staleness.value is None or staleness.status is Status.CRIT,
        },
        "degradation": {
            "global_paused": any(instrument == EVERYTHING for instrument, *_ in control.pauses_in_force(now_ns)),
            "reduce_only_mode": bool(control.reduce_only_profile or control.reduce_only_reasons),
        },
    }
    findings = [finding for finding in _findings(state, signals, broker, outside, now_ns) if finding.health]
    status, message = summary(signals)
    return plain(
        max((finding.health for finding in findings), default=Health.HEALTHY),
        ready=outside.phase == "running" and control.reconciled,
        reasons=[finding.text for finding in sorted(findings, key=lambda finding: -finding.health)],
        checks=checks,
        signals={"status": str(status), "message": message, "items": [signal.to_dict() for signal in signals]},
    )


def plain(
    health: Health, *, ready: bool, reasons: list[str], checks: dict[str, Any], signals: dict[str, Any]
) -> dict[str, Any]:
    """One state in all its words, with what led to it."""
    words = WORDS[health]
    return {
        "status": words.status,
        "state": health.name.lower(),
        "monitor_status": words.monitor_status,
        "go": words.go if not keeps_from_going(checks) else NO_GO,
        "live": True,
        "ready": ready,
        "reasons": reasons,
        "checks": checks,
        "signals": signals,
    }


def keeps_from_going(checks: dict[str, Any]) -> list[str]:
    """Those of the Go table (E-36 to E-39) that do not pass, whatever the state is; phases have E-40 of their own."""
    return [
        row
        for row, passes in (
            ("E-36", checks["broker"]["status"] == "pass"),
            ("E-37", checks["websocket"]["connected"]),
            ("E-38", not checks["websocket"]["stale"]),
            ("E-39", not checks["degradation"]["global_paused"]),
        )
        if not passes
    ]


def without_engine(reason: str) -> dict[str, Any]:
    """Of a trader that has no engine (safe mode): unhealthy, and nothing is measured."""
    checks = {
        "broker": {"status": "unknown", "latency_ms": None},
        "websocket": {"connected": False, "stale": True},
        "degradation": {"global_paused": False, "reduce_only_mode": False},
    }
    signals = {"status": str(Status.UNKNOWN), "message": "no signal was measured", "items": []}
    return plain(Health.UNHEALTHY, ready=False, reasons=[reason], checks=checks, signals=signals)


def _data_age_ns(state: State, now_ns: int) -> int | None:
    """Of the instrument that was silent longest."""
    heard_ns = [max(desk.heard_ns, desk.last_ns) for desk in state.desks.values()]
    return now_ns - min(heard_ns) if heard_ns and all(heard_ns) else None


def _findings(state: State, signals: Sequence[Signal], broker: str, outside: Outside, now_ns: int) -> Iterator[Finding]:
    control = state.control
    if control.killed:
        yield Finding(Health.UNHEALTHY, f"killed by {control.kill_source}: {reason_with_code(control.kill_reason)}")
    if outside.phase == "starting":
        yield Finding(Health.STARTING, "starting: orders and fills are not reconciled with the venue yet")
        return  # the rest is measured once there is something to measure
    if outside.phase != "running":
        yield Finding(Health.UNHEALTHY, outside.phase)
    level = control.level(now_ns)
    if level not in (Level.KILLED, Level.PAUSED, Level.FROZEN):  # told above and below, with the reason
        yield Finding(OF_LEVEL[level], _LEVEL_TEXTS.get(level, level.name.lower()))
    for reason in control.reduce_only_reasons:
        yield Finding(Health.DEGRADED, f"reduce-only: {reason_with_code(reason)}")
    for instrument, _, reason, _ in control.pauses_in_force(now_ns):
        yield Finding(Health.DEGRADED, f"{instrument or 'everything'} is paused: {reason_with_code(reason)}")
    if state.policy_suspended:
        yield Finding(Health.DEGRADED, f"the policy is suspended: {state.policy_suspended}")
    yield Finding(OF_BROKER[broker], "the venue does not answer" if broker == "fail" else f"broker check: {broker}")
    if not state.feed_up:
        yield Finding(Health.RECONNECTING, "the market stream is not connected")
    for signal in signals:
        yield Finding(OF_STATUS[signal.status], f"{signal.name} {signal.status}: {signal.details}")


_LEVEL_TEXTS: Final[dict[Level, str]] = {
    Level.CLOCK: "this host's clock is off the venue's: nothing is opened",
    Level.STARTING: "orders and fills differ from the venue's: nothing is opened",
    Level.STOPPING: "stopping",
    Level.FLATTENING: "flattening, or flat on an operator's word: nothing is opened until a resume",
}

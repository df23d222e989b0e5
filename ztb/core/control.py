"""The emergency controls, from weakest to strongest, and what each still lets through.

The strongest control that is on decides. What a level permits stands in ``PERMITS`` and nowhere else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple


class Level(IntEnum):
    """The strongest control in force; a higher number is stronger."""

    NORMAL = 0
    REDUCE_ONLY = 1
    CLOCK = 2
    """This host's clock is off: what it calls a fresh price may be an old one."""
    PAUSED = 3
    OBSERVE = 4
    STARTING = 5
    STOPPING = 6
    FLATTENING = 7
    """What is held is being closed, or was closed on an operator's word and nothing is opened until he resumes."""
    KILLED = 8


class Permit(NamedTuple):
    """What may leave: orders that open or grow a position, orders that shrink one, cancels."""

    opening: bool
    reducing: bool
    cancels: bool


PERMITS: Final[dict[Level, Permit]] = {
    Level.NORMAL: Permit(opening=True, reducing=True, cancels=True),
    Level.REDUCE_ONLY: Permit(opening=False, reducing=True, cancels=True),
    Level.CLOCK: Permit(opening=False, reducing=True, cancels=True),
    Level.PAUSED: Permit(opening=False, reducing=True, cancels=True),
    Level.OBSERVE: Permit(opening=False, reducing=False, cancels=False),
    Level.STARTING: Permit(opening=False, reducing=False, cancels=True),
    Level.STOPPING: Permit(opening=False, reducing=False, cancels=True),
    Level.FLATTENING: Permit(opening=False, reducing=False, cancels=True),
    Level.KILLED: Permit(opening=False, reducing=False, cancels=True),
}

REFUSALS: Final[dict[Level, str]] = {
    Level.REDUCE_ONLY: "reduce_only",
    Level.CLOCK: "clock_offset",
    Level.PAUSED: "paused",
    Level.OBSERVE: "observe_only",
    Level.STARTING: "not_reconciled",
    Level.STOPPING: "stopping",
    Level.FLATTENING: "flattening",
    Level.KILLED: "killed",
}
"""The fixed reason code of a refusal at each level."""

NO_FLATTEN: Final = frozenset({Level.OBSERVE})
"""Levels at which not even the orders of a flatten leave: there is no way to send."""


@dataclass(slots=True)
class Control:
    """Which controls are on. The kill latch, pauses and reduce-only outlive the process; the rest does not."""

    observe: bool = False
    """The profile sends nothing (live-lite): there is no way out, whatever else is off."""
    reduce_only_profile: bool = False
    reduce_only_reason: str = ""
    """Set by a guard; "" when no guard asks for it."""
    pause_until_ns: int = 0
    pause_reason: str = ""
    killed: bool = False
    kill_source: str = ""
    kill_reason: str = ""
    kill_ns: int = 0
    clock_is_off: bool = False
    reconciled: bool = False
    stopping: bool = False
    flattening: bool = False
    """From the beginning of a flatten until an operator resumes (see ``flatten``)."""

    def level(self, now_ns: int) -> Level:
        """The strongest control in force at ``now_ns``."""
        if self.killed:
            return Level.KILLED
        if self.flattening:
            return Level.FLATTENING
        if self.stopping:
            return Level.STOPPING
        if self.observe:
            return Level.OBSERVE
        if not self.reconciled:
            return Level.STARTING
        if now_ns < self.pause_until_ns:
            return Level.PAUSED
        if self.clock_is_off:
            return Level.CLOCK
        if self.reduce_only_profile or self.reduce_only_reason:
            return Level.REDUCE_ONLY
        return Level.NORMAL

    def pause(self, until_ns: int, reason: str) -> bool:
        """Pause until ``until_ns``; an older and longer pause stays as it is (False)."""
        if until_ns <= self.pause_until_ns:
            return False
        self.pause_until_ns = until_ns
        self.pause_reason = reason
        return True

    def kill(self, *, source: str, reason: str, now_ns: int) -> bool:
        """Set the latch; False when it was set before (the first reason stays)."""
        if self.killed:
            return False
        self.killed = True
        self.kill_source = source
        self.kill_reason = reason
        self.kill_ns = now_ns
        return True

    def resume(self) -> None:
        """Lift the latch, pauses and a guard's reduce-only; the profile's own reduce-only stays."""
        self.killed = False
        self.kill_source = self.kill_reason = ""
        self.kill_ns = 0
        self.pause_until_ns = 0
        self.pause_reason = ""
        self.reduce_only_reason = ""
        self.flattening = False

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return asdict(self)

    def restore(self, plain: dict[str, Any]) -> None:
        """Take back what must outlive a restart; what the profile says and what is proven anew is left alone."""
        for name in _DURABLE:
            setattr(self, name, plain[name])


_DURABLE: Final = (
    "reduce_only_reason", "pause_until_ns", "pause_reason", "killed", "kill_source", "kill_reason", "kill_ns",
    "flattening",
)  # fmt: skip

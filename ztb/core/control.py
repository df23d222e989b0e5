"""The emergency controls, from weakest to strongest, and what each still lets through.

The strongest control that is on decides. What a level permits stands in ``PERMITS`` and nowhere else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple


class Level(IntEnum):
    """The strongest control in force; a higher number is stronger."""

    __hash__ = int.__hash__  # that of Enum is written in Python, and asked for each order

    NORMAL = 0
    REDUCE_ONLY = 1
    CLOCK = 2
    """This host's clock is off: what it calls a fresh price may be an old one."""
    PAUSED = 3
    FROZEN = 4
    """A pause during which not even a position may be shrunk."""
    OBSERVE = 5
    STARTING = 6
    STOPPING = 7
    FLATTENING = 8
    """What is held is being closed, or was closed on an operator's word and nothing is opened until he resumes."""
    KILLED = 9


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
    Level.FROZEN: Permit(opening=False, reducing=False, cancels=True),
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
    Level.FROZEN: "frozen",
    Level.OBSERVE: "observe_only",
    Level.STARTING: "not_reconciled",
    Level.STOPPING: "stopping",
    Level.FLATTENING: "flattening",
    Level.KILLED: "killed",
}
"""The fixed reason code of a refusal at each level."""

NO_FLATTEN: Final = frozenset({Level.OBSERVE})
"""Levels at which not even the orders of a flatten leave: there is no way to send."""

EVERYTHING: Final = ""
"""In the place of an instrument: all of them."""


@dataclass(slots=True)
class Control:
    """Which controls are on. The kill latch, pauses and reduce-only outlive the process; the rest does not."""

    observe: bool = False
    """The profile sends nothing (live-lite): there is no way out, whatever else is off."""
    reduce_only_profile: bool = False
    reduce_only_reasons: dict[str, bool] = field(default_factory=dict)
    """Why guards ask for it, oldest first; True: it clears by itself when its cause has passed."""
    pause_until_ns: int = 0
    """Of everything; those of single instruments are in ``pauses``."""
    pause_reason: str = ""
    pauses: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By instrument: until when, and why."""
    freezes: dict[str, tuple[int, str]] = field(default_factory=dict)
    """By instrument, or ``EVERYTHING``: pauses in which not even a position is shrunk."""
    killed: bool = False
    kill_source: str = ""
    kill_reason: str = ""
    kill_ns: int = 0
    conservative: bool = False
    """A kill came: the conservative risk profile holds until an operator says otherwise; a resume does not end it."""
    clock_is_off: bool = False
    reconciled: bool = False
    stopping: bool = False
    flattening: bool = False
    """From the beginning of a flatten until an operator resumes (see ``flatten``)."""

    def level(self, now_ns: int, instrument: str = EVERYTHING) -> Level:
        """The strongest control in force at ``now_ns``, for one instrument or for what holds for all of them."""
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
        if self.freezes and self._ends_ns(self.freezes, instrument) > now_ns:
            return Level.FROZEN
        if now_ns < self.pause_until_ns or (self.pauses and self._ends_ns(self.pauses, instrument) > now_ns):
            return Level.PAUSED
        if self.clock_is_off:
            return Level.CLOCK
        if self.reduce_only_profile or self.reduce_only_reasons:
            return Level.REDUCE_ONLY
        return Level.NORMAL

    @staticmethod
    def _ends_ns(pauses: dict[str, tuple[int, str]], instrument: str) -> int:
        own = pauses.get(instrument)
        everywhere = pauses.get(EVERYTHING)
        return max(own[0] if own else 0, everywhere[0] if everywhere else 0)

    # --- pauses --------------------------------------------------------------------------------------------------

    def pause(
        self, until_ns: int, reason: str, instrument: str = EVERYTHING, *, allow_reduce_only: bool = True
    ) -> bool:
        """Pause until ``until_ns``; an older and longer pause of the same kind stays as it is (False)."""
        pauses = self.pauses if allow_reduce_only else self.freezes
        if allow_reduce_only and instrument == EVERYTHING:
            if until_ns <= self.pause_until_ns:
                return False
            self.pause_until_ns, self.pause_reason = until_ns, reason
            return True
        if until_ns <= pauses.get(instrument, (0, ""))[0]:
            return False
        pauses[instrument] = (until_ns, reason)
        return True

    def pauses_in_force(self, now_ns: int) -> list[tuple[str, int, str, bool]]:
        """Each as instrument (or ``EVERYTHING``), end, reason, and whether positions may shrink meanwhile."""
        found = [(EVERYTHING, self.pause_until_ns, self.pause_reason, True)]
        found += [(name, until_ns, reason, True) for name, (until_ns, reason) in sorted(self.pauses.items())]
        found += [(name, until_ns, reason, False) for name, (until_ns, reason) in sorted(self.freezes.items())]
        return [pause for pause in found if pause[1] > now_ns]

    def expire(self, now_ns: int) -> list[tuple[str, str]]:
        """Forget pauses that are over: the instrument and the reason of each."""
        over: list[tuple[str, str]] = []
        if 0 < self.pause_until_ns <= now_ns:
            over.append((EVERYTHING, self.pause_reason))
            self.pause_until_ns, self.pause_reason = 0, ""
        for pauses in (self.pauses, self.freezes):
            for name, (until_ns, reason) in list(pauses.items()):
                if until_ns <= now_ns:
                    over.append((name, reason))
                    del pauses[name]
        return over

    def lift_pauses(self, instrument: str = EVERYTHING) -> None:
        """An operator ends pauses: of one instrument, or every one."""
        if instrument == EVERYTHING:
            self.pause_until_ns, self.pause_reason = 0, ""
            self.pauses.clear()
            self.freezes.clear()
        else:
            self.pauses.pop(instrument, None)
            self.freezes.pop(instrument, None)

    # --- reduce-only ---------------------------------------------------------------------------------------------

    @property
    def reduce_only_reason(self) -> str:
        """The oldest reason of a guard; "" when none asks for it."""
        return next(iter(self.reduce_only_reasons), "")

    def reduce(self, reason: str, *, clears_itself: bool = False) -> bool:
        """Only shrink positions; False when that reason held before. A reason never becomes weaker."""
        is_new = reason not in self.reduce_only_reasons
        self.reduce_only_reasons[reason] = clears_itself and self.reduce_only_reasons.get(reason, True)
        return is_new

    def clear(self, reason: str) -> bool:
        """The cause has passed; True when that lifted a reason. One that needs a resume stays."""
        if not self.reduce_only_reasons.get(reason, False):
            return False
        del self.reduce_only_reasons[reason]
        return True

    # --- the kill latch ------------------------------------------------------------------------------------------

    def kill(self, *, source: str, reason: str, now_ns: int) -> bool:
        """Set the latch; False when it was set before (the first reason stays)."""
        if self.killed:
            return False
        self.killed = True
        self.conservative = True
        self.kill_source = source
        self.kill_reason = reason
        self.kill_ns = now_ns
        return True

    def resume(self) -> None:
        """Lift the latch, pauses and guards' reduce-only; the profile's own and the conservative limits stay."""
        self.killed = False
        self.kill_source = self.kill_reason = ""
        self.kill_ns = 0
        self.lift_pauses()
        self.reduce_only_reasons.clear()
        self.flattening = False

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        plain = asdict(self)
        plain["reduce_only_reasons"] = [[reason, clears] for reason, clears in self.reduce_only_reasons.items()]
        for name in ("pauses", "freezes"):
            plain[name] = [[key, *value] for key, value in sorted(getattr(self, name).items())]
        return plain

    def restore(self, plain: dict[str, Any]) -> None:
        """Take back what must outlive a restart; what the profile says and what is proven anew is left alone."""
        for name in _DURABLE:
            setattr(self, name, plain[name])
        self.reduce_only_reasons = dict(plain["reduce_only_reasons"])
        self.pauses = {name: (until_ns, reason) for name, until_ns, reason in plain["pauses"]}
        self.freezes = {name: (until_ns, reason) for name, until_ns, reason in plain["freezes"]}


_DURABLE: Final = (
    "pause_until_ns", "pause_reason", "killed", "kill_source", "kill_reason", "kill_ns", "conservative",
    "flattening",
)  # fmt: skip

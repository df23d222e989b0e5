"""The API circuit breaker: stop to ask an exchange that does not answer, and ask again carefully.

Closed, it judges the newest calls. It opens when half of at least ten of them failed, or five in a row. Open, it lets
only urgent calls through: whoever is in trouble must still be able to cancel and to look. After a minute it lets five
trial calls through: when all succeed it closes, with the first failure it opens again. Time comes in as a number.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final, NamedTuple

from ztb.core.error import GateClosed, Rejected, Throttled, VenueError
from ztb.venues import limits

_NS: Final = 1_000_000_000


class BreakerState(StrEnum):
    """What is let through: everything, urgent calls, or urgent calls and a few trials."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Ticket(NamedTuple):
    """A call that was let through; hand it back with what became of it."""

    generation: int
    """Of the breaker's state: an answer to a call of an older one says nothing about this one."""
    is_trial: bool


class Breaker:
    """Of one key, or of one host's public interface."""

    def __init__(self) -> None:
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._outcomes: deque[bool] = deque(maxlen=limits.BREAKER_WINDOW_CALLS)
        self._failed_in_row = 0
        self._opened_ns = 0
        self._trials_out = 0
        self._trials_good = 0
        self.openings = 0
        """How often it opened."""

    def state(self, now_ns: int) -> BreakerState:
        """Half-open is what an open one becomes by waiting."""
        if self._state is BreakerState.OPEN and now_ns - self._opened_ns >= limits.BREAKER_OPEN_S * _NS:
            self._turn(BreakerState.HALF_OPEN)
        return self._state

    def enter(self, now_ns: int, *, urgent: bool = False) -> Ticket | None:
        """Let a call through, or None: it must not be made now."""
        state = self.state(now_ns)
        if state is BreakerState.HALF_OPEN and self._trials_out + self._trials_good < limits.BREAKER_TRIALS:
            self._trials_out += 1
            return Ticket(self._generation, True)
        if state is BreakerState.CLOSED or urgent:
            return Ticket(self._generation, False)
        return None

    def is_shut(self, now_ns: int) -> bool:
        """A call that is not urgent would be refused."""
        full = self._trials_out + self._trials_good >= limits.BREAKER_TRIALS
        state = self.state(now_ns)
        return state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and full)

    def leave(self, ticket: Ticket, *, success: bool | None, now_ns: int) -> None:
        """The call ended. ``success`` None: it says nothing about the venue (cancelled, held back by us)."""
        if ticket.generation != self._generation:
            return
        if ticket.is_trial:
            self._judge_trial(success, now_ns)
        elif self._state is BreakerState.CLOSED and success is not None:
            self._judge(success, now_ns)

    def _judge(self, success: bool, now_ns: int) -> None:
        self._outcomes.append(success)
        self._failed_in_row = 0 if success else self._failed_in_row + 1
        failed, seen = self._outcomes.count(False), len(self._outcomes)
        is_bad = seen >= limits.BREAKER_CALLS_MIN and failed >= limits.BREAKER_FAILURE_RATIO * seen
        if not success and (is_bad or self._failed_in_row >= limits.BREAKER_FAILED_IN_ROW):
            self._open(now_ns)

    def _judge_trial(self, success: bool | None, now_ns: int) -> None:
        assert self._state is BreakerState.HALF_OPEN
        assert self._trials_out > 0
        self._trials_out -= 1
        if success is False:
            self._open(now_ns)
        elif success:
            self._trials_good += 1
            if self._trials_good >= limits.BREAKER_TRIALS:
                self._turn(BreakerState.CLOSED)

    def _open(self, now_ns: int) -> None:
        self._turn(BreakerState.OPEN)
        self._opened_ns = now_ns
        self.openings += 1

    def _turn(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._outcomes.clear()
        self._failed_in_row = self._trials_out = self._trials_good = 0


def success_of(error: BaseException | None, *, wall_s: float) -> bool | None:
    """What the end of a call says about the venue: it answers, it does not, or nothing.

    A refusal is an answer. A wire that failed, an answer that makes no sense, and one that took too long are none.
    """
    if error is not None and (isinstance(error, GateClosed | Throttled) or not isinstance(error, VenueError)):
        return None
    if error is not None and not isinstance(error, Rejected):
        assert isinstance(error, VenueError)
        if error.kind == "network" or error.code == "undecodable":
            return False
    return wall_s < limits.BREAKER_LATENCY_S

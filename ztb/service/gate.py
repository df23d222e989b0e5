"""The one gate at the wire: asked after the last wait, right before an order's bytes leave.

It looks at the engine's controls as they are at that moment, not as they were when the order was made. It depends on
no policy, report or notification; whatever it cannot establish is a refusal, and what closed it for good stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ztb.core.control import PERMITS, REFUSALS, Level
from ztb.core.error import GateClosed, StoreError
from ztb.core.state import State
from ztb.host.clock import Clock

STORE_FAILED: Final = "store_failed"
SESSION_FAILED: Final = "session_failed"
STOPPING: Final = REFUSALS[Level.STOPPING]


class WireGate:
    """Says whether an order may leave now. ``armed`` is the profile's word (two keys and credentials)."""

    def __init__(
        self, state: State, clock: Clock, *, armed: bool, journal_failure: Callable[[], StoreError | None]
    ) -> None:
        """``journal_failure`` is asked each time: the writer's thread knows of a failed commit before anybody else."""
        self._state = state
        self._clock = clock
        self._armed = armed
        self._journal_failure = journal_failure
        self.closed = ""
        """Why it is closed for ever; "" while it is not."""

    def close(self, reason: str) -> None:
        """For the rest of this process; the first reason stays."""
        self.closed = self.closed or reason

    def check(self, *, reduce_only: bool) -> None:
        """Returns when an order may leave; raises GateClosed with the fixed reason code otherwise."""
        code = self._refusal(reduce_only=reduce_only)
        if code:
            raise GateClosed(f"the order was stopped at the wire: {code}", kind="exchange", code=code)

    def _refusal(self, *, reduce_only: bool) -> str:
        if self._journal_failure() is not None:
            self.close(STORE_FAILED)
        if self.closed:
            return self.closed
        if not self._armed:
            return "not_armed"
        level = self._state.control.level(self._clock.now_ns())
        permit = PERMITS[level]
        if permit.opening or (permit.reducing and reduce_only):
            return ""
        return REFUSALS[level]

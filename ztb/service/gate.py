"""The one gate at the wire: asked after the last wait, right before an order's bytes leave.

It looks at the engine's controls as they are at that moment, not as they were when the order was made. While trading is
silent only the orders of a running flatten pass. It depends on no policy, report or notification; whatever it cannot
establish is a refusal, and what closed it for good stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ztb.core.command import FLATTEN, Place
from ztb.core.control import NO_FLATTEN, PERMITS, REFUSALS, Level
from ztb.core.error import GateClosed, StoreError
from ztb.core.state import State
from ztb.host.clock import Clock

STORE_FAILED: Final = "store_failed"
SESSION_FAILED: Final = "session_failed"
FENCED: Final = "fenced"
"""Another process took the state directory over, because this one was taken for frozen."""
FLATTEN_OVER: Final = "flatten_over"
"""An order of a flatten that ran no more when the order was about to leave."""
STOPPING: Final = REFUSALS[Level.STOPPING]


class WireGate:
    """Says whether an order may leave now. ``armed`` is the profile's word (two keys and credentials)."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        *,
        armed: bool,
        journal_failure: Callable[[], StoreError | None],
        is_fenced: Callable[[], bool] = lambda: False,
    ) -> None:
        """Both are asked each time: the writer's thread knows of a failed commit before anybody else, and a process
        that was frozen does not know that its state directory is another one's now.
        """
        self._state = state
        self._clock = clock
        self._armed = armed
        self._journal_failure = journal_failure
        self._is_fenced = is_fenced
        self.closed = ""
        """Why it is closed for ever; "" while it is not."""

    @property
    def is_fenced(self) -> bool:
        """Another process has the state directory now, and tells how things are."""
        return self._is_fenced()

    def close(self, reason: str) -> None:
        """For the rest of this process; the first reason stays."""
        self.closed = self.closed or reason

    def check(self, order: Place) -> None:
        """Returns when ``order`` may leave; raises GateClosed with the fixed reason code otherwise."""
        code = self._refusal(order)
        if code:
            raise GateClosed(f"the order was stopped at the wire: {code}", kind="exchange", code=code)

    def _refusal(self, order: Place) -> str:
        if self._is_fenced():
            self.close(FENCED)
        if self._journal_failure() is not None:
            self.close(STORE_FAILED)
        if self.closed:
            return self.closed
        if not self._armed:
            return "not_armed"
        level = self._state.control.level(self._clock.now_ns(), order.instrument)
        if order.purpose == FLATTEN:
            return self._flatten_refusal(order, level)
        permit = PERMITS[level]
        if permit.opening or (permit.reducing and order.reduce_only):
            return ""
        return REFUSALS[level]

    def _flatten_refusal(self, order: Place, level: Level) -> str:
        """No control but a missing way out holds a flatten back; but it must still be running, and only close."""
        if level in NO_FLATTEN:
            return REFUSALS[level]
        running = self._state.flattening
        return "" if running is not None and running.is_active and order.reduce_only else FLATTEN_OVER

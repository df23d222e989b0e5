"""The one gate at the wire: asked after the last wait, right before an order's bytes leave.

It looks at the engine's controls as they are at that moment, not as they were when the order was made. It depends on
no policy, report or notification; whatever it cannot establish is a refusal.
"""

from __future__ import annotations

from ztb.core.control import PERMITS, REFUSALS, Level
from ztb.core.error import GateClosed
from ztb.core.state import State
from ztb.host.clock import Clock


class WireGate:
    """Says whether an order may leave now. ``armed`` is the profile's word (two keys and credentials)."""

    def __init__(self, state: State, clock: Clock, *, armed: bool) -> None:
        self._state = state
        self._clock = clock
        self._armed = armed
        self.store_failed = False
        """Set for ever when the journal could not be written: what is not durable must not leave."""
        self.closed_for_stop = False
        """Set when the service ends without asking the engine (stop policy ``leave``)."""
        self.refused = 0

    def check(self, *, reduce_only: bool) -> None:
        """Returns when an order may leave; raises GateClosed with the fixed reason code otherwise."""
        code = self._refusal(reduce_only=reduce_only)
        if code:
            self.refused += 1
            raise GateClosed(f"the order was stopped at the wire: {code}", kind="exchange", code=code)

    def _refusal(self, *, reduce_only: bool) -> str:
        if self.store_failed:
            return "store_failed"
        if self.closed_for_stop:
            return REFUSALS[Level.STOPPING]
        if not self._armed:
            return "not_armed"
        level = self._state.control.level(self._clock.now_ns())
        permit = PERMITS[level]
        if permit.opening or (permit.reducing and reduce_only):
            return ""
        return REFUSALS[level]

"""The one gate at the wire: not a byte of an order leaves before its intent is on disk and the controls allow it.

It looks at the engine's controls as they are at that moment, not as they were when the order was made. While trading is
silent only the orders of a running flatten pass. It depends on no policy, report or notification; whatever it cannot
establish is a refusal, and what closed it for good stays.

An order's request is made while the disk works on its intent, so the disk is waited for here, at the last place where
nothing has left yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
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
DISK_SLOW: Final = "disk_slow"
NO_INTENT: Final = "no_intent"
DISK_WALL_S_MAX: Final = 1.0
"""So long an order waits at the wire for its fsync. It may hold the turn of its key's calls, which cancels need too."""


@dataclass(eq=False, slots=True)
class Intent:
    """That an order is to be sent, on its way to the disk."""

    on_disk: asyncio.Future[None]
    released_ns: int = 0
    """``perf_counter_ns`` of when the first byte might leave; 0: none has."""


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
        self._intents: dict[str, Intent] = {}

    @property
    def is_fenced(self) -> bool:
        """Another process has the state directory now, and tells how things are."""
        return self._is_fenced()

    def close(self, reason: str) -> None:
        """For the rest of this process; the first reason stays."""
        self.closed = self.closed or reason

    def expect(self, client_id: str, on_disk: asyncio.Future[None]) -> Intent:
        """The order comes to the wire soon, and its intent is durable when ``on_disk`` is done. Then ``forget``."""
        intent = self._intents[client_id] = Intent(on_disk)
        return intent

    def forget(self, client_id: str) -> None:
        """The order is over; it cannot leave any more."""
        self._intents.pop(client_id).on_disk.cancel()

    async def durable(self, order: Place) -> None:
        """Returns when the first byte of ``order`` may leave: its intent is fsynced, and the gate open after that."""
        intent = self._intents.get(order.client_id)
        if intent is None:
            raise _closed(NO_INTENT)
        try:
            async with asyncio.timeout(DISK_WALL_S_MAX):
                await intent.on_disk
        except StoreError:
            self.close(STORE_FAILED)
        except TimeoutError:
            raise _closed(DISK_SLOW) from None
        self.check(order)
        intent.released_ns = time.perf_counter_ns()

    def check(self, order: Place) -> None:
        """Returns when ``order`` may leave; raises GateClosed with the fixed reason code otherwise."""
        code = self._refusal(order)
        if code:
            raise _closed(code)

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


def _closed(code: str) -> GateClosed:
    return GateClosed(f"the order was stopped at the wire: {code}", kind="exchange", code=code)

"""The one way into the engine: a bounded queue with one consumer, and the only place that stamps events.

Every event gets a time stamp that is strictly greater than the one before, so that time alone is the total order:
what was recorded in two files (market on the tape, the rest in the journal) can be put back in sequence exactly.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from ztb.core.error import InvariantBroken
from ztb.core.event import CLOCK_BACKSTEP_NS_MAX, Event
from ztb.host.clock import Clock
from ztb.host.log import get_log

INBOX_EVENTS_MAX: Final = 65_536
"""More than a second of the fastest market; whoever puts more has to wait, nothing is dropped."""
URGENT_EVENTS_MAX: Final = 1_024
"""Of operators; and as many orders' and timers' events may stand above ``INBOX_EVENTS_MAX`` before that is a defect."""

log = get_log("inbox")


class Inbox:
    """First in, first out, but what an operator orders comes first; ``put`` waits while it is full."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: deque[tuple[Event, int]] = deque()
        self._urgent: deque[tuple[Event, int]] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._emptied = asyncio.Event()
        self._put_ns = 0
        self._taken_ns = 0
        self.backsteps = 0
        """How often the host's clock went back between two events."""
        self.depth_max = 0

    def __len__(self) -> int:
        return len(self._events) + len(self._urgent)

    def put_now(self, event: Event, *, first: bool = False) -> None:
        """Stamp and queue, whatever the depth: for the few events that must never wait (orders, timers, operators).

        ``first`` goes before everything that is queued, except what was put ``first`` earlier: a kill does not wait
        behind the market. InvariantBroken when nobody takes the events any more.
        """
        queue, allowed = (self._urgent, 0) if first else (self._events, INBOX_EVENTS_MAX)
        if len(queue) >= allowed + URGENT_EVENTS_MAX:
            raise InvariantBroken(f"{len(queue)} events wait for the engine, and nobody takes them")
        event.ts_ns = self._now_ns()
        queue.append((event, time.perf_counter_ns()))
        if len(self) > self.depth_max:
            self.depth_max = len(self)
        self._filled.set()

    async def put(self, event: Event) -> None:
        """Stamp and queue; waits while the inbox is full (market data)."""
        while len(self._events) >= INBOX_EVENTS_MAX:
            self._drained.clear()
            await self._drained.wait()
        self.put_now(event)

    async def take(self) -> tuple[Event, int]:
        """The next event, and ``time.perf_counter_ns()`` at its arrival: latency is measured in the wall's time."""
        while not self._events and not self._urgent:
            self._filled.clear()
            await self._filled.wait()
        event, arrived_ns = (self._urgent or self._events).popleft()
        self._order(event)
        self._drained.set()
        if self.is_empty():
            self._emptied.set()
        return event, arrived_ns

    def stamp_now(self, event: Event) -> None:
        """Stamp an event that its maker hands to the engine at once, past the queue."""
        event.ts_ns = self._now_ns()
        self._order(event)

    def is_empty(self) -> bool:
        """Nothing waits: whatever was put has been handled, because taking and handling is one step."""
        return not self._events and not self._urgent

    async def until_empty(self) -> None:
        """Returns once everything put so far has been handled."""
        while not self.is_empty():
            self._emptied.clear()
            await self._emptied.wait()

    def _now_ns(self) -> int:
        now_ns = self._clock.now_ns()
        if now_ns < self._put_ns:
            self.backsteps += 1
            step_ns = self._put_ns - now_ns
            if step_ns > CLOCK_BACKSTEP_NS_MAX:
                log.warning("clock_went_back", "time stands still here until it has caught up", step_ns=step_ns)
        self._put_ns = now_ns
        return now_ns

    def _order(self, event: Event) -> None:
        """The clock may have stood still or gone back, and an operator's event may have jumped the queue."""
        if event.ts_ns <= self._taken_ns:
            event.ts_ns = self._taken_ns + 1
        self._taken_ns = event.ts_ns

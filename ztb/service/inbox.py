"""The one way into the engine: a bounded queue with one consumer, and the only place that stamps events.

Every event gets a time stamp that is strictly greater than the one before, so that time alone is the total order:
what was recorded in two files (market on the tape, the rest in the journal) can be put back in sequence exactly.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

from ztb.core.event import Event
from ztb.host.clock import Clock

INBOX_EVENTS_MAX: Final = 65_536
"""More than a second of the fastest market; whoever puts more has to wait, nothing is dropped."""


class Inbox:
    """First in, first out, but what an operator orders comes first; ``put`` waits while it is full."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._events: deque[tuple[Event, int]] = deque()
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._put_ns = 0
        self._taken_ns = 0
        self.backsteps = 0
        """How often the host's clock went back between two events."""
        self.depth_max = 0

    def __len__(self) -> int:
        return len(self._events)

    def put_now(self, event: Event, *, first: bool = False) -> None:
        """Stamp and queue, whatever the depth: for the few events that must never wait (orders, timers, operators).

        ``first`` goes before everything that is queued: a kill does not wait behind the market.
        """
        now_ns = self._clock.now_ns()
        if now_ns < self._put_ns:
            self.backsteps += 1
        self._put_ns = now_ns
        event.ts_ns = now_ns
        entry = (event, time.perf_counter_ns())
        if first:
            self._events.appendleft(entry)
        else:
            self._events.append(entry)
        if len(self._events) > self.depth_max:
            self.depth_max = len(self._events)
        self._filled.set()

    async def put(self, event: Event) -> None:
        """Stamp and queue; waits while the inbox is full (market data)."""
        while len(self._events) >= INBOX_EVENTS_MAX:
            self._drained.clear()
            await self._drained.wait()
        self.put_now(event)

    async def take(self) -> tuple[Event, int]:
        """The next event, and ``time.perf_counter_ns()`` at its arrival: latency is measured in the wall's time."""
        while not self._events:
            self._filled.clear()
            await self._filled.wait()
        event, arrived_ns = self._events.popleft()
        # The clock may have stood still or gone back, and an operator's event may have jumped the queue.
        if event.ts_ns <= self._taken_ns:
            event.ts_ns = self._taken_ns + 1
        self._taken_ns = event.ts_ns
        self._drained.set()
        return event, arrived_ns

    def is_empty(self) -> bool:
        """Nothing waits."""
        return not self._events

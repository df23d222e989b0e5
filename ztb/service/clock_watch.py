"""Our clock against the venue's: once before READY, then every five minutes. What it means is for the engine to say.

A venue that does not tell its time does not stop the trader; that nothing is known is told, and asked again soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ztb.core.error import VenueError
from ztb.core.event import ClockMeasured
from ztb.host.log import get_log
from ztb.service.inbox import Inbox
from ztb.venues.clock import Clock
from ztb.venues.offset import SAMPLES, measure_offset
from ztb.venues.port import ServerTime

EVERY_S: Final = 300.0
AGAIN_S: Final = 30.0
"""After a measurement that failed."""
FIRST_WALL_S_MAX: Final = 2.0

log = get_log("clock")


class ClockWatch:
    """Of one session."""

    def __init__(self, server_time: Callable[[], Awaitable[ServerTime]], *, clock: Clock, inbox: Inbox) -> None:
        self._server_time = server_time
        self._clock = clock
        self._inbox = inbox

    async def measure(self, *, samples: int = SAMPLES) -> bool:
        """One measurement, as an event; False when the venue did not tell its time."""
        try:
            found = await measure_offset(self._server_time, clock=self._clock, samples=samples)
        except VenueError as error:
            log.warning("clock_not_measured", error.message)
            return False
        self._inbox.put_now(ClockMeasured(0, found.offset_ns, found.uncertainty_ns))
        log.event("clock_measured", offset_us=found.offset_ns // 1_000, uncertainty_us=found.uncertainty_ns // 1_000)
        return True

    async def first(self) -> None:
        """One answer, before anything is decided; a venue that is slow to tell does not hold the start up."""
        try:
            async with asyncio.timeout(FIRST_WALL_S_MAX):
                await self.measure(samples=1)
        except TimeoutError:
            log.warning("clock_not_measured", f"no answer within {FIRST_WALL_S_MAX:g} s")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            is_measured = await self.measure()
            await self._clock.sleep(EVERY_S if is_measured else AGAIN_S)

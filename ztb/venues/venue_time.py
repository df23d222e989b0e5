"""The venue's own time, for what is signed with it (F-18).

A venue refuses a call whose time stamp is not its own time, and a host whose clock is wrong must still be able to look
and to cancel. So every answer about the time is kept, against a clock that nobody can set: a host clock that is set
forth or back does not reach a signature. The rule: while our clock can be right it is believed, because an answer
tells the time only roughly. Whether anything may be opened with a wrong clock is for the engine to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from ztb.core.error import VenueError
from ztb.venues.clock import Clock
from ztb.venues.offset import OffsetEstimate
from ztb.venues.port import ServerTime

RENEW_WALL_S_MAX: Final = 2.0
"""So long a call that may only look or cancel waits for the venue's time."""
SHIFT_NS_MIN: Final = 250_000_000
"""A smaller difference cannot be why a call was refused."""


class VenueTime:
    """Of one venue, shared by its public calls, which tell it, and its private ones, which sign with it."""

    def __init__(self, ask: Callable[[], Awaitable[ServerTime]], *, clock: Clock) -> None:
        """``ask`` is the venue's public call."""
        self._ask = ask
        self._clock = clock
        self._estimate = OffsetEstimate()
        """Of the venue against our clock that only runs on."""
        self._one_at_a_time = asyncio.Lock()

    async def ask(self) -> ServerTime:
        """What the venue tells now; taken into account."""
        asked_ns = self._clock.monotonic_ns()
        told = await self._ask()
        self._estimate.add(asked_ns=asked_ns, told=told, heard_ns=self._clock.monotonic_ns())
        return told

    def now_ns(self) -> int:
        """Unix nanoseconds at the venue, as far as they are known."""
        return self._clock.monotonic_ns() + self.ahead_ns

    @property
    def ahead_ns(self) -> int:
        """The venue's time less our clock that only runs on: what a signature was made with."""
        own_ns = self._clock.now_ns() - self._clock.monotonic_ns()
        if not self._estimate.samples:
            return own_ns
        found = self._estimate.offset()
        return own_ns if abs(own_ns - found.offset_ns) <= found.uncertainty_ns else found.offset_ns

    async def is_another_than(self, ahead_ns: int) -> bool:
        """Whether a call that was refused for its time, signed at ``ahead_ns``, would be signed otherwise now.

        The venue is asked, unless another refused call had it asked meanwhile. False too when it does not tell.
        """
        async with self._one_at_a_time:
            if not self._is_shifted(ahead_ns):
                await self.renew()
            return self._is_shifted(ahead_ns)

    async def renew(self) -> None:
        """Have the venue asked now. One that does not tell changes nothing, and is not waited for."""
        with suppress(VenueError, TimeoutError):
            async with asyncio.timeout(RENEW_WALL_S_MAX):
                await self.ask()

    def _is_shifted(self, ahead_ns: int) -> bool:
        return abs(self.ahead_ns - ahead_ns) >= SHIFT_NS_MIN

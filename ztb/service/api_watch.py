"""How the venue's interface does, as events for the engine: failed calls of the last minute, and the rate limit in use.

Told at once when it becomes bad or well, and every half minute while it is bad; so the journal does not fill with good
news. The window runs on the trader's own clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from ztb.core.breakers import API_CALLS_MIN, API_ERRORS_PPM, API_RATE_USE_PPM
from ztb.core.event import ApiHealth
from ztb.core.money import PPM
from ztb.service.governor_watch import CLOSED, HALF_OPEN
from ztb.service.inbox import Inbox
from ztb.service.measure import Meter
from ztb.venues.clock import Clock
from ztb.venues.port import HeadRoom

LOOK_S: Final = 1.0
WINDOW_NS: Final = 60_000_000_000
AGAIN_NS: Final = 30_000_000_000
LOOKS_AT_RATE: Final = 90
"""Nearly all of a small limit is used up again and again by honest work; so it counts when it lasts for longer than the
longest window of a limit, a minute."""


class ApiWatch:
    """Of one session."""

    def __init__(self, head_room: Callable[[], Sequence[HeadRoom]], meter: Meter, clock: Clock, inbox: Inbox) -> None:
        self._head_room = head_room
        self._meter = meter
        self._clock = clock
        self._inbox = inbox
        self._samples: deque[tuple[int, int, int]] = deque([(clock.now_ns(), meter.api_calls, meter.api_errors)])
        self._uses_ppm: deque[int] = deque(maxlen=LOOKS_AT_RATE)
        self._was_bad = True
        """A session begins by telling, whatever an earlier one left behind."""
        self._told_ns = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> None:
        """One look; tells the engine where there is something to tell."""
        now_ns = self._clock.now_ns()
        health = self.measured(now_ns)
        is_bad = (
            health.breaker_open
            or health.rate_use_ppm >= API_RATE_USE_PPM
            or (health.calls >= API_CALLS_MIN and health.errors * PPM >= API_ERRORS_PPM * health.calls)
        )
        if is_bad != self._was_bad or (is_bad and now_ns - self._told_ns >= AGAIN_NS):
            self._inbox.put_now(health)
            self._told_ns = now_ns
        self._was_bad = is_bad

    def measured(self, now_ns: int) -> ApiHealth:
        """The window that ends now."""
        samples = self._samples
        samples.append((now_ns, self._meter.api_calls, self._meter.api_errors))
        while len(samples) > 1 and samples[1][0] <= now_ns - WINDOW_NS:
            samples.popleft()
        _, calls, errors = samples[0]
        rooms = self._head_room()
        in_use = [PPM - room.free_urgent * PPM // room.calls for room in rooms if room.calls > 0]
        self._uses_ppm.append(max(in_use, default=0))
        lasting_ppm = min(self._uses_ppm) if len(self._uses_ppm) == LOOKS_AT_RATE else 0
        is_open = any(room.breaker not in (CLOSED, HALF_OPEN) for room in rooms)
        return ApiHealth(0, self._meter.api_calls - calls, self._meter.api_errors - errors, lasting_ppm, is_open)

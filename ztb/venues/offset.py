"""How far the venue's clock is from ours, and how far from the truth that may be (F-18).

Each answer bounds the offset: the venue told its time at some moment between our asking and our hearing, and told it
only as finely as it tells time. What all answers allow together is what is known; its middle is the offset, half its
width the uncertainty. So a venue that tells whole seconds is measured the better, the more often its second turns
between two answers. The clock of this host is never adjusted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ztb.core.error import VenueError
from ztb.venues.clock import Clock
from ztb.venues.port import ServerTime

SAMPLES: Final = 5
SAMPLE_PAUSE_S: Final = 0.37
"""No divisor of a second, so that five answers meet different parts of one."""
STEP_NS_MAX: Final = 50_000_000
"""Between our two looks at the clock it ran on by itself; more than this is a step, and the answer says nothing."""


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """Venue minus us: the true offset lies within ``uncertainty_ns`` of ``offset_ns``."""

    offset_ns: int
    uncertainty_ns: int


class OffsetEstimate:
    """What the answers so far allow."""

    def __init__(self) -> None:
        self._low_ns = self._high_ns = 0
        self.samples = 0

    def add(self, *, asked_ns: int, told: ServerTime, heard_ns: int) -> None:
        """One answer. One that contradicts those before it begins anew: a clock was set in between."""
        assert asked_ns <= heard_ns
        assert told.resolution_ns >= 0
        low_ns = told.now_ns - heard_ns
        high_ns = told.now_ns + told.resolution_ns - asked_ns
        narrow = (max(self._low_ns, low_ns), min(self._high_ns, high_ns))
        is_first = not self.samples or narrow[0] > narrow[1]
        self._low_ns, self._high_ns = (low_ns, high_ns) if is_first else narrow
        self.samples += 1

    def offset(self) -> ClockOffset:
        """The middle of what is possible."""
        assert self.samples
        return ClockOffset((self._low_ns + self._high_ns) // 2, -(-(self._high_ns - self._low_ns) // 2))


async def measure_offset(
    server_time: Callable[[], Awaitable[ServerTime]],
    *,
    clock: Clock,
    samples: int = SAMPLES,
    pause_s: float = SAMPLE_PAUSE_S,
) -> ClockOffset:
    """Ask so many times. Raises what the venue raises when not one answer can be used."""
    assert samples > 0
    estimate = OffsetEstimate()
    failure: VenueError | None = None
    for number in range(samples):
        if number:
            await clock.sleep(pause_s)
        asked_ns, begun_ns = clock.now_ns(), clock.monotonic_ns()
        try:
            told = await server_time()
        except VenueError as error:
            failure = error
            continue
        heard_ns, ended_ns = clock.now_ns(), clock.monotonic_ns()
        if abs((heard_ns - asked_ns) - (ended_ns - begun_ns)) <= STEP_NS_MAX * clock.scale and heard_ns >= asked_ns:
            estimate.add(asked_ns=asked_ns, told=told, heard_ns=heard_ns)
    if estimate.samples:
        return estimate.offset()
    raise failure or VenueError("our clock was set while the venue's was asked for", kind="network", retryable=True)

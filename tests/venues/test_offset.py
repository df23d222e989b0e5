"""The offset of the venue's clock: what is told must hold the truth, whatever round trips and resolutions are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.scripted_clock import ScriptedClock
from ztb.core.error import Unreachable, VenueError
from ztb.venues.offset import ClockOffset, OffsetEstimate, measure_offset
from ztb.venues.port import ServerTime

MS = 1_000_000
SECOND = 1_000 * MS


class Far:
    """A venue whose clock is ``offset_ns`` from ours and told in whole ``resolution_ns``."""

    def __init__(
        self, clock: ScriptedClock, offset_ns: int, resolution_ns: int, trips_ms: Iterable[tuple[int, int]]
    ) -> None:
        self.clock = clock
        self.offset_ns = offset_ns
        self.resolution_ns = resolution_ns
        self.trips_ms = deque(trips_ms)
        self.errors: deque[VenueError | None] = deque()
        self.asked = 0

    async def server_time(self) -> ServerTime:
        there_ms, back_ms = self.trips_ms[self.asked % len(self.trips_ms)]
        self.asked += 1
        self.clock.advance(there_ms / 1_000)
        now_ns = self.clock.now_ns() + self.offset_ns
        self.clock.advance(back_ms / 1_000)
        error = self.errors.popleft() if self.errors else None
        if error is not None:
            raise error
        return ServerTime(now_ns - now_ns % self.resolution_ns, self.resolution_ns)


def measured(far: Far, samples: int = 5) -> ClockOffset:
    return asyncio.run(measure_offset(far.server_time, clock=far.clock, samples=samples))


def test_one_exact_answer_is_uncertain_by_half_its_round_trip() -> None:
    found = measured(Far(ScriptedClock(), 700 * MS, 1, [(10, 10)]), samples=1)
    assert abs(found.offset_ns - 700 * MS) <= 1
    assert 10 * MS <= found.uncertainty_ns <= 10 * MS + 1


def test_whole_seconds_told_five_times_are_better_than_half_a_second() -> None:
    clock = ScriptedClock()
    one = measured(Far(clock, 250 * MS, SECOND, [(5, 5)]), samples=1)
    assert one.uncertainty_ns >= 500 * MS
    five = measured(Far(clock, 250 * MS, SECOND, [(5, 5)]))
    assert abs(five.offset_ns - 250 * MS) <= five.uncertainty_ns
    assert five.uncertainty_ns < 250 * MS


@given(
    offset_ns=st.integers(-(10**12), 10**12),
    resolution_ns=st.sampled_from([1, MS, 100 * MS, SECOND]),
    trips_ms=st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), min_size=1, max_size=8),
    samples=st.integers(1, 8),
)
def test_the_truth_is_within_what_is_told(
    offset_ns: int, resolution_ns: int, trips_ms: list[tuple[int, int]], samples: int
) -> None:
    found = measured(Far(ScriptedClock(), offset_ns, resolution_ns, trips_ms), samples)
    assert abs(found.offset_ns - offset_ns) <= found.uncertainty_ns + 1
    shortest_ms = min(sum(trip) for trip in trips_ms[:samples])
    assert found.uncertainty_ns <= (shortest_ms * MS + resolution_ns) // 2 + 1, "never worse than the best answer"


def test_a_slow_answer_does_not_spoil_a_quick_one() -> None:
    found = measured(Far(ScriptedClock(), 0, 1, [(2_000, 0), (1, 1), (0, 2_000)]), samples=3)
    assert found.uncertainty_ns <= MS + 1


def test_a_clock_that_was_set_in_between_begins_anew() -> None:
    estimate = OffsetEstimate()
    estimate.add(asked_ns=0, told=ServerTime(0, 1), heard_ns=2)
    estimate.add(asked_ns=10, told=ServerTime(5_010, 1), heard_ns=12)
    assert abs(estimate.offset().offset_ns - 5_000) <= 2


def test_an_answer_during_which_our_clock_was_set_says_nothing() -> None:
    clock = ScriptedClock()
    far = Far(clock, 0, 1, [(1, 1)])

    async def server_time() -> ServerTime:
        told = await far.server_time()
        if far.asked == 1:
            clock.wall_ns += 3_600 * SECOND
        return told

    found = asyncio.run(measure_offset(server_time, clock=clock, samples=2))
    assert abs(found.offset_ns) <= 2 * MS
    far.asked = 0
    with pytest.raises(VenueError, match="our clock was set") as caught:
        asyncio.run(measure_offset(server_time, clock=clock, samples=1))
    assert caught.value.retryable


def test_some_answers_are_enough_and_none_is_an_error() -> None:
    far = Far(ScriptedClock(), 40 * MS, 1, [(1, 1)])
    far.errors = deque([Unreachable("dns", kind="network"), None, Unreachable("dns", kind="network")])
    assert abs(measured(far, samples=3).offset_ns - 40 * MS) <= MS + 1
    far.errors = deque(Unreachable("dns", kind="network") for _ in range(3))
    with pytest.raises(Unreachable):
        measured(far, samples=3)

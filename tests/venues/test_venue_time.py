"""What private calls are signed with: the venue's time, whatever becomes of this host's clock."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.scripted_clock import ScriptedClock
from ztb.core.error import Unreachable
from ztb.venues.port import ServerTime
from ztb.venues.venue_time import SHIFT_NS_MIN, VenueTime

MS = 1_000_000
SECOND = 1_000 * MS


class Venue:
    """A clock of its own, which nobody sets, ``trip_ms`` away in each direction."""

    def __init__(self, *, ahead_ms: int = 0, trip_ms: int = 20) -> None:
        self.clock = ScriptedClock()
        self.true_less_steady_ns = self.clock.now_ns() + ahead_ms * MS - self.clock.monotonic_ns()
        self.trip_ms = trip_ms
        self.asked = 0
        self.is_silent = self.is_down = False
        self.time = VenueTime(self._told, clock=self.clock)

    def true_ns(self) -> int:
        return self.clock.monotonic_ns() + self.true_less_steady_ns

    def set_own_clock(self, ms: int) -> None:
        self.clock.wall_ns += ms * MS

    async def _told(self) -> ServerTime:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_silent:
            await asyncio.Event().wait()
        if self.is_down:
            raise Unreachable("dns", kind="network", retryable=True)
        self.clock.advance(self.trip_ms / 1_000)
        told = ServerTime(self.true_ns(), 0)
        self.clock.advance(self.trip_ms / 1_000)
        return told


def test_what_nobody_told_is_our_own_clock() -> None:
    venue = Venue(ahead_ms=60_000)
    assert venue.time.now_ns() == venue.clock.now_ns()


@given(ahead_ms=st.integers(-700_000, 700_000), trip_ms=st.integers(0, 900), step_ms=st.integers(-(10**8), 10**8))
def test_a_signature_is_as_near_to_the_venues_time_as_a_trip(ahead_ms: int, trip_ms: int, step_ms: int) -> None:
    async def run() -> None:
        venue = Venue(ahead_ms=ahead_ms, trip_ms=trip_ms)
        await venue.time.ask()
        venue.set_own_clock(step_ms)
        venue.clock.advance(250)
        assert abs(venue.time.now_ns() - venue.true_ns()) <= trip_ms * MS

    asyncio.run(run())


def test_while_our_clock_can_be_right_it_is_believed() -> None:
    async def run() -> None:
        venue = Venue(ahead_ms=15, trip_ms=20)
        await venue.time.ask()
        assert venue.time.now_ns() == venue.clock.now_ns()
        venue = Venue(ahead_ms=35, trip_ms=20)
        await venue.time.ask()
        assert venue.time.now_ns() == venue.true_ns()

    asyncio.run(run())


def test_a_refused_call_learns_whether_the_time_was_why() -> None:
    async def run() -> None:
        venue = Venue(ahead_ms=120_000)
        signed_ns = venue.time.ahead_ns
        assert await venue.time.is_another_than(signed_ns)
        assert not await venue.time.is_another_than(venue.time.ahead_ns), "the time was right, so it was something else"
        assert venue.asked == 2

    asyncio.run(run())


def test_many_refused_calls_ask_once() -> None:
    async def run() -> None:
        venue = Venue(ahead_ms=-120_000)
        signed_ns = venue.time.ahead_ns
        assert await asyncio.gather(*(venue.time.is_another_than(signed_ns) for _ in range(20))) == [True] * 20
        assert venue.asked == 1

    asyncio.run(run())


def test_a_small_difference_is_no_reason_to_send_again() -> None:
    async def run() -> None:
        for ahead_ms, expected in ((SHIFT_NS_MIN // MS - 1, False), (SHIFT_NS_MIN // MS, True)):
            venue = Venue(ahead_ms=ahead_ms, trip_ms=0)
            assert await venue.time.is_another_than(venue.time.ahead_ns) is expected

    asyncio.run(run())


def test_a_venue_that_does_not_tell_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.venues.venue_time.RENEW_WALL_S_MAX", 0.01)

    async def run() -> None:
        venue = Venue(ahead_ms=120_000)
        venue.is_down = True
        assert not await venue.time.is_another_than(venue.time.ahead_ns)
        venue.is_silent = True
        assert not await venue.time.is_another_than(venue.time.ahead_ns)
        venue.is_silent = venue.is_down = False
        assert await venue.time.is_another_than(venue.time.ahead_ns)

    asyncio.run(run())


def test_a_venue_whose_clock_is_set_is_believed_anew() -> None:
    async def run() -> None:
        venue = Venue(ahead_ms=0)
        await venue.time.ask()
        venue.true_less_steady_ns += 90 * SECOND
        await venue.time.ask()
        assert venue.time.now_ns() == venue.true_ns()

    asyncio.run(run())

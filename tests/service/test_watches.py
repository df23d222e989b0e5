"""The clock and the rate governor as the session watches them: what becomes an event, what goes into the status."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from tests.service.scene import HandClock, until
from ztb.core.error import Unreachable
from ztb.core.event import BreakerTurned, ClockMeasured, Event
from ztb.service.clock_watch import AGAIN_S, EVERY_S, ClockWatch
from ztb.service.governor_watch import GovernorWatch, plain_rooms
from ztb.service.inbox import Inbox
from ztb.venues.limiter import LimitClass, Limiter, RateRule
from ztb.venues.port import HeadRoom, ServerTime

MS = 1_000_000


async def told(inbox: Inbox) -> list[Event]:
    events = []
    while not inbox.is_empty():
        events.append((await inbox.take())[0])
    return events


class VenueClock:
    """Tells exactly how late we are, until it is told to fail."""

    def __init__(self, clock: HandClock, offset_ms: int) -> None:
        self.clock = clock
        self.offset_ms = offset_ms
        self.failing = False
        self.asked = 0

    async def __call__(self) -> ServerTime:
        self.asked += 1
        if self.failing:
            raise Unreachable("dns", kind="network", retryable=True)
        return ServerTime(self.clock.now_ns() + self.offset_ms * MS, 0)


def test_the_first_measurement_is_one_question() -> None:
    async def run() -> None:
        clock = HandClock()
        venue, inbox = VenueClock(clock, 1_700), Inbox(clock)
        await ClockWatch(venue, clock=clock, inbox=inbox).first()
        [event] = await told(inbox)
        assert isinstance(event, ClockMeasured)
        assert (event.offset_ns, event.uncertainty_ns, venue.asked) == (1_700 * MS, 0, 1)

    asyncio.run(run())


def test_a_venue_that_does_not_tell_its_time_does_not_hold_the_start_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock = HandClock()
        venue, inbox = VenueClock(clock, 0), Inbox(clock)
        venue.failing = True
        await ClockWatch(venue, clock=clock, inbox=inbox).first()

        async def silent() -> ServerTime:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        monkeypatch.setattr("ztb.service.clock_watch.FIRST_WALL_S_MAX", 0.01)
        await ClockWatch(silent, clock=clock, inbox=inbox).first()
        assert await told(inbox) == []

    asyncio.run(run())


def test_it_is_measured_every_five_minutes_and_sooner_after_a_failure() -> None:
    async def run() -> None:
        pauses: deque[float] = deque()

        class Recording(HandClock):
            async def sleep(self, seconds: float) -> None:
                if seconds >= 1:
                    pauses.append(seconds)
                    venue.failing = len(pauses) == 2
                await super().sleep(seconds)

        clock = Recording()
        venue, inbox = VenueClock(clock, 5), Inbox(clock)
        task = asyncio.ensure_future(ClockWatch(venue, clock=clock, inbox=inbox).run())
        await until(lambda: len(pauses) >= 4)
        task.cancel()
        assert list(pauses)[:4] == [EVERY_S, EVERY_S, AGAIN_S, EVERY_S]

    asyncio.run(run())


def _rooms(*breakers: str) -> list[HeadRoom]:
    names = ("trade", "cancel_order", "public")
    return [HeadRoom(name, "exec", 9, 10.0, 7, 9, breaker) for name, breaker in zip(names, breakers, strict=False)]


def test_a_breaker_is_news_when_it_opens_and_when_all_are_closed_again() -> None:
    async def run() -> None:
        rooms: list[HeadRoom] = []
        inbox = Inbox(HandClock())
        watch = GovernorWatch(lambda: rooms, inbox)
        seen = []
        for states in (
            ("closed", "closed"), ("open", "open"), ("open", "open"), ("half_open", "half_open"), ("open", "open"),
            ("half_open", "half_open"), ("closed", "closed"), ("closed", "closed"),
        ):  # fmt: skip
            rooms[:] = _rooms(*states)
            watch.look()
            seen.append([event.is_open for event in await told(inbox) if isinstance(event, BreakerTurned)])
        assert seen == [[], [True], [], [], [], [], [False], []]
        rooms[:] = _rooms("closed", "closed", "open")
        watch.look()
        [event] = await told(inbox)
        assert isinstance(event, BreakerTurned)
        assert "of public only cancels and look-ups leave" in event.text
        assert "after 60 s" in event.text

    asyncio.run(run())


def test_the_status_names_every_limit() -> None:
    clock = HandClock()
    rules = {"trade": RateRule(LimitClass.EXEC, calls=9, period_s=10.0, reserve=2)}
    limiter = Limiter(rules, clock=clock)
    asyncio.run(limiter.acquire("trade"))
    assert plain_rooms(limiter.rooms()) == [
        {
            "name": "trade", "class": "exec", "calls": 9, "period_s": 10.0, "free": 6, "free_urgent": 8,
            "breaker": "closed",
        }
    ]  # fmt: skip

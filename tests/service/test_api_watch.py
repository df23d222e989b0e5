"""When the venue's interface is bad: one in five of at least ten calls, an open breaker, a limit used up for long.

The numbers are those of the reactions' table in the requirements: 20 % errors, 90 % of the rate, any open breaker.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ztb.core.event import ApiHealth, Event
from ztb.service.api_watch import ApiWatch
from ztb.service.measure import Meter
from ztb.venues.port import HeadRoom

SECOND = 1_000_000_000
SMALL = HeadRoom("history", "read", calls=10, period_s=60.0, free=10, free_urgent=10)


class Watched:
    """An interface whose clock, counts and limits the test sets."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND
        self.meter = Meter()
        self.rooms = [SMALL]
        self.told: list[ApiHealth] = []
        self.watch = ApiWatch(lambda: self.rooms, self.meter, self, self)  # type: ignore[arg-type]
        self.look()
        self.told.clear()  # a session begins by telling

    def now_ns(self) -> int:
        return self.now

    def put_now(self, event: Event) -> None:
        assert isinstance(event, ApiHealth)
        self.told.append(event)

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += SECOND
            self.watch.look()

    def call(self, good: int, bad: int) -> None:
        self.meter.api_calls += good + bad
        self.meter.api_errors += bad


@pytest.mark.parametrize(("good", "bad", "is_told"), [(8, 2, True), (9, 2, False), (7, 2, False), (0, 9, False)])
def test_one_failed_call_in_five_of_ten_is_told(good: int, bad: int, is_told: bool) -> None:
    it = Watched()
    it.call(good, bad)
    it.look()
    assert [(one.calls, one.errors) for one in it.told] == ([(good + bad, bad)] if is_told else [])


def test_failures_of_more_than_a_minute_ago_count_no_more_and_that_is_told_too() -> None:
    it = Watched()
    it.call(5, 5)
    it.look(62)
    assert [(one.calls, one.errors) for one in it.told] == [(10, 5), (10, 5), (0, 0)]


def test_a_small_limit_used_up_for_its_whole_window_is_honest_work() -> None:
    it = Watched()
    it.rooms = [replace(SMALL, free=0, free_urgent=0)]
    it.look(60)
    it.rooms = [SMALL]
    it.look()
    assert it.told == []


def test_a_limit_used_up_for_longer_than_any_window_is_told() -> None:
    it = Watched()
    it.rooms = [replace(SMALL, free=0, free_urgent=1)]
    it.look(100)
    assert [one.rate_use_ppm for one in it.told] == [900_000]


def test_a_limit_used_by_less_than_nine_tenths_is_not_told() -> None:
    it = Watched()
    it.rooms = [replace(SMALL, free=0, free_urgent=2)]
    it.look(200)
    assert it.told == []


def test_an_open_breaker_is_told_at_once_and_again_every_half_minute() -> None:
    it = Watched()
    it.rooms = [replace(SMALL, breaker="open")]
    it.look(31)
    assert [one.breaker_open for one in it.told] == [True, True]
    it.rooms = [replace(SMALL, breaker="half_open")]
    it.look()
    assert [one.breaker_open for one in it.told] == [True, True, False]

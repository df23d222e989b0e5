"""A tracker while a flatten waits for it: sooner than its pace allows, and never so often that the reserve is gone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from itertools import pairwise

import pytest

from tests.venues.test_tracker import Desk
from tests.venues.test_watch import names, place
from ztb.venues.port import Placed
from ztb.venues.zaif.rules import RATE_RULES


async def working(desk: Desk, *, burst_is_gone: bool) -> None:
    """One order works, and was just cancelled; the venue confirmed it."""
    tracker, account = desk.tracker, desk.account
    tracker.watch(place())
    account.show("ztb-a", 10)
    await desk.poll(60)
    while burst_is_gone and tracker._history._take_token():
        pass
    tracker.note_cancelled("ztb-a")
    account.open.clear()


def test_without_a_flatten_a_tracker_whose_burst_is_gone_waits() -> None:
    async def run() -> None:
        desk = Desk()
        await working(desk, burst_is_gone=True)
        assert await desk.poll(1) == []

    asyncio.run(run())


def test_with_one_the_end_is_told_by_the_next_look_from_the_reserve() -> None:
    async def run() -> None:
        desk = Desk()
        await working(desk, burst_is_gone=True)
        desk.tracker.is_urgent = True
        assert names(await desk.poll(1)) == ["OrderCancelled"]
        assert desk.account.open_calls[-1] is True
        assert desk.account.fills_calls[-1][1] is True

    asyncio.run(run())


def test_where_it_tells_nothing_the_readings_become_rare() -> None:
    """In any minute no more of them than the venue has places, whatever the pace used up before."""

    async def run() -> None:
        desk = Desk()
        await working(desk, burst_is_gone=False)
        desk.tracker.is_urgent = True
        desk.tracker.note_placed("ztb-a", Placed("7", 3))  # and these fills never show in the history
        read_at_s: list[float] = []
        for _ in range(480):
            before = len(desk.account.fills_calls)
            assert "OrderCancelled" not in names(await desk.poll(0.25))
            if len(desk.account.fills_calls) > before:
                read_at_s.append(desk.clock.monotonic_ns() / 1e9)
        rule = RATE_RULES["trade_history"]
        busiest = max(sum(start <= at_s < start + rule.period_s for at_s in read_at_s) for start in read_at_s)
        assert busiest <= rule.calls + 2, "what the limiter holds back is read soon after"
        assert all(later - earlier <= 8.75 for earlier, later in pairwise(read_at_s)), "and never given up"

    asyncio.run(run())


@pytest.mark.parametrize(("is_urgent", "pause_s"), [(False, 1.0), (True, 0.5)])
def test_looks_follow_each_other_more_closely(is_urgent: bool, pause_s: float) -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        desk.tracker.is_urgent = is_urgent
        async with aclosing(desk.tracker.events()) as events:
            assert names([await anext(events)]) == ["OrderAccepted"]
            desk.account.fill(1, "ztb-a", 10)
            desk.account.open.clear()
            assert names([await anext(events)]) == ["OrderFilled"]
        assert desk.clock.slept == [pause_s]

    asyncio.run(run())

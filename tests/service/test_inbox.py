"""One way in: stamped in order, operators first, never longer than its bound."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import T0
from tests.service.scene import SYMBOL, HandClock
from ztb.core.error import InvariantBroken
from ztb.core.event import Event, Kill, Resume, Timer, Trade
from ztb.core.instrument import BUY
from ztb.service import inbox as inbox_module
from ztb.service.inbox import Inbox


def trade() -> Trade:
    return Trade(0, SYMBOL, 1_000, 1, BUY)


def taken(inbox: Inbox) -> Event:
    return asyncio.run(inbox.take())[0]


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["market", "operator", "take", "at once"])), min_size=1))
def test_time_stamps_rise_strictly_whatever_the_clock_does(acts: list[tuple[int, str]]) -> None:
    async def run() -> None:
        clock = HandClock()
        inbox = Inbox(clock)
        stamps: list[int] = []
        put = 0
        for step_ns, act in acts:
            clock.ns += step_ns
            if act == "take" and not inbox.is_empty():
                stamps.append((await inbox.take())[0].ts_ns)
            elif act == "at once":
                event = Timer(0)
                inbox.stamp_now(event)
                stamps.append(event.ts_ns)
                put += 1
            else:
                inbox.put_now(Kill(0, "test", "") if act == "operator" else Timer(0), first=act == "operator")
                put += 1
        while not inbox.is_empty():
            stamps.append((await inbox.take())[0].ts_ns)
        assert len(stamps) == put
        assert all(before < after for before, after in itertools.pairwise(stamps))

    asyncio.run(run())


def test_an_event_gets_the_time_at_which_it_came_in_not_that_at_which_it_is_taken() -> None:
    clock = HandClock()
    inbox = Inbox(clock)
    inbox.put_now(trade())
    clock.advance(5)
    assert taken(inbox).ts_ns == T0


def test_operators_come_before_the_market_and_in_their_own_order() -> None:
    inbox = Inbox(HandClock())
    for _ in range(3):
        inbox.put_now(trade())
    inbox.put_now(Kill(0, "test", "first"), first=True)
    inbox.put_now(Resume(0, "test", "second"), first=True)
    assert [type(taken(inbox)) for _ in range(5)] == [Kill, Resume, Trade, Trade, Trade]


def test_steps_back_of_the_clock_are_counted() -> None:
    clock = HandClock()
    inbox = Inbox(clock)
    for step in (0, 10, -4, 1, -1):
        clock.ns += step
        inbox.put_now(Timer(0))
    assert inbox.backsteps == 2


def test_a_long_step_back_is_told_and_time_stands_still(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    inbox = Inbox(clock)
    inbox.put_now(Timer(0))
    clock.advance(-3_600)
    inbox.put_now(Timer(0))
    inbox.put_now(Timer(0))
    assert [taken(inbox).ts_ns - T0 for _ in range(3)] == [0, 1, 2]
    assert [getattr(record, "event", "") for record in caplog.records] == ["clock_went_back"]


def test_the_market_waits_while_the_inbox_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_EVENTS_MAX", 3)

    async def run() -> None:
        inbox = Inbox(HandClock())
        market = asyncio.create_task(_pour(inbox, 10))
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(inbox) == 3
        assert not market.done()
        for _ in range(10):
            await inbox.take()
            await asyncio.sleep(0)
            assert len(inbox) <= 3
        await market
        assert inbox.depth_max == 3

    asyncio.run(run())


async def _pour(inbox: Inbox, count: int) -> None:
    for _ in range(count):
        await inbox.put(trade())


@pytest.mark.parametrize("first", [False, True])
def test_what_never_waits_has_a_bound_all_the_same(first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "INBOX_EVENTS_MAX", 3)
    monkeypatch.setattr(inbox_module, "URGENT_EVENTS_MAX", 2)
    inbox = Inbox(HandClock())
    for _ in range(2 if first else 5):
        inbox.put_now(Timer(0), first=first)
    with pytest.raises(InvariantBroken, match="nobody takes them"):
        inbox.put_now(Timer(0), first=first)


def test_empty_means_handled() -> None:
    async def run() -> None:
        inbox = Inbox(HandClock())
        await inbox.until_empty()
        inbox.put_now(Timer(0))
        waiting = asyncio.create_task(inbox.until_empty())
        await asyncio.sleep(0)
        assert not waiting.done()
        await inbox.take()
        await asyncio.wait_for(waiting, 10)

    asyncio.run(run())

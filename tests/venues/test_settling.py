"""When is an ended order really over? When the fills were read once more, well after its end, and not before."""

from __future__ import annotations

import asyncio

from tests.venues.scripted_account import ScriptedAccount, throttled
from tests.venues.scripted_clock import ScriptedClock
from tests.venues.test_watch import names, place
from tests.venues.zaif.samples import BTC_JPY
from ztb.core.event import OrderEvent, OrderFilled
from ztb.venues.tracker import OrderTracker


class Desk:
    """An order of ten lots of which four were filled, and whose cancel the venue has just confirmed."""

    def __init__(self) -> None:
        self.account = ScriptedAccount()
        self.clock = ScriptedClock()
        self.tracker = OrderTracker(self.account, BTC_JPY, self.clock, cursor="0")

    async def cancelled(self) -> list[OrderEvent]:
        self.tracker.watch(place())
        self.account.show("ztb-a", 6)
        self.account.fill(1, "ztb-a", 4)
        await self.poll(1)
        self.account.open.clear()
        self.tracker.note_cancelled("ztb-a")
        return await self.poll(1)

    async def poll(self, seconds: float) -> list[OrderEvent]:
        self.clock.advance(seconds)
        return await self.tracker.poll()


def test_it_settles_when_the_fills_are_read_three_seconds_after_the_end() -> None:
    async def run() -> None:
        desk = Desk()
        assert names(await desk.cancelled()) == ["OrderCancelled"]
        reads = len(desk.account.fills_calls)
        assert await desk.poll(2.9) == []
        assert len(desk.account.fills_calls) == reads, "too early a look would prove nothing"
        assert names(await desk.poll(0.1)) == ["OrderSettled"]
        assert len(desk.account.fills_calls) == reads + 1, "for this alone the fills were read"
        assert await desk.poll(30) == [], "told once"

    asyncio.run(run())


def test_a_fill_that_comes_late_is_told_before_it_settles() -> None:
    async def run() -> None:
        desk = Desk()
        await desk.cancelled()
        desk.account.fill(2, "ztb-a", 5)
        late = await desk.poll(3)
        assert names(late) == ["OrderFilled", "OrderSettled"]
        assert isinstance(late[0], OrderFilled)
        assert late[0].lots == 5

    asyncio.run(run())


def test_fills_that_cannot_be_read_settle_nothing() -> None:
    async def run() -> None:
        desk = Desk()
        await desk.cancelled()
        desk.account.fills_errors.extend([throttled(), throttled()])
        assert await desk.poll(60) == []
        assert await desk.poll(60) == []
        assert names(await desk.poll(60)) == ["OrderSettled"]

    asyncio.run(run())


def test_what_was_refused_has_nothing_to_settle() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.tracker.forget("ztb-a")
        assert await desk.poll(60) == []

    asyncio.run(run())


def test_after_a_restart_what_had_not_settled_settles_anew() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place(), known_fills={"1": 4})
        desk.tracker.forget("ztb-a", may_fill=True)
        assert await desk.poll(1) == []
        assert names(await desk.poll(3)) == ["OrderSettled"]

    asyncio.run(run())


def test_an_order_that_fills_whole_after_its_end_is_over_at_once() -> None:
    async def run() -> None:
        desk = Desk()
        await desk.cancelled()
        desk.account.fill(2, "ztb-a", 6)
        assert names(await desk.poll(3)) == ["OrderFilled", "OrderSettled"]

    asyncio.run(run())

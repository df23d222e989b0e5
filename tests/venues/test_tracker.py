"""The tracker against a venue played by hand: what it tells, when it asks, and what it never concludes."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from tests.venues.scripted_account import ScriptedAccount, lasting, passing, throttled
from tests.venues.scripted_clock import ScriptedClock
from tests.venues.test_watch import names, place
from tests.venues.zaif.samples import BTC_JPY
from ztb.core.error import VenueError
from ztb.core.event import OrderAccepted, OrderEvent, OrderFilled, OrderRecovered
from ztb.core.instrument import BUY
from ztb.venues.pacing import PollingPace
from ztb.venues.port import Placed
from ztb.venues.tracker import OrderTracker


class Desk:
    """Account, clock and tracker."""

    def __init__(self, *, cursor: str = "0", **options: Any) -> None:  # noqa: ANN401
        self.account = ScriptedAccount()
        self.clock = ScriptedClock()
        self.tracker = OrderTracker(self.account, BTC_JPY, self.clock, cursor=cursor, **options)

    async def poll(self, seconds: float = 10.0) -> list[OrderEvent]:
        self.clock.advance(seconds)
        return await self.tracker.poll()


def test_life_of_an_order() -> None:
    async def run() -> None:
        desk = Desk()
        account, tracker = desk.account, desk.tracker
        tracker.watch(place())
        account.show("ztb-a", 10)
        assert names(await desk.poll()) == ["OrderAccepted"]
        account.show("ztb-a", 6)
        account.fill(1, "ztb-a", 4)
        [filled] = await desk.poll()
        assert isinstance(filled, OrderFilled)
        assert (filled.trade_id, filled.lots) == ("1", 4)
        account.open.clear()
        account.fill(2, "ztb-a", 6)
        assert names(await desk.poll()) == ["OrderFilled"]
        assert tracker.is_idle
        assert await desk.poll() == []
        assert tracker.cursor == "2"

    asyncio.run(run())


def test_history_is_read_only_when_something_suggests_it() -> None:
    async def run() -> None:
        desk = Desk()
        account, tracker = desk.account, desk.tracker
        await desk.poll()
        assert len(account.fills_calls) == 1  # the first look always
        for _ in range(5):
            await desk.poll(1)
        assert len(account.fills_calls) == 1
        account.show("ztb-a", 10)
        tracker.watch(place())
        await desk.poll(1)
        assert len(account.fills_calls) == 2  # the open orders changed
        await desk.poll(1)
        assert len(account.fills_calls) == 2
        await desk.poll(30)
        assert len(account.fills_calls) == 3  # too long ago
        tracker.note_placed("ztb-a", Placed("7", 3))
        await desk.poll(1)
        assert len(account.fills_calls) == 4  # the order's answer told of fills
        del account.open["ztb-a"]
        await desk.poll(1)
        assert len(account.fills_calls) == 5  # an order vanished
        assert len(account.open_calls) == 11

    asyncio.run(run())


def test_history_stays_below_the_venues_limit_whatever_happens() -> None:
    async def run() -> None:
        desk = Desk()
        times: list[int] = []
        for number in range(600):
            desk.tracker.watch(place(f"ztb-{number}"))
            desk.tracker.note_placed(f"ztb-{number}", Placed("", 10))
            before = len(desk.account.fills_calls)
            await desk.poll(1)
            times += [number] * (len(desk.account.fills_calls) - before)
        busiest = max(sum(start <= time < start + 60 for time in times) for start in range(600))
        assert 9 <= busiest <= 10

    asyncio.run(run())


def test_vanished_order_needs_agreeing_looks_at_open_orders_and_fills() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.tracker.note_venue_id("ztb-a", "7")
        for _ in range(7):
            assert await desk.poll() == []
        assert names(await desk.poll()) == ["OrderCancelled"]

        desk = Desk()
        desk.tracker.watch(place())
        desk.tracker.note_venue_id("ztb-a", "7")
        desk.account.fills_errors.extend([throttled()] * 5)
        for _ in range(12):
            assert await desk.poll() == []
        assert names(await desk.poll()) == ["OrderCancelled"]

    asyncio.run(run())


def test_cancel_that_races_a_fill() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        await desk.poll()
        desk.account.fill(5, "ztb-a", 4)
        desk.account.open.clear()
        desk.tracker.note_cancelled("ztb-a")
        assert names(await desk.poll()) == ["OrderFilled", "OrderCancelled"]

    asyncio.run(run())


def test_what_a_broken_look_found_is_told_by_the_next() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        desk.account.fills_errors.append(passing())
        with pytest.raises(VenueError, match="hiccups"):
            await desk.poll()
        assert names(await desk.poll()) == ["OrderAccepted"]

    asyncio.run(run())


def test_saved_cursor_stays_behind_until_what_was_read_is_told() -> None:
    async def run() -> None:
        desk = Desk(cursor="100")
        desk.tracker.watch(place())
        desk.account.fill(101, "ztb-a", 10)
        desk.account.show("ztb-a", 10)
        looking = asyncio.ensure_future(desk.tracker.resolve(place(), spread_s=10))
        while not desk.account.fills_calls:  # noqa: ASYNC110 - the scripted venue has no event for it
            await asyncio.sleep(0)
        # The fill is read, but nobody has it yet: a crash now must find it again.
        assert desk.tracker.cursor == "100"
        assert names(await looking) == ["OrderAccepted", "OrderFilled"]
        assert desk.tracker.cursor == "101"

    asyncio.run(run())


def test_forgotten_order_is_not_judged_but_its_late_fill_is_told() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.tracker.forget("ztb-a")
        desk.tracker.forget("ztb-unknown")
        assert desk.tracker.is_idle
        desk.account.fill(1, "ztb-a", 10)
        assert names(await desk.poll()) == ["OrderFilled"]

    asyncio.run(run())


def test_saved_cursor_is_never_beyond_a_fill_of_a_working_order() -> None:
    async def run() -> None:
        desk = Desk(cursor="100")
        desk.account.fill(101, "", 1)
        await desk.poll()
        assert desk.tracker.cursor == "101"
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        desk.account.fill(102, "", 1)
        await desk.poll()
        assert desk.tracker.cursor == "101"
        # A restart from the saved cursor finds the fill that came while nobody looked.
        desk.account.open.clear()
        desk.account.fill(103, "ztb-a", 10)
        again = OrderTracker(desk.account, BTC_JPY, desk.clock, cursor=desk.tracker.cursor)
        again.watch(OrderRecovered(0, "ztb-a", "btc_jpy", BUY, 10, 100, False, 0, 1))
        assert names(await again.poll()) == ["OrderFilled"]

    asyncio.run(run())


def test_fill_that_the_venue_shows_late_and_with_a_lower_id_is_found() -> None:
    async def run() -> None:
        desk = Desk(cursor="100")
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        await desk.poll()
        desk.account.show("ztb-a", 6)
        desk.account.fill(150, "", 1)
        assert await desk.poll() == []
        desk.account.fill(149, "ztb-a", 4)
        assert names(await desk.poll()) == ["OrderFilled"]

    asyncio.run(run())


def test_unknown_order_that_rests() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        assert names(await desk.tracker.resolve(place())) == ["OrderAccepted"]
        assert desk.clock.slept[0] == 2.0
        assert desk.account.open_calls == [True]
        assert desk.account.fills_calls == [("0", True)]

    asyncio.run(run())


def test_unknown_order_that_filled_at_once_is_only_in_the_history() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.fill(1, "ztb-a", 10)
        assert names(await desk.tracker.resolve(place())) == ["OrderFilled"]

    asyncio.run(run())


def test_unknown_order_that_is_nowhere_needs_looks_that_agree_over_time() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        began_ns = desk.clock.monotonic_ns()
        [event] = await desk.tracker.resolve(place(), first_wait_s=2, looks_min=3, spread_s=10)
        assert type(event).__name__ == "OrderNotPlaced"
        assert desk.clock.monotonic_ns() - began_ns >= 12_000_000_000
        assert len(desk.account.open_calls) == len(desk.account.fills_calls) == 3

    asyncio.run(run())


def test_order_seen_while_its_answer_was_awaited_is_told_again_once_the_answer_is_lost() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 10)
        assert names(await desk.poll()) == ["OrderAccepted"]
        # Only now the request times out, and the core holds the order to be unknown.
        assert names(await desk.tracker.resolve(place())) == ["OrderAccepted"]

    asyncio.run(run())


def test_unknown_order_that_filled_in_part_and_is_gone_gets_its_end() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.fill(1, "ztb-a", 4)
        assert names(await desk.tracker.resolve(place())) == ["OrderFilled", "OrderCancelled"]

    asyncio.run(run())


def test_looks_that_fail_are_no_evidence() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.open_errors.extend([passing()] * 10)
        desk.account.fills_errors.extend([throttled(), passing(), throttled()])
        [event] = await desk.tracker.resolve(place())
        assert type(event).__name__ == "OrderNotPlaced"
        # Thirteen that failed, and four that agree.
        assert len(desk.account.open_calls) == 17

    asyncio.run(run())


def test_order_that_appears_late_is_not_called_never_placed() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        resolving = asyncio.ensure_future(desk.tracker.resolve(place()))
        while len(desk.account.fills_calls) < 2:  # noqa: ASYNC110 - the scripted venue has no event for it
            await asyncio.sleep(0)
        desk.account.show("ztb-a", 10)
        assert names(await resolving) == ["OrderAccepted"]

    asyncio.run(run())


def test_order_stays_unknown_when_the_venue_does_not_answer() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.open_errors.extend([passing()] * 5)
        assert await desk.tracker.resolve(place(), looks_max=5) == []
        assert not desk.tracker.is_idle
        desk.account.open_errors.append(lasting())
        with pytest.raises(VenueError, match="no such key"):
            await desk.tracker.resolve(place())

    asyncio.run(run())


def test_several_unknown_orders_share_their_looks() -> None:
    async def run() -> None:
        desk = Desk()
        orders = [place(f"ztb-{number}") for number in range(5)]
        for order in orders:
            desk.tracker.watch(order)
        told = await asyncio.gather(*(desk.tracker.resolve(order) for order in orders))
        assert names([event for events in told for event in events]) == ["OrderNotPlaced"] * 5

    asyncio.run(run())


def test_settle_gives_every_recovered_order_its_fate() -> None:
    async def run() -> None:
        desk = Desk()
        for name in ("works", "filled", "gone"):
            desk.tracker.watch(place(f"ztb-{name}"))
            desk.tracker.note_venue_id(f"ztb-{name}", "7")
        desk.account.show("ztb-works", 10)
        desk.account.fill(1, "ztb-filled", 10)
        events = await desk.tracker.settle()
        assert [(type(event).__name__, event.client_id) for event in events] == [
            ("OrderFilled", "ztb-filled"),
            ("OrderCancelled", "ztb-gone"),
        ]

    asyncio.run(run())


def test_reconcile_agrees() -> None:
    async def run() -> None:
        desk = Desk()
        desk.tracker.watch(place())
        desk.account.show("ztb-a", 6)
        desk.account.fill(1, "ztb-a", 4)
        desk.account.show("somebody", 5, venue_id="8")
        report = await desk.tracker.reconcile({"ztb-a": 10})
        assert report.clean
        assert report.text() == "our orders and the venue's agree"
        # The look found the fill that the difference consists of.
        assert names(list(report.events)) == ["OrderAccepted", "OrderFilled"]

    asyncio.run(run())


def test_reconcile_finds_both_ways() -> None:
    async def run() -> None:
        desk = Desk()
        for name in ("a", "b", "c"):
            desk.tracker.watch(place(f"ztb-{name}"))
        desk.account.show("ztb-b", 3)
        desk.account.show("ztb-stray", 5, venue_id="9")
        desk.account.fill(1, "ztb-never", 2)
        report = await desk.tracker.reconcile({"ztb-a": 10, "ztb-b": 10, "ztb-nobody": 1})
        assert not report.clean
        assert report.missing_there == ("ztb-a", "ztb-nobody")
        assert [order.tag for order in report.unknown_here] == ["ztb-stray"]
        assert report.different == (("ztb-b", 10, 3),)
        assert [fill.trade_id for fill in report.stray_fills] == ["1"]
        assert report.text() == (
            "ztb-a is not at the venue; ztb-nobody is not at the venue; ztb-stray works at the venue as 9, unknown "
            "here; ztb-b: 10 lots remain here, 3 there; fill 1 of ztb-never belongs to no order of ours"
        )

    asyncio.run(run())


def test_reconcile_raises_what_the_venue_says() -> None:
    async def run() -> None:
        desk = Desk()
        desk.account.open_errors.append(passing())
        with pytest.raises(VenueError):
            await desk.tracker.reconcile({})

    asyncio.run(run())


def test_events_are_endless_survive_passing_failures_and_end_with_lasting_ones() -> None:
    async def run() -> None:
        desk = Desk()
        account, tracker = desk.account, desk.tracker
        tracker.watch(place())
        account.show("ztb-a", 10)
        account.open_errors.extend([passing(), passing(), throttled(), None, *[lasting()] * 5])
        async with aclosing(tracker.events()) as events:
            assert isinstance(await anext(events), OrderAccepted)
            assert tracker.failures_in_row == 0
            # Waits grow while the venue fails.
            assert desk.clock.slept == [2, 4, 8]
            # A key that worked before is called wrong five times in a row: then it is believed.
            with pytest.raises(VenueError, match="no such key"):
                await anext(events)
            assert not account.open_errors

    asyncio.run(run())


def test_looks_are_slow_when_nothing_works_and_begin_at_once_when_something_does() -> None:
    async def run() -> None:
        desk = Desk(pace=PollingPace(slow_s=3600))
        account, tracker = desk.account, desk.tracker
        async with aclosing(tracker.events()) as events:
            waiting = asyncio.ensure_future(anext(events))
            while not account.open_calls:  # noqa: ASYNC110 - the scripted venue has no event for it
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(account.open_calls) == 1
            account.show("ztb-a", 10)
            tracker.watch(place())
            assert isinstance(await asyncio.wait_for(waiting, 30), OrderAccepted)

    asyncio.run(run())


def test_looks_never_overlap() -> None:
    async def run() -> None:
        desk = Desk()
        under_way = 0

        class Slow(ScriptedAccount):
            async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[Any]:
                nonlocal under_way
                under_way += 1
                assert under_way == 1
                await asyncio.sleep(0.001)
                return await super().open_orders(instrument, urgent=urgent)

            async def fills_after(self, instrument: str, trade_id: str, *, urgent: bool = False) -> list[Any]:
                nonlocal under_way
                await asyncio.sleep(0.001)
                under_way -= 1
                return await super().fills_after(instrument, trade_id, urgent=urgent)

        tracker = OrderTracker(Slow(), BTC_JPY, desk.clock, cursor="0")
        await asyncio.gather(*(tracker.reconcile({}) for _ in range(10)))
        assert tracker.looks == 10

    asyncio.run(run())


def test_order_of_another_instrument_is_our_mistake() -> None:
    desk = Desk()
    with pytest.raises(AssertionError):
        desk.tracker.watch(OrderRecovered(0, "ztb-a", "eth_jpy", BUY, 1, 1, False, 0, 1))

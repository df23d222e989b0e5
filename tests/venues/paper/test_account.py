"""The paper account behind the port: latency, a market out of sight, steps that changed, callers who leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.venues.at_wire import AtWire
from tests.venues.paper.desk import BTC_JPY, NOW_NS
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.command import GTC, IOC, TIMES_IN_FORCE, Place
from ztb.core.error import GateClosed, InvariantBroken, Rejected, Unreachable, VenueError
from ztb.core.event import Depth, Feed, Trade
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.paper import rules
from ztb.venues.paper.account import PaperAccount
from ztb.venues.paper.venue import NO_KEYS, PaperVenue
from ztb.venues.port import Capabilities, HeadRoom, MarketNews, OrderReport, ServerTime, StreamState, VenueFill

BOOK = Depth(NOW_NS, "btc_jpy", ((100, 30),), ((102, 5), (103, 7)), True)


class Public:
    """The public side of a venue, as the test wants it; it is the market, and its feed as well."""

    name = "zaif"

    def __init__(self, *, times_in_force: frozenset[str] = frozenset(TIMES_IN_FORCE)) -> None:
        self.capabilities: Capabilities = rules.capabilities(times_in_force)
        self.book = BOOK
        self.real = BTC_JPY
        self.failure: VenueError | None = None
        self.depths_read = 0
        self.news: asyncio.Queue[MarketNews] = asyncio.Queue()
        self.is_closed = False

    @property
    def market(self) -> Public:
        return self

    def market_feed(self, instrument: Instrument) -> Public:
        return self

    def head_room(self) -> tuple[HeadRoom, ...]:
        return (HeadRoom("public", "public", 10, 1.0, 9, 10),)

    async def close(self) -> None:
        self.is_closed = True

    async def events(self) -> AsyncGenerator[MarketNews, None]:
        while True:
            yield await self.news.get()

    async def instruments(self) -> dict[str, Instrument]:
        return {"btc_jpy": self.real}

    async def instrument(self, symbol: str) -> Instrument:
        if self.failure is not None:
            raise self.failure
        return self.real

    async def depth(self, instrument: Instrument) -> Depth:
        self.depths_read += 1
        if self.failure is not None:
            raise self.failure
        return self.book

    async def trades(self, instrument: Instrument, *, wait_s_max: float | None = None) -> list[Trade]:
        return []

    async def server_time(self) -> ServerTime:
        return ServerTime(NOW_NS, 1)


class Scene:
    """A paper venue upon a hand-made public side."""

    def __init__(self, folder: Path, public: Public | None = None, *, at_wire: AtWire | None = None) -> None:
        self.clock = ScriptedClock(NOW_NS)
        self.public = public or Public()
        self.venue = PaperVenue(
            self.public, clock=self.clock, balances={"jpy": Decimal(1000), "btc": Decimal(1)}, latency_s=0.05
        )
        self.account: PaperAccount = self.venue.account(
            NO_KEYS, {"btc_jpy": BTC_JPY}, directory=folder, at_wire=at_wire
        )
        self.count = 0

    def order(self, side: int, lots: int, price: int, time_in_force: str = GTC) -> Place:
        self.count += 1
        return Place(
            NOW_NS, f"ztb-{self.count:020x}", "btc_jpy", side, lots, price, False, self.count, "test", time_in_force
        )


def test_orders_arrive_after_the_latency_and_meet_the_market_of_that_moment(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        assert (await scene.account.place(scene.order(BUY, 9, 103))).filled_lots == 9
        assert scene.clock.slept == [0.05, 0.05]
        assert [fill.venue_ns - NOW_NS for fill in await scene.account.fills_after("btc_jpy", "")] == [50_000_000] * 2
        scene.public.book = replace_asks(((110, 1),))
        resting = await scene.account.place(scene.order(BUY, 9, 103))
        [order] = await scene.account.open_orders("btc_jpy")
        assert (order.venue_id, order.tag, order.lots, order.remaining_lots) == (
            resting.venue_id,
            f"ztb-{2:020x}",
            9,
            9,
        )
        assert await scene.account.cancel("btc_jpy", resting.venue_id)
        assert not await scene.account.cancel("btc_jpy", resting.venue_id)
        [report] = await scene.account.look_up("btc_jpy", [resting.venue_id, "unheard of"])
        assert report.status == "cancelled"

    asyncio.run(run())


def replace_asks(asks: tuple[tuple[int, int], ...]) -> Depth:
    return Depth(NOW_NS, "btc_jpy", BOOK.bids, asks, True)


def test_many_are_cancelled_in_one_call_and_no_other(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        ids = [(await scene.account.place(scene.order(BUY, 1, 90 + number))).venue_id for number in range(3)]
        assert await scene.account.cancel_all("btc_jpy", [*ids[:2], "gone"]) == frozenset(ids[:2])
        assert [order.venue_id for order in await scene.account.open_orders("btc_jpy")] == ids[2:]

    asyncio.run(run())


def test_a_caller_who_leaves_does_not_call_the_order_back(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        placing = asyncio.create_task(scene.account.place(scene.order(BUY, 5, 102)))
        await asyncio.sleep(0)
        placing.cancel()
        await asyncio.gather(placing, return_exceptions=True)
        for _ in range(20):
            await asyncio.sleep(0)
        [fill] = await scene.account.fills_after("btc_jpy", "")
        assert (fill.tag, fill.lots) == (f"ztb-{1:020x}", 5)
        await scene.venue.close()
        assert scene.public.is_closed

    asyncio.run(run())


def test_the_gate_is_asked_before_anything_travels(tmp_path: Path) -> None:
    def closed(order: Place) -> None:
        raise GateClosed("closed", kind="exchange", code="killed")

    async def run() -> None:
        scene = Scene(tmp_path, at_wire=AtWire(closed))
        with pytest.raises(GateClosed):
            await scene.account.place(scene.order(BUY, 5, 102))
        assert scene.clock.slept == []
        assert scene.public.depths_read == 0
        assert await scene.account.fills_after("btc_jpy", "") == []

    asyncio.run(run())


def test_without_a_market_no_order_is_placed(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        scene.public.failure = VenueError("HTTP 502", kind="network", code="502", retryable=True)
        with pytest.raises(Unreachable) as caught:
            await scene.account.place(scene.order(BUY, 5, 102))
        assert (caught.value.kind, caught.value.code, caught.value.retryable) == ("network", "502", True)
        assert await scene.account.open_orders("btc_jpy") == []

    asyncio.run(run())


def test_what_the_other_venue_does_not_take_is_not_taken_here(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path, Public(times_in_force=frozenset({GTC})))
        assert scene.venue.capabilities.times_in_force == {GTC}
        with pytest.raises(Rejected) as caught:
            await scene.account.place(scene.order(BUY, 5, 102, IOC))
        assert caught.value.code == "unsupported"
        other = replace_instrument(scene.order(BUY, 5, 102))
        with pytest.raises(InvariantBroken):
            await scene.account.place(other)

    asyncio.run(run())


def replace_instrument(order: Place) -> Place:
    return Place(order.ts_ns, "ztb-x", "eth_jpy", order.side, order.lots, order.price, False, 1, "test")


def test_the_steps_of_the_other_venue_decide(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        scene.public.real = replace(BTC_JPY, tick_size=Decimal(10), lot_size=Decimal("0.0002"))
        for lots, price, code in ((4, 101, "off_tick"), (3, 100, "off_step")):
            with pytest.raises(Rejected) as caught:
                await scene.account.place(scene.order(BUY, lots, price))
            assert caught.value.code == code
        assert (await scene.account.place(scene.order(BUY, 4, 100))).venue_id
        scene.public.real = BTC_JPY
        assert (await scene.account.place(scene.order(BUY, 3, 101))).venue_id

    asyncio.run(run())


def test_the_stream_feeds_the_book_and_every_event_goes_on_unchanged(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        events: list[MarketNews] = [
            Feed(NOW_NS, True),
            BOOK,
            Trade(NOW_NS, "btc_jpy", 101, 4, SELL),
            Depth(NOW_NS, "btc_jpy", (), ((102, 2),), False),
            Trade(NOW_NS, "btc_jpy", 95, 4, SELL),
        ]
        feed = scene.venue.market_feed(BTC_JPY)
        async with aclosing(feed.events()) as heard:
            for number, event in enumerate(events):
                scene.public.news.put_nowait(event)
                assert await anext(heard) is event
                if number == 3:
                    # The book is the stream's now: 2 lots at 102, and REST is not asked.
                    assert (await scene.account.place(scene.order(BUY, 6, 102))).filled_lots == 2
                    assert scene.public.depths_read == 0
            fills = await scene.account.fills_after("btc_jpy", "")
            assert [(fill.price, fill.lots, fill.maker) for fill in fills] == [(102, 2, False), (102, 4, True)]
            scene.clock.advance(61)
            await scene.account.place(scene.order(BUY, 1, 50))
            assert scene.public.depths_read == 1
            scene.public.news.put_nowait(Feed(NOW_NS, False, "gone"))
            await anext(heard)
            await scene.account.place(scene.order(BUY, 1, 50))
            assert scene.public.depths_read == 2

    asyncio.run(run())


def test_the_account_feed_tells_everything_once_and_in_order(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        feed = scene.venue.account_feed({"btc_jpy": BTC_JPY})
        assert feed is not None
        async with aclosing(feed.events()) as heard:
            assert await anext(heard) == StreamState(True)
            await scene.account.place(scene.order(BUY, 9, 103))
            assert [type(await anext(heard)) for _ in range(3)] == [VenueFill, VenueFill, OrderReport]

    asyncio.run(run())


def test_a_reader_who_falls_behind_is_told_to_read_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.venues.paper.account_stream.NEWS_MAX", 3)

    async def run() -> None:
        scene = Scene(tmp_path)
        feed = scene.venue.account_feed({})
        assert feed is not None
        for number in range(4):
            await scene.account.place(scene.order(BUY, 1, 50 + number))
        async with aclosing(feed.events()) as heard:
            news = [await anext(heard) for _ in range(4)]
        assert [type(one) for one in news] == [StreamState, StreamState, StreamState, OrderReport]
        assert [one.connected for one in news if isinstance(one, StreamState)] == [True, False, True]

    asyncio.run(run())


def test_the_rest_of_the_port(tmp_path: Path) -> None:
    async def run() -> None:
        scene = Scene(tmp_path)
        assert await scene.account.newest_cursor("btc_jpy") == ""
        await scene.account.place(scene.order(BUY, 1, 102))
        assert await scene.account.newest_cursor("btc_jpy") == "1"
        assert await scene.account.fills_after("btc_jpy", "1") == []
        assert await scene.account.positions("btc_jpy") == []
        rights = await scene.account.rights()
        assert (rights.read, rights.trade, rights.withdraw) == (True, True, False)
        assert (await scene.account.balances())["btc"].total == Decimal("1.0001")
        assert scene.venue.head_room() == scene.public.head_room()
        assert await scene.venue.market.server_time() == ServerTime(NOW_NS, 1)

    asyncio.run(run())

"""The adapter and the tracker against the exchange simulator over real sockets, on good days and on bad ones.

What is compared is what the trader believes at the end, order by order and fill by fill, with the simulator's own
book of what it received and did.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from tests.simulator.world import ALICE, BTC_JPY, SECRETS, World, account, depth, quote, running, trade
from ztb.core.command import Place
from ztb.core.error import Rejected, Throttled, UnknownFate, Unreachable, VenueError
from ztb.core.event import (
    Depth,
    Feed,
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderFilled,
    OrderNotPlaced,
    Quote,
    Trade,
)
from ztb.core.instrument import BUY, SELL
from ztb.host.clock import HostClock
from ztb.simulator.moods import Mood
from ztb.simulator.tape_player import MarketEvent
from ztb.simulator.zaif.rules import ZaifRules
from ztb.venues.limiter import Limiter, RateRule
from ztb.venues.nonce import NonceFile
from ztb.venues.pacing import PollingPace
from ztb.venues.tracker import OrderTracker
from ztb.venues.transport import Transport
from ztb.venues.zaif import rules
from ztb.venues.zaif.account import ZaifAccount
from ztb.venues.zaif.rest import ZaifPublic
from ztb.venues.zaif.stream import ZaifFeed

QUIET: list[MarketEvent] = [
    depth(0, [(13_689_995, 3_000), (13_689_000, 10_000)], [(13_690_000, 50), (13_690_005, 123)]),
    trade(1, 13_690_000, 20, 1),
]
TICK_ASK, TICK_BID = 2_738_000, 2_737_999
PATIENCE_S, IMPATIENCE_S = 3.0, 0.5
"""Of the wall, for an answer: long where each one comes, short where some never come."""
UNHURRIED = {name: RateRule(rule.limit_class, 1_000_000, 1.0, reserve=1) for name, rule in rules.RATE_RULES.items()}


class Trader:
    """What a service does with commands and answers, as plainly as possible, and its ledger."""

    def __init__(
        self, world: World, folder: Path, clock: HostClock, limits: dict[str, RateRule], answer_s_max: float
    ) -> None:
        self.world = world
        self.clock = clock
        self.transport = Transport(world.url, read_s_max=answer_s_max, exchange_s_max=4 * answer_s_max)
        self.limiter = Limiter(limits, clock=clock)
        self.nonce = NonceFile(folder / "nonce", clock=clock)
        self.public = ZaifPublic(self.transport, limiter=self.limiter, clock=clock)
        self.account = ZaifAccount(
            self.transport,
            key=ALICE,
            secret=SECRETS[ALICE],
            nonce=self.nonce,
            limiter=self.limiter,
            clock=clock,
            instruments={"btc_jpy": BTC_JPY},
        )
        pace = PollingPace(history_burst=1000) if limits is UNHURRIED else None
        self.tracker = OrderTracker(self.account, BTC_JPY, clock, cursor="", pace=pace)
        self.sent: dict[str, Place] = {}
        self.outcome: dict[str, str] = {}
        self.filled: dict[str, dict[str, OrderFilled]] = {}
        self.venue_ids: dict[str, str] = {}

    def book(self, events: Sequence[OrderEvent]) -> None:
        """Take events into the ledger, as the core would: a fill counts once, an end is an end."""
        for event in events:
            if isinstance(event, OrderFilled):
                self.filled.setdefault(event.client_id, {}).setdefault(event.trade_id, event)
            elif isinstance(event, OrderAccepted):
                self.venue_ids[event.client_id] = event.venue_id
            elif isinstance(event, OrderCancelled | OrderNotPlaced):
                assert event.client_id not in self.outcome, "an order ended twice"
                self.outcome[event.client_id] = type(event).__name__

    def lots(self, client_id: str) -> int:
        return sum(fill.lots for fill in self.filled.get(client_id, {}).values())

    async def place(self, *, side: int = BUY, lots: int = 10, price: int = TICK_BID) -> str:
        number = len(self.sent) + 1
        order = Place(self.clock.now_ns(), f"ztb-{number:020x}", "btc_jpy", side, lots, price, False, number, "test")
        self.sent[order.client_id] = order
        self.tracker.watch(order)
        try:
            placed = await self.account.place(order)
        except UnknownFate:
            self.book(await self.tracker.resolve(order, first_wait_s=2, looks_min=3, spread_s=6))
        except (Rejected, Throttled, Unreachable) as error:
            self.tracker.forget(order.client_id)
            self.outcome[order.client_id] = type(error).__name__
        else:
            self.tracker.note_placed(order.client_id, placed)
            self.venue_ids[order.client_id] = placed.venue_id
        return order.client_id

    async def cancel(self, client_id: str) -> None:
        venue_id = self.venue_ids.get(client_id, "")
        if not venue_id:
            return
        try:
            if await self.account.cancel("btc_jpy", venue_id):
                self.tracker.note_cancelled(client_id)
        except VenueError as error:
            assert isinstance(error, UnknownFate | Throttled) or error.retryable

    async def settle(self) -> None:
        """Look until every order is known to be working or ended."""
        self.book(await self.tracker.settle())

    async def finish(self) -> None:
        """Cancel until nothing works."""
        for _ in range(200):
            await self.settle()
            if self.tracker.is_idle:
                return
            for client_id in self.sent:
                if client_id not in self.outcome and self.lots(client_id) < self.sent[client_id].lots:
                    await self.cancel(client_id)
        raise AssertionError("orders are left")

    def agrees_with_the_exchange(self) -> None:
        """Every fill, lot, price and fee of ours is in the exchange's book, and the other way round."""
        purse = self.world.exchange.account(ALICE)
        assert purse is not None
        theirs = {(fill.comment, str(fill.trade_id)): (fill.lots, fill.price, fill.fee) for fill in purse.fills}
        with_ourselves = {str(fill.trade_id) for fill in purse.fills if fill.side == 0}
        ours = {
            (client_id, trade_id): (fill.lots, fill.price, fill.fee)
            for client_id, fills in self.filled.items()
            for trade_id, fill in fills.items()
        }
        # A trade with ourselves is one row there, under the taker's name; here the other order has a fill as well.
        for client_id, trade_id in set(ours) - set(theirs):
            assert trade_id in with_ourselves
            assert ours.pop((client_id, trade_id))[2] == 0
        assert ours == theirs
        self._agrees_order_by_order({order.comment: order.remaining for order in purse.orders.values()})

    def _agrees_order_by_order(self, still_open: dict[str, int]) -> None:
        calls = self.world.record.calls
        received = [call.params["comment"] for call in calls if call.method == "trade"]
        assert len(received) == len(set(received)), "an order was sent twice"
        cancelled = {call.order_id: call.filled_lots for call in calls if call.method == "cancel_order"}
        executed: dict[str, int] = {}
        for call in calls:
            if call.method == "trade" and call.order_id:
                comment = call.params["comment"]
                whole = self.sent[comment].lots
                executed[comment] = cancelled.get(call.order_id, whole - still_open.get(comment, 0))
        assert {client_id: lots for client_id in self.sent if (lots := self.lots(client_id))} == {
            client_id: lots for client_id, lots in executed.items() if lots
        }
        for client_id, outcome in self.outcome.items():
            assert (client_id in executed) is (outcome == "OrderCancelled")


@asynccontextmanager
async def trading(
    folder: Path,
    events: Sequence[MarketEvent] = tuple(QUIET),
    *,
    scale: float = 50.0,
    limits: dict[str, RateRule] | None = None,
    venue_rules: ZaifRules | None = None,
    answer_s_max: float = PATIENCE_S,
) -> AsyncIterator[Trader]:
    clock = HostClock(scale)
    rich = account(ALICE, jpy="1000000000", btc="100")
    async with running(events, clock=clock, accounts=[rich], rules=venue_rules) as world:
        trader = Trader(world, folder, clock, limits or rules.RATE_RULES, answer_s_max)
        try:
            yield trader
        finally:
            await trader.transport.close()
            trader.nonce.close()


def test_directory_and_book_are_what_the_simulator_has(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path) as trader:
            instrument = await trader.public.instrument("btc_jpy")
            assert (instrument.tick_size, instrument.lot_size) == (BTC_JPY.tick_size, BTC_JPY.lot_size)
            assert await trader.public.instruments() == {"btc_jpy": instrument}
            book = await trader.public.depth(instrument)
            assert (book.bids[0], book.asks[0]) == ((TICK_BID, 3_000), (TICK_ASK, 50))
            with pytest.raises(Rejected):
                await trader.public.ticker("no_such")
            rights = await trader.account.rights()
            assert (rights.trade, rights.withdraw) == (True, False)
            assert (await trader.account.balances())["btc"].total == 100
            assert abs((await trader.public.server_time()).now_ns - trader.clock.now_ns()) < 120_000_000_000

    asyncio.run(run())


def test_order_rests_and_is_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path) as trader:
            client_id = await trader.place(price=TICK_BID - 100)
            [order] = await trader.account.open_orders("btc_jpy")
            assert (order.tag, order.remaining_lots, order.price) == (client_id, 10, TICK_BID - 100)
            assert (await trader.tracker.reconcile({client_id: 10})).clean
            await trader.cancel(client_id)
            await trader.settle()
            assert trader.outcome == {client_id: "OrderCancelled"}
            assert not await trader.account.cancel("btc_jpy", order.venue_id)
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_crossing_order_fills_over_two_levels_and_rests_with_what_is_left(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path) as trader:
            client_id = await trader.place(lots=200, price=TICK_ASK + 1)
            await trader.settle()
            assert trader.lots(client_id) == 173
            prices = sorted((fill.price, fill.lots) for fill in trader.filled[client_id].values())
            assert prices == [(TICK_ASK, 50), (TICK_ASK + 1, 123)]
            assert (await trader.tracker.reconcile({client_id: 27})).clean
            await trader.finish()
            assert trader.outcome == {client_id: "OrderCancelled"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_whole_fill_has_no_venue_id_and_is_found_in_the_history(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path) as trader:
            client_id = await trader.place(lots=50, price=TICK_ASK)
            assert trader.venue_ids[client_id] == ""
            await trader.settle()
            assert trader.lots(client_id) == 50
            [fill] = trader.filled[client_id].values()
            # 50 lots x 2,738,000 ticks x 5 units = 684,500,000 units; 0.1 % of it.
            assert fill.fee == 684_500
            assert not fill.maker
            assert trader.tracker.is_idle
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_refusals_are_definite(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path) as trader:
            poor = await trader.place(lots=900_000_000, price=TICK_BID)
            assert trader.outcome[poor] == "Rejected"
            assert trader.tracker.is_idle
            assert (await trader.tracker.reconcile({})).clean
            trader.agrees_with_the_exchange()

    asyncio.run(run())


LOST = ("accept_then_502", "accept_then_reset", "accept_then_hang")


@pytest.mark.parametrize("mood", LOST)
@pytest.mark.parametrize(("lots", "price"), [(10, TICK_BID - 100), (50, TICK_ASK), (200, TICK_ASK)])
def test_order_whose_answer_is_lost_is_found_and_not_sent_again(
    tmp_path: Path, mood: str, lots: int, price: int
) -> None:
    async def run() -> None:
        async with trading(tmp_path, answer_s_max=IMPATIENCE_S) as trader:
            trader.world.moods.switch_on(Mood(mood, count=1, methods=frozenset({"trade"})))
            client_id = await trader.place(lots=lots, price=price)
            await trader.settle()
            assert client_id not in trader.outcome
            there = trader.world.exchange.account(ALICE)
            assert there is not None
            assert trader.lots(client_id) == sum(fill.lots for fill in there.fills)
            await trader.finish()
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_order_that_never_arrived_is_called_never_placed(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path) as trader:
            order = Place(0, "ztb-lost", "btc_jpy", BUY, 10, TICK_ASK, False, 1, "test")
            trader.tracker.watch(order)
            [event] = await trader.tracker.resolve(order)
            assert isinstance(event, OrderNotPlaced)
            assert trader.tracker.is_idle

    asyncio.run(run())


@pytest.mark.parametrize("mood", LOST)
def test_cancel_whose_answer_is_lost_is_found_out(tmp_path: Path, mood: str) -> None:
    async def run() -> None:
        async with trading(tmp_path, answer_s_max=IMPATIENCE_S) as trader:
            client_id = await trader.place(price=TICK_BID - 100)
            trader.world.moods.switch_on(Mood(mood, count=1, methods=frozenset({"cancel_order"})))
            with pytest.raises(UnknownFate):
                await trader.account.cancel("btc_jpy", trader.venue_ids[client_id])
            await trader.settle()
            assert trader.outcome == {client_id: "OrderCancelled"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_order_that_is_too_new_is_cancelled_later(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path, venue_rules=ZaifRules(order_too_new_ns=60_000_000_000)) as trader:
            client_id = await trader.place(price=TICK_BID - 100)
            with pytest.raises(Rejected) as caught:
                await trader.account.cancel("btc_jpy", trader.venue_ids[client_id])
            assert caught.value.retryable
            await trader.clock.sleep(60)
            assert await trader.account.cancel("btc_jpy", trader.venue_ids[client_id])

    asyncio.run(run())


def moving_market(seconds: int, *, seed: int) -> list[MarketEvent]:
    """A random walk of the touch with trades that print through it."""
    chance = random.Random(seed)
    events: list[MarketEvent] = []
    bid = 13_689_995
    for step in range(seconds * 4):
        bid += 5 * chance.randint(-8, 8)
        second = step / 4
        events.append(quote(second, bid, bid + 5, bid_lots=chance.randint(1, 30), ask_lots=chance.randint(1, 30)))
        if chance.random() < 0.6:
            side = chance.choice((BUY, SELL))
            price = bid + 5 + 5 * chance.randint(0, 3) if side == BUY else bid - 5 * chance.randint(0, 3)
            events.append(trade(second, price, chance.randint(1, 40), side))
    return events


def test_cancels_that_race_fills_in_a_moving_market(tmp_path: Path) -> None:
    async def run() -> None:
        market = moving_market(600, seed=3)
        async with trading(tmp_path, market, limits=UNHURRIED, venue_rules=ZaifRules(private_limits=False)) as trader:
            chance = random.Random(5)
            for _ in range(60):
                quoted = (await trader.public.depth(BTC_JPY)).bids
                touch = quoted[0][0] if quoted else TICK_BID
                client_id = await trader.place(
                    side=chance.choice((BUY, SELL)), lots=chance.randint(1, 60), price=touch + chance.randint(-3, 3)
                )
                if chance.random() < 0.6:
                    await trader.cancel(client_id)
                if chance.random() < 0.3:
                    await trader.settle()
            await trader.finish()
            assert (await trader.tracker.reconcile({})).clean
            trader.agrees_with_the_exchange()
            assert sum(trader.lots(client_id) for client_id in trader.sent) > 0
            assert "OrderCancelled" in trader.outcome.values()

    asyncio.run(run())


def test_hostile_days(tmp_path: Path) -> None:
    """Every mood at once; nothing is sent twice, nothing stays unknown, and the two books agree."""

    async def run() -> None:
        market = moving_market(1_200, seed=11)
        async with trading(
            tmp_path,
            market,
            scale=200.0,
            limits=UNHURRIED,
            venue_rules=ZaifRules(private_limits=False),
            answer_s_max=IMPATIENCE_S,
        ) as trader:
            private = frozenset({"trade", "cancel_order"})
            for name in ("accept_then_502", "accept_then_reset"):
                trader.world.moods.switch_on(Mood(name, probability=0.08, methods=private))
            trader.world.moods.switch_on(Mood("accept_then_hang", probability=0.01, methods=private))
            for name in ("reject_busy", "rate_limit", "too_new", "exponent_numbers", "reordered_maps"):
                trader.world.moods.switch_on(Mood(name, probability=0.05))
            chance = random.Random(13)
            for _ in range(120):
                client_id = await trader.place(
                    side=chance.choice((BUY, SELL)),
                    lots=chance.randint(1, 40),
                    price=TICK_BID + chance.randint(-40, 40),
                )
                if chance.random() < 0.5:
                    await trader.cancel(client_id)
                if chance.random() < 0.2:
                    await trader.settle()
            trader.world.moods.switch_off("all")
            await trader.finish()
            report = await trader.tracker.reconcile({})
            assert report.clean, report.text()
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_our_limits_keep_us_inside_the_venues(tmp_path: Path) -> None:
    async def run() -> None:
        async with trading(tmp_path, scale=20.0) as trader:
            polling = asyncio.ensure_future(_collect(trader))
            throttled = 0
            for number in range(60):
                client_id = await trader.place(price=TICK_BID - 100 - number)
                throttled += trader.outcome.get(client_id) == "Throttled"
                await trader.cancel(client_id)
                await trader.clock.sleep(0.5)
            polling.cancel()
            await asyncio.gather(polling, return_exceptions=True)
            # Our own limiter held orders back; the venue never had to.
            assert throttled > 0
            refused = [name for name in trader.world.record.requests if "time wait" in name]
            assert refused == []
            assert all("time wait" not in call.result for call in trader.world.record.calls)

    asyncio.run(run())


async def _collect(trader: Trader) -> None:
    async with aclosing(trader.tracker.events()) as events:
        async for event in events:
            trader.book([event])


def test_stream_tells_every_trade_of_the_market_once(tmp_path: Path) -> None:
    async def run() -> None:
        market = moving_market(60, seed=7)
        async with trading(tmp_path, market, scale=20.0) as trader:
            feed = ZaifFeed(
                trader.world.stream_url,
                BTC_JPY,
                clock=trader.clock,
                jitter=random.Random(1).random,
                public=trader.public,
            )
            seen: list[Trade | Quote | Depth | Feed] = []

            async def listen() -> None:
                async with aclosing(feed.events()) as events:
                    async for event in events:
                        seen.append(event)

            listening = asyncio.ensure_future(listen())
            await trader.clock.sleep(20)
            trader.world.moods.switch_on(Mood("stream_drop", count=1))
            await trader.clock.sleep(20)
            trader.world.moods.switch_off("all")
            await trader.clock.sleep(25)
            assert trader.world.exchange.market.player.exhausted
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            told = [int(event.trade_id) for event in seen if isinstance(event, Trade)]
            assert told == sorted(set(told))
            assert told == list(range(told[0], told[-1] + 1)), "trades are missing"
            assert told[-1] == trader.world.exchange.prints.recent[-1].trade_id
            assert len(told) > 60
            assert feed.wire.gaps_left == 0
            assert feed.loop.frames_refused == 0
            assert sum(isinstance(event, Feed) and not event.connected for event in seen) == feed.loop.reconnections

    asyncio.run(run())

"""The adapter, its streams and the tracker against the exchange simulator over real sockets, on good and bad days.

What is compared is what the trader believes at the end, order by order and fill by fill, with the simulator's own
book of what it received and did.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from decimal import Decimal

import pytest

from tests.simulator.world import ALICE, BTC_JPY, QUIET, SECRETS, account, quote, trade
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY, Place
from ztb.core.error import Rejected, Throttled, UnknownFate, Unreachable, VenueError
from ztb.core.event import (
    Depth,
    Feed,
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    Quote,
    Trade,
)
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.host.clock import HostClock
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import GmoRules, fee_unit
from ztb.simulator.gmo.venue import GmoVenue as SimulatedGmo
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Mood, Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent
from ztb.venues.gmo import rules
from ztb.venues.gmo.account import GmoAccount
from ztb.venues.gmo.account_stream import GmoAccountFeed
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.gmo.stream import GmoFeed, Turns
from ztb.venues.limiter import Limiter, RateRule
from ztb.venues.pacing import PollingPace
from ztb.venues.port import AccountNews, MarketNews, OrderReport, OrderStatus, StreamState, VenueFill
from ztb.venues.tracker import OrderTracker
from ztb.venues.transport import Transport

TICK_ASK, TICK_BID = 2_738_000, 2_737_999
SPOT, LEVERAGE = "BTC", "BTC_JPY"
PACE = PollingPace(history_burst=1000)
UNHURRIED = {name: RateRule(rule.limit_class, 1_000_000, 1.0, reserve=1) for name, rule in rules.RATE_RULES.items()}
FREE = GmoRules(
    public_per_second=0, private_limits=False, subscribe_interval_ns=0, timestamp_window_ns=1_500 * 1_000_000_000
)  # fmt: skip
"""Time runs fifty times as fast here, and so does the age of a signed request on a busy host."""
PATIENCE_S, IMPATIENCE_S = 3.0, 0.5
"""Of the wall, for an answer: long where each one comes, short where some never come."""


class Trader:
    """What a service does with commands and answers, as plainly as possible, and its ledger of one symbol."""

    def __init__(
        self, exchange: Exchange, moods: Moods, record: Record, port: int, clock: HostClock,
        limits: dict[str, RateRule], answer_s_max: float,
    ) -> None:  # fmt: skip
        self.exchange = exchange
        self.moods = moods
        self.record = record
        self.clock = clock
        url = f"http://127.0.0.1:{port}"
        self.at = rules.addresses_at(url)
        self.transport = Transport(url, read_s_max=answer_s_max, exchange_s_max=4 * answer_s_max)
        self.limiter = Limiter(limits, clock=clock)
        self.public = GmoPublic(self.transport, limiter=self.limiter, clock=clock)
        self.calls = SignedCalls(
            self.transport, key=ALICE, secret=SECRETS[ALICE], limiter=self.limiter, time=self.public.time
        )  # fmt: skip
        self.turns = Turns(clock=clock)
        self.sent: dict[str, Place] = {}
        self.outcome: dict[str, str] = {}
        self.filled: dict[str, dict[str, OrderFilled]] = {}
        self.venue_ids: dict[str, str] = {}

    async def open(self, symbol: str) -> None:
        """Learn the instruments, and follow the orders of one of them."""
        self.instruments = await self.public.instruments()
        self.instrument: Instrument = self.instruments[symbol]
        self.account = GmoAccount(
            self.calls, instruments=self.instruments, post_only_leverage=rules.POST_ONLY_LEVERAGE
        )  # fmt: skip
        cursor = await self.account.newest_cursor(symbol)
        self.tracker = OrderTracker(self.account, self.instrument, self.clock, cursor=cursor, pace=PACE)

    def feed(self, *, extend_s: float = rules.TOKEN_EXTEND_S) -> GmoAccountFeed:
        return GmoAccountFeed(
            self.at.account_stream, self.instruments, calls=self.calls, clock=self.clock, jitter=lambda: 0.5,
            turns=self.turns, extend_s=extend_s,
        )  # fmt: skip

    def book(self, events: Sequence[OrderEvent]) -> None:
        """Take events into the ledger, as the core would: a fill counts once, an end is an end."""
        for event in events:
            if isinstance(event, OrderFilled):
                self.filled.setdefault(event.client_id, {}).setdefault(event.trade_id, event)
            elif isinstance(event, OrderAccepted):
                self.venue_ids[event.client_id] = event.venue_id
            elif isinstance(event, OrderCancelled | OrderExpired | OrderNotPlaced):
                assert event.client_id not in self.outcome, "an order ended twice"
                self.outcome[event.client_id] = type(event).__name__

    def lots(self, client_id: str) -> int:
        return sum(fill.lots for fill in self.filled.get(client_id, {}).values())

    def order(self, **changes: object) -> Place:
        number = len(self.sent) + 1
        members: dict[str, object] = {
            "ts_ns": self.clock.now_ns(), "client_id": f"ztb-{number:020x}", "instrument": self.instrument.symbol,
            "side": BUY, "lots": 10, "price": TICK_BID, "reduce_only": False, "sequence": number, "reason": "test",
        }  # fmt: skip
        return Place(**(members | changes))  # type: ignore[arg-type]

    async def place(self, **changes: object) -> str:
        order = self.order(**changes)
        self.sent[order.client_id] = order
        self.tracker.watch(order)
        try:
            placed = await self.account.place(order)
        except UnknownFate:
            self.book(await self.tracker.resolve(order))
        except (Rejected, Throttled, Unreachable) as error:
            self.tracker.forget(order.client_id)
            self.outcome[order.client_id] = f"{type(error).__name__} {error.code}"
        else:
            self.tracker.note_placed(order.client_id, placed)
            self.venue_ids[order.client_id] = placed.venue_id
        return order.client_id

    async def cancel(self, client_id: str) -> None:
        venue_id = self.venue_ids.get(client_id, "")
        if not venue_id:
            return
        try:
            if await self.account.cancel(self.instrument.symbol, venue_id):
                self.tracker.note_cancelled(client_id)
            else:
                self.tracker.note_gone(client_id)
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
        purse = self.exchange.account(ALICE)
        assert purse is not None
        name_of = {venue_id: client_id for client_id, venue_id in self.venue_ids.items()}
        finer = 10 ** (self.instrument.money_scale - BTC_JPY.money_scale)
        theirs = {
            (name_of[str(fill.order_id)], str(fill.trade_id)): (fill.lots, fill.price, fill.fee * finer)
            for fill in purse.fills
        }
        ours = {
            (client_id, trade_id): (fill.lots, fill.price, fill.fee)
            for client_id, fills in self.filled.items()
            for trade_id, fill in fills.items()
        }
        assert ours == theirs
        self._was_sent_once()

    def _was_sent_once(self) -> None:
        """The exchange took the orders that we hold to have been taken, each under one client id, and no others.

        One exception the venue itself makes necessary: an order whose answer was lost, and which expired at once with
        nothing filled, leaves no trace where one could look for it, and so is held to have never been placed.
        """
        calls = [call for call in self.record.calls if call.method in ("order", "closeBulkOrder")]
        taken = {str(call.order_id) for call in calls if call.order_id}
        ours = set(self.venue_ids.values())
        assert len(ours) == len(self.venue_ids)
        assert ours <= taken
        purse = self.exchange.account(ALICE)
        assert purse is not None
        for left in taken - ours:
            ended = purse.ended[int(left)]
            assert (ended.end, ended.filled_lots) == ("expired", 0)
        never = [client_id for client_id, outcome in self.outcome.items() if outcome == "OrderNotPlaced"]
        refused = [client_id for client_id, outcome in self.outcome.items() if " " in outcome]
        assert len(taken - ours) <= len(never)
        assert set(self.sent) == {*self.venue_ids, *refused, *never}
        assert not set(self.venue_ids) & {*refused, *never}


@asynccontextmanager
async def trading(
    symbol: str = SPOT,
    events: Sequence[MarketEvent] = tuple(QUIET),
    *,
    scale: float = 50.0,
    limits: dict[str, RateRule] = UNHURRIED,
    venue_rules: GmoRules = FREE,
    answer_s_max: float = PATIENCE_S,
) -> AsyncIterator[Trader]:
    def tape() -> Iterator[MarketEvent]:
        return iter(events)

    clock = HostClock(scale)
    rich = account(ALICE, jpy="1000000000", btc="100", maker=-100, taker=500)
    made = Exchange(BTC_JPY, tape, [rich], loop=False, self_trade=EXPIRE_NEWER, fee_unit=fee_unit(BTC_JPY))
    made.start(clock.now_ns())
    moods, record = Moods(seed=1), Record()
    venue = SimulatedGmo(made, moods=moods, record=record, rules=venue_rules)
    server = SimulatorServer(made, venue, clock=clock, moods=moods, record=record, admin=True)
    address = await server.start()
    trader = Trader(made, moods, record, address.port, clock, limits, answer_s_max)
    try:
        await trader.open(symbol)
        yield trader
    finally:
        await trader.transport.close()
        await server.stop()


async def until(feed: AsyncIterator[AccountNews], is_it: Callable[[AccountNews], bool]) -> list[AccountNews]:
    """News up to the first that is it."""
    taken = []
    async with asyncio.timeout(30):
        async for one in feed:
            taken.append(one)
            if is_it(one):
                return taken
    raise AssertionError("the stream ended")


def is_back(one: AccountNews) -> bool:
    return isinstance(one, StreamState) and one.connected


def is_report(status: OrderStatus) -> Callable[[AccountNews], bool]:
    return lambda one: isinstance(one, OrderReport) and one.status is status


def test_directory_and_book_are_what_the_simulator_has() -> None:
    async def run() -> None:
        async with trading() as trader:
            spot, leverage = trader.instruments[SPOT], trader.instruments[LEVERAGE]
            assert (spot.tick_size, spot.lot_size) == (BTC_JPY.tick_size, BTC_JPY.lot_size)
            assert (spot.leveraged, spot.nets, spot.maker_fee_ppm, spot.taker_fee_ppm) == (False, True, -100, 500)
            assert (leverage.leveraged, leverage.nets, leverage.taker_fee_ppm) == (True, False, 0)
            assert await trader.public.instrument(SPOT) == spot
            book = await trader.public.depth(spot)
            assert (book.bids[0], book.asks[0]) == ((TICK_BID, 3_000), (TICK_ASK, 5_000))
            assert await trader.public.status() == "OPEN"
            assert (await trader.public.ticker(SPOT)).ask == "13690000"
            with pytest.raises(Rejected):
                await trader.public.instrument("XTZ")
            with pytest.raises(Rejected):
                await trader.public.ticker("XTZ")
            balances = await GmoAccount(trader.calls, instruments={SPOT: spot}).balances()
            assert (balances["btc"].total, balances["jpy"].available) == (Decimal(100), Decimal(1_000_000_000))
            told = await trader.public.server_time()
            assert abs(told.now_ns - trader.clock.now_ns()) < 60_000_000_000

    asyncio.run(run())


@pytest.mark.parametrize("symbol", [SPOT, LEVERAGE])
def test_order_rests_and_is_cancelled(symbol: str) -> None:
    async def run() -> None:
        async with trading(symbol) as trader:
            client_id = await trader.place(price=TICK_BID - 100)
            [order] = await trader.account.open_orders(symbol)
            assert (order.venue_id, order.remaining_lots, order.lots) == (trader.venue_ids[client_id], 10, 10)
            assert (order.price, order.side, order.tag) == (TICK_BID - 100, BUY, "")
            other = LEVERAGE if symbol == SPOT else SPOT
            assert await trader.account.open_orders(other) == []
            await trader.settle()
            assert (await trader.tracker.reconcile({client_id: 10})).clean
            await trader.cancel(client_id)
            await trader.settle()
            assert trader.outcome == {client_id: "OrderCancelled"}
            assert not await trader.account.cancel(symbol, order.venue_id)
            [report] = await trader.account.look_up(symbol, [order.venue_id, "999999"])
            assert (report.status, report.reason, report.filled_lots) == (OrderStatus.CANCELLED, "USER", 0)
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_crossing_order_fills_over_two_levels_and_rests_with_what_is_left() -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(lots=5_200, price=TICK_ASK + 1)
            await trader.settle()
            assert trader.lots(client_id) == 5_123
            prices = sorted((fill.price, fill.lots) for fill in trader.filled[client_id].values())
            assert prices == [(TICK_ASK, 5_000), (TICK_ASK + 1, 123)]
            assert not any(fill.maker for fill in trader.filled[client_id].values())
            assert (await trader.tracker.reconcile({client_id: 77})).clean
            await trader.finish()
            assert trader.outcome == {client_id: "OrderCancelled"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_fee_of_a_taker_is_paid_in_whole_yen() -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(lots=50, price=TICK_ASK)
            await trader.settle()
            [fill] = trader.filled[client_id].values()
            # 0.005 BTC at 13,690,000 JPY are 68,450 JPY; 0.05 % of them are 34.225, rounded up to whole yen.
            assert trader.instrument.money.decimal(fill.fee) == Decimal(35)
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_stream_tells_the_life_of_an_order() -> None:
    async def run() -> None:
        async with trading() as trader, aclosing(trader.feed().events()) as news:
            await until(news, is_back)
            resting = await trader.place(price=TICK_BID - 100)
            [report] = await until(news, is_report(OrderStatus.WORKING))
            assert isinstance(report, OrderReport)
            assert (report.venue_id, report.lots, report.filled_lots) == (trader.venue_ids[resting], 10, 0)
            await trader.cancel(resting)
            [*_, report] = await until(news, is_report(OrderStatus.CANCELLED))
            assert isinstance(report, OrderReport)
            assert report.reason == "USER"
            taking = await trader.place(lots=30, price=TICK_ASK)
            told = await until(news, is_report(OrderStatus.FILLED))
            fills = [one for one in told if isinstance(one, VenueFill)]
            assert [(fill.lots, fill.price, fill.venue_order_id) for fill in fills] == [
                (30, TICK_ASK, trader.venue_ids[taking])
            ]
            # What the stream told is what the history says, to the last digit.
            assert fills == await trader.account.fills_after(SPOT, "")

    asyncio.run(run())


def test_stream_alone_is_enough_to_book_a_fill_once() -> None:
    async def run() -> None:
        async with trading() as trader, aclosing(trader.feed().events()) as news:
            await until(news, is_back)
            client_id = await trader.place(lots=5_050, price=TICK_ASK + 1)
            told = await until(news, is_report(OrderStatus.FILLED))
            for _ in range(2):
                for one in told:
                    trader.book(trader.tracker.take(one))
            assert trader.lots(client_id) == 5_050
            await trader.settle()
            assert trader.tracker.is_idle
            trader.agrees_with_the_exchange()

    asyncio.run(run())


@pytest.mark.parametrize("symbol", [SPOT, LEVERAGE])
def test_post_only_that_would_take_is_accepted_and_expires(symbol: str) -> None:
    async def run() -> None:
        async with trading(symbol) as trader, aclosing(trader.feed().events()) as news:
            await until(news, is_back)
            client_id = await trader.place(price=TICK_ASK, time_in_force=POST_ONLY)
            assert trader.venue_ids[client_id]
            [*_, report] = await until(news, is_report(OrderStatus.EXPIRED))
            assert isinstance(report, OrderReport)
            assert (report.reason, report.filled_lots) == ("EXPIRED_SOK", 0)
            [looked_up] = await trader.account.look_up(symbol, [trader.venue_ids[client_id]])
            assert (looked_up.status, looked_up.reason) == (OrderStatus.EXPIRED, "EXPIRED_SOK")
            await trader.settle()
            assert trader.outcome == {client_id: "OrderExpired"}
            rests = await trader.place(price=TICK_BID - 1, time_in_force=POST_ONLY)
            assert [one.venue_id for one in await trader.account.open_orders(symbol)] == [trader.venue_ids[rests]]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("time_in_force", "lots", "filled", "status", "reason"),
    [
        (IOC, 5_200, 5_000, OrderStatus.EXPIRED, "EXPIRED_FAK"),
        (FOK, 5_200, 0, OrderStatus.EXPIRED, "EXPIRED_FOK"),
        (FOK, 5_000, 5_000, OrderStatus.FILLED, ""),
        (MARKET, 5_100, 5_100, OrderStatus.FILLED, ""),
        (GTC, 5_000, 5_000, OrderStatus.FILLED, ""),
    ],
)
def test_times_in_force(time_in_force: str, lots: int, filled: int, status: OrderStatus, reason: str) -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(lots=lots, price=TICK_ASK, time_in_force=time_in_force)
            [report] = await trader.account.look_up(SPOT, [trader.venue_ids[client_id]])
            assert (report.status, report.reason, report.filled_lots) == (status, reason, filled)
            assert report.price == (0 if time_in_force == MARKET else TICK_ASK)
            await trader.settle()
            assert trader.lots(client_id) == filled
            assert trader.tracker.is_idle
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_leverage_opens_and_closes_and_never_flips() -> None:
    async def run() -> None:
        async with trading(LEVERAGE) as trader:
            assert await trader.account.positions(LEVERAGE) == []
            assert await trader.account.positions(SPOT) == []
            await trader.place(lots=30, price=TICK_ASK)
            [held] = await trader.account.positions(LEVERAGE)
            assert (held.side, held.lots, held.average_price) == (BUY, 30, Decimal(13_690_000))
            # A plain order on the other side opens a second position instead of closing the first.
            await trader.place(lots=10, price=TICK_BID, side=SELL)
            assert {(one.side, one.lots) for one in await trader.account.positions(LEVERAGE)} == {(BUY, 30), (SELL, 10)}
            too_much = await trader.place(lots=31, price=TICK_BID, side=SELL, reduce_only=True)
            assert trader.outcome[too_much].startswith("Rejected ERR-")
            await trader.place(lots=30, price=TICK_BID, side=SELL, reduce_only=True, time_in_force=MARKET)
            [held] = await trader.account.positions(LEVERAGE)
            assert (held.side, held.lots) == (SELL, 10)
            await trader.place(lots=10, price=TICK_ASK, side=BUY, reduce_only=True)
            assert await trader.account.positions(LEVERAGE) == []
            nothing = await trader.place(lots=1, price=TICK_ASK, side=BUY, reduce_only=True)
            assert trader.outcome[nothing].startswith("Rejected ERR-")
            await trader.settle()
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_margin_limits_what_may_be_used() -> None:
    async def run() -> None:
        async with trading(LEVERAGE) as trader:
            before = (await trader.account.balances())["jpy"].available
            await trader.place(lots=10_000, price=TICK_BID - 10)
            after = (await trader.account.balances())["jpy"].available
            # One coin at 13,689,945 JPY, twofold leverage: half of it is bound.
            assert 6_800_000 < before - after <= 6_844_973

    asyncio.run(run())


def test_refusals_are_definite() -> None:
    async def run() -> None:
        async with trading() as trader:
            poor = await trader.place(lots=trader.instrument.lots_max, price=TICK_BID)
            far = await trader.place(price=TICK_BID // 3)
            assert trader.outcome[poor].startswith("Rejected ERR-")
            assert trader.outcome[far] == "Rejected ERR-5121"
            assert trader.tracker.is_idle
            assert (await trader.tracker.reconcile({})).clean
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_wrong_key_and_wrong_clock_are_refused_as_such() -> None:
    async def run() -> None:
        async with trading() as trader:
            wrong = SignedCalls(
                trader.transport, key=ALICE, secret="wrong", limiter=trader.limiter, time=trader.public.time
            )  # fmt: skip
            with pytest.raises(Rejected) as caught:
                await GmoAccount(wrong, instruments=trader.instruments).place(trader.order())
            assert (caught.value.kind, caught.value.code) == ("auth", "ERR-5010")
            for ms, code in ((-3_000_000, "ERR-5008"), (3_000_000, "ERR-5009")):
                trader.moods.switch_on(Mood("wrong_clock", ms=ms))
                refused = await trader.place()
                assert trader.outcome[refused] == f"Rejected {code}"
            trader.moods.switch_off("all")
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_maintenance_and_preopen() -> None:
    async def run() -> None:
        async with trading() as trader:
            resting = await trader.place(price=TICK_BID - 100)
            trader.moods.switch_on(Mood("preopen"))
            assert await trader.public.status() == "PREOPEN"
            refused = await trader.place()
            assert trader.outcome[refused] == "Rejected maintenance"
            assert await trader.account.cancel(SPOT, trader.venue_ids[resting])
            trader.moods.switch_on(Mood("maintenance"))
            for call in (trader.account.open_orders(SPOT), trader.public.depth(trader.instrument)):
                with pytest.raises(Rejected) as caught:
                    await call
                assert (caught.value.code, caught.value.retryable) == ("maintenance", True)
            assert trader.outcome[await trader.place()] == "Rejected maintenance"
            trader.moods.switch_off("all")
            assert await trader.public.status() == "OPEN"

    asyncio.run(run())


LOST = ("accept_then_502", "accept_then_reset", "accept_then_hang", "html_instead_of_json")


@pytest.mark.parametrize("mood", LOST)
@pytest.mark.parametrize(("lots", "price"), [(10, TICK_BID - 100), (50, TICK_ASK), (5_200, TICK_ASK)])
def test_order_whose_answer_is_lost_is_found_and_not_sent_again(mood: str, lots: int, price: int) -> None:
    async def run() -> None:
        async with trading(answer_s_max=IMPATIENCE_S) as trader:
            trader.moods.switch_on(Mood(mood, count=1, methods=frozenset({"order"})))
            client_id = await trader.place(lots=lots, price=price)
            await trader.settle()
            assert trader.outcome.get(client_id) is None
            there = trader.exchange.account(ALICE)
            assert there is not None
            assert trader.lots(client_id) == sum(fill.lots for fill in there.fills)
            await trader.finish()
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_busy_venue_leaves_the_fate_unknown_until_the_evidence_is_in() -> None:
    async def run() -> None:
        async with trading() as trader:
            trader.moods.switch_on(Mood("reject_busy", count=1, methods=frozenset({"order"})))
            client_id = await trader.place(price=TICK_BID - 100)
            await trader.settle()
            assert trader.outcome == {client_id: "OrderNotPlaced"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


@pytest.mark.parametrize("mood", LOST)
def test_cancel_whose_answer_is_lost_is_found_out(mood: str) -> None:
    async def run() -> None:
        async with trading(answer_s_max=IMPATIENCE_S) as trader:
            client_id = await trader.place(price=TICK_BID - 100)
            trader.moods.switch_on(Mood(mood, count=1, methods=frozenset({"cancelOrder"})))
            with pytest.raises(UnknownFate):
                await trader.account.cancel(SPOT, trader.venue_ids[client_id])
            await trader.settle()
            assert trader.outcome == {client_id: "OrderCancelled"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_many_orders_are_cancelled_and_paged() -> None:
    async def run() -> None:
        async with trading() as trader:
            placed = [await trader.place(lots=1, price=TICK_BID - 10 - number) for number in range(105)]
            ids = [trader.venue_ids[client_id] for client_id in placed]
            assert [order.venue_id for order in await trader.account.open_orders(SPOT)] == ids
            assert len(await trader.account.look_up(SPOT, ids)) == 105
            assert await trader.account.cancel_all(SPOT, [*ids, "999999"]) == frozenset(ids)
            assert await trader.account.open_orders(SPOT) == []

    asyncio.run(run())


def test_fills_of_more_than_a_page() -> None:
    async def run() -> None:
        async with trading() as trader:
            for _ in range(130):
                await trader.place(lots=1, price=TICK_ASK)
            fills = await trader.account.fills_after(SPOT, "")
            ids = [int(fill.trade_id) for fill in fills]
            assert (len(ids), ids) == (130, sorted(ids))
            assert await trader.account.newest_cursor(SPOT) == fills[-1].trade_id
            rest = await trader.account.fills_after(SPOT, fills[9].reading_on)
            assert rest == fills[10:]
            assert await trader.account.fills_after(LEVERAGE, "") == []
            await trader.settle()
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_market_stream_tells_the_book_and_the_trades() -> None:
    market = [*QUIET, *(trade(4 + second, 13_690_000, 20, BUY) for second in range(200))]

    async def run() -> None:
        async with trading(events=market, scale=5.0, venue_rules=GmoRules()) as trader:
            feed = GmoFeed(
                trader.at.stream, trader.instrument, clock=trader.clock, jitter=lambda: 0.5, turns=trader.turns
            )  # fmt: skip
            taken: list[MarketNews] = []
            async with asyncio.timeout(60), aclosing(feed.events()) as events:
                async for one in events:
                    taken.append(one)
                    kinds = {type(seen) for seen in taken}
                    if {Feed, Depth, Quote, Trade} <= kinds:
                        break
            states = [one for one in taken if isinstance(one, Feed)]
            # The venue's limit of one subscription a second was never met.
            assert [state.connected for state in states] == [True]
            [seen] = [one for one in taken if isinstance(one, Trade)][:1]
            assert (seen.price, seen.lots, seen.side) == (TICK_ASK, 20, BUY)
            [book] = [one for one in taken if isinstance(one, Depth)][:1]
            assert (book.bids[0], book.asks[0][0]) == ((TICK_BID, 3_000), TICK_ASK)

    asyncio.run(run())


def test_private_stream_that_drops_comes_back_with_a_new_token() -> None:
    async def run() -> None:
        async with trading() as trader, aclosing(trader.feed().events()) as news:
            await until(news, is_back)
            trader.moods.switch_on(Mood("stream_drop", count=1))
            client_id = await trader.place(lots=30, price=TICK_ASK)
            told = await until(news, is_back)
            assert any(isinstance(one, StreamState) and not one.connected for one in told)
            # What the stream lost is found by looking.
            await trader.settle()
            assert trader.lots(client_id) == 30
            await trader.place(price=TICK_BID - 100)
            await until(news, is_report(OrderStatus.WORKING))
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_streams_stay_away_during_maintenance_and_come_back_after_it() -> None:
    async def run() -> None:
        async with trading() as trader, aclosing(trader.feed().events()) as news:
            trader.moods.switch_on(Mood("maintenance"))
            # With turns of its own: the venue sets no limit here.
            turns = Turns(clock=trader.clock)
            market = GmoFeed(
                trader.at.stream, trader.instrument, clock=trader.clock, jitter=lambda: 0.5, turns=turns
            )  # fmt: skip
            async with aclosing(market.events()) as events, asyncio.timeout(30):
                away = await anext(events)
                assert isinstance(away, Feed)
                assert not away.connected
                assert "503" in away.text
                lost = await anext(news)
                assert isinstance(lost, StreamState)
                assert not lost.connected
                assert "maintenance" in lost.text.lower()
                trader.moods.switch_off("all")
                back = await anext(events)
                assert isinstance(back, Feed)
                assert back.connected
                assert await anext(news) == StreamState(True)

    asyncio.run(run())


def test_token_is_kept_alive_far_beyond_its_life() -> None:
    async def run() -> None:
        short = GmoRules(public_per_second=0, subscribe_interval_ns=0, token_ns=20 * 1_000_000_000)
        async with (
            trading(venue_rules=short, scale=20.0) as trader,
            aclosing(trader.feed(extend_s=5.0).events()) as news,
        ):
            await until(news, is_back)
            waiting = asyncio.ensure_future(anext(news))
            await trader.clock.sleep(70)
            assert not waiting.done()
            assert trader.record.requests["ws-auth"] > 7
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(run())


def test_token_that_ran_out_is_replaced() -> None:
    async def run() -> None:
        async with trading() as trader, aclosing(trader.feed(extend_s=5.0).events()) as news:
            await until(news, is_back)
            trader.moods.switch_on(Mood("expired_token", count=1, methods=frozenset({"ws-auth"})))
            told = await until(news, is_back)
            assert [one.connected for one in told if isinstance(one, StreamState)] == [False, True]
            await trader.place(price=TICK_BID - 100)
            await until(news, is_report(OrderStatus.WORKING))

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


@pytest.mark.parametrize("symbol", [SPOT, LEVERAGE])
def test_hostile_days(symbol: str) -> None:
    """Every mood at once, over stream and REST; nothing is sent twice, nothing stays unknown, the books agree."""

    async def run() -> None:
        market = moving_market(2_400, seed=11)
        async with trading(symbol, market, scale=200.0, answer_s_max=IMPATIENCE_S) as trader:
            private = frozenset({"order", "cancelOrder"})
            for name in ("accept_then_502", "accept_then_reset", "html_instead_of_json"):
                trader.moods.switch_on(Mood(name, probability=0.05, methods=private))
            trader.moods.switch_on(Mood("accept_then_hang", probability=0.01, methods=private))
            for name in ("reject_busy", "rate_limit", "too_new"):
                trader.moods.switch_on(Mood(name, probability=0.03))
            for name in ("duplicate_events", "reordered_events", "garbage_frames", "stream_drop", "tiny_fills"):
                trader.moods.switch_on(Mood(name, probability=0.05))
            listening = asyncio.ensure_future(_listen(trader))
            chance = random.Random(13)
            for _ in range(80):
                client_id = await trader.place(
                    side=chance.choice((BUY, SELL)),
                    lots=chance.randint(1, 40),
                    price=TICK_BID + chance.randint(-40, 40),
                    time_in_force=chance.choice((GTC, GTC, IOC, FOK, POST_ONLY)),
                )
                if chance.random() < 0.5:
                    await trader.cancel(client_id)
                if chance.random() < 0.2:
                    await trader.settle()
            trader.moods.switch_off("all")
            await trader.finish()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            report = await trader.tracker.reconcile({})
            trader.book(report.events)
            assert report.clean, report.text()
            trader.agrees_with_the_exchange()
            assert sum(trader.lots(client_id) for client_id in trader.sent) > 0

    asyncio.run(run())


async def _listen(trader: Trader) -> None:
    with suppress(asyncio.CancelledError):
        async with aclosing(trader.feed().events()) as news:
            async for one in news:
                trader.book(trader.tracker.take(one))


def test_our_limits_keep_us_inside_the_venues() -> None:
    async def run() -> None:
        strict = GmoRules(subscribe_interval_ns=0)
        async with trading(scale=2.0, limits=rules.RATE_RULES, venue_rules=strict) as trader:
            throttled = 0
            for number in range(50):
                client_id = await trader.place(lots=1, price=TICK_BID - 100 - number)
                throttled += trader.outcome.get(client_id) == "Throttled own_limit"
                await trader.cancel(client_id)
                await trader.account.open_orders(SPOT, urgent=True)
            # Our own limiter held orders back; the venue never had to.
            assert throttled > 0
            assert not trader.record.rate_refusals

    asyncio.run(run())

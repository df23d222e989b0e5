"""The adapter and the tracker against the built-in Coinbase over real sockets, on good days and on bad ones.

What is compared is what the trader believes at the end, order by order and fill by fill, with the exchange's own book
of what it received and did.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.simulator.coinbase_world import (
    ALICE,
    KEYS,
    QUIET,
    World,
    account,
    cents,
    depth,
    quote,
    running,
    sats,
    trade,
)
from tests.venues.coinbase.samples import BTC_USD
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
    OrderRejected,
    Quote,
    Trade,
)
from ztb.core.instrument import BUY, SELL
from ztb.host.clock import HostClock
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.coinbase.texts import id_number
from ztb.simulator.moods import Mood
from ztb.simulator.tape_player import MarketEvent
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.account import CoinbaseAccount
from ztb.venues.coinbase.account_stream import CoinbaseAccountFeed
from ztb.venues.coinbase.calls import SignedCalls
from ztb.venues.coinbase.client_id import wire_id
from ztb.venues.coinbase.rest import CoinbasePublic
from ztb.venues.coinbase.sign import Signer
from ztb.venues.coinbase.stream import CoinbaseFeed
from ztb.venues.limiter import Limiter, RateRule
from ztb.venues.pacing import PollingPace
from ztb.venues.port import ApiKeys, MarketNews, OrderReport, OrderStatus, StreamState
from ztb.venues.tracker import OrderTracker
from ztb.venues.transport import Transport

BID, ASK = cents("68900.00"), cents("68901.00")
PATIENCE_S, IMPATIENCE_S = 3.0, 0.5
"""Of the wall, for an answer: long where each one comes, short where some never come."""
UNHURRIED = {name: RateRule(rule.limit_class, 100_000, 1.0, reserve=1) for name, rule in rules.RATE_RULES.items()}
ENDS = (OrderCancelled, OrderExpired, OrderRejected, OrderNotPlaced)


def pem(key: str = ALICE) -> str:
    return KEYS[key].private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class Trader:
    """What a service does with commands and answers, as plainly as possible, and its ledger."""

    def __init__(self, world: World, clock: HostClock, limits: dict[str, RateRule], answer_s_max: float) -> None:
        self.world = world
        self.clock = clock
        self.transport = Transport(world.url, read_s_max=answer_s_max, exchange_s_max=4 * answer_s_max)
        self.limiter = Limiter(limits, clock=clock)
        self.public = CoinbasePublic(self.transport, limiter=self.limiter, clock=clock)
        signer = Signer(ApiKeys(ALICE, pem()))
        self.calls = SignedCalls(
            self.transport,
            address=world.url,
            signer=signer,
            limiter=self.limiter,
            time=self.public.time,
            rate_rules=limits,
        )
        self.account = CoinbaseAccount(self.calls, instruments={"BTC-USD": BTC_USD})
        pace = PollingPace(history_burst=1000) if limits is UNHURRIED else None
        self.tracker = OrderTracker(self.account, BTC_USD, clock, cursor="", pace=pace)
        self.sent: dict[str, Place] = {}
        self.outcome: dict[str, str] = {}
        self.filled: dict[str, dict[str, OrderFilled]] = {}
        self.venue_ids: dict[str, str] = {}

    def book(self, events: Iterable[OrderEvent]) -> None:
        """Take events into the ledger, as the core would: a fill counts once, an end is an end."""
        for event in events:
            if isinstance(event, OrderFilled):
                self.filled.setdefault(event.client_id, {}).setdefault(event.trade_id, event)
            elif isinstance(event, OrderAccepted):
                self.venue_ids[event.client_id] = event.venue_id
            elif isinstance(event, ENDS):
                assert event.client_id not in self.outcome, "an order ended twice"
                self.outcome[event.client_id] = type(event).__name__

    def lots(self, client_id: str) -> int:
        return sum(fill.lots for fill in self.filled.get(client_id, {}).values())

    async def place(
        self, *, side: int = BUY, lots: int = 100_000, price: int = BID - 10_000, time_in_force: str = GTC
    ) -> str:
        number = len(self.sent) + 1
        client_id = f"ztb-{number:020x}"
        order = Place(
            self.clock.now_ns(), client_id, "BTC-USD", side, lots, price, False, number, "test", time_in_force
        )  # fmt: skip
        self.sent[client_id] = order
        self.tracker.watch(order)
        try:
            placed = await self.account.place(order)
        except UnknownFate:
            self.book(await self.tracker.resolve(order, first_wait_s=2, looks_min=3, spread_s=6))
        except (Rejected, Throttled, Unreachable) as error:
            self.tracker.forget(client_id)
            self.outcome[client_id] = type(error).__name__
        else:
            self.tracker.note_placed(client_id, placed)
            self.venue_ids[client_id] = placed.venue_id
        return client_id

    async def cancel(self, client_id: str) -> None:
        venue_id = self.venue_ids.get(client_id, "")
        if not venue_id:
            return
        try:
            if await self.account.cancel("BTC-USD", venue_id):
                self.tracker.note_cancelled(client_id)
        except VenueError as error:
            assert isinstance(error, UnknownFate | Throttled) or error.retryable

    async def settle(self) -> None:
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
        wire_ids = {wire_id(client_id): client_id for client_id in self.sent}
        theirs = set()
        for fill in purse.fills:
            assert fill.order is not None
            theirs.add((wire_ids[fill.order.client_id], fill.trade_id, fill.lots, fill.price, fill.fee))
        ours = {
            (client_id, id_number("entry", trade_id), fill.lots, fill.price, fill.fee)
            for client_id, fills in self.filled.items()
            for trade_id, fill in fills.items()
        }
        assert ours == theirs
        assert len(theirs) == len(purse.fills)
        received = [call.params["client_order_id"] for call in self.world.record.calls if call.method == "create_order"]
        assert len(received) == len(set(received)), "an order was sent twice"
        assert set(received) <= set(wire_ids)
        for client_id, outcome in self.outcome.items():
            there = purse.by_client_id.get(wire_id(client_id))
            assert (there is not None) is (outcome in ("OrderCancelled", "OrderExpired", "OrderRejected"))


@asynccontextmanager
async def trading(
    events: Sequence[MarketEvent] = tuple(QUIET),
    *,
    scale: float = 50.0,
    limits: dict[str, RateRule] | None = None,
    venue_rules: CoinbaseRules | None = None,
    answer_s_max: float = PATIENCE_S,
) -> AsyncIterator[Trader]:
    clock = HostClock(scale)
    rich = account(ALICE, usd="100000000", btc="1000")
    unlimited = CoinbaseRules(private_limits=False, public_per_second=0)
    async with running(events, clock=clock, accounts=[rich], rules=venue_rules or unlimited) as world:
        trader = Trader(world, clock, limits or UNHURRIED, answer_s_max)
        try:
            yield trader
        finally:
            await trader.transport.close()


def test_directory_book_and_account_are_what_the_exchange_has() -> None:
    async def run() -> None:
        async with trading() as trader:
            instrument = await trader.public.instrument("BTC-USD")
            assert (instrument.tick_size, instrument.lot_size) == (BTC_USD.tick_size, BTC_USD.lot_size)
            assert instrument.notional_min == BTC_USD.notional_min
            assert await trader.public.instruments() == {"BTC-USD": instrument}
            book = await trader.public.depth(instrument)
            assert (book.bids[0], book.asks[0]) == ((BID, sats("1.5")), (ASK, sats("0.5")))
            with pytest.raises(Rejected):
                await trader.public.instrument("NO-SUCH")
            rights = await trader.account.rights()
            assert (rights.read, rights.trade, rights.withdraw) == (True, True, False)
            assert (await trader.account.balances())["btc"].total == 1000
            assert abs((await trader.public.server_time()).now_ns - trader.clock.now_ns()) < 120_000_000_000

    asyncio.run(run())


@pytest.mark.parametrize("time_in_force", [GTC, POST_ONLY])
def test_order_rests_and_is_cancelled(time_in_force: str) -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(time_in_force=time_in_force)
            [order] = await trader.account.open_orders("BTC-USD")
            assert (order.tag, order.remaining_lots, order.lots, order.price) == (
                client_id, 100_000, 100_000, BID - 10_000,
            )  # fmt: skip
            [report] = await trader.account.look_up("BTC-USD", [order.venue_id])
            assert (report.tag, report.status, report.filled_lots) == (client_id, OrderStatus.WORKING, 0)
            assert (await trader.tracker.reconcile({client_id: 100_000})).clean
            await trader.cancel(client_id)
            await trader.settle()
            assert trader.outcome == {client_id: "OrderCancelled"}
            assert not await trader.account.cancel("BTC-USD", order.venue_id)
            [report] = await trader.account.look_up("BTC-USD", [order.venue_id])
            assert report.status is OrderStatus.CANCELLED
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_order_that_takes_fills_and_pays_the_takers_fee() -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(lots=sats("0.6"), price=ASK + 100)
            await trader.settle()
            fills = sorted((fill.price, fill.lots, fill.fee, fill.maker) for fill in trader.filled[client_id].values())
            # 0.5 at 68901.00 and 0.1 at 68902.00, 1.2 % of each, counted in 10**-10 dollars.
            assert fills == [
                (ASK, 50_000_000, 4_134_060_000_000, False),
                (ASK + 100, 10_000_000, 826_824_000_000, False),
            ]
            assert trader.tracker.is_idle
            trader.agrees_with_the_exchange()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("time_in_force", "size", "filled"),
    [(IOC, "0.6", "0.5"), (FOK, "0.6", "0"), (FOK, "0.4", "0.4"), (MARKET, "0.4", "0.4"), (MARKET, "0.6", "0.6")],
)
def test_orders_that_do_not_rest(time_in_force: str, size: str, filled: str) -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(lots=sats(size), price=ASK, time_in_force=time_in_force)
            await trader.settle()
            assert trader.lots(client_id) == sats(filled)
            assert trader.tracker.is_idle
            assert await trader.account.open_orders("BTC-USD") == []
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_post_only_that_would_take_is_refused() -> None:
    async def run() -> None:
        async with trading() as trader:
            client_id = await trader.place(price=ASK, time_in_force=POST_ONLY)
            await trader.settle()
            assert trader.outcome[client_id] == "Rejected"
            assert trader.lots(client_id) == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("lots", "price", "code"),
    [(sats("3000"), BID, "FUND"), (1, cents("1.00"), "SIZE")],
)
def test_refusals_are_definite(lots: int, price: int, code: str) -> None:
    async def run() -> None:
        async with trading() as trader:
            wrong = Place(0, "ztb-0123456789abcdef0123", "BTC-USD", BUY, lots, price, False, 1, "test")
            with pytest.raises(Rejected) as caught:
                await trader.account.place(wrong)
            assert code in caught.value.code
            assert caught.value.kind == "exchange"

    asyncio.run(run())


def test_key_of_somebody_else_is_an_auth_error() -> None:
    async def run() -> None:
        async with trading() as trader:
            signer = Signer(ApiKeys("organizations/nobody/apiKeys/nobody", pem()))
            calls = SignedCalls(
                trader.transport,
                address=trader.world.url,
                signer=signer,
                limiter=trader.limiter,
                time=trader.public.time,
            )
            with pytest.raises(Rejected) as caught:
                await CoinbaseAccount(calls, instruments={}).balances()
            assert caught.value.kind == "auth"

    asyncio.run(run())


@pytest.mark.parametrize("ahead_s", [0, 8])
def test_host_whose_clock_is_a_little_ahead_is_not_refused(ahead_s: int) -> None:
    async def run() -> None:
        async with trading(scale=1.0) as trader:
            fast = HostClock(1.0)
            ahead = _Ahead(fast, ahead_s)
            calls = SignedCalls(
                trader.transport,
                address=trader.world.url,
                signer=Signer(ApiKeys(ALICE, pem())),
                limiter=trader.limiter,
                time=CoinbasePublic(trader.transport, limiter=trader.limiter, clock=ahead).time,
            )
            assert await CoinbaseAccount(calls, instruments={}).balances()

    asyncio.run(run())


class _Ahead:
    """A clock that is so many seconds ahead of another."""

    def __init__(self, inner: HostClock, seconds: int) -> None:
        self._inner = inner
        self._ns = seconds * 1_000_000_000

    @property
    def scale(self) -> float:
        return self._inner.scale

    def now_ns(self) -> int:
        return self._inner.now_ns() + self._ns

    def monotonic_ns(self) -> int:
        return self._inner.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


LOST = ("accept_then_502", "accept_then_reset", "accept_then_hang", "html_instead_of_json")


@pytest.mark.parametrize("mood", LOST)
@pytest.mark.parametrize(("size", "price"), [("0.001", BID - 10_000), ("0.5", ASK), ("2", ASK)])
def test_order_whose_answer_is_lost_is_found_and_not_sent_again(mood: str, size: str, price: int) -> None:
    async def run() -> None:
        async with trading(answer_s_max=IMPATIENCE_S) as trader:
            trader.world.moods.switch_on(Mood(mood, count=1, methods=frozenset({"create_order"})))
            client_id = await trader.place(lots=sats(size), price=price)
            await trader.settle()
            assert client_id not in trader.outcome
            there = trader.world.exchange.account(ALICE)
            assert there is not None
            assert trader.lots(client_id) == sum(fill.lots for fill in there.fills)
            await trader.finish()
            trader.agrees_with_the_exchange()

    asyncio.run(run())


@pytest.mark.parametrize("mood", LOST)
@pytest.mark.parametrize("time_in_force", [FOK, IOC])
def test_order_whose_answer_is_lost_and_that_ended_unfilled_is_told_as_ended(mood: str, time_in_force: str) -> None:
    async def run() -> None:
        async with trading() as trader:
            trader.world.moods.switch_on(Mood(mood, count=1, methods=frozenset({"create_order"})))
            # Nobody sells below the best offer: it can neither fill nor rest.
            client_id = await trader.place(price=BID, time_in_force=time_in_force)
            assert trader.outcome == {client_id: "OrderCancelled"}
            assert trader.venue_ids[client_id]
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_order_that_never_arrived_is_called_never_placed() -> None:
    async def run() -> None:
        async with trading() as trader:
            order = Place(0, "ztb-0123456789abcdef0123", "BTC-USD", BUY, 10, ASK, False, 1, "test")
            trader.tracker.watch(order)
            [event] = await trader.tracker.resolve(order)
            assert isinstance(event, OrderNotPlaced)
            assert trader.tracker.is_idle

    asyncio.run(run())


@pytest.mark.parametrize("mood", LOST)
def test_cancel_whose_answer_is_lost_is_found_out(mood: str) -> None:
    async def run() -> None:
        async with trading(answer_s_max=IMPATIENCE_S) as trader:
            client_id = await trader.place()
            trader.world.moods.switch_on(Mood(mood, count=1, methods=frozenset({"batch_cancel"})))
            with pytest.raises(UnknownFate):
                await trader.account.cancel("BTC-USD", trader.venue_ids[client_id])
            await trader.settle()
            assert trader.outcome == {client_id: "OrderCancelled"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_order_that_fails_after_it_was_taken_ends_as_rejected() -> None:
    async def run() -> None:
        async with trading() as trader:
            trader.world.moods.switch_on(Mood("failed_after_success", count=1))
            client_id = await trader.place()
            await trader.settle()
            assert trader.outcome == {client_id: "OrderRejected"}
            trader.agrees_with_the_exchange()

    asyncio.run(run())


def test_many_orders_are_listed_page_by_page_and_cancelled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PAGE_ROWS", 20)

    async def run() -> None:
        async with trading() as trader:
            sent = [await trader.place(lots=10_000, price=BID - 10_000 - number) for number in range(110)]
            told = await trader.account.open_orders("BTC-USD")
            assert {order.tag for order in told} == set(sent)
            ids = [order.venue_id for order in told]
            assert {report.tag for report in await trader.account.look_up("BTC-USD", ids)} == set(sent)
            assert await trader.account.cancel_all("BTC-USD", ids) == frozenset(ids)
            cancels = [call for call in trader.world.record.calls if call.method == "batch_cancel"]
            assert len(cancels) == 2
            assert await trader.account.open_orders("BTC-USD") == []

    asyncio.run(run())


def test_fills_are_read_page_by_page_and_on_from_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PAGE_ROWS", 3)

    async def run() -> None:
        async with trading() as trader:
            first = await trader.account.newest_cursor("BTC-USD")
            assert first == ""
            for _ in range(8):
                await trader.place(lots=sats("0.01"), price=ASK)
            fills = await trader.account.fills_after("BTC-USD", "")
            assert len(fills) == len({fill.trade_id for fill in fills}) == 8
            assert await trader.account.newest_cursor("BTC-USD") == fills[-1].reading_on
            await trader.clock.sleep(10)
            again = await trader.account.fills_after("BTC-USD", fills[-1].reading_on)
            assert fills[-1] in again
            await trader.place(lots=sats("0.01"), price=ASK)
            news = await trader.account.fills_after("BTC-USD", fills[-1].reading_on)
            assert len({fill.trade_id for fill in news} - {fill.trade_id for fill in fills}) == 1
            assert news[-1].venue_order_id == trader.venue_ids[f"ztb-{9:020x}"]

    asyncio.run(run())


def moving_market(seconds: int, *, seed: int) -> list[MarketEvent]:
    """A random walk of the touch with trades that print through it."""
    chance = random.Random(seed)
    events: list[MarketEvent] = []
    bid = Decimal("68900")
    for step in range(seconds * 4):
        bid += chance.randint(-8, 8) * Decimal("0.25")
        second = step / 4
        sizes = [str(Decimal(chance.randint(1, 30)) / 100) for _ in range(2)]
        events.append(quote(second, str(bid), str(bid + 1), bid_size=sizes[0], ask_size=sizes[1]))
        if chance.random() < 0.6:
            side = chance.choice((BUY, SELL))
            price = bid + 1 + chance.randint(0, 3) if side == BUY else bid - chance.randint(0, 3)
            events.append(trade(second, str(price), str(Decimal(chance.randint(1, 40)) / 100), side))
    return events


@asynccontextmanager
async def following(trader: Trader, has_stream: bool) -> AsyncIterator[None]:
    """With the private stream, whose reports go to the tracker as they come."""
    if not has_stream:
        yield
        return
    feed = CoinbaseAccountFeed(
        trader.world.stream_url,
        {"BTC-USD": BTC_USD},
        calls=trader.calls,
        lots_of=trader.account.lots_of,
        clock=trader.clock,
        jitter=random.Random(3).random,
    )
    heard = 0

    async def listen() -> None:
        nonlocal heard
        async with aclosing(feed.events()) as events:
            async for event in events:
                heard += isinstance(event, OrderReport)
                trader.book(trader.tracker.take(event))

    listening = asyncio.ensure_future(listen())
    try:
        yield
        assert heard > 0
        assert not listening.done()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@pytest.mark.parametrize("has_stream", [False, True])
def test_hostile_days(has_stream: bool) -> None:
    """Moods at once; nothing is sent twice, nothing stays unknown, and the two books agree."""

    async def run() -> None:
        async with (
            trading(moving_market(1_200, seed=11), scale=200.0, answer_s_max=IMPATIENCE_S) as trader,
            following(trader, has_stream),
        ):
            moving = frozenset({"create_order", "batch_cancel"})
            for name in ("accept_then_502", "accept_then_reset"):
                trader.world.moods.switch_on(Mood(name, probability=0.08, methods=moving))
            trader.world.moods.switch_on(Mood("accept_then_hang", probability=0.01, methods=moving))
            trader.world.moods.switch_on(Mood("html_instead_of_json", probability=0.02))
            for name in (
                "reject_busy", "reordered_maps", "reordered_events", "failed_after_success", "tiny_fills",
                "duplicate_events", "skip_sequence", "garbage_frames", "missing_client_id",
            ):  # fmt: skip
                trader.world.moods.switch_on(Mood(name, probability=0.05))
            trader.world.moods.switch_on(Mood("stream_drop", probability=0.002))
            chance = random.Random(13)
            for _ in range(120):
                client_id = await trader.place(
                    side=chance.choice((BUY, SELL)),
                    lots=sats("0.01") * chance.randint(1, 40),
                    price=BID + 25 * chance.randint(-40, 40),
                    time_in_force=chance.choice((GTC, GTC, IOC, FOK, POST_ONLY, MARKET)),
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
            assert sum(trader.lots(client_id) for client_id in trader.sent) > 0

    asyncio.run(run())


def test_our_limits_keep_us_inside_the_venues() -> None:
    async def run() -> None:
        documented = CoinbaseRules(private_per_hour=10_000)
        async with trading(scale=5.0, limits=rules.RATE_RULES, venue_rules=documented) as trader:
            held = 0
            for number in range(60):
                client_id = await trader.place(price=BID - 10_000 - number, lots=10_000)
                held += trader.outcome.get(client_id) == "Throttled"
                await trader.account.open_orders("BTC-USD", urgent=True)
                if client_id not in trader.outcome:
                    await trader.cancel(client_id)
            # Our own limiter held calls back, or made them wait; the venue never had to.
            assert held < 60
            assert trader.world.record.rate_refusals == {}

    asyncio.run(run())


async def listened(feed: CoinbaseFeed, seen: list[MarketNews]) -> None:
    async with aclosing(feed.events()) as events:
        async for event in events:
            seen.append(event)


@pytest.mark.parametrize("mood", ["stream_drop", "skip_sequence", "garbage_frames", "stream_silence"])
def test_stream_tells_every_trade_of_the_market_once_and_ends_with_its_book(mood: str) -> None:
    async def run() -> None:
        market = [
            depth(0, [("68900.00", "1.5"), ("68890.00", "2")], [("68901.00", "0.5")]),
            *moving_market(90, seed=7),
        ]
        async with trading(market, scale=40.0) as trader:
            feed = CoinbaseFeed(
                trader.world.stream_url, BTC_USD, clock=trader.clock, jitter=random.Random(1).random,
                public=trader.public, silence_s_max=8.0,
            )  # fmt: skip
            seen: list[MarketNews] = []
            listening = asyncio.ensure_future(listened(feed, seen))
            await trader.clock.sleep(25)
            trader.world.moods.switch_on(Mood(mood, count=3))
            await trader.clock.sleep(15)
            trader.world.moods.switch_off("all")
            for _ in range(400):
                await trader.clock.sleep(0.5)
                last = trader.world.exchange.prints.recent[-1].trade_id
                told = [int(event.trade_id) for event in seen if isinstance(event, Trade)]
                if trader.world.exchange.market.player.exhausted and told and told[-1] == last:
                    break
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            assert told == sorted(set(told))
            assert told == list(range(told[0], told[-1] + 1)), "trades are missing"
            assert told[-1] == last
            assert len(told) > 60
            assert feed.loop.frames_refused + feed.loop.reconnections >= 1
            assert feed.loop.reconnections >= 1 or mood == "garbage_frames"
            assert feed.wire.gaps_left == 0
            book = await trader.public.depth(BTC_USD)
            assert followed(seen) == (dict(book.bids), dict(book.asks))
            quotes = [event for event in seen if isinstance(event, Quote)]
            assert (quotes[-1].bid, quotes[-1].ask) == (book.bids[0][0], book.asks[0][0])

    asyncio.run(run())


def followed(seen: Iterable[MarketNews]) -> tuple[dict[int, int], dict[int, int]]:
    """The book of somebody who takes every snapshot and change."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for event in seen:
        if isinstance(event, Depth):
            for levels, side in ((event.bids, bids), (event.asks, asks)):
                if event.is_snapshot:
                    side.clear()
                side.update(levels)
                for price in [price for price, lots in levels if not lots]:
                    del side[price]
    return bids, asks


def test_alias_is_followed_and_traded_under_its_own_name() -> None:
    async def run() -> None:
        free = CoinbaseRules(private_limits=False, public_per_second=0, alias_quote="USDC")
        async with trading(venue_rules=free) as trader:
            alias = await trader.public.instrument("BTC-USDC")
            assert (alias.symbol, alias.quote) == ("BTC-USDC", "USDC")
            assert (await trader.public.depth(alias)).bids[0][0] == BID
            feed = CoinbaseFeed(
                trader.world.stream_url, alias, clock=trader.clock, jitter=lambda: 0.5, public=trader.public
            )  # fmt: skip
            seen: list[MarketNews] = []
            async with asyncio.timeout(30), aclosing(feed.events()) as events:
                async for event in events:
                    seen.append(event)
                    if isinstance(event, Quote):
                        break
            assert isinstance(seen[0], Feed)
            assert seen[-1].instrument == "BTC-USDC" if isinstance(seen[-1], Quote) else False
            account_of_alias = CoinbaseAccount(trader.calls, instruments={"BTC-USDC": alias})
            order = Place(0, "ztb-0123456789abcdef0123", "BTC-USDC", BUY, 100_000, BID - 100, False, 1, "test")
            placed = await account_of_alias.place(order)
            [working] = await account_of_alias.open_orders("BTC-USDC")
            assert (working.venue_id, working.instrument) == (placed.venue_id, "BTC-USDC")
            assert await trader.account.open_orders("BTC-USD") == []

    asyncio.run(run())


def test_private_stream_tells_what_becomes_of_our_orders() -> None:
    async def run() -> None:
        async with trading(scale=20.0) as trader:
            feed = CoinbaseAccountFeed(
                trader.world.stream_url, {"BTC-USD": BTC_USD}, calls=trader.calls, lots_of=trader.account.lots_of,
                clock=trader.clock, jitter=lambda: 0.5,
            )  # fmt: skip
            before = await trader.place()
            told: list[OrderReport] = []
            states: list[bool] = []

            async def listen() -> None:
                async with aclosing(feed.events()) as events:
                    async for event in events:
                        if isinstance(event, OrderReport):
                            told.append(event)
                        elif isinstance(event, StreamState):
                            states.append(event.connected)

            listening = asyncio.ensure_future(listen())

            async def until(tag: str, status: OrderStatus) -> OrderReport:
                async with asyncio.timeout(30):
                    while True:
                        found = [one for one in told if one.tag == tag and one.status is status]
                        if found:
                            return found[-1]
                        await asyncio.sleep(0.01)

            assert (await until(before, OrderStatus.WORKING)).lots == 100_000
            taker = await trader.place(lots=sats("0.7"), price=ASK, time_in_force=IOC)
            ended = await until(taker, OrderStatus.CANCELLED)
            assert (ended.lots, ended.filled_lots) == (sats("0.7"), sats("0.5"))
            trader.world.moods.switch_on(Mood("stream_drop", count=1))
            async with asyncio.timeout(30):
                while states != [True, False, True]:  # noqa: ASYNC110 - the feed's own task makes it so
                    await asyncio.sleep(0.01)
            await trader.cancel(before)
            assert (await until(before, OrderStatus.CANCELLED)).filled_lots == 0
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            assert feed.loop.frames_refused == 0

    asyncio.run(run())

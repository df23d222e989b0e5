"""One venue on the bench: its adapter and a tracker on one side, its exchange and the market on the other.

What the adapter believes is kept in a plain ledger here. At the end of every case the ledger is held against the
exchange's own book, order by order and fill by fill, and against the balances to the last unit.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import TypeVar

from tests.venues.contract import paper
from tests.venues.contract.clock import CaseClock
from tests.venues.contract.exchange import Setup, World, running
from tests.venues.contract.kit import Kit
from tests.venues.contract.ledger import Ledger
from tests.venues.contract.truth import Truth, read_truth
from ztb.core.command import GTC, Place
from ztb.core.error import Rejected, Throttled, UnknownFate, Unreachable
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.simulator.moods import Mood
from ztb.venues.paper.venue import NO_KEYS
from ztb.venues.port import Account, AccountNews, ApiKeys, StreamState, Venue
from ztb.venues.registry import addresses_at, open_paper, open_venue
from ztb.venues.tracker import OrderTracker
from ztb.venues.transport import Transport

ROUNDS_MAX = 60
EXCHANGE_S_MAX = 20.0


class Bench(Ledger):
    """What a case acts with, and the ledger of what was told."""

    def __init__(self, kit: Kit, world: World, clock: CaseClock, folder: Path, setup: Setup) -> None:
        super().__init__()
        self.kit = kit
        self.world = world
        self.clock = clock
        self._folder = folder
        self._latency_s = setup.latency_s
        self.balances = dict(setup.balances or kit.balances)
        self._venues: list[Venue] = []
        self._listening: list[asyncio.Task[None]] = []
        self.venue = self.open(folder)
        self.account: Account
        self.instrument: Instrument
        self.tracker: OrderTracker
        self.heard = 0
        """News of the private stream, its comings and goings not counted."""
        self.is_over = False
        """The exchange was shut down: there is nobody left to ask."""
        self.owners: set[str] = set()
        """The exchange's numbers of orders that are the owner's, not ours."""

    @property
    def symbol(self) -> str:
        return self.kit.symbol

    def open(self, folder: Path) -> Venue:
        """A venue object of its own; ``close`` closes it."""
        addresses = addresses_at(self.kit.venue, self.world.url)
        if self.kit.is_paper:
            venue = open_paper(
                self.kit.venue,
                addresses,
                clock=self.clock,
                jitter=lambda: 0.5,
                balances=self.balances,
                latency_s=self._latency_s,
            )
        else:
            venue = open_venue(self.kit.venue, addresses, clock=self.clock, jitter=lambda: 0.5)
        self._venues.append(venue)
        folder.mkdir(exist_ok=True)
        return venue

    def keys(self) -> ApiKeys:
        return NO_KEYS if self.kit.is_paper else ApiKeys(self.kit.key, self.kit.secret)

    async def start(self) -> None:
        """As a trader does it: the instrument from the venue, the account, the newest fill, and the streams."""
        await self._connect()
        self.tracker = self._tracker(await self.account.newest_cursor(self.symbol))
        await self._listen()

    async def stop(self) -> None:
        """The trader is gone, with its venue object and everything that it did not keep."""
        await self._be_quiet()
        await self.venue.close()
        self._venues.remove(self.venue)

    async def start_again(self) -> None:
        """From what a journal keeps: orders with the fills that were booked, their ids, and the cursor."""
        cursor = self.tracker.cursor
        self.venue = self.open(self._folder)
        await self._connect()
        self.tracker = self._tracker(cursor)
        for client_id, order in self.sent.items():
            known = {trade_id: fill.lots for trade_id, fill in self.fills.get(client_id, {}).items()}
            self.tracker.watch(order, known_fills=known, venue_id=self.venue_ids.get(client_id, ""))
            if client_id in self.ends:
                self.tracker.forget(client_id)
            else:
                self.tracker.note_venue_id(client_id, self.venue_ids.get(client_id, ""))
        await self._listen()

    async def _connect(self) -> None:
        self.instrument = await self.venue.market.instrument(self.symbol)
        instruments = {self.symbol: self.instrument}
        self.account = self.venue.account(self.keys(), instruments, directory=self._folder, at_wire=None)

    def _tracker(self, cursor: str) -> OrderTracker:
        return OrderTracker(self.account, self.instrument, self.clock, cursor=cursor)

    async def _listen(self) -> None:
        if self.kit.is_paper:
            market = self.venue.market_feed(self.instrument)
            self._listening.append(asyncio.create_task(_take_all(market.events(), lambda _: None)))
        feed = self.venue.account_feed({self.symbol: self.instrument})
        if feed is not None:
            self._listening.append(asyncio.create_task(_take_all(feed.events(), self._news)))
            # The streams stand before anything is ordered, as after a start that waited until it was ready.
            await self.until(lambda: self.tracker.is_stream_live, or_after_s=30)
        await self.clock.advance(1)

    async def _be_quiet(self) -> None:
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)
        self._listening.clear()

    async def account_with(self, instrument: Instrument) -> Account:
        """The same key, held by an adapter that believes something else of the instrument."""
        folder = self._folder / f"other-{len(self._venues)}"
        venue = self.open(folder)
        await self.clock.advance(1)
        return venue.account(self.keys(), {self.symbol: instrument}, directory=folder, at_wire=None)

    async def close(self) -> None:
        await self._be_quiet()
        for venue in self._venues:
            await venue.close()

    def lots(self, pieces: int) -> int:
        return pieces * self.kit.piece

    def order(
        self, side: int, pieces: int, price: int, time_in_force: str = GTC, *, reduce_only: bool = False
    ) -> Place:
        """Made and remembered, not sent."""
        number = len(self.sent) + 1
        order = Place(
            self.clock.now_ns(),
            f"ztb-{number:020x}",
            self.symbol,
            side,
            self.lots(pieces),
            price,
            reduce_only,
            number,
            "contract",
            time_in_force,
        )
        self.sent[order.client_id] = order
        return order

    async def place(
        self, side: int, pieces: int, price: int, time_in_force: str = GTC, *, reduce_only: bool = False
    ) -> str:
        """As the outbox does it: watched, sent once, and looked up where its fate is unknown."""
        await self.clock.advance(self.kit.pause_s)
        order = self.order(side, pieces, price, time_in_force, reduce_only=reduce_only)
        self.tracker.watch(order)
        await self.send(order)
        return order.client_id

    async def send(self, order: Place) -> None:
        """Of an order that is watched already."""
        try:
            placed = await self.account.place(order)
        except UnknownFate as error:
            self.errors[order.client_id] = error
            self.hurry(EXCHANGE_S_MAX)
            self.book(await self.tracker.resolve(order))
        except (Rejected, Throttled, Unreachable) as error:
            self.errors[order.client_id] = error
            self.ends[order.client_id] = type(error).__name__
            self.tracker.forget(order.client_id)
        else:
            self.venue_ids[order.client_id] = placed.venue_id
            self.tracker.note_placed(order.client_id, placed)

    async def cancel(self, client_id: str) -> bool:
        """The venue's answer; errors are the caller's."""
        await self.clock.advance(self.kit.pause_s)
        is_cancelled = await self.account.cancel(self.symbol, self.venue_ids[client_id])
        if is_cancelled:
            self.tracker.note_cancelled(client_id)
        else:
            self.tracker.note_gone(client_id)
        return is_cancelled

    async def settle(self) -> None:
        """Look until nothing is unsettled."""
        await self.clock.advance(self.kit.pause_s)
        self.book(await self.tracker.settle())

    async def until(self, is_true: Callable[[], bool], *, or_after_s: float = 120) -> None:
        """Let time pass until the streams have brought it about."""
        end_ns = self.clock.now_ns() + round(or_after_s * 1e9)
        while not is_true():
            assert self.clock.now_ns() < end_ns, f"not within {or_after_s:g} s"
            await self.clock.advance(0.1)
            await asyncio.sleep(0.001)

    async def finish(self) -> None:
        """Cancel until nothing of ours works."""
        self.world.moods.switch_off("all")
        for _ in range(ROUNDS_MAX):
            await self.settle()
            if self.tracker.is_idle:
                return
            for client_id in self.working():
                if self.venue_ids.get(client_id):
                    with suppress(Rejected, Throttled):
                        await self.cancel(client_id)
        raise AssertionError(f"orders are left: {self.working()}")

    def mood(
        self, name: str, *, ms: int = 0, count: int | None = None, probability: float = 1.0, of_orders: bool = True
    ) -> Mood:
        """Switch one on; those that are about calls strike the placing of orders only, unless ``of_orders`` is off."""
        is_of_calls = name.startswith(("accept", "html", "slow", "rate"))
        methods = self.kit.place_methods if of_orders and is_of_calls else frozenset[str]()
        mood = Mood(name, probability, count, ms, methods)
        self.world.moods.switch_on(mood)
        return mood

    async def shut_down(self) -> None:
        """The exchange is gone for good, and what the streams told before is old."""
        await self._be_quiet()
        await self.world.server.stop()
        await self.clock.advance(70)
        self.is_over = True

    def hurry(self, seconds: float) -> None:
        """Give up answers after so many seconds of the wall."""
        for part in vars(self.venue).values():
            if isinstance(part, Transport):
                part._exchange_s_max = seconds

    async def truth(self) -> Truth:
        """The exchange's own book of our account; a paper account has none there."""
        assert not self.kit.is_paper
        return await read_truth(self.world.url, self.kit.key, self.kit.instrument)

    def whose(self, order_id: str, name: str) -> str:
        """Our client id of an order there."""
        known = self.kit.names(name)
        if known in self.sent:
            return known
        ids = {venue_id: client_id for client_id, venue_id in self.venue_ids.items() if venue_id}
        return ids.get(order_id, "")

    async def agrees(self) -> None:
        """The ledger is the exchange's book, in orders, in fills, in fees and in balances."""
        assert self.told_twice == 0
        if self.kit.is_paper:
            await self._adds_up()
            return
        truth = await self.truth()
        there = {self.whose(order.order_id, order.name): order.remaining for order in truth.orders
                 if order.order_id not in self.owners}  # fmt: skip
        assert there == self.working()
        assert len(truth.placed(self.kit)) <= len(self.sent) + len(self.owners), "an order was sent twice"
        self._fills_agree(truth)
        ours = await self.account.balances()
        for currency in (self.instrument.base.lower(), self.instrument.quote.lower()):
            if currency in ours:
                total = truth.balances.get(currency, Decimal(0))
                assert ours[currency].total == total
                free = total - truth.bound.get(currency, Decimal(0)) + self._unrealised(truth, currency)
                assert ours[currency].available == (
                    free.to_integral_value(ROUND_FLOOR) if self.kit.is_leveraged else free
                )

    def _unrealised(self, truth: Truth, currency: str) -> Decimal:
        """What the positions have won or lost, at what the other side of the exchange's book pays for them."""
        of = self.kit.instrument
        if not self.kit.is_leveraged or currency != of.quote.lower():
            return Decimal(0)
        marks = {side: self.world.exchange.book.best(side) for side in (BUY, SELL)}
        return of.money.decimal(
            sum(side * of.notional(marks[side] - price, lots) for side, lots, price in truth.positions)
        )

    def _fills_agree(self, truth: Truth) -> None:
        money = self.instrument.money
        ours = Counter(
            (client_id, fill.price, fill.lots, money.decimal(fill.fee))
            for client_id, fills in self.fills.items()
            for fill in fills.values()
        )
        theirs = Counter[tuple[str, int, int, Decimal]]()
        for fill in truth.fills:
            if fill.order_id in self.owners:
                continue
            theirs[self.whose(fill.order_id, fill.name), fill.price, fill.lots, fill.fee] += 1
            if fill.side == 0:
                # A trade with ourselves is one row there, with both fees; here the other order has its half.
                [half] = [one for one in ours - theirs if one[1:] == (fill.price, fill.lots, Decimal(0))][:1]
                theirs[half] += 1
        assert ours == theirs

    async def _adds_up(self) -> None:
        """Of a paper account: what works, and balances that are the first ones and every fill, fees counted anew."""
        shown = await self.account.open_orders(self.symbol)
        assert {order.tag: order.remaining_lots for order in shown} == self.working()
        totals = {currency: balance.total for currency, balance in (await self.account.balances()).items()}
        if self.kit.is_leveraged:
            assert await paper.positions(self) == paper.expected_positions(self)
        assert totals == paper.expected_balances(self)

    def _news(self, news: AccountNews) -> None:
        self.heard += not isinstance(news, StreamState)
        self.book(self.tracker.take(news))


T = TypeVar("T")


async def _take_all(events: AsyncIterator[T], take: Callable[[T], None]) -> None:
    async for event in events:
        take(event)


@asynccontextmanager
async def opened(kit: Kit, folder: Path, setup: Setup) -> AsyncIterator[Bench]:
    """A bench that is ready for the case."""
    async with CaseClock() as clock, running(kit, setup, clock) as world:
        bench = Bench(kit, world, clock, folder, setup)
        try:
            await bench.start()
            yield bench
        finally:
            await bench.close()

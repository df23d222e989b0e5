"""Orders of every kind of venue through lost answers, hidden orders and disordered streams, up to the books.

The judge is the model's own truth; the books are the core's, fed with what the tracker tells.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.scene import CAPITAL, WIDE
from tests.examples import examples
from tests.venues.model_venue import KINDS, Made, ModelVenue
from tests.venues.scripted_clock import ScriptedClock
from tests.venues.zaif.samples import BTC_JPY
from ztb.core.command import MARKET, Place
from ztb.core.event import OrderAccepted, OrderEvent, OrderFilled, OrderRecovered, OrderUnknown
from ztb.core.instrument import BUY, SELL
from ztb.core.lifecycle import apply_order_event
from ztb.core.state import EngineConfig, State
from ztb.venues.port import AccountNews, OrderStatus, Placed, StreamState
from ztb.venues.tracker import OrderTracker

BY_STATUS = ("orders", "none")
"""Kinds of venue that tell the status of an order."""


class Desk:
    """A tracker on a model, and the core's books behind it."""

    def __init__(self, kind: str) -> None:
        self.clock = ScriptedClock()
        self.venue = ModelVenue(kind, self.clock.now_ns)
        self.tracker = OrderTracker(self.venue, BTC_JPY, self.clock, cursor="0")
        self.state = State(EngineConfig((BTC_JPY,), WIDE, CAPITAL, 10))
        self.told: list[OrderEvent] = []
        self.count = 0

    def take(self, events: list[OrderEvent]) -> list[str]:
        """Into the books; the names of what was told."""
        self.told += events
        for event in events:
            apply_order_event(self.state, event, self.clock.now_ns())
        return [type(event).__name__ for event in events]

    def send(self, *, side: int = BUY, price: int = 100, lots: int = 10, **options: Any) -> Place:  # noqa: ANN401
        """Decided, watched and on its way."""
        self.count += 1
        now_ns = self.clock.now_ns()
        order = Place(now_ns, f"ztb-{self.count}", "btc_jpy", side, lots, price, False, self.count, "test", **options)
        recovered = OrderRecovered(
            now_ns, order.client_id, "btc_jpy", side, lots, price, False, now_ns, order.sequence
        )  # fmt: skip
        self.take([recovered])
        self.tracker.watch(order)
        return order

    def answer(self, order: Place, made: Made) -> list[str]:
        """The answer to the order arrives."""
        self.tracker.note_placed(order.client_id, Placed(made.venue_id, 0))
        return self.take([OrderAccepted(0, order.client_id, made.venue_id), *self.tracker.told()])

    def lose(self, order: Place) -> None:
        """It never will."""
        self.take([OrderUnknown(0, order.client_id, "no answer")])

    async def resolve(self, order: Place) -> list[str]:
        return self.take(await self.tracker.resolve(order))

    async def look(self, seconds: float = 10.0, *, times: int = 1) -> list[str]:
        told: list[str] = []
        for _ in range(times):
            self.clock.advance(seconds)
            told += self.take(await self.tracker.poll())
        return told

    def news(self, news: AccountNews) -> list[str]:
        return self.take(self.tracker.take(news))

    def state_of(self, order: Place) -> str:
        return self.state.orders[order.client_id].state.value

    @property
    def position(self) -> int:
        return self.state.desks["btc_jpy"].position.lots

    async def unclear(self) -> str:
        """What a comparison says that people have to look at."""
        report = await self.tracker.reconcile({})
        self.take(list(report.events))
        return report.text() if not report.clean else ""


def played(coroutine: Any) -> None:  # noqa: ANN401
    asyncio.run(coroutine)


# --- by id --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_life_of_an_order(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        desk.venue.trade(made, 4)
        assert await desk.look() == ["OrderFilled"]
        desk.venue.trade(made, 6)
        assert await desk.look() == ["OrderFilled"]
        assert (desk.state_of(order), desk.position, desk.tracker.is_idle) == ("filled", 10, True)
        assert await desk.unclear() == ""

    played(run())


@pytest.mark.parametrize(
    ("status", "event", "state"),
    [
        (OrderStatus.CANCELLED, "OrderCancelled", "cancelled"),
        (OrderStatus.EXPIRED, "OrderExpired", "expired"),
        (OrderStatus.REJECTED, "OrderRejected", "rejected"),
    ],
)
@pytest.mark.parametrize("kind", BY_STATUS)
def test_an_end_that_the_venue_tells_is_told_at_once(kind: str, status: OrderStatus, event: str, state: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        await desk.look()
        desk.venue.end(made, status)
        assert await desk.look() == [event]
        assert desk.state_of(order) == state

    played(run())


@pytest.mark.parametrize("kind", BY_STATUS)
def test_a_filled_order_waits_for_its_fills_however_long(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        await desk.look()
        fill = desk.venue.trade(made, 10)
        desk.venue.late.add(fill.trade_id)
        assert await desk.look(times=30) == []
        assert not desk.tracker.is_idle
        desk.venue.late.clear()
        assert await desk.look() == ["OrderFilled"]
        assert (desk.state_of(order), desk.position) == ("filled", 10)

    played(run())


@pytest.mark.parametrize("kind", BY_STATUS)
def test_an_order_that_the_look_up_does_not_know_has_not_ended_by_that_alone(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        await desk.look()
        desk.venue.hidden.add(made.venue_id)
        assert await desk.look(times=6) == []
        assert any(made.venue_id in ids for ids in desk.venue.looked_up)
        desk.venue.hidden.clear()
        assert await desk.look() == []
        assert desk.state_of(order) == "accepted"

    played(run())


@pytest.mark.parametrize("kind", BY_STATUS)
def test_more_fills_than_the_venue_says_are_said_until_its_word_fits(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        await desk.look()
        ended = desk.venue.end(made, OrderStatus.CANCELLED)
        desk.news(ended)
        assert await desk.look() == ["OrderCancelled"]
        # A fill after the end, of which the venue's own total knows nothing yet.
        made.lots += 10
        fill = desk.venue.trade(made, 3)
        made.lots -= 10
        made.filled = 0
        assert desk.news(fill) == ["OrderFilled"]
        assert desk.position == 3
        assert "3 lots filled of 0" in await desk.unclear()
        made.filled = 3
        assert await desk.unclear() == ""

    played(run())


# --- lost answers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_order_that_rests_is_found(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        await desk.look()
        order = desk.send()
        made = desk.venue.accept(order)
        desk.lose(order)
        assert await desk.resolve(order) == ["OrderAccepted"]
        assert desk.state.orders[order.client_id].venue_id == made.venue_id

    played(run())


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_order_that_filled_at_once_is_found_through_its_fills(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        await desk.look()
        order = desk.send()
        made = desk.venue.accept(order)
        desk.venue.trade(made, 7)
        desk.venue.trade(made, 3)
        desk.lose(order)
        told = await desk.resolve(order)
        assert Counter(told)["OrderFilled"] == 2
        assert (desk.state_of(order), desk.position) == ("filled", 10)
        assert await desk.unclear() == ""

    played(run())


def test_a_lost_market_order_is_known_by_its_size_and_time() -> None:
    async def run() -> None:
        desk = Desk("none")
        order = desk.send(time_in_force=MARKET)
        made = desk.venue.accept(order)
        made.price = 98
        desk.venue.trade(made, 10)
        made.price = 0
        desk.lose(order)
        await desk.resolve(order)
        assert (desk.state_of(order), desk.position) == ("filled", 10)

    played(run())


@pytest.mark.parametrize("kind", BY_STATUS)
def test_a_lost_order_that_expired_at_once_leaves_nothing_behind(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.venue.trade(made, 2)
        desk.venue.end(made, OrderStatus.EXPIRED)
        desk.lose(order)
        await desk.resolve(order)
        await desk.look()
        assert (desk.state_of(order), desk.position) == ("expired", 2)

    played(run())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["hidden", "down"])
def test_a_venue_that_hides_the_order_for_a_minute_does_not_make_it_never_placed(kind: str, how: str) -> None:
    """F-04: every question is answered with 404, or without the order, for 60 s after a restart."""

    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.venue.trade(made, 4)
        desk.lose(order)
        if how == "hidden":
            desk.venue.hidden.add(made.venue_id)
        desk.venue.down = how == "down"
        began_ns = desk.clock.now_ns()
        resolving = asyncio.ensure_future(desk.resolve(order))
        while desk.clock.now_ns() - began_ns < 60_000_000_000:
            assert not resolving.done()
            await asyncio.sleep(0)
        assert desk.state_of(order) == "unknown"
        desk.venue.hidden.clear()
        desk.venue.down = False
        told = await resolving
        assert sorted(set(told)) == ["OrderAccepted", "OrderFilled"]
        assert (desk.state_of(order), desk.position) == ("partial", 4)

    played(run())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["hidden", "down"])
def test_a_known_order_that_is_hidden_for_a_minute_does_not_end(kind: str, how: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        await desk.look()
        if how == "hidden":
            desk.venue.hidden.add(made.venue_id)
        else:
            desk.venue.down = True
        for _ in range(60):
            desk.clock.advance(1)
            try:
                assert desk.take(await desk.tracker.poll()) == []
            except Exception as error:
                assert how == "down", error
        desk.venue.hidden.clear()
        desk.venue.down = False
        assert await desk.look(1, times=3) == []
        assert desk.state_of(order) == "accepted"
        assert await desk.unclear() == ""

    played(run())


@pytest.mark.parametrize(
    ("status", "told"), [(OrderStatus.CANCELLED, "OrderCancelled"), (OrderStatus.EXPIRED, "OrderExpired")]
)
def test_a_lost_order_that_ended_unfilled_has_its_exact_end_where_tags_can_be_looked_up(
    status: OrderStatus, told: str
) -> None:
    # An immediate-or-cancel order, say: it was never open, it has no fill, and its answer was lost.
    async def run() -> None:
        desk = Desk("orders")
        order = desk.send()
        made = desk.venue.accept(order)
        desk.venue.end(made, status)
        desk.lose(order)
        began_ns = desk.clock.now_ns()
        assert await desk.resolve(order) == ["OrderAccepted", told]
        assert desk.clock.now_ns() - began_ns < 60_000_000_000
        assert desk.state_of(order) == told.removeprefix("Order").lower()
        assert desk.position == 0

    played(run())


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_that_is_nowhere_for_long_enough_was_never_placed(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        desk.lose(order)
        began_ns = desk.clock.now_ns()
        assert await desk.resolve(order) == ["OrderNotPlaced"]
        assert desk.clock.now_ns() - began_ns >= 65_000_000_000
        assert desk.state_of(order) == "rejected"

    played(run())


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_taken_for_never_placed_that_turns_up_is_said_and_its_fills_are_not_booked_twice(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        desk.venue.hidden.add(made.venue_id)
        desk.lose(order)
        assert await desk.resolve(order) == ["OrderNotPlaced"]
        assert await desk.unclear() == ""
        desk.venue.hidden.clear()
        text = await desk.unclear()
        assert made.venue_id in text
        assert order.client_id in text

    played(run())


def test_an_order_of_the_owner_is_neither_touched_nor_booked_nor_taken_for_ours() -> None:
    async def run() -> None:
        for kind in KINDS:
            desk = Desk(kind)
            before = desk.venue.accept(Place(0, "", "btc_jpy", BUY, 10, 100, False, 0, ""), ours=False)
            await desk.look()
            order = desk.send()
            desk.lose(order)
            resolving = asyncio.ensure_future(desk.resolve(order))
            await asyncio.sleep(0)
            other = desk.venue.accept(Place(0, "", "btc_jpy", SELL, 10, 100, False, 0, ""), ours=False)
            desk.venue.trade(other, 10)
            desk.venue.trade(before, 10)
            assert await resolving == ["OrderNotPlaced"]
            assert desk.position == 0
            assert not [event for event in desk.told if isinstance(event, OrderFilled)]
            assert desk.tracker.ours_among(await desk.venue.open_orders("btc_jpy")) == {}

    played(run())


def test_two_that_look_like_the_lost_one_leave_it_unknown_and_people_are_told() -> None:
    async def run() -> None:
        desk = Desk("none")
        await desk.look()
        order = desk.send()
        desk.venue.accept(order)
        owners = desk.venue.accept(Place(0, "", "btc_jpy", BUY, 10, 100, False, 0, ""), ours=False)
        desk.lose(order)
        assert await desk.resolve(order) == []
        assert desk.state_of(order) == "unknown"
        assert "are more: one is not ours" in await desk.unclear()
        # The owner takes his back, and what is left is ours.
        desk.venue.end(owners, OrderStatus.CANCELLED)
        assert await desk.resolve(order) == ["OrderAccepted"]
        assert desk.state.orders[order.client_id].venue_id == "1"

    played(run())


def test_one_order_for_two_equal_lost_ones_is_found_and_the_other_was_never_placed() -> None:
    async def run() -> None:
        desk = Desk("none")
        first, second = desk.send(), desk.send()
        made = desk.venue.accept(second)
        desk.venue.trade(made, 3)
        desk.lose(first)
        desk.lose(second)
        await asyncio.gather(desk.resolve(first), desk.resolve(second))
        assert sorted([desk.state_of(first), desk.state_of(second)]) == ["partial", "rejected"]
        assert desk.position == 3

    played(run())


def test_nothing_is_concluded_from_a_shape_while_an_equal_order_is_under_way() -> None:
    async def run() -> None:
        desk = Desk("none")
        first = desk.send()
        desk.lose(first)
        second = desk.send()
        made = desk.venue.accept(second)
        resolving = asyncio.ensure_future(desk.resolve(first))
        for _ in range(500):
            await asyncio.sleep(0)
        assert not resolving.done() or desk.state_of(first) == "unknown"
        assert [name for name in map(type, desk.told) if name is OrderAccepted] == []
        desk.answer(second, made)
        if resolving.done():
            resolving = asyncio.ensure_future(desk.resolve(first))
        assert await resolving == ["OrderNotPlaced"]
        assert desk.state_of(second) == "accepted"

    played(run())


# --- private streams ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BY_STATUS)
def test_a_fill_told_before_the_order_is_answered_is_booked_with_the_answer(kind: str) -> None:
    async def run() -> None:
        desk = Desk(kind)
        order = desk.send()
        made = desk.venue.accept(order)
        assert desk.news(desk.venue.trade(made, 4)) == []
        assert desk.answer(order, made) == ["OrderAccepted", "OrderFilled"]
        assert desk.position == 4

    played(run())


def test_a_report_is_the_fastest_proof_that_a_lost_order_is_there() -> None:
    async def run() -> None:
        desk = Desk("none")
        order = desk.send()
        made = desk.venue.accept(order)
        assert desk.news(desk.venue.report(made)) == []
        desk.venue.trade(made, 10)
        desk.venue.late.update(fill.trade_id for fill in desk.venue.traded)
        desk.lose(order)
        resolving = asyncio.ensure_future(desk.resolve(order))
        for _ in range(20):
            await asyncio.sleep(0)
        desk.venue.late.clear()
        await resolving
        await desk.look()
        assert (desk.state_of(order), desk.position) == ("filled", 10)

    played(run())


def test_a_stream_that_is_back_asks_for_a_whole_look_even_when_the_rate_is_used_up() -> None:
    async def run() -> None:
        desk = Desk("none")
        order = desk.send()
        made = desk.venue.accept(order)
        desk.answer(order, made)
        await desk.look(0.001, times=10)
        desk.venue.trade(made, 4)
        desk.venue.made[made.venue_id].filled = 0  # the open orders show nothing of it yet
        desk.news(StreamState(False, "lost"))
        assert await desk.look(0.001) == []
        desk.news(StreamState(True))
        assert await desk.look(0.001) == ["OrderFilled"]

    played(run())


OPS = st.lists(
    st.tuples(st.sampled_from(["truth", "news", "again", "answer", "look"]), st.integers(0, 1_000)),
    min_size=5, max_size=60,
)  # fmt: skip
SCRIPTS = st.lists(
    st.tuples(
        st.sampled_from([BUY, SELL]),
        st.lists(st.integers(1, 4), max_size=4),
        st.sampled_from([OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.WORKING]),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
"""Of each order: side, fills, how it ends, whether its answer is lost, and whether it is the owner's."""


class Play:
    """A script, carried out in the order that the dice say: truth, news, answers and looks in any sequence."""

    def __init__(self, kind: str, scripts: list[Any]) -> None:
        self.desk = Desk(kind)
        self.kind = kind
        self.ours: list[tuple[Place, Made]] = []
        self.waiting: list[tuple[Place, Made, bool]] = []
        self.truth: list[Any] = []
        self.heard: list[AccountNews] = []
        for number, (side, parts, end, is_lost, is_owners) in enumerate(scripts):
            self.truth.append((self.place, number, side, sum(parts) + 1, is_lost, is_owners))
            self.truth += [(self.trade, number, part) for part in parts]
            if end is not OrderStatus.WORKING:
                self.truth.append((self.finish, number, end))
        self.made: dict[int, Made] = {}

    def place(self, number: int, side: int, lots: int, is_lost: bool, is_owners: bool) -> None:
        # Every order has a price of its own: which of two equal ones is whose is another test's business.
        price = 100 + number
        if is_owners:
            owners = Place(0, "", "btc_jpy", side, lots, price + 50, False, 0, "")
            self.made[number] = self.desk.venue.accept(owners, ours=False)
        else:
            order = self.desk.send(side=side, lots=lots, price=price)
            self.made[number] = made = self.desk.venue.accept(order)
            self.ours.append((order, made))
            self.waiting.append((order, made, is_lost))
        self.tell(self.made[number])

    def trade(self, number: int, lots: int) -> None:
        fill = self.desk.venue.trade(self.made[number], lots)
        if self.kind == "none":
            self.heard.append(fill)
        self.tell(self.made[number])

    def finish(self, number: int, end: OrderStatus) -> None:
        self.desk.venue.end(self.made[number], end)
        self.tell(self.made[number])

    def tell(self, made: Made) -> None:
        if self.kind != "tags":
            self.heard.append(self.desk.venue.report(made))

    async def act(self, what: str, dice: int) -> None:
        desk = self.desk
        desk.clock.advance(0.01)
        if what == "truth" and self.truth:
            step, *arguments = self.truth.pop(0)
            step(*arguments)
        elif what == "news" and self.heard:
            desk.news(self.heard.pop(dice % len(self.heard)))
        elif what == "again" and self.heard:
            desk.news(self.heard[dice % len(self.heard)])
        elif what == "answer" and self.waiting:
            order, made, is_lost = self.waiting.pop(dice % len(self.waiting))
            if is_lost:
                desk.lose(order)
            else:
                desk.answer(order, made)
        elif what == "look":
            await desk.look(1)

    async def to_the_end(self) -> None:
        while self.truth:
            await self.act("truth", 0)
        while self.waiting:
            await self.act("answer", 0)
        for order, _ in self.ours:
            if self.desk.state_of(order) == "unknown":
                await self.desk.resolve(order)
        await self.desk.look(20, times=12)
        # Whatever was still on its way arrives after everything is over.
        while self.heard:
            await self.act("news", 7)
        await self.desk.look(20, times=2)


@settings(max_examples=examples(150), deadline=None)
@given(kind=st.sampled_from(KINDS), scripts=SCRIPTS, ops=OPS)
def test_any_order_and_repetition_of_news_answers_and_looks_ends_in_the_same_books(
    kind: str, scripts: list[Any], ops: list[tuple[str, int]]
) -> None:
    async def run() -> None:
        play = Play(kind, scripts)
        for what, dice in ops:
            await play.act(what, dice)
        await play.to_the_end()
        desk = play.desk
        ours = {made.venue_id for _, made in play.ours}
        theirs = [fill for fill in desk.venue.traded if fill.venue_order_id in ours]
        booked = [event for event in desk.told if isinstance(event, OrderFilled)]
        assert Counter(event.trade_id for event in booked) == Counter(fill.trade_id for fill in theirs)
        assert desk.position == sum(fill.side * fill.lots for fill in theirs)
        ended = {OrderStatus.WORKING: {"accepted", "partial"}, OrderStatus.FILLED: {"filled"}}
        for order, made in play.ours:
            if made.status is OrderStatus.CANCELLED or (kind == "tags" and made.status is OrderStatus.EXPIRED):
                # Nothing of a lost order that was cancelled before anybody saw it: it may as well never have been.
                assert desk.state_of(order) in ({"cancelled"} if made.filled else {"cancelled", "rejected"})
            elif made.status is OrderStatus.EXPIRED:
                assert desk.state_of(order) in ({"expired"} if made.filled else {"expired", "rejected"})
            else:
                assert desk.state_of(order) in ended[made.status]
        report = await desk.tracker.reconcile(
            {
                order.client_id: desk.state.orders[order.client_id].remaining_lots
                for order, made in play.ours
                if made.status is OrderStatus.WORKING
            }
        )
        assert report.clean, report.text()

    asyncio.run(run())

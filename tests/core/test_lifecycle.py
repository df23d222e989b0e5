"""What order events do through the engine: late, repeated, lost, contradictory, and without an order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import MINUTE, SECOND, SPOT, T0, WIDE, Desk, cancels, look_ups, notices, places
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    EVENT_TYPES,
    CancelFailed,
    Event,
    Kill,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRecovered,
    OrderRejected,
    OrderSent,
    OrderSettled,
    OrderUnknown,
    Reconciled,
    Stop,
)
from ztb.core.instrument import BUY, SELL
from ztb.core.lifecycle import CANCEL_AGAIN_NS, LOOK_UP_EVERY_NS
from ztb.core.order import OrderState
from ztb.core.state import FINISHED_ORDERS_MAX, FINISHED_ORDERS_TOGETHER
from ztb.core.upkeep import CANCEL_DEADLINE_NS, HOUSEKEEPING_NS


def state_of(desk: Desk, client_id: str) -> str:
    """Where the order is."""
    return desk.engine.state.orders[client_id].state.value


def test_an_order_through_its_whole_life() -> None:
    desk = Desk()
    place = desk.order(BUY)
    states = [state_of(desk, place.client_id)]
    for event in (
        OrderDurable(T0, place.client_id),
        OrderSent(T0, place.client_id),
        OrderAccepted(T0, place.client_id, "v1"),
        OrderFilled(T0, place.client_id, "t1", 4, 1_000, 2),
        OrderFilled(T0, place.client_id, "t2", 6, 1_001, 3),
    ):
        assert desk.step(event) == []
        states.append(state_of(desk, place.client_id))
    assert states == ["created", "durable", "sent", "accepted", "partial", "filled"]
    position = desk.engine.state.ledger.positions[SPOT.symbol]
    assert (position.lots, position.cost, position.fees) == (10, 4 * 1_000 + 6 * 1_001, 5)
    assert not desk.engine.state.working


def test_an_order_is_a_limit_beyond_the_touch_with_an_id_that_is_never_used_again() -> None:
    desk = Desk()
    first, second = desk.order(BUY), desk.order(BUY)
    assert first.price == 1_001  # a tenth of a per cent above the last price
    assert (first.side, first.lots, first.reduce_only, first.sequence, first.reason) == (BUY, 10, False, 1, "wanted")
    assert second.sequence == 2
    assert first.client_id == "ztb-4dce255012a3d664f496"  # printf install:1:1 | sha256sum
    assert second.client_id != first.client_id


def test_a_repeated_fill_counts_once() -> None:
    desk = Desk()
    place = desk.working(BUY)
    fill = OrderFilled(T0, place.client_id, "t1", 4, 1_000, 2)
    for _ in range(3):
        desk.step(fill)
    position = desk.engine.state.ledger.positions[SPOT.symbol]
    assert (position.lots, position.fees) == (4, 2)
    assert desk.engine.state.ledger.equity == desk.config.capital - 2


def test_a_fill_after_the_end_is_booked_and_told() -> None:
    desk = Desk()
    place = desk.working(BUY)
    desk.cancelled(place)
    assert notices(desk.fill(place, lots=3)) == [("warning", "late_fill")]
    assert desk.lots() == 3
    assert state_of(desk, place.client_id) == "cancelled"
    assert not desk.engine.state.working


def test_more_filled_than_ordered_is_booked_and_stops_opening() -> None:
    desk = Desk()
    place = desk.working(BUY)
    assert notices(desk.fill(place, lots=13)) == [("emergency", "overfilled")]
    assert desk.lots() == 13
    assert desk.refused(BUY) == "not_reconciled"
    desk.step(Reconciled(T0, True))
    assert desk.order(SELL).lots == 10


@pytest.mark.parametrize(
    "event",
    [
        OrderDurable(T0, "ztb-nobody"),
        OrderSent(T0, "ztb-nobody"),
        OrderAccepted(T0, "ztb-nobody", "v1"),
        OrderFilled(T0, "ztb-nobody", "t1", 1, 1_000, 0),
        OrderRejected(T0, "ztb-nobody", "no"),
        OrderCancelled(T0, "ztb-nobody"),
        OrderExpired(T0, "ztb-nobody"),
        OrderUnknown(T0, "ztb-nobody", "timeout"),
        OrderNotPlaced(T0, "ztb-nobody", "seen thrice"),
        OrderSettled(T0, "ztb-nobody"),
        CancelFailed(T0, "ztb-nobody", "late"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_news_of_an_order_that_we_do_not_know_stops_opening_and_books_nothing(event: Event) -> None:
    desk = Desk()
    before = desk.engine.state.ledger.snapshot()
    assert notices(desk.step(event)) == [("emergency", "order_event_without_order")]
    assert desk.engine.state.ledger.snapshot()["positions"] == before["positions"]
    assert desk.refused(BUY) == "not_reconciled"
    assert not desk.engine.state.orders


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("lots", "price", "fee"),
    [
        (0, 1_000, 0), (-1, 1_000, 0), (1, 0, 0), (1, -5, 0), (NAN, 1_000, 0), (1, NAN, 0), (1, INF, 0),
        (INF, 1_000, 0), (1, 1_000, NAN), (1, 1_000, INF), (1 << 61, 1_000, 0), (1, 1 << 61, 0),
    ],
)  # fmt: skip
def test_a_fill_that_makes_no_sense_is_not_booked_and_stops_opening(lots: int, price: int, fee: int) -> None:
    desk = Desk()
    place = desk.working(BUY)
    told = desk.step(OrderFilled(T0, place.client_id, "t1", lots, price, fee))
    assert notices(told) == [("emergency", "nonsense_fill")]
    assert desk.lots() == 0
    assert desk.engine.state.ledger.equity == desk.config.capital
    assert state_of(desk, place.client_id) == "accepted"
    assert desk.refused(BUY) == "not_reconciled"


def test_an_order_of_unknown_fate_is_looked_up_at_once_and_then_now_and_again() -> None:
    desk = Desk()
    place = desk.order(BUY)
    asked = desk.step(OrderUnknown(T0, place.client_id, "no answer"))
    assert [(c.client_id, c.instrument) for c in look_ups(asked)] == [(place.client_id, SPOT.symbol)]
    assert desk.refused(BUY) == "order_unknown"
    desk.wait(LOOK_UP_EVERY_NS - SECOND)
    assert not look_ups(desk.market(1_000))
    desk.wait(SECOND + HOUSEKEEPING_NS)
    assert len(look_ups(desk.market(1_000))) == 1
    desk.step(OrderNotPlaced(desk.now_ns, place.client_id, "neither open nor filled, three times"))
    assert state_of(desk, place.client_id) == "rejected"
    desk.wait(MINUTE)
    assert not look_ups(desk.market(1_000))
    assert desk.order(BUY)
    assert len(places(desk.commands)) == 2, "an unknown order was sent again"


def test_an_order_that_is_said_to_be_unknown_again_and_again_is_looked_up_once_in_five_seconds() -> None:
    desk = Desk()
    place = desk.order(BUY)
    asked = look_ups(desk.step(OrderUnknown(desk.now_ns, place.client_id, "no answer")))
    for number in range(1, 101):
        desk.wait(SECOND // 10)
        asked += look_ups(desk.step(OrderUnknown(desk.now_ns, place.client_id, f"still {number}")))
    # Ten seconds: at once, after five of them, and at the tenth at the latest.
    assert 2 <= len(asked) <= 3
    gaps = [later.ts_ns - earlier.ts_ns for earlier, later in pairwise(asked)]
    assert all(gap >= LOOK_UP_EVERY_NS for gap in gaps)


def test_an_order_recovered_as_unknown_is_looked_up_although_nothing_else_is_due() -> None:
    desk = Desk()
    place = desk.order(BUY)
    desk.step(OrderUnknown(desk.now_ns, place.client_id, "no answer"))
    desk.engine.state.due_ns = desk.now_ns + 1_000 * MINUTE
    desk.step(OrderUnknown(desk.now_ns, place.client_id, "restart"))
    desk.wait(LOOK_UP_EVERY_NS)
    assert look_ups(desk.market(1_000))


def test_a_fill_contradicts_the_evidence_that_an_order_was_never_placed() -> None:
    desk = Desk()
    place = desk.order(BUY)
    desk.step(OrderUnknown(T0, place.client_id, "no answer"))
    desk.fill(place, lots=4)
    desk.step(OrderNotPlaced(T0, place.client_id, "not among the open orders"))
    assert state_of(desk, place.client_id) == "unknown"
    assert desk.lots() == 4


def test_an_order_that_rests_too_long_is_cancelled_once() -> None:
    desk = Desk(limits=replace(WIDE, order_ttl_ns=30 * SECOND))
    place = desk.working(BUY)
    desk.wait(30 * SECOND)
    assert not cancels(desk.market(1_000)), "exactly at its age limit"
    desk.wait(HOUSEKEEPING_NS)
    asked = cancels(desk.market(1_000))
    assert [(c.client_id, c.venue_id, c.reason) for c in asked] == [(place.client_id, "v1", "too_old")]
    desk.wait(HOUSEKEEPING_NS)
    assert not cancels(desk.market(1_000))


def test_a_cancel_without_an_answer_is_looked_up_and_asked_again() -> None:
    desk = Desk()
    place = desk.working(BUY)
    assert len(cancels(desk.step(Kill(T0, "operator", "enough")))) == 1
    desk.wait(CANCEL_DEADLINE_NS - 1)
    assert desk.market(1_000) == []
    desk.wait(HOUSEKEEPING_NS)
    again = desk.market(1_000)
    assert [c.client_id for c in look_ups(again)] == [place.client_id]
    assert [(c.client_id, c.reason) for c in cancels(again)] == [(place.client_id, "cancel_unanswered")]
    desk.cancelled(place)
    desk.wait(MINUTE)
    assert desk.market(1_000) == []


def test_a_refused_cancel_is_asked_again_while_the_order_must_end() -> None:
    desk = Desk()
    place = desk.working(BUY)
    desk.step(Stop(T0, "SIGTERM"))
    desk.step(CancelFailed(T0, place.client_id, "order is too new"))
    desk.wait(CANCEL_AGAIN_NS // 2)
    assert cancels(desk.market(1_000)) == []
    desk.wait(CANCEL_AGAIN_NS // 2)
    assert [c.client_id for c in cancels(desk.market(1_000))] == [place.client_id]


def test_a_refused_cancel_of_an_order_that_may_rest_is_left_alone() -> None:
    desk = Desk()
    place = desk.working(BUY)
    desk.step(CancelFailed(T0, place.client_id, "order is too new"))
    desk.wait(SECOND)
    assert desk.market(1_000) == []
    assert state_of(desk, place.client_id) == "accepted"


def test_an_order_that_turns_up_after_the_kill_is_cancelled() -> None:
    desk = Desk()
    place = desk.order(BUY)
    desk.step(OrderUnknown(T0, place.client_id, "no answer"))
    desk.step(Kill(T0, "operator", "enough"))
    desk.step(CancelFailed(T0, place.client_id, "unknown order"))
    desk.step(OrderAccepted(T0, place.client_id, "v9"))
    desk.wait(HOUSEKEEPING_NS)
    assert [(c.client_id, c.venue_id) for c in cancels(desk.market(1_000))] == [(place.client_id, "v9")]


def test_a_cancel_that_could_not_name_its_order_is_asked_again_as_soon_as_it_can() -> None:
    desk = Desk()
    place = desk.order(BUY)
    assert [c.venue_id for c in cancels(desk.step(Kill(T0, "operator", "enough")))] == [""]
    named = desk.step(OrderAccepted(T0, place.client_id, "v9"))
    assert [(c.client_id, c.venue_id) for c in cancels(named)] == [(place.client_id, "v9")]
    assert desk.step(OrderAccepted(T0, place.client_id, "v9")) == []


@pytest.mark.parametrize(
    ("event_type", "state"),
    [(OrderCancelled, "cancelled"), (OrderExpired, "expired")],
)
def test_the_venue_ends_an_order(event_type: type[OrderCancelled] | type[OrderExpired], state: str) -> None:
    desk = Desk()
    place = desk.working(BUY)
    desk.step(event_type(T0, place.client_id))
    assert state_of(desk, place.client_id) == state
    assert not desk.engine.state.working


def test_a_rejected_order_is_forgotten_as_exposure() -> None:
    desk = Desk()
    place = desk.order(BUY)
    desk.step(OrderRejected(T0, place.client_id, "insufficient_funds", "not enough jpy"))
    assert state_of(desk, place.client_id) == "rejected"
    assert not desk.engine.state.working
    desk.wait(5 * SECOND)
    assert desk.order(BUY)


def test_a_recovered_order_is_working_until_the_venue_tells() -> None:
    desk = Desk()
    recovered = OrderRecovered(T0, "ztb-old", SPOT.symbol, BUY, 10, 1_000, False, T0 - SECOND, 41)
    desk.step(recovered)
    desk.step(recovered)
    assert list(desk.engine.state.working) == ["ztb-old"]
    assert desk.engine.state.rate.count(T0) == 1
    assert desk.order(BUY).sequence == 42, "a sequence number was used again"


def test_a_recovered_order_of_an_instrument_that_the_profile_does_not_name_is_no_riddle() -> None:
    desk = Desk()
    with pytest.raises(InvariantBroken, match="an order of eth_jpy, which the profile does not name"):
        desk.step(OrderRecovered(T0, "ztb-old", "eth_jpy", BUY, 10, 1_000, False, T0, 41))


def test_finished_orders_are_forgotten_in_the_end_and_working_ones_never() -> None:
    desk = Desk()
    resting = desk.working(BUY)
    for _ in range(FINISHED_ORDERS_MAX + 3 * FINISHED_ORDERS_TOGETHER):
        place = desk.order(BUY)
        desk.step(OrderRejected(desk.now_ns, place.client_id, "no", held_back=True))
        desk.wait(SECOND)
    orders = desk.engine.state.orders
    finished = len(orders) - len(desk.engine.state.working)
    assert FINISHED_ORDERS_MAX <= finished <= FINISHED_ORDERS_MAX + FINISHED_ORDERS_TOGETHER
    assert resting.client_id in orders
    assert place.client_id in orders
    assert set(desk.engine.state.working) == {resting.client_id}


NEWS = st.sampled_from(
    [
        "durable",
        "sent",
        "accepted",
        "a",
        "b",
        "c",
        "cancelled",
        "rejected",
        "expired",
        "unknown",
        "not_placed",
        "late",
        "settled",
    ]
)


@given(st.lists(NEWS, max_size=30))
def test_whatever_the_venue_says_in_whatever_order_the_books_agree(story: list[str]) -> None:
    desk = Desk()
    place = desk.order(BUY)
    client_id = place.client_id
    lots = {"a": 2, "b": 3, "c": 7}
    ended = ""
    for news in story:
        events: dict[str, Event] = {
            "durable": OrderDurable(T0, client_id),
            "sent": OrderSent(T0, client_id),
            "accepted": OrderAccepted(T0, client_id, "v1"),
            "cancelled": OrderCancelled(T0, client_id),
            "rejected": OrderRejected(T0, client_id, "no"),
            "expired": OrderExpired(T0, client_id),
            "unknown": OrderUnknown(T0, client_id, "?"),
            "not_placed": OrderNotPlaced(T0, client_id, "seen"),
            "settled": OrderSettled(T0, client_id),
            "late": CancelFailed(T0, client_id, "late"),
        }
        desk.step(events.get(news) or OrderFilled(T0, client_id, news, lots[news], 1_000, 1))
        state = state_of(desk, client_id)
        assert not ended or state == ended
        if OrderState(state).value in ("filled", "cancelled", "rejected", "expired"):
            ended = state
        assert (client_id in desk.engine.state.working) is (not ended)
    distinct = [lots[news] for news in Counter(story) if news in lots]
    position = desk.engine.state.ledger.positions[SPOT.symbol]
    assert position.lots == sum(distinct) == desk.engine.state.orders[client_id].filled_lots
    assert position.fees == len(distinct)
    assert desk.engine.state.ledger.equity == desk.config.capital - len(distinct)
    assert places(desk.commands) == [place]


def test_every_order_event_is_tried_above() -> None:
    tried = {
        OrderRecovered, OrderDurable, OrderSent, OrderAccepted, OrderFilled, OrderRejected, OrderCancelled,
        OrderExpired, OrderUnknown, OrderNotPlaced, OrderSettled, CancelFailed,
    }  # fmt: skip
    assert {event for event in EVENT_TYPES if event.__name__.startswith(("Order", "Cancel"))} == tried

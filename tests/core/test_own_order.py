"""An order never trades with one of our own: the one that is in the way is cancelled, and the wish waits for that."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, SPOT, Desk, cancels, places
from ztb.core.event import CancelFailed, OrderAccepted, OrderFilled, OrderUnknown
from ztb.core.instrument import BUY, SELL

BOTH = (SPOT, LEVERAGED)


def test_what_is_in_the_way_is_cancelled_first() -> None:
    desk = Desk()
    desk.bought()
    resting = desk.working(BUY)
    told = desk.market(1_000, say=SELL)
    assert (places(told), [one.client_id for one in cancels(told)]) == ([], [resting.client_id])
    assert desk.outcome() == "own_order"
    assert cancels(desk.market(1_000, say=SELL)) == [], "asked once"
    desk.cancelled(resting)
    assert desk.order(SELL).lots == 10


def test_a_cancel_that_failed_is_asked_again() -> None:
    desk = Desk()
    desk.bought()
    resting = desk.working(BUY)
    desk.market(1_000, say=SELL)
    desk.step(CancelFailed(desk.now_ns, resting.client_id, "order is too new"))
    assert [one.client_id for one in cancels(desk.market(1_000, say=SELL))] == [resting.client_id]


def test_orders_that_cannot_meet_are_left_alone() -> None:
    desk = Desk(instruments=BOTH, cross_ppm=0)
    low = desk.working(BUY, price=900, instrument=LEVERAGED)
    assert desk.order(SELL, price=901, instrument=LEVERAGED), "901 sold, 900 bid: they never meet"
    assert desk.refused(SELL, price=900, instrument=LEVERAGED) == "own_order"
    desk.cancelled(low)
    assert desk.refused(BUY, price=901, instrument=LEVERAGED) == "own_order", "the sell at 901 is in the way now"
    assert desk.order(BUY, price=1_000, instrument=SPOT), "of another instrument"


def test_getting_out_does_not_wait_for_an_order_of_unknown_fate() -> None:
    desk = Desk()
    desk.bought()
    lost = desk.working(BUY)
    desk.step(OrderUnknown(desk.now_ns, lost.client_id, "timeout"))
    assert desk.order(SELL).reduce_only


WISHES = st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(995, 1_005), st.booleans()), max_size=50)


@given(WISHES)
def test_no_two_working_orders_ever_cross(wishes: Sequence[tuple[int, int, bool]]) -> None:
    desk = Desk(instruments=(LEVERAGED,), cross_ppm=1_000)
    for number, (side, price, is_filled) in enumerate(wishes):
        commands = desk.market(price, instrument=LEVERAGED, say=side)
        for place in places(commands):
            desk.step(OrderAccepted(desk.now_ns, place.client_id, f"v{number}"))
            if is_filled:
                desk.step(OrderFilled(desk.now_ns, place.client_id, f"t{number}", place.lots, price, 0))
        working = desk.engine.state.working.values()
        bids = [order.price for order in working if order.side == BUY]
        asks = [order.price for order in working if order.side == SELL]
        assert not bids or not asks or max(bids) < min(asks)
        for cancel in cancels(commands):
            desk.cancelled(next(one for one in places(desk.commands) if one.client_id == cancel.client_id))

"""An order that ended without all its lots counts as if they might fill, until the venue's history was read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, SPOT, WIDE, Desk, places
from ztb.core.command import Place
from ztb.core.event import (
    OrderAccepted,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
    OrderSettled,
    OrderUnknown,
)
from ztb.core.instrument import BUY, SELL
from ztb.core.state import State

HOUR = 3_600_000_000_000


def full(desk: Desk) -> None:
    """All but ten lots of what may be held."""
    limit = desk.engine.config.limits.position_lots_max
    desk.bought(times=limit // desk.engine.config.order_lots - 1)


def test_a_cancelled_rest_counts_until_it_has_settled() -> None:
    desk = Desk()
    full(desk)
    last = desk.working(BUY)
    assert desk.refused(BUY) == "position_size"
    desk.cancelled(last)
    assert desk.refused(BUY) == "position_size", "the venue may still tell its fill"
    desk.wait(HOUR)
    assert desk.refused(BUY) == "position_size", "time alone proves nothing"
    assert desk.settled(last) == []
    assert desk.order(BUY)


def test_a_late_fill_after_the_cancel_breaks_no_limit() -> None:
    desk = Desk()
    full(desk)
    last = desk.working(BUY)
    desk.cancelled(last)
    desk.wait(HOUR)
    assert desk.refused(BUY) == "position_size"
    desk.fill(last)
    assert desk.lots() == desk.engine.config.limits.position_lots_max


def test_part_of_the_rest_may_still_be_told() -> None:
    desk = Desk()
    full(desk)
    last = desk.working(BUY)
    desk.cancelled(last)
    desk.fill(last, lots=4)
    desk.settled(last)
    assert desk.refused(BUY) == "position_size", "10 more would be 4 too many"
    desk.fill(last, lots=1)
    assert desk.lots() == desk.engine.config.limits.position_lots_max - 5, "a fill is booked, whenever it is told"


def test_what_the_venue_refused_outright_is_free_again_at_once() -> None:
    desk = Desk()
    full(desk)
    [place] = places(desk.market(1_000, say=BUY))
    desk.step(OrderRejected(desk.now_ns, place.client_id, "insufficient funds"))
    assert not desk.engine.state.settling


def test_an_expired_and_a_never_placed_order_settle_too() -> None:
    desk = Desk()
    expired, lost = desk.working(BUY), desk.order(BUY)
    desk.step(OrderExpired(desk.now_ns, expired.client_id))
    desk.step(OrderUnknown(desk.now_ns, lost.client_id, "timeout"))
    desk.step(OrderNotPlaced(desk.now_ns, lost.client_id, "in no list"))
    assert set(desk.engine.state.settling) == {expired.client_id, lost.client_id}
    desk.settled(expired)
    assert set(desk.engine.state.settling) == {lost.client_id}
    desk.step(OrderSettled(desk.now_ns, expired.client_id))
    assert set(desk.engine.state.settling) == {lost.client_id}, "told twice, it changes nothing"


def test_a_filled_order_never_settles() -> None:
    desk = Desk()
    desk.bought()
    assert not desk.engine.state.settling


def test_a_sell_waits_for_the_rest_of_the_one_that_was_cancelled() -> None:
    desk = Desk()
    desk.bought()
    first = desk.working(SELL)
    desk.cancelled(first)
    assert desk.refused(SELL) == "nothing_to_sell", "sold twice it would be the owner's own"
    desk.settled(first)
    assert desk.order(SELL).lots == desk.lots()


def test_a_restart_remembers_what_has_not_settled() -> None:
    desk = Desk()
    full(desk)
    last = desk.working(BUY)
    desk.cancelled(last)
    again = State(desk.engine.config)
    again.restore(desk.engine.state.snapshot())
    assert [order.client_id for order in again.at_stake()] == [last.client_id]
    desk.settled(last)
    once_more = State(desk.engine.config)
    once_more.restore(desk.engine.state.snapshot())
    assert once_more.at_stake() == []


STEPS = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(0, 10), st.booleans(), st.integers(0, 12)), max_size=40
)
"""A wish, lots filled at once, whether the rest is cancelled, and how many wishes later it settles."""


@given(STEPS)
def test_no_late_fill_before_it_settles_breaks_the_limit(steps: Sequence[tuple[int, int, bool, int]]) -> None:
    """Whatever was cancelled is told as filled right before it settles, every lot of it."""
    limit = 25
    desk = Desk(instruments=(SPOT, LEVERAGED), limits=replace(WIDE, position_lots_max=limit))
    rests: list[tuple[int, Place, int]] = []
    trade = 0
    for number, (side, fills, is_cancelled, later) in enumerate(steps):
        for place in places(desk.market(1_000, instrument=LEVERAGED, say=side)):
            desk.step(OrderAccepted(desk.now_ns, place.client_id, f"v{place.sequence}"))
            if fills:
                trade += 1
                desk.step(OrderFilled(desk.now_ns, place.client_id, f"t{trade}", min(fills, place.lots), 1_000, 0))
            rest = place.lots - min(fills, place.lots)
            if rest and is_cancelled:
                desk.cancelled(place)
                rests.append((number + later, place, rest))
        for due, place, rest in list(rests):
            if due <= number:
                rests.remove((due, place, rest))
                trade += 1
                desk.step(OrderFilled(desk.now_ns, place.client_id, f"t{trade}", rest, 1_000, 0))
                desk.settled(place)
        assert abs(desk.lots(LEVERAGED)) <= limit

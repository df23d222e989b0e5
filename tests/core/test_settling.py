"""An order that ended without all its lots counts for a while as if they might fill: late fills break no limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, SPOT, T0, WIDE, Desk, places
from ztb.core.event import OrderAccepted, OrderExpired, OrderFilled, OrderNotPlaced, OrderRejected, OrderUnknown
from ztb.core.instrument import BUY, SELL
from ztb.core.state import SETTLE_NS, State


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
    desk.wait(4_999_999_999)
    assert desk.refused(BUY) == "position_size"
    desk.wait(1)
    assert desk.order(BUY)


def test_a_late_fill_after_the_cancel_breaks_no_limit() -> None:
    desk = Desk()
    full(desk)
    last = desk.working(BUY)
    desk.cancelled(last)
    assert desk.refused(BUY) == "position_size"
    desk.fill(last)
    assert desk.lots() == desk.engine.config.limits.position_lots_max


def test_what_the_venue_refused_outright_is_free_again_at_once() -> None:
    desk = Desk()
    full(desk)
    [place] = places(desk.market(1_000, say=BUY))
    desk.step(OrderRejected(desk.now_ns, place.client_id, "insufficient funds"))
    assert not desk.engine.state.settling


def test_an_expired_and_a_never_placed_order_settle_too() -> None:
    desk = Desk()
    expired, lost = desk.working(BUY), desk.working(BUY)
    desk.step(OrderExpired(desk.now_ns, expired.client_id))
    desk.step(OrderUnknown(desk.now_ns, lost.client_id, "timeout"))
    desk.step(OrderNotPlaced(desk.now_ns, lost.client_id, "in no list"))
    assert set(desk.engine.state.settling) <= {expired.client_id, lost.client_id}
    assert expired.client_id in desk.engine.state.settling


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
    desk.wait(SETTLE_NS)
    assert desk.order(SELL).lots == desk.lots()


def test_a_restart_remembers_what_has_not_settled() -> None:
    desk = Desk()
    full(desk)
    last = desk.working(BUY)
    desk.cancelled(last)
    again = State(desk.engine.config)
    again.restore(desk.engine.state.snapshot())
    assert [order.client_id for order in again.at_stake(desk.now_ns)] == [last.client_id]
    assert again.at_stake(desk.now_ns + SETTLE_NS) == []
    assert again.snapshot()["orders"] == desk.engine.state.snapshot()["orders"]


STEPS = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(0, 10), st.booleans(), st.integers(0, 7)), max_size=40
)
"""A wish, lots filled at once, whether the rest is cancelled, and seconds until the next."""


@given(STEPS)
def test_no_late_fill_within_the_time_breaks_the_limit(steps: Sequence[tuple[int, int, bool, int]]) -> None:
    """Whatever was cancelled is told as filled right before it settles, every lot of it."""
    desk = Desk(instruments=(SPOT, LEVERAGED), limits=replace(WIDE, position_lots_max=25))
    limit = desk.engine.config.limits.position_lots_max
    rests: list[tuple[int, str, int]] = []
    trade = 0
    for side, fills, is_cancelled, seconds in steps:
        for place in places(desk.market(1_000, instrument=LEVERAGED, say=side)):
            desk.step(OrderAccepted(desk.now_ns, place.client_id, f"v{place.sequence}"))
            if fills:
                trade += 1
                desk.step(OrderFilled(desk.now_ns, place.client_id, f"t{trade}", min(fills, place.lots), 1_000, 0))
            rest = place.lots - min(fills, place.lots)
            if rest and is_cancelled:
                desk.cancelled(place)
                rests.append((desk.now_ns + SETTLE_NS - 1, place.client_id, rest))
        desk.wait(seconds * 1_000_000_000)
        for due_ns, client_id, rest in list(rests):
            if desk.now_ns - 7_000_000_000 <= due_ns <= desk.now_ns:
                rests.remove((due_ns, client_id, rest))
                trade += 1
                desk.step(OrderFilled(due_ns, client_id, f"t{trade}", rest, 1_000, 0))
        assert abs(desk.lots(LEVERAGED)) <= limit
    assert desk.now_ns >= T0

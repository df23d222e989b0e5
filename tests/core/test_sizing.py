"""Leverage that does not net, dust, and orders that may only shrink a position: by example and in random worlds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, SPOT, Desk, places
from ztb.core.event import OrderAccepted, OrderFilled, OrderUnknown
from ztb.core.guard import REASONS
from ztb.core.instrument import BUY, SELL, Instrument

FX = replace(LEVERAGED, symbol="fx", nets=False)
"""As GMO's leverage: an order on the other side opens a second position."""
COARSE = replace(SPOT, lots_min=5)
DEAR = replace(SPOT, notional_min=6_000)


def desk_of(instrument: Instrument, order_lots: int = 10) -> Desk:
    return Desk(instruments=(instrument,), order_lots=order_lots)


def test_against_the_position_an_order_closes_and_at_most_all_of_it() -> None:
    for side in (BUY, SELL):
        desk = desk_of(FX)
        first = desk.working(side, instrument=FX)
        assert not first.reduce_only
        desk.fill(first, lots=4)
        desk.cancelled(first)
        closing = desk.order(-side, instrument=FX)
        assert (closing.lots, closing.reduce_only) == (4, True)
        assert desk.refused(-side, instrument=FX) == "nothing_to_close"
        desk.fill(closing)
        assert desk.refused(-side, instrument=FX) == "other_side_works", "the rest may still fill"
        desk.settled(first)
        opened = desk.order(-side, instrument=FX)
        assert (opened.lots, opened.reduce_only) == (10, False), "flat: now the other side may be opened"


def test_where_positions_net_an_order_may_turn_them() -> None:
    desk = desk_of(LEVERAGED)
    desk.bought(instrument=LEVERAGED)
    turning = desk.order(SELL, instrument=LEVERAGED)
    assert (turning.lots, turning.reduce_only) == (10, False)


def test_no_side_is_opened_while_an_order_may_still_open_the_other() -> None:
    desk = desk_of(FX)
    bid = desk.working(BUY, instrument=FX)
    assert desk.refused(SELL, instrument=FX) == "other_side_works"
    assert desk.order(BUY, instrument=FX), "the same side is free"
    desk.step(OrderUnknown(desk.now_ns, bid.client_id, "lost"))
    assert desk.refused(SELL, instrument=FX) == "other_side_works"


def test_a_short_is_bought_back_in_reduce_only() -> None:
    for instrument in (FX, LEVERAGED):
        desk = desk_of(instrument)
        desk.sold(instrument=instrument)
        desk.engine.state.control.reduce("daily_loss_limit_exceeded")
        assert desk.refused(SELL, instrument=instrument) == "reduce_only"
        back = desk.order(BUY, instrument=instrument)
        assert (back.lots, back.reduce_only) == (10, True)
        assert desk.refused(BUY, instrument=instrument) == "reduce_only"


def test_what_is_too_small_to_be_sold_is_parked_as_dust() -> None:
    desk = desk_of(COARSE)
    place = desk.working(BUY, instrument=COARSE)
    desk.fill(place, lots=4)
    desk.cancelled(place)
    assert desk.refused(SELL, instrument=COARSE) == "dust"
    desk.engine.state.control.reduce("daily_loss_limit_exceeded")
    assert desk.refused(SELL, instrument=COARSE) == "dust", "in reduce-only it is the dust that counts as well"
    desk.engine.state.control.reduce_only_reasons.clear()
    more = desk.working(BUY, instrument=COARSE)
    desk.fill(more, lots=1)
    desk.cancelled(more)
    assert desk.order(SELL, instrument=COARSE).lots == 5, "together it is enough again"


def test_what_is_worth_too_little_is_dust_at_the_last_price() -> None:
    desk = desk_of(DEAR)
    place = desk.working(BUY, instrument=DEAR)
    desk.fill(place, lots=6)
    desk.cancelled(place)
    assert desk.refused(SELL, instrument=DEAR, price=999) == "dust"  # 5,994
    assert desk.order(SELL, instrument=DEAR, price=1_010).lots == 6  # 6 at 1,009 are 6,054


def test_an_order_that_is_worth_too_little_is_not_opened() -> None:
    desk = desk_of(DEAR, order_lots=6)
    assert desk.refused(BUY, instrument=DEAR, price=990) == "below_minimum"  # 5,940
    assert desk.order(BUY, instrument=DEAR, price=1_000)
    assert desk_of(COARSE, order_lots=4).refused(BUY, instrument=COARSE) == "below_minimum"


def test_every_code_is_explained() -> None:
    assert {"nothing_to_sell", "nothing_to_close", "other_side_works", "dust", "rejected_before"} <= REASONS.keys()


WISHES = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(0, 12), st.sampled_from(["rest", "cancel", "late"])),
    max_size=60,
)


@given(WISHES, st.integers(1, 8))
def test_a_venue_that_does_not_net_never_holds_both_sides(wishes: list[tuple[int, int, str]], lots_min: int) -> None:
    """The venue's books, kept here: an order that opens adds to its side, one that closes takes from the other.

    Each entry: a wish, how much of its order fills now, and what becomes of the rest.
    """
    instrument = replace(FX, lots_min=lots_min)
    desk = desk_of(instrument)
    sides = {BUY: 0, SELL: 0}
    rest: dict[str, int] = {}
    number = 0
    for side, fills, then in wishes:
        placed = places(desk.market(1_000, instrument=instrument, say=side))
        if not placed:
            code = desk.outcome()
            assert code in REASONS
            state = desk.engine.state
            closing = sum(order.unfilled_lots for order in state.at_stake() if order.reduce_only)
            assert code != "dust" or 0 < max(sides.values()) - closing < lots_min
        for place in placed:
            assert place.lots >= lots_min
            desk.step(OrderAccepted(desk.now_ns, place.client_id, f"v{place.sequence}"))
            rest[place.client_id] = place.lots
            lots = min(fills, place.lots)
            if lots:
                number += 1
                rest[place.client_id] -= lots
                if place.reduce_only:
                    sides[-place.side] -= lots
                else:
                    sides[place.side] += lots
                desk.step(OrderFilled(desk.now_ns, place.client_id, f"t{number}", lots, 1_000, 0))
            if rest[place.client_id] and then == "cancel":
                desk.cancelled(place)
        assert min(sides.values()) == 0, "both sides at once"
        assert desk.lots(instrument) == sides[BUY] - sides[SELL]
        working = desk.engine.state.working.values()
        for side_held in (BUY, SELL):
            closing = sum(order.remaining_lots for order in working if order.reduce_only and order.side == -side_held)
            assert closing <= sides[side_held], "more would be closed than is held"
        opening = {order.side for order in working if not order.reduce_only}
        assert len(opening) <= 1

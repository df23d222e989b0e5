"""Positions that are closed without the policy: stop loss, take profit, trailing stop, and the wait after a loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import BOTH, LEVERAGED, MINUTE, WIDE, Desk, places
from ztb.core.instrument import BUY, SELL
from ztb.core.rules import Exits

# --- exits ----------------------------------------------------------------------------------------------------------


def exits(desk: Desk) -> list[str]:
    """Reasons of the orders that nobody but an exit wanted."""
    return [row[3] for row in desk.engine.take_decisions() if row[3] in ("stop_loss", "take_profit", "trailing_stop")]


@pytest.mark.parametrize(
    ("plan", "at", "beyond", "reason"),
    [
        (Exits(stop_loss_ppm=20_000), [980], 979, "stop_loss"),
        (Exits(take_profit_ppm=50_000), [1_050], 1_051, "take_profit"),
        (Exits(trailing_ppm=20_000), [1_050, 1_029], 1_028, "trailing_stop"),
    ],
)
def test_a_position_is_closed_just_beyond_its_exit(plan: Exits, at: list[int], beyond: int, reason: str) -> None:
    desk = Desk(instruments=BOTH, exits=plan)
    desk.bought(times=3)
    for price in at:
        desk.market(price)
    assert exits(desk) == []
    commands = desk.market(beyond)
    assert exits(desk) == [reason]
    [place] = places(commands)
    assert (place.side, place.lots, place.reduce_only, place.reason) == (SELL, 30, True, reason)
    desk.market(beyond)
    assert exits(desk) == [], "one that closes it works already"


def test_a_short_is_closed_on_the_other_side() -> None:
    desk = Desk(instruments=BOTH, exits=Exits(stop_loss_ppm=20_000, trailing_ppm=500_000))
    desk.sold(instrument=LEVERAGED)
    desk.market(1_020, instrument=LEVERAGED)
    assert exits(desk) == []
    desk.market(1_021, instrument=LEVERAGED)
    assert exits(desk) == ["stop_loss"]


def test_a_trailing_stop_follows_a_short_down() -> None:
    desk = Desk(instruments=BOTH, exits=Exits(trailing_ppm=20_000))
    desk.sold(instrument=LEVERAGED)
    for price in (950, 900, 918):
        desk.market(price, instrument=LEVERAGED)
    assert exits(desk) == []
    desk.market(919, instrument=LEVERAGED)
    assert exits(desk) == ["trailing_stop"]


def test_after_a_loss_nothing_is_opened_for_five_minutes() -> None:
    desk = Desk(instruments=BOTH, exits=Exits(cool_down=True))
    desk.bought()
    desk.sold(price=999)
    assert desk.refused(BUY) == "paused"
    assert desk.order(BUY, instrument=LEVERAGED)
    desk.wait(5 * MINUTE)
    assert desk.order(BUY)


@given(
    st.lists(st.integers(940, 1_060), min_size=1, max_size=40),
    st.sampled_from([1, 3]),
    st.sampled_from([BUY, SELL]),
    st.integers(1, 40_000), st.integers(1, 40_000), st.integers(1, 40_000),
)  # fmt: skip
def test_exits_fire_exactly_where_the_arithmetic_says(
    prices: list[int], times: int, side: int, stop: int, profit: int, trailing: int
) -> None:
    desk = Desk(instruments=BOTH, exits=Exits(stop_loss_ppm=stop, take_profit_ppm=profit, trailing_ppm=trailing))
    (desk.bought if side == BUY else desk.sold)(instrument=LEVERAGED, times=times)
    best = 1_000
    for price in prices:
        commands = desk.market(price, instrument=LEVERAGED)
        gain = (price - 1_000) * side
        best = max(best, price) if side == BUY else min(best, price)
        fallen = (best - price) * side
        fires = -gain * 1_000_000 > stop * 1_000 or gain * 1_000_000 > profit * 1_000
        fires = fires or fallen * 1_000_000 > trailing * best
        placed = places(commands)
        assert bool(placed) is fires, (price, best)
        if fires:
            return


def test_an_exit_is_as_large_as_one_order_may_be() -> None:
    # 30 lots at about 990 are worth 29,700, and one order may be worth 10,000: ten lots at a time.
    desk = Desk(limits=replace(WIDE, order_notional_max=10_010), exits=Exits(stop_loss_ppm=10_000))
    desk.bought(times=3)
    for left in (20, 10, 0):
        [place] = places(desk.market(989))
        assert place.lots == 10
        desk.fill(place, price=989)
        assert desk.lots() == left
    assert not places(desk.market(989))

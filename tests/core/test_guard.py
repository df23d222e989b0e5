"""Every limit: what is exactly at it passes, one more is refused; and orders that may still fill count."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, MINUTE, SECOND, SPOT, T0, WIDE, Desk
from ztb.core.error import ConfigError
from ztb.core.guard import MINUTE_NS, REASONS, Limits, Proposal, RateWindow, reducible_lots, refusal, worst_case_lots
from ztb.core.instrument import BUY, SELL
from ztb.core.order import Order, OrderState

LIMITS = Limits(
    order_lots_max=50, position_lots_max=100, order_notional_max=40_000, position_notional_max=90_000,
    daily_loss_max=1_000, drawdown_ppm_max=100_000, orders_per_minute_max=3, open_orders_max=4,
    price_collar_ppm=10_000, stale_ns_max=5 * SECOND, order_ttl_ns=MINUTE,
)  # fmt: skip


def order(
    side: int, lots: int, *, filled: int = 0, state: OrderState = OrderState.ACCEPTED, symbol: str = LEVERAGED.symbol
) -> Order:
    """One that may still fill ``lots - filled``."""
    return Order(f"o{side}{lots}{filled}", symbol, side, lots, 1_000, False, T0, 1, state=state, filled_lots=filled)


def said(
    *,
    side: int = BUY,
    lots: int = 1,
    price: int = 1_000,
    last_price: int = 1_000,
    age_ns: int = 0,
    reduce_only: bool = False,
    held: int = 0,
    working: tuple[Order, ...] = (),
    limits: Limits = LIMITS,
    rate: RateWindow | None = None,
) -> str:
    """What the limits say to an order of the leveraged instrument."""
    proposal = Proposal(LEVERAGED, side, lots, price, last_price, T0 - age_ns, reduce_only)
    orders = list(working)
    near = [one for one in orders if one.instrument == LEVERAGED.symbol]
    return refusal(
        proposal, limits=limits, held_lots=held, working=orders, near=near, rate=rate or RateWindow(), now_ns=T0
    )


def made(count: int) -> RateWindow:
    """A window with ``count`` orders just made."""
    window = RateWindow()
    for _ in range(count):
        window.add(T0)
    return window


# Each pair: exactly at the limit, and one above it. One limit is the reason, because the others are far away.
AT_AND_ABOVE = {
    "order_size": (said(lots=50, price=10, last_price=10), said(lots=51, price=10, last_price=10)),
    "order_notional": (said(lots=40), said(lots=40, price=1_001)),
    "position_size": (
        said(lots=10, price=10, last_price=10, held=90), said(lots=11, price=10, last_price=10, held=90),
    ),
    "position_notional": (said(lots=10, held=80), said(lots=11, held=80)),
    "orders_per_minute": (said(rate=made(2)), said(rate=made(3))),
    "open_orders": (said(working=(order(BUY, 1),) * 3), said(working=(order(BUY, 1),) * 4)),
    "price_collar": (said(price=1_010), said(price=1_011)),
    "stale_market_data": (said(age_ns=5 * SECOND), said(age_ns=5 * SECOND + 1)),
    "no_market_data": (said(price=1, last_price=1), said(price=1, last_price=0)),
}  # fmt: skip


@pytest.mark.parametrize("code", AT_AND_ABOVE)
def test_at_the_limit_passes_and_one_above_is_refused(code: str) -> None:
    at, above = AT_AND_ABOVE[code]
    assert at == ""
    assert above == code
    assert code in REASONS


def test_the_venue_s_own_smallest_and_largest_order() -> None:
    small = replace(LEVERAGED, lots_min=5, lots_max=20)

    def of(lots: int) -> str:
        proposal = Proposal(small, BUY, lots, 1_000, 1_000, T0, False)
        return refusal(proposal, limits=LIMITS, held_lots=0, working=[], near=[], rate=RateWindow(), now_ns=T0)

    assert [of(lots) for lots in (4, 5, 20, 21)] == ["below_minimum", "", "", "above_maximum"]
    assert [of(lots) for lots in (0, -1)] == ["below_minimum", "below_minimum"]


def test_the_collar_holds_below_as_it_holds_above() -> None:
    assert said(side=SELL, price=990) == ""
    assert said(side=SELL, price=989) == "price_collar"


def test_what_may_still_fill_counts_as_held() -> None:
    # 60 held and 30 that may still be bought leave room for 10 of 100.
    cheap = {"price": 10, "last_price": 10}
    assert said(lots=10, held=60, working=(order(BUY, 40, filled=10),), **cheap) == ""  # type: ignore[arg-type]
    assert said(lots=11, held=60, working=(order(BUY, 40, filled=10),), **cheap) == "position_size"  # type: ignore[arg-type]
    # A sell that may fill makes no room: it may also not.
    assert said(lots=11, held=90, working=(order(SELL, 50),), **cheap) == "position_size"  # type: ignore[arg-type]


def test_an_unknown_order_blocks_new_exposure_of_its_instrument_only() -> None:
    unknown = order(BUY, 1, state=OrderState.UNKNOWN)
    assert said(working=(unknown,)) == "order_unknown"
    assert said(side=SELL, held=5, reduce_only=True, working=(unknown,)) == ""
    elsewhere = order(BUY, 1, state=OrderState.UNKNOWN, symbol=SPOT.symbol)
    assert said(working=(elsewhere,)) == ""
    assert said(working=(elsewhere,) * 4) == "open_orders"


def test_an_unknown_order_counts_with_all_that_it_may_have_filled() -> None:
    unknown = order(SELL, 95, state=OrderState.UNKNOWN)
    proposal = {"side": SELL, "price": 10, "last_price": 10, "reduce_only": True, "working": (unknown,)}
    assert said(lots=5, **proposal) == ""  # type: ignore[arg-type]
    assert said(lots=6, **proposal) == "position_size"  # type: ignore[arg-type]


def test_an_order_that_shrinks_a_position_above_its_limit_is_let_through_and_one_that_flips_is_not() -> None:
    # The limit was lowered, or fills came late: 150 are held where 100 are allowed.
    cheap = replace(LIMITS, order_lots_max=1_000)
    assert said(side=SELL, lots=150, price=10, last_price=10, held=150, limits=cheap) == ""
    assert said(side=SELL, lots=250, price=10, last_price=10, held=150, limits=cheap) == ""
    assert said(side=SELL, lots=251, price=10, last_price=10, held=150, limits=cheap) == "position_size"
    assert said(side=BUY, lots=251, price=10, last_price=10, held=-150, limits=cheap) == "position_size"
    assert said(side=BUY, lots=1, price=10, last_price=10, held=150, limits=cheap) == "position_size"


def test_the_value_of_a_position_is_taken_at_the_higher_of_both_prices() -> None:
    tight = replace(LIMITS, position_notional_max=50_000)
    assert said(lots=50, price=1_000, last_price=1_000, limits=tight, held=0) == "order_notional"
    roomy = replace(tight, order_notional_max=10**9)
    assert said(lots=50, price=1_000, last_price=1_000, limits=roomy) == ""
    assert said(lots=50, price=1_001, last_price=1_000, limits=roomy) == "position_notional"
    assert said(lots=50, price=1_000, last_price=1_001, limits=roomy) == "position_notional"


@given(st.lists(st.integers(0, 3 * MINUTE_NS), max_size=30), st.integers(0, 5 * MINUTE_NS))
def test_the_rate_counts_the_last_true_minute(made_ns: list[int], now_ns: int) -> None:
    window = RateWindow()
    for at_ns in sorted(made_ns):
        window.add(at_ns)
    assert window.count(now_ns) == sum(at_ns > now_ns - MINUTE_NS for at_ns in made_ns)


def test_an_order_leaves_the_rate_window_after_exactly_a_minute() -> None:
    window = RateWindow()
    window.add(T0)
    assert window.count(T0 + MINUTE_NS - 1) == 1
    assert window.count(T0 + MINUTE_NS) == 0


SIDES = st.sampled_from([BUY, SELL])
ORDERS = st.lists(
    st.builds(
        lambda side, lots, filled, state: order(side, lots, filled=min(filled, lots), state=state),
        SIDES, st.integers(1, 50), st.integers(0, 50), st.sampled_from(OrderState),
    ),
    max_size=6,
)  # fmt: skip


def outcomes(held: int, working: list[Order]) -> set[int]:
    """Every position that can come of it, by trying: each order fills wholly or not at all, ended ones too."""
    reached = {held}
    for one in working:
        reached |= {lots + one.side * (one.lots - one.filled_lots) for lots in reached}
    return reached


@given(SIDES, st.integers(-200, 200), ORDERS)
def test_the_worst_case_is_the_worst_of_all_outcomes(side: int, held: int, working: list[Order]) -> None:
    worst = worst_case_lots(side, held, working)
    assert worst * side == max(lots * side for lots in outcomes(held, working))


@given(SIDES, st.integers(-200, 200), ORDERS)
def test_what_can_be_reduced_never_flips_whatever_fills(side: int, held: int, working: list[Order]) -> None:
    same_side = [one for one in working if one.side == side]
    lots = reducible_lots(side, held, same_side)
    already_flipped = any(total * side > 0 for total in outcomes(held, same_side))
    if lots == 0:
        assert held * side >= 0 or any((total + side) * side > 0 for total in outcomes(held, same_side))
    else:
        assert not already_flipped
        assert all((total + side * lots) * side <= 0 for total in outcomes(held, same_side))
        assert any((total + side * (lots + 1)) * side > 0 for total in outcomes(held, same_side))


@given(SIDES, st.integers(1, 60), st.integers(-150, 150), ORDERS, st.integers(900, 1_100), st.integers(900, 1_100))
def test_what_is_let_through_keeps_every_outcome_within_the_limits(
    side: int, lots: int, held: int, working: list[Order], price: int, last_price: int
) -> None:
    code = said(side=side, lots=lots, price=price, last_price=last_price, held=held, working=tuple(working))
    after = {total + side * lots for total in outcomes(held, working)}
    if code == "":
        grown = [total for total in after if total * side > 0]
        assert all(abs(total) <= LIMITS.position_lots_max for total in grown)
        assert all(abs(total) * max(price, last_price) <= LIMITS.position_notional_max for total in grown)
        assert lots <= LIMITS.order_lots_max
        assert lots * price <= LIMITS.order_notional_max
        assert abs(price - last_price) * 100 <= last_price
    elif code == "position_size":
        assert max(abs(total) for total in after) > LIMITS.position_lots_max


MAY_BE_NOTHING = ("wallet_drift_lots_max", "sharpe_milli_min")


@pytest.mark.parametrize("name", [field.name for field in fields(Limits) if field.name not in MAY_BE_NOTHING])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_of_nothing_or_less_is_no_limit(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=f"limit {name} must be positive"):
        replace(WIDE, **{name: value})


def test_a_drift_may_be_nothing_and_a_ratio_of_returns_anything_but_no_drift_is_below_nothing() -> None:
    assert replace(WIDE, wallet_drift_lots_max=0, sharpe_milli_min=-500).sharpe_milli_min == -500
    with pytest.raises(ConfigError, match="limit wallet_drift_lots_max must be 0 or more"):
        replace(WIDE, wallet_drift_lots_max=-1)


# --- the same through the engine -----------------------------------------------------------------------------------


def test_an_order_is_refused_without_a_price_and_on_an_old_one() -> None:
    desk = Desk(limits=LIMITS, order_lots=1)
    desk.order(BUY)
    desk.wait(5 * SECOND)
    assert desk.order(BUY, price=1_000)


def test_the_fourth_order_within_a_minute_is_refused() -> None:
    desk = Desk(limits=replace(LIMITS, open_orders_max=50), order_lots=1)
    for _ in range(3):
        desk.order(BUY)
        desk.wait(10 * SECOND)
    assert desk.refused(BUY) == "orders_per_minute"
    desk.wait(30 * SECOND)
    assert desk.order(BUY)


def test_spot_sells_no_more_than_was_bought() -> None:
    desk = Desk(order_lots=10)
    assert desk.refused(SELL) == "nothing_to_sell"
    bought = desk.working(BUY)
    desk.fill(bought, lots=7)
    desk.cancelled(bought)
    assert desk.order(SELL).lots == 7
    assert desk.refused(SELL) == "nothing_to_sell"
    desk.fill(bought, lots=3)
    assert desk.order(SELL).lots == 3, "what the venue told after the end is sold too"


def test_every_refusal_of_the_engine_is_recorded_with_its_reason() -> None:
    desk = Desk()
    desk.market(1_000, say=SELL)
    assert desk.engine.take_decisions() == [(T0, "btc_jpy", SELL, "wanted", (1_000,), "nothing_to_sell")]
    assert desk.engine.take_decisions() == []

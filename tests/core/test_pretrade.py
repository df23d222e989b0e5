"""The gate through the engine: every limit of the account and of a profile, slippage, and no unknown reason."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import ztb.core.gate
import ztb.core.guard
import ztb.core.sizing
from tests.core.scene import BOTH, LEVERAGED, MINUTE, SECOND, SPOT, WIDE, Desk, places
from ztb.core.control import REFUSALS
from ztb.core.event import Depth, Kill, Pause
from ztb.core.gate import REASONS, worst_exposure
from ztb.core.instrument import BUY, SELL, Instrument


def test_every_code_that_the_gate_can_say_has_words() -> None:
    said = set(REFUSALS.values())
    for module in (ztb.core.gate, ztb.core.guard, ztb.core.sizing):
        assert module.__file__
        tree = ast.parse(Path(module.__file__).read_text())
        for node in ast.walk(tree):
            match node:
                case ast.Return(value=ast.Constant(value=str() as code)) if code:
                    said.add(code)
                case ast.Return(value=ast.IfExp(body=ast.Constant(value=str() as code))) if code:
                    said.add(code)
                case ast.Call(func=ast.Name(id="Verdict"), args=[ast.Constant(value=str() as code), *_]):
                    said.add(code)
    assert said <= set(REASONS)
    assert all(len(words.split()) >= 3 for words in REASONS.values())


def test_who_is_not_armed_is_refused_after_the_controls_and_before_everything_else() -> None:
    desk = Desk(instruments=BOTH, armed=False)
    assert desk.refused(BUY) == "not_armed"
    assert desk.refused(SELL) == "not_armed"
    desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "op", "freeze", "", True))
    assert desk.refused(BUY) == "frozen"
    desk.step(Kill(desk.now_ns, "op", "enough"))
    assert desk.refused(BUY) == "killed"


def test_a_pause_of_one_instrument_leaves_the_other_alone_and_a_freeze_lets_nothing_shrink() -> None:
    desk = Desk(instruments=BOTH)
    desk.bought(times=2)
    desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "op", "look", SPOT.symbol))
    assert desk.refused(BUY) == "paused"
    closing = desk.order(SELL)
    assert closing.reduce_only
    desk.fill(closing)
    assert desk.order(BUY, instrument=LEVERAGED)
    desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "op", "look", SPOT.symbol, True))
    assert desk.refused(SELL) == "frozen"
    desk.wait(MINUTE)
    assert desk.order(BUY)


# --- limits of the account ------------------------------------------------------------------------------------------


def test_the_exposure_counts_every_instrument_and_everything_that_may_fill() -> None:
    # An aggressive order at 1,000 is priced at 1,001: 10 lots of each are 20,020.
    for limit, code in ((30_030, ""), (30_029, "exposure")):
        desk = Desk(instruments=BOTH, limits=replace(WIDE, exposure_max=limit))
        desk.working(BUY)
        desk.working(BUY, instrument=LEVERAGED)
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code


def test_a_short_is_exposure_too_and_both_sides_are_not_added_up() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, exposure_max=20_020))
    desk.sold(instrument=LEVERAGED)
    assert desk.order(BUY)
    assert desk.refused(SELL, instrument=LEVERAGED) == "exposure"
    assert desk.order(BUY, instrument=LEVERAGED, price=1_000), "buying back does not add to it"


def test_the_leverage_is_measured_by_what_is_left_of_the_equity() -> None:
    for capital, code in ((10_010, ""), (10_009, "leverage")):
        desk = Desk(instruments=BOTH, limits=replace(WIDE, leverage_ppm_max=1_000_000), capital=capital)
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code


def test_an_exposure_that_cannot_be_valued_is_a_refusal() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, exposure_max=10**9))
    desk.bought(instrument=LEVERAGED)
    desk.engine.state.desks[LEVERAGED.symbol].last_price = 0
    assert desk.refused(BUY) == "no_market_data"


def test_orders_of_a_day_are_counted_until_the_day_turns() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, orders_per_day_max=2))
    desk.bought(times=2)
    assert desk.refused(BUY) == "orders_per_day"
    assert desk.refused(SELL) == "orders_per_day"
    # T0 is 22:13:20 UTC: 6,400 s before midnight.
    desk.wait(6_400 * SECOND - 1)
    assert desk.refused(BUY) == "orders_per_day"
    desk.wait(1)
    assert desk.order(BUY)


def test_the_value_of_a_day_s_orders_is_limited_for_what_opens() -> None:
    for limit, code in ((20_020, ""), (20_019, "day_notional")):
        desk = Desk(instruments=BOTH, limits=replace(WIDE, day_notional_max=limit))
        desk.bought()
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code
        if code:
            assert desk.order(SELL).reduce_only


@given(
    st.lists(st.tuples(st.sampled_from(BOTH), st.sampled_from([BUY, SELL]), st.integers(0, 3)), max_size=25),
    st.integers(5_000, 60_000),
)
def test_the_exposure_never_passes_its_limit_whatever_fills(
    steps: list[tuple[Instrument, int, int]], limit: int
) -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, exposure_max=limit), order_lots=7)
    opened: list[tuple[Instrument, int, int]] = []
    for instrument, side, then in steps:
        commands = desk.market(1_000, instrument=instrument, say=side)
        desk.wait(SECOND)
        for place in places(commands):
            if then == 1:
                desk.fill(place)
            elif then == 2:
                desk.cancelled(place)
            else:
                opened.append((instrument, side, place.lots))
        state = desk.engine.state
        worst = worst_exposure(state, list(state.working.values()))
        assert worst is not None
        assert worst <= limit


# --- what a profile asks --------------------------------------------------------------------------------------------


def test_orders_that_open_are_limited_by_the_hour_and_by_the_gap() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, orders_per_hour_max=2, order_gap_ns=10 * MINUTE))
    desk.bought()
    assert desk.refused(BUY) == "order_gap"
    desk.sold()
    desk.wait(10 * MINUTE - 1)
    assert desk.refused(BUY) == "orders_per_hour", "both of them count"
    # The hour is counted by whole minutes: it ends with the minute in which the orders were made (22:13).
    desk.wait(50 * MINUTE)
    assert desk.refused(BUY) == "orders_per_hour"
    desk.wait(MINUTE)
    assert desk.order(BUY)


def test_getting_out_is_not_limited_by_the_hour_nor_by_the_gap() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, orders_per_hour_max=2, order_gap_ns=10 * MINUTE))
    desk.bought()
    desk.wait(10 * MINUTE - 1)
    assert desk.refused(BUY) == "order_gap"
    desk.wait(1)
    desk.bought()
    assert desk.refused(BUY) == "orders_per_hour"
    assert desk.order(SELL).reduce_only


def test_no_order_opens_while_the_volatility_is_not_known_or_too_high() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, volatility_ppm_max=100_000))
    assert desk.refused(BUY) == "no_volatility"
    desk.minutes(62)
    assert desk.order(BUY), "every minute ended at the same price"
    wild = Desk(instruments=BOTH, limits=replace(WIDE, volatility_ppm_max=100_000))
    wild.wait(MINUTE - wild.now_ns % MINUTE)
    for number in range(62):
        # +-0.5 % every minute: 0.5 % x sqrt(1,440) = 19 % a day.
        wild.market(1_000 if number % 2 else 1_005)
        wild.wait(MINUTE)
    # That order was asked for in the 63rd minute, which ends a quarter of an hour before the next wish.
    assert wild.refused(BUY) == "volatility"
    wild.wait(16 * MINUTE)
    assert wild.refused(BUY) == "volatility"
    wild.wait(1)
    assert wild.refused(BUY) == "no_volatility", "what ended more than a quarter of an hour ago says nothing"


def test_weeks_of_bad_days_stop_a_profile_that_asks_for_good_ones() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, sharpe_milli_min=500))
    assert desk.order(BUY), "nothing is known yet"
    tally = desk.engine.state.tally
    for gained in (100, -101) * 10:
        tally.turn_day(day_open=1_000_000, equity=1_000_000 + gained)
    assert desk.refused(BUY) == "sharpe"
    for gained in (300, -100) * 45:
        tally.turn_day(day_open=1_000_000, equity=1_000_000 + gained)
    assert desk.order(BUY)


# --- slippage -------------------------------------------------------------------------------------------------------


def book(desk: Desk, *levels: tuple[int, int]) -> None:
    bids = tuple((2_000 - price, lots) for price, lots in levels)
    desk.step(Depth(desk.now_ns, SPOT.symbol, bids, levels, True))


def test_no_fresh_book_no_order_where_slippage_is_limited() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, slippage_ppm_max=5_000, stale_ns_max=5 * SECOND))
    assert desk.refused(BUY) == "no_book"
    book(desk, (1_001, 10))
    desk.wait(5 * SECOND)
    assert desk.order(BUY)
    desk.wait(1)
    assert desk.refused(BUY) == "no_book"


def test_a_book_that_holds_less_or_costs_more_is_a_refusal() -> None:
    for levels, code in (
        (((1_000, 9),), "book_too_thin"),
        (((1_000, 5), (1_010, 5)), ""),  # on average 0.5 % beyond the best
        (((1_000, 5), (1_011, 5)), "slippage"),
        (((1_000, 5), (1_005, 3), (1_020, 2)), "slippage"),
    ):
        desk = Desk(instruments=BOTH, limits=replace(WIDE, slippage_ppm_max=5_000))
        book(desk, *levels)
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code, levels
        desk = Desk(limits=replace(WIDE, slippage_ppm_max=5_000), instruments=(replace(SPOT, leveraged=True),))
        book(desk, *levels)
        assert (desk.refused(SELL) if code else desk.order(SELL) and "") == code, levels


def test_getting_out_does_not_wait_for_a_good_book() -> None:
    desk = Desk(instruments=BOTH, limits=replace(WIDE, slippage_ppm_max=5_000))
    book(desk, (1_000, 10))
    desk.bought()
    book(desk, (1_000, 1))
    assert desk.order(SELL)

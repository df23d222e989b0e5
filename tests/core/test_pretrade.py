"""The gate through the engine: every limit of the account and of a profile, sizing, slippage, and no unknown reason."""

from __future__ import annotations

import ast
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ztb.core.gate
import ztb.core.guard
import ztb.core.sizing
from tests.core.scene import DAY, LEVERAGED, MINUTE, SECOND, SPOT, T0, WIDE, Desk
from ztb.core.control import REFUSALS
from ztb.core.event import ChooseProfile, Depth, Kill, Pause, Reconciled, Resume, Started, Timer, Trade
from ztb.core.gate import REASONS, SIZING, SIZING_INPUTS, worst_exposure
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.rules import RISK_PROFILES, Exits, SizePlan
from ztb.core.state import EngineConfig
from ztb.core.step import Engine

BOTH = (SPOT, LEVERAGED)


class Gated(Desk):
    """A desk whose engine knows a plan, exits and a profile as well."""

    def __init__(
        self,
        *,
        limits: Limits = WIDE,
        instruments: tuple[Instrument, ...] = BOTH,
        order_lots: int = 10,
        capital: int = 1_000_000,
        plan: SizePlan | None = None,
        exits: Exits | None = None,
        profile: str = "",
        armed: bool = True,
        conservative_after_kill: bool = False,
    ) -> None:
        super().__init__(
            limits=limits, instruments=instruments, order_lots=order_lots, capital=capital, started=False
        )  # fmt: skip
        self.config = EngineConfig(
            instruments, limits, capital, order_lots, plan=plan or SizePlan(), exits=exits or Exits(),
            risk_profile=profile, armed=armed, conservative_after_kill=conservative_after_kill,
        )  # fmt: skip
        self.engine = Engine(self.config, self.policy)
        self.step(Started(self.now_ns, "install", 1))
        self.step(Reconciled(self.now_ns, True))

    def minutes(self, count: int, *, low: int = 998, high: int = 1_002, instrument: Instrument = SPOT) -> None:
        """So many whole minutes, in each of which the price goes from ``low`` to ``high`` and ends at 1,000."""
        self.wait(MINUTE - self.now_ns % MINUTE)
        for _ in range(count):
            for price in (low, high, 1_000):
                self.market(price, instrument=instrument)
                self.wait(20 * SECOND)
        self.market(1_000, instrument=instrument)


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
    desk = Gated(armed=False)
    assert desk.refused(BUY) == "not_armed"
    assert desk.refused(SELL) == "not_armed"
    desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "op", "freeze", "", True))
    assert desk.refused(BUY) == "frozen"
    desk.step(Kill(desk.now_ns, "op", "enough"))
    assert desk.refused(BUY) == "killed"


def test_a_pause_of_one_instrument_leaves_the_other_alone_and_a_freeze_lets_nothing_shrink() -> None:
    desk = Gated()
    desk.bought(times=2)
    desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "op", "look", SPOT.symbol))
    assert desk.refused(BUY) == "paused"
    assert desk.order(SELL).reduce_only
    assert desk.order(BUY, instrument=LEVERAGED)
    desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "op", "look", SPOT.symbol, True))
    assert desk.refused(SELL) == "frozen"
    desk.wait(MINUTE)
    assert desk.order(BUY)


# --- limits of the account ------------------------------------------------------------------------------------------


def test_the_exposure_counts_every_instrument_and_everything_that_may_fill() -> None:
    # An aggressive order at 1,000 is priced at 1,001: 10 lots of each are 20,020.
    for limit, code in ((30_030, ""), (30_029, "exposure")):
        desk = Gated(limits=replace(WIDE, exposure_max=limit))
        desk.working(BUY)
        desk.working(BUY, instrument=LEVERAGED)
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code


def test_a_short_is_exposure_too_and_both_sides_are_not_added_up() -> None:
    desk = Gated(limits=replace(WIDE, exposure_max=20_020))
    desk.sold(instrument=LEVERAGED)
    assert desk.order(BUY)
    assert desk.refused(SELL, instrument=LEVERAGED) == "exposure"
    assert desk.order(BUY, instrument=LEVERAGED, price=1_000), "buying back does not add to it"


def test_the_leverage_is_measured_by_what_is_left_of_the_equity() -> None:
    for capital, code in ((10_010, ""), (10_009, "leverage")):
        desk = Gated(limits=replace(WIDE, leverage_ppm_max=1_000_000), capital=capital)
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code


def test_an_exposure_that_cannot_be_valued_is_a_refusal() -> None:
    desk = Gated(limits=replace(WIDE, exposure_max=10**9))
    desk.bought(instrument=LEVERAGED)
    desk.engine.state.desks[LEVERAGED.symbol].last_price = 0
    assert desk.refused(BUY) == "no_market_data"


def test_orders_of_a_day_are_counted_until_the_day_turns() -> None:
    desk = Gated(limits=replace(WIDE, orders_per_day_max=2))
    desk.bought()
    desk.order(BUY)
    assert desk.refused(BUY) == "orders_per_day"
    assert desk.refused(SELL) == "orders_per_day"
    desk.wait(DAY)
    assert desk.order(BUY)


def test_the_value_of_a_day_s_orders_is_limited_for_what_opens() -> None:
    for limit, code in ((20_020, ""), (20_019, "day_notional")):
        desk = Gated(limits=replace(WIDE, day_notional_max=limit))
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
    desk = Gated(limits=replace(WIDE, exposure_max=limit), order_lots=7)
    opened: list[tuple[Instrument, int, int]] = []
    for instrument, side, then in steps:
        commands = desk.market(1_000, instrument=instrument, say=side)
        desk.wait(SECOND)
        for place in (one for one in commands if type(one).__name__ == "Place"):
            if then == 1:
                desk.fill(place)  # type: ignore[arg-type]
            elif then == 2:
                desk.cancelled(place)  # type: ignore[arg-type]
            else:
                opened.append((instrument, side, place.lots))  # type: ignore[union-attr]
        state = desk.engine.state
        worst = worst_exposure(state, list(state.working.values()))
        assert worst is not None
        assert worst <= limit


# --- what a profile asks --------------------------------------------------------------------------------------------


def test_orders_that_open_are_limited_by_the_hour_and_by_the_gap() -> None:
    desk = Gated(limits=replace(WIDE, orders_per_hour_max=2, order_gap_ns=10 * MINUTE))
    desk.bought()
    assert desk.refused(BUY) == "order_gap"
    assert desk.order(SELL), "getting out is not limited"
    desk.wait(10 * MINUTE - 1)
    assert desk.refused(BUY) == "orders_per_hour"
    desk.wait(52 * MINUTE)
    assert desk.order(BUY)


def test_no_order_opens_while_the_volatility_is_not_known_or_too_high() -> None:
    desk = Gated(limits=replace(WIDE, volatility_ppm_max=100_000))
    assert desk.refused(BUY) == "no_volatility"
    desk.minutes(62)
    assert desk.order(BUY), "every minute ended at the same price"
    wild = Gated(limits=replace(WIDE, volatility_ppm_max=100_000))
    wild.wait(MINUTE - wild.now_ns % MINUTE)
    for number in range(62):
        # +-0.5 % every minute: 0.5 % x sqrt(1,440) = 19 % a day.
        wild.market(1_000 if number % 2 else 1_005)
        wild.wait(MINUTE)
    assert wild.refused(BUY) == "volatility"
    wild.wait(16 * MINUTE)
    assert wild.refused(BUY) == "no_volatility", "an hour that ended a quarter of an hour ago says nothing"


def test_weeks_of_bad_days_stop_a_profile_that_asks_for_good_ones() -> None:
    desk = Gated(limits=replace(WIDE, sharpe_milli_min=500))
    assert desk.order(BUY), "nothing is known yet"
    desk.engine.state.tally.returns.extend([100, -101] * 10)
    assert desk.refused(BUY) == "sharpe"
    desk.engine.state.tally.returns.clear()
    desk.engine.state.tally.returns.extend([300, -100] * 10)
    assert desk.order(BUY)


# --- sizing ---------------------------------------------------------------------------------------------------------


def test_without_a_budget_the_size_is_the_configured_one_and_nothing_is_recorded() -> None:
    desk = Gated(order_lots=10)
    assert desk.order(BUY).lots == 10
    assert [row[3] for row in desk.engine.take_decisions()] == ["wanted"]


def test_the_budget_is_divided_by_the_average_true_range() -> None:
    # 1 % of 1,000,000 is 10,000; the range of every minute is 4: 2,500 lots, and the cap of 10 % allows 100.
    desk = Gated(order_lots=1_000, plan=SizePlan(risk_ppm=10_000, cap_ppm=100_000), limits=WIDE)
    assert desk.refused(BUY) == "no_atr"
    desk.minutes(14)
    assert desk.order(BUY).lots == 100
    rows = [row for row in desk.engine.take_decisions() if row[3] == SIZING]
    numbers = dict(zip(SIZING_INPUTS, rows[-1][4], strict=True))
    assert numbers == {
        "equity": 1_000_000, "price": 1_000, "atr": 4, "risk_lots": 2_500, "cap_lots": 100,
        "multiplier_ppm": 1_000_000, "lots": 100,
    }  # fmt: skip
    small = Gated(order_lots=1_000, plan=SizePlan(risk_ppm=100), limits=WIDE)
    small.minutes(14)
    assert small.order(BUY).lots == 25, "0.01 % of 1,000,000 is 100; by 4"


def test_an_average_that_is_a_quarter_of_an_hour_old_is_none() -> None:
    desk = Gated(plan=SizePlan(risk_ppm=10_000))
    desk.minutes(14)
    desk.wait(15 * MINUTE)
    assert desk.order(BUY)
    desk.wait(MINUTE)
    assert desk.refused(BUY) == "no_atr"


def test_what_is_left_below_the_venue_s_smallest_order_is_a_refusal() -> None:
    coarse = replace(SPOT, lots_min=50)
    desk = Gated(instruments=(coarse,), order_lots=100, plan=SizePlan(cap_ppm=50_000))
    assert desk.order(BUY, instrument=coarse).lots == 50
    tight = Gated(instruments=(coarse,), order_lots=100, plan=SizePlan(cap_ppm=49_999))
    assert tight.refused(BUY, instrument=coarse) == "order_size_too_small"


def test_bad_times_shrink_an_order_and_do_not_stop_it() -> None:
    def lots(prepare: str) -> int:
        desk = Gated(order_lots=100, plan=SizePlan(shrink=True, high_atr_ppm=3_999))
        if prepare == "range":
            desk.minutes(14)
        state = desk.engine.state
        state.tally.note_equity(state.ledger.equity, desk.now_ns)
        if prepare == "drawdown":
            state.ledger.equity = 980_000
        if prepare == "orders":
            for _ in range(61):
                state.tally.add_order(desk.now_ns, 0, opens=False)
        if prepare == "day":
            state.ledger.equity = 1_050_001
        return desk.order(BUY).lots

    assert lots("") == 100
    assert lots("drawdown") == 70
    assert lots("range") == 80
    assert lots("orders") == 50
    assert lots("day") == SPOT.lots_min


def test_the_reasons_to_shrink_multiply() -> None:
    desk = Gated(order_lots=100, plan=SizePlan(shrink=True))
    state = desk.engine.state
    state.tally.note_equity(1_000_000, desk.now_ns)
    state.ledger.equity = 979_000
    for _ in range(61):
        state.tally.add_order(desk.now_ns, 0, opens=False)
    assert desk.order(BUY).lots == 35


# --- slippage -------------------------------------------------------------------------------------------------------


def book(desk: Desk, *levels: tuple[int, int]) -> None:
    bids = tuple((2_000 - price, lots) for price, lots in levels)
    desk.step(Depth(desk.now_ns, SPOT.symbol, bids, levels, True))


def test_no_fresh_book_no_order_where_slippage_is_limited() -> None:
    desk = Gated(limits=replace(WIDE, slippage_ppm_max=5_000, stale_ns_max=5 * SECOND))
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
        desk = Gated(limits=replace(WIDE, slippage_ppm_max=5_000))
        book(desk, *levels)
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code, levels
        desk = Gated(limits=replace(WIDE, slippage_ppm_max=5_000), instruments=(replace(SPOT, leveraged=True),))
        book(desk, *levels)
        assert (desk.refused(SELL) if code else desk.order(SELL) and "") == code, levels


def test_getting_out_does_not_wait_for_a_good_book() -> None:
    desk = Gated(limits=replace(WIDE, slippage_ppm_max=5_000))
    book(desk, (1_000, 10))
    desk.bought()
    book(desk, (1_000, 1))
    assert desk.order(SELL)


# --- profiles -------------------------------------------------------------------------------------------------------


def test_the_numbers_of_the_profiles() -> None:
    # In the order of the requirement: JPY, % of a trade, of a day, drawdown, orders in an hour, minutes between two,
    # volatility, ratio of returns, stop loss, take profit.
    written = {
        "conservative": (50_000, 2, 2, 5, 2, 30, 10, "0.5", 2, 5),
        "balanced": (100_000, 5, 5, 10, 5, 10, 15, "1.0", 3, 8),
        "aggressive": (200_000, 10, 10, 20, 10, 5, 25, "1.5", 5, 15),
    }
    percent = 10_000
    for name, (yen, trade, day, drawdown, orders, gap, volatility, sharpe, stop, profit) in written.items():
        found = RISK_PROFILES[name]
        assert (found.notional, found.orders_per_hour, found.gap_ns) == (yen, orders, gap * MINUTE)
        ratios = (found.trade_ppm, found.day_loss_ppm, found.drawdown_ppm, found.volatility_ppm)
        assert ratios == tuple(one * percent for one in (trade, day, drawdown, volatility))
        assert (found.stop_loss_ppm, found.take_profit_ppm) == (stop * percent, profit * percent)
        assert found.sharpe_milli == Decimal(sharpe) * 1_000


def test_a_profile_only_tightens() -> None:
    for name in RISK_PROFILES:
        loose = EngineConfig((SPOT,), WIDE, 10**6, 10, risk_profile=name).rules(conservative=False)
        tight = replace(WIDE, drawdown_ppm_max=7, position_notional_max=9, daily_loss_ppm_max=1, order_gap_ns=DAY)
        kept = EngineConfig((SPOT,), tight, 10**6, 10, risk_profile=name).rules(conservative=False).limits
        assert loose.limits.drawdown_ppm_max == RISK_PROFILES[name].drawdown_ppm
        assert loose.limits.position_notional_max == RISK_PROFILES[name].notional
        assert (kept.drawdown_ppm_max, kept.position_notional_max, kept.daily_loss_ppm_max) == (7, 9, 1)
        assert kept.order_gap_ns == DAY


def test_after_a_kill_the_conservative_profile_holds_until_an_operator_ends_it() -> None:
    desk = Gated(order_lots=100, conservative_after_kill=True, limits=replace(WIDE, drawdown_ppm_max=200_000))
    assert desk.engine.risk.rules.name == ""
    desk.step(Kill(desk.now_ns, "op", "look"))
    desk.step(Resume(desk.now_ns, "op", "seen"))
    assert desk.engine.risk.rules.name == "conservative"
    assert desk.engine.risk.rules.limits.drawdown_ppm_max == 50_000
    assert desk.refused(BUY) == "no_volatility"
    heir = Gated(order_lots=100, conservative_after_kill=True)
    heir.engine.state.restore(desk.engine.state.snapshot())
    heir.step(Reconciled(desk.now_ns, True))
    assert heir.engine.state.control.conservative, "a restart does not end it"
    desk.step(ChooseProfile(desk.now_ns, False, "op", "all is well"))
    assert desk.engine.risk.rules.name == ""
    assert desk.order(BUY).lots == 100


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
    desk = Gated(exits=plan)
    desk.bought(times=3)
    for price in at:
        desk.market(price)
    assert exits(desk) == []
    commands = desk.market(beyond)
    assert exits(desk) == [reason]
    [place] = [one for one in commands if type(one).__name__ == "Place"]
    assert (place.side, place.lots, place.reduce_only, place.reason) == (SELL, 30, True, reason)  # type: ignore[union-attr]
    desk.market(beyond)
    assert exits(desk) == [], "one that closes it works already"


def test_a_short_is_closed_on_the_other_side() -> None:
    desk = Gated(exits=Exits(stop_loss_ppm=20_000, trailing_ppm=500_000))
    desk.sold(instrument=LEVERAGED)
    desk.market(1_020, instrument=LEVERAGED)
    assert exits(desk) == []
    desk.market(1_021, instrument=LEVERAGED)
    assert exits(desk) == ["stop_loss"]


def test_a_trailing_stop_follows_a_short_down() -> None:
    desk = Gated(exits=Exits(trailing_ppm=20_000))
    desk.sold(instrument=LEVERAGED)
    for price in (950, 900, 918):
        desk.market(price, instrument=LEVERAGED)
    assert exits(desk) == []
    desk.market(919, instrument=LEVERAGED)
    assert exits(desk) == ["trailing_stop"]


def test_after_a_loss_nothing_is_opened_for_five_minutes() -> None:
    desk = Gated(exits=Exits(cool_down=True))
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
    desk = Gated(exits=Exits(stop_loss_ppm=stop, take_profit_ppm=profit, trailing_ppm=trailing))
    (desk.bought if side == BUY else desk.sold)(instrument=LEVERAGED, times=times)
    best = 1_000
    for price in prices:
        commands = desk.market(price, instrument=LEVERAGED)
        gain = (price - 1_000) * side
        best = max(best, price) if side == BUY else min(best, price)
        fallen = (best - price) * side
        fires = -gain * 1_000_000 > stop * 1_000 or gain * 1_000_000 > profit * 1_000
        fires = fires or fallen * 1_000_000 > trailing * best
        placed = [one for one in commands if type(one).__name__ == "Place"]
        assert bool(placed) is fires, (price, best)
        if fires:
            return


def test_time_alone_moves_no_bar_backwards() -> None:
    desk = Gated(plan=SizePlan(risk_ppm=10_000))
    desk.minutes(14)
    desk.step(Timer(desk.now_ns))
    desk.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))
    assert desk.order(BUY)

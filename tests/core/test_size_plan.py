"""How large an order is: the arithmetic of budget and cap, what bad times leave of it, and the risk profiles."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tests.core.scene import BOTH, DAY, MINUTE, SPOT, T0, WIDE, Desk
from ztb.core.event import ChooseProfile, Kill, Reconciled, Resume, Timer, Trade
from ztb.core.gate import SIZING, SIZING_INPUTS
from ztb.core.instrument import BUY
from ztb.core.rules import RISK_PROFILES, SizePlan
from ztb.core.state import EngineConfig

# --- sizing ---------------------------------------------------------------------------------------------------------


def test_without_a_budget_the_size_is_the_configured_one_and_nothing_is_recorded() -> None:
    desk = Desk(instruments=BOTH, order_lots=10)
    assert desk.order(BUY).lots == 10
    assert [row[3] for row in desk.engine.take_decisions()] == ["wanted"]


def test_the_budget_is_divided_by_the_average_true_range() -> None:
    # 1 % of 1,000,000 is 10,000; the range of every minute is 4: 2,500 lots, and the cap of 10 % allows 100.
    desk = Desk(instruments=BOTH, order_lots=1_000, plan=SizePlan(risk_ppm=10_000, cap_ppm=100_000), limits=WIDE)
    assert desk.refused(BUY) == "no_atr"
    desk.minutes(14)
    assert desk.order(BUY).lots == 100
    rows = [row for row in desk.engine.take_decisions() if row[3] == SIZING]
    numbers = dict(zip(SIZING_INPUTS, rows[-1][4], strict=True))
    assert numbers == {
        "equity": 1_000_000, "price": 1_000, "atr": 4, "risk_lots": 2_500, "cap_lots": 100,
        "multiplier_ppm": 1_000_000, "lots": 100,
    }  # fmt: skip
    small = Desk(instruments=BOTH, order_lots=1_000, plan=SizePlan(risk_ppm=100), limits=WIDE)
    small.minutes(14)
    assert small.order(BUY).lots == 25, "0.01 % of 1,000,000 is 100; by 4"


def test_an_average_that_is_a_quarter_of_an_hour_old_is_none() -> None:
    for later, code in ((0, ""), (1, "no_atr")):
        desk = Desk(instruments=BOTH, plan=SizePlan(risk_ppm=10_000))
        desk.minutes(14)
        desk.wait(16 * MINUTE + later)  # the last minute with a trade ends with the first of these
        assert (desk.refused(BUY) if code else desk.order(BUY) and "") == code


def test_what_is_left_below_the_venue_s_smallest_order_is_a_refusal() -> None:
    coarse = replace(SPOT, lots_min=50)
    desk = Desk(instruments=(coarse,), order_lots=100, plan=SizePlan(cap_ppm=50_000))
    assert desk.order(BUY, instrument=coarse).lots == 50
    tight = Desk(instruments=(coarse,), order_lots=100, plan=SizePlan(cap_ppm=49_999))
    assert tight.refused(BUY, instrument=coarse) == "order_size_too_small"


def test_bad_times_shrink_an_order_and_do_not_stop_it() -> None:
    def lots(prepare: str) -> int:
        desk = Desk(instruments=BOTH, order_lots=100, plan=SizePlan(shrink=True, high_atr_ppm=3_999))
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
    desk = Desk(instruments=BOTH, order_lots=100, plan=SizePlan(shrink=True))
    state = desk.engine.state
    state.tally.note_equity(1_000_000, desk.now_ns)
    state.ledger.equity = 979_000
    for _ in range(61):
        state.tally.add_order(desk.now_ns, 0, opens=False)
    assert desk.order(BUY).lots == 35


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
    limits = replace(WIDE, drawdown_ppm_max=200_000)
    desk = Desk(instruments=BOTH, order_lots=100, conservative_after_kill=True, limits=limits)
    assert desk.engine.risk.rules.name == ""
    desk.step(Kill(desk.now_ns, "op", "look"))
    desk.step(Resume(desk.now_ns, "op", "seen"))
    assert desk.engine.risk.rules.name == "conservative"
    assert desk.engine.risk.rules.limits.drawdown_ppm_max == 50_000
    assert desk.refused(BUY) == "no_volatility"
    heir = Desk(instruments=BOTH, order_lots=100, conservative_after_kill=True)
    heir.engine.state.restore(desk.engine.state.snapshot())
    heir.step(Reconciled(desk.now_ns, True))
    assert heir.engine.state.control.conservative, "a restart does not end it"
    desk.step(ChooseProfile(desk.now_ns, False, "op", "all is well"))
    assert desk.engine.risk.rules.name == ""
    assert desk.order(BUY).lots == 100


def test_time_alone_moves_no_bar_backwards() -> None:
    desk = Desk(plan=SizePlan(risk_ppm=10_000))
    desk.minutes(14)
    desk.step(Timer(desk.now_ns))
    desk.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))
    assert desk.order(BUY)


def test_a_minute_closes_at_its_last_trade_and_not_at_its_extreme() -> None:
    desk = Desk(limits=replace(WIDE, volatility_ppm_max=1))
    desk.minutes(61, low=990, high=1_010)
    assert list(desk.engine.state.desks[SPOT.symbol].bars.closes) == [1_000] * 61
    assert desk.order(BUY), "it ended every minute where it began: no return, no volatility"


def test_rules_that_need_minutes_get_them_from_the_moment_of_the_kill_on() -> None:
    desk = Desk(conservative_after_kill=True)
    desk.market(1_000)
    desk.step(Kill(desk.now_ns, "op", "look"))
    desk.wait(MINUTE - desk.now_ns % MINUTE)
    for _ in range(61):
        desk.market(1_000)
        desk.wait(MINUTE)
    desk.market(1_000)
    assert len(desk.engine.state.desks[SPOT.symbol].bars.closes) == 61

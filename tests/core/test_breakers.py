"""Every breaker, through the engine: it fires just above its limit and not at it, and a count when it is reached."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, MINUTE, SECOND, SPOT, WIDE, Desk, cancels, notices, places, trips, with_limits
from ztb.core.breakers import Figures, broken
from ztb.core.command import Balance
from ztb.core.event import (
    Pause,
    Resume,
    Timer,
)
from ztb.core.instrument import BUY, SELL

# --- the matrix as a function of numbers ----------------------------------------------------------------------------

STRICT = replace(
    WIDE, drawdown_ppm_max=50_000, daily_loss_max=10_000, daily_loss_ppm_max=20_000, position_lots_max=100,
    trade_loss_max=500, leverage_ppm_max=1_000_000, wallet_drift_lots_max=3,
)  # fmt: skip
CALM = Figures(equity=1_000_000, peak=1_000_000, day_open=1_000_000)
AT_AND_ABOVE: dict[str, tuple[Figures, Figures]] = {
    "max_drawdown_exceeded": (CALM._replace(peak=100_000, equity=95_000, day_open=0),
                              CALM._replace(peak=100_000, equity=94_999, day_open=0)),
    "daily_loss_limit_exceeded": (CALM._replace(equity=990_000), CALM._replace(equity=989_999)),
    "max_position_size_exceeded": (CALM._replace(position_lots=100), CALM._replace(position_lots=101)),
    "max_trade_loss_exceeded": (CALM._replace(trade_loss=500), CALM._replace(trade_loss=501)),
    "max_leverage_exceeded": (CALM._replace(exposure=1_000_000), CALM._replace(exposure=1_000_001)),
    "wallet_drift_exceeded": (CALM._replace(missing_lots=3), CALM._replace(missing_lots=4)),
}  # fmt: skip


@pytest.mark.parametrize("code", AT_AND_ABOVE)
def test_at_a_limit_of_the_matrix_nothing_trips_and_just_above_it_does(code: str) -> None:
    at, above = AT_AND_ABOVE[code]
    assert broken(STRICT, at) == []
    assert broken(STRICT, above) == [code]


def test_the_daily_loss_trips_by_whichever_is_broken_first() -> None:
    small = CALM._replace(day_open=100_000, peak=100_000)
    assert broken(STRICT, small._replace(equity=98_000)) == []
    assert broken(STRICT, small._replace(equity=97_999)) == ["daily_loss_limit_exceeded"], "2 % of 100,000"
    assert broken(replace(STRICT, daily_loss_ppm_max=None), small._replace(equity=97_999)) == []


def test_several_at_once_come_with_the_aborts_first() -> None:
    worst = Figures(900_000, 1_000_000, 1_000_000, 10**7, 101, 501, 4)
    found = broken(STRICT, worst)
    assert set(found) == set(AT_AND_ABOVE)
    assert set(found[:2]) == {"max_drawdown_exceeded", "max_trade_loss_exceeded"}


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 999_999))
def test_the_drawdown_is_exact_on_any_numbers(peak: int, fall: int, ppm: int) -> None:
    limits = replace(WIDE, drawdown_ppm_max=ppm)
    is_broken = fall / peak > ppm / 1_000_000 if fall * 1_000_000 != ppm * peak else False
    found = broken(limits, Figures(peak - fall, peak, 0))
    assert ("max_drawdown_exceeded" in found) is is_broken


# --- the same through the engine ------------------------------------------------------------------------------------


def test_the_daily_loss_in_parts_of_the_opening_balance() -> None:
    desk = with_limits(order_lots=100, daily_loss_ppm_max=5_000)
    desk.bought(price=1_000)
    desk.market(950)
    assert trips(desk) == []
    desk.market(949)
    assert trips(desk) == ["daily_loss_limit_exceeded"]


def test_the_opening_balance_of_the_day_and_the_peak_are_put_on_record() -> None:
    desk = with_limits(order_lots=100)
    desk.bought(price=1_000)
    desk.market(1_009)
    assert not [one for one in desk.commands if isinstance(one, Balance)], "0.09 % is no step of the peak"
    desk.market(1_011)
    [peak] = [one for one in desk.commands if isinstance(one, Balance)]
    assert (peak.peak_profit, peak.profit, peak.day_open_profit) == (1_100, 1_100, 0)
    desk.wait(86_400 * SECOND)
    desk.market(1_010)
    day = [one for one in desk.commands if isinstance(one, Balance)][-1]
    assert day.day_open_profit == 1_100
    assert day.day_end_ns > desk.now_ns


def lose(desk: Desk, price: int = 999) -> None:
    """A round trip that is closed with a loss."""
    desk.bought(price=1_000)
    desk.sold(price=price)


def test_so_many_losing_trades_in_a_row_end_the_opening() -> None:
    desk = with_limits(losses_in_row_max=3)
    lose(desk)
    lose(desk)
    desk.bought(price=1_000)
    desk.sold(price=1_001)
    lose(desk)
    lose(desk)
    assert trips(desk) == [], "a win began a new row"
    lose(desk)
    assert trips(desk) == ["consecutive_losses"]
    assert desk.refused(BUY) == "reduce_only"
    desk.step(Resume(desk.now_ns, "operator", "seen"))
    lose(desk)
    lose(desk)
    assert trips(desk) == ["consecutive_losses"], "after a resume the row begins anew"


@pytest.mark.parametrize("is_loss", [True, False])
def test_only_a_resume_after_a_loss_measures_losses_anew(is_loss: bool) -> None:
    """Whoever paused for lunch and resumes must not be given the day's losses as a present."""
    desk = with_limits(daily_loss_max=20)
    lose(desk)
    ledger = desk.engine.state.ledger
    lost, row = ledger.day_loss(), desk.engine.state.tally.losses_in_row
    assert (lost > 0, row) == (True, 1)
    if is_loss:
        lose(desk, price=990)
        assert trips(desk) == ["daily_loss_limit_exceeded"]
    else:
        desk.step(Pause(desk.now_ns, desk.now_ns + MINUTE, "operator", "lunch"))
    desk.step(Resume(desk.now_ns, "operator", "go on"))
    assert ledger.day_loss() == (0 if is_loss else lost)
    assert ledger.drawdown_ppm() == 0 if is_loss else ledger.drawdown_ppm() > 0
    assert desk.engine.state.tally.losses_in_row == (0 if is_loss else row)


def test_a_fee_makes_a_loss_of_a_trade_that_broke_even() -> None:
    desk = with_limits(losses_in_row_max=1)
    desk.bought(price=1_000)
    desk.sold(price=1_000)
    assert trips(desk) == []
    desk.bought(price=1_000)
    desk.fill(desk.working(SELL), fee=1)
    assert trips(desk) == ["consecutive_losses"]


def test_a_position_that_is_closed_in_parts_is_one_trade() -> None:
    desk = with_limits(losses_in_row_max=2)
    desk.bought(price=1_000, times=3)
    for _ in range(3):
        desk.sold(price=999)
    assert desk.engine.state.tally.losses_in_row == 1


def test_the_loss_of_one_trade_is_a_kill_also_while_it_runs() -> None:
    desk = with_limits(trade_loss_max=500)
    desk.bought(price=1_000)
    desk.market(950)
    assert trips(desk) == []
    desk.market(949)
    assert trips(desk) == ["max_trade_loss_exceeded"]
    assert desk.engine.state.control.killed


def test_the_loss_of_one_trade_is_a_kill_when_a_fill_or_a_fee_makes_it() -> None:
    for fee, killed in ((0, False), (1, True)):
        desk = with_limits(trade_loss_max=500)
        desk.bought(price=1_000)
        desk.fill(desk.working(SELL), price=950, fee=fee)
        assert desk.engine.state.control.killed is killed


def test_a_short_loses_when_the_price_rises() -> None:
    desk = with_limits(trade_loss_max=500)
    desk.sold(price=1_000, instrument=LEVERAGED)
    desk.market(1_050, instrument=LEVERAGED)
    assert trips(desk) == []
    desk.market(1_051, instrument=LEVERAGED)
    assert trips(desk) == ["max_trade_loss_exceeded"]


def test_the_price_may_move_ten_percent_within_a_minute_and_no_more() -> None:
    for above, code in ((1_100, []), (1_101, ["price_move"])):
        desk = with_limits(price_move_ppm_max=100_000)
        desk.market(1_000)
        desk.wait(MINUTE - 1)
        desk.market(above)
        assert trips(desk) == code
    for below, code in ((900, []), (899, ["price_move"])):
        desk = with_limits(price_move_ppm_max=100_000)
        desk.market(1_000)
        desk.wait(MINUTE - 1)
        desk.market(below)
        assert trips(desk) == code


def test_a_move_that_takes_longer_than_a_minute_is_none() -> None:
    desk = with_limits(price_move_ppm_max=100_000)
    desk.market(1_000)
    desk.wait(MINUTE)
    desk.market(1_200)
    assert trips(desk) == []


def test_small_steps_add_up_and_the_pause_is_of_one_instrument() -> None:
    desk = with_limits(price_move_ppm_max=100_000)
    for step in range(12):
        desk.market(1_000 + 10 * step)
        desk.wait(SECOND)
    assert trips(desk) == ["price_move"]
    assert desk.refused(BUY, price=1_110) == "paused"
    assert desk.order(BUY, instrument=LEVERAGED)


def test_a_position_above_its_limit_is_reduced_until_it_is_not() -> None:
    desk = with_limits(position_lots_max=20)
    desk.bought(times=2)
    late = desk.working(SELL)
    desk.cancelled(late)
    state = desk.engine.state
    assert trips(desk) == []
    desk.engine.risk.rules = replace(desk.engine.risk.rules, limits=replace(WIDE, position_lots_max=19))
    desk.fill(late, lots=1)
    assert trips(desk) == [], "19 are held"
    desk.engine.risk.rules = replace(desk.engine.risk.rules, limits=replace(WIDE, position_lots_max=17))
    desk.fill(late, lots=1)
    assert trips(desk) == ["max_position_size_exceeded"]
    assert desk.refused(BUY) == "reduce_only"
    desk.fill(late, lots=1)
    desk.step(Timer(desk.now_ns))
    assert state.control.reduce_only_reasons == {}


def test_leverage_above_its_limit_is_reduced_until_it_is_not() -> None:
    desk = with_limits(order_lots=1_000, leverage_ppm_max=1_000_000, position_lots_max=1_000)
    desk.bought(price=999)
    desk.step(Timer(desk.now_ns))
    assert trips(desk) == []
    desk.market(2_000_000)
    desk.engine.state.ledger.equity = 1_000_000_000
    desk.step(Timer(desk.now_ns))
    assert trips(desk) == ["max_leverage_exceeded"]
    desk.engine.state.ledger.equity = 2_000_000_000
    desk.step(Timer(desk.now_ns))
    assert desk.engine.state.control.reduce_only_reasons == {}


@pytest.mark.parametrize("broken_part", ["judge", "off_band", "judge_event", "judge_fill", "judge_losses"])
def test_risk_that_cannot_be_evaluated_is_a_kill(broken_part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("of theirs")

    desk = with_limits(losses_in_row_max=3, daily_loss_max=50)
    desk.bought()
    resting = desk.working(BUY, price=999)
    monkeypatch.setattr(f"ztb.core.risk.{broken_part}", fail)
    desk.engine.state.desks[SPOT.symbol].forget_band()
    count = len(desk.commands)
    desk.market(900, say=SELL)
    desk.step(Timer(desk.now_ns))
    desk.fill(resting, lots=1)
    after = desk.commands[count:]
    state = desk.engine.state
    assert (state.control.kill_source, state.control.kill_reason) == ("breaker", "risk_evaluation_failed")
    assert ("emergency", "risk_evaluation_failed") in notices(after)
    assert resting.client_id in {one.client_id for one in cancels(after)}
    assert not places(after)

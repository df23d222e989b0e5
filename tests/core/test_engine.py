"""The engine by example: prices, decisions, losses, time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import CAPITAL, DAY, LEVERAGED, MINUTE, SECOND, SPOT, T0, WIDE, Desk, cancels, notices, places
from ztb.core.command import Balance
from ztb.core.error import InvariantBroken
from ztb.core.event import CLOCK_BACKSTEP_NS_MAX, Depth, Feed, Quote, Reconciled, Resume, Started, Timer, Trade
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD, Decision
from ztb.core.step import DECISION_ROWS_MAX

# --- prices --------------------------------------------------------------------------------------------------------


def test_an_order_reaches_beyond_the_touch_when_a_fresh_quote_is_known() -> None:
    desk = Desk(cross_ppm=10_000)
    desk.market(1_000)
    desk.step(Quote(desk.now_ns, SPOT.symbol, 990, 1, 1_020, 1))
    desk.bought()
    desk.step(Quote(desk.now_ns, SPOT.symbol, 990, 1, 1_020, 1))
    opening = desk.order(BUY)
    assert opening.price == 1_020 + 10  # 10.2 ticks, cut
    desk.fill(opening)
    assert desk.order(SELL).price == 990 - 9  # 9.9 ticks, cut


def test_an_old_quote_is_not_used() -> None:
    desk = Desk(cross_ppm=10_000)
    desk.step(Quote(desk.now_ns, SPOT.symbol, 990, 1, 1_020, 1))
    desk.wait(WIDE.stale_ns_max)
    assert desk.order(BUY).price == 1_030
    desk.wait(1)
    assert desk.order(BUY).price == 1_010


def test_a_side_without_orders_has_no_touch() -> None:
    desk = Desk(cross_ppm=10_000)
    desk.step(Quote(desk.now_ns, SPOT.symbol, 0, 0, 0, 0))
    assert desk.order(BUY).price == 1_010


def test_a_sell_never_goes_below_one_tick() -> None:
    desk = Desk(cross_ppm=1_000_000, limits=replace(WIDE, price_collar_ppm=10_000_000))
    desk.bought(price=1)
    assert desk.order(SELL, price=1).price == 1


def test_a_depth_snapshot_tells_the_touch_and_a_change_does_not() -> None:
    desk = Desk(cross_ppm=10_000)
    desk.step(Depth(desk.now_ns, SPOT.symbol, ((990, 5), (980, 5)), ((1_020, 5),), True))
    desk.step(Depth(desk.now_ns, SPOT.symbol, ((999, 5),), ((1_001, 5),), False))
    assert desk.order(BUY).price == 1_030
    desk.step(Depth(desk.now_ns, SPOT.symbol, (), (), True))
    assert desk.order(BUY).price == 1_010


def test_a_policy_is_asked_on_quotes_too() -> None:
    desk = Desk()
    desk.market(1_000)
    desk.policy.answer = Decision(BUY, "tight", (1,))
    assert len(places(desk.step(Quote(desk.now_ns, SPOT.symbol, 999, 1, 1_001, 1)))) == 1
    desk.policy.answer = Decision(HOLD, "wide", (2,))
    assert desk.step(Quote(desk.now_ns, SPOT.symbol, 900, 1, 1_100, 1)) == []
    rows = desk.engine.take_decisions()
    assert [(row[3], row[4]) for row in rows] == [("tight", (1,)), ("wide", (2,))]
    assert rows[1][5] == ""


def test_a_policy_is_told_what_is_held() -> None:
    desk = Desk(instruments=(SPOT, LEVERAGED))
    desk.bought(times=2)
    desk.sold(instrument=LEVERAGED)
    desk.policy.held.clear()
    desk.market(1_000)
    desk.market(1_000, instrument=LEVERAGED)
    assert desk.policy.held == [20, -10]


def test_each_instrument_has_its_own_price_and_position() -> None:
    desk = Desk(instruments=(SPOT, LEVERAGED))
    desk.market(1_000)
    desk.market(3_000, instrument=LEVERAGED)
    desk.bought(price=1_000)
    desk.sold(price=3_000, instrument=LEVERAGED)
    desk.market(1_100)
    desk.market(2_900, instrument=LEVERAGED)
    assert (desk.lots(), desk.lots(LEVERAGED)) == (10, -10)
    assert desk.engine.state.ledger.equity == CAPITAL + 10 * 100 + 10 * 100


# --- decisions -----------------------------------------------------------------------------------------------------


def test_every_decision_is_kept_with_its_inputs_and_what_became_of_it() -> None:
    desk = Desk()
    desk.market(1_000, say=HOLD)
    place = desk.order(BUY, price=1_001)
    desk.market(1_002, say=SELL)
    desk.market(1_003)
    assert desk.engine.decision_count == 3
    assert desk.engine.take_decisions() == [
        (T0, SPOT.symbol, HOLD, "nothing", (1_000,), ""),
        (T0, SPOT.symbol, BUY, "wanted", (1_001,), place.client_id),
        (T0, SPOT.symbol, SELL, "wanted", (1_002,), "nothing_to_sell"),
    ]
    assert desk.engine.decision_count == 0


def test_a_driver_that_forgets_to_take_the_decisions_is_told() -> None:
    desk = Desk()
    desk.policy.answer = Decision(HOLD, "nothing", ())
    trade = Trade(T0, SPOT.symbol, 1_000, 1, BUY)
    for _ in range(DECISION_ROWS_MAX):
        desk.engine.step(trade)
    with pytest.raises(InvariantBroken, match="decision rows are not taken by the driver"):
        desk.engine.step(trade)


def test_no_order_leaves_without_a_session() -> None:
    desk = Desk(started=False)
    desk.step(Reconciled(T0, True))
    desk.policy.answer = Decision(BUY, "wanted", ())
    with pytest.raises(InvariantBroken, match="no order before the session has started"):
        desk.engine.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))


# --- losses --------------------------------------------------------------------------------------------------------

LOSSES = replace(WIDE, daily_loss_max=5_000, drawdown_ppm_max=20_000, position_lots_max=5_000)
"""A daily loss of 5,000 and a drawdown of 2 % of 1,000,000: 20,000."""


def holding(lots: int, *, limits: Limits = LOSSES) -> Desk:
    """A desk that holds ``lots`` bought at 1,000."""
    desk = Desk(limits=limits, order_lots=lots)
    desk.bought(price=1_000)
    return desk


def test_a_daily_loss_at_its_limit_is_allowed_and_one_unit_more_is_not() -> None:
    desk = holding(100)
    assert desk.market(950) == []  # 100 x 50 = 5,000
    opening = desk.working(BUY, price=950)
    told = desk.market(949)
    assert notices(told) == [("error", "daily_loss_limit_exceeded")]
    assert desk.refused(BUY, price=949) == "reduce_only"
    assert desk.market(948) == [], "told twice"
    desk.cancelled(opening)
    assert desk.order(SELL, price=948).reduce_only


def test_a_fee_counts_as_a_loss() -> None:
    desk = Desk(limits=LOSSES, order_lots=100)
    place = desk.working(BUY)
    assert notices(desk.fill(place, lots=50, fee=5_000)) == []
    assert notices(desk.fill(place, lots=50, fee=1)) == [("error", "daily_loss_limit_exceeded")]


def test_a_drawdown_at_its_limit_is_allowed_and_one_unit_more_kills() -> None:
    desk = holding(1_000, limits=replace(LOSSES, daily_loss_max=10**9))
    assert desk.market(980) == []  # 20,000 of 1,000,000
    place = desk.working(BUY, price=980)
    told = desk.market(979)
    assert notices(told) == [("emergency", "killed")]
    assert [c.client_id for c in cancels(told)] == [place.client_id]
    assert desk.engine.state.control.kill_reason == "max_drawdown_exceeded"
    assert desk.refused(SELL, price=979) == "killed"


def test_the_drawdown_is_measured_from_the_highest_equity() -> None:
    desk = holding(1_000, limits=replace(LOSSES, daily_loss_max=10**9))
    desk.market(1_500)  # equity 1,500,000; two per cent are 30,000
    assert desk.market(1_470) == []
    assert notices(desk.market(1_469)) == [("emergency", "killed")]


@given(st.integers(1, 400_000), st.integers(1, 1_000), st.lists(st.integers(500, 2_000), min_size=1, max_size=30))
def test_the_drawdown_limit_holds_exactly_on_any_path(limit_ppm: int, lots: int, prices: list[int]) -> None:
    desk = holding(lots, limits=replace(WIDE, drawdown_ppm_max=limit_ppm))
    peak = equity = CAPITAL
    is_killed = False
    for price in prices:
        desk.market(price)
        equity = CAPITAL + lots * (price - 1_000)
        peak = max(peak, equity)
        is_killed = is_killed or (peak - equity) * 1_000_000 > limit_ppm * peak
        assert desk.engine.state.control.killed is is_killed
        assert desk.engine.state.ledger.equity == equity


@given(st.integers(1, 100_000), st.integers(1, 1_000), st.lists(st.integers(900, 1_100), min_size=1, max_size=30))
def test_the_daily_loss_limit_holds_exactly_on_any_path(limit: int, lots: int, prices: list[int]) -> None:
    desk = holding(lots, limits=replace(WIDE, daily_loss_max=limit))
    is_reduced = False
    for price in prices:
        desk.market(price)
        is_reduced = is_reduced or lots * (1_000 - price) > limit
        assert bool(desk.engine.state.control.reduce_only_reason) is is_reduced


def test_a_new_day_begins_with_a_new_balance_and_the_old_verdict() -> None:
    desk = Desk(limits=LOSSES, order_lots=100, day_offset_ns=9 * 3_600 * SECOND)
    desk.bought(price=1_000)
    desk.market(951)
    # Midnight in Japan is 15:00 UTC; T0 is 22:13:20 UTC, so it is 16 h 46 min 40 s away.
    desk.wait(16 * 3_600 * SECOND + 46 * MINUTE + 40 * SECOND)
    assert [type(one) for one in desk.market(946)] == [Balance]  # 54 below the entry, 5 below this morning
    assert desk.market(902) == []
    assert desk.market(901) == []
    assert notices(desk.market(900)) == [("error", "daily_loss_limit_exceeded")]
    desk.wait(DAY)
    assert desk.refused(BUY, price=900) == "reduce_only", "only an operator lifts it"


def test_a_resume_measures_losses_anew() -> None:
    desk = holding(1_000)
    desk.market(900)
    assert desk.engine.state.control.killed
    desk.step(Resume(desk.now_ns, "operator", "known, go on"))
    assert desk.order(BUY, price=900)
    assert desk.market(896) == []
    assert notices(desk.market(894)) == [("error", "daily_loss_limit_exceeded")]
    assert notices(desk.market(881)) == [("emergency", "killed")]


# --- time ----------------------------------------------------------------------------------------------------------


def test_time_stands_still_while_the_clock_is_behind() -> None:
    desk = Desk()
    place = desk.order(BUY)
    desk.wait(-3_600 * SECOND)
    commands = desk.market(1_000, say=BUY)
    assert notices(commands) == [("warning", "clock_went_back")]
    assert places(commands)[0].ts_ns == place.ts_ns == T0
    assert desk.engine.state.now_ns == T0
    assert desk.engine.state.clock_backsteps == 1


def test_a_small_step_back_is_counted_and_not_told() -> None:
    desk = Desk()
    desk.wait(-CLOCK_BACKSTEP_NS_MAX)
    assert desk.market(1_000) == []
    desk.wait(-1)
    assert notices(desk.market(1_000)) == [("warning", "clock_went_back")]
    assert desk.engine.state.clock_backsteps == 2


@given(st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=50))
def test_time_inside_never_goes_back(steps_ns: list[int]) -> None:
    desk = Desk()
    before_ns = desk.engine.state.now_ns
    for step_ns in steps_ns:
        desk.wait(step_ns)
        for command in desk.step(Timer(desk.now_ns)) + desk.market(1_000, say=BUY):
            assert command.ts_ns >= before_ns
        assert desk.engine.state.now_ns >= before_ns
        assert desk.engine.state.now_ns >= desk.now_ns
        before_ns = desk.engine.state.now_ns


def test_a_timer_alone_makes_the_day_turn() -> None:
    desk = Desk(limits=LOSSES, order_lots=100)
    desk.bought(price=1_000)
    desk.market(960)
    desk.wait(DAY)
    desk.step(Timer(desk.now_ns))
    assert desk.engine.state.ledger.day_loss() == 0


def test_the_feed_is_told_and_remembered() -> None:
    desk = Desk()
    assert notices(desk.step(Feed(T0, True, "connected")))[0][1] == "feed_up"
    assert desk.engine.state.feed_up
    assert notices(desk.step(Feed(T0, False, "reset"))) == [("warning", "feed_down")]
    assert not desk.engine.state.feed_up


def test_a_new_session_numbers_on_and_names_anew() -> None:
    desk = Desk()
    first = desk.order(BUY)
    desk.step(Started(desk.now_ns, "install", 2))
    assert desk.refused(BUY) == "not_reconciled"
    desk.step(Reconciled(desk.now_ns, True))
    assert desk.refused(BUY) == "order_unknown", "what was working when the last session ended is unknown"
    assert first.sequence == desk.engine.state.sequence == 1

"""Breakers for what the trader relies on: the venue's interface, its fills and its answers, the market stream."""

from __future__ import annotations

import pytest

from tests.core.scene import LEVERAGED, SECOND, SPOT, Desk, cancels, trips, with_limits
from ztb.core.event import (
    ApiHealth,
    BrokerRead,
    Feed,
    OrderAccepted,
    OrderRejected,
    Reconciled,
    Started,
    Timer,
    WalletMeasured,
)
from ztb.core.instrument import BUY, SELL


def test_what_is_missing_at_the_venue_beyond_the_tolerance_is_drift() -> None:
    desk = with_limits(wallet_drift_lots_max=2)

    def measured(lots: int) -> None:
        desk.step(WalletMeasured(desk.now_ns, SPOT.symbol, lots))

    measured(2)
    assert trips(desk) == []
    measured(3)
    assert trips(desk) == ["wallet_drift_exceeded"]
    assert desk.refused(BUY) == "reduce_only"
    measured(0)
    assert desk.order(BUY)


@pytest.mark.parametrize(
    ("well", "bad"),
    [
        (ApiHealth(0, 100, 19, 0, False), ApiHealth(0, 100, 20, 0, False)),
        (ApiHealth(0, 9, 9, 0, False), ApiHealth(0, 10, 10, 0, False)),
        (ApiHealth(0, 0, 0, 899_999, False), ApiHealth(0, 0, 0, 900_000, False)),
        (ApiHealth(0, 0, 0, 0, False), ApiHealth(0, 0, 0, 0, True)),
    ],
    ids=["errors", "too few calls to say", "rate limit", "breaker"],
)
def test_the_health_of_the_interface(well: ApiHealth, bad: ApiHealth) -> None:
    desk = with_limits()
    order = desk.working(BUY)
    well.ts_ns = bad.ts_ns = desk.now_ns
    desk.step(well)
    assert trips(desk) == []
    commands = desk.step(bad)
    assert trips(desk) == ["api_health"]
    assert [one.client_id for one in cancels(commands)] == [order.client_id]
    desk.wait(300 * SECOND)
    assert desk.refused(BUY) == "reduce_only", "the pause is over, the cause is not"
    desk.step(well)
    assert desk.order(BUY)


def test_three_failed_reads_in_a_row_pause_everything() -> None:
    desk = with_limits()
    for ok in (False, False, True, False, False):
        desk.step(BrokerRead(desk.now_ns, ok, "no answer"))
    assert trips(desk) == []
    desk.step(BrokerRead(desk.now_ns, False, "no answer"))
    assert trips(desk) == ["broker_read_failures"]
    assert desk.refused(BUY) == "paused"


def test_before_anything_is_reconciled_failed_reads_pause_nothing() -> None:
    desk = Desk(started=False)
    desk.step(Started(desk.now_ns, "install", 1))
    for _ in range(9):
        desk.step(BrokerRead(desk.now_ns, False, "no answer"))
    desk.step(BrokerRead(desk.now_ns, True))
    desk.step(Reconciled(desk.now_ns, True))
    assert desk.order(BUY)


def refuse(desk: Desk, *, held_back: bool = False) -> None:
    desk.wait(400 * SECOND)
    place = desk.order(BUY)
    desk.step(OrderRejected(desk.now_ns, place.client_id, "no", held_back=held_back))


def test_five_orders_refused_in_a_row_and_one_that_is_taken_ends_the_row() -> None:
    desk = Desk()
    for _ in range(4):
        refuse(desk)
    desk.wait(400 * SECOND)
    taken = desk.order(BUY)
    desk.step(OrderAccepted(desk.now_ns, taken.client_id, "v"))
    desk.cancelled(taken)
    for _ in range(4):
        refuse(desk)
    for _ in range(3):
        refuse(desk, held_back=True)
    assert trips(desk) == []
    refuse(desk)
    assert trips(desk) == ["validation_failures"]
    desk.wait(180 * SECOND - 1)
    desk.market(1_000)
    desk.step(Timer(desk.now_ns))
    assert desk.refused(BUY) == "paused"
    desk.wait(150 * SECOND)  # longer than what follows a single refusal
    desk.market(1_000)
    desk.step(Timer(desk.now_ns))
    assert desk.order(BUY), "its pause is over: the next order shows whether the venue takes them"


def test_three_bad_fills_in_a_row_pause_their_instrument() -> None:
    desk = with_limits(fill_slippage_ppm_max=5_000)
    at, worse = 1_005, 1_006
    for price in (worse, worse, at, worse, worse):
        desk.fill(desk.working(BUY), price=price)
    assert trips(desk) == []
    desk.fill(desk.working(BUY), price=worse)
    assert trips(desk) == ["slippage_guard"]
    assert desk.refused(BUY) == "paused"
    assert desk.order(BUY, instrument=LEVERAGED)


def test_a_seller_s_bad_fill_is_below_the_mark() -> None:
    desk = with_limits(fill_slippage_ppm_max=5_000)
    desk.bought(times=4)
    for price in (1_010, 994, 994, 994):
        assert trips(desk) == []
        desk.fill(desk.working(SELL), price=price)
    assert trips(desk) == ["slippage_guard"]


def test_a_position_whose_price_is_too_old_pauses_its_instrument() -> None:
    desk = with_limits(stale_ns_max=10 * SECOND)
    desk.market(1_000)
    desk.wait(11 * SECOND)
    desk.step(Timer(desk.now_ns))
    assert trips(desk) == [], "nothing is held that could be valued wrongly"
    desk.bought()
    desk.wait(10 * SECOND)
    desk.step(Timer(desk.now_ns))
    assert trips(desk) == []
    desk.wait(1)
    desk.step(Timer(desk.now_ns))
    assert trips(desk) == ["stale_mark"]
    assert desk.refused(BUY) == "paused"


def test_a_price_of_the_session_before_is_as_old_as_this_session() -> None:
    desk = with_limits(stale_ns_max=10 * SECOND)
    desk.market(1_000)
    desk.bought()
    desk.wait(3_600 * SECOND)
    desk.step(Started(desk.now_ns, "install", 2))
    desk.step(Reconciled(desk.now_ns, True))
    for waited_ns, expected in ((0, []), (10 * SECOND, []), (1, ["stale_mark"])):
        desk.wait(waited_ns)
        desk.step(Timer(desk.now_ns))
        assert trips(desk) == expected


def test_a_stream_without_data_lets_positions_shrink_and_clears_by_itself() -> None:
    desk = with_limits()
    desk.bought()
    desk.wait(30 * SECOND)
    desk.step(Timer(desk.now_ns))
    assert trips(desk) == ["stream_stale"]
    desk.wait(30 * SECOND)
    for instrument in (SPOT, LEVERAGED):
        desk.market(1_000, instrument=instrument)
    assert desk.refused(BUY) == "reduce_only"
    desk.step(Timer(desk.now_ns))
    assert desk.order(BUY)


def test_a_stream_that_comes_back_pauses_and_the_first_connection_does_not() -> None:
    desk = with_limits()
    desk.step(Feed(desk.now_ns, True))
    assert trips(desk) == []
    desk.step(Feed(desk.now_ns, False, "reset"))
    desk.step(Feed(desk.now_ns, True))
    assert trips(desk) == ["stream_reconnected"]
    desk.market(1_000)
    assert desk.refused(BUY) == "paused"
    desk.wait(30 * SECOND)
    assert desk.order(BUY)


def test_ten_failed_attempts_pause_longer() -> None:
    desk = with_limits()
    desk.step(Feed(desk.now_ns, True))
    for _ in range(9):
        desk.step(Feed(desk.now_ns, False, "no route"))
    assert trips(desk) == []
    desk.step(Feed(desk.now_ns, False, "no route"))
    assert trips(desk) == ["stream_attempts_failed"]
    desk.wait(300 * SECOND - 1)
    assert desk.refused(BUY) == "paused"

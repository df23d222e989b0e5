"""What the status file tells of risk: each limit with what is used of it, what holds, what tripped; by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.core.scene import LEVERAGED, MINUTE, SECOND, SPOT, WIDE, Desk
from ztb.core.event import Kill, LiftPause, Pause, Timer
from ztb.core.guard import Limits
from ztb.core.instrument import BUY
from ztb.core.reaction import REACTIONS
from ztb.core.rules import Exits, Rules, SizePlan
from ztb.service.risk import day_loss_max, document, percent, preview_document, uses

LIMITS = replace(
    WIDE, order_lots_max=100, position_lots_max=400, position_notional_max=500_000, daily_loss_max=20_000,
    drawdown_ppm_max=50_000, orders_per_minute_max=10, open_orders_max=4,
)  # fmt: skip


def rules(limits: Limits = LIMITS) -> Rules:
    return Rules(limits, SizePlan(), Exits())


def shown(desk: Desk, limits: Limits = LIMITS) -> dict[str, tuple[str, str, str, int | None]]:
    found = uses(desk.engine.state, rules(limits), now_ns=desk.now_ns)
    return {f"{use.name} {use.instrument}".strip(): (use.used, use.limit, use.unit, use.used_ppm) for use in found}


def told(desk: Desk) -> dict[str, Any]:
    plain = document(desk.engine.state, desk.engine.risk.rules, now_ns=desk.now_ns)
    assert json.loads(json.dumps(plain)) == plain
    return plain


def test_nothing_is_used_by_who_does_nothing() -> None:
    assert shown(Desk(limits=LIMITS)) == {
        "position btc_jpy": ("0", "400", "btc", 0),
        "position_value btc_jpy": ("0", "500000", "jpy", 0),
        "daily_loss": ("0", "20000", "jpy", 0),
        "drawdown": ("0.00", "5.00", "%", 0),
        "orders_per_minute": ("0", "10", "orders", 0),
        "open_orders": ("0", "4", "orders", 0),
    }


def test_a_position_with_an_order_that_works_and_a_loss() -> None:
    desk = Desk(limits=LIMITS, order_lots=100)
    desk.bought()
    desk.working(BUY)
    desk.market(900)
    # 100 held and 100 that may fill; 100 lots lost 100 each: 10,000 of 1,000,000.
    assert shown(desk) == {
        "position btc_jpy": ("200", "400", "btc", 500_000),
        "position_value btc_jpy": ("180000", "500000", "jpy", 360_000),
        "daily_loss": ("10000", "20000", "jpy", 500_000),
        "drawdown": ("1.00", "5.00", "%", 200_000),
        "orders_per_minute": ("2", "10", "orders", 200_000),
        "open_orders": ("1", "4", "orders", 250_000),
    }
    desk.wait(MINUTE)
    assert shown(desk)["orders_per_minute"][0] == "0"


def test_telling_changes_nothing() -> None:
    desk = Desk(limits=LIMITS, order_lots=100)
    desk.bought()
    desk.cancelled(desk.working(BUY))
    desk.wait(2 * MINUTE)
    before = desk.engine.state.digest()
    told(desk)
    preview_document(desk.engine.state, rules(), now_ns=desk.now_ns)
    shown(desk)
    assert desk.engine.state.digest() == before


def test_an_order_that_ended_just_now_may_still_fill() -> None:
    desk = Desk(limits=LIMITS, order_lots=100)
    ended = desk.working(BUY)
    desk.cancelled(ended)
    assert shown(desk)["position btc_jpy"][0] == "100"
    desk.wait(5 * SECOND)
    assert shown(desk)["position btc_jpy"][0] == "100"
    # No clock ends that: only the venue's own history, read later.
    desk.settled(ended)
    assert shown(desk)["position btc_jpy"][0] == "0"


def test_every_limit_that_is_set_is_shown() -> None:
    limits = replace(
        LIMITS, exposure_max=400_000, leverage_ppm_max=500_000, orders_per_hour_max=20, orders_per_day_max=40,
        day_notional_max=1_000_000, losses_in_row_max=5, daily_loss_ppm_max=15_000,
    )  # fmt: skip
    desk = Desk(limits=LIMITS, order_lots=100)
    desk.bought()
    found = shown(desk, limits)
    assert found["exposure"] == ("100000", "400000", "jpy", 250_000)
    assert found["leverage"] == ("10.00", "50.00", "%", 200_000)
    assert found["orders_per_hour"] == ("1", "20", "orders", 50_000)
    assert found["orders_per_day"] == ("1", "40", "orders", 25_000)
    assert found["losses_in_row"] == ("0", "5", "trades", 0)
    # 1.5 % of 1,000,000 is less than 20,000, so that is what breaks first.
    assert found["daily_loss"] == ("0", "15000", "jpy", 0)
    value, most, unit, used_ppm = found["day_value"]
    assert (most, unit, used_ppm) == ("1000000", "jpy", int(value))
    assert 100_000 <= int(value) <= 100_200  # the order's price crosses the touch by a tenth of a per cent


def test_what_has_no_price_is_unknown_and_not_nothing() -> None:
    limits = replace(LIMITS, exposure_max=400_000, leverage_ppm_max=500_000)
    desk = Desk(limits=LIMITS, order_lots=100, instruments=(SPOT, LEVERAGED))
    desk.bought()
    desk.engine.state.desks["btc_jpy"].last_price = 0
    found = shown(desk, limits)
    assert found["position_value btc_jpy"] == ("unknown", "500000", "jpy", None)
    assert found["position_value fx_btc_jpy"][3] == 0
    assert found["exposure"] == ("unknown", "400000", "jpy", None)
    assert found["leverage"] == ("unknown", "50.00", "%", None)
    assert found["position btc_jpy"][3] == 250_000
    [row, *_] = preview_document(desk.engine.state, rules(), now_ns=desk.now_ns)
    assert (row["equity"], row["trips"], row["status"]) == (None, ["no_market_data"], "unknown")


def test_calm() -> None:
    plain = told(Desk(limits=LIMITS))
    assert (plain["status"], plain["guards"], plain["pauses"], plain["reduce_only"]) == ("ok", [], [], [])
    assert (plain["trips_last_hour"], plain["trips"], plain["conservative"]) == (0, [], False)


def test_a_daily_loss_is_told_until_a_resume_and_its_trip_for_an_hour() -> None:
    desk = Desk(limits=LIMITS, order_lots=100)
    desk.bought(times=3)
    desk.market(930)
    plain = told(desk)
    assert plain["status"] == "degraded"
    assert plain["reduce_only"] == ["daily_loss_limit_exceeded"]
    [guard] = plain["guards"]
    reaction = REACTIONS["daily_loss_limit_exceeded"]
    assert guard == {
        "code": "daily_loss_limit_exceeded", "status": "degraded", "category": "limit", "recoverable": False,
        "words": reaction.words, "action": reaction.action(),
    }  # fmt: skip
    assert plain["trips"] == [{"ts_ns": desk.now_ns, "code": "daily_loss_limit_exceeded", "instrument": ""}]
    desk.wait(60 * MINUTE - 1)
    assert told(desk)["trips_last_hour"] == 1
    desk.wait(1)
    plain = told(desk)
    assert (plain["trips_last_hour"], plain["reduce_only"]) == (0, ["daily_loss_limit_exceeded"])


def test_an_abort_wins() -> None:
    desk = Desk(limits=LIMITS, order_lots=100)
    desk.bought(times=3)
    desk.market(800)
    plain = told(desk)
    assert plain["status"] == "abort"
    assert plain["guards"][0]["code"] == "max_drawdown_exceeded"
    assert plain["conservative"] is True


def test_an_operators_kill_is_no_guards() -> None:
    desk = Desk(limits=LIMITS)
    desk.step(Kill(desk.now_ns, "operator", "drill"))
    plain = told(desk)
    assert (plain["status"], plain["guards"], plain["trips"]) == ("ok", [], [])


def test_pauses_with_what_is_left_of_them() -> None:
    desk = Desk(limits=LIMITS)
    desk.step(Pause(desk.now_ns, desk.now_ns + 90 * SECOND, "operator", "lunch"))
    desk.step(Pause(desk.now_ns, desk.now_ns + 30 * SECOND, "operator", "odd", "btc_jpy", freeze=True))
    desk.wait(10 * SECOND)
    assert told(desk)["pauses"] == [
        {"instrument": "", "until_ns": desk.now_ns + 80 * SECOND, "remaining_ms": 80_000, "reason": "lunch",
         "allows_reducing": True},
        {"instrument": "btc_jpy", "until_ns": desk.now_ns + 20 * SECOND, "remaining_ms": 20_000, "reason": "odd",
         "allows_reducing": False},
    ]  # fmt: skip
    desk.wait(20 * SECOND)
    assert [pause["reason"] for pause in told(desk)["pauses"]] == ["lunch"]
    desk.step(Timer(desk.now_ns))
    desk.step(LiftPause(desk.now_ns, "operator", "fine"))
    assert told(desk)["pauses"] == []


def test_the_preview_is_written_for_people() -> None:
    desk = Desk(limits=LIMITS, order_lots=100)
    desk.bought(times=2)
    row = preview_document(desk.engine.state, rules(), now_ns=desk.now_ns)[0]
    assert row == {
        "instrument": "btc_jpy", "change_pct": -10, "equity": "980000", "drawdown_ppm": 20_000, "day_loss": "20000",
        "exposure": "180000", "leverage_ppm": 183_674, "trips": [], "exits": [], "status": "ok",
    }  # fmt: skip
    tight = rules(replace(LIMITS, drawdown_ppm_max=19_999, daily_loss_max=19_999))
    row = preview_document(desk.engine.state, tight, now_ns=desk.now_ns)[0]
    assert (row["trips"], row["status"]) == (["max_drawdown_exceeded", "daily_loss_limit_exceeded"], "abort")


@pytest.mark.parametrize(
    ("ppm", "text"), [(0, "0.00"), (99, "0.00"), (100, "0.01"), (20_100, "2.01"), (1_000_000, "100.00")]
)
def test_per_cent(ppm: int, text: str) -> None:
    assert percent(ppm) == text


@pytest.mark.parametrize(
    ("ppm", "day_open", "most"), [(None, 10, 20_000), (15_000, 1_000_000, 15_000), (30_000, 10**6, 20_000), (1, -5, 0)]
)
def test_of_two_daily_losses_the_smaller_counts(ppm: int | None, day_open: int, most: int) -> None:
    assert day_loss_max(replace(LIMITS, daily_loss_ppm_max=ppm), day_open=day_open) == most

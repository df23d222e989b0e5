"""Late data and a clock that is off: what is told, what is refused, and what goes on all the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import DAY, SECOND, SPOT, WIDE, Desk, notices
from ztb.core.command import Notify
from ztb.core.event import BreakerTurned, ClockMeasured, Depth, Quote, Reconciled, Started, Timer, Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.state import State

MS = 1_000_000


def tick(desk: Desk, seconds: float = 0) -> list[tuple[str, str]]:
    """What a timer ``seconds`` later makes the engine tell of the data; what else it does is told elsewhere."""
    desk.wait(round(seconds * SECOND))
    told = notices(desk.step(Timer(desk.now_ns)))
    return [entry for entry in told if entry[1] not in ("stream_stale", "pause_over", "reduce_only_lifted")]


def measure(desk: Desk, offset_ms: int, uncertainty_ms: int = 0) -> list[tuple[str, str]]:
    return notices(desk.step(ClockMeasured(desk.now_ns, offset_ms * MS, uncertainty_ms * MS)))


def test_data_are_late_after_30_s_lost_after_60_s_and_told_once_each() -> None:
    desk = Desk()
    desk.market(1_000)
    assert tick(desk, 29.999) == []
    assert tick(desk, 0.001) == [("warning", "market_data_late")]
    assert tick(desk, 29.999) == []
    assert tick(desk, 0.001) == [("error", "market_data_lost")]
    assert tick(desk, 3_600) == []
    desk.market(1_000)
    assert tick(desk, 1) == [("info", "market_data_back")]
    assert tick(desk, 1) == []


def test_a_session_without_any_data_is_told_too() -> None:
    assert tick(Desk(), 61) == [("error", "market_data_lost")]


def test_nothing_is_told_before_a_session_begins() -> None:
    assert tick(Desk(started=False), 61) == []


@pytest.mark.parametrize(
    "event",
    [
        Trade(0, SPOT.symbol, 1_000, 1, BUY),
        Quote(0, SPOT.symbol, 999, 1, 1_001, 1),
        Depth(0, SPOT.symbol, ((999, 1),), (), True),
        Depth(0, SPOT.symbol, ((999, 1),), (), False),
    ],
    ids=["trade", "quote", "book", "change of the book"],
)
def test_every_kind_of_data_is_a_sign_of_life(event: Trade | Quote | Depth) -> None:
    desk = Desk()
    desk.wait(25 * SECOND)
    event.ts_ns = desk.now_ns
    desk.step(event)
    assert tick(desk, 29.9) == []


def test_a_price_that_is_too_old_is_not_used_whatever_else_arrives() -> None:
    desk = Desk(limits=replace(WIDE, stale_ns_max=60 * SECOND))
    desk.market(1_000)
    desk.wait(61 * SECOND)
    desk.step(Depth(desk.now_ns, SPOT.symbol, ((999, 1),), ((1_001, 1),), False))
    assert tick(desk) == []
    desk.policy.answer = None
    assert desk.engine.state.desks[SPOT.symbol].last_price == 1_000


def test_a_new_session_counts_the_age_from_its_beginning() -> None:
    desk = Desk()
    desk.market(1_000)
    tick(desk, 61)
    desk.step(Started(desk.now_ns, "install", 2))
    assert tick(desk, 29) == []
    assert tick(desk, 1) == [("warning", "market_data_late")]


def test_the_clock_warns_above_half_a_second_and_closes_above_one() -> None:
    desk = Desk()
    desk.bought()
    assert measure(desk, 500) == []
    assert measure(desk, 501) == [("warning", "clock_offset")]
    assert measure(desk, -1_000) == [], "told once"
    desk.bought()
    assert measure(desk, -1_001) == [("error", "clock_offset_exceeded")]
    assert desk.refused(BUY) == "clock_offset"
    closing = desk.order(SELL)
    assert closing.reduce_only, "what shrinks the position goes on"
    desk.fill(closing)
    assert measure(desk, 999) == [("warning", "clock_offset")]
    assert desk.order(BUY)
    assert measure(desk, 0) == [("info", "clock_offset_passed")]


def test_the_words_say_which_way_and_what_to_do() -> None:
    desk = Desk()
    [told] = desk.step(ClockMeasured(desk.now_ns, 1_700 * MS, 20 * MS))
    assert isinstance(told, Notify)
    assert told.text == (
        "this host's clock is 1700 ms behind the venue's (give or take 20 ms); nothing is opened until it is "
        "corrected (NTP)"
    )


def test_what_cannot_be_measured_exactly_does_not_close() -> None:
    # A venue that tells whole seconds: 1.3 s, give or take half a second, may be 0.8 s.
    desk = Desk()
    assert measure(desk, 1_300, 500) == [("warning", "clock_offset")]
    assert desk.order(BUY)
    assert measure(desk, 1_501, 500) == [("error", "clock_offset_exceeded")]


def test_a_stronger_reason_is_the_one_that_is_told() -> None:
    desk = Desk(reduce_only=True)
    measure(desk, 5_000)
    assert desk.refused(BUY) == "clock_offset"
    measure(desk, 0)
    assert desk.refused(BUY) == "reduce_only"


def test_a_new_session_has_to_measure_again() -> None:
    desk = Desk()
    measure(desk, 5_000)
    desk.step(Started(desk.now_ns, "install", 2))
    desk.step(Reconciled(desk.now_ns, True))
    assert desk.order(BUY)
    assert measure(desk, 5_000) == [("error", "clock_offset_exceeded")]


def test_the_state_carries_what_was_measured() -> None:
    desk = Desk()
    measure(desk, -700, 30)
    plain = desk.engine.state.snapshot()
    assert plain["clock"] == [-700 * MS, 30 * MS, 1]
    measure(desk, -1_700, 30)
    assert desk.engine.state.snapshot()["control"]["clock_is_off"] is True
    heir = State(desk.config)
    heir.restore(plain)
    assert (heir.clock_offset_ns, heir.control.clock_is_off) == (0, False), "every start measures anew"


@given(st.integers(-(10**11), 10**11), st.integers(0, 10**11))
def test_it_closes_exactly_when_the_offset_is_above_a_second_beyond_doubt(offset_ns: int, uncertainty_ns: int) -> None:
    desk = Desk()
    desk.step(ClockMeasured(desk.now_ns, offset_ns, uncertainty_ns))
    low, high = offset_ns - uncertainty_ns, offset_ns + uncertainty_ns
    is_beyond = low > SECOND or high < -SECOND
    assert (desk.refused(BUY) if is_beyond else desk.order(BUY) and "") == ("clock_offset" if is_beyond else "")


def test_the_breaker_is_told() -> None:
    desk = Desk()
    opened = notices(desk.step(BreakerTurned(desk.now_ns, True, "no answer")))
    assert opened == [("error", "breaker_open"), ("error", "api_health")]
    closed = notices(desk.step(BreakerTurned(desk.now_ns, False, "answers")))
    assert closed == [("info", "breaker_closed"), ("info", "reduce_only_lifted")]


def test_a_day_of_timers_without_data_says_it_once() -> None:
    desk = Desk()
    told = [entry for _ in range(100) for entry in tick(desk, DAY / SECOND / 100)]
    assert told == [("error", "market_data_lost")]

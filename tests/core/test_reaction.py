"""The table of reactions against the requirements, written down here a second time; and what a trip does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, MINUTE, SECOND, SPOT, T0, Desk, cancels, notices
from ztb.core.command import Cleared, Command, Tripped
from ztb.core.control import Level
from ztb.core.event import LiftPause, Resume, Timer
from ztb.core.instrument import BUY
from ztb.core.reaction import REACTIONS, Cancels, ReduceOnly, Scope, Status, status_of, strongest
from ztb.core.trip import HOUR_NS, TRIPS_PER_HOUR_MAX, clear, trip, trips_last_hour

# C-44 to C-49: code and status, to the letter.
MATRIX = {
    "max_drawdown_exceeded": "abort", "daily_loss_limit_exceeded": "degraded",
    "max_position_size_exceeded": "degraded", "max_trade_loss_exceeded": "abort", "max_leverage_exceeded": "degraded",
    "wallet_drift_exceeded": "degraded",
}  # fmt: skip

# E's matrix of reactions: what is cancelled, whether only what shrinks may leave, seconds of pause, and of what.
RUNBOOK = {
    "api_health": ("all", True, 300, "all"),
    "stale_mark": ("none", False, 120, "instrument"),
    "slippage_guard": ("none", False, 60, "instrument"),
    "validation_failures": ("opening", True, 180, "all"),
    "broker_read_failures": ("none", False, 120, "all"),
    "stream_stale": ("opening", True, 30, "all"),
    "stream_reconnected": ("none", False, 30, "all"),
    "stream_attempts_failed": ("none", False, 300, "all"),
}


@pytest.mark.parametrize("code", MATRIX)
def test_the_stop_and_degrade_matrix(code: str) -> None:
    reaction = REACTIONS[code]
    assert reaction.status == MATRIX[code]
    assert reaction.kill is (MATRIX[code] == "abort")
    assert reaction.kill or reaction.reduce_only is not ReduceOnly.NO


@pytest.mark.parametrize("code", RUNBOOK)
def test_the_reactions_of_the_runbook(code: str) -> None:
    reaction = REACTIONS[code]
    found = (reaction.cancels, reaction.reduce_only is not ReduceOnly.NO, reaction.pause_ns // SECOND, reaction.scope)
    assert found == RUNBOOK[code]
    assert reaction.recoverable, "it passes without an operator"


def test_abort_wins_whatever_trips_with_it() -> None:
    for codes in itertools.permutations(MATRIX, 3):
        has_abort = any(MATRIX[code] == "abort" for code in codes)
        assert status_of(codes) == ("abort" if has_abort else "degraded")
        assert (MATRIX[strongest(codes)[0]] == "abort") is has_abort
        assert sorted(strongest(codes)) == sorted(codes)
    assert status_of([]) == "ok"


def test_every_row_has_words_and_does_something() -> None:
    for reaction in REACTIONS.values():
        assert len(reaction.words.split()) > 3
        assert reaction.action()
        assert reaction.row


def tripped(desk: Desk, code: str, *, instrument: str = "") -> list[Command]:
    """The trip by itself, in the state of a running engine."""
    return trip(desk.engine.state, code, desk.now_ns, instrument=instrument)


@pytest.mark.parametrize("code", REACTIONS)
def test_a_trip_does_what_its_row_says_and_only_once(code: str) -> None:
    desk = Desk(instruments=(SPOT, LEVERAGED))
    desk.bought()
    opening, other = desk.working(BUY, price=999), desk.working(BUY, instrument=LEVERAGED)
    reaction = REACTIONS[code]
    commands = tripped(desk, code, instrument=SPOT.symbol)
    [record] = [command for command in commands if isinstance(command, Tripped)]
    assert (record.code, record.instrument) == (code, SPOT.symbol)
    own, everything = {opening.client_id}, {opening.client_id, other.client_id}
    expected = set() if reaction.cancels is Cancels.NONE else own if reaction.scope is Scope.INSTRUMENT else everything
    assert {command.client_id for command in cancels(commands)} == expected
    control = desk.engine.state.control
    assert control.killed is (reaction.status is Status.ABORT)
    assert (code in control.reduce_only_reasons) is (reaction.reduce_only is not ReduceOnly.NO)
    if reaction.pause_ns:
        assert record.until_ns == desk.now_ns + reaction.pause_ns
        assert control.level(record.until_ns - 1, SPOT.symbol) is Level.PAUSED
        paused = control.level(record.until_ns - 1, LEVERAGED.symbol) is Level.PAUSED
        assert paused is (reaction.scope is Scope.ALL)
        assert control.level(record.until_ns, SPOT.symbol) is not Level.PAUSED
    assert tripped(desk, code, instrument=SPOT.symbol) == []


def test_an_order_that_shrinks_a_position_is_not_taken_back_by_what_only_closes_the_opening() -> None:
    desk = Desk()
    desk.bought(times=2)
    closing = desk.working(-BUY, price=1_001)
    assert cancels(tripped(desk, "daily_loss_limit_exceeded")) == []
    assert [one.client_id for one in cancels(tripped(desk, "api_health"))] == [closing.client_id]


def test_what_clears_by_itself_does_and_what_needs_an_operator_does_not() -> None:
    desk = Desk()
    state = desk.engine.state
    tripped(desk, "stream_stale")
    tripped(desk, "daily_loss_limit_exceeded")
    assert clear(state, "daily_loss_limit_exceeded", desk.now_ns) == []
    assert type(clear(state, "stream_stale", desk.now_ns)[0]) is Cleared
    assert clear(state, "stream_stale", desk.now_ns) == []
    assert state.control.reduce_only_reasons == {"daily_loss_limit_exceeded": False}
    desk.step(Resume(desk.now_ns, "operator", "seen"))
    assert state.control.reduce_only_reasons == {}


def test_a_trip_under_the_kill_adds_nothing() -> None:
    desk = Desk()
    tripped(desk, "max_drawdown_exceeded")
    assert tripped(desk, "daily_loss_limit_exceeded") == []
    assert desk.engine.state.control.kill_reason == "max_drawdown_exceeded"


def test_a_shorter_pause_of_another_code_is_counted_once_and_shortens_nothing() -> None:
    desk = Desk()
    tripped(desk, "stream_attempts_failed")
    until_ns = desk.engine.state.control.pause_until_ns
    assert tripped(desk, "stream_reconnected")
    assert tripped(desk, "stream_reconnected") == []
    assert desk.engine.state.control.pause_until_ns == until_ns
    assert trips_last_hour(desk.engine.state, desk.now_ns) == 2


def test_after_an_operator_lifted_the_pause_what_trips_again_pauses_again() -> None:
    desk = Desk()
    tripped(desk, "broker_read_failures")
    desk.step(LiftPause(desk.now_ns, "operator", "fixed"))
    assert desk.engine.state.control.level(desk.now_ns) is Level.NORMAL
    assert tripped(desk, "broker_read_failures")


def test_the_eleventh_trip_of_an_hour_pauses_everything() -> None:
    desk = Desk()
    codes: list[str] = []
    for _ in range(TRIPS_PER_HOUR_MAX + 1):
        codes += [code for _, code in notices(tripped(desk, "stream_reconnected"))]
        desk.wait(31 * SECOND)
    assert codes == ["stream_reconnected"] * 11 + ["too_many_trips"]
    assert desk.refused(BUY) == "paused"
    desk.wait(HOUR_NS - 31 * SECOND)
    assert desk.order(BUY)
    assert trips_last_hour(desk.engine.state, desk.now_ns) == 0
    assert trips_last_hour(desk.engine.state, desk.now_ns - 1) == 1


def test_ten_trips_of_an_hour_are_not_too_many() -> None:
    desk = Desk()
    for _ in range(TRIPS_PER_HOUR_MAX):
        tripped(desk, "stream_reconnected")
        desk.wait(31 * SECOND)
    desk.wait(HOUR_NS - 31 * 10 * SECOND)
    assert notices(tripped(desk, "stream_reconnected")) == [("warning", "stream_reconnected")]


@given(st.lists(st.tuples(st.sampled_from(sorted(REACTIONS)), st.integers(0, 400)), max_size=30))
def test_no_trip_ever_shortens_a_pause_or_lifts_anything(steps: list[tuple[str, int]]) -> None:
    desk = Desk()
    control = desk.engine.state.control
    for code, seconds in steps:
        desk.wait(seconds * SECOND)
        before = control.level(desk.now_ns, SPOT.symbol)
        ends = {name: until_ns for name, until_ns, _, _ in control.pauses_in_force(desk.now_ns)}
        tripped(desk, code, instrument=SPOT.symbol)
        after = {name: until_ns for name, until_ns, _, _ in control.pauses_in_force(desk.now_ns)}
        assert control.level(desk.now_ns, SPOT.symbol) >= before
        assert all(after[name] >= until_ns for name, until_ns in ends.items())
        assert trips_last_hour(desk.engine.state, desk.now_ns) <= len(steps)


def test_a_pause_that_is_over_is_told_once() -> None:
    desk = Desk()
    desk.market(1_000)
    tripped(desk, "slippage_guard", instrument=SPOT.symbol)
    desk.wait(MINUTE)
    desk.market(1_000)
    assert notices(desk.step(Timer(desk.now_ns))) == [("info", "pause_over")]
    assert notices(desk.step(Timer(desk.now_ns))) == []
    assert desk.now_ns > T0


def test_what_only_waits_or_costs_a_little_is_told_as_a_warning() -> None:
    """B-26: slippage warns; an abort wakes people; the rest are errors."""
    told = {reaction.severity: {one.code for one in REACTIONS.values() if one.severity == reaction.severity}
            for reaction in REACTIONS.values()}  # fmt: skip
    assert told["warning"] == {"slippage_guard", "cooldown_active", "stream_reconnected"}
    assert told["emergency"] == {"risk_evaluation_failed", "max_drawdown_exceeded", "max_trade_loss_exceeded"}
    assert set(told) == {"warning", "error", "emergency"}

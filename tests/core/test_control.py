"""The emergency controls: which is stronger, what each lets through, what survives a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, MINUTE, SECOND, T0, Desk, cancels, notices, places
from ztb.core.control import PERMITS, REFUSALS, Control, Level
from ztb.core.event import Kill, Pause, Reconciled, Resume, Started, Stop
from ztb.core.instrument import BUY, SELL

NS = st.integers(0, 10**19)


# What may leave at each level: opening, reducing, cancels. Written from the table of emergency controls: pause and
# reduce-only let a position shrink; observing has no way out at all; killed, stopping and not yet reconciled only
# cancel.
EXPECTED = {
    "NORMAL": (True, True, True),
    "REDUCE_ONLY": (False, True, True),
    "CLOCK": (False, True, True),
    "PAUSED": (False, True, True),
    "FROZEN": (False, False, True),
    "OBSERVE": (False, False, False),
    "STARTING": (False, False, True),
    "STOPPING": (False, False, True),
    "FLATTENING": (False, False, True),
    "KILLED": (False, False, True),
}


def test_what_each_level_lets_through() -> None:
    assert {level.name: tuple(permit) for level, permit in PERMITS.items()} == EXPECTED
    assert set(REFUSALS) == set(Level) - {Level.NORMAL}


def test_a_stronger_level_never_opens_what_a_weaker_one_closed() -> None:
    opening = [PERMITS[level].opening for level in sorted(Level)]
    assert opening == [True] + [False] * (len(Level) - 1)


@given(*[st.booleans()] * 9)
def test_the_strongest_control_that_is_on_decides(
    observe: bool,
    profile: bool,
    guard: bool,
    paused: bool,
    killed: bool,
    reconciled: bool,
    stopping: bool,
    off: bool,
    frozen: bool,
) -> None:
    control = Control(
        observe=observe, reduce_only_profile=profile, reduce_only_reasons={"loss": False} if guard else {},
        pause_until_ns=100 if paused else 0, killed=killed, reconciled=reconciled, stopping=stopping,
        clock_is_off=off, freezes={"": (100, "wait")} if frozen else {},
    )  # fmt: skip
    on = [
        (killed, "KILLED"),
        (stopping, "STOPPING"),
        (observe, "OBSERVE"),
        (not reconciled, "STARTING"),
        (frozen, "FROZEN"),
        (paused, "PAUSED"),
        (off, "CLOCK"),
        (profile or guard, "REDUCE_ONLY"),
        (True, "NORMAL"),
    ]
    assert control.level(99).name == next(name for is_on, name in on if is_on)


@given(st.lists(NS, min_size=1, max_size=10), NS)
def test_a_pause_never_shortens_an_older_one(ends_ns: list[int], now_ns: int) -> None:
    control = Control(reconciled=True)
    longest = 0
    for end_ns in ends_ns:
        took = control.pause(end_ns, f"until {end_ns}")
        assert took is (end_ns > longest)
        longest = max(longest, end_ns)
        assert control.pause_until_ns == longest
        assert control.pause_reason == (f"until {longest}" if longest else "")
    assert (control.level(now_ns) is Level.PAUSED) is (now_ns < longest)


def test_a_pause_ends_at_its_end() -> None:
    control = Control(reconciled=True)
    control.pause(100, "wait")
    assert control.level(99) is Level.PAUSED
    assert control.level(100) is Level.NORMAL


def test_the_first_reason_of_a_kill_stays() -> None:
    control = Control()
    assert control.kill(source="breaker", reason="drawdown", now_ns=7)
    assert not control.kill(source="operator", reason="too", now_ns=8)
    assert (control.kill_source, control.kill_reason, control.kill_ns) == ("breaker", "drawdown", 7)


def test_a_resume_lifts_everything_but_what_the_profile_says() -> None:
    control = Control(reduce_only_profile=True, reconciled=True)
    control.kill(source="operator", reason="look", now_ns=7)
    control.pause(10**18, "wait")
    control.reduce("loss")
    control.resume()
    assert control.level(8) is Level.REDUCE_ONLY
    assert control == Control(reduce_only_profile=True, reconciled=True, conservative=True)


@given(st.booleans(), NS, st.text(max_size=5), st.booleans(), st.booleans(), st.booleans())
def test_the_latch_pauses_and_reduce_only_outlive_the_process_and_the_rest_does_not(
    killed: bool, until_ns: int, reason: str, observe: bool, reconciled: bool, stopping: bool
) -> None:
    old = Control(observe=observe, reconciled=reconciled, stopping=stopping)
    old.reduce(reason, clears_itself=killed)
    old.pause(until_ns, "wait")
    if killed:
        old.kill(source="operator", reason="look", now_ns=7)
    new = Control(observe=not observe)
    new.restore(old.snapshot())
    assert new.killed is killed
    assert (new.kill_source, new.kill_reason, new.kill_ns) == (("operator", "look", 7) if killed else ("", "", 0))
    assert new.pause_until_ns == until_ns
    assert new.reduce_only_reasons == {reason: killed}
    assert new.conservative is killed
    assert new.observe is not observe
    assert not new.reconciled
    assert not new.stopping


# --- the same through the engine -----------------------------------------------------------------------------------


def test_nothing_leaves_before_the_venue_is_reconciled() -> None:
    desk = Desk(started=False)
    desk.step(Started(T0, "install", 1))
    assert desk.refused(BUY) == "not_reconciled"
    desk.step(Reconciled(T0, False, "one order too many"))
    assert desk.refused(BUY) == "not_reconciled"
    desk.step(Reconciled(T0, True))
    assert desk.order(BUY).lots == 10


def test_a_difference_that_nobody_can_explain_stops_opening_and_is_told() -> None:
    desk = Desk()
    assert notices(desk.step(Reconciled(T0, False, "who is v9?"))) == [("error", "reconciliation_unclean")]
    assert desk.refused(BUY) == "not_reconciled"


def test_a_pause_lets_a_position_shrink_and_nothing_open() -> None:
    desk = Desk()
    desk.bought(times=2)
    told = desk.step(Pause(T0, T0 + MINUTE, "guard", "volatile"))
    assert notices(told) == [("warning", "paused")]
    assert desk.refused(BUY) == "paused"
    closing = desk.order(SELL)
    assert closing.reduce_only
    desk.fill(closing)
    desk.wait(MINUTE)
    assert desk.order(BUY)


def test_a_shorter_pause_through_the_engine_changes_nothing() -> None:
    desk = Desk()
    desk.step(Pause(T0, T0 + 10 * MINUTE, "operator", "lunch"))
    desk.step(Pause(T0, T0 + MINUTE, "guard", "volatile"))
    desk.wait(9 * MINUTE)
    assert desk.refused(BUY) == "paused"
    assert desk.engine.state.control.pause_reason == "lunch"


@pytest.mark.parametrize(("first", "second"), [(BUY, SELL), (SELL, BUY)])
def test_reduce_only_shrinks_from_both_sides_and_never_flips(first: int, second: int) -> None:
    desk = Desk(instruments=(LEVERAGED,), order_lots=10)
    opened = desk.working(first, instrument=LEVERAGED)
    desk.fill(opened, lots=4)
    desk.cancelled(opened)
    desk.engine.state.control.reduce("loss")
    assert desk.refused(first, instrument=LEVERAGED) == "reduce_only"
    place = desk.order(second, instrument=LEVERAGED)
    assert place.lots == 4
    assert place.reduce_only
    assert desk.refused(second, instrument=LEVERAGED) == "reduce_only"


def test_the_profile_s_reduce_only_survives_a_resume() -> None:
    desk = Desk(reduce_only=True)
    desk.step(Kill(T0, "operator", "look"))
    desk.step(Resume(T0, "operator", "seen"))
    assert desk.refused(BUY) == "reduce_only"


def test_a_profile_that_only_observes_has_no_way_out() -> None:
    desk = Desk(observe=True)
    for side in (BUY, SELL):
        assert desk.refused(side) == "observe_only"
    desk.step(Resume(T0, "operator", "please"))
    assert desk.refused(BUY) == "observe_only"
    assert not places(desk.commands)
    assert not cancels(desk.commands)


def test_a_kill_cancels_everything_says_so_once_and_leaves_silence() -> None:
    desk = Desk()
    first, second = desk.working(BUY), desk.order(BUY)
    commands = desk.step(Kill(T0, "operator", "enough"))
    assert notices(commands) == [("emergency", "killed")]
    assert [(c.client_id, c.venue_id, c.reason) for c in cancels(commands)] == [
        (first.client_id, "v1", "killed"),
        (second.client_id, "", "killed"),
    ]
    assert desk.step(Kill(T0, "operator", "enough!")) == []
    assert desk.refused(BUY) == "killed"
    assert desk.refused(SELL) == "killed"


def test_a_resume_needs_reconciliation() -> None:
    desk = Desk()
    desk.step(Kill(T0, "operator", "enough"))
    desk.step(Reconciled(T0, False, "?"))
    assert notices(desk.step(Resume(T0, "operator", "go on"))) == [("error", "resume_refused")]
    assert desk.refused(BUY) == "killed"
    desk.step(Reconciled(T0, True))
    assert notices(desk.step(Resume(T0, "operator", "go on"))) == [("warning", "resumed")]
    assert desk.order(BUY)


def test_stopping_cancels_what_works_and_opens_nothing() -> None:
    desk = Desk()
    place = desk.working(BUY)
    assert [c.client_id for c in cancels(desk.step(Stop(T0, "SIGTERM")))] == [place.client_id]
    desk.wait(SECOND)
    assert desk.refused(BUY) == "stopping"
    assert desk.refused(SELL) == "stopping"

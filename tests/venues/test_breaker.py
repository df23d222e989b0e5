"""The circuit breaker against its written rule, and against any course of calls."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.scripted_clock import ScriptedClock
from ztb.core.error import (
    CredentialError,
    GateClosed,
    Rejected,
    Throttled,
    UnknownFate,
    Unreachable,
    VenueError,
)
from ztb.venues.breaker import Breaker, BreakerState, success_of
from ztb.venues.limiter import BREAKER_OPEN, LimitClass, Limiter, RateRule

SECOND = 1_000_000_000
OPEN_FOR = 60 * SECOND


def call(breaker: Breaker, success: bool | None, now_ns: int = 0) -> bool:
    """One whole call; False when it was not let through."""
    ticket = breaker.enter(now_ns)
    if ticket is None:
        return False
    breaker.leave(ticket, success=success, now_ns=now_ns)
    return True


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        call(breaker, False)
    assert breaker.state(0) is BreakerState.OPEN
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not() -> None:
    breaker = Breaker()
    for success in (False, False, False, False, True, False, False, False, False):
        call(breaker, success)
        if breaker.state(0) is BreakerState.OPEN:
            break
    # Nine calls, eight failed: never five in a row, and fewer than ten say nothing about a ratio.
    assert breaker.state(0) is BreakerState.CLOSED
    call(breaker, False)
    assert breaker.state(0) is BreakerState.OPEN
    assert breaker.openings == 1


def test_half_of_ten_calls_open_it_and_less_than_half_of_fifty_does_not() -> None:
    breaker = Breaker()
    for _ in range(5):
        call(breaker, True)
        call(breaker, False)
    assert breaker.state(0) is BreakerState.OPEN
    patient = Breaker()
    for number in range(500):
        call(patient, number % 9 < 5)  # four of nine fail, four in a row: never 25 of 50
    assert patient.state(0) is BreakerState.CLOSED


def test_only_the_newest_fifty_count() -> None:
    breaker = Breaker()
    for _ in range(1_000):
        call(breaker, True)
    for _ in range(12):  # 24 of the newest 48 and, with two good ones before them, of 50
        call(breaker, False)
        call(breaker, False)
        call(breaker, True)
        call(breaker, True)
    assert breaker.state(0) is BreakerState.CLOSED
    call(breaker, False)
    assert breaker.state(0) is BreakerState.OPEN


def test_open_it_lets_urgent_calls_through_and_learns_nothing_from_them() -> None:
    breaker = opened()
    assert breaker.enter(OPEN_FOR - 1) is None
    ticket = breaker.enter(OPEN_FOR - 1, urgent=True)
    assert ticket is not None
    breaker.leave(ticket, success=True, now_ns=OPEN_FOR - 1)
    assert breaker.state(OPEN_FOR - 1) is BreakerState.OPEN


def test_after_a_minute_five_trials_close_it() -> None:
    breaker = opened()
    tickets = [breaker.enter(OPEN_FOR) for _ in range(5)]
    assert all(ticket is not None and ticket.is_trial for ticket in tickets)
    assert breaker.enter(OPEN_FOR) is None
    assert breaker.is_shut(OPEN_FOR)
    assert breaker.enter(OPEN_FOR, urgent=True) is not None
    for ticket in tickets:
        assert breaker.state(OPEN_FOR) is BreakerState.HALF_OPEN
        assert ticket is not None
        breaker.leave(ticket, success=True, now_ns=OPEN_FOR)
    assert breaker.state(OPEN_FOR) is BreakerState.CLOSED


def test_one_failed_trial_opens_it_for_another_minute() -> None:
    breaker = opened()
    assert call(breaker, True, OPEN_FOR)
    assert call(breaker, False, OPEN_FOR + 7)
    assert breaker.state(OPEN_FOR + 7) is BreakerState.OPEN
    assert breaker.state(2 * OPEN_FOR + 6) is BreakerState.OPEN
    assert breaker.state(2 * OPEN_FOR + 7) is BreakerState.HALF_OPEN
    assert breaker.openings == 2


def test_a_trial_that_says_nothing_gives_its_place_to_another() -> None:
    breaker = opened()
    for _ in range(20):
        assert call(breaker, None, OPEN_FOR)
    assert breaker.state(OPEN_FOR) is BreakerState.HALF_OPEN


def test_an_answer_to_a_call_of_before_is_no_trial() -> None:
    breaker = Breaker()
    late = [breaker.enter(0) for _ in range(6)]
    for _ in range(5):
        call(breaker, False)
    assert breaker.state(OPEN_FOR) is BreakerState.HALF_OPEN
    for ticket in late:
        assert ticket is not None
        breaker.leave(ticket, success=False, now_ns=OPEN_FOR)
    assert breaker.state(OPEN_FOR) is BreakerState.HALF_OPEN


STEPS = st.tuples(
    st.sampled_from(["enter", "leave"]), st.booleans(), st.sampled_from([True, False, None]), st.integers(0, 40)
)


@given(st.lists(STEPS, max_size=200))
def test_whatever_happens_urgent_calls_pass_and_a_shut_one_opens_again(
    steps: list[tuple[str, bool, bool | None, int]],
) -> None:
    """Kept beside it: since when it is open, and how many calls are out as trials."""
    breaker, now_ns, out = Breaker(), 0, []
    for what, urgent, success, passed_s in steps:
        now_ns += passed_s * SECOND
        before = breaker.state(now_ns)
        if what == "enter":
            shut = breaker.is_shut(now_ns)
            ticket = breaker.enter(now_ns, urgent=urgent)
            assert (ticket is None) == (shut and not urgent)
            if before is BreakerState.CLOSED:
                assert ticket is not None
                assert not ticket.is_trial
            if before is BreakerState.OPEN:
                assert (ticket is not None) == urgent
            if ticket is not None:
                out.append(ticket)
        elif out:
            breaker.leave(out.pop(), success=success, now_ns=now_ns)
            after = breaker.state(now_ns)
            if success is not False:
                assert after is before or (before is BreakerState.HALF_OPEN and after is BreakerState.CLOSED)
            if before is BreakerState.OPEN:
                assert after is BreakerState.OPEN
        assert sum(ticket.is_trial for ticket in set(out)) <= 5 * (breaker.openings + 1)
    for ticket in out:
        breaker.leave(ticket, success=None, now_ns=now_ns)
    now_ns += OPEN_FOR
    for _ in range(5):
        assert call(breaker, True, now_ns), "no breaker stays shut for ever"
    assert breaker.state(now_ns) is BreakerState.CLOSED


NETWORK = {"kind": "network"}


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (None, True),
        (Rejected("no", kind="exchange"), True),
        (VenueError("unknown text", kind="exchange", code="odd"), True),
        (VenueError("late", kind="network"), False),
        (UnknownFate("reset", kind="network"), False),
        (Unreachable("dns", kind="network"), False),
        (VenueError("html", kind="exchange", code="undecodable"), False),
        (Throttled("429", kind="rate_limit"), None),
        (GateClosed("killed", kind="exchange"), None),
        (CredentialError("nonce"), None),
        (asyncio.CancelledError(), None),
    ],
)
def test_what_the_end_of_a_call_says(error: BaseException | None, verdict: bool | None) -> None:
    assert success_of(error, wall_s=29.9) is verdict


def test_an_answer_after_half_a_minute_is_none() -> None:
    assert success_of(None, wall_s=30.0) is False
    assert success_of(Rejected("no", kind="exchange"), wall_s=30.0) is False


def _limiter(clock: ScriptedClock) -> Limiter:
    rules = {
        "public": RateRule(LimitClass.PUBLIC, calls=100, period_s=1),
        "info": RateRule(LimitClass.PRIVATE, calls=100, period_s=1),
        "trade": RateRule(LimitClass.EXEC, calls=100, period_s=1),
    }
    return Limiter(rules, clock=clock)


def test_in_the_limiter_it_stops_the_key_and_not_the_public_calls() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        limiter = _limiter(clock)
        for method in ("info", "trade", "info", "trade", "info"):
            with pytest.raises(Unreachable):
                async with limiter.slot(method):
                    raise Unreachable("dns", kind="network")
        left = 0
        with pytest.raises(Throttled) as caught:
            async with limiter.slot("trade"):
                left += 1
        assert (left, caught.value.kind, caught.value.code, caught.value.retryable) == (
            0,
            "network",
            BREAKER_OPEN,
            True,
        )
        assert "cancels and look-ups go on" in caught.value.remedy
        async with limiter.slot("info", urgent=True), limiter.slot("public"):
            left += 1
        assert left == 1
        assert [room.breaker for room in limiter.rooms()] == ["closed", "open", "open"]
        # A call that was refused took no place of the venue's limit.
        assert limiter.head_room("trade") == 98
        clock.advance(60)
        for _ in range(5):
            async with limiter.slot("info"):
                pass
        assert [room.breaker for room in limiter.rooms()] == ["closed"] * 3

    asyncio.run(run())


def test_a_call_that_waited_for_its_place_while_it_opened_is_not_made() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        rules = {
            "slow": RateRule(LimitClass.PRIVATE, calls=1, period_s=5, wait_s_max=60),
            "info": RateRule(LimitClass.PRIVATE, calls=100, period_s=1),
        }
        limiter = Limiter(rules, clock=clock)
        async with limiter.slot("slow"):
            pass

        async def fail() -> None:
            for _ in range(5):
                with pytest.raises(Unreachable):
                    async with limiter.slot("info"):
                        raise Unreachable("dns", kind="network")

        async def wait() -> None:
            async with limiter.slot("slow"):
                raise AssertionError("the call was made")

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        await fail()
        with pytest.raises(Throttled, match="circuit breaker"):
            await waiting
        assert limiter.head_room("slow") == 1

    asyncio.run(run())

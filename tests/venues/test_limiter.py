"""The limiter against a clock that moves only when told, and against a venue that counts for itself."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.error import Throttled
from ztb.venues.limiter import LimitClass, Limiter, RateRule


def _limiter(clock: ScriptedClock, *, wait_s_max: float = 0.0, reserve: int = 1) -> Limiter:
    rules = {
        "trade": RateRule(LimitClass.EXEC, calls=3, period_s=10, reserve=reserve, wait_s_max=wait_s_max),
        "info": RateRule(LimitClass.PRIVATE, calls=2, period_s=1, wait_s_max=wait_s_max),
    }
    return Limiter(rules, clock=clock)


async def _call(limiter: Limiter, method: str = "trade", *, urgent: bool = False) -> None:
    async with limiter.slot(method, urgent=urgent):
        pass


def test_reserve_is_for_urgent_calls_only() -> None:
    async def run() -> None:
        limiter = _limiter(ScriptedClock())
        assert (limiter.head_room("trade"), limiter.head_room("trade", urgent=True)) == (2, 3)
        await _call(limiter)
        await _call(limiter)
        with pytest.raises(Throttled) as caught:
            await _call(limiter)
        assert (caught.value.kind, caught.value.code, caught.value.retryable) == ("rate_limit", "own_limit", True)
        assert (limiter.head_room("trade"), limiter.head_room("trade", urgent=True)) == (0, 1)
        await _call(limiter, urgent=True)
        with pytest.raises(Throttled):
            await _call(limiter, urgent=True)
        assert (limiter.head_room("trade"), limiter.head_room("info")) == (0, 2)

    asyncio.run(run())


def test_place_comes_free_one_period_after_the_answer() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        limiter = _limiter(clock, reserve=0)
        async with limiter.slot("trade"):
            clock.advance(4)
        clock.advance(9.9)
        assert limiter.head_room("trade") == 2
        clock.advance(0.2)
        assert limiter.head_room("trade") == 3

    asyncio.run(run())


def test_call_in_flight_keeps_its_place_however_long_it_takes() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        limiter = _limiter(clock, reserve=0)
        async with limiter.slot("trade"), limiter.slot("trade"), limiter.slot("trade"):
            clock.advance(3600)
            with pytest.raises(Throttled, match="in flight"):
                await _call(limiter)

    asyncio.run(run())


def test_failed_call_gives_its_place_back_to_time_only() -> None:
    async def run() -> None:
        limiter = _limiter(ScriptedClock(), reserve=0)
        with pytest.raises(ValueError, match="broken"):
            async with limiter.slot("trade"):
                raise ValueError("broken")
        assert limiter.head_room("trade") == 2

    asyncio.run(run())


def test_waits_when_the_rule_allows_and_only_so_long() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        limiter = _limiter(clock, wait_s_max=2.0)
        await _call(limiter, "info")
        await _call(limiter, "info")
        await _call(limiter, "info")
        assert 1.0 <= sum(clock.slept) <= 1.1
        for _ in range(2):
            await _call(limiter)
        with pytest.raises(Throttled):
            await _call(limiter)

    asyncio.run(run())


def test_waiting_for_a_call_in_flight_ends_when_it_is_answered() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        rules = {"one": RateRule(LimitClass.PUBLIC, calls=1, period_s=0.5, wait_s_max=60)}
        limiter = Limiter(rules, clock=clock)
        await limiter.acquire("one")
        waiting = asyncio.ensure_future(limiter.acquire("one"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        limiter.release("one")
        await waiting

    asyncio.run(run())


def test_penalty_closes_urgent_calls_as_well_and_never_shortens() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        limiter = _limiter(clock)
        limiter.penalise("trade", 60)
        limiter.penalise("trade", 1)
        clock.advance(59)
        assert limiter.head_room("trade", urgent=True) == 0
        with pytest.raises(Throttled):
            await _call(limiter, urgent=True)
        assert limiter.head_room("info") == 2
        clock.advance(2)
        await _call(limiter, urgent=True)

    asyncio.run(run())


def test_penalty_of_a_class_spares_the_others() -> None:
    limiter = _limiter(ScriptedClock())
    limiter.penalise_class(LimitClass.PRIVATE, 5)
    assert (limiter.head_room("trade"), limiter.head_room("info")) == (2, 0)


@settings(max_examples=examples(100), deadline=None)
@given(
    calls=st.integers(1, 5),
    latencies=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1), st.floats(0, 4)), min_size=1, max_size=60),
)
def test_venue_that_counts_anywhere_between_request_and_answer_never_sees_too_many(
    calls: int, latencies: list[tuple[float, float, float]]
) -> None:
    """Each entry: how long the call takes, when within it the venue counts it, and the pause before it."""
    clock = ScriptedClock()
    limiter = Limiter({"m": RateRule(LimitClass.EXEC, calls=calls, period_s=2.0, wait_s_max=100)}, clock=clock)
    counted: deque[int] = deque()

    async def run() -> None:
        for latency_s, fraction, pause_s in latencies:
            clock.advance(pause_s)
            async with limiter.slot("m"):
                counted.append(clock.monotonic_ns() + round(latency_s * fraction * 1e9))
                clock.advance(latency_s)

    asyncio.run(run())
    for first, beyond in zip(counted, list(counted)[calls:], strict=False):
        assert beyond - first >= 2_000_000_000


def test_a_venue_may_grant_an_account_more() -> None:
    rules = {
        "public": RateRule(LimitClass.PUBLIC, calls=10, period_s=1.0),
        "trade": RateRule(LimitClass.EXEC, calls=9, period_s=10.0, reserve=2),
    }
    rooms = {room.name: room for room in Limiter(rules, clock=ScriptedClock(), private_factor=5).rooms()}
    assert (rooms["public"].calls, rooms["public"].free) == (10, 10), "the host's limit is for everybody"
    assert (rooms["trade"].calls, rooms["trade"].free, rooms["trade"].free_urgent) == (45, 35, 45)

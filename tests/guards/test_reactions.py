"""Every guard through a whole daemon: it trips, what must follow does, and just below its limit nothing trips."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guards.daemon import Daemon, daemon
from tests.guards.reaction_cases import GUARDS, Guard
from tests.guards.virtual_time import VirtualLoop, pass_time, play
from ztb.core.command import Cleared, Tripped
from ztb.core.instrument import BUY, SELL

SECOND_NS = 1_000_000_000
IDS = [f"{case.code}-{number}" for number, case in enumerate(GUARDS)]


@pytest.mark.parametrize("case", GUARDS, ids=IDS)
def test_it_trips(case: Guard, tmp_path: Path) -> None:
    async def work(loop: VirtualLoop) -> None:
        async with daemon(loop, tmp_path, narrow=case.narrow) as d:
            await case.above(d)
            await pass_time(2)
            until_ns = _on_record(d, case)
            _in_the_status(d, case, until_ns)
            _at_the_exchange(d, case)
            if not case.is_deaf:
                await _nothing_opens(d, case)
            await _lifted(d, case)

    play(work)


@pytest.mark.parametrize("case", GUARDS, ids=IDS)
def test_it_does_not_trip_just_below(case: Guard, tmp_path: Path) -> None:
    async def work(loop: VirtualLoop) -> None:
        async with daemon(loop, tmp_path, narrow=case.narrow) as d:
            await case.below(d)
            await pass_time(0.6)
            assert case.code not in [trip.code for trip in d.told(Tripped)]
            assert case.code not in [guard["code"] for guard in d.status()["risk"]["guards"]]
            assert d.level != "killed"

    play(work)


def _on_record(d: Daemon, case: Guard) -> int:
    """It tripped once, and its pause is as long as it must be; the end of it."""
    (trip,) = [trip for trip in d.told(Tripped) if trip.code == case.code]
    assert trip.until_ns - trip.ts_ns == case.pause_s * SECOND_NS if case.pause_s else trip.until_ns == 0
    return trip.until_ns


def _in_the_status(d: Daemon, case: Guard, until_ns: int) -> None:
    status = d.status()
    risk = status["risk"]
    assert risk["status"] == ("abort" if case.kill else "degraded")
    assert case.code in [guard["code"] for guard in risk["guards"]]
    assert status["kill"]["on"] == case.kill
    assert (case.code in risk["reduce_only"]) == bool(case.reduce_only)
    if case.kill:
        assert status["kill"] == {"on": True, "source": "breaker", "reason": case.code}
        assert status["level"] == "killed"
    paused = [(one["instrument"], one["until_ns"]) for one in risk["pauses"] if one["reason"] == case.code]
    assert paused == ([("" if case.everything else d.symbol, until_ns)] if case.pause_s else [])


def _at_the_exchange(d: Daemon, case: Guard) -> None:
    """What worked is cancelled, or left, as it must be."""
    left = d.simulator.working_lots(BUY) + d.simulator.working_lots(SELL)
    assert left == case.left
    assert bool(d.simulator.cancels()) == bool(case.cancelled)


async def _nothing_opens(d: Daemon, case: Guard) -> None:
    """A wish to open is refused, and nothing arrives."""
    arrived = len(d.simulator.orders())
    told = case.refused or ("killed" if case.kill else "paused" if case.pause_s else "reduce_only")
    assert await d.wish(BUY) == told
    assert len(d.simulator.orders()) == arrived


async def _lifted(d: Daemon, case: Guard) -> None:
    """By time, by the end of its cause, or by an operator; and by nothing else."""
    if case.undo is not None:
        await case.undo(d)
    if case.pause_s:
        until_ns = max(trip.until_ns for trip in d.told(Tripped) if trip.code == case.code)
        await _to(d, until_ns - 3 * SECOND_NS)
        assert case.code in [one["reason"] for one in d.status()["risk"]["pauses"]]
        await _to(d, until_ns + 2 * SECOND_NS)
        assert case.code not in [one["reason"] for one in d.status()["risk"]["pauses"]]
    if case.reduce_only == "while":
        await pass_time(1.5)
        assert [one.code for one in d.told(Cleared)].count(case.code) >= 1
    if case.kill or case.reduce_only == "resume":
        await d.keep_trading(400, every_s=20)
        assert case.code in [guard["code"] for guard in d.status()["risk"]["guards"]]
        d.operator_file("resume", "looked at it")
        await pass_time(2)
    status = d.status()
    assert case.code not in [guard["code"] for guard in status["risk"]["guards"]]
    assert not status["kill"]["on"]


async def _to(d: Daemon, until_ns: int) -> None:
    """A market that goes on until then."""
    left_s = (until_ns - d.clock.now_ns()) / SECOND_NS
    if left_s > 0:
        await d.keep_trading(left_s, every_s=15)
    await pass_time(1)

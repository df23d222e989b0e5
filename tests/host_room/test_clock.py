"""The host's clock at its natural rate and compressed, against the system's own clocks."""

from __future__ import annotations

import asyncio
import time

import pytest

from ztb.host.clock import HostClock


def test_the_natural_clock_is_the_hosts() -> None:
    before_ns = time.time_ns()
    now_ns = HostClock().now_ns()
    assert before_ns <= now_ns <= time.time_ns()


def test_a_compressed_clock_agrees_with_the_wall_at_its_epoch_and_runs_n_times_as_fast() -> None:
    epoch_ns = time.time_ns() - 1_000_000_000
    clock = HostClock(scale=60.0, epoch_ns=epoch_ns)
    low_ns = time.time_ns()
    now_ns = clock.now_ns()
    high_ns = time.time_ns()
    # float scaling may lose some ns over a span of a minute
    assert epoch_ns + (low_ns - epoch_ns) * 60 - 1_000 <= now_ns <= epoch_ns + (high_ns - epoch_ns) * 60 + 1_000


def test_two_clocks_that_share_scale_and_epoch_agree() -> None:
    first = HostClock(scale=20.0)
    second = HostClock(scale=20.0, epoch_ns=first.epoch_ns)
    low_ns = first.now_ns()
    middle_ns = second.now_ns()
    assert low_ns <= middle_ns <= first.now_ns()


def test_the_monotonic_clock_runs_at_the_same_rate() -> None:
    clock = HostClock(scale=10.0)
    low_ns = time.monotonic_ns()
    now_ns = clock.monotonic_ns()
    # one part in 2**53 of float scaling
    assert low_ns * 10 - 4_096 <= now_ns <= time.monotonic_ns() * 10 + 4_096


def test_a_sleep_lasts_at_least_its_time_on_its_own_clock() -> None:
    clock = HostClock(scale=50.0)

    async def slept_ns() -> int:
        begin_ns = clock.monotonic_ns()
        await clock.sleep(1.0)
        return clock.monotonic_ns() - begin_ns

    # the event loop may wake up to its resolution early
    assert asyncio.run(slept_ns()) >= 0.9e9


def test_a_sleep_of_the_past_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def record(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", record)
    asyncio.run(HostClock(scale=4.0).sleep(-1.0))
    asyncio.run(HostClock(scale=4.0).sleep(2.0))
    assert waited == [0.0, 0.5]


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_clock_that_stands_or_runs_back_is_refused(scale: float) -> None:
    with pytest.raises(AssertionError):
        HostClock(scale=scale)

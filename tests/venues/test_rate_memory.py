"""What a dead trader used up counts for its heir: with real files, a real SIGKILL, and every damage of the file."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.scripted_clock import START_NS, ScriptedClock
from ztb.core.error import Throttled
from ztb.venues.limiter import LimitClass, Limiter, RateRule
from ztb.venues.rate_memory import RateMemory

RULES = {
    "history": RateRule(LimitClass.PRIVATE, calls=3, period_s=60),
    "trade": RateRule(LimitClass.EXEC, calls=2, period_s=10),
}


def _limiter(path: Path, clock: ScriptedClock) -> Limiter:
    limiter = Limiter(RULES, clock=clock)
    limiter.remember(path)
    return limiter


async def _call(limiter: Limiter, method: str, times: int = 1) -> None:
    for _ in range(times):
        async with limiter.slot(method):
            pass


def test_the_heir_counts_what_was_used_up_until_its_period_ends(tmp_path: Path) -> None:
    clock = ScriptedClock()
    first = _limiter(tmp_path / "rates", clock)
    asyncio.run(_call(first, "history", 2))
    clock.advance(20)
    asyncio.run(_call(first, "history"))
    # No close: the process is gone without a word. Another one has another steady clock.
    clock.advance(5)
    clock.steady_ns = 77
    heir = _limiter(tmp_path / "rates", clock)
    assert (heir.head_room("history"), heir.head_room("trade")) == (0, 2)
    clock.advance(34.9)
    assert heir.head_room("history") == 0
    clock.advance(0.2)
    assert heir.head_room("history") == 2
    clock.advance(20)
    assert heir.head_room("history") == 3


def test_a_call_in_flight_at_the_death_counts_for_a_period_from_its_beginning(tmp_path: Path) -> None:
    clock = ScriptedClock()
    first = _limiter(tmp_path / "rates", clock)
    asyncio.run(first.acquire("trade"))
    clock.advance(3)
    heir = _limiter(tmp_path / "rates", clock)
    assert heir.head_room("trade") == 1
    clock.advance(7.1)
    assert heir.head_room("trade") == 2


def test_a_ban_outlives_the_process(tmp_path: Path) -> None:
    clock = ScriptedClock()
    first = _limiter(tmp_path / "rates", clock)
    assert first.refused("trade", retry_after_s=120) == 120
    clock.advance(100)
    heir = _limiter(tmp_path / "rates", clock)
    assert heir.head_room("trade", urgent=True) == 0
    clock.advance(21)
    assert heir.head_room("trade") == 2


def test_three_lives_in_a_row(tmp_path: Path) -> None:
    clock = ScriptedClock()
    for left in (2, 1, 0):
        life = _limiter(tmp_path / "rates", clock)
        asyncio.run(_call(life, "history"))
        assert life.head_room("history") == left
        life.close()


def test_calls_made_before_it_remembers_count_as_well(tmp_path: Path) -> None:
    clock = ScriptedClock()
    asyncio.run(_call(_limiter(tmp_path / "rates", clock), "trade"))
    heir = Limiter(RULES, clock=clock)
    asyncio.run(_call(heir, "trade"))
    heir.remember(tmp_path / "rates")
    assert heir.head_room("trade") == 0
    assert _limiter(tmp_path / "rates", clock).head_room("trade") == 0


def test_times_of_another_clock_count_for_nothing_and_a_small_step_back_is_waited_for(tmp_path: Path) -> None:
    clock = ScriptedClock()
    asyncio.run(_call(_limiter(tmp_path / "rates", clock), "trade"))
    far = ScriptedClock(START_NS - 3_600_000_000_000)
    assert _limiter(tmp_path / "rates", far).head_room("trade") == 2
    asyncio.run(_call(_limiter(tmp_path / "rates", clock), "trade"))
    near = ScriptedClock(START_NS - 4_000_000_000)
    heir = _limiter(tmp_path / "rates", near)
    assert heir.head_room("trade") == 1
    near.advance(10.1)
    assert heir.head_room("trade") == 2, "never longer than one period"


def _damages() -> dict[str, bytes]:
    whole = b"ztb-rate" + bytes(8) + bytes(8 * 7)
    return {"empty": b"", "short": whole[:-1], "long": whole + b"x", "text": b"hello\n", "other limits": whole}


@pytest.mark.parametrize("name", _damages())
def test_a_foreign_file_is_put_aside_and_told(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rates"
    path.write_bytes(_damages()[name])
    clock = ScriptedClock()
    with caplog.at_level(logging.WARNING):
        limiter = _limiter(path, clock)
    assert "lies in rates.aside now" in caplog.text
    assert (tmp_path / "rates.aside").read_bytes() == _damages()[name]
    asyncio.run(_call(limiter, "trade"))
    assert _limiter(path, clock).head_room("trade") == 1


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"not ours")
    path = tmp_path / "rates"
    path.symlink_to(target)
    asyncio.run(_call(_limiter(path, ScriptedClock()), "trade"))
    assert target.read_bytes() == b"not ours"
    assert not path.is_symlink()


def test_without_a_directory_it_trades_all_the_same_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        limiter = _limiter(tmp_path / "nowhere" / "rates", ScriptedClock())
    assert "a quick restart could break the venue's rate limits" in caplog.text
    asyncio.run(_call(limiter, "trade"))
    assert limiter.head_room("trade") == 1
    limiter.close()


def test_a_disk_that_fills_up_ends_the_remembering_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limiter = _limiter(tmp_path / "rates", ScriptedClock())

    def full(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with caplog.at_level(logging.WARNING):
        asyncio.run(_call(limiter, "trade", 2))
    assert caplog.text.count("No space left on device") == 1
    assert limiter.head_room("trade") == 0


CHILD = """
import asyncio, os, sys, time
from pathlib import Path
from ztb.host.clock import HostClock
from ztb.venues.limiter import LimitClass, Limiter, RateRule
limiter = Limiter({"m": RateRule(LimitClass.EXEC, calls=5, period_s=600)}, clock=HostClock())
limiter.remember(Path(sys.argv[1]))
async def main():
    for _ in range(3):
        async with limiter.slot("m"):
            pass
    await limiter.acquire("m")
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


def test_a_killed_process_has_told_its_heir(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path / "rates")], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    heir = Limiter({"m": RateRule(LimitClass.EXEC, calls=5, period_s=600)}, clock=_now())
    heir.remember(tmp_path / "rates")
    assert heir.head_room("m") == 1


def _now() -> ScriptedClock:
    import time

    return ScriptedClock(time.time_ns())


@settings(max_examples=examples(60), deadline=None)
@given(
    calls=st.integers(1, 4),
    steps=st.lists(st.tuples(st.floats(0, 1.5), st.floats(0, 1), st.booleans()), min_size=1, max_size=40),
)
def test_a_venue_never_sees_too_many_however_often_the_trader_dies(
    tmp_path_factory: pytest.TempPathFactory, calls: int, steps: list[tuple[float, float, bool]]
) -> None:
    """Each entry: the pause before a call, how long it takes, and whether the process dies after it."""
    path = tmp_path_factory.mktemp("memory") / "rates"
    rules = {"m": RateRule(LimitClass.EXEC, calls=calls, period_s=2.0, wait_s_max=100)}
    clock = ScriptedClock()
    counted: deque[int] = deque()

    async def run() -> None:
        limiter = Limiter(rules, clock=clock)
        limiter.remember(path)
        for pause_s, latency_s, dies in steps:
            clock.advance(pause_s)
            async with limiter.slot("m"):
                clock.advance(latency_s)
                counted.append(clock.now_ns())
            if dies:
                clock.steady_ns += 1_000_000_007
                limiter.close()
                limiter = Limiter(rules, clock=clock)
                limiter.remember(path)
        limiter.close()

    asyncio.run(run())
    for first, beyond in zip(counted, list(counted)[calls:], strict=False):
        assert beyond - first >= 2_000_000_000


def test_cells_are_what_was_written_last(tmp_path: Path) -> None:
    memory = RateMemory(tmp_path / "m", {"a": 2, "b": 1})
    assert (memory.read("a"), memory.read("b")) == ((0, 0), (0,))
    memory.write("a", 1, 5)
    memory.write("b", 0, -7)
    memory.write("a", 1, 2**62)
    memory.close()
    again = RateMemory(tmp_path / "m", {"a": 2, "b": 1})
    assert (again.read("a"), again.read("b")) == ((0, 2**62), (-7,))
    again.close()
    assert (tmp_path / "m").stat().st_mode & 0o077 == 0
    with pytest.raises(AssertionError):
        again.write("a", 2, 1)


def test_refusals_in_a_row_double_the_pause_and_a_quiet_time_ends_that(tmp_path: Path) -> None:
    clock = ScriptedClock()
    limiter = _limiter(tmp_path / "rates", clock)
    pauses = []
    for _ in range(7):
        pauses.append(limiter.refused("trade"))
        clock.advance(pauses[-1] + 0.001)
    assert pauses == [2, 4, 8, 16, 32, 60, 60]
    clock.advance(120)
    assert limiter.refused("trade") == 2
    assert limiter.refused("trade") == 2, "two calls refused together are one refusal"
    assert limiter.refused("trade", retry_after_s=7) == 7
    assert limiter.refused("trade", retry_after_s=86_400) == 300


def test_a_refusal_of_the_whole_key_closes_every_method_of_it(tmp_path: Path) -> None:
    clock = ScriptedClock()
    limiter = _limiter(tmp_path / "rates", clock)
    limiter.refused("history", retry_after_s=9, whole=(LimitClass.PRIVATE, LimitClass.EXEC))
    assert limiter.head_room("trade", urgent=True) == 0
    with pytest.raises(Throttled):
        asyncio.run(_call(limiter, "trade"))
    clock.advance(9.1)
    asyncio.run(_call(limiter, "trade"))

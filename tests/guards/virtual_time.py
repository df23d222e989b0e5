"""An event loop whose time passes only when nothing else is left to do, so that minutes of a session take milliseconds.

Sockets and threads are real; timers, sleeps and time-outs follow the loop's own time. When every task waits, time jumps
to the next timer, or by ``quantum_s`` where that is more: whoever sleeps for less then wakes up once for each jump.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH_NS = 1_763_683_200_000_000_000
"""2025-11-21 00:00:00 UTC: nine in the morning in Japan, so no day turns within the hours that a test plays."""
QUANTUM_S = 0.1
THREAD_WALL_S = 0.02
"""How long a thread that is at work is waited for before it is looked at again."""
THREAD_ROUNDS_MAX = 500
"""So often; then time goes on, and with it whatever ends a session whose thread hangs."""
IDLE_WALL_S_MAX = 20.0
"""Ends a hung test: nothing is scheduled, no thread works, and no socket says anything."""


class _Selector(selectors.DefaultSelector):
    """Never sleeps while there is a timer to jump to."""

    loop: VirtualLoop
    rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or timeout == 0:
            return found
        if self.rounds < THREAD_ROUNDS_MAX and self.loop.is_thread_at_work():
            self.rounds += 1
            return super().select(THREAD_WALL_S)
        self.rounds = 0
        if timeout is None:
            found = super().select(IDLE_WALL_S_MAX)
            assert found, "nothing is left to wait for"
            return found
        self.loop.jump(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """See above."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self._now_s = 0.0
        self.quantum_s = QUANTUM_S
        self.stop_s = float("inf")
        """No jump goes beyond this moment, but to a timer that is due there."""
        self.is_thread_at_work: Callable[[], bool] = lambda: False
        super().__init__(selector)

    def time(self) -> float:
        return self._now_s

    def jump(self, seconds: float) -> None:
        """To the next timer, ``seconds`` away, or further."""
        least = self._now_s + seconds
        self._now_s = max(least, min(self._now_s + self.quantum_s, self.stop_s))


class VirtualClock:
    """The loop's time as the clock of trader and exchange."""

    scale = 1.0

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._ahead_ns = 0

    def now_ns(self) -> int:
        return EPOCH_NS + self._ahead_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 1_000_000_000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


async def pass_time(seconds: float, *, quantum_s: float = QUANTUM_S) -> None:
    """Exactly so long, in jumps of ``quantum_s`` where nothing happens in between."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    before, loop.quantum_s, loop.stop_s = loop.quantum_s, quantum_s, loop.time() + seconds
    try:
        await asyncio.sleep(seconds)
    finally:
        loop.quantum_s, loop.stop_s = before, float("inf")


def play(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run ``work`` to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(work(loop))

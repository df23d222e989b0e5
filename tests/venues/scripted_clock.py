"""A clock that moves only when somebody sleeps or a test says so."""

from __future__ import annotations

import asyncio

START_NS = 1_700_000_000_000_000_000


class ScriptedClock:
    """Time as a number; a sleep adds to it and lets other tasks run."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.wall_ns = now_ns
        self.steady_ns = 5_000_000_000
        self.slept: list[float] = []

    @property
    def scale(self) -> float:
        return 1.0

    def now_ns(self) -> int:
        return self.wall_ns

    def monotonic_ns(self) -> int:
        return self.steady_ns

    def advance(self, seconds: float) -> None:
        self.wall_ns += round(seconds * 1_000_000_000)
        self.steady_ns += round(seconds * 1_000_000_000)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

"""Time for everything outside the core, through one port, so that waiting can be compressed.

With scale N one second of the wall is N seconds for the trader: ``now_ns`` runs N times as fast from ``epoch_ns``
on, and a sleep of D seconds takes D / N. A trader and a simulator that share scale and epoch agree on the time.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the shores and processes ask for the time."""

    def now_ns(self) -> int:
        """Unix nanoseconds, UTC; may step when the host's clock does."""
        ...

    def monotonic_ns(self) -> int:
        """Never goes back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` of this clock's time."""
        ...

    @property
    def scale(self) -> float:
        """How many seconds of this clock pass in one second of the wall."""
        ...


class HostClock:
    """The host's clock, run ``scale`` times as fast from ``epoch_ns`` (default: now) on."""

    def __init__(self, scale: float = 1.0, epoch_ns: int | None = None) -> None:
        assert scale > 0
        self._scale = scale
        self._epoch_ns = time.time_ns() if epoch_ns is None else epoch_ns

    @property
    def scale(self) -> float:
        return self._scale

    @property
    def epoch_ns(self) -> int:
        """The wall time at which this clock and the wall agree; share it to share the clock."""
        return self._epoch_ns

    def now_ns(self) -> int:
        wall_ns = time.time_ns()
        if self._scale == 1.0:
            return wall_ns
        return self._epoch_ns + int((wall_ns - self._epoch_ns) * self._scale)

    def monotonic_ns(self) -> int:
        return int(time.monotonic_ns() * self._scale)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._scale)

"""The clock as the venues ask for it; the process hands one in, because rooms of one floor do not import each other."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """What an adapter asks for the time; the host's clock has this shape."""

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

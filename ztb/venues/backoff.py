"""When to connect again: quickly at first, then rarely, and quickly again once a connection has proved itself.

2 s, 4 s, 8 s, … at most 60 s, each ± 25 % so that many clients do not return together; after 5 of them one every
10 minutes. A connection that held for 60 s ends the series (F-20, F-21).
"""

from __future__ import annotations

from collections.abc import Callable

from ztb.venues import limits

_NS = 1_000_000_000


class Backoff:
    """Counts failures in a row. ``jitter`` gives numbers in [0, 1), as ``random.Random.random`` does."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._attempts = 0
        self._connected_ns: int | None = None

    @property
    def attempts(self) -> int:
        """Reconnections in this series so far."""
        return self._attempts

    def connected(self, now_ns: int) -> None:
        """Data arrives."""
        self._connected_ns = now_ns

    def lost(self, now_ns: int) -> float:
        """The connection or the attempt failed; seconds to wait before the next."""
        if self._connected_ns is not None and now_ns - self._connected_ns >= limits.RECONNECT_STABLE_S * _NS:
            self._attempts = 0
        self._connected_ns = None
        attempt, self._attempts = self._attempts, self._attempts + 1
        if attempt < limits.RECONNECT_QUICK_ATTEMPTS_MAX:
            delay_s = min(limits.RECONNECT_FIRST_S * (1 << attempt), limits.RECONNECT_QUICK_S_MAX)
        else:
            delay_s = limits.RECONNECT_SLOW_S
        return delay_s * (1 + limits.RECONNECT_JITTER * (2 * self._jitter() - 1))

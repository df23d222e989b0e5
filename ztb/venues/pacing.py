"""How often a tracker looks, and when it may read the fills: rarely, unless something suggests that there are new ones.

The rule: the history is the dearest call of all (Zaif: 12 a minute). What the pace does not allow is read only while
somebody waits for it, less and less often where it tells nothing, so that the reserve is still there for the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ztb.venues.clock import Clock

URGENT_PAUSE_S: Final = 0.5
"""Between two readings that the pace alone would not allow; doubled after each that ended nothing."""
URGENT_READINGS_MAX: Final = 4
"""So many in a row that ended nothing; then the pace counts again, until something ends."""
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PollingPace:
    """Seconds between looks. The history figures keep below Zaif's 12 calls a minute, the reserve left out."""

    fast_s: float = 1.0
    slow_s: float = 10.0
    placed_s: float = 10.0
    """After an order was sent the pace stays fast for this long."""
    history_idle_s: float = 30.0
    """The fills are read at least this often, whatever the open orders say."""
    history_burst: int = 3
    history_refill_s: float = 8.5
    stream_s: float = 5.0
    """While a private stream is alive and nothing is unsettled, looks only check it."""
    settle_s: float = 1.5
    urgent_s: float = 0.5
    failure_s_max: float = 30.0


class HistoryPace:
    """Says whether the fills may be read now. ``is_due``: something suggests that there are new ones."""

    def __init__(self, pace: PollingPace, clock: Clock) -> None:
        self._pace = pace
        self._clock = clock
        self._tokens = float(pace.history_burst)
        self._tokens_ns = clock.monotonic_ns()
        self._read_ns: int | None = None
        self._urgent_readings = 0
        self.is_due = True
        self.is_urgent = False
        """Somebody waits for the ends of orders (a flatten)."""

    def may_read(self) -> bool:
        """Asked once for each reading: a yes is used up."""
        if not (self.is_due or self._is_old()):
            return False
        return self._take_token() or (self.is_urgent and self._take_from_the_reserve())

    def note_read(self) -> None:
        """The fills were read."""
        self.is_due = False
        self._read_ns = self._clock.monotonic_ns()

    def note_end(self) -> None:
        """That told the end of an order."""
        self._urgent_readings = 0

    def _is_old(self) -> bool:
        if self._read_ns is None:
            return True
        return self._clock.monotonic_ns() - self._read_ns >= self._pace.history_idle_s * _NS

    def _take_token(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        gained = (now_ns - self._tokens_ns) / _NS / self._pace.history_refill_s
        self._tokens_ns = now_ns
        self._tokens = min(float(self._pace.history_burst), self._tokens + gained)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _take_from_the_reserve(self) -> bool:
        if self._urgent_readings >= URGENT_READINGS_MAX:
            return False
        pause_s = URGENT_PAUSE_S * (1 << self._urgent_readings)
        if self._read_ns is not None and self._clock.monotonic_ns() - self._read_ns < pause_s * _NS:
            return False
        self._urgent_readings += 1
        return True

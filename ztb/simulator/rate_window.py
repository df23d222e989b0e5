"""Sliding windows over the exchange's own time, as venues document their limits: at most N calls in W seconds."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import final

from ztb.simulator.limits import RATE_KEYS_MAX


@final
@dataclass(frozen=True, slots=True)
class Window:
    """At most ``calls`` in any ``seconds``."""

    calls: int
    seconds: int


class RateWindows:
    """The calls of many clients. A refused call does not count."""

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()

    def admit(self, client: str, method: str, window: Window, now_ns: int, *, factor: int = 1) -> bool:
        """Count a call and say whether it is within the limit."""
        times = self._times.setdefault((client, method), deque())
        self._times.move_to_end((client, method))
        if len(self._times) > RATE_KEYS_MAX:
            self._times.popitem(last=False)
        oldest_ns = now_ns - window.seconds * 1_000_000_000
        while times and times[0] <= oldest_ns:
            times.popleft()
        if len(times) >= window.calls * factor:
            return False
        times.append(now_ns)
        return True

    def left(self, client: str, method: str, window: Window, now_ns: int, *, factor: int = 1) -> tuple[int, int]:
        """How many more calls are within the limit now, and in how many whole seconds the oldest one is forgotten."""
        times = self._times.get((client, method), ())
        window_ns = window.seconds * 1_000_000_000
        fresh = [time_ns for time_ns in times if time_ns > now_ns - window_ns]
        reset_s = -((now_ns - fresh[0] - window_ns) // 1_000_000_000) if fresh else 0
        return max(0, window.calls * factor - len(fresh)), reset_s

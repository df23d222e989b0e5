"""Our own rate limits, a little inside the venue's, so that the venue never has to refuse us.

Each method has a sliding window and belongs to a class (PUBLIC, PRIVATE, EXEC). The last few places of a window are a
reserve that only urgent calls (cancel, look-up, flatten) may use: whoever is over the limit must still be able to get
out. A place counts from its taking until one period after its *answer*, because that is the latest moment at which
the venue can have counted it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from ztb.core.error import Throttled
from ztb.venues.clock import Clock
from ztb.venues.port import HeadRoom

_NS = 1_000_000_000
_IN_FLIGHT = 1 << 62
_MARGIN_NS = 20_000_000
"""Added to each period, for clocks that do not run alike."""


class LimitClass(StrEnum):
    """What a call is for."""

    PUBLIC = "public"
    PRIVATE = "private"
    EXEC = "exec"


@dataclass(frozen=True, slots=True)
class RateRule:
    """``calls`` in any ``period_s``, of which ``reserve`` are kept for urgent calls; waits at most ``wait_s_max``."""

    limit_class: LimitClass
    calls: int
    period_s: float
    reserve: int = 0
    wait_s_max: float = 2.0

    def __post_init__(self) -> None:
        assert 0 <= self.reserve < self.calls
        assert self.period_s > 0
        assert self.wait_s_max >= 0


class _Window:
    """Ends of the places taken, in ``ends_ns``; one in flight has no end yet."""

    def __init__(self, rule: RateRule) -> None:
        self.rule = rule
        self.period_ns = int(rule.period_s * _NS) + _MARGIN_NS
        self.answered_ns: deque[int] = deque()
        self.in_flight = 0

    def used(self, now_ns: int) -> int:
        while self.answered_ns and self.answered_ns[0] + self.period_ns <= now_ns:
            self.answered_ns.popleft()
        return len(self.answered_ns) + self.in_flight

    def free_at_ns(self, now_ns: int, urgent: bool) -> int:
        """When a place will be free: ``now_ns``, a later time, or never while all are in flight."""
        allowed = self.rule.calls - (0 if urgent else self.rule.reserve)
        excess = self.used(now_ns) - allowed
        if excess < 0:
            return now_ns
        if excess >= len(self.answered_ns):
            return _IN_FLIGHT
        return self.answered_ns[excess] + self.period_ns


class Limiter:
    """The windows of one key or host. Share one limiter between everything that uses that key."""

    def __init__(self, rules: Mapping[str, RateRule], *, clock: Clock) -> None:
        self._clock = clock
        self._windows = {method: _Window(rule) for method, rule in rules.items()}
        self._closed_until_ns: dict[str, int] = {}

    @asynccontextmanager
    async def slot(self, method: str, *, urgent: bool = False, wait_s_max: float | None = None) -> AsyncIterator[None]:
        """Hold one place of ``method`` for the length of the call; Throttled when none comes free in time."""
        await self.acquire(method, urgent=urgent, wait_s_max=wait_s_max)
        try:
            yield
        finally:
            self.release(method)

    async def acquire(self, method: str, *, urgent: bool = False, wait_s_max: float | None = None) -> None:
        """Take one place, waiting at most ``wait_s_max`` (else the rule's); Throttled beyond. Then ``release``."""
        window = self._windows[method]
        patience_s = window.rule.wait_s_max if wait_s_max is None else wait_s_max
        deadline_ns = self._clock.monotonic_ns() + int(patience_s * _NS)
        while True:
            now_ns = self._clock.monotonic_ns()
            free_ns = self._free_at_ns(method, now_ns, urgent)
            if free_ns <= now_ns:
                window.in_flight += 1
                return
            if free_ns > deadline_ns and (free_ns < _IN_FLIGHT or now_ns >= deadline_ns):
                raise self._throttled(method, free_ns - now_ns)
            # While every place is in flight nobody can say when one ends: look again soon.
            wait_ns = free_ns - now_ns if free_ns < _IN_FLIGHT else _MARGIN_NS
            await self._clock.sleep(wait_ns / _NS)

    def release(self, method: str) -> None:
        """The call that held a place has ended; the period begins now."""
        window = self._windows[method]
        assert window.in_flight > 0
        window.in_flight -= 1
        window.answered_ns.append(self._clock.monotonic_ns())

    def penalise(self, method: str, seconds: float) -> None:
        """The venue refused ``method`` for its rate: send none of it for ``seconds``."""
        until_ns = self._clock.monotonic_ns() + int(seconds * _NS)
        self._closed_until_ns[method] = max(until_ns, self._closed_until_ns.get(method, 0))

    def penalise_class(self, limit_class: LimitClass, seconds: float) -> None:
        """The venue refused the host or key as a whole: close every method of the class."""
        for method, window in self._windows.items():
            if window.rule.limit_class is limit_class:
                self.penalise(method, seconds)

    def head_room(self, method: str, *, urgent: bool = False) -> int:
        """Places of ``method`` that are free now."""
        window = self._windows[method]
        now_ns = self._clock.monotonic_ns()
        if self._closed_until_ns.get(method, 0) > now_ns:
            return 0
        return max(0, window.rule.calls - (0 if urgent else window.rule.reserve) - window.used(now_ns))

    def rooms(self) -> tuple[HeadRoom, ...]:
        """Every window, for people."""
        return tuple(
            HeadRoom(
                method, window.rule.limit_class, window.rule.calls, window.rule.period_s,
                self.head_room(method), self.head_room(method, urgent=True),
            )
            for method, window in self._windows.items()
        )  # fmt: skip

    def _free_at_ns(self, method: str, now_ns: int, urgent: bool) -> int:
        return max(self._windows[method].free_at_ns(now_ns, urgent), self._closed_until_ns.get(method, 0))

    def _throttled(self, method: str, wait_ns: int) -> Throttled:
        rule = self._windows[method].rule
        when = f"free again in {wait_ns / _NS:.1f} s" if wait_ns < _IN_FLIGHT // 2 else "all in flight"
        return Throttled(
            f"{method}: our limit of {rule.calls} calls in {rule.period_s:g} s is used up, {when}",
            kind="rate_limit",
            code="own_limit",
            retryable=True,
        )

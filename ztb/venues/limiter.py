"""The rate governor: our own limits, a little inside the venue's, and the circuit breaker in front of them.

Each method has a sliding window and belongs to a class (PUBLIC, PRIVATE, EXEC). The last few places of a window are a
reserve that only urgent calls (cancel, look-up, flatten) may use: whoever is over the limit must still be able to get
out. A place counts from its taking until one period after its *answer*, because that is the latest moment at which
the venue can have counted it. What this process uses up it remembers for the next one, from ``remember`` on.

Every call of every venue passes ``slot``, so that here is the one place where the breaker sees what became of it: one
breaker for the calls without a key, one for those with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from ztb.core.error import Throttled
from ztb.venues import limits
from ztb.venues.breaker import Breaker, Ticket, success_of
from ztb.venues.clock import Clock
from ztb.venues.port import HeadRoom
from ztb.venues.rate_memory import RateMemory

_NS = 1_000_000_000
_IN_FLIGHT = 1 << 62
_MARGIN_NS = 20_000_000
"""Added to each period, for clocks that do not run alike."""

RATE_MEMORY_NAME = "rate-limits"
"""The file of ``Limiter.remember`` in a state directory."""
OWN_LIMIT = "own_limit"
BREAKER_OPEN = "breaker_open"
HELD_BACK = frozenset({OWN_LIMIT, BREAKER_OPEN})
"""Codes of a ``Throttled`` that no venue said: the call did not leave."""


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
    """The places of one method. One in flight has no end yet; one that was answered is free a period later."""

    def __init__(self, rule: RateRule) -> None:
        self.rule = rule
        self.period_ns = int(rule.period_s * _NS) + _MARGIN_NS
        self.answered: deque[tuple[int, int]] = deque()
        """End and number of each place, by end."""
        self.in_flight: deque[int] = deque()
        """Numbers, the longest in flight first."""
        self.free: deque[int] = deque(range(rule.calls))
        self.closed_until_ns = 0
        """The venue refused; until then not even urgent calls go."""
        self.pause_s = 0.0
        """Of the last refusal."""

    def used(self, now_ns: int) -> int:
        while self.answered and self.answered[0][0] + self.period_ns <= now_ns:
            self.free.append(self.answered.popleft()[1])
        return len(self.answered) + len(self.in_flight)

    def free_at_ns(self, now_ns: int, urgent: bool) -> int:
        """When a place will be free: ``now_ns``, a later time, or never while all are in flight."""
        allowed = self.rule.calls - (0 if urgent else self.rule.reserve)
        excess = self.used(now_ns) - allowed
        if excess < 0:
            return max(now_ns, self.closed_until_ns)
        if excess >= len(self.answered):
            return _IN_FLIGHT
        return max(self.answered[excess][0] + self.period_ns, self.closed_until_ns)

    def take_over(self, ends_ns: list[int], now_ns: int) -> None:
        """Places that another process took; the newest count where there are more than there can be."""
        own = [end_ns for end_ns, _ in self.answered]
        self.used(now_ns)
        room = self.rule.calls - len(self.in_flight)
        ends_ns = sorted([*own, *ends_ns])[-room:] if room else []
        numbers = [number for number in range(self.rule.calls) if number not in self.in_flight]
        self.answered = deque(zip(ends_ns, numbers, strict=False))
        self.free = deque(numbers[len(ends_ns) :])


def _times(rule: RateRule, private_factor: int) -> RateRule:
    if rule.limit_class is LimitClass.PUBLIC:
        return rule
    return replace(rule, calls=rule.calls * private_factor, reserve=rule.reserve * private_factor)


class Limiter:
    """The windows of one key or host. Share one limiter between everything that uses that key."""

    def __init__(self, rules: Mapping[str, RateRule], *, clock: Clock, private_factor: int = 1) -> None:
        """``private_factor``: the venue grants this key so many times its private limits."""
        self._clock = clock
        self._windows = {method: _Window(_times(rule, private_factor)) for method, rule in rules.items()}
        self._memory: RateMemory | None = None
        public, private = Breaker(), Breaker()
        self._breakers = {
            LimitClass.PUBLIC: public, LimitClass.PRIVATE: private, LimitClass.EXEC: private,
        }  # fmt: skip

    def remember(self, path: Path) -> None:
        """Count what an earlier process used up, and keep in ``path`` what this one does, until ``close``.

        A call that was in flight when that process died counts for one period from its beginning. Times that lie more
        than a period ahead are of another clock and count for nothing.
        """
        assert self._memory is None
        self._memory = RateMemory(path, {method: window.rule.calls + 1 for method, window in self._windows.items()})
        now_ns, steady_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        for method, window in self._windows.items():
            *places_ns, closed_ns = self._memory.read(method)
            # A clock that was set back by less than a period leaves such times: they count as of now, which is late
            # rather than early.
            ages_ns = [max(0, now_ns - at_ns) for at_ns in places_ns if at_ns and at_ns - now_ns <= window.period_ns]
            window.take_over([steady_ns - age_ns for age_ns in ages_ns if age_ns < window.period_ns], steady_ns)
            left_ns = closed_ns - now_ns
            if 0 < left_ns <= limits.RETRY_AFTER_S_MAX * _NS:
                window.closed_until_ns = max(window.closed_until_ns, steady_ns + left_ns)
            self._write_down(method)

    def close(self) -> None:
        """Let go of the memory's file; the next process reads it."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    @asynccontextmanager
    async def slot(self, method: str, *, urgent: bool = False, wait_s_max: float | None = None) -> AsyncIterator[None]:
        """Hold one place of ``method`` for the length of the call; Throttled when none comes free in time.

        What leaves the block tells the breaker whether the venue answers; while that is open, only urgent calls go.
        """
        breaker = self._breakers[self._windows[method].rule.limit_class]
        if not urgent and breaker.is_shut(self._clock.monotonic_ns()):
            raise self._broken(method)
        await self.acquire(method, urgent=urgent, wait_s_max=wait_s_max)
        begun_ns = self._clock.monotonic_ns()
        ticket = breaker.enter(begun_ns, urgent=urgent)
        if ticket is None:  # it opened while this call waited for its place
            self._give_back(method)
            raise self._broken(method)
        try:
            yield
        except BaseException as error:
            self._leave(breaker, ticket, begun_ns, error)
            raise
        else:
            self._leave(breaker, ticket, begun_ns, None)
        finally:
            self.release(method)

    async def acquire(self, method: str, *, urgent: bool = False, wait_s_max: float | None = None) -> None:
        """Take one place, waiting at most ``wait_s_max`` (else the rule's); Throttled beyond. Then ``release``."""
        window = self._windows[method]
        patience_s = window.rule.wait_s_max if wait_s_max is None else wait_s_max
        deadline_ns = self._clock.monotonic_ns() + int(patience_s * _NS)
        while True:
            now_ns = self._clock.monotonic_ns()
            free_ns = window.free_at_ns(now_ns, urgent)
            if free_ns <= now_ns:
                self._take(method)
                return
            if free_ns > deadline_ns and (free_ns < _IN_FLIGHT or now_ns >= deadline_ns):
                raise self._throttled(method, free_ns - now_ns)
            # While every place is in flight nobody can say when one ends: look again soon.
            wait_ns = free_ns - now_ns if free_ns < _IN_FLIGHT else _MARGIN_NS
            await self._clock.sleep(wait_ns / _NS)

    def release(self, method: str) -> None:
        """The call that held a place has ended; the period begins now."""
        window = self._windows[method]
        assert window.in_flight
        number = window.in_flight.popleft()
        window.answered.append((self._clock.monotonic_ns(), number))
        self._keep(method, number, self._clock.now_ns())

    def refused(
        self,
        method: str,
        *,
        retry_after_s: float = 0.0,
        pause_s: float = limits.REFUSED_PAUSE_S,
        whole: Collection[LimitClass] = (),
    ) -> float:
        """The venue refused ``method`` for its rate: send nothing for a while; returns how many seconds that is.

        At least ``retry_after_s``, which the venue asked for (``Transport.retry_after_s``), else ``pause_s``, doubled
        by each refusal that follows soon after the pause of the one before (F-19). ``whole``: the refusal was of the
        host or the key, so that every method of these classes is closed. Within the pause nothing at all leaves.
        """
        window, now_ns = self._windows[method], self._clock.monotonic_ns()
        if now_ns >= window.closed_until_ns:
            is_again = now_ns - window.closed_until_ns < 2 * window.pause_s * _NS
            window.pause_s = max(pause_s, min(2 * window.pause_s, limits.REFUSED_PAUSE_S_MAX)) if is_again else pause_s
        seconds = max(window.pause_s, min(retry_after_s, limits.RETRY_AFTER_S_MAX))
        self.penalise(method, seconds)
        for limit_class in whole:
            self.penalise_class(limit_class, seconds)
        return seconds

    def penalise(self, method: str, seconds: float) -> None:
        """Send none of ``method`` for ``seconds``; a longer pause stays."""
        window = self._windows[method]
        window.closed_until_ns = max(window.closed_until_ns, self._clock.monotonic_ns() + int(seconds * _NS))
        left_ns = window.closed_until_ns - self._clock.monotonic_ns()
        self._keep(method, window.rule.calls, self._clock.now_ns() + left_ns)

    def penalise_class(self, limit_class: LimitClass, seconds: float) -> None:
        """The venue refused the host or key as a whole: close every method of the class."""
        for method, window in self._windows.items():
            if window.rule.limit_class is limit_class:
                self.penalise(method, seconds)

    def head_room(self, method: str, *, urgent: bool = False) -> int:
        """Places of ``method`` that are free now."""
        window = self._windows[method]
        now_ns = self._clock.monotonic_ns()
        if window.closed_until_ns > now_ns:
            return 0
        return max(0, window.rule.calls - (0 if urgent else window.rule.reserve) - window.used(now_ns))

    def rooms(self) -> tuple[HeadRoom, ...]:
        """Every window, for people."""
        now_ns = self._clock.monotonic_ns()
        return tuple(
            HeadRoom(
                method, window.rule.limit_class, window.rule.calls, window.rule.period_s,
                self.head_room(method), self.head_room(method, urgent=True),
                self._breakers[window.rule.limit_class].state(now_ns),
            )
            for method, window in self._windows.items()
        )  # fmt: skip

    def _take(self, method: str) -> None:
        window = self._windows[method]
        number = window.free.popleft()
        window.in_flight.append(number)
        self._keep(method, number, self._clock.now_ns())

    def _give_back(self, method: str) -> None:
        """A place that no call was made with."""
        window = self._windows[method]
        number = window.in_flight.pop()
        window.free.append(number)
        self._keep(method, number, 0)

    def _keep(self, method: str, cell: int, value: int) -> None:
        if self._memory is not None:
            self._memory.write(method, cell, value)

    def _write_down(self, method: str) -> None:
        """Every cell of a method, as its window is."""
        window = self._windows[method]
        now_ns, steady_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        cells = [0] * window.rule.calls
        for end_ns, number in window.answered:
            cells[number] = now_ns - (steady_ns - end_ns)
        for number in window.in_flight:
            cells[number] = now_ns
        left_ns = window.closed_until_ns - steady_ns
        for cell, value in enumerate([*cells, now_ns + left_ns if left_ns > 0 else 0]):
            self._keep(method, cell, value)

    def _leave(self, breaker: Breaker, ticket: Ticket, begun_ns: int, error: BaseException | None) -> None:
        now_ns = self._clock.monotonic_ns()
        wall_s = (now_ns - begun_ns) / _NS / self._clock.scale
        breaker.leave(ticket, success=success_of(error, wall_s=wall_s), now_ns=now_ns)

    def _broken(self, method: str) -> Throttled:
        return Throttled(
            f"{method}: the venue did not answer, the circuit breaker is open",
            kind="network",
            code=BREAKER_OPEN,
            retryable=True,
            remedy=f"it is tried again within {limits.BREAKER_OPEN_S:g} s; cancels and look-ups go on meanwhile",
        )

    def _throttled(self, method: str, wait_ns: int) -> Throttled:
        rule = self._windows[method].rule
        when = f"free again in {wait_ns / _NS:.1f} s" if wait_ns < _IN_FLIGHT // 2 else "all in flight"
        return Throttled(
            f"{method}: our limit of {rule.calls} calls in {rule.period_s:g} s is used up, {when}",
            kind="rate_limit",
            code=OWN_LIMIT,
            retryable=True,
        )

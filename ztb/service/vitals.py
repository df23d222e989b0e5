"""What health is judged by, measured where it happens: orders and calls to the venue, in windows of time.

Windows run on the trader's own, possibly scaled, clock; latencies are of the wall, because a venue answers in that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from ztb.core.command import Place
from ztb.core.error import GateClosed, Rejected, Throttled, VenueError
from ztb.service import signals
from ztb.service.signals import CALLS_WINDOW_NS, Ring, Signal, Thresholds
from ztb.venues.limiter import HELD_BACK

T = TypeVar("T")

FAILED: Final = 1
RETRY: Final = 2
"""Bits of one order's sample."""

RETRY_WITHIN_NS: Final = 60 * signals.SECOND_NS
"""A wish that comes back this soon after the venue refused it is the same wish again."""
CALL_FAILURES_MAX: Final = 3
"""So many failed calls in a row, and the venue counts as unreachable (as in the reaction to broker reads)."""
CALL_AGE_NS_MAX: Final = 10 * signals.MINUTE_NS
"""Twice the longest pause between two calls of a trader that has nothing to do."""
CALL_LATENCY_WARN_MS: Final = 2_000
"""A lightest call that takes longer than this is a warning."""


class Vitals:
    """Of one session; ``now_ns`` is the trader's clock."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._orders = Ring(CALLS_WINDOW_NS)
        self._latencies_ns = Ring(CALLS_WINDOW_NS)
        self._failed_ns: dict[tuple[str, int, bool], int] = {}
        """When an order of this instrument, side and purpose last failed; a success takes it out."""
        self._failures_in_row = 0
        self._call_ns = 0
        self._call_latency_ns: int | None = None

    async def timed(self, call: Awaitable[T], *, order: Place | None = None) -> T:
        """Wait for one call to the venue and keep what became of it; ``order`` is what it sends, if it sends one.

        What was held back on this host was not asked, and says nothing about the venue.
        """
        begun_ns = time.perf_counter_ns()
        try:
            answer = await call
        except VenueError as error:
            if isinstance(error, GateClosed) or (isinstance(error, Throttled) and error.code in HELD_BACK):
                raise
            if isinstance(error, Rejected | Throttled):
                self._answered(time.perf_counter_ns() - begun_ns)
            else:
                self._call_failed()
            if order is not None:
                self._order_sent(order, failed=True, latency_ns=0)
            raise
        except asyncio.CancelledError:
            if order is not None:  # nobody waits for it any more: its fate is unknown
                self._order_sent(order, failed=True, latency_ns=0)
            raise
        latency_ns = time.perf_counter_ns() - begun_ns
        self._answered(latency_ns)
        if order is not None:
            self._order_sent(order, failed=False, latency_ns=latency_ns)
        return answer

    def _order_sent(self, order: Place, *, failed: bool, latency_ns: int) -> None:
        """Accepted, or refused, or lost."""
        now_ns = self._now_ns()
        wish = (order.instrument, order.side, order.reduce_only)
        failed_ns = self._failed_ns.pop(wish, None)
        is_retry = failed_ns is not None and now_ns - failed_ns <= RETRY_WITHIN_NS
        self._orders.add(now_ns, (FAILED if failed else 0) | (RETRY if is_retry else 0))
        if failed:
            self._failed_ns[wish] = now_ns
        else:
            self._latencies_ns.add(now_ns, latency_ns)

    def _answered(self, latency_ns: int) -> None:
        """A refusal is an answer too: whoever refuses is there."""
        self._failures_in_row = 0
        self._call_ns = self._now_ns()
        self._call_latency_ns = latency_ns

    def _call_failed(self) -> None:
        self._failures_in_row += 1
        self._call_ns = self._now_ns()

    def signals(self, thresholds: Thresholds, *, trips: int | None, data_age_ns: int | None) -> list[Signal]:
        """All five, in the order of the runbook."""
        now_ns = self._now_ns()
        orders = self._orders.values(now_ns)
        failed = sum(bool(order & FAILED) for order in orders)
        retries = sum(bool(order & RETRY) for order in orders)
        calls = len(orders)
        return [
            signals.order_error_rate(failed=failed, calls=calls, threshold=thresholds.order_error),
            signals.order_retry_rate(calls=calls, retries=retries, threshold=thresholds.order_retry),
            signals.broker_latency(self._latencies_ns.values(now_ns), threshold=thresholds.broker_latency),
            signals.guard_trips(trips, threshold=thresholds.guard_trips),
            signals.stream_staleness(data_age_ns, threshold=thresholds.staleness),
        ]

    def broker(self, *, breaker_open: bool) -> tuple[str, int | None]:
        """E-31: ``pass``, ``warn``, ``fail`` or ``unknown``, and how long the last answer took in ms."""
        latency_ns = self._call_latency_ns
        latency_ms = None if latency_ns is None else latency_ns // 1_000_000
        if breaker_open or self._failures_in_row >= CALL_FAILURES_MAX:
            return "fail", latency_ms
        if not self._call_ns or self._now_ns() - self._call_ns > CALL_AGE_NS_MAX:
            return "unknown", None
        if self._failures_in_row or latency_ms is None or latency_ms > CALL_LATENCY_WARN_MS:
            return "warn", latency_ms
        return "pass", latency_ms

"""The five signals of health (E-42 to E-46): windows of integers over time, and what their values mean.

Pure, and it knows nothing of the rest of ztb: time and values come in as integers. The rule: what was not measured is
UNKNOWN, never OK and never a zero; a threshold is reached by a value that is equal to it or higher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

PPM: Final = 1_000_000
SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
CALLS_WINDOW_NS: Final = 5 * MINUTE_NS
TRIPS_WINDOW_NS: Final = HOUR_NS
SAMPLES_MAX: Final = 8_192
"""Of one window. A fuller one loses its oldest sample: its ratio is then over a shorter time, never over more."""
P95_PER_MILLE: Final = 950

ORDER_ERROR_RATE: Final = "order_error_rate"
ORDER_RETRY_RATE: Final = "order_retry_rate"
BROKER_LATENCY: Final = "broker_latency_p95"
GUARD_TRIPS: Final = "guard_trip_count"
STREAM_STALENESS: Final = "ws_staleness"


class Status(StrEnum):
    """Of one signal, and of all."""

    OK = "OK"
    UNKNOWN = "UNKNOWN"
    WARN = "WARN"
    CRIT = "CRIT"


RANK: Final[dict[Status, int]] = {Status.OK: 0, Status.UNKNOWN: 1, Status.WARN: 2, Status.CRIT: 3}
"""What is not known is worse than what is well, and better than what is known to be bad."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """From ``warn`` on a value warns, from ``crit`` on it is critical; higher is worse, in every signal."""

    warn: int
    crit: int

    def __post_init__(self) -> None:
        assert 0 < self.warn <= self.crit


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of the five signals, in their units: parts per million, milliseconds, a count, milliseconds."""

    order_error: Threshold = Threshold(50_000, 150_000)
    order_retry: Threshold = Threshold(100_000, 250_000)
    broker_latency: Threshold = Threshold(1_000, 3_000)
    guard_trips: Threshold = Threshold(3, 10)
    staleness: Threshold = Threshold(30_000, 60_000)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal; ``value`` None: nothing was measured within its window."""

    name: str
    status: Status
    value: int | None
    warn: int
    crit: int
    unit: str
    details: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "status": str(self.status)}


class Ring:
    """The samples of the last ``window_ns``, oldest first, each with its time; bounded in time and in number."""

    __slots__ = ("_samples", "_window_ns")

    def __init__(self, window_ns: int, *, samples_max: int = SAMPLES_MAX) -> None:
        assert window_ns > 0
        self._window_ns = window_ns
        self._samples: deque[tuple[int, int]] = deque(maxlen=samples_max)

    def add(self, now_ns: int, value: int) -> None:
        """Keep one sample; a clock that went back does not bring time into disorder."""
        samples = self._samples
        samples.append((max(now_ns, samples[-1][0]) if samples else now_ns, value))

    def values(self, now_ns: int) -> list[int]:
        """Those younger than the window, in the order in which they came; older ones are forgotten."""
        samples = self._samples
        while samples and samples[0][0] <= now_ns - self._window_ns:
            samples.popleft()
        return [value for _, value in samples]

    def clear(self) -> None:
        """Begin anew (E-69: the window is reset once the cause is put right)."""
        self._samples.clear()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._samples)

    def __len__(self) -> int:
        return len(self._samples)


def judged(value: int | None, threshold: Threshold) -> Status:
    """The status of a value; None is UNKNOWN."""
    if value is None:
        return Status.UNKNOWN
    if value >= threshold.crit:
        return Status.CRIT
    return Status.WARN if value >= threshold.warn else Status.OK


def worst(statuses: Iterable[Status]) -> Status:
    """The highest by ``RANK``; of nothing at all nothing is known."""
    return max(statuses, key=RANK.__getitem__, default=Status.UNKNOWN)


def percentile(values: Sequence[int], per_mille: int) -> int | None:
    """Nearest rank; None without values."""
    if not values:
        return None
    rank = -(-len(values) * per_mille // 1_000)
    return sorted(values)[max(0, rank - 1)]


def order_error_rate(*, failed: int, calls: int, threshold: Threshold) -> Signal:
    """E-42: how many of the orders that were sent came back refused or failed, in 5 minutes."""
    assert 0 <= failed <= calls
    value = failed * PPM // calls if calls else None
    details = f"{failed} of {calls} orders refused or failed in 5 minutes" if calls else "no order in 5 minutes"
    return _signal(ORDER_ERROR_RATE, value, threshold, "ppm", details)


def order_retry_rate(*, calls: int, retries: int, threshold: Threshold) -> Signal:
    """E-43: ``retries`` of the ``calls`` repeated one that had failed; against those that were no repetition.

    A window that holds nothing but repetitions is measured against one first attempt, which lies before it.
    """
    assert 0 <= retries <= calls
    first = calls - retries
    value = retries * PPM // max(first, 1) if calls else None
    details = f"{retries} again, {first} for the first time, in 5 minutes" if calls else "no order in 5 minutes"
    return _signal(ORDER_RETRY_RATE, value, threshold, "ppm", details)


def broker_latency(latencies_ns: Sequence[int], *, threshold: Threshold) -> Signal:
    """E-44: 95th percentile of the time from an order's request to its acceptance, in 5 minutes."""
    value = percentile(latencies_ns, P95_PER_MILLE)
    count = len(latencies_ns)
    details = f"p95 of {count} accepted orders in 5 minutes" if count else "no order was accepted in 5 minutes"
    return _signal(BROKER_LATENCY, None if value is None else value // 1_000_000, threshold, "ms", details)


def guard_trips(trips: int | None, *, threshold: Threshold) -> Signal:
    """E-45: how often a guard tripped within an hour; None while the journal has not been read."""
    assert trips is None or trips >= 0
    details = "the journal was not read yet" if trips is None else f"{trips} in the last hour"
    return _signal(GUARD_TRIPS, trips, threshold, "count", details)


def stream_staleness(age_ns: int | None, *, threshold: Threshold) -> Signal:
    """E-46: how long no market data came; None when none ever did."""
    value = None if age_ns is None else max(0, age_ns) // 1_000_000
    details = "no market data yet" if value is None else f"the last market data are {value} ms old"
    return _signal(STREAM_STALENESS, value, threshold, "ms", details)


def _signal(name: str, value: int | None, threshold: Threshold, unit: str, details: str) -> Signal:
    return Signal(name, judged(value, threshold), value, threshold.warn, threshold.crit, unit, details)


def summary(signals: Sequence[Signal]) -> tuple[Status, str]:
    """The worst status of all, and a sentence that names those which have it."""
    status = worst(signal.status for signal in signals)
    if status is Status.OK:
        return status, "all signals are OK"
    named = ", ".join(signal.name for signal in signals if signal.status is status)
    return status, f"{status}: {named}" if named else "no signal was measured"

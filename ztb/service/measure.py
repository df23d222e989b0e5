"""What the trader measures of itself: counts since start, and percentiles over a window, never over a lifetime.

A percentile without samples is None, never zero: no data is not good data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

WINDOW_SAMPLES_MAX: Final = 8_192


def percentile(ordered: Sequence[int], per_mille: int) -> int | None:
    """Nearest-rank percentile of an ascending sequence; None when it is empty."""
    if not ordered:
        return None
    rank = -(-len(ordered) * per_mille // 1000)
    return ordered[max(0, rank - 1)]


class Window:
    """The newest samples of one duration, in ns of the wall (scaled time would stretch what the host does)."""

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=WINDOW_SAMPLES_MAX)

    def add(self, sample_ns: int) -> None:
        """Keep one sample; the oldest one goes when the window is full."""
        self._samples.append(sample_ns)

    def summary_us(self) -> dict[str, int | None]:
        """p50, p99 and the maximum in microseconds, with the number of samples behind them."""
        ordered = sorted(self._samples)
        found = {name: percentile(ordered, rank) for name, rank in (("p50", 500), ("p95", 950), ("p99", 990))}
        found["max"] = ordered[-1] if ordered else None
        summary = {name: None if value is None else value // 1000 for name, value in found.items()}
        return {**summary, "samples": len(ordered)}


@dataclass
class Meter:
    """Counters of one session; every one only rises."""

    market_events: int = 0
    decisions: int = 0
    signals: int = 0
    """Decisions that wanted to trade."""
    orders_placed: int = 0
    orders_rejected: int = 0
    orders_unknown: int = 0
    orders_throttled: int = 0
    fills: int = 0
    api_calls: int = 0
    api_errors: int = 0
    """Calls that ended without a usable answer."""
    api_throttled: int = 0
    """Calls that the venue refused for their rate; held to be zero (A-19)."""
    held_back: int = 0
    """Calls that our own limiter did not let out."""
    notices: int = 0
    errors: int = 0
    """Notices of severity error or emergency, and failures of tasks."""
    feed_losses: int = 0
    reconciliations: int = 0
    reconciliations_unclean: int = 0
    trips: dict[tuple[str, bool], int] = field(default_factory=dict)
    """Of guards, by category and whether it passes without an operator (E-47)."""
    step: Window = field(default_factory=Window)
    """Event in to commands out, waiting in the inbox included."""
    place: Window = field(default_factory=Window)
    """Order handed to the network to the venue's answer."""

    def count_trip(self, category: str, *, recoverable: bool) -> None:
        """A guard tripped."""
        key = (category, recoverable)
        self.trips[key] = self.trips.get(key, 0) + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the journal and the status file."""
        plain = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        trips = [
            {"category": category, "recoverable": recoverable, "count": count}
            for (category, recoverable), count in sorted(self.trips.items())
        ]
        return {**plain, "trips": trips, "step_us": self.step.summary_us(), "place_us": self.place.summary_us()}

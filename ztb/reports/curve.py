"""A run of any length as at most 2,000 points that still show every extreme.

The rule: nobody who looks at the picture misses a spike. Samples are gathered in buckets; a bucket keeps its lowest and
highest price and its lowest and highest equity. When there are too many buckets, neighbours are joined.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Final, NamedTuple

from ztb.core.instrument import BUY, SELL

POINTS_MAX: Final = 2_000
MARKS_MAX: Final = 400
"""More fills than this hide the price that they stand on."""

_BUCKETS_MAX: Final = (POINTS_MAX - 2) // 4
"""Four extremes for each bucket, and the first and the last sample."""

_WIDTH_NS_MIN: Final = 1_000_000

_PRICE: Final = itemgetter(1)
_EQUITY: Final = itemgetter(2)


class CurvePoint(NamedTuple):
    """One sample: time, mark price in ticks, equity in money units."""

    ts_ns: int
    price: int
    equity: int


class FillMark(NamedTuple):
    """One fill as the picture shows it."""

    ts_ns: int
    price: int
    side: int
    lots: int


class Curve:
    """Takes samples in the order of time; ``points`` are the ones to draw.

    Buckets are stretches of time and not numbers of samples, because the picture's axis is time: a burst of a hundred
    thousand trades in a second must not take the room of a quiet hour.
    """

    __slots__ = ("_buckets", "_end_ns", "_first", "_high", "_high_price", "_last", "_low", "_low_price", "_width_ns")

    def __init__(self) -> None:
        self._buckets: list[tuple[CurvePoint, ...]] = []
        self._width_ns = _WIDTH_NS_MIN
        self._end_ns = -1
        """Where the open bucket ends; before the first sample there is none."""
        self._first: CurvePoint | None = None
        self._last: tuple[int, int, int] = (0, 0, 0)
        self._low_price = self._high_price = self._low = self._high = self._last

    def push(self, ts_ns: int, price: int, equity: int) -> None:
        """Take one sample."""
        self._last = sample = (ts_ns, price, equity)
        if ts_ns < self._end_ns:
            if price < self._low_price[1]:
                self._low_price = sample
            elif price > self._high_price[1]:
                self._high_price = sample
            if equity < self._low[2]:
                self._low = sample
            elif equity > self._high[2]:
                self._high = sample
            return
        if self._first is None:
            self._first = CurvePoint(*sample)
        else:
            self._buckets.append(self._open_bucket())
            if len(self._buckets) >= _BUCKETS_MAX - 1:
                self._join()
        self._low_price = self._high_price = self._low = self._high = sample
        self._end_ns = (ts_ns // self._width_ns + 1) * self._width_ns

    def points(self) -> tuple[CurvePoint, ...]:
        """At most ``POINTS_MAX`` samples, oldest first, the first and the last among them."""
        if self._first is None:
            return ()
        inner = [point for bucket in [*self._buckets, self._open_bucket()] for point in bucket]
        last = CurvePoint(*self._last)
        if inner[0] != self._first:
            inner.insert(0, self._first)
        if inner[-1] != last:
            inner.append(last)
        return tuple(inner)

    def _open_bucket(self) -> tuple[CurvePoint, ...]:
        return _ordered([self._low_price, self._high_price, self._low, self._high])

    def _join(self) -> None:
        """Widen the buckets, twofold each time, until half of them are enough."""
        while len(self._buckets) > _BUCKETS_MAX // 2:
            self._width_ns *= 2
            groups: dict[int, list[CurvePoint]] = {}
            for bucket in self._buckets:
                groups.setdefault(bucket[0].ts_ns // self._width_ns, []).extend(bucket)
            self._buckets = [_extremes(points) for points in groups.values()]


class Marks:
    """Takes fills; keeps at most ``MARKS_MAX``: all of them, then every second, every fourth...

    Buys and sells are counted apart from each other: they mostly alternate, so that every second fill of all would be
    the buys alone.
    """

    __slots__ = ("_kept", "_seen", "_stride", "count")

    def __init__(self) -> None:
        self.count = 0
        self._stride = 1
        self._seen: dict[int, int] = {BUY: 0, SELL: 0}
        self._kept: dict[int, list[FillMark]] = {BUY: [], SELL: []}

    def push(self, mark: FillMark) -> None:
        """Take one fill."""
        self.count += 1
        side = mark.side
        if self._seen[side] % self._stride == 0:
            self._kept[side].append(mark)
            if len(self._kept[side]) > MARKS_MAX // 2:
                for kept in self._kept.values():
                    del kept[1::2]
                self._stride *= 2
        self._seen[side] += 1

    def marks(self) -> tuple[FillMark, ...]:
        """The fills to draw, oldest first."""
        return tuple(sorted(mark for kept in self._kept.values() for mark in kept))


def _extremes(points: list[CurvePoint]) -> tuple[CurvePoint, ...]:
    by_price = (min(points, key=_PRICE), max(points, key=_PRICE))
    return _ordered([*by_price, min(points, key=_EQUITY), max(points, key=_EQUITY)])


def _ordered(samples: list[tuple[int, int, int]] | list[CurvePoint]) -> tuple[CurvePoint, ...]:
    """Without repetition, in the order of time."""
    return tuple(CurvePoint(*sample) for sample in sorted(dict.fromkeys(samples)))

"""Minute bars of one instrument, and what sizing reads off them: the average true range and the volatility.

A minute without a trade makes no bar. After a quarter of an hour without one, what is known of before means nothing
any more and everything begins anew. All numbers are integers; a value that is not known yet is 0, and using it is the
gate's refusal, not a guess.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Any, Final

from ztb.core.money import PPM, floor_sqrt

MINUTE_NS: Final = 60_000_000_000
GAP_NS_MAX: Final = 15 * MINUTE_NS
ATR_BARS: Final = 14
CLOSES_MAX: Final = 61
MINUTES_PER_DAY: Final = 1_440


class Bars:
    """Prices in ticks."""

    __slots__ = ("closes", "end_ns", "high", "last_end_ns", "low", "previous", "range_sum", "ranges", "volatility_ppm")

    def __init__(self) -> None:
        self.end_ns = 0
        """Of the running minute; 0: there was no trade yet."""
        self.high = self.low = 0
        self.previous = 0
        """Close of the bar before; 0: none."""
        self.last_end_ns = 0
        self.ranges = 0
        """Bars counted, up to ``ATR_BARS``."""
        self.range_sum = 0
        """``ATR_BARS`` times the average true range, by Wilder."""
        self.closes: deque[int] = deque(maxlen=CLOSES_MAX)
        self.volatility_ppm: int | None = None
        """Of the closes; found once a minute, because it is asked for each order."""

    def add(self, price: int, now_ns: int, *, last_price: int) -> None:
        """The first trade of a minute, or any outside its extremes; ``last_price``: of the trade before."""
        if now_ns >= self.end_ns:
            self.roll(now_ns, last_price=last_price)
            self.end_ns = now_ns - now_ns % MINUTE_NS + MINUTE_NS
            self.high = self.low = price
        else:
            self.high = max(self.high, price)
            self.low = min(self.low, price)

    def roll(self, now_ns: int, *, last_price: int) -> bool:
        """End the running minute when it is over; it closed at ``last_price``.

        A recovery knows that price by a fill of ours, which may lie where the market was never seen in that minute.
        """
        if not self.end_ns or now_ns < self.end_ns:
            return False
        if self.last_end_ns and self.end_ns - self.last_end_ns > GAP_NS_MAX:
            self.previous = self.ranges = self.range_sum = 0
            self.closes.clear()
        close = min(max(last_price, self.low), self.high)
        true_range = self.high - self.low
        if self.previous:
            true_range = max(true_range, abs(self.high - self.previous), abs(self.low - self.previous))
        if self.ranges < ATR_BARS:
            self.ranges += 1
            self.range_sum += true_range
        else:
            self.range_sum += true_range - self.range_sum // ATR_BARS
        self.previous = close
        self.closes.append(close)
        self.volatility_ppm = _daily_volatility_ppm(self.closes)
        self.last_end_ns = self.end_ns
        self.end_ns = 0
        return True

    def atr(self, now_ns: int) -> int:
        """Average true range of a minute in ticks, rounded up; 0: not known, or known no more."""
        if self.ranges < ATR_BARS or now_ns - self.last_end_ns > GAP_NS_MAX:
            return 0
        return max(1, -(-self.range_sum // ATR_BARS))

    def daily_volatility_ppm(self, now_ns: int) -> int | None:
        """Standard deviation of a day's return, from the last hour of closes; None: not known."""
        return None if now_ns - self.last_end_ns > GAP_NS_MAX else self.volatility_ppm

    def snapshot(self) -> list[Any]:
        """Plain values."""
        head = [self.end_ns, self.high, self.low, self.previous, self.last_end_ns]
        return [*head, self.ranges, self.range_sum, list(self.closes)]

    def restore(self, plain: list[Any]) -> None:
        """Take back what ``snapshot`` gave."""
        (
            self.end_ns, self.high, self.low, self.previous, self.last_end_ns, self.ranges, self.range_sum, closes,
        ) = plain  # fmt: skip
        self.closes = deque(closes, maxlen=CLOSES_MAX)
        self.volatility_ppm = _daily_volatility_ppm(self.closes)


def _daily_volatility_ppm(closes: deque[int]) -> int | None:
    if len(closes) < CLOSES_MAX:
        return None
    returns = [(new - old) * PPM // old for old, new in pairwise(closes)]
    count = len(returns)
    total = sum(returns)
    # n * (sum of squares) - (square of the sum) is n^2 times the variance.
    scaled = max(0, count * sum(one * one for one in returns) - total * total)
    return floor_sqrt(scaled * MINUTES_PER_DAY) // count

"""How far a price moved within the last true 60 seconds, in integers and in bounded room (B-58).

While the price stays within a narrow band nothing is recorded; when it leaves, the last price inside is, with its exact
time. So every recorded price is one that was really traded, and none older than 60 s is ever compared; within the band
(200 ppm to either side) a turn may go unseen. The extremes stand in two monotone queues, as for any sliding maximum.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ztb.core.money import PPM, ceil_div

WINDOW_NS: Final = 60_000_000_000
BAND_PPM: Final = 200
EXTREMES_MAX: Final = 1_024

Extremes = deque[tuple[int, int]]
"""Time and price, oldest first; the prices fall (highs) or rise (lows)."""


class Moves:
    """Of one instrument; prices in ticks."""

    __slots__ = ("band_high", "band_low", "highs", "lows")

    def __init__(self) -> None:
        self.band_low = 1
        self.band_high = 0
        self.highs: Extremes = deque()
        self.lows: Extremes = deque()

    def follow(self, price: int, now_ns: int, *, last_price: int, last_ns: int, limit_ppm: int) -> bool:
        """Take a trade; True when it is strictly further than ``limit_ppm`` from a price of the last 60 seconds."""
        if self.band_low <= price <= self.band_high:
            return False
        if last_price:
            _push(self.highs, last_ns, last_price, 1)
            _push(self.lows, last_ns, last_price, -1)
        oldest_ns = now_ns - WINDOW_NS
        for extremes in (self.highs, self.lows):
            while extremes and extremes[0][0] <= oldest_ns:
                extremes.popleft()
        highest = self.highs[0][1] if self.highs else price
        lowest = self.lows[0][1] if self.lows else price
        # Neither edge of the band is beyond the limit, so the first price that is cannot hide in it.
        width = price * BAND_PPM // PPM
        self.band_low = max(1, price - width, ceil_div(highest * (PPM - limit_ppm), PPM))
        self.band_high = min(price + width, lowest * (PPM + limit_ppm) // PPM)
        return (highest - price) * PPM > limit_ppm * highest or (price - lowest) * PPM > limit_ppm * lowest

    def snapshot(self) -> list[Any]:
        """Plain values."""
        highs, lows = ([list(entry) for entry in extremes] for extremes in (self.highs, self.lows))
        return [self.band_low, self.band_high, highs, lows]

    def restore(self, plain: list[Any]) -> None:
        """Take back what ``snapshot`` gave."""
        self.band_low, self.band_high, highs, lows = plain
        self.highs = deque((at_ns, price) for at_ns, price in highs)
        self.lows = deque((at_ns, price) for at_ns, price in lows)


def _push(extremes: Extremes, at_ns: int, price: int, sign: int) -> None:
    while extremes and extremes[-1][1] * sign <= price * sign:
        extremes.pop()
    extremes.append((at_ns, price))
    if len(extremes) > EXTREMES_MAX:
        # Two become one that is as extreme as the older and as young as the newer: rather a trip too many.
        _, older = extremes.popleft()
        younger_ns, _ = extremes.popleft()
        extremes.appendleft((younger_ns, older))

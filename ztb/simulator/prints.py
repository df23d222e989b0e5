"""What the public sees of past trades: the newest prints, the last price, and the figures of the last 24 hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from ztb.simulator.limits import PRINTS_MAX, TICKER_MINUTES_MAX

_MINUTE_NS: Final = 60 * 1_000_000_000


@final
@dataclass(slots=True, frozen=True)
class Print:
    """One public trade; ``side`` is the taker's, price in ticks."""

    trade_id: int
    ts_ns: int
    price: int
    lots: int
    side: int


@final
@dataclass(slots=True, frozen=True)
class DayFigures:
    """Of the last 24 hours. ``vwap`` in ticks, exact enough for a ticker (8 decimals)."""

    high: int
    low: int
    lots: int
    vwap: Decimal


@final
@dataclass(slots=True)
class Minute:
    """One minute in which somebody traded; prices in ticks, ``minute`` since 1970, ``value`` in ticks x lots."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    value: int = 0


class Prints:
    """Bounded memory of the public trades."""

    def __init__(self) -> None:
        self.recent: Final[deque[Print]] = deque(maxlen=PRINTS_MAX)
        """Oldest first."""
        self.minutes: deque[Minute] = deque(maxlen=TICKER_MINUTES_MAX)
        """Those in which somebody traded, oldest first."""

    @property
    def last(self) -> Print | None:
        return self.recent[-1] if self.recent else None

    def since(self, trade_id: int) -> list[Print]:
        """Those after this one, oldest first, as far as memory goes back."""
        found: list[Print] = []
        for trade in reversed(self.recent):
            if trade.trade_id <= trade_id:
                break
            found.append(trade)
        found.reverse()
        return found

    def add(self, trade: Print) -> None:
        self.recent.append(trade)
        minute = trade.ts_ns // _MINUTE_NS
        if not self.minutes or self.minutes[-1].minute < minute:
            self.minutes.append(Minute(minute, trade.price, trade.price, trade.price, trade.price))
        bucket = self.minutes[-1]
        bucket.high = max(bucket.high, trade.price)
        bucket.low = min(bucket.low, trade.price)
        bucket.close = trade.price
        bucket.lots += trade.lots
        bucket.value += trade.price * trade.lots

    def day(self, now_ns: int) -> DayFigures | None:
        """None: nobody traded within 24 hours."""
        oldest = now_ns // _MINUTE_NS - TICKER_MINUTES_MAX
        while self.minutes and self.minutes[0].minute <= oldest:
            self.minutes.popleft()
        if not self.minutes:
            return None
        lots = sum(bucket.lots for bucket in self.minutes)
        value = sum(bucket.value for bucket in self.minutes)
        return DayFigures(
            high=max(bucket.high for bucket in self.minutes),
            low=min(bucket.low for bucket in self.minutes),
            lots=lots,
            vwap=(Decimal(value) / lots).quantize(Decimal("1e-8")),
        )

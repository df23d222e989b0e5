"""What was done lately and so far today: orders, their value, losses in a row, daily returns, the day's high water."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from ztb.core.money import PPM, floor_sqrt
from ztb.core.position import Ledger

HOUR_NS: Final = 3_600_000_000_000
MINUTES_PER_HOUR: Final = 60
MINUTE_NS: Final = 60_000_000_000
HOURS_PER_DAY: Final = 24
RETURNS_MAX: Final = 90
RETURNS_MIN: Final = 20
"""With fewer days nothing is said of how good the trading is."""
_ROOT_OF_YEAR_MILLI: Final = 19_104
"""The square root of 365, in thousandths."""


class Tally:
    """Of the account. Minutes and hours are counted whole, so an hour is at most a minute too long."""

    __slots__ = (
        "day_notional",
        "day_orders",
        "highs",
        "hour_orders",
        "losses_in_row",
        "minute",
        "minute_orders",
        "minutes",
        "opened_ns",
        "returns",
        "sharpe_milli",
    )

    def __init__(self) -> None:
        self.day_orders = 0
        self.day_notional = 0
        self.minutes: deque[tuple[int, int]] = deque()
        """Minute number and orders in it, of the last hour before the newest minute."""
        self.hour_orders = 0
        """The sum of these."""
        self.minute = self.minute_orders = 0
        """The newest minute with an order, and its orders."""
        self.opened_ns = 0
        """When the last order that opens was made; 0: never."""
        self.losses_in_row = 0
        self.highs: deque[tuple[int, int]] = deque()
        """Hour number and highest equity, of the last 24 hours; the equities fall."""
        self.returns: deque[int] = deque(maxlen=RETURNS_MAX)
        """Of past days, in ppm of each day's opening balance."""
        self.sharpe_milli: int | None = None
        """Annualised ratio of mean and deviation of the daily returns; None: too few days, or all alike."""

    def add_order(self, now_ns: int, notional: int, *, opens: bool) -> None:
        """One order was made."""
        self.day_orders += 1
        self.day_notional += notional
        minute = now_ns // MINUTE_NS
        if minute > self.minute:
            self._begin_minute(minute)
        self.minute_orders += 1
        if opens:
            self.opened_ns = now_ns

    def _begin_minute(self, minute: int) -> None:
        minutes = self.minutes
        if self.minute_orders:
            minutes.append((self.minute, self.minute_orders))
            self.hour_orders += self.minute_orders
        while minutes and minutes[0][0] < minute - MINUTES_PER_HOUR:
            self.hour_orders -= minutes.popleft()[1]
        self.minute, self.minute_orders = minute, 0

    def orders_last_hour(self, now_ns: int) -> int:
        """Orders in the last hour and the minute in which it began."""
        first = now_ns // MINUTE_NS - MINUTES_PER_HOUR
        found = self.hour_orders + (self.minute_orders if self.minute >= first else 0)
        for minute, count in self.minutes:
            if minute >= first:
                break
            found -= count
        assert found >= 0
        return found

    def turn_day(self, *, day_open: int, equity: int) -> None:
        """A new trading day: the counters of the day begin anew, and what the old one earned is kept."""
        self.day_orders = self.day_notional = 0
        if day_open > 0:
            self.returns.append((equity - day_open) * PPM // day_open)
            self.sharpe_milli = _sharpe_milli(self.returns)

    def note_equity(self, equity: int, now_ns: int) -> None:
        """Keep the highest equity of each of the last 24 hours."""
        hour = now_ns // HOUR_NS
        highs = self.highs
        while highs and highs[0][0] <= hour - HOURS_PER_DAY - 1:
            highs.popleft()
        while highs and highs[-1][1] <= equity:
            highs.pop()
        if not highs or highs[-1][0] < hour:
            highs.append((hour, equity))

    def day_drawdown_ppm(self, equity: int) -> int:
        """Fall below the highest equity of the last 24 hours."""
        high = max(self.highs[0][1], equity) if self.highs else equity
        return (high - equity) * PPM // high if high > 0 else PPM

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        plain["minutes"] = [list(entry) for entry in self.minutes]
        plain["highs"] = [list(entry) for entry in self.highs]
        plain["returns"] = list(self.returns)
        return plain

    def restore(self, plain: dict[str, Any]) -> None:
        """Take back what ``snapshot`` gave."""
        for name in _NUMBERS:
            setattr(self, name, plain[name])
        self.minutes = deque((minute, count) for minute, count in plain["minutes"])
        self.highs = deque((hour, equity) for hour, equity in plain["highs"])
        self.hour_orders = sum(count for _, count in self.minutes)
        self.returns = deque(plain["returns"], maxlen=RETURNS_MAX)
        self.sharpe_milli = _sharpe_milli(self.returns)


_NUMBERS: Final = ("day_orders", "day_notional", "opened_ns", "losses_in_row", "minute", "minute_orders")


def _sharpe_milli(returns: deque[int]) -> int | None:
    count = len(returns)
    total = sum(returns)
    scaled = count * sum(one * one for one in returns) - total * total
    if count < RETURNS_MIN or scaled <= 0:
        return None
    return total * _ROOT_OF_YEAR_MILLI // max(1, floor_sqrt(scaled))


def day_pnl_ppm(ledger: Ledger) -> int:
    """Profit of the day in parts of its opening balance; negative: a loss."""
    return (ledger.equity - ledger.day_open) * PPM // ledger.day_open if ledger.day_open > 0 else -PPM

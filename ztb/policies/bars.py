"""Bars by event time: which price closes a bar is a function of the events alone.

A bar spans ``bar_seconds`` and begins at a multiple of them since 1970 (UTC). It is closed by the first trade that
lies behind its end, and its price is that of the last trade inside. A bar without a trade does not exist. A trade
whose time lies before the open bar (the clock went back) counts as inside it: no bar is ever opened twice.
"""

from __future__ import annotations

from typing import Any, Final

SECOND_NS: Final = 1_000_000_000
BAR_SECONDS_MAX: Final = 86_400


class BarCloses:
    """Turns trades into closing prices; with ``bar_seconds`` 0 every trade is a bar of its own."""

    __slots__ = ("_bar", "_bar_ns", "_close")

    def __init__(self, bar_seconds: int) -> None:
        self._bar_ns: int = bar_seconds * SECOND_NS
        self._bar: int = -1
        self._close: int = 0

    def push(self, ts_ns: int, price: int) -> int:
        """The closing price of the bar that this trade ended, 0 when it ended none; ``price`` is positive."""
        if self._bar_ns == 0:
            return price
        bar = ts_ns // self._bar_ns
        closed = 0
        if bar > self._bar:
            closed = self._close
            self._bar = bar
        self._close = price
        return closed

    def snapshot(self) -> dict[str, Any]:
        """The open bar."""
        return {"bar": self._bar, "close": self._close}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the open bar of ``snapshot`` back."""
        self._bar, self._close = snapshot["bar"], snapshot["close"]

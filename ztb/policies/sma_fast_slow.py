"""Two moving averages: buys when the fast one crosses above the slow one, sells when it crosses below.

The rule: only a crossing acts. The policy remembers on which side of the slow average the fast one was last seen; a
crossing is the fast average on the other side than the remembered one. Equal averages are on no side: they neither
act nor change what is remembered, so touching and turning back is no crossing, and passing through equality is one,
at the first bar beyond it. Where the fast average is first seen is where it starts, so that is no crossing either.
The averages are compared as ``fast_sum * slow`` with ``slow_sum * fast``: exact, without a division.
"""

from __future__ import annotations

from typing import Any, Final

from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD, Decision, Policy
from ztb.policies.bars import BAR_SECONDS_MAX, BarCloses
from ztb.policies.indicators import LENGTH_MAX, Sma
from ztb.policies.parameters import check_range, check_same

CROSSING_UP: Final = "crossing_up"
CROSSING_DOWN: Final = "crossing_down"
NO_CROSSING: Final = "no_crossing"
WARMING_UP: Final = "warming_up"


class SmaFastSlow(Policy):
    """Moving averages of the closes; buys on a crossing up, sells on a crossing down, else holds."""

    name = "sma_fast_slow"
    input_names: tuple[str, ...] = ("close", "fast_sum", "slow_sum")

    def __init__(self, *, fast: int = 10, slow: int = 20, bar_seconds: int = 0) -> None:
        check_range(self.name, "slow", slow, low=2, high=LENGTH_MAX)
        check_range(self.name, "fast", fast, low=1, high=slow - 1)
        check_range(self.name, "bar_seconds", bar_seconds, low=0, high=BAR_SECONDS_MAX)
        self._parameters: dict[str, int] = {"fast": fast, "slow": slow, "bar_seconds": bar_seconds}
        self._fast_length: int = fast
        self._slow_length: int = slow
        self._bars: BarCloses | None = BarCloses(bar_seconds) if bar_seconds else None
        self._fast: Sma = Sma(fast)
        self._slow: Sma = Sma(slow)
        self._side: int = 0
        """1: the fast average was last seen above the slow one, -1: below, 0: not yet on a side."""

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """One decision for each closed bar; None inside a bar."""
        close = trade.price
        if self._bars is not None:
            close = self._bars.push(trade.ts_ns, close)
            if close == 0:
                return None
        fast_sum = self._fast.push(close)
        slow_sum = self._slow.push(close)
        inputs = (close, fast_sum, slow_sum)
        if not self._slow.ready:
            return Decision(HOLD, WARMING_UP, inputs)
        gap = fast_sum * self._slow_length - slow_sum * self._fast_length
        side = self._side
        if gap > 0 and side <= 0:
            self._side = 1
            if side < 0:
                return Decision(BUY, CROSSING_UP, inputs)
        elif gap < 0 and side >= 0:
            self._side = -1
            if side > 0:
                return Decision(SELL, CROSSING_DOWN, inputs)
        return Decision(HOLD, NO_CROSSING, inputs)

    def snapshot(self) -> dict[str, Any]:
        """Parameters, both windows, the open bar and the side."""
        return {
            "parameters": dict(self._parameters),
            "fast": self._fast.snapshot(),
            "slow": self._slow.snapshot(),
            "bars": self._bars.snapshot() if self._bars is not None else {},
            "side": self._side,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the state back; ConfigError when the parameters differ."""
        check_same(self.name, snapshot, self._parameters)
        self._fast.restore(snapshot["fast"])
        self._slow.restore(snapshot["slow"])
        if self._bars is not None:
            self._bars.restore(snapshot["bars"])
        self._side = snapshot["side"]

"""Relative strength index: buys when the market becomes oversold, sells when it becomes overbought.

The rule: only entering a zone acts, and it acts once. Below ``low`` is oversold, above ``high`` overbought, ``low``
and ``high`` themselves belong to the band between. Entering means that the bar before was not in that zone; staying
or going back into the band does nothing. The zone in which the index is first seen is where it starts: no action.
"""

from __future__ import annotations

from typing import Any, Final

from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD, Decision, Policy
from ztb.policies.bars import BAR_SECONDS_MAX, BarCloses
from ztb.policies.indicators import LENGTH_MAX, RSI_FULL_PPM, Rsi
from ztb.policies.parameters import check_range, check_same

ENTERED_OVERSOLD: Final = "entered_oversold"
ENTERED_OVERBOUGHT: Final = "entered_overbought"
STILL_OVERSOLD: Final = "still_oversold"
STILL_OVERBOUGHT: Final = "still_overbought"
INSIDE_BAND: Final = "inside_band"
FIRST_VALUE: Final = "first_value"
WARMING_UP: Final = "warming_up"

_POINT_PPM: Final = RSI_FULL_PPM // 100
_OVERSOLD: Final = -1
_BAND: Final = 0
_OVERBOUGHT: Final = 1
_UNSEEN: Final = 2

_STAYING: Final = {_OVERSOLD: STILL_OVERSOLD, _BAND: INSIDE_BAND, _OVERBOUGHT: STILL_OVERBOUGHT}


class RsiReversion(Policy):
    """Relative strength index; buys on falling below the low bound, sells on rising above the high one."""

    name = "rsi_reversion"
    input_names: tuple[str, ...] = ("close", "rsi_ppm")

    def __init__(self, *, length: int = 14, low: int = 30, high: int = 70, bar_seconds: int = 60) -> None:
        check_range(self.name, "length", length, low=2, high=LENGTH_MAX)
        check_range(self.name, "low", low, low=1, high=98)
        check_range(self.name, "high", high, low=low + 1, high=99)
        check_range(self.name, "bar_seconds", bar_seconds, low=0, high=BAR_SECONDS_MAX)
        self._parameters: dict[str, int] = {"length": length, "low": low, "high": high, "bar_seconds": bar_seconds}
        self._low_ppm: int = low * _POINT_PPM
        self._high_ppm: int = high * _POINT_PPM
        self._bars: BarCloses = BarCloses(bar_seconds)
        self._rsi: Rsi = Rsi(length)
        self._zone: int = _UNSEEN

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """One decision for each closed bar; None inside a bar."""
        close = self._bars.push(trade.ts_ns, trade.price)
        if close == 0:
            return None
        rsi_ppm = self._rsi.push(close)
        inputs = (close, rsi_ppm)
        if not self._rsi.ready:
            return Decision(HOLD, WARMING_UP, inputs)
        zone = _OVERSOLD if rsi_ppm < self._low_ppm else _OVERBOUGHT if rsi_ppm > self._high_ppm else _BAND
        before = self._zone
        self._zone = zone
        if before == _UNSEEN:
            return Decision(HOLD, FIRST_VALUE, inputs)
        if zone in (before, _BAND):
            return Decision(HOLD, _STAYING[zone], inputs)
        if zone == _OVERSOLD:
            return Decision(BUY, ENTERED_OVERSOLD, inputs)
        return Decision(SELL, ENTERED_OVERBOUGHT, inputs)

    def snapshot(self) -> dict[str, Any]:
        """Parameters, the averages, the open bar and the zone."""
        return {
            "parameters": dict(self._parameters),
            "rsi": self._rsi.snapshot(),
            "bars": self._bars.snapshot(),
            "zone": self._zone,
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the state back; ConfigError when the parameters differ."""
        check_same(self.name, snapshot, self._parameters)
        self._rsi.restore(snapshot["rsi"])
        self._bars.restore(snapshot["bars"])
        self._zone = snapshot["zone"]

"""Indicators that cost the same for every price, however long their window: one push in, one number out.

The rule: whole numbers only, so that a value is the same on every machine. A sum is exact. Where an average must be
rounded, scale, rounding and the largest error are stated. A snapshot holds no more than what the future depends on.
"""

from __future__ import annotations

from typing import Any, Final

from ztb.core.error import ConfigError

LENGTH_MAX: Final = 10_000
"""No window is longer; the state of every policy is bounded by it."""

RSI_FULL_PPM: Final = 1_000_000
"""RSI is counted in parts per million of its full scale: RSI 30 is 300,000."""

_RSI_SCALE_BITS: Final = 40
_RSI_SCALE: Final = 1 << _RSI_SCALE_BITS
_RSI_FREEZE: Final = 1 << 20


class Sma:
    """The sum of the last ``length`` values; divide nothing, compare sums (``ready``: the window is full)."""

    __slots__ = ("_at", "_ring", "length", "ready", "total")

    def __init__(self, length: int) -> None:
        check_length(length)
        self.length: int = length
        self.total: int = 0
        self.ready: bool = False
        # Zeros stand for the values that were not seen yet: they leave the sum alone, so the hot path has no branch
        # for the warm-up, and the first wrap of the ring is the moment at which the window is full.
        self._ring: list[int] = [0] * length
        self._at: int = 0

    def push(self, value: int) -> int:
        """Take ``value`` in, let the oldest out; returns the sum, of fewer values while not ``ready``."""
        ring = self._ring
        at = self._at
        self.total = total = self.total + value - ring[at]
        ring[at] = value
        at += 1
        if at == self.length:
            at = 0
            self.ready = True
        self._at = at
        return total

    def snapshot(self) -> dict[str, Any]:
        """The window, oldest value first."""
        ring, at = self._ring, self._at
        return {"length": self.length, "window": ring[at:] + ring[:at] if self.ready else ring[:at]}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the window of ``snapshot`` back; ConfigError when it was made with another length."""
        length, window = snapshot["length"], snapshot["window"]
        if length != self.length or len(window) > length:
            raise _other_length("Sma", length, self.length)
        self.total, self.ready, self._at = 0, False, 0
        self._ring = [0] * self.length
        for value in window:
            self.push(value)


class Rsi:
    """Wilder's relative strength index of ``length`` price changes, in ppm of full scale.

    The first averages are the means of the first ``length`` gains and losses; afterwards
    ``average = (average * (length - 1) + change) / length``. The averages are ticks times 2**40, each division
    rounded half up; the ratio is rounded half up to 1 ppm. No loss in the averages is 1,000,000, no gain is 0, no
    change at all is 500,000. The result lies within ``4 * length + 1`` ppm of exact arithmetic (with length 14: 0.006
    points).
    """

    __slots__ = ("_gain", "_last", "_loss", "_seen", "length", "ready")

    def __init__(self, length: int) -> None:
        check_length(length)
        self.length: int = length
        self.ready: bool = False
        self._gain: int = 0
        self._loss: int = 0
        self._last: int = 0
        self._seen: int = 0

    def push(self, price: int) -> int:
        """Take the next price in; returns the RSI in ppm, or -1 while not ``ready`` (``length`` changes not seen)."""
        change = price - self._last
        self._last = price
        if not self.ready:
            return self._warm_up(change)
        gain = self._gain
        loss = self._loss
        length = self.length
        # Without a change both averages shrink alike and the index stays as it is. When they are small already they
        # are left alone, because shrinking them further would only turn them into rounding errors, whose ratio is
        # noise. What is then kept too much weighs less than 2**20 against 2**40 for one tick.
        if change != 0 or gain + loss >= _RSI_FREEZE:
            half = length >> 1
            gain = (gain * (length - 1) + ((change << _RSI_SCALE_BITS) if change > 0 else 0) + half) // length
            loss = (loss * (length - 1) + ((-change << _RSI_SCALE_BITS) if change < 0 else 0) + half) // length
            self._gain = gain
            self._loss = loss
        return _ratio_ppm(gain, loss)

    def _warm_up(self, change: int) -> int:
        self._seen += 1
        if self._seen == 1:
            return -1
        if change > 0:
            self._gain += change
        else:
            self._loss -= change
        length = self.length
        if self._seen <= length:
            return -1
        self._gain = (self._gain * _RSI_SCALE + (length >> 1)) // length
        self._loss = (self._loss * _RSI_SCALE + (length >> 1)) // length
        self.ready = True
        return _ratio_ppm(self._gain, self._loss)

    def snapshot(self) -> dict[str, Any]:
        """The last price, the averages (before ``ready``: the sums in ticks) and how many prices were seen."""
        seen = min(self._seen, self.length + 1)
        return {"length": self.length, "last": self._last, "gain": self._gain, "loss": self._loss, "seen": seen}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the state of ``snapshot`` back; ConfigError when it was made with another length."""
        if snapshot["length"] != self.length:
            raise _other_length("Rsi", snapshot["length"], self.length)
        self._last, self._gain, self._loss = snapshot["last"], snapshot["gain"], snapshot["loss"]
        self._seen = snapshot["seen"]
        self.ready = self._seen > self.length


def check_length(length: int) -> None:
    """ConfigError unless ``length`` is a possible window."""
    if not 1 <= length <= LENGTH_MAX:
        raise ConfigError(f"a window of {length} values", remedy=f"use a length from 1 to {LENGTH_MAX}")


def _ratio_ppm(gain: int, loss: int) -> int:
    both = gain + loss
    if both == 0:
        return RSI_FULL_PPM >> 1
    return (RSI_FULL_PPM * gain + (both >> 1)) // both


def _other_length(indicator: str, saved: object, wanted: int) -> ConfigError:
    return ConfigError(
        f"the checkpoint holds {indicator}({saved!r}), the policy wants {indicator}({wanted})",
        remedy="restore the former policy parameters, or start without the checkpoint",
    )

"""JSON number texts from exact integers and Decimals, never through a binary float.

A venue that writes floats writes ``13690000.0`` and ``0.0015``; these texts are made from the digits themselves.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ztb.core.instrument import Instrument
from ztb.simulator.limits import NUMBER_CACHE_MAX


def fixed_point(value: Decimal) -> str:
    """``13690000.0``, ``0.0015``: always with a point, never with an exponent or needless zeros."""
    text = f"{value:f}"
    if "." not in text:
        return f"{text}.0"
    text = text.rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def exponent(value: Decimal) -> str:
    """As JSON allows it and a float printer does it for small amounts: ``1.5e-03``."""
    if value == 0 or abs(value) >= 1:
        return fixed_point(value)
    _, digits, _ = value.normalize().as_tuple()
    sign = "-" if value < 0 else ""
    mantissa = str(digits[0]) + (f".{''.join(map(str, digits[1:]))}" if len(digits) > 1 else "")
    return f"{sign}{mantissa}e-{-value.adjusted():02d}"


class Numbers:
    """Number texts of one instrument, remembered because a book repeats itself."""

    def __init__(self, instrument: Instrument, *, small_with_exponent: bool = False) -> None:
        self._prices = instrument.prices
        self._sizes = instrument.sizes
        self._money = instrument.money
        self._write = exponent if small_with_exponent else fixed_point
        self._price_memo: dict[int, msgspec.Raw] = {}
        self._size_memo: dict[int, msgspec.Raw] = {}

    def price(self, ticks: int) -> msgspec.Raw:
        raw = self._price_memo.get(ticks)
        return raw if raw is not None else self._remember(self._price_memo, ticks, self._prices.decimal(ticks))

    def size(self, lots: int) -> msgspec.Raw:
        raw = self._size_memo.get(lots)
        return raw if raw is not None else self._remember(self._size_memo, lots, self._sizes.decimal(lots))

    def money(self, units: int) -> msgspec.Raw:
        return self.amount(self._money.decimal(units))

    def amount(self, value: Decimal) -> msgspec.Raw:
        return msgspec.Raw(self._write(value).encode())

    def _remember(self, memo: dict[int, msgspec.Raw], key: int, value: Decimal) -> msgspec.Raw:
        if len(memo) >= NUMBER_CACHE_MAX:
            memo.clear()
        raw = memo[key] = self.amount(value)
        return raw

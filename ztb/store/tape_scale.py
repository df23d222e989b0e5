"""From the amounts of a recording to ticks and lots of an instrument, exactly, with or without a conversion rate.

The rule: amounts are whole numbers of 10**-8 (no venue is finer) and ratios are fractions of integers, so nothing is
rounded but by the stated rule: a bid down, an ask up, a size down. So a book never crosses by conversion. Without a
rate nothing may be rounded at all: an amount off the grid makes its row unusable.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from ztb.core.error import AmountError
from ztb.core.instrument import Instrument
from ztb.core.money import Grid
from ztb.store.tape_block import VALUE_MAX
from ztb.store.tape_import import UnusableRow

UNITS_PER_ONE: Final = 10**8
_UNITS: Final = Grid(Decimal(1).scaleb(-8))
MEMO_ENTRIES_MAX: Final = 1 << 16

PRICE_RULE: Final = "price x rate; bids and sells down, asks and buys up to the next tick"
SIZE_RULE: Final = "down to whole lots; at least 1 lot for a trade or a best quote; book levels below 1 lot vanish"


class Scale:
    """``units`` are 10**-8 of the recording's currencies; ``rate`` None: the recording is of ``instrument`` itself."""

    def __init__(self, instrument: Instrument, rate: Decimal | None = None) -> None:
        self.exact = rate is None
        ticks = Fraction(rate or 1) / Fraction(instrument.tick_size) / UNITS_PER_ONE
        lots = 1 / Fraction(instrument.lot_size) / UNITS_PER_ONE
        self._tick_up, self._tick_down = ticks.numerator, ticks.denominator
        self._lot_up, self._lot_down = lots.numerator, lots.denominator
        self._memo: dict[str, int] = {}

    def units(self, text: object) -> int:
        """The amount written as ``text``, which must be a string: a JSON number has been through float."""
        if not isinstance(text, str):
            raise UnusableRow("amount_not_text", repr(text)[:40])
        known = self._memo.get(text)
        if known is not None:
            return known
        try:
            units = _UNITS.parse(text)
        except (AmountError, ArithmeticError) as error:
            raise UnusableRow("amount_not_a_number", str(error)) from None
        if not 0 <= units < VALUE_MAX:
            raise UnusableRow("amount_out_of_range", text)
        if len(self._memo) >= MEMO_ENTRIES_MAX:
            self._memo.clear()
        self._memo[text] = units
        return units

    def price_down(self, units: int) -> int:
        """Ticks of a bid, or of a trade that hit one; at least 1 tick, so that no price vanishes."""
        ticks, rest = divmod(units * self._tick_up, self._tick_down)
        self._check(rest, "price_off_the_grid", units)
        return max(1, ticks)

    def price_up(self, units: int) -> int:
        """Ticks of an ask, or of a trade that took one."""
        ticks, rest = divmod(units * self._tick_up, self._tick_down)
        self._check(rest, "price_off_the_grid", units)
        return ticks + (rest != 0)

    def lots(self, units: int) -> int:
        """Whole lots, rounded down."""
        lots, rest = divmod(units * self._lot_up, self._lot_down)
        self._check(rest, "size_off_the_grid", units)
        return lots

    def _check(self, rest: int, reason: str, units: int) -> None:
        if rest and self.exact:
            raise UnusableRow(reason, f"{Decimal(units) / UNITS_PER_ONE:f}")

"""Amounts of a stream, from their digits straight to whole steps.

The first frame of a book holds tens of thousands of prices and sizes. Plain digits need no Decimal in between: they
are an integer at the step's own scale. Whatever is not plain digits goes the long way, to the same result. A market
names the same amounts again and again, so a text that was read is known.
"""

from __future__ import annotations

from typing import Final

from ztb.core.money import AMOUNT_TEXT_LENGTH_MAX, Grid
from ztb.venues.coinbase import codec
from ztb.venues.decoding import undecodable

_SHORT: Final = AMOUNT_TEXT_LENGTH_MAX
_KNOWN_MAX: Final = 100_000


class StepsOf(dict[str, int]):
    """Whole steps by text: ``steps["68900.00"]``, read when it is asked for the first time.

    A text that is no amount, is off the grid (unless ``cut`` rounds it down) or below ``at_least`` is a VenueError
    ``undecodable``, however often it is asked for.
    """

    __slots__ = ("_at_least", "_cut", "_decimals", "_divisors", "_factor", "_grid", "_what")

    def __init__(self, grid: Grid, what: str, *, at_least: int = 0, cut: bool = False) -> None:
        super().__init__()
        self._grid = grid
        self._what = what
        self._at_least = at_least
        self._cut = cut
        numerator, self._factor = grid.step.as_integer_ratio()
        self._divisors: tuple[int, ...] = tuple(numerator * 10**decimals for decimals in range(_SHORT))
        self._decimals = self._divisors.index(self._factor) if self._factor in self._divisors else -1
        """A text with so many is a number of steps when its dot is left out; -1 where there is none such."""

    def __missing__(self, text: str) -> int:
        whole, _, part = text.partition(".")
        digits = whole + part
        # With nothing before or after its dot it is not plain, and goes the long way.
        if digits.isdigit() and text.isascii() and whole and text[-1] != "." and len(text) <= _SHORT:
            if len(part) == self._decimals:
                steps = int(digits)
            else:
                steps, rest = divmod(int(digits) * self._factor, self._divisors[len(part)])
                if rest and not self._cut:
                    steps = self._the_long_way(text)
        else:
            steps = self._the_long_way(text)
        if steps < self._at_least:
            raise undecodable(self._what, f"{text[:_SHORT]} is below {self._at_least} step")
        if len(self) >= _KNOWN_MAX:
            self.clear()
        self[text] = steps
        return steps

    def _the_long_way(self, text: str) -> int:
        if self._cut:
            return codec.rounded(self._grid, text, self._what, "floor")
        return codec.steps(self._grid, text, self._what)

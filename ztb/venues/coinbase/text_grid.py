"""Amounts of a stream, from their digits straight to whole steps.

The first frame of a book holds tens of thousands of prices and sizes. Plain digits need no Decimal in between: they
are an integer at the step's own scale. Whatever is not plain digits goes the long way, to the same result. A market
names the same amounts again and again, so texts that were read are known.
"""

from __future__ import annotations

from typing import Final

from ztb.core.money import AMOUNT_TEXT_LENGTH_MAX, Grid
from ztb.venues.coinbase import codec
from ztb.venues.decoding import undecodable

_SHORT: Final = AMOUNT_TEXT_LENGTH_MAX
_KNOWN_MAX: Final = 100_000


class TextGrid:
    """Multiples of a grid's step, written as text."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        numerator, self._factor = grid.step.as_integer_ratio()
        self._divisors: tuple[int, ...] = tuple(numerator * 10**decimals for decimals in range(_SHORT))
        self.known_exact: dict[str, int] = {}
        """Texts that ``exact`` has read."""
        self.known_floor: dict[str, int] = {}

    def exact(self, text: str, what: str, *, at_least: int = 0) -> int:
        """Whole steps in ``text``; undecodable when it is off the grid or below ``at_least``."""
        steps = self.known_exact.get(text)
        if steps is None:
            read = self._digits(text)
            steps = codec.steps(self._grid, text, what) if read is None or read[1] else read[0]
            _remember(self.known_exact, text, steps)
        if steps < at_least:
            raise undecodable(what, f"{text[:_SHORT]} is below {at_least} step")
        return steps

    def floor(self, text: str, what: str) -> int:
        """Steps in ``text``, what is finer than one cut off."""
        steps = self.known_floor.get(text)
        if steps is None:
            read = self._digits(text)
            steps = codec.rounded(self._grid, text, what, "floor") if read is None else read[0]
            _remember(self.known_floor, text, steps)
        return steps

    def _digits(self, text: str) -> tuple[int, bool] | None:
        """Whole steps, and whether something is left over; None for what is not plain digits."""
        whole, dot, part = text.partition(".")
        digits = whole + part
        # Without the dot it is one number; what stands on either side of it must not be empty.
        if not digits.isdigit() or not text.isascii() or not whole or (dot and not part) or len(text) > _SHORT:
            return None
        steps, rest = divmod(int(digits) * self._factor, self._divisors[len(part)])
        return steps, rest != 0


def _remember(known: dict[str, int], text: str, steps: int) -> None:
    if len(known) >= _KNOWN_MAX:
        known.clear()
    known[text] = steps

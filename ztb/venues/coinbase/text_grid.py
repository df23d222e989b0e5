"""Amounts of a stream, from their digits straight to whole steps.

The first frame of a book holds tens of thousands of prices and sizes. Plain digits need no Decimal in between: they
are an integer at the step's own scale. Whatever is not plain digits goes the long way, to the same result.
"""

from __future__ import annotations

from typing import Final

from ztb.core.money import AMOUNT_TEXT_LENGTH_MAX, Grid
from ztb.venues.coinbase import codec

_SHORT: Final = AMOUNT_TEXT_LENGTH_MAX


class TextGrid:
    """Multiples of a grid's step, written as text."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        step = grid.step.normalize()
        exponent = step.as_tuple().exponent
        assert isinstance(exponent, int), "a grid's step is finite"
        self._scale = max(0, -exponent)
        self._mantissa = int(step.scaleb(self._scale))

    def exact(self, text: str, what: str, *, at_least: int = 0) -> int:
        """Whole steps in ``text``; undecodable when it is off the grid or below ``at_least``."""
        read = self._digits(text)
        if read is None or read[1]:
            return codec.steps(self._grid, text, what, at_least=at_least)
        if read[0] < at_least:
            raise codec.undecodable(what, f"{text} is below {at_least} step")
        return read[0]

    def floor(self, text: str, what: str) -> int:
        """Steps in ``text``, what is finer than one cut off."""
        read = self._digits(text)
        return codec.rounded(self._grid, text, what, "floor") if read is None else read[0]

    def _digits(self, text: str) -> tuple[int, bool] | None:
        """Whole steps, and whether something is left over; None for what is not plain digits."""
        if len(text) > _SHORT or not text.isascii():
            return None
        whole, dot, part = text.partition(".")
        if not whole.isdigit() or (dot and not part.isdigit()):
            return None
        missing = self._scale - len(part)
        if missing >= 0:
            steps, rest = divmod(int(whole + part + "0" * missing), self._mantissa)
            return steps, rest != 0
        steps, rest = divmod(int(whole + part[: self._scale]), self._mantissa)
        return steps, rest != 0 or bool(part[self._scale :].strip("0"))

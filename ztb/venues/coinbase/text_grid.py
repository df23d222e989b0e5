"""Amounts of a stream, from their digits straight to whole steps.

The first frame of a book holds tens of thousands of prices and sizes. Plain digits need no Decimal in between: they
are an integer at the step's own scale. Whatever is not plain digits goes the long way, to the same result. A market
names the same amounts again and again, so texts that were read are known.
"""

from __future__ import annotations

from typing import Final

from ztb.core.money import AMOUNT_TEXT_LENGTH_MAX, Grid
from ztb.venues.coinbase import codec

_SHORT: Final = AMOUNT_TEXT_LENGTH_MAX
_KNOWN_MAX: Final = 100_000


class TextGrid:
    """Multiples of a grid's step, written as text."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        step = grid.step.normalize()
        exponent = step.as_tuple().exponent
        assert isinstance(exponent, int), "a grid's step is finite"
        self._scale = max(0, -exponent)
        self._mantissa = int(step.scaleb(self._scale))
        self._exact: dict[str, int] = {}
        self._floor: dict[str, int] = {}

    def exact(self, text: str, what: str, *, at_least: int = 0) -> int:
        """Whole steps in ``text``; undecodable when it is off the grid or below ``at_least``."""
        steps = self._exact.get(text)
        if steps is None:
            read = self._digits(text)
            steps = codec.steps(self._grid, text, what) if read is None or read[1] else read[0]
            _remember(self._exact, text, steps)
        if steps < at_least:
            raise codec.undecodable(what, f"{text[:_SHORT]} is below {at_least} step")
        return steps

    def floor(self, text: str, what: str) -> int:
        """Steps in ``text``, what is finer than one cut off."""
        steps = self._floor.get(text)
        if steps is None:
            read = self._digits(text)
            steps = codec.rounded(self._grid, text, what, "floor") if read is None else read[0]
            _remember(self._floor, text, steps)
        return steps

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


def _remember(known: dict[str, int], text: str, steps: int) -> None:
    if len(known) >= _KNOWN_MAX:
        known.clear()
    known[text] = steps

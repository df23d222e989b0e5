"""Steps of a grid straight from the digits of a plain number, with integers alone.

A short way, not another rule: for what it does not take (an exponent, a sign, a text in quotes, very many digits, an
amount off the grid) it gives None, and the caller goes the long way over Decimal, which knows what is wrong with it.
"""

from __future__ import annotations

from typing import Final

from ztb.core.money import Grid

DIGITS_MAX: Final = 18


class GridText:
    """Reads the texts of numbers in JSON that a decoder has accepted: it does not look for their faults."""

    __slots__ = ("_denominator", "_divisors")

    def __init__(self, grid: Grid) -> None:
        numerator, self._denominator = grid.step.as_integer_ratio()
        self._divisors: tuple[int, ...] = tuple(numerator * 10**decimals for decimals in range(DIGITS_MAX + 1))

    def exact(self, text: bytes) -> int | None:
        """Steps in ``12.50``; None also when it lies off the grid."""
        whole, _, fraction = text.partition(b".")
        digits = whole + fraction
        if not digits.isdigit() or len(digits) > DIGITS_MAX:
            return None
        steps, rest = divmod(int(digits) * self._denominator, self._divisors[len(fraction)])
        return None if rest else steps

    def floor(self, text: bytes) -> int | None:
        """Whole steps in ``12.50``, the rest dropped."""
        whole, _, fraction = text.partition(b".")
        digits = whole + fraction
        if not digits.isdigit() or len(digits) > DIGITS_MAX:
            return None
        return int(digits) * self._denominator // self._divisors[len(fraction)]

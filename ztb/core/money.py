"""Exact amounts: text and Decimal at the edges, integers inside.

A ``Grid`` is a set of allowed amounts, all multiples of one step: prices on a tick, sizes on a lot, money on a
unit. Inside the core an amount is the integer number of steps; it never passes through float.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation

from ztb.core.error import AmountError

PPM = 1_000_000
"""Ratios are parts per million: 1 % is 10,000 ppm."""

AMOUNT_TEXT_LENGTH_MAX = 40
"""No venue writes an amount longer than this; a longer one is an attack or a bug."""

_ROUNDING = {"floor": ROUND_FLOOR, "ceiling": ROUND_CEILING, "nearest": ROUND_HALF_EVEN}


def decimal_from_text(text: str) -> Decimal:
    """Exact finite decimal of a plain or exponent notation; AmountError for anything else."""
    if len(text) > AMOUNT_TEXT_LENGTH_MAX:
        raise AmountError(f"amount of {len(text)} characters")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise AmountError(f"not a number: {text!r}") from None
    if not value.is_finite():
        raise AmountError(f"not a finite number: {text!r}")
    return value


class Grid:
    """Multiples of ``step`` (a positive Decimal), as integers and back."""

    __slots__ = ("step",)

    def __init__(self, step: Decimal) -> None:
        if not step.is_finite() or step <= 0:
            raise AmountError(f"a step must be a positive number, not {step}")
        self.step = step

    def exact(self, value: Decimal) -> int:
        """Steps in ``value``; AmountError when it does not lie on the grid."""
        if not value.is_finite():
            raise AmountError(f"not a finite number: {value}")
        steps = value / self.step
        whole = int(steps)
        if whole * self.step != value:
            raise AmountError(f"{value} is not a multiple of {self.step}")
        return whole

    def rounded(self, value: Decimal, direction: str) -> int:
        """Steps in ``value``, rounded ``floor``, ``ceiling`` or ``nearest``."""
        if not value.is_finite():
            raise AmountError(f"not a finite number: {value}")
        return int((value / self.step).to_integral_value(rounding=_ROUNDING[direction]))

    def parse(self, text: str) -> int:
        """Steps in the number written as ``text``; AmountError when it is none or off the grid."""
        return self.exact(decimal_from_text(text))

    def decimal(self, steps: int) -> Decimal:
        """The amount of ``steps`` as an exact Decimal."""
        return steps * self.step

    def text(self, steps: int) -> str:
        """The amount in fixed-point notation, never with an exponent."""
        return f"{steps * self.step:f}"


def ceil_div(numerator: int, denominator: int) -> int:
    """Quotient rounded up, for amounts that must not be underestimated (fees)."""
    assert denominator > 0
    return -(-numerator // denominator)

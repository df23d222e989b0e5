"""Exact amounts: text and Decimal at the edges, integers inside.

A ``Grid`` is a set of allowed amounts, all multiples of one step: prices on a tick, sizes on a lot, money on a
unit. Inside the core an amount is the integer number of steps; it never passes through float.
"""

from __future__ import annotations

from decimal import Clamped, Context, Decimal, Inexact, InvalidOperation, Overflow, Rounded, Underflow
from typing import Final

from ztb.core.error import AmountError

PPM = 1_000_000
"""Ratios are parts per million: 1 % is 10,000 ppm."""

AMOUNT_TEXT_LENGTH_MAX = 40
"""No venue writes an amount longer than this; a longer one is an attack or a bug."""
AMOUNT_EXPONENT_MAX: Final = 40
"""No amount has a digit further than this from the decimal point; ``1e999999`` would fill the memory."""

_EXACT: Final = Context(
    prec=8 * AMOUNT_EXPONENT_MAX, traps=[InvalidOperation, Inexact, Rounded, Overflow, Underflow, Clamped]
)
"""Room for every sum of the above; what does not fit is an error instead of a rounded number."""


def decimal_from_text(text: str) -> Decimal:
    """Exact finite decimal of a plain or exponent notation; AmountError for anything else."""
    if len(text) > AMOUNT_TEXT_LENGTH_MAX:
        raise AmountError(f"amount of {len(text)} characters")
    # Decimal itself also takes 1_000, blanks around the number and the digits of other scripts.
    if not text.isascii() or "_" in text or text != text.strip():
        raise AmountError(f"not a number: {text!r}")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise AmountError(f"not a number: {text!r}") from None
    return _checked(value)


class Grid:
    """Multiples of ``step`` (a positive Decimal), as integers and back."""

    __slots__ = ("step",)

    def __init__(self, step: Decimal) -> None:
        if not step.is_finite() or step <= 0:
            raise AmountError(f"a step must be a positive number, not {step}")
        self.step = _checked(step)

    def exact(self, value: Decimal) -> int:
        """Steps in ``value``; AmountError when it does not lie on the grid."""
        steps, rest = _EXACT.divmod(_checked(value), self.step)
        if rest:
            raise AmountError(f"{value} is not a multiple of {self.step}")
        return int(steps)

    def rounded(self, value: Decimal, direction: str) -> int:
        """Steps in ``value``, rounded ``floor``, ``ceiling`` or ``nearest`` (the even one of two as near)."""
        quotient, rest = _EXACT.divmod(_checked(value), self.step)
        steps = int(quotient)
        # The quotient was cut towards zero, and the rest has the sign of the value.
        floor = steps - 1 if rest < 0 else steps
        match direction:
            case "floor":
                return floor
            case "ceiling":
                return floor + 1 if rest else floor
            case "nearest":
                above = _EXACT.multiply(2, _EXACT.subtract(value, _EXACT.multiply(floor, self.step)))
                return floor + 1 if above > self.step or (above == self.step and floor % 2) else floor
        raise AmountError(f"no rounding {direction!r}", remedy="floor, ceiling or nearest")

    def parse(self, text: str) -> int:
        """Steps in the number written as ``text``; AmountError when it is none or off the grid."""
        return self.exact(decimal_from_text(text))

    def decimal(self, steps: int) -> Decimal:
        """The amount of ``steps`` as an exact Decimal."""
        return _EXACT.multiply(steps, self.step)

    def text(self, steps: int) -> str:
        """The amount in fixed-point notation, never with an exponent."""
        return f"{self.decimal(steps):f}"


def _checked(value: Decimal) -> Decimal:
    """The value, if it is a finite number of a size that can be an amount."""
    if not value.is_finite():
        raise AmountError(f"not a finite number: {value}")
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if not -AMOUNT_EXPONENT_MAX <= exponent <= AMOUNT_EXPONENT_MAX or len(digits) > 2 * AMOUNT_EXPONENT_MAX:
        raise AmountError(f"out of all proportion: {str(value)[:AMOUNT_TEXT_LENGTH_MAX]}")
    return value


def ceil_div(numerator: int, denominator: int) -> int:
    """Quotient rounded up, for amounts that must not be underestimated (fees)."""
    assert denominator > 0
    return -(-numerator // denominator)


def floor_sqrt(value: int) -> int:
    """The largest integer whose square is not above ``value``; by Newton's rule, without a float."""
    assert value >= 0
    if value == 0:
        return 0
    root = 1 << (value.bit_length() + 1) // 2
    while (better := (root + value // root) // 2) < root:
        root = better
    return root

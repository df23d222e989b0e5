"""Amounts: exact against fractions, whatever the text; nonsense is refused with a typed error."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.error import AmountError
from ztb.core.money import AMOUNT_TEXT_LENGTH_MAX, Grid, ceil_div, decimal_from_text

STEPS = st.sampled_from(
    ["1", "5", "0.0001", "0.00000001", "0.5", "0.25", "0.7", "0.3", "100", "2.5", "1e-8", "5e3", "0.12345678901234567"]
).map(Decimal)

DIGITS = st.text("0123456789", min_size=1, max_size=14)


@st.composite
def plain_texts(draw: st.DrawFn) -> str:
    """Numbers as people and venues write them: sign, point, exponent."""
    sign = draw(st.sampled_from(["", "-", "+"]))
    number = draw(DIGITS)
    if draw(st.booleans()):
        number += "." + draw(DIGITS)
    if draw(st.booleans()):
        number += draw(st.sampled_from("eE")) + str(draw(st.integers(-8, 8)))
    return sign + number


@given(plain_texts())
def test_text_becomes_exactly_the_number_that_it_says(text: str) -> None:
    # Fraction has its own parser, written in Python, with a regular expression.
    assert Fraction(*decimal_from_text(text).as_integer_ratio()) == Fraction(text)


@given(STEPS, plain_texts())
def test_a_number_lies_on_the_grid_exactly_when_the_quotient_is_whole(step: Decimal, text: str) -> None:
    quotient = Fraction(text) / Fraction(step)
    grid = Grid(step)
    if quotient.denominator == 1:
        assert grid.parse(text) == quotient
    else:
        with pytest.raises(AmountError, match="not a multiple of"):
            grid.parse(text)


@given(STEPS, plain_texts())
def test_rounding_is_that_of_exact_fractions(step: Decimal, text: str) -> None:
    quotient = Fraction(text) / Fraction(step)
    value = Decimal(text)
    grid = Grid(step)
    assert grid.rounded(value, "floor") == math.floor(quotient)
    assert grid.rounded(value, "ceiling") == math.ceil(quotient)
    assert grid.rounded(value, "nearest") == round(quotient)  # of a Fraction: half to even


@pytest.mark.parametrize(
    ("amount", "steps"), [("1", 0), ("3", 2), ("5", 2), ("7", 4), ("-1", 0), ("-3", -2), ("-5", -2), ("-7", -4)]
)
def test_the_middle_between_two_steps_is_rounded_to_the_even_one(amount: str, steps: int) -> None:
    assert Grid(Decimal(2)).rounded(Decimal(amount), "nearest") == steps


@given(STEPS, st.integers(-(10**19), 10**19))
def test_steps_and_amounts_turn_into_each_other_without_loss(step: Decimal, steps: int) -> None:
    grid = Grid(step)
    assert Fraction(grid.decimal(steps)) == steps * Fraction(step)
    assert grid.exact(grid.decimal(steps)) == steps
    assert Fraction(grid.text(steps)) == steps * Fraction(step)
    assert set(grid.text(steps)) <= set("-0123456789.")


def test_more_digits_than_the_usual_context_of_decimal_has() -> None:
    # With 28 digits 1e30 / 0.7 is rounded, and the rounded quotient times 0.7 is 1e30 again.
    with pytest.raises(AmountError, match="not a multiple of"):
        Grid(Decimal("0.7")).parse("1e30")
    just_below_one = Decimal("0." + "9" * 35)
    assert Grid(Decimal(1)).rounded(just_below_one, "floor") == 0
    assert Grid(Decimal(1)).exact(Decimal(10) ** 30) == 10**30
    with pytest.raises(AmountError, match="not a multiple of"):
        Grid(Decimal(1)).exact(just_below_one)


@pytest.mark.parametrize(
    "text",
    [
        "nan", "NaN", "sNaN", "-nan", "inf", "Infinity", "-Infinity", "", " ", "-", ".", "e5", "1e", "0x10", "1,5",
        "1 000", " 1", "1 ", "1\n", "1_000", "１２", "٣", "½", "1.2.3", "--1", "1e5.5", "None", "1\x00",
    ],
)  # fmt: skip
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        decimal_from_text(text)


@pytest.mark.parametrize("text", ["1e41", "1e999999", "1e999999999999999999", "1e-41", "9e-999999", "-1e50"])
def test_an_exponent_cannot_blow_up_the_memory(text: str) -> None:
    with pytest.raises(AmountError):
        Grid(Decimal(1)).parse(text)


def test_the_length_of_a_text_is_limited() -> None:
    longest = "1" * AMOUNT_TEXT_LENGTH_MAX
    assert decimal_from_text(longest) == int(longest)
    with pytest.raises(AmountError, match="amount of 41 characters"):
        decimal_from_text(longest + "1")
    with pytest.raises(AmountError, match="amount of 5000 characters"):
        decimal_from_text("0" * 5000)


@pytest.mark.parametrize("value", [Decimal("nan"), Decimal("inf"), Decimal("-inf"), Decimal("snan")])
def test_a_decimal_that_is_no_number_is_refused_everywhere(value: Decimal) -> None:
    grid = Grid(Decimal(1))
    with pytest.raises(AmountError, match="not a finite number"):
        grid.exact(value)
    for direction in ("floor", "ceiling", "nearest"):
        with pytest.raises(AmountError, match="not a finite number"):
            grid.rounded(value, direction)
    with pytest.raises(AmountError):
        Grid(value)


@pytest.mark.parametrize("step", ["0", "-1", "-0.5", "0E-5"])
def test_a_step_is_positive(step: str) -> None:
    with pytest.raises(AmountError, match="a step must be a positive number"):
        Grid(Decimal(step))


def test_an_unknown_rounding_is_an_error() -> None:
    with pytest.raises(AmountError, match="no rounding 'up'"):
        Grid(Decimal(1)).rounded(Decimal(1), "up")


def test_a_text_is_never_written_with_an_exponent() -> None:
    assert Grid(Decimal("1e-8")).text(1) == "0.00000001"
    assert Grid(Decimal("5e3")).text(2) == "10000"
    assert Grid(Decimal("0.0001")).text(-15) == "-0.0015"


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**12))
def test_ceil_div_rounds_up(numerator: int, denominator: int) -> None:
    assert ceil_div(numerator, denominator) == math.ceil(Fraction(numerator, denominator))

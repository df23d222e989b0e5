"""How reports write numbers: exact, grouped, and "no data" where there is none."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.scene import INSTRUMENT
from ztb.reports.amounts import (
    aligned,
    count_text,
    decimal_text,
    duration_text,
    money_text,
    ratio,
    time_text,
)

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("amount", "plain", "signed"),
    [
        (0, "0.00", "0.00"),
        (1, "0.01", "+0.01"),
        (-1, "-0.01", "-0.01"),
        (123_456_789, "1,234,567.89", "+1,234,567.89"),
        (-100_000, "-1,000.00", "-1,000.00"),
        (None, "no data", "no data"),
    ],
)
def test_money(amount: int | None, plain: str, signed: str) -> None:
    assert money_text(INSTRUMENT, amount) == plain
    assert money_text(INSTRUMENT, amount, signed=True) == signed


@given(amount=st.integers(-(10**24), 10**24))
def test_money_text_reads_back_exactly(amount: int) -> None:
    assert Decimal(money_text(INSTRUMENT, amount, signed=True).replace(",", "")).scaleb(2) == amount


@given(
    numerator=st.integers(-(10**12), 10**12),
    denominator=st.integers(1, 10**12),
    scale=st.sampled_from([1, 100, 10_000]),
    places=st.integers(0, 4),
)
def test_a_ratio_is_as_near_as_its_places_allow(numerator: int, denominator: int, scale: int, places: int) -> None:
    value = ratio(numerator, denominator, scale=scale, places=places)
    assert value is not None
    exact = Fraction(numerator * scale, denominator)
    assert abs(Fraction(value) - exact) <= Fraction(1, 2 * 10**places)
    assert -(value.as_tuple().exponent) == places  # type: ignore[operator]  # finite: the exponent is an int


def test_a_ratio_to_nothing_is_no_number() -> None:
    assert ratio(5, 0, scale=100, places=2) is None
    assert decimal_text(None, "%") == "no data"


@pytest.mark.parametrize(
    ("value", "signed", "expected"),
    [("1234.5", False, "1,234.5 %"), ("0.25", True, "+0.25 %"), ("-0.25", True, "-0.25 %"), ("0.00", True, "0.00 %")],
)
def test_ratios_with_units(value: str, signed: bool, expected: str) -> None:
    assert decimal_text(Decimal(value), "%", signed=signed) == expected


@pytest.mark.parametrize(("value", "expected"), [(0, "0"), (1_234_567, "1,234,567"), (None, "no data")])
def test_counts(value: int | None, expected: str) -> None:
    assert count_text(value) == expected


@pytest.mark.parametrize(
    ("ts_ns", "expected"),
    [
        (0, "1970-01-01 00:00:00.000Z"),
        (951_782_400 * SECOND - 1, "2000-02-28 23:59:59.999Z"),
        (1_709_640_000 * SECOND + 250_000_000, "2024-03-05 12:00:00.250Z"),
        (None, "no data"),
    ],
)
def test_times(ts_ns: int | None, expected: str) -> None:
    assert time_text(ts_ns) == expected


@pytest.mark.parametrize(
    ("span_ns", "expected"),
    [
        (0, "0.000 s"),
        (1_500_000, "0.001 s"),
        (61 * SECOND, "1 min 1.000 s"),
        (3_600 * SECOND, "1 h 0.000 s"),
        (90_061 * SECOND + 5_000_000, "1 d 1 h 1 min 1.005 s"),
        (None, "no data"),
    ],
)
def test_durations(span_ns: int | None, expected: str) -> None:
    assert duration_text(span_ns) == expected


def test_two_columns() -> None:
    assert aligned([("a", "1"), ("long", "2"), ("empty", "")]) == ["  a      1", "  long   2", "  empty"]
    assert aligned([]) == []

"""The short way from digits to steps agrees with Decimal, or says that it does not know."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.money import Grid
from ztb.venues.grid_text import GridText

STEPS = st.sampled_from(["5", "1", "0.5", "0.0001", "0.00000001", "2.5", "1000", "0.03"]).map(Decimal)
PLAIN = st.decimals(0, 10**9, places=8, allow_nan=False, allow_infinity=False) | st.integers(0, 10**12).map(Decimal)


@given(STEPS, PLAIN)
def test_plain_numbers_are_what_decimal_says(step: Decimal, value: Decimal) -> None:
    text = GridText(Grid(step))
    written = f"{value:f}".encode()
    ratio = value / step
    whole = int(ratio.to_integral_value(ROUND_FLOOR))
    assert text.floor(written) == whole
    assert text.exact(written) == (whole if whole * step == value else None)


@given(STEPS, st.integers(0, 10**9))
def test_multiples_of_the_step_come_back(step: Decimal, steps: int) -> None:
    written = f"{steps * step:f}".encode()
    assert GridText(Grid(step)).exact(written) == steps
    assert GridText(Grid(step)).floor(written) == steps
    assert GridText(Grid(step)).exact(written + (b"0" if b"." in written else b".0")) == steps


@pytest.mark.parametrize(
    "text", [b"", b".", b"-5", b"+5", b"5e3", b"5E-1", b'"5"', b" 5", b"5 ", b"5.0.0", b"nan", b"1" * 19, b"\xb2"]
)
def test_anything_else_is_left_to_the_long_way(text: bytes) -> None:
    reader = GridText(Grid(Decimal(5)))
    assert reader.exact(text) is None
    assert reader.floor(text) is None


def test_off_the_grid_is_left_to_the_long_way() -> None:
    assert GridText(Grid(Decimal(5))).exact(b"13690003.0") is None
    assert GridText(Grid(Decimal(5))).exact(b"13690005.0") == 2_738_001
    assert GridText(Grid(Decimal("0.0001"))).floor(b"0.00019") == 1

"""Amounts to ticks and lots, against Decimal with plenty of digits."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.tape_samples import BTC_JPY
from ztb.core.instrument import Instrument
from ztb.store import tape_scale
from ztb.store.tape_import import UnusableRow
from ztb.store.tape_scale import Scale

BTCUSDT = Instrument("btcusdt", "btc", "usdt", Decimal("0.01"), Decimal("0.00001"), 7)


def test_a_price_of_the_recording_by_hand() -> None:
    scale = Scale(BTC_JPY, Decimal("147.00"))
    # 61837.63 x 147 = 9,090,131.61 JPY: between 1,818,026 ticks (9,090,130) and 1,818,027 ticks of 5 JPY
    units = scale.units("61837.63000000")
    assert units == 6_183_763_000_000
    assert (scale.price_down(units), scale.price_up(units)) == (1_818_026, 1_818_027)
    # 100 x 147 = 14,700 JPY lies on the grid
    assert scale.price_down(scale.units("100")) == scale.price_up(scale.units("100.0")) == 2_940
    assert scale.price_down(scale.units("0.00000001")) == 1
    assert [scale.lots(scale.units(text)) for text in ("0.00009999", "0.0001", "1.54698")] == [0, 1, 15_469]


@given(st.integers(1, 10**15), st.decimals("0.01", 1000, places=2))
def test_conversion_is_what_decimal_says(units: int, rate: Decimal) -> None:
    scale = Scale(BTC_JPY, rate)
    with localcontext() as context:
        context.prec = 100
        exact = Decimal(units).scaleb(-8) * rate / 5
        floor = int(exact.to_integral_value(ROUND_FLOOR))
        assert scale.price_down(units) == max(1, floor)
        assert scale.price_up(units) == int(exact.to_integral_value(ROUND_CEILING))
        assert scale.lots(units) == int((Decimal(units).scaleb(-4)).to_integral_value(ROUND_FLOOR))


@given(st.integers(1, 10**15), st.integers(1, 10**15), st.decimals("0.01", 1000, places=2))
def test_what_did_not_cross_never_crosses_after_conversion(bid: int, spread: int, rate: Decimal) -> None:
    scale = Scale(BTC_JPY, rate)
    down, up = scale.price_down(bid), scale.price_up(bid + spread)
    assert down < up or (down, up) == (1, 1)  # only below one tick can both be the lowest price there is


def test_without_a_rate_nothing_is_rounded() -> None:
    scale = Scale(BTCUSDT)
    assert scale.price_down(scale.units("61837.63")) == scale.price_up(scale.units("61837.63")) == 6_183_763
    with pytest.raises(UnusableRow, match=r"price off the grid: 61837\.635"):
        scale.price_up(scale.units("61837.635"))
    with pytest.raises(UnusableRow, match=r"price off the grid: 61837\.635"):
        scale.price_down(scale.units("61837.635"))
    with pytest.raises(UnusableRow, match=r"size off the grid: 93\.758587"):
        scale.lots(scale.units("93.75858700"))


@pytest.mark.parametrize(
    "text",
    [
        1.5,
        7,
        None,
        "",
        "abc",
        "NaN",
        "Infinity",
        "-1",
        "1_0",
        "0.000000001",
        "1.0000000000000000000000000000001",  # more digits than a Decimal computes with by default
        "1234567890123456789012345678.000000001",
        " 1",
        "٣",
        "1e40",
        "9" * 41,
        "1e999999999",
        "1e-99999",
    ],
)
def test_what_is_no_amount_is_refused(text: object) -> None:
    with pytest.raises(UnusableRow) as caught:
        Scale(BTCUSDT).units(text)
    assert caught.value.reason.startswith("amount_")


@pytest.mark.parametrize(
    ("text", "units"),
    [("0", 0), ("0.00000001", 1), ("1e-8", 1), ("00.10", 10_000_000), ("23058430092.13693951", 2**61 - 1)],
)
def test_amounts_in_range(text: str, units: int) -> None:
    assert Scale(BTCUSDT).units(text) == units


@pytest.mark.parametrize("text", ["23058430092.13693952", "-0.00000001"])
def test_amounts_out_of_range(text: str) -> None:
    with pytest.raises(UnusableRow) as caught:
        Scale(BTCUSDT).units(text)
    assert str(caught.value) == f"amount out of range: {text}"


def test_many_distinct_amounts_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tape_scale, "MEMO_ENTRIES_MAX", 10)
    scale = Scale(BTCUSDT)
    for round_ in range(3):
        for number in range(100):
            assert scale.units(f"{number}.5") == number * 10**8 + 50_000_000, round_
            assert len(scale._memo) <= 10

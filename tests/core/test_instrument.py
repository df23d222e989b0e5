"""Instruments: the value of a tick and lot, fees rounded against us, definitions that make no sense."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.error import AmountError
from ztb.core.instrument import Instrument

BTC_JPY = Instrument(
    "btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), money_scale=4, maker_fee_ppm=-100, taker_fee_ppm=1_000
)


def test_one_tick_of_one_lot_in_money_units() -> None:
    # 5 JPY x 0.0001 BTC = 0.0005 JPY = 5 units of 0.0001 JPY.
    assert BTC_JPY.money_per_tick_lot == 5
    # 13,690,000 JPY is 2,738,000 ticks; 0.01 BTC is 100 lots; together worth 136,900 JPY.
    assert BTC_JPY.notional(2_738_000, 100) == 1_369_000_000
    assert BTC_JPY.money.text(BTC_JPY.notional(2_738_000, 100)) == "136900.0000"


def test_the_fee_is_rounded_up_and_a_rebate_down() -> None:
    # 0.1 % of 136,900 JPY is 136.9 JPY.
    assert BTC_JPY.fee(2_738_000, 100, maker=False) == 1_369_000
    # 0.1 % of 5 units is 0.005 of a unit.
    assert BTC_JPY.fee(1, 1, maker=False) == 1
    # A rebate of 0.01 % of 5 units is 0.0005 of a unit: nothing.
    assert BTC_JPY.fee(1, 1, maker=True) == 0
    assert BTC_JPY.fee(2_738_000, 100, maker=True) == -136_900


@given(st.integers(1, 10**8), st.integers(1, 10**6), st.integers(-5_000, 50_000))
def test_a_fee_is_never_below_the_exact_one_and_less_than_one_unit_above(price: int, lots: int, ppm: int) -> None:
    instrument = replace(BTC_JPY, taker_fee_ppm=ppm)
    exact = Fraction(price * lots * 5 * ppm, 1_000_000)
    fee = instrument.fee(price, lots, maker=False)
    assert fee == math.ceil(exact)
    assert 0 <= fee - exact < 1


TENTHS = st.integers(-8, 3).flatmap(lambda e: st.integers(1, 9).map(lambda n: Decimal(n).scaleb(e)))


@given(TENTHS, TENTHS, st.integers(0, 18))
def test_tick_times_lot_must_be_whole_money(tick: Decimal, lot: Decimal, scale: int) -> None:
    exact = Fraction(tick) * Fraction(lot) * 10**scale
    if exact.denominator == 1:
        made = Instrument("x_y", "x", "y", tick, lot, scale)
        assert made.money_per_tick_lot == exact >= 1
        assert Fraction(made.money.decimal(made.notional(7, 3))) == Fraction(tick) * 7 * Fraction(lot) * 3
    else:
        with pytest.raises(AmountError, match=r"x_y: tick .* is not a whole number of .*raise money_scale"):
            Instrument("x_y", "x", "y", tick, lot, scale)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tick_size": Decimal(0)}, "a step must be a positive number"),
        ({"lot_size": Decimal(-1)}, "a step must be a positive number"),
        ({"tick_size": Decimal("nan")}, "a step must be a positive number"),
        ({"lot_size": Decimal("inf")}, "a step must be a positive number"),
        ({"money_scale": -1}, "btc_jpy: money_scale -1"),
        ({"money_scale": 19}, "btc_jpy: money_scale 19"),
        ({"money_scale": 3}, "raise money_scale"),
        ({"lots_min": 0}, "lots_min 0 and lots_max 1000000000 make no range"),
        ({"lots_min": 5, "lots_max": 4}, "lots_min 5 and lots_max 4 make no range"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(AmountError, match=message):
        replace(BTC_JPY, **change)  # type: ignore[arg-type]


def test_the_grids_are_those_of_the_steps() -> None:
    assert BTC_JPY.prices.parse("13690005") == 2_738_001
    assert BTC_JPY.sizes.parse("0.0105") == 105
    assert BTC_JPY.money.parse("0.0001") == 1
    with pytest.raises(AmountError):
        BTC_JPY.prices.parse("13690001")

"""The RSI policy: acts once on entering a zone, by the exact index over the whole history."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.policies.scene import reasons, said, trades
from tests.policies.test_indicators import exact_rsi
from ztb.core.error import ConfigError
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD
from ztb.policies.rsi_reversion import RsiReversion

WARM, FIRST, BAND = "warming_up", "first_value", "inside_band"
OVERSOLD, OVERBOUGHT = "entered_oversold", "entered_overbought"
STAY_LOW, STAY_HIGH = "still_oversold", "still_overbought"
ACTIONS = {OVERSOLD: BUY, OVERBOUGHT: SELL}


@given(moves=st.lists(st.integers(-9, 9), max_size=60), length=st.integers(2, 14))
def test_acts_where_the_exact_index_enters_a_zone(moves: list[int], length: int) -> None:
    prices = [1000]
    for move in moves:
        prices.append(prices[-1] + move)
    expected: list[str] = []
    zones: list[str] = []
    for end in range(1, len(prices) + 1):
        exact = exact_rsi(prices[:end], length)
        if exact is None:
            expected.append(WARM)
            continue
        # Right at a bound the stated rounding of the index may decide either way; that is not what is tested here.
        assume(all(abs(exact - bound) > Fraction(1, 5000) for bound in (Fraction(3, 10), Fraction(7, 10))))
        zone = "low" if exact < Fraction(3, 10) else "high" if exact > Fraction(7, 10) else "band"
        if not zones:
            expected.append(FIRST)
        elif zone == "band":
            expected.append(BAND)
        elif zone == "low":
            expected.append(STAY_LOW if zones[-1] == "low" else OVERSOLD)
        else:
            expected.append(STAY_HIGH if zones[-1] == "high" else OVERBOUGHT)
        zones.append(zone)
    decisions = said(RsiReversion(length=length, bar_seconds=0), trades(prices))
    assert [d.reason for d in decisions if d is not None] == expected
    assert all(d is not None and d.action == ACTIONS.get(d.reason, HOLD) for d in decisions)


def test_a_walk_through_both_zones() -> None:
    # Length 2. Averages (gain, loss): 103: (1.5, 0). 102: (.75, .5) 60. 98: (.375, 2.25) 14. 97: falls on.
    # 104: (3.59, .81) 82. 105: rises on.
    policy = RsiReversion(length=2, bar_seconds=0)
    prices = [100, 101, 103, 102, 98, 97, 104, 105]
    assert reasons(policy, prices) == [WARM, WARM, FIRST, BAND, OVERSOLD, STAY_LOW, OVERBOUGHT, STAY_HIGH]


def test_a_bound_belongs_to_the_band() -> None:
    # Length 2: after 104, 105, 104 both averages are 1/2; a fall of 1 more makes them 1/4 and 3/4, RSI exactly 25.
    prices = [104, 105, 104, 103]
    assert reasons(RsiReversion(length=2, low=25, bar_seconds=0), prices)[-1] == BAND
    assert reasons(RsiReversion(length=2, low=26, bar_seconds=0), prices)[-1] == OVERSOLD


def test_the_upper_bound_belongs_to_the_band_too() -> None:
    # The same upside down: averages of 1/2, then a rise of 1 more makes them 3/4 and 1/4, RSI exactly 75.
    prices = [104, 103, 104, 105]
    assert reasons(RsiReversion(length=2, high=75, bar_seconds=0), prices)[-1] == BAND
    assert reasons(RsiReversion(length=2, high=74, bar_seconds=0), prices)[-1] == OVERBOUGHT


def test_decides_on_closed_bars_of_a_minute_by_default() -> None:
    policy = RsiReversion()
    assert policy.snapshot()["parameters"] == {"length": 14, "low": 30, "high": 70, "bar_seconds": 60}
    # The scene begins 20 seconds into a minute.
    decided = [n for n, d in enumerate(said(policy, trades([100] * 130))) if d is not None]
    assert decided == [40, 100]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"length": 1}, r"length = 1 is out of range.*2 to 10000"),
        ({"low": 0}, r"low = 0 is out of range.*1 to 98"),
        ({"low": 70}, r"high = 70 is out of range.*71 to 99"),
        ({"high": 100}, r"high = 100 is out of range.*31 to 99"),
        ({"bar_seconds": 86_401}, r"bar_seconds = 86401 is out of range.*0 to 86400"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_range(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RsiReversion(**parameters)


def test_a_snapshot_of_other_parameters_is_refused() -> None:
    with pytest.raises(ConfigError, match="'low': 20"):
        RsiReversion().restore(RsiReversion(low=20).snapshot())

"""The crossing policy: against averages computed from the whole history, and at the edges of its definition."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.scene import reasons, said, trades
from ztb.core.error import ConfigError
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD
from ztb.policies.sma_fast_slow import SmaFastSlow

UP, DOWN, NONE, WARM = "crossing_up", "crossing_down", "no_crossing", "warming_up"
ACTIONS = {UP: BUY, DOWN: SELL, NONE: HOLD, WARM: HOLD}


def expected_reasons(prices: list[int], fast: int, slow: int) -> list[str]:
    """The definition, written down again over exact averages: the last unequal side against the present one."""
    found: list[str] = []
    sides: list[int] = []
    for end in range(1, len(prices) + 1):
        if end < slow:
            found.append(WARM)
            continue
        fast_mean = Fraction(sum(prices[end - fast : end]), fast)
        slow_mean = Fraction(sum(prices[end - slow : end]), slow)
        side = (fast_mean > slow_mean) - (fast_mean < slow_mean)
        earlier = [s for s in sides if s]
        crossed = side != 0 and earlier != [] and earlier[-1] == -side
        found.append((UP if side > 0 else DOWN) if crossed else NONE)
        sides.append(side)
    return found


@given(
    prices=st.lists(st.integers(100, 108), max_size=80),
    fast=st.integers(1, 6),
    more=st.integers(1, 6),
)
def test_acts_where_the_exact_averages_cross(prices: list[int], fast: int, more: int) -> None:
    """Few different prices, so that equal averages are frequent."""
    policy = SmaFastSlow(fast=fast, slow=fast + more)
    decisions = said(policy, trades(prices))
    assert [d.reason for d in decisions if d is not None] == expected_reasons(prices, fast, fast + more)
    assert all(d is not None and d.action == ACTIONS[d.reason] for d in decisions)


def test_the_inputs_are_the_numbers_that_decided() -> None:
    decisions = said(SmaFastSlow(fast=2, slow=3), trades([10, 20, 30, 5]))
    assert SmaFastSlow.input_names == ("close", "fast_sum", "slow_sum")
    assert [d.inputs for d in decisions if d is not None] == [(10, 10, 10), (20, 30, 30), (30, 50, 60), (5, 35, 55)]


@pytest.mark.parametrize(
    ("prices", "last_reasons"),
    [
        ([1, 2, 9, 1], [NONE, DOWN]),
        ([9, 8, 1, 9], [NONE, UP]),
        ([5, 5, 5, 9], [NONE, NONE]),
        ([9, 8, 1, 8, 8], [NONE, UP, NONE]),
    ],
    ids=["first value above", "first value below", "first values equal", "stays above"],
)
def test_edges_of_the_definition(prices: list[int], last_reasons: list[str]) -> None:
    assert reasons(SmaFastSlow(fast=1, slow=3), prices)[2:] == last_reasons


def test_touching_is_no_crossing_and_passing_through_equality_is_one() -> None:
    # fast = the price, slow = the mean of two: above after a rise, equal after no change, below after a fall.
    policy = SmaFastSlow(fast=1, slow=2)
    assert reasons(policy, [1, 2, 2, 3, 3, 3, 2, 2, 3]) == [WARM, NONE, NONE, NONE, NONE, NONE, DOWN, NONE, UP]


def test_decides_once_for_each_bar_on_its_close() -> None:
    prices = [10, 99, 20, 99, 30, 1, 40]
    policy = SmaFastSlow(fast=1, slow=2, bar_seconds=2)
    decisions = said(policy, trades(prices))
    assert [d.inputs[0] if d else None for d in decisions] == [None, None, 99, None, 99, None, 1]
    assert [d.reason if d else "" for d in decisions] == ["", "", WARM, "", NONE, "", NONE]


def test_defaults_are_ten_and_twenty_on_every_trade() -> None:
    assert SmaFastSlow().snapshot()["parameters"] == {"fast": 10, "slow": 20, "bar_seconds": 0}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fast": 0}, r"fast = 0 is out of range.*1 to 19"),
        ({"fast": 20}, r"fast = 20 is out of range.*1 to 19"),
        ({"slow": 1}, r"slow = 1 is out of range.*2 to 10000"),
        ({"slow": 10_001}, r"slow = 10001 is out of range"),
        ({"bar_seconds": -1}, r"bar_seconds = -1 is out of range.*0 to 86400"),
        ({"bar_seconds": 86_401}, r"bar_seconds = 86401 is out of range"),
        ({"fast": True}, r"fast = True is out of range"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_range(parameters: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SmaFastSlow(**parameters)


def test_a_snapshot_of_other_parameters_is_refused() -> None:
    with pytest.raises(ConfigError, match="'fast': 9"):
        SmaFastSlow().restore(SmaFastSlow(fast=9).snapshot())

"""The indicators against independent, exact computations over the whole history."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.error import ConfigError
from ztb.policies.indicators import LENGTH_MAX, RSI_FULL_PPM, Rsi, Sma

PRICES = st.lists(st.integers(1, 2**40), min_size=0, max_size=120)
LENGTHS = st.integers(1, 40)

# The worked example of RSI(14) that StockCharts publishes; here its prices are counted in 0.0001.
PUBLISHED_PRICES = [
    443389, 440902, 441497, 436124, 443278, 448264, 450955, 454245, 458433, 460826,
    458931, 460328, 456140, 462820, 462820, 460028, 460328, 464116, 462222, 456439,
]  # fmt: skip
PUBLISHED_RSI = ["70.53", "66.32", "66.55", "69.41", "66.36", "57.97"]


def exact_rsi(prices: list[int], length: int) -> Fraction | None:
    """Wilder's definition in fractions, from the first price on, nothing carried over."""
    changes = [after - before for before, after in pairwise(prices)]
    if len(changes) < length:
        return None
    gain = Fraction(sum(max(c, 0) for c in changes[:length]), length)
    loss = Fraction(sum(max(-c, 0) for c in changes[:length]), length)
    for change in changes[length:]:
        gain = (gain * (length - 1) + max(change, 0)) / length
        loss = (loss * (length - 1) + max(-change, 0)) / length
    return gain / (gain + loss) if gain + loss else Fraction(1, 2)


def pushed(indicator: Sma | Rsi, values: list[int]) -> list[int]:
    return [indicator.push(value) for value in values]


@given(values=st.lists(st.integers(-(2**50), 2**50), max_size=150), length=LENGTHS)
def test_sma_is_the_exact_sum_of_the_last_values(values: list[int], length: int) -> None:
    sma = Sma(length)
    for index, value in enumerate(values):
        window = values[max(0, index + 1 - length) : index + 1]
        assert sma.push(value) == sum(window)
        assert sma.total == sum(window)
        assert sma.ready == (index + 1 >= length)


@given(values=st.lists(st.integers(0, 10**9), max_size=100), cut=st.integers(0, 100), length=LENGTHS)
def test_sma_goes_on_from_a_snapshot(values: list[int], cut: int, length: int) -> None:
    whole, first, second = Sma(length), Sma(length), Sma(length)
    second.push(123)
    expected = pushed(whole, values)
    pushed(first, values[:cut])
    second.restore(first.snapshot())
    assert second.ready == first.ready
    assert pushed(second, values[cut:]) == expected[cut:]
    assert second.snapshot() == whole.snapshot()


def test_sma_snapshot_holds_the_window_oldest_first() -> None:
    sma = Sma(3)
    assert sma.snapshot() == {"length": 3, "window": []}
    pushed(sma, [1, 2, 3, 4])
    assert sma.snapshot() == {"length": 3, "window": [2, 3, 4]}


def test_rsi_matches_a_published_series() -> None:
    rsi = Rsi(14)
    values = pushed(rsi, PUBLISHED_PRICES)
    assert values[:14] == [-1] * 14
    assert [f"{value / 10_000:.2f}" for value in values[14:]] == PUBLISHED_RSI


@given(prices=PRICES, length=LENGTHS)
def test_rsi_stays_within_its_stated_error(prices: list[int], length: int) -> None:
    exact = check_against_exact(prices, length)
    # The running fractions are themselves checked against the definition over the whole history.
    assert exact == exact_rsi(prices, length)


@given(
    moves=st.lists(st.tuples(st.sampled_from([-3, -1, 1, 2]), st.integers(0, 60)), max_size=4),
    length=st.sampled_from([1, 2, 3, 5, 14]),
)
def test_rsi_keeps_its_error_through_long_quiet_stretches(moves: list[tuple[int, int]], length: int) -> None:
    """A move, then many trades at one price: the averages shrink far below one tick, their ratio must not drift."""
    prices = [1000]
    for move, quiet in moves:
        prices += [prices[-1] + move] * (1 + quiet * 5)
    check_against_exact(prices, length)


def check_against_exact(prices: list[int], length: int) -> Fraction | None:
    """Every value against fractions that follow the same recurrence; returns the last one."""
    rsi = Rsi(length)
    exact: Fraction | None = None
    changes = [after - before for before, after in pairwise(prices)]
    gain = loss = Fraction(0)
    for index, price in enumerate(prices):
        value = rsi.push(price)
        assert rsi.ready == (index >= length)
        if index < length:
            assert value == -1
            continue
        if index == length:
            gain = Fraction(sum(max(c, 0) for c in changes[:length]), length)
            loss = Fraction(sum(max(-c, 0) for c in changes[:length]), length)
        else:
            gain = (gain * (length - 1) + max(changes[index - 1], 0)) / length
            loss = (loss * (length - 1) + max(-changes[index - 1], 0)) / length
        exact = gain / (gain + loss) if gain + loss else Fraction(1, 2)
        assert abs(value - exact * RSI_FULL_PPM) <= 4 * length + 1
    return exact


@given(prices=PRICES, cut=st.integers(0, 120), length=LENGTHS)
def test_rsi_goes_on_from_a_snapshot(prices: list[int], cut: int, length: int) -> None:
    whole, first, second = Rsi(length), Rsi(length), Rsi(length)
    expected = pushed(whole, prices)
    pushed(first, prices[:cut])
    second.restore(first.snapshot())
    assert second.ready == first.ready
    assert pushed(second, prices[cut:]) == expected[cut:]
    assert second.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    ("prices", "expected_ppm"),
    [([5, 6, 7, 8], 1_000_000), ([8, 7, 6, 5], 0), ([5, 5, 5, 5], 500_000), ([5, 6, 5, 5], 500_000)],
)
def test_rsi_at_its_ends_and_without_any_change(prices: list[int], expected_ppm: int) -> None:
    assert pushed(Rsi(3), prices)[-1] == expected_ppm


@pytest.mark.parametrize("indicator", [Sma, Rsi])
@pytest.mark.parametrize("length", [0, -1, LENGTH_MAX + 1])
def test_a_window_has_a_limit(indicator: type[Sma] | type[Rsi], length: int) -> None:
    with pytest.raises(ConfigError, match=f"window of {length} "):
        indicator(length)


@pytest.mark.parametrize("indicator", [Sma, Rsi])
def test_the_limits_of_a_window_are_allowed(indicator: type[Sma] | type[Rsi]) -> None:
    assert [indicator(1).length, indicator(LENGTH_MAX).length] == [1, LENGTH_MAX]


@pytest.mark.parametrize("indicator", [Sma, Rsi])
def test_a_snapshot_of_another_length_is_refused(indicator: type[Sma] | type[Rsi]) -> None:
    with pytest.raises(ConfigError, match=r"\(5\).*\(6\)"):
        indicator(6).restore(indicator(5).snapshot())


def test_the_averages_of_the_rsi_are_rounded_half_up() -> None:
    # 2**40 / 3 = 366503875925.33; then times 2/3 each: 244335917283.33, 162890611522.0, 108593741014.67.
    rsi = Rsi(3)
    gains = []
    for price in [1, 2, 2, 2, 2, 2, 2]:
        rsi.push(price)
        gains.append(rsi.snapshot()["gain"])
    assert gains[3:] == [366_503_875_925, 244_335_917_283, 162_890_611_522, 108_593_741_015]

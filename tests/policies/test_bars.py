"""Bars: closed by event time, at the price of their last trade."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ztb.policies.bars import SECOND_NS, BarCloses

TRADES = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 10**6)), max_size=60)


def test_every_trade_is_a_bar_when_bars_have_no_length() -> None:
    bars = BarCloses(0)
    assert [bars.push(5, 10), bars.push(5, 11), bars.push(4, 12)] == [10, 11, 12]


def test_a_bar_is_closed_by_the_first_trade_behind_its_end() -> None:
    bars = BarCloses(60)
    assert bars.push(0, 10) == 0
    assert bars.push(60 * SECOND_NS - 1, 11) == 0
    assert bars.push(60 * SECOND_NS, 12) == 11
    assert bars.push(119 * SECOND_NS, 13) == 0
    assert bars.push(600 * SECOND_NS, 14) == 13, "the bars between had no trade, so they do not exist"


def test_a_trade_from_before_the_open_bar_counts_as_inside() -> None:
    bars = BarCloses(10)
    assert bars.push(25 * SECOND_NS, 10) == 0
    assert bars.push(5 * SECOND_NS, 11) == 0
    assert bars.push(12 * SECOND_NS, 12) == 0
    assert bars.push(30 * SECOND_NS, 13) == 12


@given(rows=TRADES, bar_seconds=st.integers(1, 30))
def test_closes_are_the_last_prices_of_each_bar(rows: list[tuple[int, int]], bar_seconds: int) -> None:
    """Against grouping the whole sorted list at once."""
    rows.sort(key=lambda row: row[0])
    bars = BarCloses(bar_seconds)
    closes = [close for second, price in rows if (close := bars.push(second * SECOND_NS, price))]
    last_of_bar = {second // bar_seconds: price for second, price in rows}
    assert closes == list(last_of_bar.values())[:-1]


@given(rows=TRADES, cut=st.integers(0, 60))
def test_an_open_bar_survives_a_snapshot(rows: list[tuple[int, int]], cut: int) -> None:
    whole, first, second = BarCloses(7), BarCloses(7), BarCloses(7)
    expected = [whole.push(seconds * SECOND_NS, price) for seconds, price in rows]
    for seconds, price in rows[:cut]:
        first.push(seconds * SECOND_NS, price)
    second.restore(first.snapshot())
    assert [second.push(seconds * SECOND_NS, price) for seconds, price in rows[cut:]] == expected[cut:]

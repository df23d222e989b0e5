"""Axes: round ticks inside the range, few enough, exactly labelled."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.reports.axis import time_axis, value_axis

MINUTE_NS = 60_000_000_000
DAY_NS = 1_440 * MINUTE_NS
NOON_NS = 1_709_640_000_000_000_000
"""2024-03-05 12:00:00 UTC."""

VALUES = st.decimals(min_value=-(10**12), max_value=10**12, places=4)


def labels(low: str, high: str, grid: str = "0.01", ticks_max: int = 6) -> list[str]:
    axis = value_axis(Decimal(low), Decimal(high), grid=Decimal(grid), ticks_max=ticks_max)
    return [axis.label(tick) for tick in axis.ticks]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("0", "10", ["0", "2", "4", "6", "8", "10"]),
        ("9340000", "9500000", ["9,350,000", "9,400,000", "9,450,000", "9,500,000"]),
        ("999.1", "1000.3", ["999.2", "999.4", "999.6", "999.8", "1,000.0", "1,000.2"]),
        ("-0.03", "0.02", ["-0.03", "-0.02", "-0.01", "0.00", "0.01", "0.02"]),
        ("5", "5", ["4.990", "4.995", "5.000", "5.005", "5.010"]),
    ],
)
def test_value_labels_by_hand(low: str, high: str, expected: list[str]) -> None:
    assert labels(low, high) == expected


@given(low=VALUES, width=st.decimals(min_value=0, max_value=10**9, places=4), ticks_max=st.integers(2, 12))
def test_value_ticks_are_round_and_inside(low: Decimal, width: Decimal, ticks_max: int) -> None:
    axis = value_axis(low, low + width, grid=Decimal("0.0001"), ticks_max=ticks_max)
    assert axis.low < low <= low + width < axis.high
    assert 1 <= len(axis.ticks) <= ticks_max
    assert all(0 <= axis.part(tick) <= 1 for tick in axis.ticks)
    steps = {after - before for before, after in pairwise(axis.ticks)}
    assert len(steps) <= 1
    for step in steps:
        assert step.normalize().as_tuple().digits in ((1,), (2,), (5,))
    for tick in axis.ticks:
        assert Decimal(axis.label(tick).replace(",", "")) == tick


@pytest.mark.parametrize(
    ("begin_ns", "span_ns", "expected"),
    [
        (NOON_NS, 45 * 1_000_000_000, ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40"]),
        (NOON_NS + 1, 5 * MINUTE_NS, ["12:01", "12:02", "12:03", "12:04", "12:05"]),
        (NOON_NS, DAY_NS, ["12:00", "18:00", "2024-03-06", "06:00", "12:00"]),
        (NOON_NS, 4 * DAY_NS, ["2024-03-06", "2024-03-07", "2024-03-08", "2024-03-09"]),
        (NOON_NS, 2_000_000, ["12:00:00.000", "12:00:00.001", "12:00:00.002"]),
    ],
)
def test_time_labels_by_hand(begin_ns: int, span_ns: int, expected: list[str]) -> None:
    axis = time_axis(begin_ns, begin_ns + span_ns, ticks_max=6)
    assert [axis.label(tick) for tick in axis.ticks_ns] == expected


@given(begin_ns=st.integers(0, 2 * 10**18), span_ns=st.integers(0, 10**18), ticks_max=st.integers(2, 12))
def test_time_ticks_are_inside(begin_ns: int, span_ns: int, ticks_max: int) -> None:
    axis = time_axis(begin_ns, begin_ns + span_ns, ticks_max=ticks_max)
    assert len(axis.ticks_ns) <= ticks_max + 1
    assert all(axis.begin_ns <= tick <= axis.end_ns for tick in axis.ticks_ns)
    assert 0 <= axis.part(begin_ns) <= axis.part(begin_ns + span_ns) <= 1


@given(span_ns=st.integers(1_000_000, 3_000 * DAY_NS), ticks_max=st.integers(4, 12))
def test_time_steps_are_those_of_a_clock(span_ns: int, ticks_max: int) -> None:
    """Ticks stand at the same times every day, or on 1, 2 or 5 (times ten) days."""
    axis = time_axis(NOON_NS, NOON_NS + span_ns, ticks_max=ticks_max)
    if axis.step_ns < DAY_NS:
        assert DAY_NS % axis.step_ns == 0
    else:
        days, rest = divmod(axis.step_ns, DAY_NS)
        assert rest == 0
        assert str(days).rstrip("0") in ("1", "2", "5")
    # As fine as the room allows: no more than five times too coarse, the widest step between two neighbours.
    assert axis.step_ns * ticks_max <= 5 * span_ns or axis.step_ns == 1_000_000


@pytest.mark.parametrize(
    ("step_s", "expected"), [(1, "12:00:01"), (2, "12:00:02"), (30, "12:00:30"), (60, "12:01"), (43_200, "00:00")]
)
def test_a_time_is_told_as_exactly_as_its_step(step_s: int, expected: str) -> None:
    axis = time_axis(NOON_NS, NOON_NS + 5 * step_s * 1_000_000_000, ticks_max=6)
    assert axis.step_ns == step_s * 1_000_000_000
    at_midnight = (NOON_NS + axis.step_ns) % DAY_NS == 0
    assert axis.label(NOON_NS + axis.step_ns) == ("2024-03-06" if at_midnight else expected)


def test_a_single_moment_has_a_second_around_it() -> None:
    axis = time_axis(NOON_NS, NOON_NS, ticks_max=6)
    assert (axis.begin_ns, axis.end_ns) == (NOON_NS - 500_000_000, NOON_NS + 500_000_000)
    assert axis.part(NOON_NS) == 0.5

"""The thinned curve: bounded, in order, and with every extreme of the whole run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.scene import SECOND_NS
from ztb.core.instrument import BUY, SELL
from ztb.reports.curve import MARKS_MAX, POINTS_MAX, Curve, CurvePoint, FillMark, Marks

SAMPLES = st.lists(st.tuples(st.integers(1, 50), st.integers(-50, 50)), min_size=1, max_size=300)


def curve_of(samples: list[tuple[int, int, int]]) -> tuple[CurvePoint, ...]:
    curve = Curve()
    for sample in samples:
        curve.push(*sample)
    return curve.points()


def check(samples: list[tuple[int, int, int]]) -> None:
    points = curve_of(samples)
    assert len(points) <= POINTS_MAX
    assert (points[0], points[-1]) == (samples[0], samples[-1])
    assert set(points) <= {CurvePoint(*sample) for sample in samples}
    assert [p.ts_ns for p in points] == sorted(p.ts_ns for p in points)
    for column in (1, 2):
        for extreme in (min, max):
            assert extreme(p[column] for p in points) == extreme(s[column] for s in samples)


@given(values=SAMPLES, repeat=st.sampled_from([1, 7, 40]), gap_ns=st.sampled_from([0, 1, 10**6, SECOND_NS, 10**15]))
def test_any_run_keeps_its_ends_and_extremes(values: list[tuple[int, int]], repeat: int, gap_ns: int) -> None:
    check([(n * gap_ns, price, equity) for n, (price, equity) in enumerate(values * repeat)])


@pytest.mark.parametrize("length", [1, 2, 497, 498, 499, 500, 1_000, 2_001, 100_003])
def test_a_run_of_any_length_is_bounded(length: int) -> None:
    check([(n * SECOND_NS, 1_000 + n * 7_919 % 613, n * 104_729 % 1_009 - 500) for n in range(length)])


def test_a_short_run_is_kept_whole() -> None:
    samples = [(n * SECOND_NS, 10 + n % 3, 5 - n % 4) for n in range(400)]
    assert list(curve_of(samples)) == samples


def test_every_spike_of_a_long_run_is_seen() -> None:
    """One sample in a thousand stands out, each by another amount."""
    spikes = {n: 10_000 + n for n in range(777, 200_000, 1_000)}
    points = curve_of([(n * SECOND_NS, 100, spikes.get(n, 0)) for n in range(200_000)])
    assert set(spikes.values()) <= {p.equity for p in points}


def test_a_burst_does_not_take_the_room_of_a_quiet_time() -> None:
    """A hundred thousand trades in the first second, then one a second: each of the quiet ones is to be seen."""
    burst = [(n * 10_000, 1_000 + n % 7, n % 5) for n in range(100_000)]
    quiet = [(second * SECOND_NS, 1_000 + second % 3, second) for second in range(2, 200)]
    points = curve_of([*burst, *quiet])
    assert set(quiet) <= set(points)
    assert len(points) > 2 * len(quiet)


def test_nothing_gives_nothing() -> None:
    assert Curve().points() == ()
    assert Marks().marks() == ()


@pytest.mark.parametrize("count", [1, MARKS_MAX, MARKS_MAX + 1, 38_627])
def test_marks_are_bounded_and_show_both_sides(count: int) -> None:
    """Buys and sells alternate, as they do in a run of round trips."""
    marks = Marks()
    for n in range(count):
        marks.push(FillMark(n, 100, SELL if n % 2 else BUY, 1))
    kept = marks.marks()
    assert marks.count == count
    assert min(count, MARKS_MAX // 4) <= len(kept) <= MARKS_MAX
    assert [m.ts_ns for m in kept] == sorted(m.ts_ns for m in kept)
    sides = [m.side for m in kept]
    assert abs(sides.count(BUY) - sides.count(SELL)) <= 1
    assert kept[-1].ts_ns >= count - count // 50 - 2, "the end of the run has its marks too"


@pytest.mark.parametrize(("count", "stride"), [(200, 1), (201, 2), (400, 2), (401, 4), (5_000, 32)])
def test_the_marks_that_are_kept_are_evenly_spread(count: int, stride: int) -> None:
    """At most 200 of a side: all of them, every second, every fourth..."""
    marks = Marks()
    for n in range(count):
        marks.push(FillMark(n, 100, BUY, 1))
    assert [mark.ts_ns for mark in marks.marks()] == list(range(0, count, stride))

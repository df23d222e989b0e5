"""What a run is reduced to, against plain second computations that keep everything and look at all pairs."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.scene import CAPITAL, INSTRUMENT, at, fill, place, recorded
from tests.reports.test_replay_report import finished
from ztb.core.instrument import BUY, SELL
from ztb.reports.curve import CurvePoint
from ztb.reports.replay_report import ReplayReport
from ztb.reports.run_recorder import RunRecorder


def of_equities(capital: int, equities: list[int]) -> ReplayReport:
    recorder = RunRecorder(INSTRUMENT, capital)
    for second, equity in enumerate(equities):
        recorder.on_equity(at(second), 1_000, equity)
    return finished(recorder)


def of_fills(fills: list[tuple[int, int, int, int]]) -> ReplayReport:
    """Side, lots, price and fee of each; one order and one second for every fill, decided at price 1,000."""
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    for second, (side, lots, price, fee) in enumerate(fills):
        recorder.on_place(place(second, f"o{second}", side, lots, price), 1_000)
        recorder.on_fill(fill(second, f"o{second}", f"t{second}", lots, price, fee))
    return finished(recorder)


@given(capital=st.integers(1, 1_000), equities=st.lists(st.integers(-500, 2_000), min_size=1, max_size=30))
def test_drawdown_is_the_worst_of_all_pairs(capital: int, equities: list[int]) -> None:
    path = [capital, *equities]
    report = of_equities(capital, equities)
    falls = [(high, high - low) for n, high in enumerate(path) for low in path[n:]]
    assert report.drawdown == max(fall for _, fall in falls)
    # Of a peak that was really the highest so far: the first one is the capital, so all of them are positive.
    peaks = [(max(path[: n + 1]), low) for n, low in enumerate(path)]
    assert report.drawdown_ppm == max(ceil(Fraction(peak - low, peak) * 1_000_000) for peak, low in peaks)


def test_of_nothing_everything_is_lost() -> None:
    """A bot that began without money and is in debt: no ratio says how bad that is, so it is all of it."""
    report = of_equities(0, [-5])
    assert (report.drawdown, report.drawdown_ppm) == (5, 1_000_000)


def test_the_curve_holds_what_was_told() -> None:
    assert of_equities(10, [7, 12]).curve == (CurvePoint(at(0), 1_000, 7), CurvePoint(at(1), 1_000, 12))


fills = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(900, 1_100), st.integers(-3, 20)),
    max_size=30,
)


@given(fills=fills)
def test_trips_add_up_to_what_was_earned(fills: list[tuple[int, int, int, int]]) -> None:
    """Once flat, what the trips won less what they lost is what was sold for less what was paid for, and the fees."""
    held = sum(side * lots for side, lots, _, _ in fills)
    if held:
        fills = [*fills, (SELL if held > 0 else BUY, abs(held), 1_000, 1)]
    report = of_fills(fills)
    earned = -sum(side * lots * price * 10 for side, lots, price, _ in fills) - sum(fee for *_, fee in fills)
    assert report.held_lots == 0
    trips = report.round_trips
    if trips is None:
        assert not fills
        return
    assert trips.won - trips.lost == earned
    assert trips.wins + trips.losses <= trips.count
    assert trips.worst <= trips.best
    # A trip ends where the position comes to zero or changes its sign.
    at_each = [0]
    for side, lots, _, _ in fills:
        at_each.append(at_each[-1] + side * lots)
    ends = [after for before, after in pairwise(at_each) if after == 0 or before * after < 0]
    assert trips.count == len(ends)


@given(fills=fills.filter(len))
def test_mean_slippage_is_what_all_fills_paid_above_the_mark(fills: list[tuple[int, int, int, int]]) -> None:
    report = of_fills(fills)
    assert report.slippage is not None
    paid = [Fraction(side * (price - 1_000), 1_000) * 10_000 for side, _, price, _ in fills]
    lots = [lots for _, lots, _, _ in fills]
    mean = sum((one * size for one, size in zip(paid, lots, strict=True)), Fraction(0)) / sum(lots)
    assert abs(Fraction(report.slippage.mean_bps) - mean) <= Fraction(1, 2_000)
    assert abs(Fraction(report.slippage.max_bps) - max(paid)) <= Fraction(1, 2_000)


@pytest.mark.parametrize(
    ("side", "price", "bps"),
    [(BUY, 1_010, "100.000"), (BUY, 990, "-100.000"), (SELL, 990, "100.000"), (SELL, 1_010, "-100.000")],
)
def test_slippage_is_positive_where_it_costs(side: int, price: int, bps: str) -> None:
    slippage = of_fills([(side, 1, price, 0)]).slippage
    assert slippage is not None
    assert slippage.mean_bps == slippage.max_bps == Decimal(bps)


def test_a_trip_of_exactly_nothing_is_neither_won_nor_lost() -> None:
    trips = of_fills([(BUY, 1, 1_000, 5), (SELL, 1, 1_001, 5)]).round_trips
    assert trips is not None
    assert (trips.count, trips.wins, trips.losses, trips.won, trips.lost) == (1, 0, 0, 0, 0)


@pytest.mark.parametrize(("fee", "won", "lost"), [(4, 1, 0), (6, 0, 1)])
def test_the_smallest_unit_decides(fee: int, won: int, lost: int) -> None:
    trips = of_fills([(BUY, 1, 1_000, 5), (SELL, 1, 1_001, fee)]).round_trips
    assert trips is not None
    assert (trips.wins, trips.losses, trips.won, trips.lost) == (won, lost, won, lost)


def test_holding_times_are_exact() -> None:
    """One trip of one second, one of two: 1.5 seconds; the flat second between them does not count."""
    trips = of_fills(
        [(BUY, 1, 1_000, 0), (SELL, 1, 1_000, 0), (SELL, 2, 1_000, 0), (BUY, 1, 1_000, 0), (BUY, 1, 1_000, 0)]
    ).round_trips
    assert trips is not None
    assert (trips.count, trips.held_ns_mean) == (2, 1_500_000_000)


def test_nothing_was_unrealised_where_nothing_was_bought() -> None:
    assert of_equities(10, [10]).unrealised is None
    assert finished(recorded()).unrealised == 60

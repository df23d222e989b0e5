"""The five signals of health by windows made by hand, and what holds for every window."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.service import signals
from ztb.service.signals import RANK, Ring, Signal, Status, Threshold, Thresholds, judged, percentile, summary, worst

SECOND = 1_000_000_000
LIMITS = Thresholds()
STATUSES = st.lists(st.sampled_from(list(Status)))


@pytest.mark.parametrize(
    ("failed", "calls", "value", "status"),
    [
        (0, 0, None, "UNKNOWN"),
        (0, 1, 0, "OK"),
        (4, 100, 40_000, "OK"),
        (49_999, 1_000_000, 49_999, "OK"),
        (5, 100, 50_000, "WARN"),
        (14, 100, 140_000, "WARN"),
        (15, 100, 150_000, "CRIT"),
        (1, 1, 1_000_000, "CRIT"),
    ],
)
def test_order_errors(failed: int, calls: int, value: int | None, status: str) -> None:
    signal = signals.order_error_rate(failed=failed, calls=calls, threshold=LIMITS.order_error)
    assert (signal.name, signal.value, signal.status, signal.unit) == ("order_error_rate", value, status, "ppm")
    assert (signal.warn, signal.crit) == (50_000, 150_000)


@pytest.mark.parametrize(
    ("calls", "retries", "value", "status"),
    [
        (0, 0, None, "UNKNOWN"),
        (10, 0, 0, "OK"),
        (109, 9, 90_000, "OK"),
        (110, 10, 100_000, "WARN"),
        (124, 24, 240_000, "WARN"),
        (125, 25, 250_000, "CRIT"),
        (3, 3, 3_000_000, "CRIT"),  # the first attempt lies before the window
    ],
)
def test_order_retries(calls: int, retries: int, value: int | None, status: str) -> None:
    signal = signals.order_retry_rate(calls=calls, retries=retries, threshold=LIMITS.order_retry)
    assert (signal.value, signal.status) == (value, status)


@pytest.mark.parametrize(
    ("latencies_ms", "value", "status"),
    [
        ([], None, "UNKNOWN"),
        ([999], 999, "OK"),
        ([1_000], 1_000, "WARN"),
        ([10] * 95 + [9_000] * 5, 10, "OK"),
        ([10] * 94 + [2_999] * 6, 2_999, "WARN"),
        ([3_000] * 2, 3_000, "CRIT"),
    ],
)
def test_broker_latency(latencies_ms: list[int], value: int | None, status: str) -> None:
    latencies_ns = [latency * 1_000_000 for latency in latencies_ms]
    signal = signals.broker_latency(latencies_ns, threshold=LIMITS.broker_latency)
    assert (signal.value, signal.status, signal.unit) == (value, status, "ms")


@pytest.mark.parametrize(
    ("trips", "status"), [(None, "UNKNOWN"), (0, "OK"), (2, "OK"), (3, "WARN"), (9, "WARN"), (10, "CRIT")]
)
def test_guard_trips(trips: int | None, status: str) -> None:
    signal = signals.guard_trips(trips, threshold=LIMITS.guard_trips)
    assert (signal.value, signal.status) == (trips, status)


@pytest.mark.parametrize(
    ("age_s", "status"), [(None, "UNKNOWN"), (-1, "OK"), (29, "OK"), (30, "WARN"), (59, "WARN"), (60, "CRIT")]
)
def test_stream_staleness(age_s: int | None, status: str) -> None:
    age_ns = None if age_s is None else age_s * SECOND
    signal = signals.stream_staleness(age_ns, threshold=LIMITS.staleness)
    assert signal.status == status
    assert signal.value == (None if age_s is None else max(0, age_s) * 1_000)


def test_a_ring_forgets_what_is_as_old_as_its_window() -> None:
    ring = Ring(10)
    ring.add(100, 1)
    ring.add(105, 2)
    assert ring.values(105) == [1, 2]
    assert ring.values(109) == [1, 2]
    assert ring.values(110) == [2]
    assert ring.values(115) == []
    assert len(ring) == 0
    ring.add(116, 3)
    ring.clear()
    assert ring.values(116) == []


def test_a_full_ring_loses_its_oldest_sample() -> None:
    ring = Ring(1_000, samples_max=3)
    for value in range(5):
        ring.add(value, value)
    assert list(ring) == [(2, 2), (3, 3), (4, 4)]


def test_a_clock_that_goes_back_keeps_the_order() -> None:
    ring = Ring(10)
    ring.add(100, 1)
    ring.add(50, 2)
    assert list(ring) == [(100, 1), (100, 2)]


def test_the_summary_names_what_is_worst() -> None:
    def one(name: str, status: Status) -> Signal:
        return Signal(name, status, 1, 1, 2, "count", "")

    assert summary([]) == (Status.UNKNOWN, "no signal was measured")
    assert summary([one("a", Status.OK)]) == (Status.OK, "all signals are OK")
    assert summary([one("a", Status.OK), one("b", Status.UNKNOWN)]) == (Status.UNKNOWN, "UNKNOWN: b")
    both = [one("a", Status.CRIT), one("b", Status.WARN), one("c", Status.CRIT)]
    assert summary(both) == (Status.CRIT, "CRIT: a, c")
    assert one("a", Status.OK).to_dict() == {
        "name": "a", "status": "OK", "value": 1, "warn": 1, "crit": 2, "unit": "count", "details": ""
    }  # fmt: skip


def test_it_knows_nothing_of_the_rest_of_ztb() -> None:
    tree = ast.parse(Path(signals.__file__).read_text(encoding="utf-8"))
    named = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert named
    assert not [name for name in named if name.startswith("ztb")]
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert not [value for value in constants if isinstance(value, float)]


# --- for every window -------------------------------------------------------------------------------------------------


@given(STATUSES, st.sampled_from(list(Status)))
def test_another_status_never_makes_it_better(statuses: list[Status], more: Status) -> None:
    before, after = worst(statuses), worst([*statuses, more])
    assert RANK[after] >= RANK[before] or not statuses
    assert RANK[after] >= RANK[more]
    assert after in (*statuses, more)
    assert worst(reversed([*statuses, more])) is after


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 2 * 10**9), st.integers(0, 2 * 10**9))
def test_a_higher_value_is_never_better(warn: int, gap: int, low: int, more: int) -> None:
    threshold = Threshold(warn, warn + gap)
    assert RANK[judged(low, threshold)] <= RANK[judged(low + more, threshold)]
    assert judged(None, threshold) is Status.UNKNOWN
    assert judged(low, threshold) is not Status.UNKNOWN


@given(st.integers(1, 100), st.lists(st.tuples(st.integers(-20, 60), st.integers(0, 5))), st.integers(0, 400))
def test_a_window_holds_what_is_young_and_nothing_else(window: int, steps: list[tuple[int, int]], after: int) -> None:
    ring, now, newest = Ring(window), 0, 0
    kept: list[tuple[int, int]] = []
    for step, value in steps:
        now += step
        newest = max(newest, now) if kept else now
        ring.add(now, value)
        kept.append((newest, value))
    look = newest + after
    assert ring.values(look) == [value for time, value in kept if time > look - window]
    times = [time for time, _ in ring]
    assert times == sorted(times)


@given(st.lists(st.integers(0, 10**12), max_size=200), st.integers(1, 1_000))
def test_a_percentile_is_the_smallest_value_that_covers_so_many(values: list[int], per_mille: int) -> None:
    found = percentile(values, per_mille)
    if not values:
        assert found is None
        return
    assert found in values
    assert sum(value <= found for value in values) * 1_000 >= len(values) * per_mille
    assert sum(value < found for value in values) * 1_000 < len(values) * per_mille


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_rates_are_never_negative_and_never_made_of_nothing(some: int, more: int) -> None:
    calls = some + more
    errors = signals.order_error_rate(failed=some, calls=calls, threshold=LIMITS.order_error)
    retries = signals.order_retry_rate(calls=calls, retries=some, threshold=LIMITS.order_retry)
    for signal in (errors, retries):
        assert (signal.value is None) == (calls == 0) == (signal.status is Status.UNKNOWN)
        assert signal.value is None or signal.value >= 0
    assert errors.value is None or errors.value <= 1_000_000

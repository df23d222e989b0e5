"""The waits between reconnections, against the written rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ztb.venues.backoff import Backoff

SECOND = 1_000_000_000


def test_five_quick_ones_then_every_ten_minutes() -> None:
    backoff = Backoff(lambda: 0.5)
    assert [backoff.lost(0) for _ in range(8)] == [2, 4, 8, 16, 32, 600, 600, 600]
    assert backoff.attempts == 8


def test_stable_connection_ends_the_series_and_a_short_one_does_not() -> None:
    backoff = Backoff(lambda: 0.5)
    for _ in range(6):
        backoff.lost(0)
    backoff.connected(100 * SECOND)
    assert backoff.lost(159 * SECOND) == 600
    backoff.connected(200 * SECOND)
    assert backoff.lost(260 * SECOND) == 2


@given(chance=st.floats(0, 1, exclude_max=True), losses=st.integers(1, 20))
def test_jitter_is_a_quarter_to_each_side(chance: float, losses: int) -> None:
    plain = [2, 4, 8, 16, 32] + [600] * 15
    backoff = Backoff(lambda: chance)
    for expected in plain[:losses]:
        assert 0.75 * expected <= backoff.lost(0) <= 1.25 * expected

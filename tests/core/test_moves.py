"""The move within the last 60 seconds, against every pair of prices of that time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import SECOND, T0, with_limits
from tests.core.scene import trips as tripped
from ztb.core.moves import BAND_PPM, EXTREMES_MAX, Moves

STEPS = st.lists(st.tuples(st.integers(0, 25 * SECOND), st.integers(-600, 600)), min_size=2, max_size=60)
LIMIT_PPM = 50_000
START = 10_000


def story(steps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Time and price of each trade."""
    now_ns, price, made = T0, START, []
    for wait_ns, step in steps:
        now_ns, price = now_ns + wait_ns, max(100, price + step)
        made.append((now_ns, price))
    return made


def moved(trades: list[tuple[int, int]], number: int, limit_ppm: int) -> bool:
    """Whether trade ``number`` is further than the limit from any trade less than 60 seconds older."""
    now_ns, price = trades[number]
    window = [old for at_ns, old in trades[:number] if at_ns > now_ns - 60 * SECOND]
    return any(abs(price - old) * 1_000_000 > limit_ppm * old for old in window)


@given(STEPS)
def test_it_trips_when_and_only_when_a_price_of_the_last_minute_is_too_far(steps: list[tuple[int, int]]) -> None:
    moves, trades = Moves(), story(steps)
    last_price = last_ns = 0
    for number, (now_ns, price) in enumerate(trades):
        found = moves.follow(price, now_ns, last_price=last_price, last_ns=last_ns, limit_ppm=LIMIT_PPM)
        if found:
            assert moved(trades, number, LIMIT_PPM), "no price of the last minute was so far away"
        # A turn inside the band may go unseen, so as much as the band is wide.
        elif moved(trades, number, LIMIT_PPM + 3 * BAND_PPM):
            raise AssertionError("a price of the last minute was too far away")
        last_price, last_ns = price, now_ns


def test_the_window_is_sixty_seconds_and_not_the_last_price() -> None:
    """B-58 by hand: one tick at a time the price rises by 10 % within 59 s, and by the same in 61 s."""
    for seconds, code in ((59, ["price_move"]), (61, [])):
        desk = with_limits(price_move_ppm_max=100_000)
        for step in range(102):
            desk.market(1_000 + step)
            desk.wait(seconds * SECOND // 101)
        assert tripped(desk) == code


def test_what_is_remembered_is_bounded() -> None:
    moves = Moves()
    last = 0
    for number in range(3 * EXTREMES_MAX):
        # Every high is lower than the one before: none can be forgotten for being less extreme.
        price = 10**9 - number * 10**6 // 2
        moves.follow(price, T0 + number, last_price=last, last_ns=T0 + number - 1, limit_ppm=900_000)
        last = price
    assert len(moves.highs) <= EXTREMES_MAX
    assert moves.highs[0][1] == 10**9, "the highest is kept when two become one"


def test_a_snapshot_gives_the_same_answers() -> None:
    first, second = Moves(), Moves()
    for number, price in enumerate((1_000, 1_020, 990, 1_040)):
        first.follow(price, T0 + number, last_price=price, last_ns=T0 + number, limit_ppm=LIMIT_PPM)
    second.restore(first.snapshot())
    assert second.snapshot() == first.snapshot()
    assert second.follow(1_060, T0 + 9, last_price=1_040, last_ns=T0 + 8, limit_ppm=LIMIT_PPM)

"""The view of a book, against a book that is computed anew each time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from ztb.core.event import Depth
from ztb.store.tape_book import SNAPSHOT_EVERY_NS, BookSide, BookView

TICK = 5
LOT = 10


def down(price: int) -> int:
    return price // TICK


def up(price: int) -> int:
    return -(-price // TICK)


def lots(size: int) -> int:
    return size // LOT


class Reader:
    """What a consumer of the events believes the book to be."""

    def __init__(self) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def apply(self, depth: Depth) -> None:
        if depth.is_snapshot:
            self.bids, self.asks = {}, {}
        for book, levels in ((self.bids, depth.bids), (self.asks, depth.asks)):
            for price, size in levels:
                if size:
                    book[price] = size
                else:
                    del book[price]  # a level that is removed must have been shown


def expected_best(prices: dict[int, int], levels: int, *, is_bid: bool) -> dict[int, int]:
    sums: dict[int, int] = {}
    for price, size in prices.items():
        tick = down(price) if is_bid else up(price)
        sums[tick] = sums.get(tick, 0) + size
    whole = {tick: lots(size) for tick, size in sums.items() if lots(size)}
    return dict(sorted(whole.items(), reverse=is_bid)[:levels])


updates = st.lists(st.tuples(st.integers(1, 60), st.one_of(st.just(0), st.integers(1, 40))), max_size=6)


@settings(max_examples=examples(200))
@given(st.lists(st.tuples(updates, updates), max_size=30), st.integers(1, 5))
def test_a_reader_of_the_view_knows_the_best_levels(
    steps: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]], levels: int
) -> None:
    view = BookView("x", BookSide(-1, down, lots), BookSide(1, up, lots), levels=levels, interval_ns=0)
    reader = Reader()
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for number, (bid_updates, ask_updates) in enumerate(steps, 1):
        for book, changes in ((bids, bid_updates), (asks, ask_updates)):
            for price, size in changes:
                book[price] = size
        bids = {price: size for price, size in bids.items() if size}
        asks = {price: size for price, size in asks.items() if size}
        view.bids.set(bid_updates)
        view.asks.set(ask_updates)
        depth = view.show(number * 3_000_000_000, 0)
        if depth is not None:
            assert [price for price, _ in depth.bids] == sorted((price for price, _ in depth.bids), reverse=True)
            assert [price for price, _ in depth.asks] == sorted(price for price, _ in depth.asks)
            reader.apply(depth)
        assert reader.bids == expected_best(bids, levels, is_bid=True)
        assert reader.asks == expected_best(asks, levels, is_bid=False)


def make_view(interval_ns: int) -> BookView:
    return BookView("x", BookSide(-1, down, lots), BookSide(1, up, lots), levels=3, interval_ns=interval_ns)


def test_snapshots_come_first_and_every_ten_seconds() -> None:
    view = make_view(0)
    kinds = []
    for second in range(1, 26):
        view.bids.set([(50, 100 + 10 * second)])
        depth = view.show(second * 10**9, 7)
        assert depth is not None
        kinds.append(depth.is_snapshot)
        assert depth.bids == ((10, 10 + second),)
        assert depth.venue_ns == 7
    assert SNAPSHOT_EVERY_NS == 10 * 10**9
    assert [number for number, is_snapshot in enumerate(kinds, 1) if is_snapshot] == [1, 11, 21]


def test_an_interval_holds_changes_back_and_loses_none() -> None:
    view = make_view(100)
    view.bids.set([(50, 100)])
    assert view.show(1000, 0) == Depth(1000, "x", ((10, 10),), (), True)
    view.bids.set([(50, 200)])
    assert view.show(1050, 0) is None
    view.asks.set([(56, 30)])
    assert view.show(1100, 0) == Depth(1100, "x", ((10, 20),), ((12, 3),), False)
    assert view.show(1300, 0) is None


def test_levels_on_one_tick_are_added_before_they_are_rounded() -> None:
    view = make_view(0)
    view.bids.set([(51, 9), (54, 9), (44, 9)])
    assert view.show(1, 0) == Depth(1, "x", ((10, 1),), (), True)
    view.bids.set([(54, 0)])
    assert view.show(2, 0) == Depth(2, "x", ((10, 0),), (), False)


def test_a_reset_forgets_all_and_begins_with_a_snapshot() -> None:
    view = make_view(100)
    view.bids.set([(50, 100)])
    view.show(1000, 0)
    view.reset()
    view.asks.set([(50, 100)])
    assert view.show(1001, 0) == Depth(1001, "x", (), ((10, 10),), True)


def test_a_reset_forgets_both_sides() -> None:
    """Levels, and what was added up on their ticks."""
    view = make_view(0)
    view.bids.set([(51, 9), (54, 9)])
    view.asks.set([(61, 9), (64, 9)])
    view.show(1, 0)
    view.reset()
    assert view.show(2, 0) == Depth(2, "x", (), (), True)
    # Nine units and nothing below them are less than a lot, on either side.
    view.bids.set([(51, 9)])
    view.asks.set([(61, 9)])
    assert view.show(3, 0) is None

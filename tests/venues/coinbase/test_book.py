"""The book kept from changes against one kept in the plainest way, and what of it is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.instrument import BUY, SELL
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.book import Book
from ztb.venues.stream_loop import StreamBroken

BIDS = st.tuples(st.just(BUY), st.integers(1, 40), st.integers(0, 3))
ASKS = st.tuples(st.just(SELL), st.integers(50, 90), st.integers(0, 3))
CHANGES = st.lists(BIDS | ASKS, max_size=12)


class Plain:
    """Two dictionaries; what a follower of the told news has, or what the venue has."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}

    def set(self, side: int, price: int, lots: int) -> None:
        self.sides[side][price] = lots
        if not lots:
            del self.sides[side][price]

    def best(self, side: int) -> tuple[int, int]:
        levels = self.sides[side]
        if not levels:
            return 0, 0
        price = max(levels) if side == BUY else min(levels)
        return price, levels[price]

    def top(self, side: int, count: int) -> list[tuple[int, int]]:
        return sorted(self.sides[side].items(), reverse=side == BUY)[:count]


def levels(changes: list[tuple[int, int, int]]) -> tuple[dict[int, int], dict[int, int]]:
    """Lots by price, of bids and of asks, as a message tells them; the last word counts."""
    bids = {price: lots for side, price, lots in changes if side == BUY}
    return bids, {price: lots for side, price, lots in changes if side == SELL}


def ordered(news: tuple[tuple[int, int], ...], side: int) -> bool:
    prices = [price for price, _ in news]
    return prices == sorted(set(prices), reverse=side == BUY)


@given(st.lists(CHANGES, min_size=1, max_size=40), st.integers(1, 6))
def test_who_follows_what_is_told_has_the_venues_book(batches: list[list[tuple[int, int, int]]], depth: int) -> None:
    book, venue, follower = Book(depth_levels=depth), Plain(), Plain()
    for number, batch in enumerate(batches):
        for change in batch:
            venue.set(*change)
        is_snapshot, bids, asks = (True, *book.load(*levels(batch))) if number == 0 else book.change(*levels(batch))
        if is_snapshot:
            follower = Plain()
        for side, news in ((BUY, bids), (SELL, asks)):
            assert ordered(news, side)
            assert not is_snapshot or all(lots > 0 for _, lots in news)
            for price, lots in news:
                follower.set(side, price, lots) if lots or price in follower.sides[side] else None
        assert book.touch == (*venue.best(BUY), *venue.best(SELL))
        for side in (BUY, SELL):
            told = follower.top(side, 1_000)
            # As far as it was told, it is the venue's own book, and that is never less than a part of the wanted depth.
            assert told == venue.top(side, len(told))
            assert len(told) >= min(len(venue.sides[side]), max(1, depth // 4))


def test_change_that_changes_nothing_is_not_told() -> None:
    book = Book()
    book.load(*levels([(BUY, 10, 5), (SELL, 20, 5)]))
    assert book.change(*levels([(BUY, 10, 5), (BUY, 9, 0), (SELL, 20, 5)])) == (False, (), ())


def test_removed_level_is_told_with_no_lots() -> None:
    book = Book()
    book.load(*levels([(BUY, 10, 5), (BUY, 9, 2), (SELL, 20, 5)]))
    assert book.change(*levels([(BUY, 10, 0), (SELL, 19, 1)])) == (False, ((10, 0),), ((19, 1),))
    assert book.touch == (9, 2, 19, 1)


def test_deep_levels_are_kept_and_told_when_the_touch_comes_down_to_them() -> None:
    book = Book(depth_levels=4)
    bids, _ = book.load(*levels([(BUY, price, 1) for price in range(1, 101)]))
    assert bids == ((100, 1), (99, 1), (98, 1), (97, 1))
    assert book.change(*levels([(BUY, 50, 9)])) == (False, (), ())
    is_snapshot, bids, _ = book.change(*levels([(BUY, price, 0) for price in range(51, 101)]))
    assert is_snapshot
    assert bids == ((50, 9), (49, 1), (48, 1), (47, 1))


def test_book_that_grows_on_top_is_told_anew_before_it_grows_without_end() -> None:
    book = Book(depth_levels=4)
    book.load(*levels([(BUY, price, 1) for price in range(1, 11)]))
    told = [book.change(*levels([(BUY, 10 + number, 1)])) for number in range(1, 40)]
    assert any(is_snapshot for is_snapshot, _, _ in told)
    assert all(len(bids) <= 4 for _, bids, _ in told)


@pytest.mark.parametrize("ask", [10, 9])
def test_crossed_book_is_not_believed(ask: int) -> None:
    with pytest.raises(StreamBroken):
        Book().load(*levels([(BUY, 10, 1), (SELL, ask, 1)]))
    book = Book()
    book.load(*levels([(BUY, 10, 1), (SELL, 11, 1)]))
    with pytest.raises(StreamBroken):
        book.change(*levels([(SELL, ask, 1)]))


def test_one_sided_and_empty_books_are_books() -> None:
    book = Book()
    assert book.load(*levels([])) == ((), ())
    assert book.touch == (0, 0, 0, 0)
    assert book.change(*levels([(SELL, 5, 2)])) == (False, (), ((5, 2),))
    assert book.touch == (0, 0, 5, 2)


def test_book_of_more_levels_than_there_can_be_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BOOK_LEVELS_MAX", 3)
    book = Book()
    book.load(*levels([(BUY, price, 1) for price in (1, 2, 3)]))
    with pytest.raises(StreamBroken):
        book.change(*levels([(BUY, 4, 1)]))
    with pytest.raises(StreamBroken):
        Book().load(*levels([(SELL, price, 1) for price in (1, 2, 3, 4)]))

"""The matching engine by hand: every rule of the queue model, once on each side where the sides differ."""

from __future__ import annotations

import itertools

import pytest

from ztb.core.instrument import BUY, SELL
from ztb.simulator.book_side import Order
from ztb.simulator.matching import Book, Match

_ids = itertools.count(1)


def order(side: int, price: int, lots: int, owner: str = "alice") -> Order:
    return Order(next(_ids), owner, side, price, lots, created_ns=0)


def facts(matches: list[Match]) -> list[tuple[int, int, int | None, int | None]]:
    """(price, lots, taker id, maker id); None is the crowd."""
    return [
        (
            match.price,
            match.lots,
            match.taker.order_id if match.taker else None,
            match.maker.order_id if match.maker else None,
        )
        for match in matches
    ]


@pytest.fixture
def book() -> Book:
    made = Book()
    made.tape_depth([(99, 10), (98, 20)], [(101, 10), (102, 20)], is_snapshot=True)
    return made


def test_an_aggressive_buy_walks_the_displayed_levels_up_to_its_limit(book: Book) -> None:
    taker = order(BUY, 102, 25)
    assert facts(book.place(taker)) == [(101, 10, taker.order_id, None), (102, 15, taker.order_id, None)]
    assert taker.remaining == 0
    assert book.levels(SELL, 5) == [(102, 5)]


def test_an_aggressive_sell_walks_down_and_its_rest_stays_at_its_limit(book: Book) -> None:
    taker = order(SELL, 99, 12)
    assert facts(book.place(taker)) == [(99, 10, taker.order_id, None)]
    assert taker.remaining == 2
    assert book.levels(SELL, 1) == [(99, 2)]
    assert book.levels(BUY, 5) == [(98, 20)]


def test_lots_taken_stay_taken_until_the_tape_changes_that_level(book: Book) -> None:
    book.place(order(BUY, 101, 4))
    assert book.levels(SELL, 1) == [(101, 6)]
    book.tape_depth([(99, 10), (98, 20)], [(101, 10), (102, 20)], is_snapshot=True)
    assert book.levels(SELL, 1) == [(101, 6)]
    book.tape_quote(99, 10, 101, 10)
    assert book.levels(SELL, 1) == [(101, 6)]
    book.tape_quote(99, 10, 101, 9)
    assert book.levels(SELL, 1) == [(101, 9)]


def test_a_level_that_vanishes_and_comes_back_is_new(book: Book) -> None:
    book.place(order(BUY, 101, 10))
    assert book.levels(SELL, 1) == [(102, 20)]
    book.tape_depth([], [(101, 0)], is_snapshot=False)
    book.tape_depth([], [(101, 10)], is_snapshot=False)
    assert book.levels(SELL, 1) == [(101, 10)]


def test_a_trade_at_the_price_first_uses_up_the_displayed_lots_ahead(book: Book) -> None:
    mine = order(BUY, 99, 5)
    assert book.place(mine) == []
    assert mine.ahead == 10
    assert facts(book.tape_trade(99, 8, SELL)) == [(99, 8, None, None)]
    assert (mine.ahead, mine.remaining) == (2, 5)
    assert facts(book.tape_trade(99, 4, SELL)) == [(99, 2, None, mine.order_id), (99, 2, None, None)]
    assert facts(book.tape_trade(99, 100, SELL)) == [(99, 3, None, mine.order_id), (99, 97, None, None)]
    assert mine.remaining == 0


def test_a_trade_that_prints_through_fills_at_the_order_price_whatever_stood_ahead(book: Book) -> None:
    mine = order(SELL, 101, 5)
    book.place(mine)
    assert mine.ahead == 10
    assert facts(book.tape_trade(102, 3, BUY)) == [(101, 3, None, mine.order_id)]
    assert facts(book.tape_trade(102, 3, BUY)) == [(101, 2, None, mine.order_id), (102, 1, None, None)]


def test_a_trade_on_the_other_side_or_short_of_the_price_fills_nothing(book: Book) -> None:
    mine = order(BUY, 99, 5)
    book.place(mine)
    assert facts(book.tape_trade(99, 50, BUY)) == [(99, 50, None, None)]
    assert facts(book.tape_trade(100, 50, SELL)) == [(100, 50, None, None)]
    assert mine.remaining == 5


def test_lots_that_vanish_from_a_level_stood_behind_us_until_fewer_are_left(book: Book) -> None:
    mine = order(BUY, 99, 5)
    book.place(mine)
    book.tape_quote(99, 15, 101, 10)
    assert mine.ahead == 10
    book.tape_quote(99, 4, 101, 10)
    assert mine.ahead == 4
    book.tape_quote(98, 20, 101, 10)
    assert mine.ahead == 0
    assert book.levels(BUY, 2) == [(99, 5), (98, 20)]


def test_the_tape_quote_that_crosses_fills_up_to_its_lots_at_our_price(book: Book) -> None:
    mine = order(BUY, 100, 5)
    book.place(mine)
    assert facts(book.tape_quote(98, 20, 100, 3)) == [(100, 3, None, mine.order_id)]
    assert book.levels(SELL, 1) == [(101, 10)], "the crossing lots are used up"
    assert facts(book.tape_quote(98, 20, 99, 7)) == [(100, 2, None, mine.order_id)]
    assert book.levels(SELL, 1) == [(99, 5)]


def test_a_crossing_depth_snapshot_fills_level_after_level(book: Book) -> None:
    mine = order(SELL, 100, 9)
    book.place(mine)
    matches = book.tape_depth([(102, 4), (101, 4), (100, 4)], [(103, 1)], is_snapshot=True)
    assert facts(matches) == [
        (100, 4, None, mine.order_id),
        (100, 4, None, mine.order_id),
        (100, 1, None, mine.order_id),
    ]
    assert [match.taker_side for match in matches] == [BUY, BUY, BUY]
    assert book.levels(BUY, 3) == [(100, 3)]


def test_clients_trade_with_each_other_by_price_then_time(book: Book) -> None:
    late_better, early, late = order(SELL, 100, 2, "bob"), order(SELL, 101, 3, "bob"), order(SELL, 101, 4, "carol")
    book.place(early)
    book.place(late)
    book.place(late_better)
    taker = order(BUY, 101, 17)
    assert facts(book.place(taker)) == [
        (100, 2, taker.order_id, late_better.order_id),
        (101, 10, taker.order_id, None),
        (101, 3, taker.order_id, early.order_id),
        (101, 2, taker.order_id, late.order_id),
    ]
    assert late.remaining == 2


def test_displayed_lots_that_came_later_stand_behind_a_client(book: Book) -> None:
    mine = order(SELL, 101, 3)
    book.place(mine)
    book.tape_quote(99, 10, 101, 30)
    taker = order(BUY, 101, 20, "bob")
    assert facts(book.place(taker)) == [
        (101, 10, taker.order_id, None),
        (101, 3, taker.order_id, mine.order_id),
        (101, 7, taker.order_id, None),
    ]


def test_one_owner_may_trade_with_himself(book: Book) -> None:
    mine, again = order(SELL, 100, 2), order(BUY, 100, 2)
    book.place(mine)
    assert facts(book.place(again)) == [(100, 2, again.order_id, mine.order_id)]


def test_a_cancelled_order_is_gone_from_its_queue(book: Book) -> None:
    mine, other = order(BUY, 100, 2), order(BUY, 100, 3, "bob")
    book.place(mine)
    book.place(other)
    book.cancel(mine)
    assert facts(book.tape_trade(100, 10, SELL)) == [(100, 3, None, other.order_id), (100, 7, None, None)]
    assert mine.remaining == 2


def test_the_newest_quote_removes_older_levels_that_contradict_it(book: Book) -> None:
    book.tape_quote(97, 1, 98, 1)
    assert book.levels(BUY, 9) == [(97, 1)]
    assert book.levels(SELL, 9) == [(98, 1), (101, 10), (102, 20)]


def test_depth_changes_remove_older_levels_that_they_cross(book: Book) -> None:
    book.tape_depth([(101, 2)], [], is_snapshot=False)
    assert book.levels(BUY, 1) == [(101, 2)]
    assert book.levels(SELL, 9) == [(102, 20)]
    book.tape_depth([], [(99, 2)], is_snapshot=False)
    assert book.levels(BUY, 9) == [(98, 20)]


def test_a_side_without_orders_in_the_quote_empties_it(book: Book) -> None:
    book.tape_quote(0, 0, 101, 10)
    assert book.levels(BUY, 9) == []
    assert (book.best(BUY), book.best(SELL)) == (0, 101)


def test_clearing_the_tape_leaves_the_clients(book: Book) -> None:
    mine = order(BUY, 98, 2)
    book.place(mine)
    book.clear_tape()
    assert book.levels(BUY, 9) == [(98, 2)]
    assert book.levels(SELL, 9) == []
    assert mine.ahead == 0


def test_the_version_rises_only_with_what_can_be_seen(book: Book) -> None:
    before = book.version
    book.tape_quote(99, 10, 101, 10)
    book.tape_depth([(99, 10), (98, 20)], [(101, 10), (102, 20)], is_snapshot=True)
    assert book.version == before
    book.tape_quote(99, 11, 101, 10)
    assert book.version == before + 1
    book.tape_trade(99, 1, SELL)
    assert book.version == before + 2

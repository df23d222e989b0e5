"""Orders that may not rest, orders that may not take, and orders of one owner that may not meet."""

from __future__ import annotations

import itertools
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.world import ALICE, BOB
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.instrument import BUY, SELL
from ztb.simulator.book_side import Order
from ztb.simulator.matching import EXPIRE_NEWER, MATCH, Book

ASKS: Final = [(101, 10), (102, 20), (105, 5)]
BIDS: Final = [(99, 10), (98, 20)]
_ids = itertools.count(1)


def order(side: int, price: int, lots: int, tif: str, *, owner: str = ALICE) -> Order:
    return Order(next(_ids), owner, side, 0 if tif == MARKET else price, lots, created_ns=0, time_in_force=tif)


def book(self_trade: str = MATCH) -> Book:
    made = Book(self_trade=self_trade)
    made.tape_depth(BIDS, ASKS, is_snapshot=True)
    return made


@pytest.mark.parametrize(
    ("tif", "price", "lots", "filled", "end", "reason"),
    [
        (IOC, 101, 15, 10, "expired", "ioc"),
        (IOC, 101, 10, 10, "", ""),
        (IOC, 100, 5, 0, "expired", "ioc"),
        (FOK, 102, 30, 30, "", ""),
        (FOK, 102, 31, 0, "expired", "fok"),
        (FOK, 100, 1, 0, "expired", "fok"),
        (MARKET, 0, 12, 12, "", ""),
        (MARKET, 0, 40, 35, "expired", "market"),
        (POST_ONLY, 101, 1, 0, "expired", "post_only"),
        (POST_ONLY, 100, 7, 0, "", ""),
        (GTC, 101, 15, 10, "", ""),
    ],
)
def test_what_becomes_of_a_buy(tif: str, price: int, lots: int, filled: int, end: str, reason: str) -> None:
    made = book()
    placed = order(BUY, price, lots, tif)
    matches = made.place(placed)
    assert sum(match.lots for match in matches) == placed.filled_lots == filled
    assert (placed.end, placed.reason) == (end, reason)
    resting = filled < lots and not end
    assert (made.best(BUY) == price) is resting


@pytest.mark.parametrize(
    ("tif", "price", "lots", "filled"), [(MARKET, 0, 15, 15), (MARKET, 0, 99, 30), (IOC, 99, 15, 10), (FOK, 98, 30, 30)]
)
def test_sells_are_the_mirror(tif: str, price: int, lots: int, filled: int) -> None:
    made = book()
    placed = order(SELL, price, lots, tif)
    made.place(placed)
    assert placed.filled_lots == filled
    assert made.best(SELL) == 101


@pytest.mark.parametrize("tif", [GTC, IOC, MARKET])
def test_the_newer_of_two_own_orders_takes_what_stands_before_the_older_and_expires(tif: str) -> None:
    made = book(EXPIRE_NEWER)
    older = order(SELL, 101, 8, GTC)
    other = order(SELL, 101, 3, GTC, owner=BOB)
    made.place(older)
    made.place(other)
    newer = order(BUY, 102, 15, tif)
    matches = made.place(newer)
    # Ten displayed lots stand before the own order; what stands behind it is out of reach.
    assert [(match.price, match.lots, match.maker) for match in matches] == [(101, 10, None)]
    assert (newer.end, newer.reason, older.remaining, other.remaining) == ("expired", "self_trade", 8, 3)
    assert made.best(BUY) == 99


def test_a_fill_or_kill_that_only_its_own_owner_stops_expires_untouched() -> None:
    made = book(EXPIRE_NEWER)
    made.place(order(SELL, 102, 5, GTC))
    newer = order(BUY, 102, 31, FOK)
    assert made.place(newer) == []
    assert (newer.reason, newer.remaining) == ("self_trade", 31)
    enough = order(BUY, 102, 30, FOK)
    made.place(enough)
    assert enough.filled_lots == 30


def test_post_only_never_takes_from_itself_either() -> None:
    made = book(EXPIRE_NEWER)
    made.place(order(SELL, 100, 5, GTC))
    newer = order(BUY, 100, 5, POST_ONLY)
    assert made.place(newer) == []
    assert newer.reason == "post_only"


TIFS: Final = st.sampled_from((GTC, IOC, FOK, POST_ONLY, MARKET))
ORDERS: Final = st.lists(
    st.tuples(
        st.sampled_from((BUY, SELL)), st.integers(96, 106), st.integers(1, 40), TIFS, st.sampled_from((ALICE, BOB))
    ),
    min_size=1,
    max_size=25,
)


@given(ORDERS, st.sampled_from((MATCH, EXPIRE_NEWER)))
@settings(max_examples=examples(200), deadline=None)
def test_whatever_is_placed(orders: list[tuple[int, int, int, str, str]], self_trade: str) -> None:
    made = book(self_trade)
    placed: list[Order] = []
    for side, price, lots, tif, owner in orders:
        newest = order(side, price, lots, tif, owner=owner)
        resting_before = {other.order_id: other.remaining for other in placed if other.remaining and not other.end}
        matches = made.place(newest)
        placed.append(newest)
        assert all(match.taker is newest for match in matches)
        taken = sum(match.lots for match in matches)
        assert taken == newest.filled_lots
        if tif == FOK:
            assert taken in (0, lots)
        if tif == POST_ONLY:
            assert taken == 0
        if tif in (IOC, MARKET, FOK) and newest.remaining:
            assert newest.end == "expired"
        if tif == GTC and self_trade == MATCH:
            assert newest.end == ""
        if tif != MARKET:
            assert all((match.price - price) * side <= 0 for match in matches)
        for match in matches:
            if match.maker is not None:
                assert self_trade == MATCH or match.maker.owner != newest.owner
                assert match.maker.order_id in resting_before, "an order that ended does not fill"
        # The book holds exactly the orders that did not end, each once.
        shown = {
            resting.order_id: resting.remaining
            for side_levels in made._sides.values()
            for level in side_levels.levels.values()
            for resting in level.orders
        }
        assert shown == {other.order_id: other.remaining for other in placed if other.remaining and not other.end}
        bids, asks = made.levels(BUY, 1), made.levels(SELL, 1)
        assert not bids or not asks or bids[0][0] < asks[0][0]

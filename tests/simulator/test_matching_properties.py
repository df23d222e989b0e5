"""What must hold after any sequence of orders, cancels and market data. The checks use no code of the engine's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.world import ALICE, BOB, BTC_JPY, START_NS, account, exchange
from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.exchange import Exchange, OrderRefused
from ztb.simulator.matching import Book, Match

PRICES = st.integers(min_value=95, max_value=105)
LOTS = st.integers(min_value=1, max_value=30)
LEVELS = st.lists(st.tuples(PRICES, st.integers(min_value=0, max_value=30)), max_size=5).map(tuple)

ACTIONS = st.one_of(
    st.tuples(st.just("place"), st.sampled_from((BUY, SELL)), PRICES, LOTS, st.sampled_from((ALICE, BOB))),
    st.tuples(st.just("cancel"), st.integers(min_value=0, max_value=30)),
    st.tuples(st.just("trade"), PRICES, LOTS, st.sampled_from((BUY, SELL))),
    st.tuples(st.just("quote"), st.integers(95, 100), LOTS, st.integers(101, 105), LOTS),
    st.tuples(st.just("depth"), LEVELS, LEVELS, st.booleans()),
)
Action = tuple[object, ...]


@dataclass
class Desk:
    """Keeps its own account of what the book said."""

    book: Book = field(default_factory=Book)
    orders: list[Order] = field(default_factory=list)
    cancelled: dict[int, int] = field(default_factory=dict)
    filled: Counter[int] = field(default_factory=Counter)

    def act(self, action: Action) -> None:
        match action:
            case ("place", int(side), int(price), int(lots), str(owner)):
                placed = Order(len(self.orders) + 1, owner, side, price, lots, created_ns=0)
                working = self.working()
                matches = self.book.place(placed)
                self.orders.append(placed)
                assert all(match.taker is placed for match in matches)
                assert all((match.price - price) * side <= 0 for match in matches), "never worse than the limit"
                self.note(matches, working)
            case ("cancel", int(number)) if self.working():
                working = self.working()
                chosen = working[number % len(working)]
                self.book.cancel(chosen)
                self.cancelled[chosen.order_id] = self.filled[chosen.order_id]
            case ("trade", int(price), int(lots), int(side)):
                working = self.working()
                matches = self.book.tape_trade(price, lots, side)
                assert sum(match.lots for match in matches) <= lots, "no more trades than were printed"
                self.note(matches, working)
            case ("quote", int(bid), int(bid_lots), int(ask), int(ask_lots)):
                self.note(self.book.tape_quote(bid, bid_lots, ask, ask_lots), self.working())
            case ("depth", tuple() as bids, tuple() as asks, bool(is_snapshot)):
                self.note(self.book.tape_depth(bids, asks, is_snapshot=is_snapshot), self.working())

    def working(self) -> list[Order]:
        return [order for order in self.orders if order.order_id not in self.cancelled and order.remaining]

    def note(self, matches: list[Match], before: list[Order]) -> None:
        for match in matches:
            assert match.lots > 0
            for order in (match.taker, match.maker):
                if order is not None:
                    self.filled[order.order_id] += match.lots
                    assert order.order_id not in self.cancelled, "cancelled orders never fill"
            if match.maker is not None:
                assert match.price == match.maker.price
                self.check_priority(match, before)

    def check_priority(self, match: Match, before: list[Order]) -> None:
        """Whoever had a better price, or the same price earlier, was filled completely before this maker was."""
        maker = match.maker
        assert maker is not None
        for other in before:
            if other.side == maker.side and other is not maker:
                better = (other.price - maker.price) * maker.side > 0
                earlier = other.price == maker.price and other.order_id < maker.order_id
                assert not (better or earlier) or other.remaining == 0

    def check(self) -> None:
        for order in self.orders:
            assert order.remaining == order.lots - self.filled[order.order_id] >= 0, "fills never exceed the size"
            if order.order_id in self.cancelled:
                assert self.filled[order.order_id] == self.cancelled[order.order_id]
        bids, asks = self.book.levels(BUY, 99), self.book.levels(SELL, 99)
        assert not bids or not asks or bids[0][0] < asks[0][0], "the book is never crossed"
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        for side, levels in ((BUY, bids), (SELL, asks)):
            shown = dict(levels)
            assert all(lots > 0 for lots in shown.values())
            ours: Counter[int] = Counter()
            for order in self.working():
                if order.side == side:
                    ours[order.price] += order.remaining
                    assert order.ahead <= shown[order.price]
            assert all(shown[price] >= lots for price, lots in ours.items())


@given(st.lists(ACTIONS, min_size=10, max_size=60))
@settings(max_examples=examples(200), deadline=None)
def test_the_book_keeps_its_rules(actions: list[Action]) -> None:
    desk = Desk()
    for action in actions:
        desk.act(action)
        desk.check()


def _total(made: Exchange, currency: str) -> int:
    total = made.purse.crowd[currency] + (made.purse.fees if currency == "jpy" else 0)
    return total + sum(owner.balances[currency] for owner in made.purse.accounts.values())


def _drive(made: Exchange, action: Action, ids: list[tuple[Account, int]]) -> None:
    """As the market and the clients would: matches of market data are settled through the market's own way."""
    match action:
        case ("place", int(side), int(price), int(lots), str(key)):
            owner = made.purse.accounts[key]
            try:
                placed = made.place(owner, side=side, price=price, lots=lots)
            except OrderRefused as refused:
                if refused.code != "funds":
                    raise
                return
            ids.append((owner, placed.order.order_id))
        case ("cancel", int(number)) if ids:
            owner, order_id = ids[number % len(ids)]
            made.cancel(owner, order_id)
        case ("trade", int(price), int(lots), int(side)):
            made.market._on_matches(START_NS, made.book.tape_trade(price, lots, side))
        case ("quote", int(bid), int(bid_lots), int(ask), int(ask_lots)):
            made.market._on_matches(START_NS, made.book.tape_quote(bid, bid_lots, ask, ask_lots))
        case ("depth", tuple() as bids, tuple() as asks, bool(is_snapshot)):
            made.market._on_matches(START_NS, made.book.tape_depth(bids, asks, is_snapshot=is_snapshot))


@given(
    st.lists(ACTIONS, min_size=10, max_size=60),
    st.sampled_from((-100, 0, 137, 1_000)),
    st.sampled_from((0, 1_000, 1_337)),
    st.sampled_from(("0.02", "0.1", "1000")),
)
@settings(max_examples=examples(200), deadline=None)
def test_money_and_coins_are_conserved_to_the_last_unit(
    actions: list[Action], maker: int, taker: int, jpy: str
) -> None:  # fmt: skip
    owners = [account(key, jpy=jpy, btc="0.003", maker=maker, taker=taker) for key in (ALICE, BOB)]
    made = exchange(accounts=owners)
    made.book.clear_tape()
    before = {currency: _total(made, currency) for currency in ("jpy", "btc")}
    ids: list[tuple[Account, int]] = []
    for action in actions:
        _drive(made, action, ids)
        assert {currency: _total(made, currency) for currency in before} == before
        for owner in owners:
            for currency in before:
                assert owner.available(currency) >= 0
                assert owner.held.get(currency, 0) >= 0
            notional = sum(
                BTC_JPY.notional(order.price, order.remaining) for order in owner.orders.values() if order.side == BUY
            )
            lots = sum(order.remaining for order in owner.orders.values() if order.side == SELL)
            assert owner.held.get("btc", 0) == lots * made.purse.units.per_lot
            assert owner.held.get("jpy", 0) >= notional
            if maker <= 0:
                assert owner.held.get("jpy", 0) == notional


@given(st.lists(st.tuples(LOTS, PRICES), min_size=1, max_size=10), st.sampled_from((1, 137, 1_000)))
@settings(max_examples=examples(100), deadline=None)
def test_the_fees_of_many_small_fills_are_that_of_one(pieces: list[tuple[int, int]], rate: int) -> None:
    made = exchange(accounts=[account(ALICE, taker=rate)])
    made.book.clear_tape()
    levels = {price: lots for lots, price in pieces}
    made.book.tape_depth([], tuple(levels.items()), is_snapshot=True)
    made.place(made.purse.accounts[ALICE], side=BUY, price=105, lots=sum(levels.values()))
    notional = sum(price * 5 * lots for price, lots in levels.items())  # in 0.0001 JPY: 5 JPY x 0.0001 BTC = 5 units
    assert made.purse.fees == -(-notional * rate // 1_000_000)
    assert sum(fill.fee for fill in made.purse.accounts[ALICE].fills) == made.purse.fees


def test_an_order_that_takes_and_rests_can_pay_both_roundings() -> None:
    """Two lots at 5 JPY are 10 units; 10 % of 5 units is rounded up to 1 for the lot taken and for the lot resting."""
    for jpy, pays in (("0.0011", False), ("0.0012", True)):
        made = exchange(accounts=[account(ALICE, jpy=jpy, maker=100_000, taker=100_000)])
        made.book.clear_tape()
        made.book.tape_depth([], [(1, 1)], is_snapshot=True)
        owner = made.purse.accounts[ALICE]
        if not pays:
            with pytest.raises(OrderRefused, match="funds"):
                made.place(owner, side=BUY, price=1, lots=2)
            continue
        made.place(owner, side=BUY, price=1, lots=2)
        assert (owner.balances["jpy"], owner.held["jpy"], owner.available("jpy")) == (6, 6, 0)
        made.market._on_matches(START_NS, made.book.tape_trade(1, 1, SELL))
        assert (owner.balances["jpy"], owner.held["jpy"]) == (0, 0)


def test_one_trade_may_fill_two_orders_that_hold_everything() -> None:
    """Found by the property above: the first order's release must not look at what the second one still held."""
    made = exchange(accounts=[account(ALICE, btc="0.0016")])
    made.book.clear_tape()
    owner = made.purse.accounts[ALICE]
    for lots in (1, 15):
        made.place(owner, side=SELL, price=95, lots=lots)
    made.market._on_matches(START_NS, made.book.tape_trade(95, 16, BUY))
    assert owner.balances["btc"] == owner.held["btc"] == 0
    assert [fill.lots for fill in owner.fills] == [1, 15]

"""Positions and margin: both sides held, nothing netted, and money conserved to the last unit."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.world import ALICE, BOB, BTC_JPY, QUIET, START_NS, account
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.exchange import Exchange, OrderRefused
from ztb.simulator.margin import PositionRefused
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Mood, Moods

PRICES = st.integers(95, 105)
LOTS = st.integers(1, 30)
OWNERS = st.sampled_from((ALICE, BOB))
SIDES = st.sampled_from((BUY, SELL))
TIFS = st.sampled_from((GTC, IOC, FOK, POST_ONLY, MARKET))
ACTIONS = st.one_of(
    st.tuples(st.just("spot"), SIDES, PRICES, LOTS, TIFS, OWNERS),
    st.tuples(st.just("open"), SIDES, PRICES, LOTS, TIFS, OWNERS),
    st.tuples(st.just("close"), SIDES, PRICES, LOTS, TIFS, OWNERS),
    st.tuples(st.just("close one"), st.integers(0, 9), PRICES, LOTS, TIFS, OWNERS),
    st.tuples(st.just("cancel"), st.integers(0, 9), OWNERS),
    st.tuples(st.just("change"), st.integers(0, 9), PRICES, OWNERS),
    st.tuples(st.just("quote"), st.integers(95, 100), LOTS, st.integers(101, 105), LOTS),
    st.tuples(st.just("trade"), PRICES, LOTS, SIDES),
    st.tuples(st.just("time"), st.sampled_from((100, 600))),
)


@dataclass
class Desk:
    """Drives an exchange and keeps its own account of positions, from the fills alone."""

    made: Exchange
    now_ns: int = START_NS
    before: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = self.totals()

    def totals(self) -> dict[str, int]:
        purse = self.made.purse
        return {
            currency: purse.crowd[currency]
            + (purse.fees if currency == "jpy" else 0)
            + sum(owner.balances[currency] for owner in purse.accounts.values())
            for currency in ("jpy", "btc")
        }

    def act(self, action: tuple[object, ...]) -> None:
        made = self.made
        match action:
            case ("spot" | "open" as kind, int(side), int(price), int(lots), str(tif), str(key)):
                self.place(made.purse.accounts[key], side, price, lots, tif, leveraged=kind == "open")
            case ("close", int(side), int(price), int(lots), str(tif), str(key)):
                owner = made.purse.accounts[key]
                try:
                    chosen = made.purse.margin.choose_oldest(owner.positions.values(), lots, side=side)
                except PositionRefused:
                    return
                self.place(owner, side, price, lots, tif, leveraged=True, closes=chosen)
            case ("close one", int(number), int(price), int(lots), str(tif), str(key)):
                owner = made.purse.accounts[key]
                if owner.positions:
                    position = list(owner.positions.values())[number % len(owner.positions)]
                    lots = min(lots, position.lots_free)
                    if lots:
                        closes = [(position, lots)]
                        self.place(owner, -position.side, price, lots, tif, leveraged=True, closes=closes)
            case ("cancel", int(number), str(key)):
                owner = made.purse.accounts[key]
                if owner.orders:
                    made.cancel(owner, list(owner.orders)[number % len(owner.orders)])
            case ("change", int(number), int(price), str(key)):
                owner = made.purse.accounts[key]
                if owner.orders:
                    try:
                        made.change(owner, list(owner.orders)[number % len(owner.orders)], price)
                    except OrderRefused as refused:
                        assert refused.code == "funds"
            case ("quote", int(bid), int(bid_lots), int(ask), int(ask_lots)):
                made.market._on_matches(made.now_ns, made.book.tape_quote(bid, bid_lots, ask, ask_lots))
            case ("trade", int(price), int(lots), int(side)):
                made.market._on_matches(made.now_ns, made.book.tape_trade(price, lots, side))
            case ("time", int(ms)):
                made.advance(made.now_ns + ms * 1_000_000)
            case _:
                raise AssertionError(action)

    def place(
        self, owner: Account, side: int, price: int, lots: int, tif: str, *, leveraged: bool, closes: object = ()
    ) -> None:
        assert isinstance(closes, list | tuple)
        try:
            self.made.place(
                owner, side=side, price=0 if tif == MARKET else price, lots=lots, time_in_force=tif,
                leveraged=leveraged, closes=closes, symbol="L" if leveraged else "S",
            )  # fmt: skip
        except OrderRefused as refused:
            assert refused.code == "funds"

    def check(self) -> None:
        assert self.totals() == self.before, "money and coins are conserved"
        for owner in self.made.purse.accounts.values():
            self.check_orders(owner)
            self.check_positions(owner)

    def check_orders(self, owner: Account) -> None:
        working = {**owner.orders, **owner.cancelling}
        assert not set(working) & set(owner.ended), "no order both works and ended"
        assert all(order.end == "" and order.remaining for order in working.values())
        assert all(order.end for order in owner.ended.values())
        filled: dict[int, int] = {}
        for fill in owner.fills:
            filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.lots
        for order in (*working.values(), *owner.ended.values()):
            assert filled.get(order.order_id, 0) == order.filled_lots == order.settled_lots
            assert (order.end == "filled") is (order.remaining == 0)
        spot_buys = [order for order in working.values() if not order.leveraged and order.side == BUY]
        assert owner.held.get("jpy", 0) >= sum(BTC_JPY.notional(order.price, order.remaining) for order in spot_buys)
        assert 0 <= owner.held.get("btc", 0) <= owner.balances["btc"]

    def check_positions(self, owner: Account) -> None:
        """From the fills: what was opened less what was closed, by id, and the profit that the prices give."""
        lots: dict[int, int] = {}
        entry: dict[int, tuple[int, int]] = {}
        for fill in owner.fills:
            if not fill.position_id:
                continue
            if fill.position_id not in entry:
                entry[fill.position_id] = (fill.price, fill.side)
                lots[fill.position_id] = fill.lots
                assert fill.gain == 0
                continue
            price, side = entry[fill.position_id]
            assert fill.side == -side
            # 5 JPY a tick and 0.0001 BTC a lot: 5 units of 0.0001 JPY.
            assert fill.gain == (fill.price - price) * side * fill.lots * 5
            lots[fill.position_id] -= fill.lots
        assert {number: count for number, count in lots.items() if count} == {
            position.position_id: position.lots for position in owner.positions.values()
        }
        pledged = sum(-(-entry[number][0] * count * 5 // 2) for number, count in lots.items() if count)
        opening = [
            order
            for order in (*owner.orders.values(), *owner.cancelling.values())
            if order.leveraged and not order.closes
        ]
        pledged += sum(-(-order.price * order.remaining * 5 // 2) for order in opening)
        assert owner.pledged.get("jpy", 0) == pledged
        for position in owner.positions.values():
            assert 0 <= position.lots_ordered <= position.lots
            assert set(position.ordered) <= {*owner.orders, *owner.cancelling}


@given(
    st.lists(ACTIONS, min_size=10, max_size=60),
    st.sampled_from((1, 10_000)),
    st.sampled_from(("0.5", "10", "1000")),
    st.booleans(),
)
@settings(max_examples=examples(250), deadline=None)
def test_whatever_happens_everything_adds_up(
    actions: list[tuple[object, ...]], fee_unit: int, jpy: str, hostile: bool
) -> None:  # fmt: skip
    owners = [account(key, jpy=jpy, btc="0.003", maker=-100, taker=500) for key in (ALICE, BOB)]
    made = Exchange(
        BTC_JPY, lambda: iter(QUIET), owners, loop=False, self_trade=EXPIRE_NEWER, fee_unit=fee_unit
    )  # fmt: skip
    made.start(START_NS)
    made.advance(START_NS + 2 * 10**9)
    made.book.clear_tape()
    made.moods = Moods(seed=3)
    if hostile:
        made.moods.switch_on(Mood("tiny_fills", probability=0.5))
        made.moods.switch_on(Mood("late_fill_after_cancel", probability=0.5))
    desk = Desk(made)
    for action in actions:
        desk.act(action)
        desk.check()


def made_with(jpy: str = "1000") -> tuple[Exchange, Account]:
    made = Exchange(
        BTC_JPY, lambda: iter(QUIET), [account(ALICE, jpy=jpy, maker=0, taker=0)], loop=False, self_trade=EXPIRE_NEWER
    )  # fmt: skip
    made.start(START_NS)
    made.advance(START_NS + 2 * 10**9)
    made.book.clear_tape()
    return made, made.purse.accounts[ALICE]


def test_half_of_the_value_is_pledged_and_losses_count_against_new_positions() -> None:
    # 100 ticks x 2000 lots x 5 units = 1,000,000 units: 100 JPY, of which 50 are pledged.
    made, owner = made_with("60")
    made.market._on_matches(START_NS, made.book.tape_quote(99, 9_000, 100, 9_000))
    made.place(owner, side=BUY, price=0, lots=2_000, time_in_force=MARKET, leveraged=True, symbol="L")
    assert owner.pledged == {"jpy": 500_000}
    assert owner.available("jpy") == 100_000
    made.mark()
    assert made.purse.unrealised(owner) == -10_000
    assert made.purse.margin_available(owner) == 90_000
    with pytest.raises(OrderRefused, match="funds"):
        made.place(owner, side=BUY, price=100, lots=361, leveraged=True, symbol="L")
    made.place(owner, side=BUY, price=100, lots=360, leveraged=True, symbol="L")


def test_losses_end_spot_orders_that_are_no_longer_covered() -> None:
    made, owner = made_with("100")
    made.market._on_matches(START_NS, made.book.tape_quote(99, 9_000, 100, 9_000))
    made.place(owner, side=BUY, price=0, lots=2_000, time_in_force=MARKET, leveraged=True, symbol="L")
    older = made.place(owner, side=BUY, price=20, lots=2_000, symbol="S").order
    newer = made.place(owner, side=BUY, price=20, lots=2_000, symbol="S").order
    made.market._on_matches(START_NS, made.book.tape_quote(30, 9_000, 31, 9_000))
    position = next(iter(owner.positions.values()))
    made.place(
        owner, side=SELL, price=0, lots=2_000, time_in_force=MARKET, leveraged=True, symbol="L",
        closes=[(position, 2_000)],
    )  # fmt: skip
    # 70 ticks x 2000 lots x 5 units = 70 JPY lost of 100; each spot order holds 20.
    assert owner.balances["jpy"] == 300_000
    assert (older.end, newer.end, newer.reason) == ("", "expired", "balance")
    assert owner.held["jpy"] == 200_000


def test_a_close_that_expires_gives_its_positions_free_again() -> None:
    made, owner = made_with()
    made.market._on_matches(START_NS, made.book.tape_quote(99, 9_000, 100, 9_000))
    made.place(owner, side=BUY, price=0, lots=20, time_in_force=MARKET, leveraged=True, symbol="L")
    position = next(iter(owner.positions.values()))
    placed = made.place(
        owner, side=SELL, price=200, lots=20, time_in_force=IOC, leveraged=True, symbol="L", closes=[(position, 20)]
    )
    assert (placed.end, placed.reason, position.lots_free) == ("expired", "ioc", 20)

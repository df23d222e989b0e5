"""Whatever the market does and whatever is ordered: money is conserved, and nothing is below zero or filled twice."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.paper.desk import BTC_JPY, MARGIN, Desk
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY, TIMES_IN_FORCE
from ztb.core.error import Rejected
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.port import OrderStatus


@dataclass(frozen=True)
class Show:
    bid: int
    spread: int
    lots: tuple[int, ...]


@dataclass(frozen=True)
class Print:
    price: int
    lots: int
    side: int


@dataclass(frozen=True)
class Order:
    side: int
    lots: int
    price: int
    time_in_force: str
    reduce_only: bool


@dataclass(frozen=True)
class Drop:
    number: int


PRICES = st.integers(95, 105)
LOTS = st.integers(1, 40)
SIDES = st.sampled_from((BUY, SELL))
STEPS = st.lists(
    st.builds(Show, PRICES, st.integers(1, 3), st.tuples(*[st.integers(0, 20)] * 6))
    | st.builds(Print, PRICES, LOTS, SIDES)
    | st.builds(Order, SIDES, LOTS, PRICES, st.sampled_from(TIMES_IN_FORCE), st.booleans())
    | st.builds(Drop, st.integers(0, 10)),
    max_size=40,
)
POOR = {"jpy": Decimal("4.0003"), "btc": Decimal("0.0050")}


def shown(step: Show) -> tuple[dict[int, int], dict[int, int]]:
    bids = {step.bid - depth: step.lots[depth] for depth in range(3)}
    asks = {step.bid + step.spread + depth: step.lots[3 + depth] for depth in range(3)}
    return bids, asks


def take_step(desk: Desk, step: Show | Print | Order | Drop, displayed: dict[int, dict[int, int]]) -> None:
    """Do it, and hold its fills against what was displayed or printed."""
    before = len(desk.exchange.fills)
    if isinstance(step, Show):
        bids, asks = shown(step)
        displayed[BUY], displayed[SELL] = bids, asks
        desk.show(
            tuple((price, lots) for price, lots in sorted(bids.items(), reverse=True) if lots),
            tuple((price, lots) for price, lots in sorted(asks.items()) if lots),
        )
        assert len(desk.exchange.fills) == before
    elif isinstance(step, Print):
        fills = desk.print(step.price, step.lots, side=step.side)
        assert sum(fill.lots for fill in fills) <= step.lots
        assert all(fill.maker and (fill.price - step.price) * fill.side >= 0 for fill in fills)
    elif isinstance(step, Order):
        place(desk, step, displayed)
    else:
        working = desk.exchange.open_orders(desk.instrument.symbol)
        if step.number < len(working):
            assert desk.exchange.cancel(working[step.number].venue_id)


def place(desk: Desk, step: Order, displayed: dict[int, dict[int, int]]) -> None:
    before = len(desk.exchange.fills)
    try:
        placed = desk.place(step.side, step.lots, step.price, step.time_in_force, reduce_only=step.reduce_only)
    except Rejected:
        assert len(desk.exchange.fills) == before
        return
    fills = desk.exchange.fills[before:]
    assert sum(fill.lots for fill in fills) == placed.filled_lots <= step.lots
    taken = Counter[int]()
    for fill in fills:
        taken[fill.price] += fill.lots
        assert not fill.maker
        if step.time_in_force != MARKET:
            assert (step.price - fill.price) * step.side >= 0
    assert all(lots <= displayed[-step.side].get(price, 0) for price, lots in taken.items())
    [report] = desk.exchange.reports(desk.instrument.symbol, frozenset({placed.venue_id}))
    if step.time_in_force == FOK:
        assert placed.filled_lots in (0, step.lots)
    if step.time_in_force == POST_ONLY:
        assert placed.filled_lots == 0
    if step.time_in_force in (IOC, FOK, MARKET):
        assert report.status in (OrderStatus.FILLED, OrderStatus.EXPIRED)
    elif step.time_in_force == GTC and placed.filled_lots < step.lots:
        assert report.status is OrderStatus.WORKING or report.reason == "self_trade"


def holds_together(desk: Desk) -> None:
    """Every balance is what it was plus the fills, counted here a second time; nothing is below zero."""
    of = desk.instrument
    exchange = desk.exchange
    totals = dict(POOR)
    for fill in exchange.fills:
        value = of.money.decimal(of.notional(fill.price, fill.lots))
        if not of.leveraged:
            totals["btc"] += fill.side * of.sizes.decimal(fill.lots)
            totals["jpy"] -= fill.side * value
            totals["jpy"] -= fill.fee
    for currency, balance in exchange.wallet.balances().items():
        assert 0 <= balance.available <= balance.total
        if not of.leveraged:
            assert balance.total == totals[currency]
    orders = exchange.open_orders(of.symbol)
    filled = Counter[str]()
    for fill in exchange.fills:
        filled[fill.venue_order_id] += fill.lots
    for report in exchange.reports(of.symbol, frozenset(filled) | {order.venue_id for order in orders}):
        assert report.filled_lots == filled[report.venue_id] <= report.lots
    assert all(order.remaining_lots == order.lots - filled[order.venue_id] > 0 for order in orders)
    best = {side: [order.price for order in orders if order.side == side] for side in (BUY, SELL)}
    assert not best[BUY] or not best[SELL] or max(best[BUY]) < min(best[SELL])


def run(instrument: Instrument, steps: list[Show | Print | Order | Drop]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), instrument, balances=POOR)
        displayed: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        for step in steps:
            take_step(desk, step, displayed)
            holds_together(desk)
        desk.file.close()
        again = Desk(Path(folder), instrument, balances=POOR)
        again.file.close()
        assert again.exchange.fills == desk.exchange.fills
        totals = {currency: balance.total for currency, balance in desk.exchange.wallet.balances().items()}
        assert {currency: one.total for currency, one in again.exchange.wallet.balances().items()} == totals
        assert again.exchange.wallet.positions(instrument.symbol) == desk.exchange.wallet.positions(instrument.symbol)


@given(STEPS)
@settings(max_examples=examples(120))
def test_spot(steps: list[Show | Print | Order | Drop]) -> None:
    run(BTC_JPY, steps)


@given(STEPS, st.booleans())
@settings(max_examples=examples(60))
def test_leverage(steps: list[Show | Print | Order | Drop], nets: bool) -> None:
    run(replace(MARGIN, nets=nets), steps)

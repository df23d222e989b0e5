"""What a paper account must hold, counted anew from the ledger: there is no other book to compare it with."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from ztb.core.event import OrderFilled
from ztb.core.instrument import BUY, SELL
from ztb.core.money import PPM

if TYPE_CHECKING:
    from tests.venues.contract.bench import Bench


def expected_balances(bench: Bench) -> dict[str, Decimal]:
    """The first ones, and every fill."""
    of = bench.instrument
    balances = dict(bench.balances)
    base, quote = of.base.lower(), of.quote.lower()
    balances[quote] -= of.money.decimal(_fees(bench))
    if of.leveraged:
        balances[quote] += of.money.decimal(_walk(bench)[0])
        return balances
    for client_id, fills in bench.fills.items():
        side = bench.sent[client_id].side
        for fill in fills.values():
            balances[base] += side * of.sizes.decimal(fill.lots)
            balances[quote] -= side * of.money.decimal(of.notional(fill.price, fill.lots))
    return balances


def expected_positions(bench: Bench) -> dict[int, int]:
    """Lots by side."""
    return {side: lots for side, (lots, _) in _walk(bench)[1].items() if lots}


async def positions(bench: Bench) -> dict[int, int]:
    """As the account tells them."""
    return {one.side: one.lots for one in await bench.account.positions(bench.symbol)}


def _fees(bench: Bench) -> int:
    """Each order's, as maker and as taker, rounded up once."""
    of = bench.instrument
    total = 0
    for fills in bench.fills.values():
        for maker, rate in ((True, of.maker_fee_ppm), (False, of.taker_fee_ppm)):
            notional = sum(of.notional(fill.price, fill.lots) for fill in fills.values() if fill.maker is maker)
            total += ceil(Fraction(notional * rate, PPM))
    return total


def _walk(bench: Bench) -> tuple[int, dict[int, tuple[int, int]]]:
    """Profit realised, and lots and cost by side, of an instrument on which only what reduces closes."""
    of = bench.instrument
    assert not of.nets
    held = {BUY: (0, 0), SELL: (0, 0)}
    profit = 0
    for client_id, fill in _in_order(bench):
        order = bench.sent[client_id]
        notional = of.notional(fill.price, fill.lots)
        if not order.reduce_only:
            lots, cost = held[order.side]
            held[order.side] = (lots + fill.lots, cost + notional)
            continue
        lots, cost = held[-order.side]
        exact = Fraction(cost * fill.lots, lots)
        # Rounded against the account: what was bought is dearer, what was sold is cheaper.
        part = ceil(exact) if order.side == SELL else exact.__floor__()
        profit += -order.side * (notional - part)
        held[-order.side] = (lots - fill.lots, cost - part)
    return profit, held


def _in_order(bench: Bench) -> list[tuple[str, OrderFilled]]:
    rows = [(client_id, fill) for client_id, fills in bench.fills.items() for fill in fills.values()]
    return sorted(rows, key=lambda row: int(row[1].trade_id))

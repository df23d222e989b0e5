"""Shock preview: what equity, drawdown and leverage would be if prices jumped, and which guards would trip.

Pure: nothing is changed, the state is only read. The rule: the guards are asked by the very functions that judge in
earnest, so that a preview cannot promise what the engine does not do; and a position without a price has no preview.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ztb.core.breakers import Figures, broken
from ztb.core.control import EVERYTHING
from ztb.core.exits import exit_due
from ztb.core.market import Desk
from ztb.core.money import PPM, ceil_div
from ztb.core.moves import Moves
from ztb.core.reaction import PRICE_MOVE
from ztb.core.rules import Rules
from ztb.core.state import State

SHOCKS_PPM: Final = (-100_000, -50_000, -20_000, 20_000, 50_000, 100_000)
"""±2, ±5 and ±10 %."""
NO_PRICE: Final = "no_market_data"


@dataclass(frozen=True, slots=True)
class Shock:
    """One jump of the prices and what it would do. Money in units; None: a position has no price to jump from."""

    instrument: str
    """``EVERYTHING``: all of them at once."""
    change_ppm: int
    equity: int | None
    drawdown_ppm: int | None
    day_loss: int | None
    """Negative: the day would be in profit."""
    exposure: int | None
    """Value of all that is held, long and short added up."""
    leverage_ppm: int | None
    """Exposure to equity; None also when nothing would be left."""
    trips: tuple[str, ...]
    """The codes of the guards that would trip, aborts first."""
    exits: tuple[str, ...]
    """Why positions would be closed without the policy."""


def preview(state: State, rules: Rules, *, now_ns: int) -> list[Shock]:
    """Every shock on each instrument, and, where there are several, on all together."""
    scopes = list(state.desks)
    if len(scopes) > 1:
        scopes.append(EVERYTHING)
    return [
        shock(state, rules, instrument=scope, change_ppm=change, now_ns=now_ns)
        for scope in scopes
        for change in SHOCKS_PPM
    ]


def shock(state: State, rules: Rules, *, instrument: str, change_ppm: int, now_ns: int) -> Shock:
    """One row: every price of ``instrument`` jumps at once; a price between two ticks is rounded against us."""
    assert change_ppm > -PPM, "a price of nothing"
    assert instrument == EVERYTHING or instrument in state.desks
    held = [desk for desk in state.desks.values() if desk.position.lots]
    if any(desk.last_price <= 0 for desk in held):
        return Shock(instrument, change_ppm, None, None, None, None, None, (NO_PRICE,), ())
    ledger = state.ledger
    prices = {desk.instrument.symbol: _price(desk, instrument, change_ppm) for desk in state.desks.values()}
    equity, exposure, position_lots, trade_loss = ledger.equity, 0, 0, 0
    for desk in held:
        position, price = desk.position, prices[desk.instrument.symbol]
        gained = position.lots * price * position.money_per_tick_lot - position.cost - position.unrealised
        equity += gained
        exposure += desk.instrument.notional(price, abs(position.lots))
        position_lots = max(position_lots, abs(position.lots))
        trade_loss = max(trade_loss, -(desk.trade_profit() + gained))
    figures = Figures(equity, max(ledger.peak, equity), ledger.day_open, exposure, position_lots, trade_loss)
    assert figures.peak >= equity
    assert figures.exposure >= 0
    moved = _moved(state, rules, prices, now_ns)
    exits = (exit_due(desk, rules.exits, prices[desk.instrument.symbol]) for desk in held)
    return Shock(
        instrument,
        change_ppm,
        equity,
        (figures.peak - equity) * PPM // figures.peak if figures.peak > 0 else PPM,
        ledger.day_open - equity,
        exposure,
        ceil_div(exposure * PPM, equity) if equity > 0 else None,
        (*broken(rules.limits, figures), *moved),
        tuple(dict.fromkeys(reason for reason in exits if reason)),
    )


def _price(desk: Desk, instrument: str, change_ppm: int) -> int:
    """Where the price of ``desk`` would be; 0 where it has none."""
    price = desk.last_price
    if price <= 0 or instrument not in (EVERYTHING, desk.instrument.symbol):
        return price
    moved = price * (PPM + change_ppm)
    return max(1, moved // PPM if desk.position.lots > 0 else ceil_div(moved, PPM))


def _moved(state: State, rules: Rules, prices: dict[str, int], now_ns: int) -> Iterator[str]:
    """The breaker of fast moves, asked with a copy of what it remembers of the last minute."""
    limit_ppm = rules.limits.price_move_ppm_max
    if limit_ppm is None:
        return
    for desk in state.desks.values():
        price = prices[desk.instrument.symbol]
        if price > 0 and price != desk.last_price:
            moves = Moves()
            moves.restore(desk.moves.snapshot())
            if moves.follow(price, now_ns, last_price=desk.last_price, last_ns=desk.last_ns, limit_ppm=limit_ppm):
                yield PRICE_MOVE
                return

"""When a position is closed without the policy, and the band of prices in which nothing of this file happens.

Ratios are of the entry value, so that nothing is rounded: a stop of 2 % fires when the loss is strictly more than 2 %
of what the position cost.
"""

from __future__ import annotations

from typing import Final

from ztb.core.market import AMOUNT_MAX, Desk
from ztb.core.money import PPM
from ztb.core.rules import Exits, Rules

STOP_LOSS: Final = "stop_loss"
TAKE_PROFIT: Final = "take_profit"
TRAILING_STOP: Final = "trailing_stop"
EXIT_REASONS: Final = (STOP_LOSS, TAKE_PROFIT, TRAILING_STOP)


def exit_due(desk: Desk, exits: Exits, price: int) -> str:
    """Why the position has to be closed at ``price``, or ""."""
    position = desk.position
    if not position.lots:
        return ""
    profit = position.lots * price * position.money_per_tick_lot - position.cost
    cost = abs(position.cost)
    if exits.stop_loss_ppm is not None and -profit * PPM > exits.stop_loss_ppm * cost:
        return STOP_LOSS
    if exits.take_profit_ppm is not None and profit * PPM > exits.take_profit_ppm * cost:
        return TAKE_PROFIT
    best = desk.best_price
    if exits.trailing_ppm is not None and best:
        fallen = best - price if position.lots > 0 else price - best
        if fallen * PPM > exits.trailing_ppm * best:
            return TRAILING_STOP
    return ""


def is_trade_loss(desk: Desk, loss_max: int | None, price: int) -> bool:
    """Whether the trade that runs has lost more than allowed, at ``price``."""
    position = desk.position
    if loss_max is None or not position.lots:
        return False
    unrealised = position.lots * price * position.money_per_tick_lot - position.cost
    return -(desk.trade_profit() - position.unrealised + unrealised) > loss_max


def quiet_band(desk: Desk, rules: Rules, price: int) -> tuple[int, int]:
    """Lowest and highest price, around ``price``, at which nothing above changes its answer."""
    low, high = 1, AMOUNT_MAX - 1
    if rules.limits.price_move_ppm_max is not None:
        low, high = max(low, desk.moves.band_low), min(high, desk.moves.band_high)
    if rules.needs_bars:
        low, high = max(low, desk.bars.low), min(high, desk.bars.high)
    if desk.position.lots and rules.watches_position:
        low, high = _position_band(desk, rules, low, high)
    return (low, high) if low <= price <= high else (1, 0)


def _position_band(desk: Desk, rules: Rules, low: int, high: int) -> tuple[int, int]:
    """Of a position: prices between its worst and its best threshold."""
    position, exits = desk.position, rules.exits
    side = 1 if position.lots > 0 else -1
    per_tick = abs(position.lots) * position.money_per_tick_lot
    entry = position.cost * side
    # The largest distance, in money, that the position may lose, and gain, without any answer.
    losses, gains = [], []
    if exits.stop_loss_ppm is not None:
        losses.append(exits.stop_loss_ppm * entry // PPM)
    if exits.take_profit_ppm is not None:
        gains.append(exits.take_profit_ppm * entry // PPM)
    if rules.limits.trade_loss_max is not None:
        losses.append(rules.limits.trade_loss_max + desk.trade_profit() - position.unrealised)
    worst = [_price_at(entry, -min(losses), per_tick, side, inner=-side)] if losses else []
    best = [_price_at(entry, min(gains), per_tick, side, inner=side)] if gains else []
    if exits.trailing_ppm is not None and desk.best_price:
        distance = exits.trailing_ppm * desk.best_price // PPM
        worst.append(desk.best_price - side * distance)
        best.append(desk.best_price)
    if side > 0:
        return max([low, *worst]), min([high, *best])
    return max([low, *best]), min([high, *worst])


def _price_at(entry: int, profit: int, per_tick: int, side: int, *, inner: int) -> int:
    """The price at which the position makes ``profit``, rounded towards the entry where it falls between ticks.

    ``inner`` is the direction, seen from the entry, in which the price lies.
    """
    value = entry + profit * side
    down = value // per_tick
    exact = down * per_tick == value
    return down if exact or inner > 0 else down + 1

"""What a trade outside its desk's quiet band means: moves, bars, the best price, the loss of the trade that runs.

The band makes this rare: a price inside it can change none of the answers here, so the engine does not ask.
"""

from __future__ import annotations

from ztb.core import reaction
from ztb.core.bars import MINUTE_NS
from ztb.core.command import Command
from ztb.core.exits import is_trade_loss, quiet_band
from ztb.core.market import Desk
from ztb.core.money import PPM
from ztb.core.rules import Rules
from ztb.core.state import State
from ztb.core.trip import trip


def off_band(state: State, desk: Desk, rules: Rules, price: int, now_ns: int) -> list[Command]:
    """Before the trade at ``price`` becomes the mark. Afterwards the desk has a new band."""
    commands: list[Command] = []
    limits, position = rules.limits, desk.position
    if limits.price_move_ppm_max is not None:
        commands += _judge_move(state, desk, limits.price_move_ppm_max, price, now_ns)
    if rules.needs_bars:
        desk.bars.add(price, now_ns, last_price=desk.last_price)
    if position.lots:
        is_better = (price - desk.best_price) * position.lots > 0
        if not desk.best_price or is_better:
            desk.best_price = price
        if is_trade_loss(desk, limits.trade_loss_max, price):
            commands += trip(state, reaction.TRADE_LOSS, now_ns, instrument=desk.instrument.symbol)
    desk.band_low, desk.band_high = quiet_band(desk, rules, price)
    return commands


def _judge_move(state: State, desk: Desk, limit_ppm: int, price: int, now_ns: int) -> list[Command]:
    moved = desk.moves.follow(
        price, now_ns, last_price=desk.last_price, last_ns=desk.last_ns, limit_ppm=limit_ppm
    )  # fmt: skip
    if not moved:
        return []
    percent = limit_ppm // (PPM // 100)
    text = f"moved more than {percent} % within 60 s, to {price} ticks"
    return trip(state, reaction.PRICE_MOVE, now_ns, instrument=desk.instrument.symbol, text=text)


def roll_bars(state: State, now_ns: int) -> list[Command]:
    """End the minutes that are over, and see to it that the engine looks again when the next one is."""
    for desk in state.desks.values():
        if desk.bars.roll(now_ns, last_price=desk.last_price):
            desk.forget_band()
    state.due_ns = min(state.due_ns, now_ns - now_ns % MINUTE_NS + MINUTE_NS)
    return []

"""How much of a wish can be an order: what shrinks a position never flips it, and dust is left where it is.

Spot is sold only as far as this bot bought it. Leverage that does not net (``nets`` False) would turn a sell against
a long position into a second, short one; so there an order against the position closes, at most all of it, and
nothing is opened on one side while an order that opens the other may still fill.

What opens is as large as configured, or less: what a risk budget, a cap and bad times leave of it (``sized``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ztb.core.guard import reducible_lots
from ztb.core.instrument import SELL
from ztb.core.market import Desk
from ztb.core.money import PPM
from ztb.core.order import Order
from ztb.core.position import Ledger
from ztb.core.rules import SizePlan
from ztb.core.tally import Tally, day_pnl_ppm

Fitted = tuple[int, bool, str]
"""Lots of the order, whether it may only shrink the position, and "", or the code why there is none."""

DRAWDOWN_PPM: Final = 20_000
ORDERS_PER_HOUR: Final = 60
DAY_PNL_PPM: Final = 50_000
TENTHS_AT_DRAWDOWN: Final = 7
TENTHS_AT_HIGH_ATR: Final = 8
TENTHS_AT_MANY_ORDERS: Final = 5


class Sized(NamedTuple):
    """Lots of an order that opens, the code why there are none, and the numbers that led to it.

    ``numbers``: equity, price, average true range (0: not used), lots by the risk budget and by the cap (-1: not used),
    the multiplier in ppm, lots.
    """

    lots: int
    code: str = ""
    numbers: tuple[int, ...] = ()


def sized(desk: Desk, wanted_lots: int, plan: SizePlan, ledger: Ledger, tally: Tally, now_ns: int) -> Sized:
    """``wanted_lots``, or less: floor(min(risk budget / ATR, cap / price)), times the multipliers of bad times."""
    if plan.is_fixed:
        return Sized(wanted_lots)
    instrument, price, equity = desk.instrument, desk.last_price, ledger.equity
    if equity <= 0:
        return Sized(0, "no_equity", (equity, price))
    atr = desk.bars.atr(now_ns) if plan.risk_ppm is not None or plan.shrink else 0
    by_risk = by_cap = -1
    lots = wanted_lots
    if plan.risk_ppm is not None:
        if atr == 0:
            return Sized(0, "no_atr", (equity, price, 0))
        by_risk = equity * plan.risk_ppm // PPM // (atr * instrument.money_per_tick_lot)
        lots = min(lots, by_risk)
    if plan.cap_ppm is not None:
        by_cap = equity * plan.cap_ppm // PPM // instrument.notional(price, 1)
        lots = min(lots, by_cap)
    multiplier = PPM
    if lots >= instrument.lots_min and plan.shrink:
        multiplier = shrink_ppm(tally, ledger, now_ns, atr=atr, price=price, high_atr_ppm=plan.high_atr_ppm)
        is_far = abs(day_pnl_ppm(ledger)) > DAY_PNL_PPM
        # It shrinks and does not stop: the venue's smallest order is left in any case.
        lots = instrument.lots_min if is_far else max(instrument.lots_min, lots * multiplier // PPM)
    code = "" if lots >= instrument.lots_min else "order_size_too_small"
    return Sized(lots, code, (equity, price, atr, by_risk, by_cap, multiplier, lots))


def shrink_ppm(tally: Tally, ledger: Ledger, now_ns: int, *, atr: int, price: int, high_atr_ppm: int) -> int:
    """What bad times leave of an order: each reason multiplies."""
    multiplier = PPM
    if tally.day_drawdown_ppm(ledger.equity) >= DRAWDOWN_PPM:
        multiplier = multiplier * TENTHS_AT_DRAWDOWN // 10
    if atr * PPM > high_atr_ppm * price:
        multiplier = multiplier * TENTHS_AT_HIGH_ATR // 10
    if tally.orders_last_hour(now_ns) > ORDERS_PER_HOUR:
        multiplier = multiplier * TENTHS_AT_MANY_ORDERS // 10
    return multiplier


def fit(desk: Desk, side: int, wanted_lots: int, near: list[Order], *, may_open: bool) -> Fitted:
    """``near`` are the orders of the instrument that may still fill; ``may_open`` is what the controls say.

    The code is "" with lots above 0, else one of ``guard.REASONS``.
    """
    assert wanted_lots > 0
    instrument, held_lots = desk.instrument, desk.position.lots
    is_closing = not instrument.nets and held_lots * side < 0
    if may_open and not is_closing and (side != SELL or instrument.leveraged):
        if not instrument.nets and any(order.side != side and not order.reduce_only for order in near):
            return 0, False, "other_side_works"
        return wanted_lots, False, ""
    closable_lots = reducible_lots(side, held_lots, near)
    if closable_lots == 0:
        return 0, True, "nothing_to_close" if instrument.leveraged else "nothing_to_sell"
    may_be_dust = closable_lots < instrument.lots_min or instrument.notional_min > 0
    if may_be_dust and desk.last_price and instrument.is_dust(desk.last_price, closable_lots):
        return 0, True, "dust"
    return min(wanted_lots, closable_lots), True, ""

"""How much of a wish can be an order: what shrinks a position never flips it, and dust is left where it is.

Spot is sold only as far as this bot bought it. Leverage that does not net (``nets`` False) would turn a sell against
a long position into a second, short one; so there an order against the position closes, at most all of it, and
nothing is opened on one side while an order that opens the other may still fill.
"""

from __future__ import annotations

from ztb.core.guard import reducible_lots
from ztb.core.instrument import SELL
from ztb.core.market import Desk
from ztb.core.order import Order

Fitted = tuple[int, bool, str]
"""Lots of the order, whether it may only shrink the position, and "", or the code why there is none."""


def fit(desk: Desk, side: int, wanted_lots: int, at_stake: list[Order], *, may_open: bool) -> Fitted:
    """``at_stake`` are all orders of the account that may still fill; ``may_open`` is what the controls say.

    The code is "" with lots above 0, else one of ``guard.REASONS``.
    """
    assert wanted_lots > 0
    instrument, held_lots = desk.instrument, desk.position.lots
    same = [order for order in at_stake if order.instrument == instrument.symbol] if at_stake else at_stake
    is_closing = not instrument.nets and held_lots * side < 0
    if may_open and not is_closing and (side != SELL or instrument.leveraged):
        if not instrument.nets and any(order.side != side and not order.reduce_only for order in same):
            return 0, False, "other_side_works"
        return wanted_lots, False, ""
    closable_lots = reducible_lots(side, held_lots, same)
    if closable_lots == 0:
        return 0, True, "nothing_to_close" if instrument.leveraged else "nothing_to_sell"
    may_be_dust = closable_lots < instrument.lots_min or instrument.notional_min > 0
    if may_be_dust and desk.last_price and instrument.is_dust(desk.last_price, closable_lots):
        return 0, True, "dust"
    return min(wanted_lots, closable_lots), True, ""

"""What our books say that we hold, against what the venue says that the account holds (F-06). It sends nothing.

The owner may hold more in the same account, so only a shortfall can be seen: less at the venue than we alone hold.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

from ztb.core.instrument import BUY, SELL, SIDE_NAMES, Instrument
from ztb.core.money import ceil_div
from ztb.core.position import Position
from ztb.venues.port import Account

LOOK: Final = (
    "look at the account's history for a withdrawal, a trade by hand or a fill that is not in the journal; nothing is "
    "opened until the books and the account agree"
)


class Shortfall(NamedTuple):
    """How many lots of ours are missing at the venue, and that in words; 0 and "": our position is covered."""

    lots: int = 0
    text: str = ""


COVERED: Final = Shortfall()


async def shortfall(account: Account, instrument: Instrument, position: Position, *, fee_in_base: bool) -> Shortfall:
    """What is missing at the venue. Raises what the account raises."""
    side, lots = (BUY, position.lots) if position.lots > 0 else (SELL, -position.lots)
    if lots == 0:
        return COVERED
    if instrument.leveraged:
        held = sum(one.lots for one in await account.positions(instrument.symbol) if one.side == side)
        if held >= lots:
            return COVERED
        return Shortfall(lots - held, _said(instrument, side, lots, instrument.sizes.text(held)))
    if side == SELL:
        text = f"the books are {instrument.sizes.text(lots)} {instrument.base} short, which spot cannot be: {LOOK}"
        return Shortfall(lots, text)
    if fee_in_base:
        # What the venue took as fees in the base currency is not there any more.
        lots -= min(lots, _fee_lots(instrument, position))
    balance = (await account.balances()).get(instrument.base.lower())
    total = balance.total if balance is not None else Decimal(0)
    if total >= lots * instrument.lot_size:
        return COVERED
    held_lots = int(total // instrument.lot_size)
    return Shortfall(lots - held_lots, _said(instrument, side, lots, f"{total.normalize():f}"))


def _fee_lots(instrument: Instrument, position: Position) -> int:
    """All fees ever paid, as lots at the average price, rounded up."""
    price = position.average_price()
    return ceil_div(max(0, position.fees), price * instrument.money_per_tick_lot) if price > 0 else 0


def _said(instrument: Instrument, side: int, lots: int, held: str) -> str:
    ours = instrument.sizes.text(lots)
    what = instrument.symbol if instrument.leveraged else instrument.base
    return f"the venue holds {held} {what} ({SIDE_NAMES[side]}), and the books {ours}: {LOOK}"

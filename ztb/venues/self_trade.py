"""Which order of ours stood on the other side when the account traded with itself.

Some venues tell such a trade in one row, with the tag of one order only. The other order may be ours or the owner's
own. It is ours when one on the other side, at the price of the trade, lacks just such a fill; candidates are taken in
the order of how little else can explain the lack. All candidates have the same side and price, so a wrong choice
among them would still leave position and profit right; a fill that is not told at all would not. A wrong choice can
leave too little room in each of them for the next such fill, which then goes to several.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from ztb.venues.port import VenueFill
from ztb.venues.watched import Watched

OTHER_ORDER_LOOKS_MAX: Final = 5
"""After so many looks without a candidate the other order was the owner's."""


def other_orders(
    fill: VenueFill, tagged: Watched, live: Collection[Watched], ended: Iterable[Watched], *, looks: int
) -> list[tuple[Watched, int]]:
    """The order to book the other half of ``fill`` with, or in the end the orders, and the lots of each."""
    ended = list(ended) if looks else []
    one = other_order(fill, tagged, live, ended, looks=looks)
    if one is not None:
        return [(one, fill.lots)]
    parts: list[tuple[Watched, int]] = []
    left = fill.lots
    if looks >= OTHER_ORDER_LOOKS_MAX:
        for entry in (*live, *ended):
            # Only those that nothing else explains: an order that was cancelled has a reason to lack lots.
            is_unexplained = entry.is_known and not (entry.open_lots or entry.is_cancel_confirmed or entry.ended_as)
            if left and is_unexplained and _stood_there(entry, fill, tagged):
                parts.append((entry, min(left, entry.lots - entry.filled_lots)))
                left -= parts[-1][1]
    return [] if left else parts


def other_order(
    fill: VenueFill, tagged: Watched, live: Iterable[Watched], ended: Iterable[Watched], *, looks: int
) -> Watched | None:
    """The order to book the other half of ``fill`` with; ``looks``: whole looks since the fill was first seen."""
    candidates = [entry for entry in live if _may_be(entry, fill, tagged)]
    for entry in candidates:
        if entry.told_lots - entry.filled_lots >= fill.lots:
            return entry
    for entry in candidates:
        if entry.open_lots == 0 and entry.is_known and not entry.is_cancel_confirmed:
            return entry
    # An order that was cancelled may have had this fill before, or not; first let the open orders show whether one
    # that still worked at the last look has shrunk.
    if looks == 0:
        return None
    for entry in [*candidates, *(entry for entry in ended if _may_be(entry, fill, tagged))]:
        if entry.open_lots == 0 and entry.is_known:
            return entry
    # Left is an order whose answer was lost: had it never been placed, nothing of ours could have stood at its price.
    return next((entry for entry in candidates if entry.is_lost and entry.open_lots == 0), None)


def _may_be(entry: Watched, fill: VenueFill, tagged: Watched) -> bool:
    return _stood_there(entry, fill, tagged) and entry.lots - entry.filled_lots >= fill.lots


def _stood_there(entry: Watched, fill: VenueFill, tagged: Watched) -> bool:
    return (
        entry.side == -tagged.side
        and entry.price == fill.price
        and entry.lots > entry.filled_lots
        and fill.trade_id not in entry.fills
    )

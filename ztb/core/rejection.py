"""What a venue refused is not asked for again at once (F-19).

After a rejection the same kind of order (its instrument, its side, and whether it may only shrink the position) is left
alone for 5 s, after a second one in a row for 10 s, and so on up to five minutes; one that the venue takes ends the
row. The other kinds are free: whoever may not open must still be able to close. An order that never left (a closed
gate, a limit of our own) was refused by nobody: it counts in no row, and is wished for again a second later instead of
at the very next price, because each wish is an intent in the journal.
"""

from __future__ import annotations

from typing import Final

from ztb.core.event import OrderAccepted, OrderEvent, OrderFilled, OrderRejected
from ztb.core.order import Order

REJECTED_BEFORE: Final = "rejected_before"
PAUSE_NS: Final = 5_000_000_000
PAUSE_NS_MAX: Final = 300_000_000_000
HELD_BACK_PAUSE_NS: Final = 1_000_000_000
"""In which a limit of our own comes free at most venues."""
_DOUBLINGS_MAX: Final = 6

Rejections = dict[tuple[str, int, bool], tuple[int, int]]
"""By instrument, side and reduce-only: how many in a row, and until when nothing is sent. No entry: none."""


def count_rejection(rejections: Rejections, order: Order, event: OrderEvent, now_ns: int) -> None:
    """Take one event of ``order`` into account."""
    key = (order.instrument, order.side, order.reduce_only)
    if type(event) is OrderRejected:
        if order.is_terminal:
            return
        in_row, until_ns = rejections.get(key, (0, 0))
        if event.held_back:
            rejections[key] = (in_row, max(until_ns, now_ns + HELD_BACK_PAUSE_NS))
        else:
            rejections[key] = (in_row + 1, now_ns + pause_ns(in_row + 1))
    elif rejections and type(event) in (OrderAccepted, OrderFilled):
        rejections.pop(key, None)


def pause_ns(in_row: int) -> int:
    """After so many rejections in a row."""
    assert in_row > 0
    return min(PAUSE_NS << min(in_row - 1, _DOUBLINGS_MAX), PAUSE_NS_MAX)


def is_paused(rejections: Rejections, instrument: str, side: int, now_ns: int, *, reduce_only: bool) -> bool:
    """Whether this kind of order was refused so recently that it is not asked for again."""
    return now_ns < rejections.get((instrument, side, reduce_only), (0, 0))[1]

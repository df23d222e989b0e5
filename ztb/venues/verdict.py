"""What may be concluded about an order that the open orders do not show any more, or never did. Pure; one table.

The rule: silence is evidence only when it is repeated over time and comes from open orders *and* fills (F-04), and
never while the venue owes fills that it told of (F-13). Where the venue knows an order's status, its word comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ztb.venues.port import OrderStatus
from ztb.venues.watched import Watched

_NS: Final = 1_000_000_000
GONE_LOOKS_MIN: Final = 2


class Verdict(StrEnum):
    """The end of an order."""

    OPEN = "open"
    """Nothing is concluded."""
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    NEVER_PLACED = "never_placed"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence must last before it means something."""

    gone_s: float = 1.0
    """For an order whose end was asked for, and that the venue says it could not find to cancel."""
    absent_s: float = 65.0
    """For one that nobody has ended, as far as we know, and for one that may never have been placed: a venue may hide
    an order for a minute."""
    absent_looks_min: int = 4


TOLD_ENDS: Final = {
    OrderStatus.FILLED: Verdict.FILLED,
    OrderStatus.CANCELLED: Verdict.CANCELLED,
    OrderStatus.EXPIRED: Verdict.EXPIRED,
    OrderStatus.REJECTED: Verdict.REJECTED,
}


def counts(entry: Watched, *, look: int) -> bool:
    """Whether the look that has just ended says anything about the order: what was noted during it is newer."""
    return entry.is_unsettled and entry.open_lots == 0 and entry.noted_look < look


def verdict(entry: Watched, *, monotonic_ns: int, patience: Patience, has_status: bool) -> Verdict:
    """Of an absent order, after a whole look that was counted in ``absent_looks``."""
    if entry.is_short_of_fills:
        return Verdict.OPEN
    if entry.ended_as is not None:
        end = TOLD_ENDS[entry.ended_as]
        # What a venue calls filled has all its lots, and here it has not: the fills are still to come.
        if end is Verdict.FILLED:
            return Verdict.OPEN
        return Verdict.CANCELLED if end is Verdict.REJECTED and entry.filled_lots else end
    absent_ns = monotonic_ns - entry.absent_since_ns
    if not entry.is_known:
        is_enough = entry.absent_looks >= entry.doubt_looks_min and absent_ns >= entry.doubt_spread_ns
        return Verdict.NEVER_PLACED if entry.is_doubted and is_enough else Verdict.OPEN
    if entry.is_cancel_confirmed and not has_status:
        return Verdict.CANCELLED
    if entry.is_cancel_confirmed or entry.is_told_gone:
        is_enough = entry.absent_looks >= GONE_LOOKS_MIN and absent_ns >= patience.gone_s * _NS
    else:
        is_enough = entry.absent_looks >= patience.absent_looks_min and absent_ns >= patience.absent_s * _NS
    return Verdict.CANCELLED if is_enough else Verdict.OPEN

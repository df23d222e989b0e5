"""What the paper venue can do, what it refuses with, and its bounds.

Codes of refusals are ours: there is no exchange behind them. An order that would be refused here would, as far as the
public side of a venue tells, be refused there as well.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ztb.core.command import TIMES_IN_FORCE
from ztb.core.error import Rejected
from ztb.venues.port import Capabilities

INSUFFICIENT_FUNDS: Final = "insufficient_funds"
BELOW_MINIMUM: Final = "below_minimum"
ABOVE_MAXIMUM: Final = "above_maximum"
OFF_TICK: Final = "off_tick"
OFF_STEP: Final = "off_step"
POST_ONLY_WOULD_TAKE: Final = "post_only_would_take"
REDUCE_ONLY: Final = "reduce_only"
UNSUPPORTED: Final = "unsupported"
DUPLICATE_CLIENT_ID: Final = "duplicate_client_id"
FULL: Final = "full"

ENDED_BY_USER: Final = "cancelled"
ENDED_IOC: Final = "ioc"
ENDED_FOK: Final = "fok"
ENDED_MARKET: Final = "market"
ENDED_SELF_TRADE: Final = "self_trade"
ENDED_REDUCE_ONLY: Final = "reduce_only"
"""Reasons in an ``OrderReport``."""

ORDERS_WORKING_MAX: Final = 2_000
ORDERS_ENDED_MAX: Final = 10_000
"""Ended orders whose report is still given; older ones are not known any more."""
FILLS_MAX: Final = 200_000
"""Of one account, all sessions together: beyond it no order is taken."""
NEWS_MAX: Final = 10_000
"""Account news that wait for a reader; who falls behind is told to read everything."""
CANCEL_MANY: Final = 100
TRADES_KNOWN_MAX: Final = 10_000
"""Ids of trades by which one that is told twice is known."""
BOOK_AGE_NS_MAX: Final = 60_000_000_000
"""A book that nobody has spoken of for so long is read again before an order meets it."""
TRADE_AGE_NS_MAX: Final = 1_000_000_000
"""The coarsest clock of a venue's trades: one that is older than an order by more than this came before it."""


def capabilities(times_in_force: Collection[str] = TIMES_IN_FORCE) -> Capabilities:
    """Of a paper venue that takes these times in force, as the venue that it follows does (F-24)."""
    return Capabilities(
        times_in_force=frozenset(times_in_force),
        client_order_id=True,
        tagged_fills=True,
        order_status=True,
        tag_status=False,
        private_stream=True,
        reduce_only=True,
        cancel_many=CANCEL_MANY,
        positions=True,
        self_trade=False,
    )


def refused(code: str, text: str, *, retryable: bool = False) -> Rejected:
    """Definitely not done."""
    return Rejected(f"the paper venue refuses: {text}", kind="exchange", code=code, retryable=retryable)

"""The one port through which ztb speaks to every exchange.

An adapter turns the venue's wire into these types and back; it holds no opinion. Prices cross the port as ticks,
sizes as lots, other money as Decimal. Errors are those of ``ztb.core.error``: ``Rejected``, ``Throttled`` and
``Unreachable`` mean *not done*; ``UnknownFate`` means nobody knows.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from ztb.core.command import Place
from ztb.core.event import Depth, Feed, Quote, Trade


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do; the engine and the tracker plan around what it cannot."""

    market_orders: bool
    client_order_id: bool
    order_status: bool
    private_stream: bool
    reduce_only: bool
    post_only: bool
    cancel_all: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to an order: the venue's id ("" when it filled at once and gets none), and lots filled now."""

    venue_id: str
    filled_lots: int


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order working at the venue; ``tag`` is our client id or comment, "" for somebody else's."""

    venue_id: str
    tag: str
    instrument: str
    side: int
    price: int
    remaining_lots: int
    created_ns: int


@dataclass(frozen=True, slots=True)
class VenueFill:
    """A fill as the venue's history tells it; ``trade_id`` is unique, ``fee`` in the quote currency.

    ``side`` is ours; 0 where the account traded with itself and the venue names both sides.
    """

    trade_id: str
    tag: str
    venue_order_id: str
    instrument: str
    side: int
    price: int
    lots: int
    fee: Decimal
    maker: bool
    venue_ns: int


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one currency: what may be used, and what there is (used in orders included)."""

    currency: str
    available: Decimal
    total: Decimal


class MarketFeed(Protocol):
    """Public data. Reconnects by itself; says so with ``Feed`` events."""

    def events(self) -> AsyncIterator[Trade | Quote | Depth | Feed]:
        """Endless; ends only when the task is cancelled."""
        ...


class Account(Protocol):
    """Private calls of one key. Only this type can move money; live-lite and paper never hold one."""

    @property
    def capabilities(self) -> Capabilities:
        """What this venue can do."""
        ...

    async def place(self, order: Place) -> Placed:
        """Send once, never again. Raises Rejected, Throttled, Unreachable (not done) or UnknownFate."""
        ...

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """True: cancelled now. False: the venue does not know it any more (filled or cancelled before)."""
        ...

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Every working order of the key, ours and others'. ``urgent`` may use the rate limit's reserve."""
        ...

    async def fills_after(self, instrument: str, trade_id: str, *, urgent: bool = False) -> list[VenueFill]:
        """Fills newer than ``trade_id`` ("": all that the venue still has), oldest first, all pages."""
        ...

    async def newest_trade_id(self, instrument: str) -> str:
        """Of the account's own fills; "" when there is none. Where a first session starts to read."""
        ...

    async def balances(self) -> dict[str, Balance]:
        """By currency."""
        ...

    async def server_time_ns(self) -> int:
        """The venue's clock, as exactly as it tells."""
        ...

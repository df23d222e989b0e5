"""The one port through which ztb speaks to every exchange.

An adapter turns the venue's wire into these types and back; it holds no opinion. Prices cross the port as ticks,
sizes as lots, other money as Decimal. Errors are those of ``ztb.core.error``: ``Rejected``, ``Throttled`` and
``Unreachable`` mean *not done*; ``UnknownFate`` means nobody knows.

A *tag* is our client order id as the venue shows it with an order; "" where the venue keeps none or the order is
somebody else's. Only orders that can be proven ours, by tag or by the venue's id of an order that we placed, are ever
touched (F-25).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from ztb.core.command import Place
from ztb.core.event import Depth, Feed, Quote, Trade
from ztb.core.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do; the engine and the tracker plan around what it cannot."""

    times_in_force: frozenset[str]
    """Of ``ztb.core.command.TIMES_IN_FORCE``; an order of another one is refused before anything leaves."""
    client_order_id: bool
    """The venue shows our tag with open orders and looked-up orders."""
    tagged_fills: bool
    """The venue shows our tag with fills; else they are known by the venue's order id."""
    order_status: bool
    """``look_up`` answers for ended orders too."""
    tag_status: bool
    """``look_up_tags`` answers for orders whose id we were never told, ended ones too."""
    private_stream: bool
    reduce_only: bool
    """An order of a leveraged instrument with ``reduce_only`` can never open or flip a position at the venue."""
    cancel_many: int
    """Orders that one call can cancel; 1 where each needs its own."""
    positions: bool
    """The venue knows positions (leverage), not only balances."""
    self_trade: bool
    """Two orders of one account can trade with each other."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The answer to an order: the venue's id ("" when it filled at once and gets none), and lots filled now."""

    venue_id: str
    filled_lots: int


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order working at the venue; ``lots`` is its original size, 0 where the venue tells only what remains."""

    venue_id: str
    tag: str
    instrument: str
    side: int
    price: int
    remaining_lots: int
    created_ns: int
    lots: int = 0


class OrderStatus(StrEnum):
    """Where an order is, in the venue's own books."""

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The venue's word on one order, working or ended. ``price`` is 0 for a market order.

    ``filled_lots`` is cumulative; where fills are told one by one as well, the two must agree in the end (F-13).
    ``reason`` is the venue's code for the end of the order, "" when it gives none.
    """

    venue_id: str
    tag: str
    instrument: str
    side: int
    price: int
    lots: int
    filled_lots: int
    status: OrderStatus
    created_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VenueFill:
    """A fill as the venue tells it; ``trade_id`` is unique, ``fee`` in the quote currency (negative: received).

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
    cursor: str = ""
    """For ``fills_after``, where reading on begins; "" where the trade id does it."""

    @property
    def reading_on(self) -> str:
        """What to ask ``fills_after`` with, once this fill is known."""
        return self.cursor or self.trade_id


@dataclass(frozen=True, slots=True)
class Balance:
    """Of one currency: what may be used, and what there is (used in orders included)."""

    currency: str
    available: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class VenuePosition:
    """One side of a leveraged instrument, all of the venue's entries of it together; ``lots`` above 0."""

    instrument: str
    side: int
    lots: int
    average_price: Decimal


@dataclass(frozen=True, slots=True)
class Rights:
    """What a key may do; None: the venue does not tell. A trading key should not be able to withdraw."""

    read: bool | None
    trade: bool | None
    withdraw: bool | None


@dataclass(frozen=True, slots=True)
class ServerTime:
    """The venue's clock, and how coarsely it tells it."""

    now_ns: int
    resolution_ns: int


@dataclass(frozen=True, slots=True)
class HeadRoom:
    """How much of one rate limit is free now; ``free_urgent`` counts the reserve too."""

    name: str
    limit_class: str
    calls: int
    period_s: float
    free: int
    free_urgent: int
    breaker: str = "closed"
    """Of the circuit breaker that this limit's calls pass: closed, open or half_open."""


@dataclass(frozen=True, slots=True)
class StreamState:
    """An account stream was lost or came back."""

    connected: bool
    text: str = ""


MarketNews = Trade | Quote | Depth | Feed
AccountNews = VenueFill | OrderReport | StreamState
"""What a private stream tells. It hurries, it does not replace: the tracker goes on to compare with open orders and
fills, because a stream can lose, repeat and reorder."""


class AtWire(Protocol):
    """What an order passes on its way to the socket; either half raises to stop it."""

    async def durable(self, order: Place) -> None:
        """Awaited before the first byte of the order's request leaves: until its intent is on disk."""
        ...

    def check(self, order: Place) -> None:
        """Asked after the last wait, right before its body leaves."""
        ...


@dataclass(frozen=True, slots=True)
class ApiKeys:
    """Of one account, revealed: hand it to the adapter and nowhere else. Its text shows nothing."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return "ApiKeys(…)"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a venue answers; ``account_stream`` is "" where there is none or the market's serves both."""

    rest: str
    stream: str
    account_stream: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator knows about an account at a venue, and the venue does not say."""

    fee_currency: str = ""
    """In which the venue takes its fees, base or quote; "" is the quote currency."""
    answer_s_max: float = 10.0
    """An answer that takes longer, of the wall, is lost."""
    rate_factor: int = 1
    """So many times its published private limits the venue grants this account."""


class MarketFeed(Protocol):
    """Public data. Reconnects by itself; says so with ``Feed`` events."""

    def events(self) -> AsyncIterator[MarketNews]:
        """Endless; ends only when the task is cancelled."""
        ...


class AccountFeed(Protocol):
    """The private stream of one key. Reconnects by itself; says so with ``StreamState``."""

    def events(self) -> AsyncIterator[AccountNews]:
        """Endless; ends only when the task is cancelled, or with an error that will not pass (a refused key)."""
        ...


class Market(Protocol):
    """Public calls; need no key."""

    async def instruments(self) -> dict[str, Instrument]:
        """Every instrument that can be traded now, by the venue's own symbol."""
        ...

    async def instrument(self, symbol: str) -> Instrument:
        """One of them; Rejected when the venue has none of that name."""
        ...

    async def depth(self, instrument: Instrument) -> Depth:
        """The book as a snapshot."""
        ...

    async def trades(self, instrument: Instrument, *, wait_s_max: float | None = None) -> list[Trade]:
        """The latest trades, oldest first."""
        ...

    async def server_time(self) -> ServerTime:
        """The venue's clock, as exactly as it tells without a key."""
        ...


@runtime_checkable
class PartlyRead(Protocol):
    """A market whose list of instruments may hold some that cannot be read."""

    @property
    def unread(self) -> int:
        """So many were left out of the list that was told last."""
        ...


class Account(Protocol):
    """Private calls of one key. Only this type can move money; live-lite and paper never hold one that is real."""

    @property
    def capabilities(self) -> Capabilities:
        """What this venue can do."""
        ...

    async def place(self, order: Place) -> Placed:
        """Send once, never again. Raises Rejected, Throttled, Unreachable (not done) or UnknownFate."""
        ...

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """True: cancelled, or its cancelling accepted. False: the venue has nothing of it to cancel any more."""
        ...

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        """Cancel these orders of ours in as few calls as the venue allows; returns those of which it said yes.

        Never a venue's own cancel-everything: that would take orders that are not ours (F-25).
        """
        ...

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Every working order of the key, ours and others'. ``urgent`` may use the rate limit's reserve."""
        ...

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        """The venue's word on these orders; one that it does not know is missing from the answer.

        Where ``capabilities.order_status`` is False: always an empty list, and nothing is asked.
        """
        ...

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        """The venue's word on the orders with these tags, sent at ``since_ns`` or later; a missing one proves nothing.

        Where ``capabilities.tag_status`` is False: always an empty list, and nothing is asked.
        """
        ...

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        """Fills newer than ``cursor`` ("": all that the venue still has), oldest first, all pages.

        ``cursor`` is a ``VenueFill.reading_on``; a venue whose history cannot begin at an exact row may repeat fills.
        """
        ...

    async def newest_cursor(self, instrument: str) -> str:
        """Where a first session starts to read, so that older fills stay out; "" when there are none."""
        ...

    async def balances(self) -> dict[str, Balance]:
        """By currency, in lower case."""
        ...

    async def positions(self, instrument: str) -> list[VenuePosition]:
        """Of a leveraged instrument, at most one for each side; empty where the venue has none."""
        ...

    async def rights(self) -> Rights:
        """What this key may do."""
        ...


class PublicSide(Protocol):
    """The public half of a venue: what anybody may see, and no way to an account.

    Each venue's ``public`` module makes one without loading anything that knows keys.
    """

    @property
    def name(self) -> str:
        """As profiles name it: zaif, gmo, coinbase."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this venue can do."""
        ...

    @property
    def market(self) -> Market:
        """Public calls."""
        ...

    def market_feed(self, instrument: Instrument) -> MarketFeed:
        """The public stream of one instrument."""
        ...

    def head_room(self) -> tuple[HeadRoom, ...]:
        """Every rate limit, for people."""
        ...

    async def close(self) -> None:
        """Close every socket; another process may use the key again."""
        ...


class Venue(PublicSide, Protocol):
    """One exchange as a process reaches it. Owns its sockets and its rate limits; ``close`` lets go of both."""

    def account(
        self, keys: ApiKeys, instruments: Mapping[str, Instrument], *, directory: Path, at_wire: AtWire | None
    ) -> Account:
        """The account of ``keys``; what must outlive the process (nonces) is kept in ``directory``."""
        ...

    def account_feed(self, instruments: Mapping[str, Instrument]) -> AccountFeed | None:
        """The private stream of the account made before; None where the venue has none."""
        ...

"""Everything that can happen to the engine. Time comes in here and nowhere else.

``ts_ns`` is the host's time at which the event entered the inbox (Unix nanoseconds, UTC); ``venue_ns`` is what the
venue says (0: it does not say). Prices are ticks, sizes lots, fees money units, sides ``BUY`` (1) or ``SELL`` (-1).
Events are not frozen dataclasses, because a frozen one costs four times as much to make; all the same nobody may
change an event after it is made, and a test that reads the source holds everybody to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final


@final
@dataclass(slots=True)
class Trade:
    """Somebody traded; ``side`` is the taker's."""

    ts_ns: int
    instrument: str
    price: int
    lots: int
    side: int
    venue_ns: int = 0
    trade_id: str = ""


@final
@dataclass(slots=True)
class Quote:
    """Best bid and ask changed; a side without orders has price 0 and lots 0."""

    ts_ns: int
    instrument: str
    bid: int
    bid_lots: int
    ask: int
    ask_lots: int
    venue_ns: int = 0


@final
@dataclass(slots=True)
class Depth:
    """The book: a snapshot replaces it, a change sets the named levels (lots 0 removes one). Best level first."""

    ts_ns: int
    instrument: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    is_snapshot: bool
    venue_ns: int = 0


@final
@dataclass(slots=True)
class Timer:
    """Time passed, whether or not the market moved."""

    ts_ns: int


@final
@dataclass(slots=True)
class Started:
    """A session began. Client order ids are a hash of install, epoch and sequence (F-27)."""

    ts_ns: int
    install: str
    epoch: int


@final
@dataclass(slots=True)
class Reconciled:
    """Our orders and the venue's were compared. ``clean`` False: a difference that nobody could explain."""

    ts_ns: int
    clean: bool
    text: str = ""


@final
@dataclass(slots=True)
class Feed:
    """The market stream was lost or came back."""

    ts_ns: int
    connected: bool
    text: str = ""


@final
@dataclass(slots=True)
class OrderRecovered:
    """An order that an earlier session wrote to the journal, as its intent stands there."""

    ts_ns: int
    client_id: str
    instrument: str
    side: int
    lots: int
    price: int
    reduce_only: bool
    created_ns: int
    sequence: int


@final
@dataclass(slots=True)
class OrderDurable:
    """The intent is fsynced: from now on the order may leave."""

    ts_ns: int
    client_id: str


@final
@dataclass(slots=True)
class OrderSent:
    """The request was handed to the network."""

    ts_ns: int
    client_id: str


@final
@dataclass(slots=True)
class OrderAccepted:
    """The venue acknowledged the order. ``venue_id`` is empty where the venue gives none (filled at once)."""

    ts_ns: int
    client_id: str
    venue_id: str


@final
@dataclass(slots=True)
class OrderFilled:
    """One fill, known by the venue's ``trade_id``; a repeated one is ignored. ``fee`` is in money units."""

    ts_ns: int
    client_id: str
    trade_id: str
    lots: int
    price: int
    fee: int
    maker: bool = False
    venue_ns: int = 0


@final
@dataclass(slots=True)
class OrderRejected:
    """The venue said no: nothing is working there."""

    ts_ns: int
    client_id: str
    code: str
    text: str = ""


@final
@dataclass(slots=True)
class OrderCancelled:
    """The venue confirmed that nothing of the order works any more."""

    ts_ns: int
    client_id: str


@final
@dataclass(slots=True)
class OrderExpired:
    """The venue ended the order by its time in force."""

    ts_ns: int
    client_id: str


@final
@dataclass(slots=True)
class OrderUnknown:
    """Sent, no usable answer: it may be working, filled or never placed."""

    ts_ns: int
    client_id: str
    reason: str


@final
@dataclass(slots=True)
class OrderNotPlaced:
    """Evidence from the venue, repeated over time, says that an unknown order never existed there."""

    ts_ns: int
    client_id: str
    evidence: str


@final
@dataclass(slots=True)
class CancelFailed:
    """The venue refused a cancel (``order is too new``); the order may still work."""

    ts_ns: int
    client_id: str
    code: str


@final
@dataclass(slots=True)
class Pause:
    """No new opening orders until ``until_ns``; a pause never shortens an older one."""

    ts_ns: int
    until_ns: int
    source: str
    reason: str


@final
@dataclass(slots=True)
class Kill:
    """Latch: cancel everything, send nothing more until an operator resumes with a reason."""

    ts_ns: int
    source: str
    reason: str


@final
@dataclass(slots=True)
class Resume:
    """An operator lifts the kill latch and any pause."""

    ts_ns: int
    source: str
    reason: str


@final
@dataclass(slots=True)
class Stop:
    """The service is about to stop: cancel what works, open nothing."""

    ts_ns: int
    reason: str


EVENT_TYPES: Final = (
    Trade, Quote, Depth, Timer, Started, Reconciled, Feed, OrderRecovered, OrderDurable, OrderSent, OrderAccepted,
    OrderFilled, OrderRejected, OrderCancelled, OrderExpired, OrderUnknown, OrderNotPlaced, CancelFailed, Pause, Kill,
    Resume, Stop,
)  # fmt: skip
"""Every kind of event, for codecs and tests."""

Market = Trade | Quote | Depth
OrderEvent = (
    OrderRecovered
    | OrderDurable
    | OrderSent
    | OrderAccepted
    | OrderFilled
    | OrderRejected
    | OrderCancelled
    | OrderExpired
    | OrderUnknown
    | OrderNotPlaced
    | CancelFailed
)
Event = Market | Timer | Started | Reconciled | Feed | OrderEvent | Pause | Kill | Resume | Stop

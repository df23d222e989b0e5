"""Everything that can happen to the engine. Time comes in here and nowhere else.

``ts_ns`` is the host's time at which the event entered the inbox (Unix nanoseconds, UTC); ``venue_ns`` is what the
venue says (0: it does not say). Prices are ticks, sizes lots, fees money units, sides ``BUY`` (1) or ``SELL`` (-1).
Events are msgspec structs, because one is made in a third of the time of a dataclass, and a market makes millions;
``gc=False``, because none can be part of a cycle. Nobody may change an event after the inbox has stamped it, and a test
that reads the source holds everybody to it.
"""

from __future__ import annotations

from typing import Final, final

from msgspec import Struct, field

CLOCK_BACKSTEP_NS_MAX: Final = 1_000_000_000
"""A larger step back of the host's clock is told to people; time inside the engine never goes back."""


@final
class Trade(Struct, gc=False):
    """Somebody traded; ``side`` is the taker's."""

    ts_ns: int
    instrument: str
    price: int
    lots: int
    side: int
    venue_ns: int = 0
    trade_id: str = ""


@final
class Quote(Struct, gc=False):
    """Best bid and ask changed; a side without orders has price 0 and lots 0."""

    ts_ns: int
    instrument: str
    bid: int
    bid_lots: int
    ask: int
    ask_lots: int
    venue_ns: int = 0


@final
class Depth(Struct, gc=False):
    """The book: a snapshot replaces it, a change sets the named levels (lots 0 removes one). Best level first."""

    ts_ns: int
    instrument: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    is_snapshot: bool
    venue_ns: int = 0


@final
class Timer(Struct, gc=False):
    """Time passed, whether or not the market moved."""

    ts_ns: int


@final
class Started(Struct, gc=False):
    """A session began. Client order ids are a hash of install, epoch and sequence (F-27)."""

    ts_ns: int
    install: str
    epoch: int


@final
class Reconciled(Struct, gc=False, omit_defaults=True):
    """Our orders and the venue's were compared. ``clean`` False: a difference that nobody could explain."""

    ts_ns: int
    clean: bool
    text: str = field(default_factory=str)
    """Made by a factory, so that it is written even when empty: as in journals from before ``begun_ns``."""
    begun_ns: int = 0
    """When the venue was asked: what happened later may be missing from the answer. 0: not told."""


@final
class Feed(Struct, gc=False):
    """The market stream was lost or came back."""

    ts_ns: int
    connected: bool
    text: str = ""


@final
class ClockMeasured(Struct, gc=False):
    """The venue's clock minus ours, and how far from the truth that may be."""

    ts_ns: int
    offset_ns: int
    uncertainty_ns: int


@final
class BreakerTurned(Struct, gc=False):
    """The circuit breaker before the venue's interface opened, or closed again."""

    ts_ns: int
    is_open: bool
    text: str = ""


@final
class OrderRecovered(Struct, gc=False):
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
    purpose: str = ""
    reference: int = 0


@final
class OrderDurable(Struct, gc=False):
    """The intent is fsynced: from now on the order may leave."""

    ts_ns: int
    client_id: str


@final
class OrderSent(Struct, gc=False):
    """The request was handed to the network."""

    ts_ns: int
    client_id: str


@final
class OrderAccepted(Struct, gc=False):
    """The venue acknowledged the order. ``venue_id`` is empty where the venue gives none (filled at once)."""

    ts_ns: int
    client_id: str
    venue_id: str


@final
class OrderFilled(Struct, gc=False):
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
class OrderRejected(Struct, gc=False, omit_defaults=True):
    """Nothing is working at the venue: it said no. ``held_back``: it was not asked (a closed gate, a limit of ours)."""

    ts_ns: int
    client_id: str
    code: str
    text: str = field(default_factory=str)
    """Made by a factory, so that it is written even when empty: as in journals from before ``held_back``."""
    held_back: bool = False


@final
class OrderCancelled(Struct, gc=False):
    """The venue confirmed that nothing of the order works any more."""

    ts_ns: int
    client_id: str


@final
class OrderExpired(Struct, gc=False):
    """The venue ended the order by its time in force."""

    ts_ns: int
    client_id: str


@final
class OrderUnknown(Struct, gc=False):
    """Sent, no usable answer: it may be working, filled or never placed."""

    ts_ns: int
    client_id: str
    reason: str


@final
class OrderNotPlaced(Struct, gc=False):
    """Evidence from the venue, repeated over time, says that an unknown order never existed there."""

    ts_ns: int
    client_id: str
    evidence: str


@final
class OrderSettled(Struct, gc=False):
    """The venue's fills were read well after the order had ended: what was not filled by then never will be."""

    ts_ns: int
    client_id: str


@final
class CancelFailed(Struct, gc=False):
    """The venue refused a cancel (``order is too new``); the order may still work."""

    ts_ns: int
    client_id: str
    code: str


@final
class ApiHealth(Struct, gc=False):
    """How the venue's interface did lately: calls, failed calls, the share of its rate limit in use, its breaker."""

    ts_ns: int
    calls: int
    errors: int
    rate_use_ppm: int
    breaker_open: bool


@final
class BrokerRead(Struct, gc=False):
    """Orders and balances were read from the venue, or could not be."""

    ts_ns: int
    ok: bool
    text: str = ""


@final
class WalletMeasured(Struct, gc=False):
    """So many lots the venue holds less than the ledger says; 0 or less: it holds enough."""

    ts_ns: int
    instrument: str
    missing_lots: int


@final
class Pause(Struct, gc=False, omit_defaults=True):
    """No new opening orders until ``until_ns``; a pause never shortens an older one.

    ``instrument`` "": all of them. ``freeze``: not even positions are shrunk meanwhile.
    """

    ts_ns: int
    until_ns: int
    source: str
    reason: str
    instrument: str = ""
    freeze: bool = False


@final
class LiftPause(Struct, gc=False):
    """An operator ends the pauses of one instrument, or all ("")."""

    ts_ns: int
    source: str
    reason: str
    instrument: str = ""


@final
class ChooseProfile(Struct, gc=False):
    """An operator ends, or begins, the conservative limits that every kill leaves behind."""

    ts_ns: int
    conservative: bool
    source: str
    reason: str


@final
class Kill(Struct, gc=False, omit_defaults=True):
    """Latch: cancel everything, send nothing more until an operator resumes with a reason."""

    ts_ns: int
    source: str
    reason: str
    by: str = ""
    """Who, as the host knows him; "" where nobody can be told."""


@final
class Resume(Struct, gc=False, omit_defaults=True):
    """An operator lifts the kill latch, any pause, and the silence after a flatten."""

    ts_ns: int
    source: str
    reason: str
    by: str = ""


@final
class Flatten(Struct, gc=False, omit_defaults=True):
    """Cancel all of ours and close what this bot holds, until the venue agrees that it is flat.

    Nothing else leaves meanwhile. One that comes while another runs changes its terms and its deadline.
    """

    ts_ns: int
    source: str
    reason: str
    mode: str
    """Of ``flattening.MODES``."""
    slippage_ppm_max: int
    """A limit is at most so far from the market."""
    within_ns: int
    """Not flat after so long: people are alarmed, and it goes on at a slower pace."""
    then_stop: bool = False
    """Once flat, the service ends."""
    kill: bool = False
    """The kill latch is set first (panic)."""
    holds: bool = True
    """Once flat, nothing is opened until an operator resumes; False: as an orderly stop ends."""
    by: str = ""


@final
class Stop(Struct, gc=False):
    """The service is about to stop: cancel what works, open nothing."""

    ts_ns: int
    reason: str


EVENT_TYPES: Final = (
    Trade, Quote, Depth, Timer, Started, Reconciled, Feed, ClockMeasured, BreakerTurned, OrderRecovered, OrderDurable,
    OrderSent, OrderAccepted, OrderFilled, OrderRejected, OrderCancelled, OrderExpired, OrderUnknown, OrderNotPlaced,
    OrderSettled, CancelFailed, ApiHealth, BrokerRead, WalletMeasured, Pause, LiftPause, ChooseProfile, Kill, Resume,
    Flatten, Stop,
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
    | OrderSettled
    | CancelFailed
)
Event = (
    Market
    | Timer
    | Started
    | Reconciled
    | Feed
    | ClockMeasured
    | BreakerTurned
    | OrderEvent
    | ApiHealth
    | BrokerRead
    | WalletMeasured
    | Pause
    | LiftPause
    | ChooseProfile
    | Kill
    | Resume
    | Flatten
    | Stop
)

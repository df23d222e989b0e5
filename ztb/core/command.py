"""Everything that the engine asks of the outside world. Prices are ticks, sizes lots."""

from __future__ import annotations

from typing import Final, final

from msgspec import Struct

GTC: Final = "gtc"
"""Works until it is filled or cancelled."""
IOC: Final = "ioc"
"""Takes what is there at once; the rest expires."""
FOK: Final = "fok"
"""All at once, or nothing."""
POST_ONLY: Final = "post_only"
"""Rests, or expires at once where it would take."""
MARKET: Final = "market"
"""Takes at any price; ``price`` is what the limits are measured with, the venue does not see it."""
FLATTEN: Final = "flatten"
"""Purpose of an order by which a flatten closes what is held: the only kind that leaves while all else is silent."""
TIMES_IN_FORCE: Final = (GTC, IOC, FOK, POST_ONLY, MARKET)


@final
class Place(Struct, gc=False, omit_defaults=True):
    """Send an order; it may leave only after this intent is fsynced. ``price`` is the worst acceptable one."""

    ts_ns: int
    client_id: str
    instrument: str
    side: int
    lots: int
    price: int
    reduce_only: bool
    sequence: int
    reason: str
    time_in_force: str = GTC
    purpose: str = ""
    """``FLATTEN``, or "" for the policy's orders."""
    reference: int = 0
    """The price that its slippage is measured from; 0: none was noted."""


@final
class Cancel(Struct, gc=False):
    """Take the order off the book. ``venue_id`` is empty while the venue has not told it."""

    ts_ns: int
    client_id: str
    instrument: str
    venue_id: str
    reason: str


@final
class LookUp(Struct, gc=False):
    """Find out at the venue what became of an order; never send it again."""

    ts_ns: int
    client_id: str
    instrument: str


@final
class Notify(Struct, gc=False):
    """Tell people. ``severity``: success, info, warning, error, emergency; ``code`` is fixed, ``text`` is prose."""

    ts_ns: int
    severity: str
    code: str
    text: str


@final
class Tripped(Struct, gc=False):
    """A guard tripped and the engine has reacted; on record, so that a recovery knows it. Nobody has to do anything.

    ``until_ns``: the end of the pause that it made (0: none). ``instrument`` "": all of them.
    """

    ts_ns: int
    code: str
    instrument: str
    until_ns: int
    text: str


@final
class Cleared(Struct, gc=False):
    """The cause of a trip has passed, and with it the reduce-only that it asked for."""

    ts_ns: int
    code: str


@final
class Balance(Struct, gc=False):
    """What losses are measured against: told at the turn of the day, and when the peak has risen.

    Money units above the capital, so that another capital at the next start shifts nothing.
    """

    ts_ns: int
    profit: int
    peak_profit: int
    day_open_profit: int
    day_end_ns: int


Command = Place | Cancel | LookUp | Notify | Tripped | Cleared | Balance

COMMAND_TYPES: Final = (Place, Cancel, LookUp, Notify, Tripped, Cleared, Balance)
"""Every kind of command, for codecs and tests."""

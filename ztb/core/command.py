"""Everything that the engine asks of the outside world. Prices are ticks, sizes lots."""

from __future__ import annotations

from typing import Final, final

from msgspec import Struct


@final
class Place(Struct, gc=False):
    """Send a limit order; it may leave only after this intent is fsynced. ``price`` is the worst acceptable one."""

    ts_ns: int
    client_id: str
    instrument: str
    side: int
    lots: int
    price: int
    reduce_only: bool
    sequence: int
    reason: str


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


Command = Place | Cancel | LookUp | Notify

COMMAND_TYPES: Final = (Place, Cancel, LookUp, Notify)
"""Every kind of command, for codecs and tests."""

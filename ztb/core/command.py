"""Everything that the engine asks of the outside world. Prices are ticks, sizes lots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final


@final
@dataclass(slots=True)
class Place:
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
@dataclass(slots=True)
class Cancel:
    """Take the order off the book. ``venue_id`` is empty while the venue has not told it."""

    ts_ns: int
    client_id: str
    instrument: str
    venue_id: str
    reason: str


@final
@dataclass(slots=True)
class LookUp:
    """Find out at the venue what became of an order; never send it again."""

    ts_ns: int
    client_id: str
    instrument: str


@final
@dataclass(slots=True)
class Notify:
    """Tell people. ``severity``: success, info, warning, error, emergency; ``code`` is fixed, ``text`` is prose."""

    ts_ns: int
    severity: str
    code: str
    text: str


Command = Place | Cancel | LookUp | Notify

COMMAND_TYPES: Final = (Place, Cancel, LookUp, Notify)
"""Every kind of command, for codecs and tests."""

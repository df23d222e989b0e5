"""Events and commands of the core as records, and back.

The rule: one object has exactly one encoding (compact JSON, members in the order of their definition), and only that
one decodes; anything else (a member too many or too few, another type, another spelling) is StoreCorrupt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from ztb.core.command import COMMAND_TYPES, Command
from ztb.core.error import InvariantBroken, StoreCorrupt
from ztb.core.event import (
    EVENT_TYPES,
    Depth,
    Event,
    OrderAccepted,
    OrderDurable,
    OrderSent,
    Quote,
    Timer,
    Trade,
)
from ztb.core.step import DecisionRow

DECISIONS: Final = "decisions"
"""Kind of a record that holds a batch of decision rows."""


def _kind_of(type_: type) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type_.__name__).lower()


EVENT_KINDS: Final[dict[str, type]] = {_kind_of(type_): type_ for type_ in EVENT_TYPES}
COMMAND_KINDS: Final[dict[str, type]] = {_kind_of(type_): type_ for type_ in COMMAND_TYPES}
"""``OrderFilled`` is ``order_filled``; the names are part of the file format."""

_TYPES: Final[dict[str, type]] = EVENT_KINDS | COMMAND_KINDS
assert len(_TYPES) == len(EVENT_TYPES) + len(COMMAND_TYPES), "an event and a command share a name"
_KINDS: Final[dict[type, str]] = {type_: kind for kind, type_ in _TYPES.items()}
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {kind: msgspec.json.Decoder(t) for kind, t in _TYPES.items()}
_ROWS_DECODER: Final = msgspec.json.Decoder(list[DecisionRow])
_ENCODE: Final = msgspec.json.Encoder().encode

_UNCHECKED: Final = frozenset({Trade, Quote, Depth, Timer, OrderDurable, OrderSent, OrderAccepted})
"""What comes by the thousand and can be had again is not read back before it is written: the market from the tape, and
the steps of an order from its intent (whose client id was read back) and from the venue."""


def encode(value: Event | Command) -> tuple[str, bytes]:
    """Kind and body. InvariantBroken for an object that would not come back equal, so that it is never written."""
    type_ = type(value)
    kind = _KINDS.get(type_)
    if kind is None:
        raise InvariantBroken(f"{type_.__name__} is neither an event nor a command")
    try:
        body = _ENCODE(value)
        if type_ not in _UNCHECKED:
            _DECODERS[kind].decode(body)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvariantBroken(f"{value!r:.300} cannot be recorded: {error}") from error
    return kind, body


def decode(kind: str, body: bytes) -> Event | Command:
    """The event or command of a record; StoreCorrupt for anything that ``encode`` would not write."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise StoreCorrupt(f"{kind!r} is no kind of event or command", remedy="was it written by a newer ztb?")
    value: Event | Command = _decoded(kind, decoder, body)
    if _ENCODE(value) != body:
        raise StoreCorrupt(f"{kind}: {_difference(_ENCODE(value), body)}")
    return value


def decode_event(kind: str, body: bytes) -> Event:
    """The same for a record that must be an event."""
    value = decode(kind, body)
    if isinstance(value, COMMAND_TYPES):
        raise StoreCorrupt(f"{kind} is a command, an event was expected")
    return value


def encode_decisions(rows: Sequence[DecisionRow]) -> bytes:
    """One body for many decisions: an array of ``[ts_ns, instrument, action, reason, [inputs], outcome]``."""
    return _ENCODE(rows)


def decode_decisions(body: bytes) -> list[DecisionRow]:
    """The rows of a ``decisions`` record; StoreCorrupt if it is none."""
    rows: list[DecisionRow] = _decoded(DECISIONS, _ROWS_DECODER, body)
    if _ENCODE(rows) != body:
        raise StoreCorrupt(f"{DECISIONS}: the body is not in its one spelling")
    return rows


def _decoded(kind: str, decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:  # noqa: ANN401 - the caller knows
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreCorrupt(f"{kind}: {error}") from error


def _difference(expected: bytes, body: bytes) -> str:
    """Why a body that decodes is not the one that would be written."""
    wanted, found = msgspec.json.decode(expected), msgspec.json.decode(body)
    if isinstance(found, dict):
        if unknown := sorted(found.keys() - wanted.keys()):
            return f"unknown member {', '.join(unknown)}"
        if missing := sorted(wanted.keys() - found.keys()):
            return f"missing member {', '.join(missing)}"
    return "the body is not in its one spelling"

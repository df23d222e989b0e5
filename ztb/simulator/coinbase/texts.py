"""How Coinbase writes amounts, times and ids, made from integers and Decimals, never through a binary float."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS: Final = 1_000_000_000
_MICROSECOND: Final = timedelta(microseconds=1)
_QUOTIENT: Final = Context(prec=24, rounding=ROUND_HALF_EVEN)
_NAMESPACE: Final = uuid.UUID("7a746273-696d-5c01-8ba5-e00000000000")
_ID_BITS: Final = 48
_ID_HEADS: Final = {"order": 0x11111111AAAA4BBB8CCC, "entry": 0x222222222222422282AA, "trade": 0x333333333333433383BB}
"""The first 80 bits of the ids of one kind; the rest is the exchange's own number, so that an id can be read back."""


def plain(value: Decimal) -> str:
    """Fixed point without needless zeros: ``10000``, ``0.0005``."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"


def quotient(value: Decimal | int, by: Decimal | int) -> Decimal:
    """To 24 digits, zero when there is nothing to divide by."""
    return _QUOTIENT.divide(Decimal(value), Decimal(by)) if by else Decimal(0)


def rfc3339(ns: int) -> str:
    """``2026-04-07T14:30:00.000000Z``."""
    when = _EPOCH + timedelta(seconds=ns // _SECOND_NS)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{ns % _SECOND_NS // 1000:06d}Z"


def ns_of(text: str) -> int:
    """Of an RFC 3339 time; ValueError when it is none or names no zone."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"no zone in {text!r}")
    return (when - _EPOCH) // _MICROSECOND * 1000


def go_time(ns: int, started_ns: int) -> str:
    """As the heartbeats tell it: Go's text of a time, with its monotonic clock."""
    when = _EPOCH + timedelta(seconds=ns // _SECOND_NS)
    seconds, rest = divmod(max(0, ns - started_ns), _SECOND_NS)
    return f"{when:%Y-%m-%d %H:%M:%S}.{ns % _SECOND_NS:09d} +0000 UTC m=+{seconds}.{rest:09d}"


def id_text(kind: str, number: int) -> str:
    """The UUID of the exchange's order, entry or trade number."""
    assert 0 < number < 1 << _ID_BITS
    return str(uuid.UUID(int=_ID_HEADS[kind] << _ID_BITS | number))


def id_number(kind: str, text: str) -> int:
    """The exchange's number in such a UUID; 0 when it is none of that kind."""
    try:
        value = uuid.UUID(text).int
    except ValueError:
        return 0
    return value & ((1 << _ID_BITS) - 1) if value >> _ID_BITS == _ID_HEADS[kind] else 0


def name_id(*words: str) -> str:
    """A UUID that follows from a name alone: of a user, a portfolio, a wallet. No name has a line end in it."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(words)))

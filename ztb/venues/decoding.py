"""From bytes to typed rows, or ``undecodable``: no answer of a venue raises anything else, however it is broken."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import Raw

from ztb.core.error import VenueError
from ztb.venues import limits

T = TypeVar("T")


def undecodable(what: str, reason: object) -> VenueError:
    """An answer that is not what the venue documents; reading again may help, believing it may not."""
    text = f"{what}: undecodable answer: {reason}"[: limits.REMARK_LENGTH_MAX]
    return VenueError(text, kind="network", code="undecodable", retryable=True)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | Raw, what: str) -> T:
    """The typed value of ``body``; VenueError ``undecodable`` for anything else, however it is broken."""
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise undecodable(what, error) from None

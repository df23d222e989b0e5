"""All that the paper venue knows of the venue that it follows: what anybody may see, and no way to an account."""

from __future__ import annotations

from typing import Protocol

from ztb.core.instrument import Instrument
from ztb.venues.port import Capabilities, HeadRoom, Market, MarketFeed


class PublicSide(Protocol):
    """The public half of a venue. Each venue's ``public`` module makes one without touching keys."""

    @property
    def name(self) -> str:
        """Of the venue."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the venue can do; the paper venue takes no order that the venue would not take."""
        ...

    @property
    def market(self) -> Market:
        """Public calls."""
        ...

    def market_feed(self, instrument: Instrument) -> MarketFeed:
        """The public stream of one instrument."""
        ...

    def head_room(self) -> tuple[HeadRoom, ...]:
        """Of the public calls."""
        ...

    async def close(self) -> None:
        """Close every socket."""
        ...

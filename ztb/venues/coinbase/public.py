"""Coinbase's public side alone, for the paper venue: no account and no signature is even loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.rest import CoinbasePublic
from ztb.venues.coinbase.stream import CoinbaseFeed
from ztb.venues.limiter import Limiter
from ztb.venues.port import Addresses, Capabilities, HeadRoom
from ztb.venues.transport import Transport


class CoinbasePublicSide:
    """``port.PublicSide`` of Coinbase."""

    name: Final = "coinbase"
    capabilities: Final[Capabilities] = rules.CAPABILITIES

    def __init__(self, addresses: Addresses, *, clock: Clock, jitter: Callable[[], float]) -> None:
        self._addresses = addresses
        self._clock = clock
        self._jitter = jitter
        self._transport = Transport(addresses.rest)
        self._limiter = Limiter({"public": rules.RATE_RULES["public"]}, clock=clock)
        self.market = CoinbasePublic(self._transport, limiter=self._limiter, clock=clock)

    def market_feed(self, instrument: Instrument) -> CoinbaseFeed:
        """Its stream, with the trades of gaps read over REST."""
        return CoinbaseFeed(
            self._addresses.stream, instrument, clock=self._clock, jitter=self._jitter, public=self.market
        )

    def head_room(self) -> tuple[HeadRoom, ...]:
        """Of the public calls."""
        return self._limiter.rooms()

    async def close(self) -> None:
        """Close every socket."""
        await self._transport.close()

"""The connection of a trader to its venue. Without credentials there is no account, and so no way to send anything."""

from __future__ import annotations

import random
from pathlib import Path

from ztb.core.error import ConfigError, Rejected
from ztb.core.instrument import Instrument
from ztb.host.clock import Clock
from ztb.host.credentials import Keys
from ztb.service.setting import Paper
from ztb.venues.port import (
    Account,
    AccountFeed,
    Addresses,
    ApiKeys,
    AtWire,
    Capabilities,
    HeadRoom,
    MarketFeed,
    ServerTime,
    Terms,
)
from ztb.venues.registry import open_paper, open_venue


class VenueLink:
    """One venue, one instrument. ``close`` lets go of sockets and of the key."""

    def __init__(
        self,
        *,
        venue: str,
        addresses: Addresses,
        symbol: str,
        terms: Terms,
        clock: Clock,
        paper: Paper | None = None,
    ) -> None:
        """With ``paper`` the adapter's private half is not even loaded: there is a market and no way to an account."""
        self._symbol = symbol
        # The jitter of reconnections is no decision of the engine, so it may be random.
        jitter = random.Random().random
        self._venue = (
            open_venue(venue, addresses, clock=clock, jitter=jitter, terms=terms)
            if paper is None
            else open_paper(
                venue, addresses, clock=clock, jitter=jitter, balances=paper.balances, latency_s=paper.latency_s
            )
        )

    @property
    def capabilities(self) -> Capabilities:
        """Of the venue."""
        return self._venue.capabilities

    async def server_time(self) -> ServerTime:
        """The venue's clock."""
        return await self._venue.market.server_time()

    def head_room(self) -> tuple[HeadRoom, ...]:
        """Every rate limit."""
        return self._venue.head_room()

    async def instrument(self) -> Instrument:
        """As the venue describes it now; ConfigError when it has none of that name."""
        try:
            return await self._venue.market.instrument(self._symbol)
        except Rejected as error:
            raise ConfigError(
                f"venue.instrument is {self._symbol}: {error.message}", remedy="`ztb venue instruments` lists them"
            ) from None

    def feed(self, instrument: Instrument) -> MarketFeed:
        """Its public stream."""
        return self._venue.market_feed(instrument)

    def account(self, keys: Keys, instrument: Instrument, *, directory: Path, at_wire: AtWire) -> Account:
        """The account of ``keys``; its nonces are kept in ``directory``."""
        revealed = ApiKeys(keys.key.reveal(), keys.secret.reveal())
        return self._venue.account(revealed, {instrument.symbol: instrument}, directory=directory, at_wire=at_wire)

    def account_feed(self, instrument: Instrument) -> AccountFeed | None:
        """The private stream of that account."""
        return self._venue.account_feed({instrument.symbol: instrument})

    async def close(self) -> None:
        """Close every socket; another process may use the key again."""
        await self._venue.close()

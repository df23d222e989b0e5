"""The connection to one venue: reference data, market stream and, for a trader that may send, the account.

This is the only place that knows which adapter belongs to which name. Without credentials there is no account, and so
no way to send anything.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ztb.core.command import Place
from ztb.core.error import ConfigError
from ztb.core.instrument import Instrument
from ztb.host.clock import Clock
from ztb.service.setting import Keys
from ztb.venues.limiter import Limiter
from ztb.venues.nonce import NonceFile
from ztb.venues.port import Account, MarketFeed
from ztb.venues.transport import Transport
from ztb.venues.zaif.rest import ZaifAccount, ZaifPublic
from ztb.venues.zaif.rules import RATE_RULES
from ztb.venues.zaif.stream import ZaifFeed

NONCE_NAME: Final = "nonce"


class VenueLink:
    """One venue, one instrument. ``close`` lets go of sockets and of the key."""

    def __init__(self, *, rest_url: str, stream_url: str, symbol: str, fee_currency: str, clock: Clock) -> None:
        """``fee_currency``: in which the venue takes its fees; base or quote of ``symbol``, else ConfigError."""
        base, _, quote = symbol.partition("_")
        if fee_currency not in (base, quote):
            raise ConfigError(f"venue.fee_currency is {fee_currency}", remedy=f"use {quote}, or {base}, for {symbol}")
        self._symbol = symbol
        self._fee_in_base = fee_currency == base
        self._stream_url = stream_url
        self._clock = clock
        self._transport = Transport(rest_url)
        self._limiter = Limiter(RATE_RULES, clock=clock)
        self._public = ZaifPublic(self._transport, limiter=self._limiter, clock=clock)
        self._nonce: NonceFile | None = None

    async def instrument(self) -> Instrument:
        """As the venue describes it now; ConfigError when it has none of that name."""
        found = await self._public.instrument(self._symbol)
        if found.quote.lower() != self._symbol.partition("_")[2]:
            raise ConfigError(f"{self._symbol}: the venue quotes it in {found.quote}")
        return found

    def feed(self, instrument: Instrument) -> MarketFeed:
        """Its public stream."""
        # The jitter of reconnections is no decision of the engine, so it may be random.
        return ZaifFeed(
            self._stream_url, instrument, clock=self._clock, jitter=random.Random().random, public=self._public
        )

    def account(
        self, keys: Keys, instrument: Instrument, *, directory: Path, at_wire: Callable[[Place], None]
    ) -> Account:
        """The account of ``keys``; its nonces are kept in ``directory``."""
        self._nonce = NonceFile(directory / NONCE_NAME, clock=self._clock)
        return ZaifAccount(
            self._transport,
            key=keys.key.reveal(),
            secret=keys.secret.reveal(),
            nonce=self._nonce,
            limiter=self._limiter,
            clock=self._clock,
            instruments={instrument.symbol: instrument},
            fee_in_base=self._fee_in_base,
            at_wire=at_wire,
        )

    async def close(self) -> None:
        """Close every socket; another process may use the key again."""
        await self._transport.close()
        if self._nonce is not None:
            self._nonce.close()

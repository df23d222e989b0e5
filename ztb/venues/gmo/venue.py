"""GMO Coin as a whole: one transport, one set of limits, and the parts that share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ztb.core.error import ConfigError
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.gmo import rules
from ztb.venues.gmo.account import GmoAccount
from ztb.venues.gmo.account_stream import GmoAccountFeed
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.gmo.codec import QUOTE
from ztb.venues.gmo.public import GmoPublicSide
from ztb.venues.limiter import RATE_MEMORY_NAME
from ztb.venues.port import Addresses, ApiKeys, AtWire, Terms


class GmoVenue(GmoPublicSide):
    """``port.Venue``."""

    def __init__(self, addresses: Addresses, *, clock: Clock, jitter: Callable[[], float], terms: Terms) -> None:
        if terms.fee_currency.lower() not in ("", QUOTE):
            raise ConfigError(f"venue.fee_currency is {terms.fee_currency.lower()}", remedy=f"use {QUOTE} for GMO Coin")
        super().__init__(addresses, clock=clock, jitter=jitter, rate_rules=rules.RATE_RULES, terms=terms)
        self._calls: SignedCalls | None = None
        self._account_feeds: list[GmoAccountFeed] = []

    def account(
        self, keys: ApiKeys, instruments: Mapping[str, Instrument], *, directory: Path, at_wire: AtWire | None
    ) -> GmoAccount:
        """There are no nonces; what it used up of the rate limits is kept in ``directory``."""
        assert self._calls is None, "one account for each venue object"
        self._limiter.remember(directory / RATE_MEMORY_NAME)
        self._calls = SignedCalls(
            self._transport, key=keys.key, secret=keys.secret, limiter=self._limiter, time=self.market.time
        )
        return GmoAccount(self._calls, instruments=instruments, at_wire=at_wire)

    def account_feed(self, instruments: Mapping[str, Instrument]) -> GmoAccountFeed:
        """Fills and order states of the account made before."""
        assert self._calls is not None, "the account first: its key makes the token"
        feed = GmoAccountFeed(
            self._addresses.account_stream,
            instruments,
            calls=self._calls,
            clock=self._clock,
            jitter=self._jitter,
            turns=self._turns,
        )
        self._account_feeds.append(feed)
        return feed

    async def close(self) -> None:
        """Whoever read a private stream may not have closed it: its token is given back all the same."""
        for feed in self._account_feeds:
            await feed.close()
        await super().close()

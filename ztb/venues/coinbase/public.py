"""Coinbase's public side alone, for the paper venue: no account and no signature is even loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.rest import CoinbasePublic
from ztb.venues.coinbase.stream import CoinbaseFeed
from ztb.venues.limiter import RateRule
from ztb.venues.port import Addresses, Capabilities, Terms
from ztb.venues.public_side import CommonSide


class CoinbasePublicSide(CommonSide):
    """``port.PublicSide`` of Coinbase."""

    name: Final = "coinbase"
    capabilities: Final[Capabilities] = rules.CAPABILITIES

    def __init__(
        self,
        addresses: Addresses,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        rate_rules: Mapping[str, RateRule] = rules.PUBLIC_RATE_RULES,
        terms: Terms | None = None,
    ) -> None:
        super().__init__(addresses, rate_rules, clock=clock, jitter=jitter, terms=terms or Terms())
        self.market = CoinbasePublic(self._transport, limiter=self._limiter, clock=clock)

    def market_feed(self, instrument: Instrument) -> CoinbaseFeed:
        """Its stream, with the trades of gaps read over REST."""
        return CoinbaseFeed(
            self._addresses.stream, instrument, clock=self._clock, jitter=self._jitter, public=self.market
        )

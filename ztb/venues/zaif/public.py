"""Zaif's public side alone, for the paper venue: no account, no signature, no nonce is even loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.limiter import RateRule
from ztb.venues.port import Addresses, Capabilities, Terms
from ztb.venues.public_side import CommonSide
from ztb.venues.zaif import rules
from ztb.venues.zaif.rest import ZaifPublic
from ztb.venues.zaif.stream import ZaifFeed


class ZaifPublicSide(CommonSide):
    """``port.PublicSide`` of Zaif."""

    name: Final = "zaif"
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
        self.market = ZaifPublic(self._transport, limiter=self._limiter, clock=clock)

    def market_feed(self, instrument: Instrument) -> ZaifFeed:
        """Its stream, with the trades of gaps read over REST."""
        return ZaifFeed(self._addresses.stream, instrument, clock=self._clock, jitter=self._jitter, public=self.market)

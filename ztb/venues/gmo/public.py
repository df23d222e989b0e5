"""GMO Coin's public side alone, for the paper venue: no account and no signature is even loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.gmo import rules
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.gmo.stream import GmoFeed, Turns
from ztb.venues.limiter import RateRule
from ztb.venues.port import Addresses, Capabilities, Terms
from ztb.venues.public_side import CommonSide


class GmoPublicSide(CommonSide):
    """``port.PublicSide`` of GMO Coin."""

    name: Final = "gmo"
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
        self._turns = Turns(clock=clock)
        self.market = GmoPublic(self._transport, limiter=self._limiter, clock=clock)

    def market_feed(self, instrument: Instrument) -> GmoFeed:
        """Its stream, with the trades of gaps read over REST."""
        return GmoFeed(
            self._addresses.stream,
            instrument,
            clock=self._clock,
            jitter=self._jitter,
            turns=self._turns,
            public=self.market,
        )

"""Zaif as a whole: one transport, one set of limits, and the parts that share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.limiter import RATE_MEMORY_NAME
from ztb.venues.nonce import NonceFile
from ztb.venues.port import Addresses, ApiKeys, AtWire, Terms
from ztb.venues.zaif import rules
from ztb.venues.zaif.account import ZaifAccount
from ztb.venues.zaif.public import ZaifPublicSide

NONCE_NAME: Final = "nonce"


class ZaifVenue(ZaifPublicSide):
    """``port.Venue``."""

    def __init__(self, addresses: Addresses, *, clock: Clock, jitter: Callable[[], float], terms: Terms) -> None:
        super().__init__(addresses, clock=clock, jitter=jitter, rate_rules=rules.RATE_RULES, terms=terms)
        self._fee_currency = terms.fee_currency
        self._nonce: NonceFile | None = None

    def account(
        self, keys: ApiKeys, instruments: Mapping[str, Instrument], *, directory: Path, at_wire: AtWire | None
    ) -> ZaifAccount:
        """Its nonces, and what it used up of the rate limits, are kept in ``directory``."""
        assert self._nonce is None, "one account for each venue object"
        self._nonce = NonceFile(directory / NONCE_NAME, clock=self._clock)
        self._limiter.remember(directory / RATE_MEMORY_NAME)
        return ZaifAccount(
            self._transport,
            key=keys.key,
            secret=keys.secret,
            nonce=self._nonce,
            limiter=self._limiter,
            clock=self._clock,
            instruments=instruments,
            fee_in_base=any(self._is_fee_in_base(instrument) for instrument in instruments.values()),
            at_wire=at_wire,
        )

    def account_feed(self, instruments: Mapping[str, Instrument]) -> None:
        """Zaif has no private stream."""
        return

    async def close(self) -> None:
        await super().close()
        if self._nonce is not None:
            self._nonce.close()

    def _is_fee_in_base(self, instrument: Instrument) -> bool:
        base, quote, told = instrument.base.lower(), instrument.quote.lower(), self._fee_currency.lower()
        if told not in ("", base, quote):
            raise ConfigError(
                f"venue.fee_currency is {told}", remedy=f"use {quote}, or {base}, for {instrument.symbol}"
            )
        return told == base

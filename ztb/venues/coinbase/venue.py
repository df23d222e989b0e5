"""Coinbase as a whole: one transport, one set of limits, and the parts that share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ztb.core.error import ConfigError
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.account import CoinbaseAccount
from ztb.venues.coinbase.account_stream import CoinbaseAccountFeed
from ztb.venues.coinbase.calls import SignedCalls
from ztb.venues.coinbase.public import CoinbasePublicSide
from ztb.venues.coinbase.sign import Signer
from ztb.venues.limiter import RATE_MEMORY_NAME
from ztb.venues.port import Addresses, ApiKeys, AtWire, Terms


class CoinbaseVenue(CoinbasePublicSide):
    """``port.Venue``."""

    def __init__(self, addresses: Addresses, *, clock: Clock, jitter: Callable[[], float], terms: Terms) -> None:
        super().__init__(addresses, clock=clock, jitter=jitter, rate_rules=rules.RATE_RULES, terms=terms)
        self._fee_currency = terms.fee_currency.lower()
        self._calls: SignedCalls | None = None
        self._account: CoinbaseAccount | None = None

    def account(
        self, keys: ApiKeys, instruments: Mapping[str, Instrument], *, directory: Path, at_wire: AtWire | None
    ) -> CoinbaseAccount:
        """There are no nonces; what it used up of the rate limits is kept in ``directory``."""
        assert self._account is None, "one account for each venue object"
        for instrument in instruments.values():
            if self._fee_currency not in ("", instrument.quote.lower()):
                raise ConfigError(
                    f"venue.fee_currency is {self._fee_currency}",
                    remedy=f"use {instrument.quote.lower()} for {instrument.symbol}",
                )
        self._calls = SignedCalls(
            self._transport,
            address=self._addresses.rest,
            signer=Signer(keys),
            limiter=self._limiter,
            time=self.market.time,
        )
        self._limiter.remember(directory / RATE_MEMORY_NAME)
        self._account = CoinbaseAccount(self._calls, instruments=instruments, at_wire=at_wire)
        return self._account

    def account_feed(self, instruments: Mapping[str, Instrument]) -> CoinbaseAccountFeed:
        """Order states of the account made before."""
        assert self._calls is not None, "the account first: its key makes the tokens"
        assert self._account is not None
        return CoinbaseAccountFeed(
            self._addresses.account_stream,
            instruments,
            calls=self._calls,
            lots_of=self._account.lots_of,
            clock=self._clock,
            jitter=self._jitter,
        )

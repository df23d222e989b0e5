"""Zaif's public calls over HTTP; they need no key."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec

from ztb.core.error import Rejected, Throttled
from ztb.core.event import Depth, Trade
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.limiter import LimitClass, Limiter
from ztb.venues.port import ServerTime
from ztb.venues.transport import Transport
from ztb.venues.zaif import codec
from ztb.venues.zaif.frames import FrameReader

T = TypeVar("T")


class ZaifPublic:
    """Public calls; needs no key."""

    def __init__(self, transport: Transport, *, limiter: Limiter, clock: Clock) -> None:
        self._transport = transport
        self._limiter = limiter
        self._clock = clock

    async def instruments(self) -> dict[str, Instrument]:
        """Every pair that the venue lists now, by symbol."""
        rows = await self._call(codec.PAIRS, "currency_pairs/all")
        return {row.currency_pair: codec.instrument_of(row) for row in rows}

    async def instrument(self, symbol: str) -> Instrument:
        """One pair; Rejected when the venue does not know it."""
        rows = await self._call(codec.PAIRS, f"currency_pairs/{symbol}")
        for row in rows:
            if row.currency_pair == symbol:
                return codec.instrument_of(row)
        raise Rejected(f"the venue has no pair {symbol!r}", kind="exchange", code="unsupported currency_pair")

    async def depth(self, instrument: Instrument) -> Depth:
        """The book, up to 150 levels a side."""
        row = await self._call(codec.DEPTH, f"depth/{instrument.symbol}")
        return FrameReader(instrument).read_depth(row, self._clock.now_ns())

    async def trades(self, instrument: Instrument, *, wait_s_max: float | None = None) -> list[Trade]:
        """The latest trades, at most 150, oldest first."""
        rows = await self._call(codec.TRADES, f"trades/{instrument.symbol}", wait_s_max=wait_s_max)
        return FrameReader(instrument).read_trades(rows, self._clock.now_ns())

    async def ticker(self, symbol: str) -> codec.TickerRow:
        """24 hours of a pair; members are None where the pair is dead."""
        return await self._call(codec.TICKER, f"ticker/{symbol}")

    async def last_price(self, symbol: str) -> Decimal:
        """The price of the last trade."""
        row = await self._call(codec.LAST_PRICE, f"last_price/{symbol}")
        return codec.amount(row.last_price, "last_price")

    async def server_time(self) -> ServerTime:
        """From the ``Date`` header of an ordinary answer: there is no call for the time without a key."""
        await self._call(codec.LAST_PRICE, "last_price/btc_jpy")
        return self._transport.server_date("/api/1/last_price")

    async def _call(self, decoder: msgspec.json.Decoder[T], path: str, *, wait_s_max: float | None = None) -> T:
        async with self._limiter.slot("public", wait_s_max=wait_s_max):
            try:
                return codec.public_answer(decoder, await self._transport.get(f"/api/1/{path}"), path)
            except Throttled:
                retry_after_s = self._transport.retry_after_s
                self._limiter.refused("public", retry_after_s=retry_after_s, whole=(LimitClass.PUBLIC,))
                raise

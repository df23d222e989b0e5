"""GMO Coin's public calls over HTTP; they need no key. Answers can be a second old: a cache stands in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from ztb.core.error import Rejected, Throttled
from ztb.core.event import Depth, Trade
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.gmo import codec, rows, rules
from ztb.venues.gmo.frames import FrameReader
from ztb.venues.limiter import LimitClass, Limiter
from ztb.venues.port import ServerTime
from ztb.venues.transport import Transport
from ztb.venues.venue_time import VenueTime

T = TypeVar("T")
SPEAKING: Final = frozenset({400, 401, 404, 503})
"""HTTP statuses under which a reading call may find the venue's own word: 404 is documented, maintenance is not."""


class GmoPublic:
    """``port.Market``."""

    def __init__(self, transport: Transport, *, limiter: Limiter, clock: Clock) -> None:
        self._transport = transport
        self._limiter = limiter
        self._clock = clock
        self.time = VenueTime(self._server_time, clock=clock)
        """By which private calls are signed."""

    async def status(self) -> rows.ExchangeState:
        """OPEN, PREOPEN (orders can only be cancelled) or MAINTENANCE."""
        return (await self._call(rows.STATE, "status")).status

    async def instruments(self) -> dict[str, Instrument]:
        """Every symbol that the venue lists now: coins (spot) and coins in yen (leverage)."""
        listed = await self._call(rows.SYMBOLS, "symbols")
        return {row.symbol: codec.instrument_of(row) for row in listed}

    async def instrument(self, symbol: str) -> Instrument:
        """One symbol; Rejected when the venue does not list it."""
        for row in await self._call(rows.SYMBOLS, "symbols"):
            if row.symbol == symbol:
                return codec.instrument_of(row)
        raise Rejected(f"the venue has no symbol {symbol!r}", kind="exchange", code="ERR-5207")

    async def ticker(self, symbol: str) -> rows.TickerRow:
        """24 hours of a symbol, as the venue writes them."""
        for row in await self._call(rows.TICKERS, "ticker", {"symbol": symbol}):
            if row.symbol == symbol:
                return row
        raise undecodable("ticker", f"no row of {symbol[:40]}")

    async def depth(self, instrument: Instrument) -> Depth:
        """The book, up to 500 levels a side."""
        book = await self._call(rows.BOOK, "orderbooks", {"symbol": instrument.symbol})
        return FrameReader(instrument).read_depth(book, self._clock.now_ns())

    async def trades(self, instrument: Instrument, *, wait_s_max: float | None = None) -> list[Trade]:
        """The latest 100 trades, oldest first. They have no ids."""
        params = {"symbol": instrument.symbol, "page": "1", "count": str(rules.PAGE_ROWS_MAX)}
        page = await self._call(rows.TRADES, "trades", params, wait_s_max=wait_s_max)
        return FrameReader(instrument).read_trades(codec.rows_of(page, "trades"), self._clock.now_ns())

    async def server_time(self) -> ServerTime:
        """From ``responsetime`` of an ordinary answer, which tells milliseconds; a cached answer tells late."""
        return await self.time.ask()

    async def _server_time(self) -> ServerTime:
        body, _ = await self._told("status", {}, None)
        return ServerTime(codec.answered_ns(body, "status"), 1_000_000)

    async def _call(
        self,
        decoder: msgspec.json.Decoder[T],
        name: str,
        params: Mapping[str, str] | None = None,
        *,
        wait_s_max: float | None = None,
    ) -> T:
        _, data = await self._told(name, params or {}, wait_s_max)
        return decoded(decoder, data, name)

    async def _told(self, name: str, params: Mapping[str, str], wait_s_max: float | None) -> tuple[bytes, Raw]:
        """The whole body, and the ``data`` in it."""
        async with self._limiter.slot(rules.PUBLIC, wait_s_max=wait_s_max):
            try:
                told = await self._transport.send(
                    "GET", f"/public/v1/{name}", params=params, statuses=SPEAKING, changes_state=False
                )
                return told.body, codec.data_of(told.body, name, http_status=told.status)
            except Throttled as error:
                # A 403 or 429 may name its pause; the venue's own code names none.
                asked_s = self._transport.retry_after_s if error.code.isdigit() else 0.0
                self._limiter.refused(rules.PUBLIC, retry_after_s=asked_s, whole=(LimitClass.PUBLIC,))
                raise

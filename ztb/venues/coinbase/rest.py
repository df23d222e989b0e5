"""Coinbase's public calls over HTTP; they need no key."""

from __future__ import annotations

from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Raw

from ztb.core.error import Rejected, Throttled, VenueError
from ztb.core.event import Depth, Trade
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.coinbase import codec, rules
from ztb.venues.coinbase.frames import rest_depth, rest_trades
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.limiter import LimitClass, Limiter
from ztb.venues.port import ServerTime
from ztb.venues.transport import Transport
from ztb.venues.venue_time import VenueTime

T = TypeVar("T")
API: Final = "/api/v3/brokerage"
_MS_NS: Final = 1_000_000
_MS_DIGITS_MAX: Final = 15


class CoinbasePublic:
    """``port.Market``."""

    def __init__(self, transport: Transport, *, limiter: Limiter, clock: Clock) -> None:
        self._transport = transport
        self._limiter = limiter
        self._clock = clock
        self.time = VenueTime(self._server_time, clock=clock)
        """By which private calls are signed."""
        self._names: dict[str, frozenset[str]] = {}
        self.unread = 0
        """Products that ``instruments`` could not read the last time."""

    async def instruments(self) -> dict[str, Instrument]:
        """Every spot product that takes orders now, by id; those that cannot be read are left out, and ``unread``.

        VenueError ``undecodable`` when none of them can.
        """
        what, unread = "market/products", 0
        instruments: dict[str, Instrument] = {}
        failure: VenueError | None = None
        rows = await self._products()
        for raw in rows:
            try:
                product = decoded(codec.PRODUCT, raw, what)
                instrument = self._instrument(product) if product.is_tradable else None
            except VenueError as error:
                unread, failure = unread + 1, error
                continue
            if instrument is not None:
                instruments[instrument.symbol] = instrument
        if failure is not None and unread == len(rows):
            raise failure
        self.unread = unread
        return instruments

    async def _products(self) -> list[Raw]:
        """Of all pages. The venue gives them in one as yet; who counts more than it shows is asked for the rest."""
        parameters = {"product_type": "SPOT"}
        page = await self._call(codec.PRODUCTS, "market/products", parameters)
        rows = list(page.products)
        known = {bytes(raw) for raw in rows}
        for _ in range(limits.HISTORY_PAGES_MAX):
            if len(rows) >= page.num_products:
                break
            page = await self._call(codec.PRODUCTS, "market/products", {**parameters, "offset": str(len(rows))})
            news = [raw for raw in page.products if bytes(raw) not in known]
            if not news:
                break
            rows += news
            known.update(map(bytes, news))
        return rows

    async def instrument(self, symbol: str) -> Instrument:
        """One product; Rejected when the venue has none of that name, or takes no orders for it."""
        row = await self._call(codec.PRODUCT, f"market/products/{quote(symbol, safe='')}")
        if row.product_id != symbol:
            raise undecodable("market/products", f"asked for {symbol}, answered for {row.product_id[:40]!r}")
        instrument = self._instrument(row) if row.is_tradable else None
        if instrument is None:
            raise Rejected(f"the venue takes no orders for {symbol!r}", kind="exchange", code="not_tradable")
        return instrument

    async def depth(self, instrument: Instrument) -> Depth:
        """The book, up to 500 levels a side."""
        parameters = {"product_id": instrument.symbol, "limit": str(rules.BOOK_ROWS)}
        row = await self._call(codec.BOOK, "market/product_book", parameters)
        names = await self.names(instrument.symbol)
        return rest_depth(row.pricebook, instrument, names, self._clock.now_ns())

    async def trades(self, instrument: Instrument, *, wait_s_max: float | None = None) -> list[Trade]:
        """The latest trades, at most 500, oldest first."""
        path = f"market/products/{quote(instrument.symbol, safe='')}/ticker"
        row = await self._call(codec.TICKER, path, {"limit": str(rules.TRADE_ROWS)}, wait_s_max=wait_s_max)
        names = await self.names(instrument.symbol)
        return rest_trades(row.trades, instrument, names, self._clock.now_ns())

    async def server_time(self) -> ServerTime:
        """To the millisecond."""
        return await self.time.ask()

    async def _server_time(self) -> ServerTime:
        row = await self._call(codec.TIME, "time")
        text = row.epochMillis
        if not (text.isascii() and text.isdigit() and len(text) <= _MS_DIGITS_MAX):
            raise undecodable("time", f"not a time: {text[:40]!r}")
        return ServerTime(int(text) * _MS_NS, _MS_NS)

    async def names(self, symbol: str) -> frozenset[str]:
        """What market data of ``symbol`` may be called: its own name, and that of the product which it is an alias of.

        Asked once; while the venue does not answer, its own name alone.
        """
        if symbol not in self._names:
            try:
                row = await self._call(codec.PRODUCT, f"market/products/{quote(symbol, safe='')}", wait_s_max=0.0)
            except VenueError:
                return frozenset({symbol})
            self._note_names(row)
        return self._names.get(symbol, frozenset({symbol}))

    def _instrument(self, row: codec.ProductRow) -> Instrument | None:
        self._note_names(row)
        return codec.instrument_of(row)

    def _note_names(self, row: codec.ProductRow) -> None:
        self._names[row.product_id] = frozenset({row.product_id, row.alias} - {""})

    async def _call(
        self,
        decoder: msgspec.json.Decoder[T],
        path: str,
        parameters: dict[str, str] | None = None,
        *,
        wait_s_max: float | None = None,
    ) -> T:
        target = f"{API}/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        async with self._limiter.slot("public", wait_s_max=wait_s_max):
            try:
                answer = await self._transport.send(
                    "GET",
                    target,
                    # Answers may be a second old otherwise.
                    headers={"cache-control": "no-cache"},
                    statuses=rules.SPEAKING_STATUSES,
                    changes_state=False,
                )
                return codec.answer(decoder, answer.status, answer.body, path)
            except Throttled:
                retry_after_s = self._transport.retry_after_s
                self._limiter.refused("public", retry_after_s=retry_after_s, whole=(LimitClass.PUBLIC,))
                raise

"""Zaif over HTTP: public data, and the private calls of one key.

The private calls of a key go out one after another, because each needs a nonce above the last: the nonce is taken
and the body signed inside the lock, after the rate limit has given a place. ``trade`` is sent exactly once; what is
not clearly a yes or a no from the venue becomes ``UnknownFate``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TypeVar

import msgspec

from ztb.core.command import Place
from ztb.core.error import InvariantBroken, Rejected, Throttled, UnknownFate, VenueError
from ztb.core.event import Depth, Trade
from ztb.core.instrument import SIDE_NAMES, Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.limiter import LimitClass, Limiter
from ztb.venues.nonce import NonceFile
from ztb.venues.port import Balance, Capabilities, OpenOrder, Placed, VenueFill
from ztb.venues.transport import Transport
from ztb.venues.zaif import codec, rules
from ztb.venues.zaif.frames import FrameReader
from ztb.venues.zaif.sign import form_body, signed_headers

T = TypeVar("T")
_NS = 1_000_000_000
_PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Rights:
    """What the key may do; a trading key should not be able to withdraw."""

    info: bool
    trade: bool
    withdraw: bool


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

    async def _call(self, decoder: msgspec.json.Decoder[T], path: str, *, wait_s_max: float | None = None) -> T:
        async with self._limiter.slot("public", wait_s_max=wait_s_max):
            try:
                body = await self._transport.get(f"/api/1/{path}")
            except Throttled:
                pause_s = max(rules.THROTTLED_PAUSE_S_DEFAULT, self._transport.retry_after_s)
                self._limiter.penalise_class(LimitClass.PUBLIC, pause_s)
                raise
        return codec.public_answer(decoder, body, path)


class ZaifAccount:
    """One key: ``port.Account`` for Zaif, spot limit orders only."""

    def __init__(
        self,
        transport: Transport,
        *,
        key: str,
        secret: str,
        nonce: NonceFile,
        limiter: Limiter,
        clock: Clock,
        instruments: Mapping[str, Instrument],
        fee_in_base: bool = False,
        at_wire: Callable[[Place], None] | None = None,
    ) -> None:
        """``at_wire`` is asked after the last wait, right before an order's bytes leave; it raises to stop the order.

        ``fee_in_base``: the venue does not say in which currency it counts ``fee_amount``.
        """
        self._transport = transport
        self._key = key
        self._secret = secret
        self._nonce = nonce
        self._limiter = limiter
        self._clock = clock
        self._instruments = dict(instruments)
        self._fee_in_base = fee_in_base
        self._at_wire = at_wire
        self._one_at_a_time = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        return rules.CAPABILITIES

    async def place(self, order: Place) -> Placed:
        """Send once. The client id goes along as ``comment``: the only mark that a fill will carry."""
        instrument = self._instruments[order.instrument]
        if not rules.is_legal_comment(order.client_id):
            raise InvariantBroken(f"client id {order.client_id!r} cannot be a comment at Zaif")
        if order.price <= 0 or order.lots <= 0 or order.side not in SIDE_NAMES:
            raise InvariantBroken(f"order {order.client_id} has price {order.price}, lots {order.lots}")
        parameters = [
            ("currency_pair", instrument.symbol),
            ("action", codec.ACTION_OF[order.side]),
            ("price", instrument.prices.text(order.price)),
            ("amount", instrument.sizes.text(order.lots)),
            ("comment", order.client_id),
        ]
        try:
            row = await self._call(codec.PLACED, "trade", parameters, changes_state=True, order=order)
            received = codec.steps(instrument.sizes, row.received, "trade")
            remains = codec.steps(instrument.sizes, row.remains, "trade")
            if received + remains != order.lots or row.order_id < 0 or (remains > 0 and row.order_id == 0):
                raise codec.undecodable("trade", f"{received} filled and {remains} left of {order.lots} lots")
        except VenueError as error:
            raise _with_fate(error) from None
        return Placed(str(row.order_id) if row.order_id else "", received)

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """False: the venue has no such order any more. ``order is too new`` is a retryable Rejected."""
        parameters = [("order_id", venue_id), ("currency_pair", instrument)]
        try:
            row = await self._call(codec.CANCELLED, "cancel_order", parameters, changes_state=True, urgent=True)
            if str(row.order_id) != venue_id:
                raise codec.undecodable("cancel_order", f"order {row.order_id} instead of {venue_id[:40]}")
        except VenueError as error:
            if isinstance(error, Rejected) and error.code == rules.ORDER_NOT_FOUND:
                return False
            raise _with_fate(error) from None
        return True

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Every working order of the key in the instrument, oldest first."""
        rows = await self._call(codec.ORDERS, "active_orders", [("currency_pair", instrument)], urgent=urgent)
        return codec.open_orders_of(rows, self._instruments[instrument])

    async def fills_after(self, instrument: str, trade_id: str, *, urgent: bool = False) -> list[VenueFill]:
        """Own fills newer than ``trade_id``, oldest first; "" asks for all that the venue still has."""
        fills: list[VenueFill] = []
        newest = int(trade_id) if trade_id else 0
        for _ in range(limits.HISTORY_PAGES_MAX):
            page = await self._history(instrument, from_id=newest + 1, urgent=urgent)
            # A venue that ignores from_id must not make us count a fill twice or page for ever.
            page_news = [fill for fill in page if int(fill.trade_id) > newest]
            fills += page_news
            if len(page) < _PAGE_ROWS or not page_news:
                return fills
            newest = int(page_news[-1].trade_id)
        raise VenueError(
            f"trade_history: more than {limits.HISTORY_PAGES_MAX * _PAGE_ROWS} fills after {trade_id!r}",
            kind="exchange",
            code="history_too_long",
            remedy="start from a newer trade id",
        )

    async def newest_trade_id(self, instrument: str) -> str:
        """The newest own fill; "" when there is none."""
        parameters = [("currency_pair", instrument), ("count", "1"), ("order", "DESC")]
        rows = await self._call(codec.FILLS, "trade_history", parameters, urgent=True)
        fills = codec.fills_of(rows, self._instruments[instrument])
        return fills[-1].trade_id if fills else ""

    async def balances(self) -> dict[str, Balance]:
        """By currency: free, and free plus locked in orders."""
        return codec.balances_of(await self._info())

    async def server_time_ns(self) -> int:
        """The venue's clock in whole seconds."""
        return (await self._info()).server_time * _NS

    async def rights(self) -> Rights:
        """What this key may do."""
        told = (await self._info()).rights
        return Rights(told.get("info") == 1, told.get("trade") == 1, told.get("withdraw") == 1)

    async def _info(self) -> codec.InfoRow:
        return await self._call(codec.INFO, "get_info2", [], urgent=True)

    async def _history(self, instrument: str, *, from_id: int, urgent: bool) -> list[VenueFill]:
        parameters = [
            ("currency_pair", instrument),
            ("from_id", str(from_id)),
            ("count", str(_PAGE_ROWS)),
            ("order", "ASC"),
        ]
        rows = await self._call(codec.FILLS, "trade_history", parameters, urgent=urgent)
        return codec.fills_of(rows, self._instruments[instrument], fee_in_base=self._fee_in_base)

    async def _call(
        self,
        decoder: msgspec.json.Decoder[T],
        method: str,
        parameters: Sequence[tuple[str, str]],
        *,
        changes_state: bool = False,
        urgent: bool = False,
        order: Place | None = None,
    ) -> T:
        """One private call; only what the venue refused for its nonce, and no order, is tried again."""
        attempts = 1 if method == "trade" else limits.NONCE_ATTEMPTS_MAX
        for attempt in range(1, attempts + 1):
            body = await self._exchange(method, parameters, changes_state=changes_state, urgent=urgent, order=order)
            try:
                return codec.private_answer(decoder, body, method)
            except Throttled:
                seconds = rules.THROTTLED_PAUSE_S.get(method, rules.THROTTLED_PAUSE_S_DEFAULT)
                self._limiter.penalise(method, seconds)
                raise
            except Rejected as error:
                if error.code != rules.NONCE_TOO_LOW or attempt == attempts:
                    raise
        raise InvariantBroken("no attempt was made")

    async def _exchange(
        self,
        method: str,
        parameters: Sequence[tuple[str, str]],
        *,
        changes_state: bool,
        urgent: bool,
        order: Place | None,
    ) -> bytes:
        async with self._limiter.slot(method, urgent=urgent), self._one_at_a_time:
            last_word = None if order is None or self._at_wire is None else partial(self._at_wire, order)
            body = form_body([("nonce", self._nonce.text()), ("method", method), *parameters])
            headers = signed_headers(self._key, self._secret, body)
            try:
                return await self._transport.post(
                    "/tapi", body.encode("ascii"), headers, changes_state=changes_state, last_word=last_word
                )
            except Throttled:
                pause_s = max(rules.THROTTLED_PAUSE_S_DEFAULT, self._transport.retry_after_s)
                for limit_class in (LimitClass.PRIVATE, LimitClass.EXEC):
                    self._limiter.penalise_class(limit_class, pause_s)
                raise


def _with_fate(error: VenueError) -> VenueError:
    """For a call that changes something: what is not a clear no leaves the fate unknown."""
    if type(error) is not VenueError:
        return error
    return UnknownFate(error.message, kind=error.kind, code=error.code, remedy="it is looked up, never sent again")

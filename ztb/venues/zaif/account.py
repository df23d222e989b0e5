"""The private calls of one key at Zaif.

They go out one after another, because each needs a nonce above the last: the nonce is taken and the body signed
inside the lock, after the rate limit has given a place. ``trade`` is sent exactly once; what is not clearly a yes or
a no from the venue becomes ``UnknownFate``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from typing import TypeVar

import msgspec

from ztb.core.command import FLATTEN, Place
from ztb.core.error import InvariantBroken, Rejected, Throttled, VenueError
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.decoding import undecodable
from ztb.venues.limiter import LimitClass, Limiter
from ztb.venues.nonce import NonceFile
from ztb.venues.port import (
    AtWire,
    Balance,
    Capabilities,
    OpenOrder,
    OrderReport,
    Placed,
    Rights,
    VenueFill,
    VenuePosition,
)
from ztb.venues.sending import TURN_S_MAX, check_order, last_word, turn, with_fate
from ztb.venues.transport import Transport
from ztb.venues.zaif import codec, rules
from ztb.venues.zaif.sign import form_body, signed_headers

T = TypeVar("T")
_PAGE_ROWS = 1000


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
        at_wire: AtWire | None = None,
        turn_s_max: float = TURN_S_MAX,
    ) -> None:
        """``at_wire`` is what an order passes between here and the socket; it raises to stop the order.

        ``fee_in_base``: the venue does not say in which currency it counts ``fee_amount``. ``turn_s_max``: so long, by
        the wall, an order waits for the call before it.
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
        self._turn_s_max = turn_s_max
        self._one_at_a_time = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        return rules.CAPABILITIES

    async def place(self, order: Place) -> Placed:
        """Send once. The client id goes along as ``comment``: the only mark that a fill will carry."""
        instrument = self._instruments[order.instrument]
        if not rules.is_legal_comment(order.client_id):
            raise InvariantBroken(f"client id {order.client_id!r} cannot be a comment at Zaif")
        check_order(order, rules.CAPABILITIES.times_in_force, where="Zaif")
        parameters = [
            ("currency_pair", instrument.symbol),
            ("action", codec.ACTION_OF[order.side]),
            ("price", instrument.prices.text(order.price)),
            ("amount", instrument.sizes.text(order.lots)),
            ("comment", order.client_id),
        ]
        try:
            row = await self._call(
                codec.PLACED, "trade", parameters, changes_state=True, urgent=order.purpose == FLATTEN, order=order
            )
            received = codec.steps(instrument.sizes, row.received, "trade")
            remains = codec.steps(instrument.sizes, row.remains, "trade")
            if received + remains != order.lots or row.order_id < 0 or (remains > 0 and row.order_id == 0):
                raise undecodable("trade", f"{received} filled and {remains} left of {order.lots} lots")
        except VenueError as error:
            raise with_fate(error) from None
        return Placed(str(row.order_id) if row.order_id else "", received)

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """False: the venue has no such order any more. ``order is too new`` is a retryable Rejected."""
        parameters = [("order_id", venue_id), ("currency_pair", instrument)]
        try:
            row = await self._call(codec.CANCELLED, "cancel_order", parameters, changes_state=True, urgent=True)
            if str(row.order_id) != venue_id:
                raise undecodable("cancel_order", f"order {row.order_id} instead of {venue_id[:40]}")
        except VenueError as error:
            if isinstance(error, Rejected) and error.code == rules.ORDER_NOT_FOUND:
                return False
            raise with_fate(error) from None
        return True

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        """One call for each: Zaif has none for several. What fails stays in the book and out of the answer."""
        cancelled: set[str] = set()
        for venue_id in venue_ids:
            with suppress(VenueError):
                if await self.cancel(instrument, venue_id):
                    cancelled.add(venue_id)
        return frozenset(cancelled)

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        """Zaif has no call for an order's status."""
        return []

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        """Its open orders and fills show the tag, and ended orders are shown nowhere."""
        return []

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Every working order of the key in the instrument, oldest first."""
        rows = await self._call(codec.ORDERS, "active_orders", [("currency_pair", instrument)], urgent=urgent)
        return codec.open_orders_of(rows, self._instruments[instrument])

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        """Own fills newer than the trade id ``cursor``, oldest first; "" asks for all that the venue still has."""
        fills: list[VenueFill] = []
        newest = int(cursor) if cursor else 0
        for _ in range(limits.HISTORY_PAGES_MAX):
            page = await self._history(instrument, from_id=newest + 1, urgent=urgent)
            # A venue that ignores from_id must not make us count a fill twice or page for ever.
            page_news = [fill for fill in page if int(fill.trade_id) > newest]
            fills += page_news
            if len(page) < _PAGE_ROWS or not page_news:
                return fills
            newest = int(page_news[-1].trade_id)
        raise VenueError(
            f"trade_history: more than {limits.HISTORY_PAGES_MAX * _PAGE_ROWS} fills after {cursor!r}",
            kind="exchange",
            code="history_too_long",
            remedy="start from a newer trade id",
        )

    async def newest_cursor(self, instrument: str) -> str:
        """The newest own fill; "" when there is none."""
        parameters = [("currency_pair", instrument), ("count", "1"), ("order", "DESC")]
        rows = await self._call(codec.FILLS, "trade_history", parameters, urgent=True)
        fills = codec.fills_of(rows, self._instruments[instrument])
        return fills[-1].trade_id if fills else ""

    async def balances(self) -> dict[str, Balance]:
        """By currency: free, and free plus locked in orders."""
        return codec.balances_of(await self._info())

    async def positions(self, instrument: str) -> list[VenuePosition]:
        """Spot has none."""
        return []

    async def rights(self) -> Rights:
        """What this key may do."""
        told = (await self._info()).rights
        return Rights(read=told.get("info") == 1, trade=told.get("trade") == 1, withdraw=told.get("withdraw") == 1)

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
            try:
                # Read within the place that the limiter gave, which learns from it whether the venue answers.
                async with self._limiter.slot(method, urgent=urgent):
                    body = await self._exchange(method, parameters, changes_state=changes_state, order=order)
                    return self._answer(decoder, body, method)
            except Rejected as error:
                if error.code != rules.NONCE_TOO_LOW or attempt == attempts:
                    raise
        raise InvariantBroken("no attempt was made")

    def _answer(self, decoder: msgspec.json.Decoder[T], body: bytes, method: str) -> T:
        try:
            return codec.private_answer(decoder, body, method)
        except Throttled:
            self._limiter.refused(method, pause_s=rules.THROTTLED_PAUSE_S.get(method, limits.REFUSED_PAUSE_S))
            raise

    async def _exchange(
        self, method: str, parameters: Sequence[tuple[str, str]], *, changes_state: bool, order: Place | None
    ) -> bytes:
        wall_s_max = None if order is None else self._turn_s_max
        async with turn(self._one_at_a_time, "another private call", wall_s_max=wall_s_max):
            word = None if order is None else last_word(self._at_wire, order)
            body = form_body([("nonce", self._nonce.text()), ("method", method), *parameters])
            headers = signed_headers(self._key, self._secret, body)
            try:
                return await self._transport.post(
                    "/tapi", body.encode("ascii"), headers, changes_state=changes_state, last_word=word
                )
            except Throttled:
                self._limiter.refused(
                    method, retry_after_s=self._transport.retry_after_s, whole=(LimitClass.PRIVATE, LimitClass.EXEC)
                )
                raise

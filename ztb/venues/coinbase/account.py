"""The private calls of one key at Coinbase.

An order is sent exactly once, although the venue would take the same id twice for one order: what is not clearly a yes
or a no becomes ``UnknownFate``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from urllib.parse import quote

import msgspec

from ztb.core.command import FLATTEN, Place
from ztb.core.error import Rejected, VenueError
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.coinbase import codec, orders, rules
from ztb.venues.coinbase.calls import Parameters, SignedCalls
from ztb.venues.coinbase.client_id import tag_of, wire_id
from ztb.venues.decoding import undecodable
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
from ztb.venues.sending import check_order, last_word, with_fate

_NS = 1_000_000_000
_FILLS = "orders/historical/fills"


class CoinbaseAccount:
    """One key: ``port.Account`` for Coinbase, spot."""

    def __init__(
        self,
        calls: SignedCalls,
        *,
        instruments: Mapping[str, Instrument],
        ids_as_uuid: bool = True,
        at_wire: AtWire | None = None,
    ) -> None:
        """``at_wire`` is what an order passes between here and the socket; it raises to stop the order.

        ``ids_as_uuid`` False sends our order ids as they are.
        """
        self._calls = calls
        self._instruments = dict(instruments)
        self._ids_as_uuid = ids_as_uuid
        self._at_wire = at_wire
        self.lots_of: dict[str, int] = {}
        """Sizes of the newest orders, by client id: the stream does not tell them when an order ends."""

    @property
    def capabilities(self) -> Capabilities:
        return rules.CAPABILITIES

    async def place(self, order: Place) -> Placed:
        """Send once. What it filled at once, the venue does not say here."""
        instrument = self._instruments[order.instrument]
        check_order(order, rules.CAPABILITIES.times_in_force, where="Coinbase")
        wire = wire_id(order.client_id, as_uuid=self._ids_as_uuid)
        self._note_lots(order)
        body = orders.order_body(order, instrument, wire)
        word = last_word(self._at_wire, order)
        try:
            row = await self._calls.post(
                orders.PLACED, "orders", body, limit="order", urgent=order.purpose == FLATTEN, last_word=word
            )
            venue_id = orders.venue_id_of(row, instrument=instrument, order=order, wire_id=wire)
        except VenueError as error:
            raise with_fate(error) from None
        return Placed(venue_id, 0)

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """True: the cancel was taken; the order may still fill until it is done."""
        try:
            return orders.is_cancelled((await self._cancel_rows([venue_id]))[venue_id])
        except VenueError as error:
            raise with_fate(error) from None

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        """A hundred in a call. What fails stays in the book and out of the answer."""
        cancelled: set[str] = set()
        size = rules.CAPABILITIES.cancel_many
        for first in range(0, len(venue_ids), size):
            with suppress(VenueError):
                rows = await self._cancel_rows(venue_ids[first : first + size])
                cancelled.update(venue_id for venue_id, row in rows.items() if row.success)
        return frozenset(cancelled)

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Every working order of the key in the product, oldest first.

        The venue's list of open orders leaves out those that are queued, to be opened or to be cancelled; so the
        youngest are listed in every state as well, and that answer, the later one, is the one that counts.
        """
        product = [("product_ids", instrument), ("limit", str(rules.PAGE_ROWS))]
        since_ns = self._calls.time.now_ns() - int(rules.RECENT_ORDERS_S * _NS)
        rows = await self._order_pages([*product, ("order_status", "OPEN")], urgent=urgent)
        rows += await self._order_pages([*product, ("start_date", codec.time_text(since_ns))], urgent=urgent)
        return orders.open_orders_of(rows, self._instruments[instrument])

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        """The venue's word on each of these orders that it knows."""
        rows: list[orders.OrderRow] = []
        if len(venue_ids) == 1:
            rows += await self._one_order(venue_ids[0])
        else:
            for first in range(0, len(venue_ids), rules.LOOK_UP_ORDERS_MAX):
                some = venue_ids[first : first + rules.LOOK_UP_ORDERS_MAX]
                parameters = [("order_ids", venue_id) for venue_id in some]
                rows += await self._order_pages([*parameters, ("limit", str(rules.PAGE_ROWS))], urgent=True)
        asked = frozenset(venue_ids)
        newest = {row.order_id: row for row in rows if row.order_id in asked}
        return orders.reports_of(newest.values(), self._instruments[instrument])

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        """The venue has no call by our id, so all orders since then are listed, and a little more: clocks differ."""
        since_ns -= int(rules.RECENT_ORDERS_S * _NS)
        parameters = [("product_ids", instrument), ("limit", str(rules.PAGE_ROWS))]
        rows = await self._order_pages([*parameters, ("start_date", codec.time_text(since_ns))], urgent=True)
        newest = {row.order_id: row for row in rows if tag_of(row.client_order_id) in tags}
        return orders.reports_of(newest.values(), self._instruments[instrument])

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        """Own fills from a little before ``cursor`` on, oldest first; "" asks for all that the venue still has."""
        parameters = [("product_ids", instrument), ("limit", str(rules.PAGE_ROWS))]
        if cursor:
            since_ns = codec.time_ns(cursor, "cursor") - int(rules.FILLS_OVERLAP_S * _NS)
            parameters.append(("start_sequence_timestamp", codec.time_text(since_ns)))
        rows: list[orders.FillRow] = []
        page = ""
        for _ in range(limits.HISTORY_PAGES_MAX):
            row = await self._calls.get(
                orders.FILLS, "orders/historical/fills", [*parameters, *_at(page)], urgent=urgent
            )
            rows += row.fills
            if not row.fills or row.cursor in ("", page):
                return orders.fills_of(rows, self._instruments[instrument])
            page = row.cursor
        raise _too_long(_FILLS)

    async def newest_cursor(self, instrument: str) -> str:
        """That of the newest own fill; "" when there is none. The venue's first page is its newest."""
        parameters = [("product_ids", instrument), ("limit", str(rules.PAGE_ROWS))]
        row = await self._calls.get(orders.FILLS, _FILLS, parameters, urgent=True)
        fills = orders.fills_of(row.fills, self._instruments[instrument])
        return fills[-1].reading_on if fills else ""

    async def balances(self) -> dict[str, Balance]:
        """By currency: free, and free plus held by orders."""
        rows: list[codec.WalletRow] = []
        page = ""
        for _ in range(limits.HISTORY_PAGES_MAX):
            parameters = [("limit", str(rules.PAGE_ROWS)), *_at(page)]
            row = await self._calls.get(codec.WALLETS, "accounts", parameters, urgent=True)
            rows += row.accounts
            if not row.has_next:
                return codec.balances_of(rows)
            page = _next_page("accounts", page, row.cursor)
        raise _too_long("accounts")

    async def positions(self, instrument: str) -> list[VenuePosition]:
        """Spot has none."""
        return []

    async def rights(self) -> Rights:
        """What this key may do."""
        row = await self._calls.get(codec.PERMISSIONS, "key_permissions", [], urgent=True)
        return Rights(read=row.can_view, trade=row.can_trade, withdraw=row.can_transfer)

    async def _one_order(self, venue_id: str) -> list[orders.OrderRow]:
        path = f"orders/historical/{quote(venue_id, safe='')}"
        try:
            return [(await self._calls.get(orders.ORDER, path, [], urgent=True)).order]
        except Rejected as error:
            if error.code == rules.NOT_FOUND:
                return []
            raise

    async def _order_pages(self, parameters: Parameters, *, urgent: bool) -> list[orders.OrderRow]:
        rows: list[orders.OrderRow] = []
        page, path = "", "orders/historical/batch"
        for _ in range(limits.HISTORY_PAGES_MAX):
            row = await self._calls.get(orders.ORDERS, path, [*parameters, *_at(page)], urgent=urgent)
            rows += row.orders
            if not row.has_next:
                return rows
            page = _next_page(path, page, row.cursor)
        raise _too_long(path)

    async def _cancel_rows(self, venue_ids: Sequence[str]) -> dict[str, orders.CancelRow]:
        body = msgspec.json.encode({"order_ids": list(venue_ids)})
        row = await self._calls.post(
            orders.CANCELS, "orders/batch_cancel", body, limit="cancel", urgent=True, may_repeat=True
        )
        rows = {one.order_id: one for one in row.results}
        if frozenset(rows) != frozenset(venue_ids):
            raise undecodable("orders/batch_cancel", "an answer about other orders")
        return rows

    def _note_lots(self, order: Place) -> None:
        if len(self.lots_of) >= rules.ORDER_LOTS_MAX:
            del self.lots_of[next(iter(self.lots_of))]
        self.lots_of[order.client_id] = order.lots


def _at(page: str) -> Parameters:
    return [("cursor", page)] if page else []


def _next_page(what: str, page: str, cursor: str) -> str:
    """Of an answer that says that there is more; one that leads nowhere, or in a circle, is none."""
    if cursor in ("", page):
        raise undecodable(what, "more pages, and no way to them")
    return cursor


def _too_long(what: str) -> VenueError:
    return VenueError(
        f"{what}: more than {limits.HISTORY_PAGES_MAX} pages",
        kind="exchange",
        code="history_too_long",
        remedy="start from a newer fill",
    )

"""The private calls of one key at GMO Coin, spot and leverage.

An order is sent exactly once; what is not clearly a yes or a no from the venue becomes ``UnknownFate``. There is no
client order id, so an order whose answer was lost can only be known by its fingerprint (symbol, side, price, size,
time). To keep that decidable there is never more than one placement of a symbol and side under way.

On leverage an ordinary order always opens, also against a position that is there; what may only reduce goes out as
``closeBulkOrder``, which the venue never lets open anything.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from typing import TypeVar

import msgspec

from ztb.core.command import FLATTEN, MARKET, POST_ONLY, Place
from ztb.core.error import InvariantBroken, Rejected, VenueError
from ztb.core.instrument import SIDE_NAMES, Instrument
from ztb.venues import limits
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.gmo import codec, rows, rules
from ztb.venues.gmo.calls import SignedCalls
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

T = TypeVar("T")


class GmoAccount:
    """One key: ``port.Account`` for GMO Coin."""

    def __init__(
        self,
        calls: SignedCalls,
        *,
        instruments: Mapping[str, Instrument],
        at_wire: AtWire | None = None,
        post_only_leverage: frozenset[str] = rules.POST_ONLY_LEVERAGE,
        turn_s_max: float = TURN_S_MAX,
    ) -> None:
        """``at_wire`` is what an order passes between here and the socket; it raises to stop the order.

        ``post_only_leverage``: leverage symbols that know post-only orders; the venue's list grows. ``turn_s_max``: so
        long, by the wall, an order waits for another one of its symbol and side.
        """
        self._calls = calls
        self._instruments = dict(instruments)
        self._at_wire = at_wire
        self._post_only_leverage = post_only_leverage
        self._turn_s_max = turn_s_max
        self._one_placement: defaultdict[tuple[str, int], asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def capabilities(self) -> Capabilities:
        return rules.CAPABILITIES

    async def place(self, order: Place) -> Placed:
        """Send once. The answer has only the id: what filled at once is told by stream and history.

        A post-only order that would take is accepted here and ends as EXPIRED. With ``reduce_only`` a leverage order
        closes positions of the other side; at spot it is an ordinary order.
        """
        instrument = self._instruments[order.instrument]
        self._check(order, instrument)
        name = "closeBulkOrder" if order.reduce_only and instrument.leveraged else "order"
        word = last_word(self._at_wire, order)
        lock = self._one_placement[order.instrument, order.side]
        async with turn(lock, f"another order of {order.instrument} on this side", wall_s_max=self._turn_s_max):
            data = await self._calls.change(
                name, _members(order, instrument), urgent=order.purpose == FLATTEN,
                wait_s_max=rules.ORDER_WAIT_S_MAX, last_word=word,
            )  # fmt: skip
        try:
            return Placed(codec.placed_id(decoded(rows.TEXT, data, name), name), 0)
        except VenueError as error:
            raise with_fate(error) from None

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """True: accepted, which is not yet cancelled: until the order is gone from ``open_orders`` it can fill.

        False: the venue has nothing of it to cancel any more: it ended, or an earlier cancel is at work. Either way
        its end is concluded from its absence there, or from ``look_up``; this answer alone proves none.
        """
        try:
            await self._calls.change("cancelOrder", {"orderId": _number(venue_id)}, urgent=True, may_repeat=True)
        except Rejected as error:
            if error.code in rules.NOTHING_TO_CANCEL:
                return False
            raise
        return True

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        """Ten in one call. What fails stays in the book and out of the answer; accepted as in ``cancel``."""
        accepted: set[str] = set()
        for chunk in _chunks(venue_ids):
            with suppress(VenueError):
                numbers = [_number(venue_id) for venue_id in chunk]
                data = await self._calls.change("cancelOrders", {"orderIds": numbers}, urgent=True, may_repeat=True)
                answer = decoded(rows.CANCELLED_MANY, data, "cancelOrders")
                accepted.update(str(number) for number in answer.success if number in numbers)
        return frozenset(accepted)

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        """Working and ended orders, ten in one call; one that the venue does not know is missing."""
        reports: list[OrderReport] = []
        for chunk in _chunks(venue_ids):
            reports += await self._look_up(self._instruments[instrument], chunk)
        return reports

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        """GMO Coin has no client order id."""
        return []

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Every working order of the key in the symbol, oldest id first; those being cancelled are among them.

        The pages are read one after another, so an order can slip from one to the next when another one ends between
        them; an end is therefore never to be concluded from one reading.
        """
        found: dict[str, OpenOrder] = {}
        for number in range(1, limits.HISTORY_PAGES_MAX + 1):
            page = await self._page(rows.ORDERS, "activeOrders", instrument, number, urgent=urgent)
            for row in page:
                order = codec.open_order_of(row, self._instruments[instrument])
                found[order.venue_id] = order
            if len(page) < rules.PAGE_ROWS_MAX:
                return sorted(found.values(), key=lambda order: int(order.venue_id))
        raise _too_long("activeOrders", limits.HISTORY_PAGES_MAX)

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        """Own fills newer than the execution id ``cursor``, oldest first; "" asks for all that the venue still has.

        The venue tells those of the last 24 hours only: older ones cannot be read here, and an order that was not
        looked after for so long has to be looked up.
        """
        after = int(cursor) if cursor else 0
        fills: dict[int, VenueFill] = {}
        for number in range(1, rules.HISTORY_PAGES_MAX + 1):
            page = await self._page(rows.FILLS, "latestExecutions", instrument, number, urgent=urgent)
            # Newest first: a fill that comes while we read moves the others on, so a row can be seen twice, not never.
            news = [codec.fill_of(row, self._instruments[instrument]) for row in page]
            fills.update({int(fill.trade_id): fill for fill in news if int(fill.trade_id) > after})
            if len(page) < rules.PAGE_ROWS_MAX or int(news[-1].trade_id) <= after:
                return [fills[trade_id] for trade_id in sorted(fills)]
        raise _too_long("latestExecutions", rules.HISTORY_PAGES_MAX)

    async def newest_cursor(self, instrument: str) -> str:
        """The newest own fill of the last 24 hours; "" when there is none."""
        page = await self._page(rows.FILLS, "latestExecutions", instrument, 1, urgent=True)
        fills = [codec.fill_of(row, self._instruments[instrument]) for row in page]
        return str(max(int(fill.trade_id) for fill in fills)) if fills else ""

    async def balances(self) -> dict[str, Balance]:
        """By currency. With leverage instruments the yen that may be used are those that the margin leaves."""
        assets = decoded(rows.ASSETS, await self._calls.read("account/assets", urgent=True), "assets")
        leveraged = [instrument.leveraged for instrument in self._instruments.values()]
        margin = None
        if any(leveraged):
            data = await self._calls.read("account/margin", urgent=True)
            margin = decoded(rows.MARGIN, data, "margin")
        return codec.balances_of(assets, margin, leveraged_only=all(leveraged))

    async def positions(self, instrument: str) -> list[VenuePosition]:
        """Of a leverage symbol, each side on its own: the venue does not net them. Spot has none."""
        asked = self._instruments[instrument]
        if not asked.leveraged:
            return []
        data = await self._calls.read("positionSummary", {"symbol": asked.symbol}, urgent=True)
        page = decoded(rows.POSITIONS, data, "positionSummary")
        return codec.positions_of(codec.rows_of(page, "positionSummary"), asked)

    async def rights(self) -> Rights:
        """The venue does not tell."""
        return Rights(read=None, trade=None, withdraw=None)

    def _check(self, order: Place, instrument: Instrument) -> None:
        """What cannot be sent, before anything leaves."""
        known = rules.CAPABILITIES.times_in_force
        if instrument.leveraged and instrument.symbol not in self._post_only_leverage:
            known -= {POST_ONLY}
        check_order(order, known, where=f"GMO Coin for {instrument.symbol}")

    async def _look_up(self, instrument: Instrument, venue_ids: Sequence[str]) -> list[OrderReport]:
        numbers = {_number(venue_id) for venue_id in venue_ids}
        try:
            data = await self._calls.read("orders", {"orderId": ",".join(map(str, sorted(numbers)))}, urgent=True)
        except Rejected as error:
            if error.code not in rules.NO_SUCH_ORDER:
                raise
            if len(numbers) == 1:
                return []
            # One that is unknown must not hide the others.
            return [report for one in venue_ids for report in await self._look_up(instrument, [one])]
        page = codec.rows_of(decoded(rows.ORDERS, data, "orders"), "orders")
        if any(row.order_id not in numbers for row in page):
            raise undecodable("orders", "an order that was not asked for")
        return [codec.report_of(row, instrument, "orders") for row in page]

    async def _page(
        self, decoder: msgspec.json.Decoder[rows.Page[T]], name: str, instrument: str, number: int, *, urgent: bool
    ) -> list[T]:
        params = {
            "symbol": self._instruments[instrument].symbol,
            "page": str(number),
            "count": str(rules.PAGE_ROWS_MAX),
        }
        return codec.rows_of(decoded(decoder, await self._calls.read(name, params, urgent=urgent), name), name)


def _members(order: Place, instrument: Instrument) -> dict[str, str]:
    """The order as the venue's documentation writes it; a market order has no price."""
    is_market = order.time_in_force == MARKET
    members = {
        "symbol": instrument.symbol,
        "side": SIDE_NAMES[order.side],
        "executionType": "MARKET" if is_market else "LIMIT",
        "timeInForce": rules.TIME_IN_FORCE_OF[order.time_in_force],
    }
    if not is_market:
        members["price"] = instrument.prices.text(order.price)
    return members | {"size": instrument.sizes.text(order.lots)}


def _number(venue_id: str) -> int:
    """The id as the venue takes it."""
    if not (venue_id.isascii() and venue_id.isdigit() and len(venue_id) <= limits.DIGITS_MAX):
        raise InvariantBroken(f"{venue_id[:40]!r} is no order id of GMO Coin")
    return int(venue_id)


def _chunks(venue_ids: Sequence[str]) -> list[Sequence[str]]:
    """As many ids as one call may name."""
    size = rules.ORDERS_A_CALL_MAX
    return [venue_ids[start : start + size] for start in range(0, len(venue_ids), size)]


def _too_long(name: str, pages: int) -> VenueError:
    return VenueError(
        f"{name}: more than {pages * rules.PAGE_ROWS_MAX} rows",
        kind="exchange",
        code="history_too_long",
        remedy="start from a newer execution id",
    )

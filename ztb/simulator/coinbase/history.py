"""What an account did: orders and fills, newest first, filtered and in pages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, Final

from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.account_shapes import ENDS, AccountShapes, status
from ztb.simulator.coinbase.query import Query, cursor_text
from ztb.simulator.coinbase.rules import FILLS_LIMIT, FILLS_LIMIT_MAX, ORDERS_LIMIT_MAX
from ztb.simulator.coinbase.shapes import SIDES
from ztb.simulator.coinbase.texts import id_number, id_text
from ztb.simulator.coinbase.tickets import Tickets
from ztb.simulator.moods import Moods
from ztb.simulator.news import Fill

_NS_END: Final = 1 << 63
_STATUSES: Final = frozenset(
    {"PENDING", "OPEN", "EXPIRED", "QUEUED", "CANCEL_QUEUED", "EDIT_QUEUED", "UNKNOWN_ORDER_STATUS", *ENDS.values()}
)


class History:
    """Answers under ``/orders/historical``."""

    def __init__(self, shapes: AccountShapes, tickets: Tickets, moods: Moods) -> None:
        self._shapes = shapes
        self._tickets = tickets
        self._moods = moods

    def order(self, account: Account, text: str) -> dict[str, Any]:
        found = account.order(id_number("order", text))
        if found is None:
            raise errors.not_found(errors.ORDER_NOT_FOUND)
        return {"order": self._shapes.order(account, found, self._tickets.of(found.order_id))}

    def orders(self, account: Account, query: Query) -> dict[str, Any]:
        """``limit`` of them, and the cursor to go on with."""
        wanted = self._filter(query)
        start_ns = query.time_ns("start_date", 0)
        limit = query.whole("limit", ORDERS_LIMIT_MAX, most=ORDERS_LIMIT_MAX)
        page: list[Order] = []
        has_next = False
        for order in _newest_first(account, before=query.cursor()):
            # The times that clients know are cut to microseconds.
            if order.created_ns // 1000 * 1000 < start_ns:
                break
            if wanted(order):
                has_next = len(page) == limit
                if has_next:
                    break
                page.append(order)
        return {
            "orders": [self._shapes.order(account, order, self._tickets.of(order.order_id)) for order in page],
            "sequence": "0",
            "has_next": has_next,
            "cursor": cursor_text(page[-1].order_id) if has_next else "",
        }

    def fills(self, account: Account, query: Query) -> dict[str, Any]:
        """``limit`` of them; the cursor is empty on the last page."""
        order_ids = {id_number("order", text) for text in query.many("order_ids")}
        trade_ids = {id_number("trade", text) for text in query.many("trade_ids")}
        products = _products(query)
        start_ns = query.time_ns("start_sequence_timestamp", 0)
        end_ns = query.time_ns("end_sequence_timestamp", _NS_END)
        limit = query.whole("limit", FILLS_LIMIT, most=FILLS_LIMIT_MAX)
        page: list[Fill] = []
        more = False
        for fill in _fills_newest_first(account, before=query.cursor()):
            ts_ns = fill.ts_ns // 1000 * 1000
            if ts_ns < start_ns:
                break
            asked = (not order_ids or fill.order_id in order_ids) and (not trade_ids or fill.trade_id in trade_ids)
            if ts_ns > end_ns or not asked:
                continue
            if products and self._tickets.of(fill.order_id).product_id not in products:
                continue
            more = len(page) == limit
            if more:
                break
            page.append(fill)
        cursor = cursor_text(page[-1].trade_id) if more else ""
        if self._moods.strike("reordered_events", "fills"):
            page = self._moods.shuffled(page)
        return {"fills": [self._fill(account, fill) for fill in page], "cursor": cursor}

    def _fill(self, account: Account, fill: Fill) -> dict[str, Any]:
        assert fill.order is not None
        return self._shapes.fill(account, fill, fill.order, self._tickets.of(fill.order_id))

    def _filter(self, query: Query) -> Callable[[Order], bool]:
        statuses = set(query.many("order_status"))
        if unknown := statuses - _STATUSES:
            raise errors.invalid(f"order_status {min(unknown)[:40]!r} is unknown")
        if "OPEN" in statuses and len(statuses) > 1:
            raise errors.invalid("order_status OPEN cannot be combined with other statuses")
        ids = set(query.many("order_ids"))
        products, types = _products(query), set(query.many("order_types"))
        side = query.one("order_side")
        end_ns = query.time_ns("end_date", _NS_END)

        def wanted(order: Order) -> bool:
            return (
                (not statuses or status(order) in statuses)
                and (not ids or id_text("order", order.order_id) in ids)
                and (not products or self._tickets.of(order.order_id).product_id in products)
                and (not types or ("MARKET" if order.is_market else "LIMIT") in types)
                and (not side or SIDES[order.side] == side)
                and order.created_ns // 1000 * 1000 < end_ns
            )

        return wanted


def _products(query: Query) -> set[str]:
    """Under today's name, and under the older one that others still send."""
    return {*query.many("product_ids"), *query.many("product_id")}


def _newest_first(account: Account, *, before: int) -> Iterator[Order]:
    """All orders that are remembered, those with a lower id than ``before`` (0: all)."""
    ids = sorted({*account.orders, *account.cancelling, *account.ended}, reverse=True)
    for order_id in ids:
        order = account.order(order_id) if not before or order_id < before else None
        if order is not None:
            yield order


def _fills_newest_first(account: Account, *, before: int) -> Iterator[Fill]:
    end = bisect_left(account.fills, before, key=_trade_id) if before else len(account.fills)
    for place in range(end - 1, -1, -1):
        yield account.fills[place]


def _trade_id(fill: Fill) -> int:
    return fill.trade_id

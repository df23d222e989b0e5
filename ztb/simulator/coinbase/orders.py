"""What moves orders: create, cancel, edit and preview. The outcome of each is inside an answer with status 200."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from ztb.core.command import POST_ONLY
from ztb.core.instrument import BUY, SELL
from ztb.core.money import PPM, ceil_div
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.rules import CANCELS_MAX, CLIENT_ID_LENGTH_MAX
from ztb.simulator.coinbase.shapes import SIDES, Shapes
from ztb.simulator.coinbase.terms import Terms, TermsReader, steps_of, would_take
from ztb.simulator.coinbase.texts import id_number, id_text, name_id, rfc3339
from ztb.simulator.coinbase.tickets import Ticket, Tickets
from ztb.simulator.exchange import OrderRefused
from ztb.simulator.moods import Moods
from ztb.simulator.record import Call

T = TypeVar("T")

_REFUSED: Final = {"funds": "INSUFFICIENT_FUND", "full": "COMMANDER_REJECTED_NEW_ORDER"}
_EMPTY_PREVIEW: Final = (
    "order_margin_total", "leverage", "long_leverage", "short_leverage", "slippage", "current_liquidation_buffer",
    "projected_liquidation_buffer", "max_leverage",
)  # fmt: skip


class _NewOrder(msgspec.Struct):
    product_id: str
    side: str
    order_configuration: dict[str, Any]
    client_order_id: str = ""


class _Cancels(msgspec.Struct):
    order_ids: list[str]


class _Edit(msgspec.Struct):
    order_id: str
    price: str
    size: str


class Orders:
    """Carries out what a client with the right to trade asks for."""

    def __init__(self, shapes: Shapes, tickets: Tickets, moods: Moods) -> None:
        self._shapes = shapes
        self._exchange = shapes.exchange
        self._tickets = tickets
        self._moods = moods
        self._reader = TermsReader(shapes)

    def create(self, account: Account, body: bytes, call: Call) -> dict[str, Any]:
        """Place an order, once for each ``client_order_id``: asked again, the first one is told."""
        wanted = _decoded(body, _NewOrder)
        if not 0 < len(wanted.client_order_id) <= CLIENT_ID_LENGTH_MAX:
            raise errors.invalid("client_order_id is required")
        known = account.by_client_id.get(wanted.client_order_id)
        if known is not None:
            return self._accepted(known, wanted, call)
        try:
            if self._moods.strike("reject_busy", "create_order"):
                raise errors.OrderRefusal("ORDER_ENTRY_DISABLED")
            order = self._place(account, wanted)
        except errors.OrderRefusal as refusal:
            call.result = refusal.reason
            return refusal.envelope(wanted.order_configuration)
        return self._accepted(order, wanted, call)

    def cancel(self, account: Account, body: bytes, call: Call) -> dict[str, Any]:
        """Take orders off the book; each has its own outcome."""
        wanted = _decoded(body, _Cancels)
        if not wanted.order_ids:
            raise errors.invalid("order_ids is empty")
        if len(wanted.order_ids) > CANCELS_MAX:
            raise errors.invalid(f"more than {CANCELS_MAX} order_ids")
        return {"results": [self._cancel(account, text, call) for text in wanted.order_ids]}

    def edit(self, account: Account, body: bytes, call: Call) -> dict[str, Any]:
        """Give a working order another price. Another size is refused: this exchange does not split queues."""
        wanted = _decoded(body, _Edit)
        order = account.orders.get(id_number("order", wanted.order_id))
        try:
            self._edit(account, order, wanted)
        except errors.OrderRefusal as refusal:
            call.result = refusal.reason
            failure = {"edit_failure_reason": refusal.reason, "preview_failure_reason": refusal.preview_reason}
            return {"success": False, "errors": [failure]}
        assert order is not None
        call.order_id = order.order_id
        return {"success": True, "errors": []}

    def preview(self, account: Account, body: bytes) -> dict[str, Any]:
        """What an order would cost, without placing it."""
        wanted = _decoded(body, _NewOrder)
        failed: list[str] = []
        lots, notional, fee = 0, 0, 0
        try:
            terms = self._terms(account, wanted)
            lots, notional, fee = self._cost(account, terms)
            currency, needed = self._need(terms, notional + fee)
            if account.available(currency) < needed:
                raise errors.OrderRefusal("INSUFFICIENT_FUND")
        except errors.OrderRefusal as refusal:
            failed.append(
                refusal.preview_reason if refusal.preview_reason != errors.UNKNOWN_FAILURE else refusal.reason
            )
        book, market = self._exchange.book, self._shapes
        return {
            "order_total": market.money(notional + fee),
            "commission_total": market.money(fee),
            "errs": failed,
            "warning": [],
            "quote_size": market.money(notional),
            "base_size": market.size_plain(lots),
            "best_bid": market.price(book.best(BUY)),
            "best_ask": market.price(book.best(SELL)),
            "is_max": False,
            **dict.fromkeys(_EMPTY_PREVIEW, ""),
            "preview_id": name_id(account.key, "preview", str(self._exchange.now_ns)),
            "pnl_configuration": None,
        }

    def expire_due(self) -> None:
        """End the orders whose time is over."""
        for owner, order_id in self._tickets.due(self._exchange.now_ns):
            account = self._exchange.account(owner)
            if account is not None:
                self._exchange.cancel(account, order_id, end="expired", reason="end_time")

    def _terms(self, account: Account, wanted: _NewOrder) -> Terms:
        return self._reader.read(
            account, product_id=wanted.product_id, side=wanted.side, configuration=wanted.order_configuration
        )

    def _place(self, account: Account, wanted: _NewOrder) -> Order:
        terms = self._terms(account, wanted)
        try:
            placed = self._exchange.place(
                account, side=terms.side, price=terms.price, lots=terms.lots, client_id=wanted.client_order_id,
                time_in_force=terms.time_in_force,
            )  # fmt: skip
        except OrderRefused as refused:
            raise errors.OrderRefusal(_REFUSED[refused.code]) from None
        order = placed.order
        ticket = Ticket(wanted.product_id, wanted.order_configuration, in_quote=terms.in_quote, end_ns=terms.end_ns)
        self._tickets.add(order.order_id, account.key, ticket)
        if order.order_id in account.orders and not order.filled_lots and self._moods.strike("failed_after_success"):
            self._exchange.cancel(account, order.order_id, end="rejected", reason="failed")
        return order

    def _accepted(self, order: Order, wanted: _NewOrder, call: Call) -> dict[str, Any]:
        ticket = self._tickets.get(order.order_id)
        call.order_id, call.filled_lots = order.order_id, order.filled_lots
        return {
            "success": True,
            "success_response": {
                "order_id": id_text("order", order.order_id),
                "product_id": ticket.product_id if ticket is not None else wanted.product_id,
                "side": SIDES[order.side],
                "client_order_id": order.client_id,
            },
            "order_configuration": ticket.configuration if ticket is not None else wanted.order_configuration,
        }

    def _cancel(self, account: Account, text: str, call: Call) -> dict[str, Any]:
        order = account.order(id_number("order", text))
        reason = _why_not(order)
        if not reason:
            assert order is not None
            self._exchange.cancel(account, order.order_id)
            call.order_id, call.filled_lots = order.order_id, order.filled_lots
        elif call.result == "ok":
            call.result = reason
        return {"success": not reason, "failure_reason": reason or errors.UNKNOWN_CANCEL_FAILURE, "order_id": text}

    def _edit(self, account: Account, order: Order | None, wanted: _Edit) -> None:
        if order is None:
            raise errors.OrderRefusal("ORDER_NOT_FOUND")
        price, lots = steps_of(self._exchange.instrument, price=wanted.price, size=wanted.size)
        if lots < order.filled_lots:
            raise errors.OrderRefusal("CANNOT_EDIT_TO_BELOW_FILLED_SIZE")
        if lots != order.lots:
            raise errors.OrderRefusal("INVALID_EDITED_SIZE")
        if not price:
            raise errors.OrderRefusal("INVALID_EDITED_PRICE")
        if order.time_in_force == POST_ONLY and would_take(self._exchange.book.best(-order.side), order.side, price):
            raise errors.OrderRefusal("INVALID_LIMIT_PRICE_POST_ONLY")
        try:
            self._exchange.change(account, order.order_id, price)
        except OrderRefused as refused:
            raise errors.OrderRefusal(_REFUSED[refused.code]) from None
        ticket = self._tickets.get(order.order_id)
        if ticket is not None:
            kind, members = next(iter(ticket.configuration.items()))
            ticket.configuration = {kind: {**members, "limit_price": wanted.price}}
            accepted = rfc3339(self._exchange.now_ns)
            ticket.edits.append(
                {"price": wanted.price, "size": wanted.size, "replace_accept_timestamp": accepted}
            )  # fmt: skip

    def _cost(self, account: Account, terms: Terms) -> tuple[int, int, int]:
        """Lots, notional and fee, the dearer one where the order would take."""
        instrument, book = self._exchange.instrument, self._exchange.book
        takes = not terms.price or would_take(book.best(-terms.side), terms.side, terms.price)
        price = terms.price or book.best(-terms.side)
        notional = instrument.notional(price, terms.lots)
        rate = account.taker_fee_ppm if takes else account.maker_fee_ppm
        return terms.lots, notional, ceil_div(notional * rate, PPM)

    def _need(self, terms: Terms, total: int) -> tuple[str, int]:
        units = self._exchange.purse.units
        return (units.quote, total) if terms.side == BUY else (units.base, terms.lots * units.per_lot)


def _why_not(order: Order | None) -> str:
    """Why an order cannot be cancelled; empty when it can."""
    if order is None:
        return "UNKNOWN_CANCEL_ORDER"
    if order.cancelling or order.end == "cancelled":
        return "DUPLICATE_CANCEL_REQUEST"
    if order.end == "filled":
        return "ORDER_IS_FULLY_FILLED"
    return "UNKNOWN_CANCEL_ORDER" if order.end else ""


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.invalid(f"the body is not understood: {error}") from None

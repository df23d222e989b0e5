"""Orders and executions: placing, changing, cancelling and asking.

An order that may not take or not rest is taken all the same: its id is answered, and what became of it is told by
``orders`` and the private stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from ztb.core.command import GTC, MARKET
from ztb.core.instrument import SELL
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.exchange import OrderRefused
from ztb.simulator.gmo import errors
from ztb.simulator.gmo.calls import SETTLE_TYPES, Calls, Handlers, list_of, page_of
from ztb.simulator.gmo.envelope import NOTHING
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.gmo.rules import CHANGES_MAX, DAY_NS, IDS_MAX, LIMIT_TIMES
from ztb.simulator.margin import Position
from ztb.simulator.news import Fill
from ztb.simulator.record import Call

_EXECUTION_TYPES: Final = ("MARKET", "LIMIT")
"""STOP orders are refused here (ERR-5106)."""


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """What an order asks for; ``price`` is 0 for a market order."""

    side: int
    price: int
    lots: int
    time_in_force: str


def terms(calls: Calls, params: Parameters, lots: int) -> Terms:
    """The terms of ``order``, ``closeOrder`` and ``closeBulkOrder``."""
    side = params.side()
    if params.choice("executionType", _EXECUTION_TYPES) == "MARKET":
        if "price" in params:
            raise errors.parameter()
        if "timeInForce" in params and params.text("timeInForce", 3) != "FAK":
            raise errors.Refusal("ERR-5111")
        return Terms(side, 0, lots, MARKET)
    time_in_force = LIMIT_TIMES.get(params.text("timeInForce", 3), "") if "timeInForce" in params else GTC
    if not time_in_force:
        raise errors.Refusal("ERR-5111")
    price = params.price(calls.exchange.instrument)
    _check_band(calls, side, price)
    return Terms(side, price, lots, time_in_force)


def _check_band(calls: Calls, side: int, price: int) -> None:
    """ERR-5121: bought far below the best bid, or sold far above the best ask."""
    best, pct = calls.exchange.book.best(side), calls.rules.price_band_pct
    if best and pct and (best - price) * side * 100 >= best * pct:
        raise errors.Refusal("ERR-5121")


def place(
    calls: Calls,
    account: Account,
    ordered: Terms,
    symbol: str,
    call: Call,
    *,
    closes: Sequence[tuple[Position, int]] = (),
) -> str:
    """Send an order to the market; answers its id as a text."""
    leveraged = symbol == calls.shapes.leverage
    try:
        placed = calls.exchange.place(
            account, side=ordered.side, price=ordered.price, lots=ordered.lots, time_in_force=ordered.time_in_force,
            symbol=symbol, leveraged=leveraged, closes=closes,
        )  # fmt: skip
    except OrderRefused as refused:
        funds = "ERR-201" if leveraged else "ERR-208"
        raise errors.Refusal(funds if refused.code == "funds" else "ERR-635") from None
    call.order_id, call.filled_lots = placed.order.order_id, placed.filled_lots
    return str(placed.order.order_id)


class OrderCalls:
    """Everything about orders but closing positions."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._changes: dict[int, int] = {}
        self.handlers: Final[Handlers] = {
            ("GET", "orders"): self._orders,
            ("GET", "activeOrders"): self._active,
            ("GET", "executions"): self._executions,
            ("GET", "latestExecutions"): self._latest,
            ("POST", "order"): self._place,
            ("POST", "changeOrder"): self._change,
            ("POST", "cancelOrder"): self._cancel,
            ("POST", "cancelOrders"): self._cancel_several,
            ("POST", "cancelBulkOrder"): self._cancel_bulk,
        }

    def _orders(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        found = [account.order(order_id) for order_id in params.numbers("orderId")]
        return list_of([self._calls.shapes.order(order) for order in found if order is not None])

    def _active(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        symbol = self._calls.symbol(params)
        working = sorted([*account.orders.values(), *account.cancelling.values()], key=_order_id, reverse=True)
        rows = (order for order in working if order.symbol == symbol)
        return page_of(rows, params, self._calls.shapes.order)

    def _executions(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        if ("orderId" in params) == ("executionId" in params):
            raise errors.Refusal("ERR-5208") if "orderId" in params else errors.parameter()
        newest_first = reversed(account.fills)
        if "orderId" in params:
            order_id = params.number("orderId")
            order = account.order(order_id)
            found = _of_order(newest_first, order) if order is not None else []
        else:
            wanted = frozenset(params.numbers("executionId"))
            found = [fill for fill in newest_first if fill.trade_id in wanted]
        return list_of([self._calls.shapes.execution(fill) for fill in found])

    def _latest(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        """Newest first, of the last 24 hours."""
        symbol = self._calls.symbol(params)
        since_ns = self._calls.exchange.now_ns - DAY_NS
        return page_of(_since(account.fills, since_ns, symbol), params, self._calls.shapes.execution)

    def _place(self, account: Account, params: Parameters, call: Call) -> str:
        symbol = self._calls.symbol(params)
        ordered = terms(self._calls, params, params.size(self._calls.exchange.instrument))
        if params.truth("cancelBefore"):
            self._cancel_before(account, ordered, symbol)
        return place(self._calls, account, ordered, symbol, call)

    def _cancel_before(self, account: Account, ordered: Terms, symbol: str) -> None:
        """Free the coins for a market sell of spot: older sells are cancelled, oldest first, while it needs them."""
        if ordered.side != SELL or ordered.time_in_force != MARKET or symbol != self._calls.shapes.spot:
            raise errors.parameter()
        units = self._calls.exchange.purse.units
        for order in tuple(account.orders.values()):
            if account.available(units.base) >= ordered.lots * units.per_lot:
                return
            if order.side == SELL and not order.leveraged:
                self._calls.exchange.cancel(account, order.order_id)

    def _change(self, account: Account, params: Parameters, call: Call) -> object:
        order = self._working(account, params.number("orderId"))
        price = params.price(self._calls.exchange.instrument)
        _check_band(self._calls, order.side, price)
        changes = self._changes.get(order.order_id, 0)
        if changes >= CHANGES_MAX:
            raise errors.Refusal("ERR-5206")
        try:
            self._calls.exchange.change(account, order.order_id, price)
        except OrderRefused:
            raise errors.Refusal("ERR-201" if order.leveraged else "ERR-208") from None
        self._changes = {known: count for known, count in self._changes.items() if known in account.orders}
        self._changes[order.order_id] = changes + 1
        call.order_id, call.filled_lots = order.order_id, order.filled_lots
        return NOTHING

    def _cancel(self, account: Account, params: Parameters, call: Call) -> object:
        self._cancel_one(account, params.number("orderId"), call)
        return NOTHING

    def _cancel_several(self, account: Account, params: Parameters, call: Call) -> dict[str, Any]:
        failed: list[dict[str, Any]] = []
        success: list[int] = []
        for order_id in params.numbers("orderIds"):
            try:
                self._cancel_one(account, order_id, self._line(call, bool(success)))
            except errors.Refusal as refusal:
                failed.append(
                    {"message_code": refusal.code, "message_string": refusal.text, "orderId": order_id}
                )  # fmt: skip
                continue
            success.append(order_id)
        return {"failed": failed, "success": success}

    def _cancel_bulk(self, account: Account, params: Parameters, call: Call) -> list[int]:
        """Ten at most, the oldest first, or the newest first when ``desc``."""
        symbols = params.texts("symbols", self._calls.shapes.symbols)
        side = params.side() if "side" in params else 0
        settle = params.choice("settleType", SETTLE_TYPES) if "settleType" in params else ""
        newest_first = params.truth("desc")
        hit = [order for order in account.orders.values() if _hits(order, symbols, side, settle)]
        hit.sort(key=_order_id, reverse=newest_first)
        chosen = [order.order_id for order in hit[:IDS_MAX]]
        for place_in_list, order_id in enumerate(chosen):
            self._cancel_one(account, order_id, self._line(call, place_in_list > 0))
        return chosen

    def _cancel_one(self, account: Account, order_id: int, call: Call) -> None:
        order = self._working(account, order_id)
        age_ns = self._calls.exchange.now_ns - order.created_ns
        if age_ns < self._calls.rules.order_too_new_ns or self._calls.moods.strike("too_new", call.method):
            raise errors.Refusal("ERR-5122")
        self._calls.exchange.cancel(account, order_id)
        call.order_id, call.filled_lots = order_id, order.filled_lots

    def _line(self, call: Call, more: bool) -> Call:
        """The call's own line in the book of record for the first order, another one for each further order."""
        if not more:
            return call
        return self._calls.record.add(
            received_ns=call.received_ns, key=call.key, method=call.method, nonce=call.nonce, params=call.params
        )

    def _working(self, account: Account, order_id: int) -> Order:
        order = account.orders.get(order_id)
        if order is None:
            raise errors.Refusal("ERR-5123" if account.order(order_id) is None else "ERR-5122")
        return order


def _hits(order: Order, symbols: Sequence[str], side: int, settle: str) -> bool:
    """Whether a bulk cancel means this order; ``settleType`` says nothing about spot orders."""
    if order.symbol not in symbols or side not in (0, order.side):
        return False
    return not settle or not order.leveraged or settle == ("CLOSE" if order.closes else "OPEN")


def _of_order(newest_first: Iterator[Fill], order: Order) -> list[Fill]:
    """All fills of an order, without looking at older ones than its first."""
    found: list[Fill] = []
    for fill in newest_first:
        if len(found) == order.fills:
            break
        if fill.order_id == order.order_id:
            found.append(fill)
    return found


def _since(fills: Sequence[Fill], since_ns: int, symbol: str) -> Iterator[Fill]:
    for fill in reversed(fills):
        if fill.ts_ns < since_ns:
            return
        if fill.order is not None and fill.order.symbol == symbol:
            yield fill


def _order_id(order: Order) -> int:
    return order.order_id

"""Coinbase's shapes of one account: wallets, orders, fills, and the cumulative states of the ``user`` channel."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, final

import msgspec

from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.instrument import SELL
from ztb.core.money import PPM, ceil_div
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.coinbase.shapes import SIDES, Shapes
from ztb.simulator.coinbase.texts import id_text, name_id, plain, quotient, rfc3339
from ztb.simulator.coinbase.tickets import END_TIME, Ticket
from ztb.simulator.news import CANCELLING, AccountEvent, Fill
from ztb.simulator.number_text import fixed_point

TIMES_IN_FORCE: Final = {
    GTC: "GOOD_UNTIL_CANCELLED",
    POST_ONLY: "GOOD_UNTIL_CANCELLED",
    IOC: "IMMEDIATE_OR_CANCEL",
    MARKET: "IMMEDIATE_OR_CANCEL",
    FOK: "FILL_OR_KILL",
}
ENDS: Final = {"filled": "FILLED", "cancelled": "CANCELLED", "expired": "CANCELLED", "rejected": "FAILED"}
"""Only an order that had an end time is ``EXPIRED``; the rest of one that may not rest is cancelled."""
_FIAT: Final = frozenset({"USD", "EUR", "GBP", "JPY", "CAD"})


@final
@dataclass(frozen=True, slots=True)
class _Moment:
    """An order's figures at one moment."""

    filled_lots: int
    notional: int
    fee: int
    fills: int
    price: int
    end: str
    reason: str
    cancelling: bool


class AccountShapes:
    """Builds the answers about accounts."""

    def __init__(self, shapes: Shapes) -> None:
        self._market = shapes
        self._exchange = shapes.exchange

    def user_id(self, account: Account) -> str:
        return name_id(account.key, "user")

    def portfolio_id(self, account: Account) -> str:
        return name_id(account.key, "portfolio")

    def wallets(self, account: Account) -> list[dict[str, Any]]:
        """Every currency that the account has, had or could trade here, empty ones too."""
        units = self._exchange.purse.units
        names = dict.fromkeys((units.base, units.quote, *account.balances))
        return [self._wallet(account, name) for name in names]

    def order(self, account: Account, order: Order, ticket: Ticket) -> dict[str, Any]:
        """One order, every member as in the real answer."""
        market, rejected = self._market, order.end == "rejected"
        filled = market.money(order.notional)
        after_fees = order.notional + order.side * order.fee if order.notional else 0
        return {
            "order_id": id_text("order", order.order_id),
            "product_id": ticket.product_id,
            "user_id": self.user_id(account),
            "order_configuration": ticket.configuration,
            "side": SIDES[order.side],
            "client_order_id": order.client_id,
            "status": status(order),
            "time_in_force": time_in_force(order, ticket),
            "created_time": rfc3339(order.created_ns),
            "completion_percentage": completion(order.lots, order.filled_lots),
            "filled_size": market.size_plain(order.filled_lots),
            "average_filled_price": market.average(order.notional, order.filled_lots),
            "fee": "",
            "number_of_fills": str(order.fills),
            "filled_value": filled,
            "pending_cancel": order.cancelling,
            "size_in_quote": ticket.in_quote,
            "total_fees": market.money(order.fee),
            "size_inclusive_of_fees": ticket.in_quote,
            "total_value_after_fees": market.money(after_fees),
            "trigger_status": "INVALID_ORDER_TYPE",
            "order_type": "MARKET" if order.is_market else "LIMIT",
            "reject_reason": "REJECT_REASON_UNSPECIFIED",
            "settled": order.end == "filled",
            "product_type": "SPOT",
            "reject_message": "Order was rejected" if rejected else "",
            "cancel_message": _cancel_text(order.end, order.reason),
            "order_placement_source": "RETAIL_ADVANCED",
            "outstanding_hold_amount": self._hold(account, order, order.remaining, order.end),
            "is_liquidation": False,
            "last_fill_time": self._last_fill_time(account, order),
            "edit_history": list(ticket.edits),
            "leverage": "",
            "margin_type": "UNKNOWN_MARGIN_TYPE",
            "retail_portfolio_id": self.portfolio_id(account),
            "originating_order_id": "",
            "attached_order_id": "",
            "attached_order_configuration": None,
        }

    def fill(self, account: Account, fill: Fill, order: Order, ticket: Ticket) -> dict[str, Any]:
        """One fill; of an order that was sized in quote, the size is in quote."""
        notional = self._exchange.instrument.notional(fill.price, fill.lots)
        return {
            "entry_id": id_text("entry", fill.trade_id),
            "trade_id": id_text("trade", fill.trade_id),
            "order_id": id_text("order", fill.order_id),
            "trade_time": rfc3339(fill.ts_ns),
            "trade_type": "FILL",
            "price": self._market.price(fill.price),
            "size": self._market.money(notional) if ticket.in_quote else self._market.size_plain(fill.lots),
            "commission": self._market.money(fill.fee),
            "product_id": ticket.product_id,
            "sequence_timestamp": rfc3339(fill.ts_ns),
            "liquidity_indicator": "TAKER" if fill.side == fill.taker_side else "MAKER",
            "size_in_quote": ticket.in_quote,
            "user_id": self.user_id(account),
            "side": SIDES[order.side],
            "retail_portfolio_id": self.portfolio_id(account),
        }

    def state_now(self, account: Account, order: Order, ticket: Ticket) -> dict[str, Any]:
        """The state of an order for the snapshot of the ``user`` channel."""
        moment = _Moment(
            order.filled_lots, order.notional, order.fee, order.fills, order.price, order.end, order.reason,
            order.cancelling,
        )  # fmt: skip
        return self._state(account, order, ticket, moment)

    def state_then(self, account: Account, event: AccountEvent, ticket: Ticket) -> dict[str, Any]:
        """The state of an order after an event, with the figures of that moment."""
        assert event.order is not None
        moment = _Moment(
            event.filled_lots, event.notional, event.fee, event.fills, event.price, event.end, event.reason,
            event.kind == CANCELLING,
        )  # fmt: skip
        return self._state(account, event.order, ticket, moment)

    def summary(self, account: Account) -> dict[str, Any]:
        """``transaction_summary``: the one answer with JSON numbers in it."""
        instrument = self._exchange.instrument
        volume = sum(instrument.notional(fill.price, fill.lots) for fill in account.fills)
        volume_text = _number(instrument.money.decimal(volume))
        fees_text = _number(instrument.money.decimal(sum(fill.fee for fill in account.fills)))
        return {
            "total_volume": volume_text,
            "total_fees": fees_text,
            "fee_tier": {
                "pricing_tier": "Advanced 1",
                "usd_from": "0",
                "usd_to": "10000",
                "taker_fee_rate": plain(Decimal(account.taker_fee_ppm) / PPM),
                "maker_fee_rate": plain(Decimal(account.maker_fee_ppm) / PPM),
                "aop_from": "",
                "aop_to": "",
            },
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": volume_text,
            "advanced_trade_only_fees": fees_text,
            "coinbase_pro_volume": _number(Decimal(0)),
            "coinbase_pro_fees": _number(Decimal(0)),
            "total_balance": "",
            "has_promo_fee": False,
        }

    def permissions(self, account: Account) -> dict[str, Any]:
        return {
            "can_view": "info" in account.rights,
            "can_trade": "trade" in account.rights,
            "can_transfer": "withdraw" in account.rights,
            "portfolio_uuid": self.portfolio_id(account),
            "portfolio_type": "DEFAULT",
        }

    def _wallet(self, account: Account, name: str) -> dict[str, Any]:
        grid, currency = self._exchange.purse.units.grid(name), name.upper()
        return {
            "uuid": name_id(account.key, "wallet", name),
            "name": f"{currency} Wallet",
            "currency": currency,
            "available_balance": {"value": grid.text(account.available(name)), "currency": currency},
            "default": True,
            "active": True,
            "created_at": "2021-05-31T09:59:59Z",
            "updated_at": rfc3339(self._exchange.now_ns),
            "deleted_at": None,
            "type": "ACCOUNT_TYPE_FIAT" if currency in _FIAT else "ACCOUNT_TYPE_CRYPTO",
            "ready": True,
            "hold": {"value": grid.text(account.held.get(name, 0)), "currency": currency},
            "retail_portfolio_id": self.portfolio_id(account),
        }

    def _state(self, account: Account, order: Order, ticket: Ticket, at: _Moment) -> dict[str, Any]:
        market = self._market
        left = 0 if at.end else order.lots - at.filled_lots
        after_fees = at.notional + order.side * at.fee if at.notional else 0
        return {
            "order_id": id_text("order", order.order_id),
            "client_order_id": order.client_id,
            "cumulative_quantity": market.size_plain(at.filled_lots),
            "leaves_quantity": market.size_plain(left),
            "avg_price": market.average(at.notional, at.filled_lots),
            "total_fees": market.money(at.fee),
            "status": _status(at.end, at.reason, is_cancelling=at.cancelling),
            "product_id": ticket.product_id,
            "creation_time": rfc3339(order.created_ns),
            "order_side": SIDES[order.side],
            "order_type": "Market" if order.is_market else "Limit",
            "cancel_reason": _cancel_text(at.end, at.reason),
            "reject_reason": "Order was rejected" if at.end == "rejected" else "",
            "total_value_after_fees": market.money(after_fees),
            "contract_expiry_type": "UNKNOWN_CONTRACT_EXPIRY_TYPE",
            "product_type": "SPOT",
            "risk_managed_by": "UNKNOWN_RISK_MANAGEMENT_TYPE",
            "time_in_force": time_in_force(order, ticket),
            "trigger_status": "INVALID_ORDER_TYPE",
            "limit_price": "" if order.is_market else market.price(at.price),
            "outstanding_hold_amount": self._hold(account, order, left, at.end),
            "post_only": "true" if order.time_in_force == POST_ONLY else "false",
            "number_of_fills": str(at.fills),
            "completion_percentage": completion(order.lots, at.filled_lots),
            "filled_value": market.money(at.notional),
            "retail_portfolio_id": self.portfolio_id(account),
        }

    def _hold(self, account: Account, order: Order, left: int, end: str) -> str:
        if end or order.is_market:
            return "0"
        if order.side == SELL:
            return self._market.size_plain(left)
        notional = self._exchange.instrument.notional(order.price, left)
        return self._market.money(notional + ceil_div(notional * max(0, account.maker_fee_ppm), PPM))

    def _last_fill_time(self, account: Account, order: Order) -> str | None:
        """Searched backwards from the order's end, or from now."""
        fills = account.fills
        end = bisect_right(fills, order.ended_ns, key=_ts_ns) if order.end else len(fills)
        for place in range(end - 1, -1, -1) if order.fills else ():
            if fills[place].order_id == order.order_id:
                return rfc3339(fills[place].ts_ns)
            if fills[place].ts_ns < order.created_ns:
                break
        return None


def status(order: Order) -> str:
    """Coinbase has no word for a partly filled order: it is ``OPEN``."""
    return _status(order.end, order.reason, is_cancelling=order.cancelling)


def time_in_force(order: Order, ticket: Ticket) -> str:
    return "GOOD_UNTIL_DATE_TIME" if ticket.end_ns else TIMES_IN_FORCE[order.time_in_force]


def completion(lots: int, filled_lots: int) -> str:
    """Per cent, to four decimals."""
    return plain(quotient(filled_lots * 100, lots).quantize(Decimal("1e-4")))


def _status(end: str, reason: str, *, is_cancelling: bool) -> str:
    if not end:
        return "CANCEL_QUEUED" if is_cancelling else "OPEN"
    return "EXPIRED" if reason == END_TIME else ENDS[end]


def _cancel_text(end: str, reason: str) -> str:
    if end not in ("cancelled", "expired"):
        return ""
    return "User requested cancel" if reason == "user" else f"Order ended: {reason}"


def _number(value: Decimal) -> msgspec.Raw:
    return msgspec.Raw(fixed_point(value).encode())


def _ts_ns(fill: Fill) -> int:
    return fill.ts_ns

"""What the methods of ``/tapi`` do, once a call is admitted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, Final

from ztb.core.instrument import BUY
from ztb.simulator.accounts import RIGHTS, Account
from ztb.simulator.exchange import Exchange, OrderRefused
from ztb.simulator.moods import Moods
from ztb.simulator.news import Fill
from ztb.simulator.record import Call
from ztb.simulator.zaif import errors
from ztb.simulator.zaif.parameters import Parameters
from ztb.simulator.zaif.rules import HISTORY_COUNT_MAX, ZaifRules
from ztb.simulator.zaif.shapes import Shapes

_SECOND_NS: Final = 1_000_000_000
_REFUSED: Final = {"funds": errors.FUNDS, "full": errors.BUSY}

Handler = Callable[[Account, Parameters, Call], dict[str, Any]]


class Methods:
    """One handler for each method; each answers the ``return`` member or raises ``Refusal``."""

    def __init__(self, exchange: Exchange, shapes: Shapes, moods: Moods, rules: ZaifRules) -> None:
        self._exchange = exchange
        self._shapes = shapes
        self._moods = moods
        self._rules = rules
        self._handlers: Final[Mapping[str, Handler]] = {
            "get_info": self._get_info,
            "get_info2": self._get_info2,
            "get_personal_info": self._get_personal_info,
            "get_id_info": self._get_id_info,
            "active_orders": self._active_orders,
            "trade": self._trade,
            "cancel_order": self._cancel_order,
            "trade_history": self._trade_history,
            "deposit_history": self._money_history,
            "withdraw_history": self._money_history,
        }

    def carry_out(self, method: str, account: Account, form: Mapping[str, str], call: Call) -> dict[str, Any]:
        handler = self._handlers.get(method)
        if handler is None:
            raise errors.Refusal(errors.METHOD)
        return handler(account, Parameters(form), call)

    def _get_info(self, account: Account, _params: Parameters, _call: Call) -> dict[str, Any]:
        return {
            "funds": self._shapes.funds(account, available=True),
            "deposit": self._shapes.funds(account, available=False),
            "rights": {right: int(right in account.rights) for right in RIGHTS},
            "trade_count": len(account.fills),
            "open_orders": len(account.orders),
            "server_time": (self._exchange.now_ns + self._moods.clock_error_ns()) // _SECOND_NS,
        }

    def _get_info2(self, account: Account, params: Parameters, call: Call) -> dict[str, Any]:
        info = self._get_info(account, params, call)
        del info["trade_count"]
        return info

    def _get_personal_info(self, account: Account, _params: Parameters, _call: Call) -> dict[str, Any]:
        return {"ranking_nickname": account.key[:8], "icon_path": ""}

    def _get_id_info(self, account: Account, _params: Parameters, _call: Call) -> dict[str, Any]:
        name = account.key[:8]
        user = {"id": 1, "email": f"{name}@example.invalid", "name": name, "kana": name, "certified": True}
        return {"user": user}

    def _active_orders(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        pair_named = params.pair(self._exchange.pair, required=False)
        both = params.truth("is_token_both")
        token = params.truth("is_token")
        orders = {str(order_id): self._shapes.active_order(order) for order_id, order in sorted(account.orders.items())}
        is_token = self._shapes.is_token
        if both:
            return {
                "active_orders": {} if is_token else orders,
                "token_active_orders": orders if is_token else {},
            }
        return orders if pair_named or token == is_token else {}

    def _trade(self, account: Account, params: Parameters, call: Call) -> dict[str, Any]:
        instrument = self._exchange.instrument
        params.pair(self._exchange.pair, required=True)
        side = params.side()
        price = params.steps("price", instrument.prices, low=1, high=10**18)
        lots = params.steps("amount", instrument.sizes, low=instrument.lots_min, high=instrument.lots_max)
        comment = params.comment()
        params.refuse_take_profit(instrument, price=price, rises=side == BUY)
        try:
            placed = self._exchange.place(account, side=side, price=price, lots=lots, comment=comment)
        except OrderRefused as refused:
            raise errors.Refusal(_REFUSED[refused.code]) from None
        call.order_id = placed.order.order_id
        call.filled_lots = placed.filled_lots
        return {
            "received": self._shapes.numbers.size(placed.filled_lots),
            "remains": self._shapes.numbers.size(placed.order.remaining),
            "order_id": placed.order.order_id if placed.order.remaining else 0,
            "funds": self._shapes.funds(account, available=True),
        }

    def _cancel_order(self, account: Account, params: Parameters, call: Call) -> dict[str, Any]:
        order_id = params.whole("order_id")
        if order_id is None:
            raise errors.invalid("order_id")
        params.pair(self._exchange.pair, required=False)
        params.truth("is_token")
        order = account.orders.get(order_id)
        if order is None:
            raise errors.Refusal(errors.ORDER_NOT_FOUND)
        age_ns = self._exchange.now_ns - order.created_ns
        if age_ns < self._rules.order_too_new_ns or self._moods.strike("too_new", "cancel_order"):
            raise errors.Refusal(errors.ORDER_TOO_NEW)
        self._exchange.cancel(account, order_id)
        call.order_id = order_id
        call.filled_lots = order.lots - order.remaining
        return {"order_id": order_id, "funds": self._shapes.funds(account, available=True)}

    def _trade_history(self, account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        pair_named = params.pair(self._exchange.pair, required=False)
        token = params.truth("is_token")
        skip = params.whole("from", 0) or 0
        count = min(params.whole("count", HISTORY_COUNT_MAX) or 0, HISTORY_COUNT_MAX)
        newest_first = params.newest_first()
        fills, ascending = self._selected(account.fills, params)
        if not pair_named and token != self._shapes.is_token:
            fills = []
        if newest_first and not ascending:
            fills = fills[::-1]
        return {str(fill.trade_id): self._shapes.fill(fill) for fill in fills[skip : skip + count]}

    def _selected(self, fills: list[Fill], params: Parameters) -> tuple[list[Fill], bool]:
        """The fills within the asked bounds, oldest first, and whether a bound was given (that forces the order)."""
        from_id, end_id = params.whole("from_id"), params.whole("end_id")
        since, end = params.whole("since"), params.whole("end")
        low = 0 if from_id is None else bisect_left(fills, from_id, key=_trade_id)
        high = len(fills) if end_id is None else bisect_left(fills, end_id + 1, key=_trade_id)
        if since is not None:
            low = max(low, bisect_left(fills, since, key=_seconds))
        if end is not None:
            high = min(high, bisect_left(fills, end + 1, key=_seconds))
        return fills[low:high], any(bound is not None for bound in (from_id, end_id, since, end))

    def _money_history(self, _account: Account, params: Parameters, _call: Call) -> dict[str, Any]:
        """Nobody pays in or out here."""
        params.required("currency")
        return {}


def _trade_id(fill: Fill) -> int:
    return fill.trade_id


def _seconds(fill: Fill) -> int:
    return fill.ts_ns // _SECOND_NS

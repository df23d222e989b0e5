"""The calls about the market: the same under ``/market/...`` for anybody and without it for those with a key."""

from __future__ import annotations

from typing import Any

from ztb.core.instrument import BUY, SELL
from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.query import Query
from ztb.simulator.coinbase.rules import BOOK_LEVELS_MAX, CANDLES_MAX, GRANULARITIES_S, TRADES_MAX
from ztb.simulator.coinbase.shapes import Shapes
from ztb.simulator.coinbase.texts import rfc3339
from ztb.simulator.prints import Print

_SECOND_NS = 1_000_000_000
_TRADES_DEFAULT = 100
_END_S = 1 << 40


class MarketCalls:
    """Answers about one product and its other name."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._exchange = shapes.exchange

    def time(self, now_ns: int) -> dict[str, Any]:
        """``iso`` to the second, and milliseconds, as texts."""
        seconds = now_ns // _SECOND_NS
        return {
            "iso": rfc3339(now_ns)[:19] + "Z",
            "epochSeconds": str(seconds),
            "epochMillis": str(now_ns // 1_000_000),
        }

    def products(self, query: Query) -> dict[str, Any]:
        wanted = query.many("product_ids")
        product_type = query.one("product_type")
        found = [
            self._shapes.product(product_id)
            for product_id in self._shapes.product_ids
            if (not wanted or product_id in wanted) and product_type in ("", "SPOT")
        ]
        skip, count = query.whole("offset", 0, most=len(found)), query.whole("limit", len(found), most=len(found))
        return {"products": found[skip : skip + count], "num_products": len(found)}

    def product(self, product_id: str) -> dict[str, Any]:
        return self._shapes.product(self._known(product_id))

    def product_book(self, query: Query) -> dict[str, Any]:
        product_id = self._known(query.one("product_id"))
        count = query.whole("limit", BOOK_LEVELS_MAX, most=BOOK_LEVELS_MAX)
        return {"pricebook": self._shapes.pricebook(product_id, count), **self._shapes.spread()}

    def best_bid_ask(self, query: Query) -> dict[str, Any]:
        wanted = query.many("product_ids") or list(self._shapes.product_ids)
        return {"pricebooks": [self._shapes.pricebook(self._known(product_id), 1) for product_id in wanted]}

    def candles(self, product_id: str, query: Query) -> dict[str, Any]:
        """At most 350 of them, newest first."""
        self._known(product_id)
        seconds = GRANULARITIES_S.get(query.one("granularity"))
        if seconds is None:
            raise errors.invalid("granularity is none that is known")
        start_s, end_s = query.whole("start", 0, most=_END_S), query.whole("end", _END_S, most=_END_S)
        if start_s > end_s:
            raise errors.invalid("start is after end")
        if query.one("start") and query.one("end") and (end_s - start_s) // seconds > CANDLES_MAX:
            raise errors.invalid(f"number of candles requested should be less than {CANDLES_MAX}")
        count = query.whole("limit", CANDLES_MAX, most=CANDLES_MAX)
        return {"candles": self._shapes.candles(seconds=seconds, start_s=start_s, end_s=end_s, count=count)}

    def ticker(self, product_id: str, query: Query) -> dict[str, Any]:
        """The newest trades, and the touch."""
        self._known(product_id)
        count = query.whole("limit", _TRADES_DEFAULT, most=TRADES_MAX)
        start_ns = query.whole("start", 0, most=_END_S) * _SECOND_NS
        end_ns = (query.whole("end", _END_S, most=_END_S) + 1) * _SECOND_NS
        found: list[Print] = []
        for trade in reversed(self._exchange.prints.recent):
            if len(found) == count or trade.ts_ns < start_ns:
                break
            if trade.ts_ns < end_ns:
                found.append(trade)
        book = self._exchange.book
        return {
            "trades": [self._shapes.trade_row(trade, product_id) for trade in found],
            "best_bid": self._shapes.price(book.best(BUY)),
            "best_ask": self._shapes.price(book.best(SELL)),
        }

    def _known(self, product_id: str) -> str:
        if product_id not in self._shapes.product_ids:
            raise errors.not_found(f"product {product_id[:40]!r} was not found")
        return product_id

"""GMO Coin's public REST: ``GET /public/v1/...``. What does not exist is HTTP 404 with ``status`` 2."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from ztb.core.instrument import BUY, SELL
from ztb.simulator.dialect import Reply, Request
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo import errors
from ztb.simulator.gmo.envelope import Envelope
from ztb.simulator.gmo.klines import klines
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.gmo.rules import REST_LEVELS, GmoRules
from ztb.simulator.gmo.shapes import Shapes
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import RateWindows, Window
from ztb.simulator.record import Record

PREFIX: Final = "/public"
QUERY_FIELDS_MAX: Final = 50
_DATE: Final = re.compile(r"[0-9]{4}([0-9]{4})?", re.ASCII)
_REFUSED: Final = b"<html><head><title>ERROR: The request could not be satisfied</title></head><body></body></html>\n"


class PublicRest:
    """Answers for anybody."""

    def __init__(
        self, exchange: Exchange, shapes: Shapes, envelope: Envelope, moods: Moods, record: Record, rules: GmoRules
    ) -> None:
        self._exchange = exchange
        self._shapes = shapes
        self._envelope = envelope
        self._moods = moods
        self._record = record
        self._rules = rules
        self._windows = RateWindows()
        self._calls: Final[Mapping[str, Callable[[dict[str, str]], object]]] = {
            "/v1/status": self._status,
            "/v1/ticker": self._ticker,
            "/v1/orderbooks": self._orderbooks,
            "/v1/trades": self._trades,
            "/v1/klines": self._klines,
            "/v1/symbols": self._symbols,
        }

    def handle(self, request: Request) -> Reply:
        if not self._admit(request):
            self._record.rate_refusals["public"] += 1
            return Reply(_REFUSED, status=self._rules.public_refusal_status, content_type="text/html")
        path = request.path.removeprefix(PREFIX)
        try:
            call = self._calls.get(path)
            if call is None or request.method != "GET":
                raise errors.not_found()
            if path != "/v1/status" and self._moods.state("maintenance", self._exchange.now_ns):
                raise errors.maintenance()
            return self._envelope.answer(call(query_members(request.query)), "public")
        except errors.Refusal as refusal:
            return self._envelope.refusal(refusal, "public")

    def _admit(self, request: Request) -> bool:
        calls = self._rules.public_per_second
        return not calls or self._windows.admit(request.peer, "public", Window(calls, 1), request.received_ns)

    def _status(self, _query: dict[str, str]) -> dict[str, str]:
        now_ns = self._exchange.now_ns
        if self._moods.state("maintenance", now_ns):
            return {"status": "MAINTENANCE"}
        return {"status": "PREOPEN" if self._moods.state("preopen", now_ns) else "OPEN"}

    def _ticker(self, query: dict[str, str]) -> list[dict[str, str]]:
        symbols = (self._symbol(query),) if "symbol" in query else self._shapes.symbols
        return [self._shapes.ticker(symbol) for symbol in symbols]

    def _orderbooks(self, query: dict[str, str]) -> dict[str, Any]:
        symbol = self._symbol(query)
        return {
            "asks": self._shapes.levels(SELL, REST_LEVELS),
            "bids": self._shapes.levels(BUY, REST_LEVELS),
            "symbol": symbol,
        }

    def _trades(self, query: dict[str, str]) -> dict[str, Any]:
        self._symbol(query)
        page, count = Parameters(query).page()
        recent = self._exchange.prints.recent
        first = (page - 1) * count
        rows = [recent[-1 - n] for n in range(first, min(first + count, len(recent)))]
        if not rows:
            return {}
        return {
            "pagination": {"currentPage": page, "count": count},
            "list": [self._shapes.trade(trade) for trade in rows],
        }

    def _klines(self, query: dict[str, str]) -> list[dict[str, str]]:
        self._symbol(query)
        date = query.get("date", "")
        if not _DATE.fullmatch(date):
            raise errors.not_found()
        return klines(self._exchange, self._shapes, interval=query.get("interval", ""), date=date)

    def _symbols(self, _query: dict[str, str]) -> list[dict[str, str]]:
        return [self._shapes.rule(symbol) for symbol in self._shapes.symbols]

    def _symbol(self, query: dict[str, str]) -> str:
        symbol = query.get("symbol", "")
        if symbol not in self._shapes.symbols:
            raise errors.not_found()
        return symbol


def query_members(query: str) -> dict[str, str]:
    """The parameters of a query string; ERR-5106 for one that is none."""
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError:
        raise errors.parameter() from None

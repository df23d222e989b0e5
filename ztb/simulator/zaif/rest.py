"""Zaif's public REST: ``GET /api/1/...``. Errors are HTTP 200 with ``{"error": "..."}``; unknown paths are HTML."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ztb.simulator.dialect import Reply, Request
from ztb.simulator.exchange import Exchange
from ztb.simulator.limits import PUBLIC_DEPTH_MAX, PUBLIC_TRADES_MAX
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import RateWindows, Window
from ztb.simulator.record import Record
from ztb.simulator.zaif import errors
from ztb.simulator.zaif.rules import CURRENCIES, ZaifRules
from ztb.simulator.zaif.shapes import Shapes

PREFIX: Final = "/api/1/"
_LISTS: Final = frozenset({"vasp_info", "country_info", "corp_type_id_info"})
_PER_PAIR: Final = frozenset({"last_price", "ticker", "trades", "depth"})
_MEMBERS_MADE_NULL: Final = ("last", "high", "low", "vwap", "bid", "ask")


class PublicRest:
    """Answers for anybody, within the documented ten requests a second."""

    def __init__(self, exchange: Exchange, shapes: Shapes, moods: Moods, record: Record, rules: ZaifRules) -> None:
        self._exchange = exchange
        self._shapes = shapes
        self._moods = moods
        self._record = record
        self._rules = rules
        self._windows = RateWindows()

    def handle(self, request: Request) -> Reply:
        parts = request.path.removeprefix(PREFIX).split("/")
        if not request.path.startswith(PREFIX) or request.method != "GET" or len(parts) != 2 or not all(parts):
            return html(errors.not_found_page(), status=404)
        if not self._admit(request):
            self._record.rate_refusals["public"] += 1
            status = self._rules.public_refusal_status
            return html(errors.refused_page(status), status=status)
        try:
            answer = self._answer(*parts)
        except errors.Refusal as refusal:
            answer = {"error": refusal.text}
        return Reply(msgspec.json.encode(answer))

    def _admit(self, request: Request) -> bool:
        calls = self._rules.public_per_second
        return not calls or self._windows.admit(request.peer, "public", Window(calls, 1), request.received_ns)

    def _answer(self, call: str, subject: str) -> object:
        if call == "currencies":
            units = self._exchange.purse.units
            known = dict.fromkeys((*CURRENCIES, units.base, units.quote))
            return [self._shapes.currency(name) for name in known if subject in (name, "all")]
        if call in _LISTS:
            return []
        if call not in _PER_PAIR and call != "currency_pairs":
            raise errors.Refusal(errors.PUBLIC_METHOD)
        if subject != self._exchange.pair and not (call == "currency_pairs" and subject == "all"):
            raise errors.Refusal(errors.PUBLIC_PAIR)
        match call:
            case "currency_pairs":
                return [self._shapes.currency_pair()]
            case "last_price":
                return {"last_price": self._shapes.last_price()}
            case "ticker":
                return self._ticker()
            case "trades":
                return self._shapes.trades(PUBLIC_TRADES_MAX)
            case _:
                return self._shapes.depth(PUBLIC_DEPTH_MAX)

    def _ticker(self) -> dict[str, Any]:
        ticker = self._shapes.ticker()
        if self._moods.strike("null_ticker"):
            ticker.update(dict.fromkeys(_MEMBERS_MADE_NULL))
        return ticker


def html(page: bytes, *, status: int) -> Reply:
    """A page of the web server in front of the exchange."""
    return Reply(page, status=status, content_type="text/html")

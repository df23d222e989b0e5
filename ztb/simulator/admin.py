"""The exchange's own desk under ``/_sim/``: what it received and did, how it is, and its moods.

For tests, drills and auditors; off unless asked for, reachable from this machine only, never part of a venue's
protocol. Amounts are exact decimal texts. Secrets never appear.

``GET /_sim/status`` · ``GET /_sim/book?key=K&after=N&ended=1`` · ``GET /_sim/mood`` · ``POST /_sim/mood`` with
``{"name": …, "probability": …, "count": …, "ms": …, "methods": […], "seed": …, "from_s": …, "to_s": …}`` or
``{"name": …, "off": true}``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from ztb.core.error import UsageError
from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.dialect import Reply, Request
from ztb.simulator.exchange import Exchange
from ztb.simulator.limits import RECORD_PAGE_MAX
from ztb.simulator.margin import Position
from ztb.simulator.moods import KINDS, Mood, Moods
from ztb.simulator.news import Fill
from ztb.simulator.record import Record

PREFIX: Final = "/_sim/"
_ROLES: Final = {BUY: "buy", SELL: "sell", 0: "both"}


class _MoodOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What may be posted to ``/_sim/mood``."""

    name: str
    probability: float = 1.0
    count: int | None = None
    ms: int = 0
    methods: list[str] = []
    seed: int | None = None
    off: bool = False
    from_s: int | None = None
    to_s: int | None = None


class Admin:
    """Answers under ``/_sim/``."""

    def __init__(self, exchange: Exchange, moods: Moods, record: Record, *, streams: Callable[[], int]) -> None:
        self._exchange = exchange
        self._moods = moods
        self._record = record
        self._streams = streams

    def handle(self, request: Request) -> Reply:
        routes: dict[tuple[str, str], Callable[[Request], dict[str, Any]]] = {
            ("GET", "status"): self._status,
            ("GET", "book"): self._book,
            ("GET", "mood"): self._mood,
            ("POST", "mood"): self._set_mood,
        }
        route = routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            known = ", ".join(f"{method} {PREFIX}{name}" for method, name in routes)
            return _reply({"error": "no such path", "known": known}, status=404)
        try:
            return _reply(route(request))
        except UsageError as error:
            return _reply({"error": error.message, "remedy": error.remedy}, status=400)

    def _status(self, _request: Request) -> dict[str, Any]:
        exchange, market = self._exchange, self._exchange.market
        player = market.player
        prices = exchange.instrument.prices
        return {
            "pair": exchange.pair,
            "now_ns": exchange.now_ns,
            "bid": prices.text(exchange.book.best(BUY)),
            "ask": prices.text(exchange.book.best(SELL)),
            "tape": {
                "position_ns": player.position_ns,
                "events": player.events,
                "passes": player.passes,
                "passes_skipped": player.passes_skipped,
                "exhausted": player.exhausted,
                "nonsense": market.nonsense,
            },
            "requests": dict(self._record.requests),
            "rate_refusals": {kind: self._record.rate_refusals[kind] for kind in ("public", "private")},
            "streams": self._streams(),
            "accounts": len(exchange.purse.accounts),
            "moods": self._moods.active(),
        }

    def _book(self, request: Request) -> dict[str, Any]:
        """Everything, or one account's (``key``), calls after a sequence number (``after``)."""
        query = parse_qs(request.query)
        wanted = query.get("key", [None])[0]
        after = query.get("after", ["0"])[0]
        if not (after.isascii() and after.isdigit() and len(after) <= 18):
            raise UsageError(f"after is {after!r}", remedy="a whole number of 0 or more")
        calls = [
            asdict(call)
            for call in self._record.calls
            if call.sequence > int(after) and (wanted is None or call.key == wanted)
        ]
        accounts = self._exchange.purse.accounts
        money = self._exchange.instrument.money
        return {
            "pair": self._exchange.pair,
            "now_ns": self._exchange.now_ns,
            "calls": calls[:RECORD_PAGE_MAX],
            "calls_dropped": self._record.dropped,
            "calls_more": len(calls) > RECORD_PAGE_MAX,
            "fees": money.text(self._exchange.purse.fees),
            "accounts": {
                key: self._account(account) | (self._ended(account) if "ended" in query else {})
                for key, account in accounts.items()
                if wanted in (None, key)
            },
        }

    def _account(self, account: Account) -> dict[str, Any]:
        grid = self._exchange.purse.units.grid
        return {
            "balances": {name: grid(name).text(units) for name, units in account.balances.items()},
            "held": {name: grid(name).text(units) for name, units in account.held.items()},
            "orders": [self._order(order) for order in account.orders.values()],
            "fills": [self._fill(fill) for fill in account.fills],
            **self._leverage(account),
        }

    def _ended(self, account: Account) -> dict[str, Any]:
        """The newest orders that ended, only where somebody asks (``ended=1``): there are many."""
        return {
            "ended": [
                self._order(order) | {"end": order.end, "reason": order.reason, "ended_ns": order.ended_ns}
                for order in account.ended.values()
            ]
        }

    def _leverage(self, account: Account) -> dict[str, Any]:
        """Positions and their margin, where the account ever had any."""
        if not account.pledged:
            return {}
        grid = self._exchange.purse.units.grid
        return {
            "pledged": {name: grid(name).text(units) for name, units in account.pledged.items()},
            "positions": [self._position(position) for position in account.positions.values()],
        }

    def _position(self, position: Position) -> dict[str, Any]:
        instrument = self._exchange.instrument
        return {
            "position_id": position.position_id,
            "symbol": position.symbol,
            "side": _ROLES[position.side],
            "amount": instrument.sizes.text(position.lots),
            "ordered": instrument.sizes.text(position.lots_ordered),
            "price": instrument.prices.text(position.price),
            "opened_ns": position.opened_ns,
        }

    def _order(self, order: Order) -> dict[str, Any]:
        instrument = self._exchange.instrument
        return {
            "order_id": order.order_id,
            "side": _ROLES[order.side],
            "price": instrument.prices.text(order.price),
            "amount": instrument.sizes.text(order.lots),
            "remaining": instrument.sizes.text(order.remaining),
            "created_ns": order.created_ns,
            "comment": order.comment,
            **({"client_id": order.client_id} if order.client_id else {}),
            **({"symbol": order.symbol} if order.symbol else {}),
        }

    def _fill(self, fill: Fill) -> dict[str, Any]:
        instrument = self._exchange.instrument
        return {
            "trade_id": fill.trade_id,
            "order_id": fill.order_id,
            "ts_ns": fill.ts_ns,
            "side": _ROLES[fill.side],
            "maker": fill.side == -fill.taker_side,
            "price": instrument.prices.text(fill.price),
            "amount": instrument.sizes.text(fill.lots),
            "fee": instrument.money.text(fill.fee),
            "comment": fill.comment,
            **self._fill_of(fill.order, fill),
        }

    def _fill_of(self, order: Order | None, fill: Fill) -> dict[str, Any]:
        """What only venues with client ids, or with leverage, have to tell."""
        told: dict[str, Any] = {}
        if fill.other_order_id:
            told["other_order_id"] = fill.other_order_id
        if order is not None and order.client_id:
            told["client_id"] = order.client_id
        if order is not None and order.symbol:
            told["symbol"] = order.symbol
        if fill.position_id:
            told["position_id"] = fill.position_id
            told["gain"] = self._exchange.instrument.money.text(fill.gain)
        return told

    def _mood(self, _request: Request) -> dict[str, Any]:
        return {"active": self._moods.active(), "known": dict(KINDS)}

    def _set_mood(self, request: Request) -> dict[str, Any]:
        try:
            order = msgspec.json.decode(request.body, type=_MoodOrder)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"no mood in this body: {error}", remedy='{"name": "slow", "ms": 200}') from None
        if order.seed is not None:
            self._moods.seed(order.seed)
        if order.off:
            self._moods.switch_off(order.name)
        else:
            methods = frozenset(order.methods)
            self._moods.switch_on(
                Mood(
                    order.name, order.probability, order.count, order.ms, methods,
                    from_s=order.from_s, to_s=order.to_s,
                )
            )  # fmt: skip
        return {"active": self._moods.active()}


def _reply(answer: dict[str, Any], *, status: int = 200) -> Reply:
    return Reply(msgspec.json.encode(answer), status=status)

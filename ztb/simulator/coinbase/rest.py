"""Coinbase's REST interface: who may ask, how often, and how an answer goes out.

The checks of a private call come in this order: token, rate, permission, parameters. Every answer tells what is left of
the rate limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import msgspec

from ztb.simulator.accounts import Account
from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.account_calls import AccountCalls
from ztb.simulator.coinbase.history import History
from ztb.simulator.coinbase.market import MarketCalls
from ztb.simulator.coinbase.orders import Orders
from ztb.simulator.coinbase.query import Query
from ztb.simulator.coinbase.routes import MOVING, PRIVATE_ROUTES, PUBLIC_ROUTES, Route, find
from ztb.simulator.coinbase.rules import PREFIX, CoinbaseRules
from ztb.simulator.coinbase.token import BadToken, Tokens
from ztb.simulator.dialect import Outcome, Reply, Request
from ztb.simulator.disturbed import html_page, lost_answer
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import RateWindows, Window
from ztb.simulator.record import Call, Record

Handler = Callable[["Asked"], dict[str, Any]]
Headers = tuple[tuple[str, str], ...]

_SECOND_NS: Final = 1_000_000_000
_BEARER: Final = "Bearer "


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """A call that was admitted. ``named`` is the id in its path."""

    account: Account
    query: Query
    named: str
    body: bytes
    call: Call


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """What carries out the calls."""

    market: MarketCalls
    accounts: AccountCalls
    orders: Orders
    history: History


class Rest:
    """Admits calls, has them carried out, and answers, or not, as the moods want it."""

    def __init__(
        self, exchange: Exchange, parts: Parts, tokens: Tokens, moods: Moods, record: Record, rules: CoinbaseRules
    ) -> None:
        self._exchange = exchange
        self._parts = parts
        self._tokens = tokens
        self._moods = moods
        self._record = record
        self._rules = rules
        self._windows = RateWindows()
        self._handlers: Final = _handlers(parts)

    def handle(self, request: Request) -> Outcome:
        """Errors are answers with Coinbase's bodies, never exceptions."""
        if self._moods.state("maintenance", self._exchange.now_ns) is not None:
            return Reply(errors.MAINTENANCE_PAGE, 503, "text/html")
        if not request.path.startswith(f"{PREFIX}/"):
            return self._refused(errors.not_found("no such path"))
        path = request.path.removeprefix(f"{PREFIX}/")
        public = find(PUBLIC_ROUTES, request.method, path)
        if public is not None:
            return self._public(request, *public)
        private = find(PRIVATE_ROUTES, request.method, path)
        if private is None:
            return self._refused(errors.not_found("no such path"))
        return self._private(request, *private)

    def _public(self, request: Request, route: Route, named: str) -> Outcome:
        calls = self._rules.public_per_second
        limit: tuple[str, Window] | None = (f"public {request.peer}", Window(calls, 1)) if calls else None
        headers: Headers = ()
        try:
            headers = self._admit(limit, "public", route.name, request.received_ns)
            return self._reply(self._public_answer(route.name, named, Query(request.query)), route.name, headers)
        except errors.Refusal as refusal:
            return self._refused(refusal, headers)

    def _public_answer(self, name: str, named: str, query: Query) -> dict[str, Any]:
        market = self._parts.market
        match name:
            case "time":
                return market.time(self._exchange.now_ns + self._moods.clock_error_ns())
            case "public_products":
                return market.products(query)
            case "public_product":
                return market.product(named)
            case "public_product_book":
                return market.product_book(query)
            case "public_candles":
                return market.candles(named, query)
            case _:
                return market.ticker(named, query)

    def _private(self, request: Request, route: Route, named: str) -> Outcome:
        headers: Headers = ()
        call = Call(0, request.received_ns, "", route.name, "", {})
        try:
            account = self._authenticate(request)
            self._record.requests[route.name] += 1
            call = self._written_down(request, route, account)
            headers = self._admit(self._limit(account), "private", route.name, request.received_ns, account=account)
            if route.right and route.right not in account.rights:
                raise errors.no_permission()
            answer = self._handlers[route.name](Asked(account, Query(request.query), named, request.body, call))
        except errors.Refusal as refusal:
            call.result = refusal.text
            return self._refused(refusal, headers)
        lost = lost_answer(self._moods, route.name, call) if route.name in MOVING else None
        return lost or self._reply(answer, route.name, headers)

    def _authenticate(self, request: Request) -> Account:
        given = request.headers.get("authorization", "")
        now_s = (self._exchange.now_ns + self._moods.clock_error_ns()) // _SECOND_NS
        try:
            if not given.startswith(_BEARER):
                raise BadToken("no token")
            owner = self._tokens.owner_of_request(
                given.removeprefix(_BEARER), method=request.method, path=request.path,
                host=request.headers.get("host", ""), now_s=now_s,
            )  # fmt: skip
            if self._moods.strike("expired_token"):
                raise BadToken("called expired")
        except BadToken as reason:
            self._record.requests[f"unauthorized: {str(reason)[:60]}"] += 1
            raise errors.unauthorized() from None
        account = self._exchange.account(owner)
        assert account is not None
        return account

    def _written_down(self, request: Request, route: Route, account: Account) -> Call:
        """The call's line in the book of record; calls that cannot move money get one that nobody keeps."""
        if route.name not in MOVING:
            return Call(0, request.received_ns, account.key, route.name, "", {})
        params = _members(request.body)
        return self._record.add(
            received_ns=request.received_ns, key=account.key, method=route.name, nonce="", params=params
        )  # fmt: skip

    def _limit(self, account: Account) -> tuple[str, Window] | None:
        if not self._rules.private_limits:
            return None
        return f"private {account.key}", Window(self._rules.private_per_second, 1)

    def _admit(
        self,
        limit: tuple[str, Window] | None,
        kind: str,
        name: str,
        now_ns: int,
        *,
        account: Account | None = None,
    ) -> Headers:
        """Count the call; the headers that tell what is left."""
        factor = account.limits_factor if account is not None else 1
        admitted = not self._moods.strike("rate_limit", name)
        if limit is not None and admitted:
            admitted = self._windows.admit(limit[0], "second", limit[1], now_ns, factor=factor)
        if account is not None and self._rules.private_limits and self._rules.private_per_hour and admitted:
            hour = Window(self._rules.private_per_hour, 3_600)
            admitted = self._windows.admit(account.key, "hour", hour, now_ns, factor=factor)
        if not admitted:
            self._record.rate_refusals[kind] += 1
            raise errors.too_many()
        if limit is None:
            return ()
        left, reset_s = self._windows.left(limit[0], "second", limit[1], now_ns, factor=factor)
        return (
            ("x-ratelimit-limit", str(limit[1].calls * factor)),
            ("x-ratelimit-remaining", str(left)),
            ("x-ratelimit-reset", str(reset_s)),
        )

    def _reply(self, answer: dict[str, Any], name: str, headers: Headers) -> Reply:
        if name not in MOVING and self._moods.strike("html_instead_of_json", name):
            return html_page()
        if self._moods.strike("reordered_maps", name):
            answer = self._reordered(answer)
        slow = self._moods.strike("slow", name)
        return Reply(msgspec.json.encode(answer), headers=headers, delay_ms=slow.ms if slow else 0)

    def _refused(self, refusal: errors.Refusal, headers: Headers = ()) -> Reply:
        self._record.requests[f"refused: {refusal.status}"] += 1
        if refusal.status == 429:
            headers = (*headers, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1"))
        return Reply(msgspec.json.encode(refusal.body), refusal.status, headers=headers)

    def _reordered(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        if isinstance(value, list):
            return [self._reordered(member) for member in value]
        if not isinstance(value, dict):
            return value
        return {name: self._reordered(member) for name, member in self._moods.shuffled(list(value.items()))}


def _members(body: bytes) -> dict[str, str]:
    """What the body says, for the book of record; members that are no texts as JSON."""
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
        return {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in members.items()
        }
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _handlers(parts: Parts) -> Mapping[str, Handler]:
    market, accounts, orders, history = parts.market, parts.accounts, parts.orders, parts.history
    return {
        "create_order": lambda asked: orders.create(asked.account, asked.body, asked.call),
        "batch_cancel": lambda asked: orders.cancel(asked.account, asked.body, asked.call),
        "edit": lambda asked: orders.edit(asked.account, asked.body, asked.call),
        "preview": lambda asked: orders.preview(asked.account, asked.body),
        "list_orders": lambda asked: history.orders(asked.account, asked.query),
        "fills": lambda asked: history.fills(asked.account, asked.query),
        "get_order": lambda asked: history.order(asked.account, asked.named),
        "accounts": lambda asked: accounts.accounts(asked.account, asked.query),
        "account": lambda asked: accounts.account(asked.account, asked.named),
        "transaction_summary": lambda asked: accounts.summary(asked.account),
        "key_permissions": lambda asked: accounts.permissions(asked.account),
        "best_bid_ask": lambda asked: market.best_bid_ask(asked.query),
        "product_book": lambda asked: market.product_book(asked.query),
        "products": lambda asked: market.products(asked.query),
        "product": lambda asked: market.product(asked.named),
        "candles": lambda asked: market.candles(asked.named, asked.query),
        "ticker": lambda asked: market.ticker(asked.named, asked.query),
    }

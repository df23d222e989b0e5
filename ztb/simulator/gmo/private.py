"""GMO Coin's private REST: who may call, how often, and what becomes of the answer on its way.

The checks come in this order: maintenance, key, timestamp, signature, path, permission, rate, parameters. The
signature is over the raw bytes of a POST; of PUT and DELETE the body is not signed. Every refusal but an unknown path
is HTTP 200.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ztb.simulator.accounts import Account
from ztb.simulator.dialect import Outcome, Request
from ztb.simulator.disturbed import lost_answer
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo import errors
from ztb.simulator.gmo.account import AccountCalls
from ztb.simulator.gmo.calls import Calls, Handler
from ztb.simulator.gmo.envelope import Envelope
from ztb.simulator.gmo.orders import OrderCalls
from ztb.simulator.gmo.parameters import Parameters
from ztb.simulator.gmo.positions import PositionCalls
from ztb.simulator.gmo.rest import query_members
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.gmo.shapes import Shapes
from ztb.simulator.gmo.token_calls import TokenCalls
from ztb.simulator.gmo.tokens import Tokens
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import RateWindows, Window
from ztb.simulator.record import Call, Record

PREFIX: Final = "/private"
_TIMESTAMP: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_UNSIGNED_BODY: Final = frozenset({"PUT", "DELETE"})
_TRADE: Final = frozenset(
    {
        "order", "changeOrder", "cancelOrder", "cancelOrders", "cancelBulkOrder", "closeOrder", "closeBulkOrder",
        "changeLosscutPrice",
    }
)  # fmt: skip
"""Calls that need the right to trade, and that stand in the book of record."""
_WHILE_PREOPEN: Final = frozenset({"cancelOrder", "cancelOrders", "cancelBulkOrder"})


class PrivateRest:
    """Admits calls, has them carried out, and answers, or not, as the moods want it."""

    def __init__(
        self, exchange: Exchange, shapes: Shapes, envelope: Envelope, tokens: Tokens, moods: Moods, record: Record,
        rules: GmoRules,
    ) -> None:  # fmt: skip
        self._exchange = exchange
        self._envelope = envelope
        self._moods = moods
        self._record = record
        self._rules = rules
        self._windows = RateWindows()
        calls = Calls(exchange, shapes, moods, record, rules)
        self._handlers: Final[Mapping[tuple[str, str], Handler]] = {
            **AccountCalls(calls).handlers,
            **OrderCalls(calls).handlers,
            **PositionCalls(calls).handlers,
            **TokenCalls(calls, tokens).handlers,
        }

    def handle(self, request: Request) -> Outcome:
        path = request.path.removeprefix(PREFIX)
        method = path.removeprefix("/v1/")
        try:
            if self._moods.state("maintenance", self._exchange.now_ns):
                raise errors.maintenance()
            account = self._authenticate(request, path)
            handler = self._handlers.get((request.method, method))
            if handler is None:
                raise errors.not_found("ERR-5204")
            members = _members(request)
        except errors.Refusal as refusal:
            self._record.requests[refusal.code] += 1
            return self._envelope.refusal(refusal, method)
        self._record.requests[method] += 1
        call = self._written_down(request, account, method, members)
        try:
            self._admit(request, account, method)
            data = handler(account, Parameters(members), call)
        except errors.Refusal as refusal:
            call.result = refusal.code
            self._record.rate_refusals["private"] += refusal.code == "ERR-5003"
            return self._envelope.refusal(refusal, method)
        lost = lost_answer(self._moods, method, call) if method in _TRADE else None
        return lost or self._envelope.answer(data, method)

    def _authenticate(self, request: Request, path: str) -> Account:
        key, timestamp = request.headers.get("api-key", ""), request.headers.get("api-timestamp", "")
        if not key:
            raise errors.Refusal("ERR-5011")
        if not _TIMESTAMP.fullmatch(timestamp):
            raise errors.Refusal("ERR-5007")
        account = self._exchange.account(key)
        if account is None:
            raise errors.Refusal("ERR-5012")
        shown_ns = request.received_ns + self._moods.clock_error_ns()
        ahead_ns = int(timestamp) * 1_000_000 - shown_ns
        if abs(ahead_ns) > self._rules.timestamp_window_ns:
            raise errors.Refusal("ERR-5008" if ahead_ns > 0 else "ERR-5009")
        body = b"" if request.method in _UNSIGNED_BODY else request.body
        text = f"{timestamp}{request.method}{path}".encode() + body
        expected = hmac.new(account.secret.encode(), text, hashlib.sha256).hexdigest()
        given = request.headers.get("api-sign", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected.encode(), given):
            raise errors.Refusal("ERR-5010")
        return account

    def _written_down(self, request: Request, account: Account, method: str, members: Mapping[str, Any]) -> Call:
        """The call's line in the book of record; calls that cannot move money get one that nobody keeps."""
        timestamp = request.headers["api-timestamp"]
        if method not in _TRADE:
            return Call(0, request.received_ns, account.key, method, timestamp, {})
        params = {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in members.items()
        }
        return self._record.add(
            received_ns=request.received_ns, key=account.key, method=method, nonce=timestamp, params=params
        )

    def _admit(self, request: Request, account: Account, method: str) -> None:
        """Permission, rate and the state of the market, in this order."""
        if ("trade" if method in _TRADE else "info") not in account.rights:
            raise errors.Refusal("ERR-5012")
        window = Window(self._rules.private_per_second, 1)
        counted = request.method in ("GET", "POST") and self._rules.private_limits
        if self._moods.strike("rate_limit", method) or (
            counted
            and not self._windows.admit(
                account.key, request.method, window, request.received_ns, factor=account.limits_factor
            )
        ):
            raise errors.Refusal("ERR-5003")
        if method not in _TRADE:
            return
        if method not in _WHILE_PREOPEN and self._moods.state("preopen", self._exchange.now_ns):
            raise errors.Refusal("ERR-5203")
        if self._moods.strike("reject_busy", method):
            raise errors.Refusal("ERR-626")


def _members(request: Request) -> dict[str, Any]:
    """The parameters, from the query of a GET or the body of any other call. No body is like an empty object."""
    if request.method == "GET":
        return query_members(request.query)
    if not request.body:
        return {}
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise errors.parameter() from None

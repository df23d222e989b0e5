"""Coinbase as a whole: which part of its protocol answers a request."""

from __future__ import annotations

import time
from collections.abc import Callable

from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.account_calls import AccountCalls
from ztb.simulator.coinbase.account_shapes import AccountShapes
from ztb.simulator.coinbase.history import History
from ztb.simulator.coinbase.market import MarketCalls
from ztb.simulator.coinbase.orders import Orders
from ztb.simulator.coinbase.rest import Parts, Rest
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.coinbase.shapes import Shapes
from ztb.simulator.coinbase.stream import CoinbaseStream, Feeds
from ztb.simulator.coinbase.tickets import Tickets
from ztb.simulator.coinbase.token import Tokens
from ztb.simulator.dialect import Outcome, Reply, Request, Stream
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import Window
from ztb.simulator.record import Record

STREAM_PATH = "/"


class CoinbaseVenue:
    """The dialect ``coinbase``. UsageError when an account has no public key, or a wrong one."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        moods: Moods,
        record: Record,
        rules: CoinbaseRules | None = None,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules if rules is not None else CoinbaseRules()
        self._exchange = exchange
        self._moods = moods
        tickets = Tickets()
        shapes = Shapes(exchange, self._rules)
        account_shapes = AccountShapes(shapes)
        pems = {key: account.public_key_pem for key, account in exchange.purse.accounts.items()}
        tokens = Tokens(pems, self._rules)
        self._orders = Orders(shapes, tickets, moods)
        parts = Parts(
            MarketCalls(shapes), AccountCalls(account_shapes), self._orders, History(account_shapes, tickets, moods)
        )
        self._rest = Rest(exchange, parts, tokens, moods, record, self._rules)
        self._feeds = Feeds(
            exchange, shapes, account_shapes, tickets, tokens, moods, self._rules, self._orders.expire_due, wall_s
        )  # fmt: skip

    def handle(self, request: Request) -> Outcome:
        self._orders.expire_due()
        return self._rest.handle(request)

    def open_stream(self, request: Request) -> Stream | Reply:
        """Market and account on one address; too many new sockets are refused."""
        if self._moods.state("maintenance", self._exchange.now_ns) is not None:
            return Reply(errors.MAINTENANCE_PAGE, 503, "text/html")
        if request.path != STREAM_PATH:
            return Reply(b"not found", 404, "text/plain")
        sockets = self._rules.sockets_per_second
        if sockets and not self._feeds.windows.admit(request.peer, "sockets", Window(sockets, 1), request.received_ns):
            return Reply(b"too many connections", 429, "text/plain")
        return CoinbaseStream(self._feeds, peer=request.peer)

"""GMO Coin as a whole: which part of its protocol answers a request."""

from __future__ import annotations

import time
from collections.abc import Callable

from ztb.simulator.dialect import Outcome, Reply, Request, Stream
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo import errors, private, rest
from ztb.simulator.gmo.account_stream import AccountStream
from ztb.simulator.gmo.envelope import Envelope
from ztb.simulator.gmo.frames import AccountFrames, MarketFrames
from ztb.simulator.gmo.market_stream import MarketStream
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.gmo.shapes import Shapes
from ztb.simulator.gmo.subscriptions import CommandLimit
from ztb.simulator.gmo.tokens import Tokens
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record

PUBLIC_STREAM = "/ws/public/v1"
PRIVATE_STREAM = "/ws/private/v1/"


class GmoVenue:
    """The dialect ``gmo``."""

    def __init__(
        self, exchange: Exchange, *, moods: Moods, record: Record, rules: GmoRules | None = None,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._rules = rules if rules is not None else GmoRules()
        self._exchange = exchange
        self._moods = moods
        self._wall_s = wall_s
        shapes = Shapes(exchange, moods)
        self._envelope = Envelope(exchange, shapes, moods)
        self._tokens = Tokens(self._rules)
        self._public = rest.PublicRest(exchange, shapes, self._envelope, moods, record, self._rules)
        self._private = private.PrivateRest(
            exchange, shapes, self._envelope, self._tokens, moods, record, self._rules
        )  # fmt: skip
        self._market_frames = MarketFrames(exchange, shapes)
        self._account_frames = AccountFrames(shapes)
        self._limit = CommandLimit(self._rules.subscribe_interval_ns)

    def handle(self, request: Request) -> Outcome:
        if request.path.startswith(f"{rest.PREFIX}/"):
            return self._public.handle(request)
        if request.path.startswith(f"{private.PREFIX}/"):
            return self._private.handle(request)
        return self._envelope.refusal(errors.not_found(), "")

    def open_stream(self, request: Request) -> Stream | Reply:
        if self._moods.state("maintenance", self._exchange.now_ns):
            return Reply(b"", status=503, content_type="text/plain")
        if request.path == PUBLIC_STREAM:
            return MarketStream(
                self._exchange, self._market_frames, self._limit, request.peer, self._moods, self._rules, self._wall_s
            )
        if request.path.startswith(PRIVATE_STREAM):
            token = request.path.removeprefix(PRIVATE_STREAM)
            return AccountStream(
                self._exchange, self._account_frames, self._tokens, token, self._limit, request.peer, self._moods,
                self._rules, self._wall_s,
            )  # fmt: skip
        return self._envelope.refusal(errors.not_found(), "")

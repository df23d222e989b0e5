"""An account, public calls and the private socket against one scripted server."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.venues.gmo.samples import BOTH, answer_body, refusal_body
from tests.venues.loopback import Answer, Loopback, Request, loopback, reply
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.command import Place
from ztb.core.instrument import BUY
from ztb.venues.gmo import rules
from ztb.venues.gmo.account import GmoAccount
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.limiter import Limiter
from ztb.venues.transport import Transport

KEY, SECRET = "gmo-key-of-a-test", "gmo-secret-of-a-test"


def order(**changes: Any) -> Place:  # noqa: ANN401
    """Buy 0.01 BTC at 13,690,000 JPY, on leverage."""
    members: dict[str, Any] = {
        "ts_ns": 0,
        "client_id": "ztb-0123456789abcdef0123",
        "instrument": "BTC_JPY",
        "side": BUY,
        "lots": 10,
        "price": 13_690_000,
        "reduce_only": False,
        "sequence": 1,
        "reason": "test",
    }
    return Place(**(members | changes))


def answer(data: object) -> Answer:
    return reply(answer_body(data))


def refusal(code: str, text: str = "") -> Answer:
    return reply(refusal_body(code, text))


def by_page(*pages: object) -> Answer:
    """Answers with the page that is asked for."""

    async def told(request: Request, writer: asyncio.StreamWriter) -> None:
        number = int(request.target.partition("page=")[2].partition("&")[0])
        await answer(pages[number - 1])(request, writer)

    return told


class Desk:
    """One key and the public calls, with what the server saw."""

    def __init__(self, server: Loopback, clock: ScriptedClock) -> None:
        self.server = server
        self.clock = clock
        self.transport = Transport(server.url, read_s_max=0.3, exchange_s_max=1.0)
        self.limiter = Limiter(rules.RATE_RULES, clock=clock)
        self.public = GmoPublic(self.transport, limiter=self.limiter, clock=clock)
        self.calls = SignedCalls(self.transport, key=KEY, secret=SECRET, limiter=self.limiter, time=self.public.time)
        self.account = GmoAccount(self.calls, instruments=BOTH)

    def sent(self) -> list[tuple[str, str, object]]:
        """Method, target and members of each request."""
        return [
            (request.method, request.target, json.loads(request.body) if request.body else None)
            for request in self.server.requests
        ]

    def is_well_signed(self, request: Request) -> bool:
        """Worked out here once more, as the venue's page says."""
        path = request.target.partition("?")[0].removeprefix("/private")
        text = request.headers["api-timestamp"] + request.method + path
        signed = text.encode() + (request.body if request.method == "POST" else b"")
        sign = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        return request.headers["api-sign"] == sign and request.headers["api-key"] == KEY


@asynccontextmanager
async def desk(*script: Answer) -> AsyncIterator[Desk]:
    async with loopback(*script) as server:
        made = Desk(server, ScriptedClock())
        try:
            yield made
        finally:
            await made.transport.close()

"""An account and the public calls of the adapter against one server whose answers a test writes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.venues.coinbase.samples import BTC_USD, KEY_NAME, private_pem, verified
from tests.venues.loopback import Answer, Loopback, Request, loopback, reply
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.command import GTC, Place
from ztb.core.instrument import BUY
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.account import CoinbaseAccount
from ztb.venues.coinbase.calls import SignedCalls
from ztb.venues.coinbase.rest import CoinbasePublic
from ztb.venues.coinbase.sign import Signer
from ztb.venues.limiter import Limiter
from ztb.venues.port import ApiKeys, AtWire
from ztb.venues.transport import Transport

API = "/api/v3/brokerage"
TAG = "ztb-0123456789abcdef0123"
WIRE = "7a746201-2345-8678-89ab-cdef01230000"
ORDER_ID = "11111111-aaaa-bbbb-cccc-000000000001"


def order(
    time_in_force: str = GTC, *, side: int = BUY, lots: int = 100_000, price: int = 1_000_000, tag: str = TAG
) -> Place:
    return Place(0, tag, "BTC-USD", side, lots, price, False, 1, "test", time_in_force)


class Desk:
    """The parts, as a venue object puts them together."""

    def __init__(
        self,
        server: Loopback,
        *,
        at_wire: AtWire | None = None,
        ids_as_uuid: bool = True,
        address: str = "",
        uds: Path | None = None,
    ) -> None:
        self.server = server
        self.clock = ScriptedClock()
        way = None if uds is None else str(uds)
        self.transport = Transport(server.url, uds=way, read_s_max=1.0, exchange_s_max=5.0)
        self.limiter = Limiter(rules.RATE_RULES, clock=self.clock)
        self.public = CoinbasePublic(self.transport, limiter=self.limiter, clock=self.clock)
        self.calls = SignedCalls(
            self.transport,
            address=address or server.url,
            signer=Signer(ApiKeys(KEY_NAME, private_pem())),
            limiter=self.limiter,
            time=self.public.time,
        )
        self.account = CoinbaseAccount(
            self.calls, instruments={"BTC-USD": BTC_USD}, ids_as_uuid=ids_as_uuid, at_wire=at_wire
        )

    def target(self, number: int = -1) -> tuple[str, str, list[tuple[str, str]]]:
        """Method, path under the API and parameters of one request."""
        request = self.server.requests[number]
        parts = urlsplit(request.target)
        assert parts.path.startswith(API + "/")
        return request.method, parts.path.removeprefix(API + "/"), parse_qsl(parts.query, strict_parsing=False)

    def body(self, number: int = -1) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.server.requests[number].body)


def claims_of(request: Request) -> Mapping[str, Any]:
    """What the token of a request says, its signature verified."""
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    return verified(token)[1]


def says(value: object, status: str = "200 OK", headers: str = "content-type: application/json") -> Answer:
    return reply(json.dumps(value), status=status, headers=headers)


@asynccontextmanager
async def desk(*script: Answer, at_wire: AtWire | None = None, ids_as_uuid: bool = True) -> AsyncIterator[Desk]:
    async with loopback(*script) as server:
        made = Desk(server, at_wire=at_wire, ids_as_uuid=ids_as_uuid)
        try:
            yield made
        finally:
            await made.transport.close()

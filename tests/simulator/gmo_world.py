"""The small exchange of ``world`` as GMO Coin, and a client that signs as GMO's documentation wants it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.simulator.world import ALICE, BOB, BTC_JPY, QUIET, SECRETS, ManualClock, account
from ztb.simulator.accounts import Account
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import GmoRules, fee_unit
from ztb.simulator.gmo.venue import GmoVenue
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent


class GmoClient:
    """Speaks to one simulator over real sockets."""

    def __init__(self, world: GmoWorld, key: str = ALICE) -> None:
        self._world = world
        self.key = key

    def headers(self, method: str, path: str, body: str = "", *, ahead_ms: int = 0) -> dict[str, str]:
        timestamp = str(self._world.clock.now_ns() // 1_000_000 + ahead_ms)
        signed = body if method == "POST" else ""
        text = f"{timestamp}{method}{path}{signed}"
        sign = hmac.new(SECRETS[self.key].encode(), text.encode(), hashlib.sha256).hexdigest()
        return {"API-KEY": self.key, "API-TIMESTAMP": timestamp, "API-SIGN": sign}

    async def public(self, path: str, **query: str) -> httpx.Response:
        return await self._world.http.get(f"{self._world.url}/public/v1/{path}", params=query)

    async def raw(self, method: str, path: str, body: object = None, **query: str) -> httpx.Response:
        text = "" if body is None else json.dumps(body)
        url = f"{self._world.url}/private/v1/{path}"
        headers = self.headers(method, f"/v1/{path}", text)
        return await self._world.http.request(method, url, params=query, content=text or None, headers=headers)

    async def call(self, method: str, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401
        """The ``data`` of a call that must succeed; None where there is none."""
        response = await self.raw(method, path, body, **query)
        assert response.status_code == 200
        answer = response.json()
        assert answer["status"] == 0, answer
        return answer.get("data")

    async def refused(self, method: str, path: str, body: object = None, **query: str) -> str:
        """The code of a call that must be refused under HTTP 200."""
        response = await self.raw(method, path, body, **query)
        assert response.status_code == 200
        answer = response.json()
        assert answer["status"] in (1, 5), answer
        assert "data" not in answer
        (message,) = answer["messages"]
        assert set(message) == {"message_code", "message_string"}
        code = message["message_code"]
        assert isinstance(code, str)
        return code

    async def order(self, side: str, price: int | None, size: str, *, symbol: str = "BTC", tif: str = "") -> int:
        """Place an order; a market order where no price is given."""
        body: dict[str, Any] = {"symbol": symbol, "side": side, "size": size}
        body["executionType"] = "MARKET" if price is None else "LIMIT"
        if price is not None:
            body["price"] = str(price)
        if tif:
            body["timeInForce"] = tif
        answer = await self.call("POST", "order", body)
        assert isinstance(answer, str)
        return int(answer)

    async def look_up(self, order_id: int) -> Any:  # noqa: ANN401 - JSON
        (row,) = (await self.call("GET", "orders", orderId=str(order_id)))["list"]
        return row


class GmoWorld:
    """A running simulator with its parts at hand."""

    def __init__(
        self, server: SimulatorServer, made: Exchange, moods: Moods, record: Record, clock: ManualClock, port: int
    ) -> None:
        self.server = server
        self.exchange = made
        self.moods = moods
        self.record = record
        self.clock = clock
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.AsyncClient(timeout=30, trust_env=False)

    def client(self, key: str = ALICE) -> GmoClient:
        return GmoClient(self, key)

    @asynccontextmanager
    async def market_stream(self, *commands: dict[str, str]) -> AsyncIterator[ClientConnection]:
        async with connect(f"ws://127.0.0.1:{self.port}/ws/public/v1", proxy=None) as socket:
            await self.say(socket, *commands)
            yield socket

    @asynccontextmanager
    async def account_stream(
        self, *channels: str, key: str = ALICE, token: str = ""
    ) -> AsyncIterator[ClientConnection]:
        used = token or await self.client(key).call("POST", "ws-auth", {})
        async with connect(f"ws://127.0.0.1:{self.port}/ws/private/v1/{used}", proxy=None) as socket:
            await self.say(socket, *({"command": "subscribe", "channel": channel} for channel in channels))
            yield socket

    async def say(self, socket: ClientConnection, *commands: dict[str, str]) -> None:
        """Send commands, a second of the exchange's time apart."""
        for command in commands:
            self.clock.pass_seconds(1)
            await socket.send(json.dumps(command))
            # The answer to a ping says that what came before it was read.
            await (await socket.ping())


@asynccontextmanager
async def running(
    events: Sequence[MarketEvent] = tuple(QUIET),
    *,
    accounts: Sequence[Account] = (),
    rules: GmoRules | None = None,
    wall_s: Callable[[], float] | None = None,
) -> AsyncIterator[GmoWorld]:
    def tape() -> Iterator[MarketEvent]:
        return iter(events)

    owners = accounts or (account(ALICE, maker=-100, taker=500), account(BOB, maker=-100, taker=500))
    made = Exchange(BTC_JPY, tape, owners, loop=False, self_trade=EXPIRE_NEWER, fee_unit=fee_unit(BTC_JPY))
    moods, record, clock = Moods(seed=1), Record(), ManualClock()
    chosen = rules or GmoRules(public_per_second=0)
    more = {} if wall_s is None else {"wall_s": wall_s}
    venue = GmoVenue(made, moods=moods, record=record, rules=chosen, **more)
    server = SimulatorServer(made, venue, clock=clock, moods=moods, record=record, admin=True)
    address = await server.start()
    world = GmoWorld(server, made, moods, record, clock, address.port)
    try:
        yield world
    finally:
        await world.http.aclose()
        await server.stop()

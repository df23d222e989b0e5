"""A small exchange for the tests: btc_jpy as Zaif has it, a hand-made tape, two accounts, a clock set by hand."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx

from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.simulator.accounts import Account, Units
from ztb.simulator.dialect import Clock
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent
from ztb.simulator.zaif.rules import ZaifRules
from ztb.simulator.zaif.venue import ZaifVenue

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
TAPE_NS = 1_600_000_000 * SECOND_NS

BTC_JPY = Instrument(
    "btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4, maker_fee_ppm=0, taker_fee_ppm=1_000
)  # fmt: skip

ALICE, BOB = "11111111-2222-3333-4444-555555555555", "bob"
SECRETS = {ALICE: "66666666-7777-8888-9999-000000000000", BOB: "bobs secret"}


def ticks(yen: int) -> int:
    assert yen % 5 == 0
    return yen // 5


def quote(second: float, bid: int, ask: int, *, bid_lots: int = 10_000, ask_lots: int = 10_000) -> Quote:
    """Prices in yen."""
    return Quote(TAPE_NS + int(second * SECOND_NS), "btc_jpy", ticks(bid), bid_lots, ticks(ask), ask_lots)


def trade(second: float, price: int, lots: int, side: int) -> Trade:
    return Trade(TAPE_NS + int(second * SECOND_NS), "btc_jpy", ticks(price), lots, side)


def depth(
    second: float, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], *, is_snapshot: bool = True
) -> Depth:
    levels = [tuple((ticks(price), lots) for price, lots in side) for side in (bids, asks)]
    return Depth(TAPE_NS + int(second * SECOND_NS), "btc_jpy", levels[0], levels[1], is_snapshot)


QUIET: list[MarketEvent] = [
    depth(0, [(13_689_995, 3_000), (13_689_000, 10_000)], [(13_690_000, 5_000), (13_690_005, 123)]),
    trade(1, 13_690_000, 20, 1),
]
"""The book of the sample answers; then nothing for a day."""


class ManualClock:
    """Time that moves only when the test says so. ``sleep`` gives way to the loop for a moment of the wall."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.time_ns = now_ns
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self.time_ns

    def pass_seconds(self, seconds: float) -> None:
        self.time_ns += int(seconds * SECOND_NS)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.002)

    @property
    def scale(self) -> float:
        return 1.0


def account(key: str = ALICE, *, jpy: str = "1000000", btc: str = "1.0", maker: int = 0, taker: int = 1_000) -> Account:
    units = Units(BTC_JPY)
    balances = {"jpy": units.grid("jpy").parse(jpy), "btc": units.grid("btc").parse(btc)}
    return Account(key, SECRETS.get(key, "secret"), balances, maker_fee_ppm=maker, taker_fee_ppm=taker)


def exchange(
    events: Sequence[MarketEvent] = tuple(QUIET), *, accounts: Sequence[Account] = (), loop: bool = False
) -> Exchange:
    def tape() -> Iterator[MarketEvent]:
        return iter(events)

    made = Exchange(BTC_JPY, tape, accounts or (account(ALICE), account(BOB)), loop=loop)
    made.start(START_NS)
    return made


class Client:
    """Signs as Zaif wants it and speaks to one simulator over real sockets."""

    def __init__(self, url: str, http: httpx.AsyncClient, key: str = ALICE, *, nonce: int = 1) -> None:
        self.url = url
        self.http = http
        self.key = key
        self._nonces = itertools.count(nonce)

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(f"{self.url}{path}")

    async def post(self, body: str, headers: dict[str, str]) -> httpx.Response:
        return await self.http.post(f"{self.url}/tapi", content=body.encode(), headers=headers)

    async def raw(self, method: str, **params: str | int) -> httpx.Response:
        form = {"nonce": next(self._nonces), "method": method, **params}
        body = urlencode(form)
        return await self.post(body, self.signed(body))

    async def call(self, method: str, **params: str | int) -> Any:  # noqa: ANN401 - whatever the venue says
        """The ``return`` of a call that must succeed."""
        response = await self.raw(method, **params)
        assert response.status_code == 200
        answer = response.json(parse_float=Decimal)
        assert answer["success"] == 1, answer
        return answer["return"]

    async def refused(self, method: str, **params: str | int) -> str:
        """The text of a call that must be refused."""
        response = await self.raw(method, **params)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        answer = response.json()
        assert set(answer) == {"success", "error"}
        assert answer["success"] == 0
        text = answer["error"]
        assert isinstance(text, str)
        return text

    def signed(self, body: str) -> dict[str, str]:
        sign = hmac.new(SECRETS[self.key].encode(), body.encode(), hashlib.sha512).hexdigest()
        return {"key": self.key, "sign": sign}


class World:
    """A running simulator with its parts at hand."""

    def __init__(self, server: SimulatorServer, made: Exchange, moods: Moods, record: Record, port: int) -> None:
        self.server = server
        self.exchange = made
        self.moods = moods
        self.record = record
        self.url = f"http://127.0.0.1:{port}"
        self.stream_url = f"ws://127.0.0.1:{port}/stream"
        self.port = port
        self.http = httpx.AsyncClient(timeout=30, trust_env=False)

    def client(self, key: str = ALICE, *, nonce: int = 1) -> Client:
        return Client(self.url, self.http, key, nonce=nonce)


@asynccontextmanager
async def running(
    events: Sequence[MarketEvent] = tuple(QUIET),
    *,
    clock: Clock | None = None,
    accounts: Sequence[Account] = (),
    rules: ZaifRules | None = None,
    loop: bool = False,
) -> AsyncIterator[World]:
    def tape() -> Iterator[MarketEvent]:
        return iter(events)

    made = Exchange(BTC_JPY, tape, accounts or (account(ALICE), account(BOB)), loop=loop)
    moods, record = Moods(seed=1), Record()
    venue = ZaifVenue(made, moods=moods, record=record, rules=rules)
    server = SimulatorServer(
        made, venue, clock=clock or ManualClock(), moods=moods, record=record, admin=True
    )  # fmt: skip
    address = await server.start()
    world = World(server, made, moods, record, address.port)
    try:
        yield world
    finally:
        await world.http.aclose()
        await server.stop()

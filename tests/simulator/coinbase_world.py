"""A small Coinbase for the tests: BTC-USD as its samples have it, two accounts with keys, a clock set by hand."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from websockets.asyncio.client import ClientConnection, connect

from tests.simulator.world import SECOND_NS, TAPE_NS, ManualClock
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import BUY, Instrument
from ztb.simulator.accounts import Account, Units
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.coinbase.venue import CoinbaseVenue
from ztb.simulator.dialect import Clock
from ztb.simulator.exchange import Exchange
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent

DATA: Final = Path(__file__).parents[1] / "venues" / "coinbase" / "data"
Json = Any
"""Whatever a venue says."""
SAMPLES: Final[dict[str, Any]] = json.loads((DATA / "sample_responses.json").read_text("utf-8"))
VECTORS: Final[dict[str, dict[str, Any]]] = {
    vector["id"]: vector for vector in json.loads((DATA / "signing_vectors.json").read_text("utf-8"))["vectors"]
}
PREFIX: Final = "/api/v3/brokerage"
_VECTOR: Final = VECTORS["coinbase.sdk.rest_jwt_es256"]["input"]

ALICE: Final[str] = _VECTOR["key_name"]
BOB: Final = "organizations/bob/apiKeys/bob"
KEYS: Final = {
    ALICE: ec.derive_private_key(int(_VECTOR["p256_private_scalar_hex"], 16), ec.SECP256R1()),
    BOB: ec.derive_private_key(7, ec.SECP256R1()),
}

BTC_USD: Final = Instrument(
    "btc_usd", "btc", "usd", Decimal("0.01"), Decimal("0.00000001"), 10, lots_max=340_000_000_000
)  # fmt: skip


def cents(dollars: str) -> int:
    return BTC_USD.prices.parse(dollars)


def sats(coins: str) -> int:
    return BTC_USD.sizes.parse(coins)


def quote(second: float, bid: str, ask: str, *, bid_size: str = "1", ask_size: str = "1") -> Quote:
    at_ns = TAPE_NS + int(second * SECOND_NS)
    return Quote(at_ns, "btc_usd", cents(bid), sats(bid_size), cents(ask), sats(ask_size))


def trade(second: float, price: str, size: str, side: int) -> Trade:
    return Trade(TAPE_NS + int(second * SECOND_NS), "btc_usd", cents(price), sats(size), side)


def depth(
    second: float, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]], *, is_snapshot: bool = True
) -> Depth:
    levels = [tuple((cents(price), sats(size)) for price, size in side) for side in (bids, asks)]
    return Depth(TAPE_NS + int(second * SECOND_NS), "btc_usd", levels[0], levels[1], is_snapshot)


QUIET: Final[list[MarketEvent]] = [
    depth(0, [("68900.00", "1.5"), ("68890.00", "2")], [("68901.00", "0.5"), ("68902.00", "3")]),
    trade(1, "68900.50", "0.0015", BUY),
]
"""The book of the sample frames; then nothing for a day."""


def public_pem(key: str) -> str:
    return KEYS[key].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def account(
    key: str = ALICE,
    *,
    usd: str = "100000",
    btc: str = "1",
    maker: int = 6_000,
    taker: int = 12_000,
    rights: Sequence[str] = ("info", "trade"),
    limits_factor: int = 1,
) -> Account:
    units = Units(BTC_USD)
    balances = {"usd": units.grid("usd").parse(usd), "btc": units.grid("btc").parse(btc)}
    return Account(
        key, "", balances, maker, taker, frozenset(rights), limits_factor, public_key_pem=public_pem(key)
    )  # fmt: skip


def part(value: object) -> str:
    """A part of a token: base64url of JSON, without padding."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(header: object, claims: object, *, key: str = ALICE) -> str:
    """A token with whatever is wanted in it, rightly signed."""
    text = f"{part(header)}.{part(claims)}"
    r, s = decode_dss_signature(KEYS[key].sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def token(now_s: int, *, key: str = ALICE, uri: str = "", **changed: object) -> str:
    """As the official client makes it; ``changed`` are other claims."""
    claims: dict[str, object] = {"sub": key, "iss": "cdp", "nbf": now_s, "exp": now_s + 120}
    if uri:
        claims["uri"] = uri
    header = {"alg": "ES256", "kid": key, "nonce": "00", "typ": "JWT"}
    return signed(header, claims | changed, key=key)


class Client:
    """Speaks to one simulator over real sockets as Coinbase wants it."""

    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self.key = key

    async def raw(
        self, method: str, path: str, *, params: Json = None, body: Json = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request with a token of its own, unless ``headers`` say otherwise."""
        uri = f"{method} 127.0.0.1:{self.world.port}{PREFIX}{path}"
        own = {"authorization": f"Bearer {token(self.world.now_s, key=self.key, uri=uri)}"}
        url = f"{self.world.url}{PREFIX}{path}"
        return await self.world.http.request(
            method, url, params=params, json=body, headers=own if headers is None else headers
        )

    async def get(self, path: str, **params: Json) -> Json:
        """What a call that must succeed answers."""
        answer = await self.raw("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: object) -> Json:
        answer = await self.raw("POST", path, body=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def public(self, path: str, **params: Json) -> Json:
        answer = await self.world.http.get(f"{self.world.url}{PREFIX}{path}", params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def create(
        self, side: str, kind: str, *, client_id: str = "", product: str = "BTC-USD", **members: Json
    ) -> Json:
        """The whole answer to an order."""
        order = {
            "client_order_id": client_id or f"own-{next(self.world.ids)}",
            "product_id": product,
            "side": side,
            "order_configuration": {kind: members},
        }
        return await self.post("/orders", order)

    async def limit(self, side: str, size: str, price: str, *, post_only: bool = False, client_id: str = "") -> str:
        """The id of a limit order that must be taken."""
        answer = await self.create(
            side, "limit_limit_gtc", client_id=client_id, base_size=size, limit_price=price, post_only=post_only
        )
        assert answer["success"] is True, answer
        order_id = answer["success_response"]["order_id"]
        assert isinstance(order_id, str)
        return order_id

    async def order(self, order_id: str) -> Json:
        return (await self.get(f"/orders/historical/{order_id}"))["order"]

    async def refused(self, method: str, path: str, status: int, *, params: Json = None, body: Json = None) -> Json:
        """The body of a call that must be refused with this status."""
        answer = await self.raw(method, path, params=params, body=body)
        assert answer.status_code == status, answer.text
        return answer.json()


class World:
    """A running simulator with its parts at hand."""

    def __init__(
        self, server: SimulatorServer, made: Exchange, moods: Moods, record: Record, port: int, clock: Clock
    ) -> None:
        self.server = server
        self.exchange = made
        self.moods = moods
        self.record = record
        self.clock = clock
        self.ids = itertools.count(1)
        self.url = f"http://127.0.0.1:{port}"
        self.stream_url = f"ws://127.0.0.1:{port}/"
        self.port = port
        self.http = httpx.AsyncClient(timeout=30, trust_env=False)

    @property
    def now_s(self) -> int:
        return self.clock.now_ns() // SECOND_NS

    def client(self, key: str = ALICE) -> Client:
        return Client(self, key)

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        async with connect(self.stream_url, max_size=None) as connection:
            yield Socket(self, connection)


class Socket:
    """One WebSocket."""

    def __init__(self, world: World, connection: ClientConnection) -> None:
        self.world = world
        self.connection = connection

    async def say(self, kind: str, channel: str, *products: str, key: str = "", **more: object) -> None:
        message: dict[str, object] = {"type": kind, "channel": channel, **more}
        if products:
            message["product_ids"] = list(products)
        if key:
            message["jwt"] = token(self.world.now_s, key=key)
        await self.connection.send(json.dumps(message))

    async def frame(self) -> Json:
        async with asyncio.timeout(20):
            text = await self.connection.recv()
        assert isinstance(text, str)
        return json.loads(text)

    async def subscribe(self, channel: str, *products: str, key: str = "") -> Json:
        """The first frame of the channel, which comes after the acknowledgement."""
        await self.say("subscribe", channel, *products, key=key)
        acknowledged = await self.frame()
        assert acknowledged["channel"] == "subscriptions", acknowledged
        assert channel in acknowledged["events"][0]["subscriptions"]
        return await self.frame()


@asynccontextmanager
async def running(
    events: Sequence[MarketEvent] = tuple(QUIET),
    *,
    clock: Clock | None = None,
    accounts: Sequence[Account] = (),
    rules: CoinbaseRules | None = None,
    wall_s: Callable[[], float] = time.monotonic,
) -> AsyncIterator[World]:
    def tape() -> Iterator[MarketEvent]:
        return iter(events)

    clock = clock or ManualClock()
    made = Exchange(BTC_USD, tape, accounts or (account(ALICE), account(BOB)), loop=False, self_trade=EXPIRE_NEWER)
    moods, record = Moods(seed=1), Record()
    venue = CoinbaseVenue(made, moods=moods, record=record, rules=rules, wall_s=wall_s)
    server = SimulatorServer(made, venue, clock=clock, moods=moods, record=record, admin=True)
    address = await server.start()
    world = World(server, made, moods, record, address.port, clock)
    try:
        yield world
    finally:
        await world.http.aclose()
        await server.stop()

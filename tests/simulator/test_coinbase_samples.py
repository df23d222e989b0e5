"""The answers have the shapes of Coinbase's real ones: the same members, of the same JSON types, at every depth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.simulator.coinbase_world import ALICE, QUIET, SAMPLES, Client, Json, World, running, trade
from tests.simulator.world import ManualClock
from ztb.core.instrument import BUY
from ztb.simulator.coinbase.rules import CoinbaseRules

REST = {sample["name"]: sample for sample in SAMPLES["rest"]}
WS = SAMPLES["ws"]
Call = Callable[[Client], Coroutine[Any, Any, Any]]
RULES = CoinbaseRules(alias_quote="USDC")
NEW = {
    "product_id": "BTC-USD",
    "side": "BUY",
    "order_configuration": {"limit_limit_gtc": {"base_size": "0.001", "limit_price": "10000.00", "post_only": True}},
}


def shape(value: object) -> object:
    """Names and types; of a list, the shape of its first member."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def like(sample: object, given: object, *, place: str = "") -> list[str]:
    """Where ``given`` differs in shape; what the sample leaves empty or null may be anything."""
    if sample is None or given is None:
        return [] if sample is given or sample is None else [f"{place}: {sample!r} became null"]
    if isinstance(sample, dict) and isinstance(given, dict):
        wrong = [f"{place}.{name}: missing" for name in sample if name not in given]
        wrong += [f"{place}.{name}: not in the sample" for name in given if name not in sample]
        for name in sample.keys() & given.keys():
            wrong += like(sample[name], given[name], place=f"{place}.{name}")
        return wrong
    if isinstance(sample, list) and isinstance(given, list):
        return [] if not sample else [] if not given else like(sample[0], given[0], place=f"{place}[0]")
    return [] if type(sample) is type(given) else [f"{place}: {shape(sample)} became {shape(given)}"]


async def _order(client: Client) -> str:
    return await client.limit("BUY", "0.001", "10000.00", post_only=True)


async def _filled(client: Client) -> Json:
    await client.limit("BUY", "0.001", "68901.00")
    return await client.get("/orders/historical/fills")


async def _cancelled(client: Client) -> Json:
    return await client.post("/orders/batch_cancel", {"order_ids": [await _order(client)]})


async def _edited(client: Client) -> Json:
    order_id = await _order(client)
    return await client.post("/orders/edit", {"order_id": order_id, "price": "10001.00", "size": "0.001"})


async def _listed(client: Client) -> Json:
    await _order(client)
    return await client.get("/orders/historical/batch", product_ids="BTC-USD", order_status="OPEN", limit="100")


async def _looked_up(client: Client) -> Json:
    return await client.get(f"/orders/historical/{await _order(client)}")


async def _wallet(client: Client) -> Json:
    wallets = (await client.get("/accounts"))["accounts"]
    return await client.get(f"/accounts/{wallets[0]['uuid']}")


CALLS: dict[str, Call] = {
    "time": lambda client: client.public("/time"),
    "products": lambda client: client.get("/products"),
    "product": lambda client: client.get("/products/BTC-USD"),
    "public_products": lambda client: client.public("/market/products"),
    "public_product": lambda client: client.public("/market/products/BTC-USD"),
    "product_book": lambda client: client.get("/product_book", product_id="BTC-USD", limit="1"),
    "public_product_book": lambda client: client.public("/market/product_book", product_id="BTC-USD", limit="1"),
    "best_bid_ask": lambda client: client.get("/best_bid_ask", product_ids="BTC-USD"),
    "candles": lambda client: client.get("/products/BTC-USD/candles", granularity="ONE_HOUR"),
    "public_candles": lambda client: client.public("/market/products/BTC-USD/candles", granularity="ONE_HOUR"),
    "ticker": lambda client: client.get("/products/BTC-USD/ticker", limit="1"),
    "public_ticker": lambda client: client.public("/market/products/BTC-USD/ticker", limit="1"),
    "accounts": lambda client: client.get("/accounts", limit="250"),
    "account": _wallet,
    "create_order": lambda client: client.post("/orders", {**NEW, "client_order_id": "ztb-0001"}),
    "batch_cancel": _cancelled,
    "edit": _edited,
    "preview": lambda client: client.post("/orders/preview", NEW),
    "get_order": _looked_up,
    "list_orders": _listed,
    "fills": _filled,
    "transaction_summary": lambda client: client.get("/transaction_summary"),
    "key_permissions": lambda client: client.get("/key_permissions"),
}


def test_every_sample_is_asked_for() -> None:
    assert set(CALLS) == set(REST)


@pytest.mark.parametrize("name", CALLS)
def test_an_answer_looks_like_its_sample(name: str) -> None:
    async def scenario() -> None:
        async with running(rules=RULES) as world:
            answer = await CALLS[name](world.client())
            assert like(REST[name]["response"], answer) == []

    asyncio.run(scenario())


def test_the_comparison_sees_every_difference() -> None:
    sample = {"a": "1", "b": [{"c": 1}], "d": None}
    assert like(sample, {"a": "2", "b": [], "d": "x"}) == []
    assert sorted(like(sample, {"a": 2, "b": [{"c": "1"}], "e": 1})) == [
        ".a: str became int", ".b[0].c: int became str", ".d: missing", ".e: not in the sample",
    ]  # fmt: skip
    assert like({"a": True}, {"a": 1}) == [".a: bool became int"]


def test_values_of_the_create_order_sample_come_back() -> None:
    """What the sample echoes of its own request is echoed here too."""

    async def scenario() -> None:
        async with running() as world:
            sample = REST["create_order"]
            answer = await world.client().post("/orders", sample["json"])
            answer["success_response"]["order_id"] = sample["response"]["success_response"]["order_id"]
            assert answer == sample["response"]

    asyncio.run(scenario())


def test_refusals_are_those_of_the_samples() -> None:
    variants = SAMPLES["variants"]

    async def scenario() -> None:
        async with running() as world:
            client = world.client()
            rejected = await client.post("/orders", {**NEW, "client_order_id": "x", "order_configuration": {
                "limit_limit_gtc": {"base_size": "20", "limit_price": "10000.00", "post_only": True},
            }})  # fmt: skip
            rejected["order_configuration"] = variants["create_order_rejected"]["order_configuration"]
            assert rejected == variants["create_order_rejected"]
            unknown = variants["cancel_unknown"]["results"][0]["order_id"]
            assert await client.post("/orders/batch_cancel", {"order_ids": [unknown]}) == variants["cancel_unknown"]
            assert await client.refused("GET", f"/orders/historical/{unknown}", 404) == variants["http_404_order"]
            answer = await client.raw("GET", "/accounts", headers={"authorization": "Bearer x.y.z"})
            assert (answer.status_code, answer.json()) == (401, variants["http_401"])

    asyncio.run(scenario())


CHANNELS = {
    "heartbeats": (), "level2": ("BTC-USD",), "market_trades": ("BTC-USD",), "ticker": ("BTC-USD",),
    "candles": ("BTC-USD",),
}  # fmt: skip
SNAPSHOTS = {"level2": "l2_snapshot"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_first_frame_of_a_channel_looks_like_its_sample(channel: str) -> None:
    async def scenario(world: World) -> None:
        async with world.socket() as socket:
            frame = await socket.subscribe(channel, *CHANNELS[channel])
            assert like(WS[SNAPSHOTS.get(channel, channel)], frame) == []
            assert frame["sequence_num"] == 1

    async def run() -> None:
        async with running() as world:
            await scenario(world)

    asyncio.run(run())


def test_an_update_of_level2_and_a_user_state_look_like_their_samples() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with (
            running([*QUIET, trade(10, "68900.00", "0.5", -BUY)], clock=clock) as world,
            world.socket() as socket,
        ):
            snapshot = await socket.subscribe("level2", "BTC-USD")
            await socket.say("subscribe", "user", key=ALICE)
            acknowledged, user = await socket.frame(), await socket.frame()
            assert like(WS["subscriptions"]["events"][0]["subscriptions"], {"level2": ["BTC-USD"]}) == []
            assert acknowledged["events"][0]["subscriptions"]["level2"] == ["BTC-USD"]
            assert user["events"][0] == {
                "type": "snapshot",
                "orders": [],
                "positions": {"perpetual_futures_positions": [], "expiring_futures_positions": []},
            }
            await world.client().limit("BUY", "0.001", "68901.00")
            frames = [await socket.frame() for _ in range(3)]
            kinds = {frame["channel"]: frame for frame in frames}
            assert like(WS["l2_update"], kinds["l2_data"]) == []
            assert like(WS["user"], kinds["user"]) == []
            assert snapshot["channel"] == "l2_data"

    asyncio.run(scenario())

"""The answers have the shapes of GMO Coin's documented samples: the same members, each of the same JSON type."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulator.gmo_world import GmoWorld, running
from tests.simulator.world import BOB, QUIET, trade
from ztb.core.instrument import BUY, SELL
from ztb.simulator.gmo.rules import GmoRules

SAMPLES: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "venues/gmo/data/sample_responses.json").read_text()
)
REST: Final = {row["name"]: row for row in SAMPLES["rest"]}
OPTIONAL: Final = frozenset({"cancelType", "marginRatio", "positionId"})
"""Documented as only there in some cases."""


def shape(value: object) -> object:
    """Members and types; of a list, the shapes that occur in it."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items() if name not in OPTIONAL}
    if isinstance(value, list):
        return sorted({json.dumps(shape(member), sort_keys=True) for member in value})
    return type(value).__name__


async def prepared(world: GmoWorld) -> dict[str, Any]:
    """A position with a closing order on half of it, a resting spot order, and what their ids are."""
    client = world.client()
    world.clock.pass_seconds(20)
    await client.order("BUY", 13_690_000, "0.02", symbol="BTC_JPY")
    (position,) = (await client.call("GET", "openPositions", symbol="BTC_JPY"))["list"]
    close = {
        "symbol": "BTC_JPY", "side": "SELL", "executionType": "LIMIT", "price": "14000000",
        "settlePosition": [{"positionId": position["positionId"], "size": "0.01"}],
    }  # fmt: skip
    closing = int(await client.call("POST", "closeOrder", close))
    cancelled = await client.order("BUY", 13_689_000, "0.01")
    await client.call("POST", "cancelOrder", {"orderId": cancelled})
    token = await client.call("POST", "ws-auth", {})
    return {"position": position["positionId"], "closing": closing, "cancelled": cancelled, "token": token}


def request_of(name: str, known: dict[str, Any]) -> tuple[dict[str, str], Any]:
    """Query and body of a sample, with the ids and prices of this exchange."""
    row = REST[name]
    query, body = dict(row.get("query", {})), row.get("json")
    if "orderId" in query:
        query["orderId"] = f"{known['closing']},{known['cancelled']}" if name == "orders" else "39679085"
    if "date" in query:
        query["date"] = "20231115"  # 22:13 UTC is the next morning in Japan
    if body is not None:
        body = json.loads(json.dumps(body))
        changes = {
            "orderId": known["closing"], "orderIds": [1, known["closing"]], "token": known["token"],
            "price": "13999000" if name == "changeOrder" else "13690000",
        }  # fmt: skip
        body |= {member: value for member, value in changes.items() if member in body}
        for part in body.get("settlePosition", ()):
            part["positionId"] = known["position"]
        if name == "closeBulkOrder":
            body["size"] = "0.01"
        if name == "cancelBulkOrder":
            body["side"], body["settleType"] = "SELL", "CLOSE"
    return query, body


@pytest.mark.parametrize("name", [name for name in REST if name != "changeLosscutPrice"])
def test_every_call_answers_as_the_sample_does(name: str) -> None:
    async def scenario() -> None:
        events = [*QUIET, trade(10, 13_690_000, 100, BUY), trade(11, 13_689_995, 20, SELL)]
        async with running(events) as world:
            known = await prepared(world)
            row = REST[name]
            query, body = request_of(name, known)
            private = row["path"].startswith("/private/v1/")
            path = row["path"].removeprefix("/private/v1/").removeprefix("/public/v1/")
            client = world.client()
            if private:
                response = await client.raw(row["method"], path, body, **query)
            else:
                response = await client.public(path, **query)
            assert response.status_code == row["status"]
            answer = response.json()
            assert answer["status"] == 0, answer
            assert shape(answer) == shape(row["response"])
            assert list(answer) == list(row["response"])

    asyncio.run(scenario())


def test_a_losscut_price_is_not_taken_here() -> None:
    async def scenario() -> None:
        async with running() as world:
            known = await prepared(world)
            body = {"positionId": known["position"], "losscutPrice": "7000000"}
            assert await world.client().refused("POST", "changeLosscutPrice", body) == "ERR-5118"
            assert await world.client().refused("POST", "changeLosscutPrice", {**body, "positionId": 1}) == "ERR-254"

    asyncio.run(scenario())


def test_the_samples_of_what_is_not_there_and_of_what_is_refused() -> None:
    async def scenario() -> None:
        async with running() as world:
            client, variants = world.client(BOB), SAMPLES["variants"]

            async def body_of(method: str, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401
                return (await client.raw(method, path, body, **query)).json()

            empty = await body_of("GET", "activeOrders", symbol="BTC")
            assert empty == {**variants["empty_list"], "responsetime": empty["responsetime"]}
            big = {"symbol": "BTC_JPY", "side": "BUY", "executionType": "MARKET", "size": "0.5"}
            short = await body_of("POST", "order", big)
            assert short == {**variants["margin_short"], "responsetime": short["responsetime"]}
            bad = await body_of("GET", "activeOrders")
            assert bad == {**variants["bad_param"], "responsetime": bad["responsetime"]}
            order_id = await client.order("BUY", 13_000_000, "0.01")
            await client.call("POST", "cancelOrder", {"orderId": order_id})
            done = await body_of("POST", "cancelOrder", {"orderId": order_id})
            assert done == {**variants["already_done"], "responsetime": done["responsetime"]}
            missing = await client.public("nothing")
            assert missing.status_code == 404
            assert missing.json()["messages"] == variants["not_found_http404"]["messages"]
            assert missing.json()["status"] == variants["not_found_http404"]["status"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "frame", ["orderbooks", "ticker", "trades", "executionEvents", "orderEvents", "positionEvents"]
)
def test_every_frame_is_as_the_sample(frame: str) -> None:
    async def scenario() -> None:
        events = [*QUIET, trade(60, 13_690_000, 100, BUY)]
        async with running(events, rules=GmoRules(subscribe_interval_ns=0)) as world:
            client = world.client()
            if frame in ("orderbooks", "ticker", "trades"):
                command = {"command": "subscribe", "channel": frame, "symbol": "BTC_JPY"}
                async with world.market_stream(command) as socket:
                    world.clock.pass_seconds(60)
                    told = json.loads(await socket.recv())
            else:
                async with world.account_stream(frame) as socket:
                    await client.order("BUY", 13_690_000, "0.02", symbol="BTC_JPY")
                    told = json.loads(await socket.recv())
            assert shape(told) == shape(SAMPLES["ws"][frame])

    asyncio.run(scenario())


def test_the_summary_of_positions_comes_at_once_and_after_each_change() -> None:
    async def scenario() -> None:
        async with running() as world:
            client = world.client()
            await client.order("BUY", 13_690_000, "0.02", symbol="BTC_JPY")
            async with world.account_stream("positionSummaryEvents") as socket:
                first = json.loads(await socket.recv())
                assert shape(first) == shape(SAMPLES["ws"]["positionSummaryEvents"])
                assert (first["msgType"], first["sumPositionQuantity"]) == ("INIT", "0.02")
                await client.order("BUY", 13_690_000, "0.01", symbol="BTC_JPY")
                second = json.loads(await socket.recv())
                assert (second["msgType"], second["sumPositionQuantity"]) == ("UPDATE", "0.03")

    asyncio.run(scenario())

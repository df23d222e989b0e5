"""Orders and fills of the past: filters, order and pages, told by the account's own truth."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.coinbase_world import ALICE, BOB, Client, Json, running
from tests.simulator.world import ManualClock
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.moods import Mood

UNHURRIED = CoinbaseRules(private_limits=False)
BATCH, FILLS = "/orders/historical/batch", "/orders/historical/fills"


async def eight_orders(client: Client, clock: ManualClock) -> list[str]:
    """One a second: 0 to 3 work, 4 and 5 are cancelled, 6 and 7 filled (a buy and a market sale)."""
    placed = []
    for number in range(6):
        placed.append(await client.limit("BUY", "0.1", f"{50_000 + number}.00"))
        clock.pass_seconds(1)
    await client.post("/orders/batch_cancel", {"order_ids": placed[4:]})
    placed.append(await client.limit("BUY", "0.1", "68901.00"))
    clock.pass_seconds(1)
    sold = await client.create("SELL", "market_market_ioc", base_size="0.2")
    return [*placed, sold["success_response"]["order_id"]]


async def asked(client: Client, placed: list[str], **query: Any) -> list[int]:  # noqa: ANN401 - JSON
    """Which of the orders are listed, in the order of the answer."""
    answer = await client.get(BATCH, **query)
    return [placed.index(order["order_id"]) for order in answer["orders"]]


FILTERS: list[tuple[dict[str, Json], list[int]]] = [
    ({}, [7, 6, 5, 4, 3, 2, 1, 0]),
    ({"order_status": "OPEN"}, [3, 2, 1, 0]),
    ({"order_status": ["FILLED", "CANCELLED"]}, [7, 6, 5, 4]),
    ({"order_status": "EXPIRED"}, []),
    ({"order_side": "SELL"}, [7]),
    ({"order_types": "MARKET"}, [7]),
    ({"order_types": ["LIMIT", "MARKET"], "order_side": "BUY", "order_status": "FILLED"}, [6]),
    ({"product_ids": ["BTC-USD", "ETH-USD"], "order_status": "OPEN"}, [3, 2, 1, 0]),
    ({"product_ids": "ETH-USD"}, []),
    ({"product_id": "ETH-USD"}, []),
    ({"start_date": "2023-11-14T22:13:25Z"}, [7, 6, 5]),
    ({"end_date": "2023-11-14T22:13:22Z"}, [1, 0]),
    ({"start_date": "2023-11-14T23:13:21+01:00", "end_date": "2023-11-14T22:13:23.000001Z"}, [3, 2, 1]),
    ({"limit": "2"}, [7, 6]),
    ({"limit": "99999"}, [7, 6, 5, 4, 3, 2, 1, 0]),
]


def test_filters_of_orders() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock, rules=UNHURRIED) as world:
            client = world.client()
            placed = await eight_orders(client, clock)
            for query, expected in FILTERS:
                assert await asked(client, placed, **query) == expected, query
            assert await asked(client, placed, order_ids=[placed[1], placed[6], "nonsense"]) == [6, 1]
            assert (await world.client(BOB).get(BATCH))["orders"] == []

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [1, 3, 4, 8])
def test_pages_of_orders_are_the_whole(limit: int) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock, rules=UNHURRIED) as world:
            client = world.client()
            placed = await eight_orders(client, clock)
            found: list[str] = []
            cursor = ""
            while True:
                answer = await client.get(BATCH, limit=str(limit), cursor=cursor)
                found += [order["order_id"] for order in answer["orders"]]
                assert answer["has_next"] is (len(found) < 8)
                assert (answer["cursor"] == "") is not answer["has_next"]
                if not answer["has_next"]:
                    break
                cursor = answer["cursor"]
                # What is new meanwhile does not come into the pages that follow.
                await client.limit("BUY", "0.001", "40000.00")
            assert found == placed[::-1]

    asyncio.run(scenario())


def test_what_is_wrong_with_a_question_is_said() -> None:
    async def scenario() -> None:
        async with running(rules=UNHURRIED) as world:
            client = world.client()
            wrong: list[dict[str, Json]] = [
                {"order_status": ["OPEN", "FILLED"]}, {"order_status": "OPENED"}, {"limit": "-1"}, {"limit": "x"},
                {"start_date": "yesterday"}, {"start_date": "2023-11-14T22:13:25"}, {"cursor": "!"}, {"cursor": "é"},
            ]  # fmt: skip
            for query in wrong:
                assert (await client.refused("GET", BATCH, 400, params=query))["error"] == "INVALID_ARGUMENT", query
            await client.refused("GET", FILLS, 400, params={"start_sequence_timestamp": "1700000000"})
            await client.refused("GET", "/orders/historical/nonsense", 404)

    asyncio.run(scenario())


def test_fills_by_order_by_trade_and_by_time() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock, rules=UNHURRIED) as world:
            client = world.client()
            placed = [await client.limit("BUY", "0.1", "68901.00")]
            clock.pass_seconds(1.5)
            placed.append(await client.limit("BUY", "0.5", "68902.00"))
            clock.pass_seconds(1.5)
            placed.append(await client.limit("SELL", "0.2", "68900.00"))
            fills = (await client.get(FILLS))["fills"]
            # The second order met two levels.
            assert [placed.index(fill["order_id"]) for fill in fills] == [2, 1, 1, 0]
            assert [(fill["price"], fill["size"]) for fill in fills] == [
                ("68900.00", "0.2"), ("68902.00", "0.1"), ("68901.00", "0.4"), ("68901.00", "0.1"),
            ]  # fmt: skip
            assert len({fill["entry_id"] for fill in fills}) == len({fill["trade_id"] for fill in fills}) == 4
            assert (await client.get(FILLS, order_ids=placed[1]))["fills"] == fills[1:3]
            assert (await client.get(FILLS, order_ids=[placed[0], placed[2]]))["fills"] == [fills[0], fills[3]]
            assert (await client.get(FILLS, trade_ids=fills[3]["trade_id"]))["fills"] == fills[3:]
            # A time that a fill told of itself finds it again.
            since = fills[2]["sequence_timestamp"]
            assert since == "2023-11-14T22:13:21.500000Z"
            assert (await client.get(FILLS, start_sequence_timestamp=since))["fills"] == fills[:3]
            assert (await client.get(FILLS, end_sequence_timestamp=since))["fills"] == fills[1:]
            first = await client.get(FILLS, limit="3")
            second = await client.get(FILLS, limit="3", cursor=first["cursor"])
            assert first["fills"] + second["fills"] == fills
            assert (bool(first["cursor"]), second["cursor"]) == (True, "")
            assert (await client.get(FILLS, limit="4"))["cursor"] == ""
            assert (await world.client(BOB).get(FILLS)) == {"fills": [], "cursor": ""}

    asyncio.run(scenario())


def test_fills_of_many_pieces_add_up() -> None:
    async def scenario() -> None:
        async with running(rules=UNHURRIED) as world:
            client = world.client()
            world.moods.switch_on(Mood("tiny_fills"))
            order = await client.order(await client.limit("BUY", "0.3", "68901.00"))
            fills = (await client.get(FILLS, limit="500"))["fills"]
            assert len(fills) == int(order["number_of_fills"]) > 5
            owner = world.exchange.purse.accounts[ALICE]
            assert sum(fill.lots for fill in owner.fills) == 30_000_000
            assert order["status"] == "FILLED"

    asyncio.run(scenario())


def test_a_bad_mood_shuffles_a_page_and_loses_nothing() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock, rules=UNHURRIED) as world:
            client = world.client()
            for _ in range(8):
                await client.limit("BUY", "0.001", "68901.00")
                clock.pass_seconds(1)
            fills = (await client.get(FILLS))["fills"]
            world.moods.switch_on(Mood("reordered_events"))
            shuffled = (await client.get(FILLS))["fills"]
            assert shuffled != fills
            assert sorted(fill["entry_id"] for fill in shuffled) == sorted(fill["entry_id"] for fill in fills)

    asyncio.run(scenario())


def test_forgotten_orders_are_not_found_any_more() -> None:
    async def scenario() -> None:
        async with running(rules=UNHURRIED) as world:
            client = world.client()
            order_id = await client.limit("BUY", "0.001", "68901.00", client_id="old")
            owner = world.exchange.purse.accounts[ALICE]
            owner.ended.clear()
            await client.refused("GET", f"/orders/historical/{order_id}", 404)
            assert (await client.get(BATCH))["orders"] == []
            # Its fills are still the account's.
            assert [fill["order_id"] for fill in (await client.get(FILLS))["fills"]] == [order_id]

    asyncio.run(scenario())


def test_a_question_with_a_thousand_keys_is_refused() -> None:
    async def scenario() -> None:
        async with running(rules=UNHURRIED) as world:
            ids = ["x"] * 1_001
            answer = await world.client().refused("GET", BATCH, 400, params={"order_ids": ids})
            assert answer["error_details"] == "too many parameters"
            assert (await world.client().get(BATCH, order_ids=ids[:500], **{"unknown": "y"}))["orders"] == []

    asyncio.run(scenario())

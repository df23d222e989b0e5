"""Hostile moods of Coinbase's REST: what the client sees, and what the exchange's own book says happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.simulator.coinbase_world import ALICE, Json, World, cents, running
from tests.simulator.world import ManualClock
from ztb.simulator.moods import Mood

Scenario = Callable[[World, ManualClock], Awaitable[None]]
ORDER = {
    "client_order_id": "mine",
    "product_id": "BTC-USD",
    "side": "BUY",
    "order_configuration": {"limit_limit_gtc": {"base_size": "0.1", "limit_price": "60000.00"}},
}


def play(scenario: Scenario) -> None:
    async def run() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            await scenario(world, clock)

    asyncio.run(run())


async def book(world: World) -> Json:
    return (await world.http.get(f"{world.url}/_sim/book", params={"key": ALICE})).json()


async def set_mood(world: World, **mood: Json) -> None:
    answer = await world.http.post(f"{world.url}/_sim/mood", json=mood)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("mood", "told"), [("accept_then_502", "502"), ("html_instead_of_json", "html")])
def test_a_lost_answer_hides_an_order_that_works(mood: str, told: str) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        await set_mood(world, name=mood, count=1, methods=["create_order"])
        client = world.client()
        hidden = await client.raw("POST", "/orders", body=ORDER)
        assert hidden.headers["content-type"] == "text/html"
        assert hidden.status_code == (502 if told == "502" else 200)
        (order,) = (await client.get("/orders/historical/batch"))["orders"]
        assert (order["client_order_id"], order["status"]) == ("mine", "OPEN")
        # Asked again with its id it is the same order, and there is still only one.
        again = await client.post("/orders", ORDER)
        assert again["success_response"]["order_id"] == order["order_id"]
        known = await book(world)
        first, second = known["calls"]
        assert (first["answer"], first["result"], second["answer"]) == (told, "ok", "sent")
        assert first["order_id"] == second["order_id"] != 0
        assert first["params"]["client_order_id"] == "mine"
        assert len(known["accounts"][ALICE]["orders"]) == 1

    play(scenario)


def test_a_hanging_and_a_torn_connection() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await set_mood(world, name="accept_then_hang", count=1)
        with pytest.raises(httpx.ReadTimeout):
            async with httpx.AsyncClient(timeout=0.3, trust_env=False) as impatient:
                world.http, kept = impatient, world.http
                try:
                    await client.raw("POST", "/orders", body=ORDER)
                finally:
                    world.http = kept
        await set_mood(world, name="accept_then_reset", count=1)
        with pytest.raises(httpx.TransportError):
            await client.raw("POST", "/orders/batch_cancel", body={"order_ids": ["x"]})
        assert [call.answer for call in world.record.calls] == ["hang", "reset"]
        assert len(world.exchange.purse.accounts[ALICE].orders) == 1

    play(scenario)


def test_refusals_of_a_bad_mood_change_nothing() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await set_mood(world, name="reject_busy", count=1)
        busy = await client.post("/orders", ORDER)
        assert busy["error_response"]["error"] == "ORDER_ENTRY_DISABLED"
        for name in ("rate_limit", "limits_exceeded"):
            await set_mood(world, name=name, count=1)
            body = await client.refused("POST", "/orders", 429, body=ORDER)
            assert body == {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
        await set_mood(world, name="expired_token", count=1)
        assert (await client.refused("POST", "/orders", 401, body=ORDER))["error"] == "unauthorized"
        await set_mood(world, name="wrong_clock", ms=-5_000)
        await client.refused("GET", "/accounts", 401)
        await set_mood(world, name="wrong_clock", off=True)
        assert not world.exchange.purse.accounts[ALICE].by_client_id
        # Whoever was let in stands in the book, even when it was refused then; who had no token does not.
        assert [call.result for call in world.record.calls] == [
            "ORDER_ENTRY_DISABLED", "rate_limit_exceeded", "rate_limit_exceeded",
        ]  # fmt: skip
        # What they asked for is written down all the same.
        assert {call.params["client_order_id"] for call in world.record.calls} == {"mine"}
        told = json.loads(world.record.calls[1].params["order_configuration"])
        assert told == ORDER["order_configuration"]
        assert (await client.post("/orders", ORDER))["success"] is True

    play(scenario)


def test_maintenance_by_the_hours_of_the_day() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        # The exchange starts at 22:13:20, second 80,000 of its day.
        await set_mood(world, name="maintenance", from_s=80_010, to_s=20)
        client = world.client()
        await client.get("/accounts")
        for seconds, status in ((10, 503), (6_389, 503), (21, 200)):
            clock.pass_seconds(seconds)
            answer = await client.raw("GET", "/accounts")
            assert answer.status_code == status
            public = await world.http.get(f"{world.url}/api/v3/brokerage/time")
            assert public.status_code == status
        assert answer.headers["content-type"] == "application/json"

    play(scenario)


def test_pages_slow_answers_and_members_in_another_order() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        plain = await client.raw("GET", "/products/BTC-USD")
        world.moods.switch_on(Mood("reordered_maps", count=1))
        mixed = await client.raw("GET", "/products/BTC-USD")
        assert mixed.json() == plain.json()
        assert list(mixed.json()) != list(plain.json())
        world.moods.switch_on(Mood("html_instead_of_json", count=1))
        page = await client.raw("GET", "/accounts")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
        world.moods.switch_on(Mood("slow", ms=1_500, count=1))
        await client.get("/accounts")
        assert isinstance(world.clock, ManualClock)
        assert 1.5 in world.clock.slept

    play(scenario)


def test_the_desk_shows_the_account_and_never_a_key() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await client.limit("BUY", "0.6", "68901.00", client_id="mine")
        raw = await world.http.get(f"{world.url}/_sim/book", params={"key": ALICE})
        assert "PUBLIC KEY" not in raw.text
        mine = raw.json()["accounts"][ALICE]
        (order,) = mine["orders"]
        assert (order["remaining"], order["price"]) == ("0.10000000", "68901.00")
        (fill,) = mine["fills"]
        assert (fill["amount"], fill["maker"]) == ("0.50000000", False)
        assert world.exchange.book.best(1) == cents("68901.00")

    play(scenario)

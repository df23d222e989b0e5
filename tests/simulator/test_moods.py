"""Hostile moods through the admin desk: what the client sees, and what the exchange's own book says happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.simulator.world import ALICE, ManualClock, World, running
from ztb.core.error import UsageError
from ztb.simulator.moods import KINDS, Mood, Moods

ORDER: dict[str, str | int] = {
    "currency_pair": "btc_jpy",
    "action": "bid",
    "price": 13_689_000,
    "amount": "0.0015",
    "comment": "tag-1",
}
Scenario = Callable[[World, ManualClock], Awaitable[None]]


def play(scenario: Scenario) -> None:
    async def run() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            await scenario(world, clock)

    asyncio.run(run())


async def set_mood(world: World, **mood: Any) -> httpx.Response:  # noqa: ANN401 - JSON
    return await world.http.post(f"{world.url}/_sim/mood", json=mood)


async def book(world: World) -> Any:  # noqa: ANN401 - JSON
    return (await world.http.get(f"{world.url}/_sim/book?key={ALICE}")).json()


def test_accept_then_502_hides_an_order_that_works() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await set_mood(world, name="accept_then_502", count=1)
        hidden = await client.raw("trade", **ORDER)
        assert (hidden.status_code, hidden.headers["content-type"]) == (502, "text/html")
        with pytest.raises(json.JSONDecodeError):
            hidden.json()
        active = await client.call("active_orders")
        assert [row["comment"] for row in active.values()] == ["tag-1"]
        (call,) = (await book(world))["calls"]
        assert (call["result"], call["answer"], call["order_id"]) == ("ok", "502", 39_679_085)
        # It struck once; the next one is answered.
        assert (await client.raw("trade", **ORDER)).status_code == 200

    play(scenario)


def test_a_refused_order_is_no_accident() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        await set_mood(world, name="accept_then_502", count=1)
        assert await world.client().refused("trade", **{**ORDER, "amount": "1000"}) == "insufficient funds"
        assert (await world.client(nonce=10).raw("trade", **ORDER)).status_code == 502

    play(scenario)


def test_accept_then_hang_answers_nothing_on_an_open_socket() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        await set_mood(world, name="accept_then_hang", count=1, methods=["cancel_order"])
        client = world.client()
        placed = await client.call("trade", **ORDER)
        impatient = httpx.AsyncClient(timeout=0.3, trust_env=False)
        client.http = impatient
        with pytest.raises(httpx.ReadTimeout):
            await client.raw("cancel_order", order_id=placed["order_id"])
        await impatient.aclose()
        client.http = world.http
        assert await client.call("active_orders") == {}
        assert (await book(world))["calls"][1]["answer"] == "hang"

    play(scenario)


def test_accept_then_reset_tears_the_connection_down() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        await set_mood(world, name="accept_then_reset", count=1)
        client = world.client()
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await client.raw("trade", **ORDER)
        assert len(await client.call("active_orders")) == 1

    play(scenario)


@pytest.mark.parametrize(
    ("name", "text"),
    [("reject_busy", "trade temporarily unavailable."), ("rate_limit", "time wait restriction, please try later.")],
)
def test_refusals_change_nothing_and_can_be_aimed_at_a_method(name: str, text: str) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await set_mood(world, name=name, methods=["trade"])
        for _ in range(3):
            assert await client.refused("trade", **ORDER) == text
        assert await client.call("active_orders") == {}
        await set_mood(world, name=name, off=True)
        await client.call("trade", **ORDER)

    play(scenario)


def test_too_new_refuses_a_cancel() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        placed = await client.call("trade", **ORDER)
        await set_mood(world, name="too_new", count=2)
        for _ in range(2):
            assert await client.refused("cancel_order", order_id=placed["order_id"]) == "order is too new"
        await client.call("cancel_order", order_id=placed["order_id"])

    play(scenario)


def test_slow_answers_late_but_carries_out_at_once() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        await set_mood(world, name="slow", ms=1_500, count=2)
        await world.client().call("trade", **ORDER)
        assert 1.5 in clock.slept
        await world.client().get("/api/1/last_price/btc_jpy")
        assert clock.slept.count(1.5) == 2

    play(scenario)


def test_null_ticker_exponents_and_reordered_maps() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await set_mood(world, name="null_ticker", count=1)
        ticker = (await client.get("/api/1/ticker/btc_jpy")).json()
        assert {name for name, value in ticker.items() if value is None} == {
            "last",
            "high",
            "low",
            "vwap",
            "bid",
            "ask",
        }

        plain = await client.raw("trade", **ORDER)
        assert '"remains":0.0015,' in plain.text
        await set_mood(world, name="exponent_numbers")
        raw = await client.raw("active_orders")
        assert '"amount":1.5e-03,' in raw.text
        assert raw.json(parse_float=Decimal)["return"]["39679085"]["amount"] == Decimal("0.0015")
        await set_mood(world, name="exponent_numbers", off=True)

        orders = [await client.call("trade", **ORDER) for _ in range(7)]
        ids = [str(placed["order_id"]) for placed in orders]
        assert [order_id for order_id in await client.call("active_orders") if order_id in ids] == ids
        await set_mood(world, name="reordered_maps", seed=5)
        mixed = await client.call("active_orders")
        assert set(ids) < set(mixed)
        assert [order_id for order_id in mixed if order_id in ids] != ids

    play(scenario)


def test_the_same_seed_gives_the_same_accidents() -> None:
    def accidents(seed: int) -> list[bool]:
        moods = Moods(seed=seed)
        moods.switch_on(Mood("reject_busy", probability=0.3))
        return [moods.strike("reject_busy", "trade") is not None for _ in range(200)]

    assert accidents(7) == accidents(7)
    assert accidents(7) != accidents(8)
    assert 30 <= sum(accidents(7)) <= 90

    moods = Moods(seed=1)
    moods.switch_on(Mood("reject_busy", probability=0.3))
    moods.seed(7)
    assert [moods.strike("reject_busy", "trade") is not None for _ in range(200)] == accidents(7)


def test_a_mood_of_probability_zero_never_strikes_and_a_count_runs_out() -> None:
    moods = Moods()
    moods.switch_on(Mood("slow", probability=0.0))
    assert not any(moods.strike("slow") for _ in range(100))
    moods.switch_on(Mood("slow", count=3))
    assert sum(moods.strike("slow") is not None for _ in range(100)) == 3
    assert moods.active() == {}


@pytest.mark.parametrize(
    "mood",
    [Mood("unheard_of"), Mood("slow", probability=1.5), Mood("slow", probability=-0.1), Mood("slow", count=0),
     Mood("slow", ms=-1), Mood("slow", ms=10**9)],
)  # fmt: skip
def test_moods_that_make_no_sense_are_refused(mood: Mood) -> None:
    moods = Moods()
    with pytest.raises(UsageError) as caught:
        moods.switch_on(mood)
    assert caught.value.remedy
    assert moods.active() == {}


def test_all_moods_can_be_ended_at_once() -> None:
    moods = Moods()
    for name in KINDS:
        moods.switch_on(Mood(name))
    assert set(moods.active()) == set(KINDS)
    moods.switch_off("all")
    assert moods.active() == {}
    with pytest.raises(UsageError):
        moods.switch_off("unheard_of")

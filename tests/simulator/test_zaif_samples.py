"""The answers have the shapes of Zaif's real ones, member by member, with JSON numbers written as Zaif writes them."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

from tests.simulator.world import QUIET, ManualClock, World, running, trade
from ztb.core.instrument import BUY, SELL

FUNDS = {"jpy", "btc", "eth", "xem", "mona"}


def test_public_answers() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        events = [*QUIET, trade(10, 13_690_005, 100, BUY), trade(11, 13_689_995, 20, SELL)]
        async with running(events, clock=clock) as world:
            clock.pass_seconds(12)
            get = world.client().get
            assert (await get("/api/1/currencies/btc")).json() == [{"name": "btc", "is_token": False}]
            assert (await get("/api/1/currencies/nope")).json() == []
            assert {row["name"] for row in (await get("/api/1/currencies/all")).json()} == FUNDS
            assert (await get("/api/1/currency_pairs/btc_jpy")).json() == (
                await get("/api/1/currency_pairs/all")
            ).json()
            assert (await get("/api/1/last_price/btc_jpy")).text == '{"last_price":13689995.0}'
            assert (await get("/api/1/trades/btc_jpy")).text == (
                '[{"date":1700000011,"price":13689995.0,"amount":0.002,"tid":250000003,'
                '"currency_pair":"btc_jpy","trade_type":"ask"},'
                '{"date":1700000010,"price":13690005.0,"amount":0.01,"tid":250000002,'
                '"currency_pair":"btc_jpy","trade_type":"bid"},'
                '{"date":1700000001,"price":13690000.0,"amount":0.002,"tid":250000001,'
                '"currency_pair":"btc_jpy","trade_type":"bid"}]'
            )
            assert (await get("/api/1/depth/btc_jpy")).text == (
                '{"asks":[[13690000.0,0.5],[13690005.0,0.0123]],"bids":[[13689995.0,0.3],[13689000.0,1.0]]}'
            )
            clock.pass_seconds(1)
            for other in ("vasp_info", "country_info", "corp_type_id_info"):
                assert (await get(f"/api/1/{other}/all")).json() == []

    asyncio.run(scenario())


def test_currency_pair_tells_steps() -> None:
    async def scenario() -> None:
        async with running() as world:
            answer = await world.client().get("/api/1/currency_pairs/btc_jpy")
            assert answer.json() == [
                {
                    "name": "BTC/JPY",
                    "title": "BTC/JPY",
                    "currency_pair": "btc_jpy",
                    "description": "BTC against JPY",
                    "is_token": False,
                    "event_number": 0,
                    "item_unit_min": 0.0001,
                    "item_unit_step": 0.0001,
                    "aux_unit_min": 5.0,
                    "aux_unit_step": 5.0,
                    "seq": 0,
                    "id": 1,
                    "aux_japanese": "日本円",
                    "item_japanese": "ビットコイン",
                    "aux_unit_point": 0,
                }
            ]

    asyncio.run(scenario())


def test_ticker_is_of_24_hours() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        events = [*QUIET, trade(2, 13_690_040, 60, BUY), trade(90_000, 13_000_000, 20, SELL)]
        async with running(events, clock=clock) as world:
            get = world.client().get
            clock.pass_seconds(3)
            ticker = json.loads((await get("/api/1/ticker/btc_jpy")).text, parse_float=Decimal)
            assert ticker == {
                "last": Decimal("13690040.0"),
                "high": Decimal("13690040.0"),
                "low": Decimal("13690000.0"),
                "vwap": Decimal("13690030.0"),
                "volume": Decimal("0.008"),
                "bid": Decimal("13689995.0"),
                "ask": Decimal("13690000.0"),
            }
            clock.pass_seconds(90_000)
            later = (await get("/api/1/ticker/btc_jpy")).json()
            assert (later["high"], later["volume"]) == (13_000_000.0, 0.002)
            clock.pass_seconds(90_000)
            dead = (await get("/api/1/ticker/btc_jpy")).json()
            assert dead["high"] is dead["low"] is dead["vwap"] is None

    asyncio.run(scenario())


async def _place(world: World, amount: str, price: int, action: str = "bid", comment: str = "ztb-0001") -> Any:  # noqa: ANN401
    return await world.client().call(
        "trade", currency_pair="btc_jpy", action=action, price=price, amount=amount, comment=comment
    )


def test_a_resting_order_in_every_private_answer() -> None:
    async def scenario() -> None:
        async with running() as world:
            client = world.client()
            raw = await client.raw(
                "trade", currency_pair="btc_jpy", action="bid", price="13689000", amount="0.0015", comment="ztb-0001"
            )
            assert raw.text == (
                '{"success":1,"return":{"received":0.0,"remains":0.0015,"order_id":39679085,'
                '"funds":{"jpy":979466.5,"btc":1.0,"eth":0.0,"xem":0.0,"mona":0.0}}}'
            )
            info = await client.call("get_info")
            assert list(info) == ["funds", "deposit", "rights", "trade_count", "open_orders", "server_time"]
            assert info["deposit"]["jpy"] == Decimal("1000000.0")
            assert info["rights"] == {"info": 1, "trade": 1, "withdraw": 0, "personal_info": 0, "id_info": 0}
            assert (info["open_orders"], info["server_time"], info["trade_count"]) == (1, 1_700_000_000, 0)
            assert set(info) - set(await client.call("get_info2")) == {"trade_count"}
            active = await client.raw("active_orders", currency_pair="btc_jpy")
            assert active.text == (
                '{"success":1,"return":{"39679085":{"currency_pair":"btc_jpy","action":"bid","amount":0.0015,'
                '"price":13689000.0,"timestamp":"1700000000","comment":"ztb-0001"}}}'
            )
            both = await client.call("active_orders", is_token_both="true")
            assert set(both) == {"active_orders", "token_active_orders"}
            assert set(both["active_orders"]) == {"39679085"}
            assert both["token_active_orders"] == {}
            assert await client.call("active_orders", is_token="true") == {}
            cancelled = await client.call("cancel_order", order_id=39_679_085)
            assert cancelled["order_id"] == 39_679_085
            assert cancelled["funds"]["jpy"] == Decimal("1000000.0")
            assert set(cancelled["funds"]) == FUNDS
            assert (await client.raw("active_orders")).text == '{"success":1,"return":{}}'

    asyncio.run(scenario())


def test_an_order_filled_at_once_has_the_id_zero_and_lives_in_the_history_only() -> None:
    async def scenario() -> None:
        async with running() as world:
            client = world.client()
            placed = await client.call(
                "trade", currency_pair="btc_jpy", action="bid", price=13_690_000, amount="0.0015", comment="ztb-0002"
            )
            assert (placed["received"], placed["remains"], placed["order_id"]) == (Decimal("0.0015"), Decimal("0.0"), 0)
            # 13,690,000 x 0.0015 = 20,535 and 0.1 % of it.
            assert placed["funds"]["jpy"] == Decimal("1000000") - Decimal("20535") - Decimal("20.535")
            assert placed["funds"]["btc"] == Decimal("1.0015")
            history = await client.raw("trade_history", currency_pair="btc_jpy")
            assert history.text == (
                '{"success":1,"return":{"250000001":{"currency_pair":"btc_jpy","action":"bid","amount":0.0015,'
                '"price":13690000.0,"fee":20.535,"fee_amount":20.535,"your_action":"bid","bonus":null,'
                '"timestamp":"1700000000","comment":"ztb-0002"}}}'
            )
            assert await client.call("active_orders") == {}

    asyncio.run(scenario())


def test_a_partial_fill_gives_both_and_the_rest_works_on() -> None:
    async def scenario() -> None:
        async with running() as world:
            client = world.client(key="bob")
            placed = await client.call(
                "trade", currency_pair="btc_jpy", action="ask", price=13_689_995, amount="0.5", comment="x"
            )
            assert placed["received"] == Decimal("0.3")
            assert placed["remains"] == Decimal("0.2")
            assert placed["order_id"] == 39_679_085
            active = await client.call("active_orders")
            assert active["39679085"]["amount"] == Decimal("0.2")
            depth = (await client.get("/api/1/depth/btc_jpy")).json()
            assert depth["asks"][0] == [13_689_995.0, 0.2]
            assert depth["bids"] == [[13_689_000.0, 1.0]]

    asyncio.run(scenario())

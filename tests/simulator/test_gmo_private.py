"""GMO Coin's private REST: who may call, what becomes of orders and positions, and how it says no."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulator.gmo_world import GmoWorld, running
from tests.simulator.world import ALICE, BOB, QUIET, account, quote, trade
from ztb.core.instrument import SELL
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.moods import Mood

VECTORS: Final = json.loads((Path(__file__).parents[1] / "venues/gmo/data/signing_vectors.json").read_text())["vectors"]
Scenario = Callable[[GmoWorld], Awaitable[None]]


def play(scenario: Scenario, **options: Any) -> None:  # noqa: ANN401 - whatever ``running`` takes
    async def run() -> None:
        async with running(**options) as world:
            await scenario(world)

    asyncio.run(run())


def limit(price: str, size: str, *, symbol: str = "BTC", side: str = "BUY", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"symbol": symbol, "side": side, "executionType": "LIMIT", "price": price, "size": size, **more}


def market(size: str, *, symbol: str = "BTC", side: str = "BUY", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"symbol": symbol, "side": side, "executionType": "MARKET", "size": size, **more}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["id"]))
def test_the_golden_signatures_are_accepted_and_one_letter_more_is_not(vector: dict[str, Any]) -> None:
    """Made by other people's libraries; the time is the one that they signed."""

    async def scenario(world: GmoWorld) -> None:
        world.clock.time_ns = vector["input"]["timestamp_ms"] * 1_000_000
        expected = vector["expected"]
        headers = {name: expected["headers"][name] for name in ("API-KEY", "API-TIMESTAMP", "API-SIGN")}
        path = expected["target"].partition("?")[0]
        for path_end, accepted in (("", True), ("x", False)):
            response = await world.http.request(
                expected["method"], f"{world.url}{path}{path_end}", content=expected.get("body"), headers=headers
            )
            codes = [message["message_code"] for message in response.json().get("messages", ())]
            assert ("ERR-5010" not in codes) is accepted

    key, secret = VECTORS[0]["input"]["key"], VECTORS[0]["input"]["secret"]
    owner = replace(account(), key=key, secret=secret)
    play(scenario, accounts=[owner])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"API-KEY": ""}, "ERR-5011"),
        ({"API-KEY": "nobody"}, "ERR-5012"),
        ({"API-TIMESTAMP": ""}, "ERR-5007"),
        ({"API-TIMESTAMP": "now"}, "ERR-5007"),
        ({"API-SIGN": ""}, "ERR-5010"),
        ({"API-SIGN": "0" * 64}, "ERR-5010"),
    ],
)
def test_a_call_that_is_not_signed_as_it_should_be(changes: dict[str, str], code: str) -> None:
    async def scenario(world: GmoWorld) -> None:
        headers = world.client().headers("GET", "/v1/account/assets") | changes
        response = await world.http.get(f"{world.url}/private/v1/account/assets", headers=headers)
        assert response.json()["messages"][0]["message_code"] == code

    play(scenario)


@pytest.mark.parametrize(
    ("ahead_ms", "code"), [(30_000, ""), (30_001, "ERR-5008"), (-30_000, ""), (-30_001, "ERR-5009")]
)
def test_the_timestamp_has_to_be_near_the_servers(ahead_ms: int, code: str) -> None:
    async def scenario(world: GmoWorld) -> None:
        headers = world.client().headers("GET", "/v1/account/assets", ahead_ms=ahead_ms)
        answer = (await world.http.get(f"{world.url}/private/v1/account/assets", headers=headers)).json()
        assert [message["message_code"] for message in answer.get("messages", ())] == ([code] if code else [])

    play(scenario)


def test_the_body_of_a_post_is_signed_and_that_of_a_put_is_not() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        token = await client.call("POST", "ws-auth")
        await client.call("PUT", "ws-auth", {"token": token})
        headers = client.headers("POST", "/v1/order", json.dumps(limit("13689000", "0.01")))
        spaced = json.dumps(limit("13689000", "0.01"), separators=(" , ", ":"))
        response = await world.http.post(f"{world.url}/private/v1/order", content=spaced, headers=headers)
        assert response.json()["messages"][0]["message_code"] == "ERR-5010"

    play(scenario)


def test_a_key_that_may_only_read_cannot_trade() -> None:
    async def scenario(world: GmoWorld) -> None:
        await world.client().call("GET", "account/assets")
        assert await world.client().refused("POST", "order", limit("13689000", "0.01")) == "ERR-5012"
        assert not world.exchange.purse.accounts[ALICE].orders

    play(scenario, accounts=[replace(account(), rights=frozenset({"info"}))])


def test_twenty_of_each_kind_in_a_second() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        for _ in range(20):
            await client.call("GET", "account/assets")
        assert await client.refused("GET", "account/assets") == "ERR-5003"
        await client.call("POST", "order", limit("13689000", "0.0001"))
        await world.client(BOB).call("GET", "account/assets")
        world.clock.pass_seconds(1)
        await client.call("GET", "account/assets")
        assert world.record.rate_refusals["private"] == 1

    play(scenario)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (limit("13689001", "0.01"), "ERR-5114"),
        (limit("13689000", "0.00001"), "ERR-5114"),
        (limit("13689000", "0"), "ERR-5126"),
        (limit("13689000", "100001"), "ERR-5126"),
        (limit("13689000", "100"), "ERR-208"),
        (limit("6800000", "0.01"), "ERR-5121"),
        (limit("20600000", "0.01", side="SELL"), "ERR-5121"),
        (limit("13689000", "2", side="SELL"), "ERR-208"),
        (limit("13689000", "0.5", symbol="BTC_JPY"), "ERR-201"),
        (limit("13689000", "0.01", symbol="ETH"), "ERR-5106"),
        (limit("13689000", "0.01", side="buy"), "ERR-5106"),
        (limit("13689000", "0.01", timeInForce="GTC"), "ERR-5111"),
        (market("0.01", timeInForce="FOK"), "ERR-5111"),
        (market("0.01", price="13689000"), "ERR-5106"),
        (market("100"), "ERR-208"),
        ({**limit("13689000", "0.01"), "price": 13689000}, "ERR-5106"),
        ({**limit("13689000", "0.01"), "executionType": "STOP"}, "ERR-5106"),
        ({"symbol": "BTC"}, "ERR-5106"),
        (None, "ERR-5106"),
        ([1], "ERR-5106"),
    ],
)
def test_orders_that_are_refused_leave_nothing_behind(body: object, code: str) -> None:
    async def scenario(world: GmoWorld) -> None:
        assert await world.client().refused("POST", "order", body) == code
        owner = world.exchange.purse.accounts[ALICE]
        assert not owner.orders
        assert not owner.fills
        assert not any(owner.held.values())

    play(scenario)


@pytest.mark.parametrize(
    ("body", "status", "cancel_type", "executed"),
    [
        (limit("13690000", "0.01"), "EXECUTED", None, "0.01"),
        (limit("13689000", "0.01"), "ORDERED", None, "0"),
        (market("0.0100"), "EXECUTED", None, "0.01"),
        (limit("13690000", "0.01", timeInForce="FAK"), "EXECUTED", None, "0.01"),
        (limit("13689000", "0.01", timeInForce="FAK"), "EXPIRED", "EXPIRED_FAK", "0"),
        (limit("13690000", "0.51", timeInForce="FOK", symbol="BTC_JPY"), "EXPIRED", "EXPIRED_FOK", "0"),
        (limit("13690000", "0.01", timeInForce="SOK"), "EXPIRED", "EXPIRED_SOK", "0"),
        (limit("13689995", "0.01", timeInForce="SOK"), "ORDERED", None, "0"),
    ],
)
def test_what_becomes_of_an_order(body: dict[str, Any], status: str, cancel_type: str | None, executed: str) -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        order_id = await client.call("POST", "order", body)
        row = await client.look_up(int(order_id))
        assert (row["status"], row.get("cancelType"), row["executedSize"]) == (status, cancel_type, executed)
        active = await client.call("GET", "activeOrders", symbol=body["symbol"])
        assert (active != {}) is (status == "ORDERED")

    play(scenario, accounts=[account(jpy="9000000")])


def test_own_orders_do_not_meet() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        older = await client.order("SELL", 13_689_500, "0.01")
        newer = await client.order("BUY", 13_689_500, "0.01")
        assert (await client.look_up(newer))["cancelType"] == "EXPIRED_SELFTRADE"
        assert (await client.look_up(older))["status"] == "ORDERED"

    play(scenario, events=[quote(0, 13_689_000, 13_690_000)])


def test_fees_are_whole_yen_rounded_up_and_a_makers_is_paid_to_him() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        taken = await client.order("BUY", None, "0.01")
        made = await client.order("BUY", 13_689_000, "0.01")
        world.clock.pass_seconds(20)
        (paid,) = (await client.call("GET", "executions", orderId=str(taken)))["list"]
        (received,) = (await client.call("GET", "executions", orderId=str(made)))["list"]
        # 136,900 x 0.05 % = 68.45; 136,890 x 0.01 % = 13.689
        assert (paid["fee"], received["fee"]) == ("69", "-13")
        assert "positionId" not in paid
        assets = {row["symbol"]: row["amount"] for row in await client.call("GET", "account/assets")}
        assert assets == {"JPY": str(1_000_000 - 136_900 - 69 - 136_890 + 13), "BTC": "1.02"}

    play(scenario, events=[*QUIET, trade(10, 13_688_000, 50_000, SELL)])


def test_positions_of_both_sides_are_held_and_closed_by_id_or_by_size() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        await client.order("BUY", None, "0.03", symbol="BTC_JPY")
        await client.order("SELL", None, "0.02", symbol="BTC_JPY")
        rows = (await client.call("GET", "openPositions", symbol="BTC_JPY"))["list"]
        assert [(row["side"], row["size"]) for row in rows] == [("SELL", "0.02"), ("BUY", "0.03")]
        short, long = (row["positionId"] for row in rows)

        def closing(position: int, size: str, side: str) -> dict[str, Any]:
            settle = [{"positionId": position, "size": size}]
            return {"symbol": "BTC_JPY", "side": side, "executionType": "MARKET", "settlePosition": settle}

        for position, size, side, code in (
            (long, "0.01", "BUY", "ERR-70"), (long, "0.04", "SELL", "ERR-189"), (999, "0.01", "SELL", "ERR-254")
        ):  # fmt: skip
            assert await client.refused("POST", "closeOrder", closing(position, size, side)) == code
        resting = {**closing(long, "0.02", "SELL"), "executionType": "LIMIT", "price": "13700000"}
        order_id = int(await client.call("POST", "closeOrder", resting))
        assert (await client.look_up(order_id))["settleType"] == "CLOSE"
        assert await client.refused("POST", "closeOrder", closing(long, "0.02", "SELL")) == "ERR-200"
        bulk = market("0.02", symbol="BTC_JPY", side="SELL")
        assert await client.refused("POST", "closeBulkOrder", bulk) == "ERR-200"
        which = {"symbols": ["BTC_JPY"], "settleType": "OPEN"}
        assert await client.call("POST", "cancelBulkOrder", which) == []
        assert await client.call("POST", "cancelBulkOrder", {**which, "settleType": "CLOSE"}) == [order_id]
        await client.call("POST", "closeBulkOrder", {**bulk, "size": "0.03"})
        await client.call("POST", "closeOrder", closing(short, "0.02", "BUY"))
        assert await client.call("GET", "openPositions", symbol="BTC_JPY") == {}
        assert await client.refused("POST", "closeBulkOrder", bulk) == "ERR-422"
        margin = await client.call("GET", "account/margin")
        # Bought at 13,690,000, sold at 13,689,995, both ways: five yen for each of 0.05 coins.
        assert margin["margin"] == "0"
        assert "marginRatio" not in margin
        owner = world.exchange.purse.accounts[ALICE]
        assert owner.balances["jpy"] == 10_000_000_000 - 2_500
        assert owner.pledged == {"jpy": 0}

    play(scenario)


def test_a_changed_order_has_another_price_and_the_same_id() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        order_id = await client.order("BUY", 13_000_000, "0.05")
        await client.call("POST", "changeOrder", {"orderId": order_id, "price": "13500000"})
        assert (await client.look_up(order_id))["price"] == "13500000"
        assert world.exchange.purse.accounts[ALICE].held["jpy"] == 675_000 * 10_000
        await client.call("POST", "changeOrder", {"orderId": order_id, "price": "13690000"})
        assert (await client.look_up(order_id))["status"] == "EXECUTED"
        assert await client.refused("POST", "changeOrder", {"orderId": order_id, "price": "13500000"}) == "ERR-5122"
        assert await client.refused("POST", "changeOrder", {"orderId": 5, "price": "13500000"}) == "ERR-5123"

    play(scenario)


def test_a_change_that_cannot_be_paid_changes_nothing() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        order_id = await client.order("BUY", 7_000_000, "0.1")
        assert await client.refused("POST", "changeOrder", {"orderId": order_id, "price": "13000000"}) == "ERR-208"
        row = await client.look_up(order_id)
        assert (row["price"], row["status"]) == ("7000000", "ORDERED")
        assert world.exchange.book.best(-SELL) == 13_689_995 // 5

    play(scenario)


def test_bulk_cancels_take_ten_at_a_time_oldest_first() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        ids = [await client.order("BUY", 13_000_000 - 5 * number, "0.0001") for number in range(12)]
        world.clock.pass_seconds(1)
        assert await client.call("POST", "cancelBulkOrder", {"symbols": ["BTC"]}) == ids[:10]
        assert await client.call("POST", "cancelBulkOrder", {"symbols": ["BTC"], "desc": True}) == [ids[11], ids[10]]
        assert await client.call("POST", "cancelBulkOrder", {"symbols": ["BTC"]}) == []
        assert [call.order_id for call in world.record.calls if call.method == "cancelBulkOrder"][:10] == ids[:10]

    play(scenario)


def test_executions_are_paged_newest_first_and_looked_up_by_either_id() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        orders = []
        for _ in range(5):
            orders.append(await client.order("BUY", None, "0.001"))
            world.clock.pass_seconds(1)
        first = await client.call("GET", "latestExecutions", symbol="BTC", count="2")
        second = await client.call("GET", "latestExecutions", symbol="BTC", count="2", page="3")
        assert [row["orderId"] for row in first["list"]] == [orders[4], orders[3]]
        assert second["pagination"] == {"currentPage": 3, "count": 2}
        assert [row["orderId"] for row in second["list"]] == [orders[0]]
        assert await client.call("GET", "latestExecutions", symbol="BTC", page="9") == {}
        assert await client.call("GET", "latestExecutions", symbol="BTC_JPY") == {}
        wanted = ",".join(str(row["executionId"]) for row in first["list"])
        assert await client.call("GET", "executions", executionId=wanted) == {"list": first["list"]}
        assert await client.refused("GET", "executions", executionId=wanted, orderId="1") == "ERR-5208"
        assert await client.refused("GET", "executions") == "ERR-5106"
        assert await client.refused("GET", "orders", orderId=",".join(map(str, range(1, 12)))) == "ERR-5106"
        assert await client.refused("GET", "latestExecutions", symbol="BTC", count="101") == "ERR-5106"
        world.clock.pass_seconds(86_400)
        assert await client.call("GET", "latestExecutions", symbol="BTC") == {}

    play(scenario)


def test_a_market_sell_may_cancel_what_holds_its_coins() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        older = await client.order("SELL", 14_000_000, "0.9")
        newer = await client.order("SELL", 14_000_005, "0.1")
        body = market("0.2", side="SELL")
        assert await client.refused("POST", "order", body) == "ERR-208"
        await client.call("POST", "order", {**body, "cancelBefore": True})
        assert [(await client.look_up(number))["status"] for number in (older, newer)] == ["CANCELED", "ORDERED"]

    play(scenario)


def test_five_tokens_and_the_sixth_ends_the_first() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        tokens = []
        for _ in range(6):
            tokens.append(await client.call("POST", "ws-auth", {}))
            world.clock.pass_seconds(1)
        assert len(set(tokens)) == 6
        assert await client.refused("PUT", "ws-auth", {"token": tokens[0]}) == "ERR-5106"
        await client.call("PUT", "ws-auth", {"token": tokens[1]})
        world.clock.pass_seconds(3_599)
        assert await client.refused("PUT", "ws-auth", {"token": tokens[2]}) == "ERR-5106"
        await client.call("PUT", "ws-auth", {"token": tokens[1]})
        assert await world.client(BOB).refused("DELETE", "ws-auth", {"token": tokens[1]}) == "ERR-5106"
        await client.call("DELETE", "ws-auth", {"token": tokens[1]})
        assert await client.refused("DELETE", "ws-auth", {"token": tokens[1]}) == "ERR-5106"

    play(scenario)


def test_maintenance_and_the_minutes_before_it_opens() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        order_id = await client.order("BUY", 13_000_000, "0.01")
        # 22:13:20 UTC is second 80,000 of the day.
        world.moods.switch_on(Mood("maintenance", from_s=80_010, to_s=100))
        world.moods.switch_on(Mood("preopen", from_s=100, to_s=700))
        assert (await client.public("status")).json()["data"] == {"status": "OPEN"}
        world.clock.pass_seconds(20)
        assert (await client.public("status")).json()["data"] == {"status": "MAINTENANCE"}
        answer = (await client.raw("POST", "cancelOrder", {"orderId": order_id})).json()
        assert answer["status"] == 5
        assert answer["messages"] == [
            {"message_code": "ERR-5201", "message_string": "MAINTENANCE. Please wait for a while"}
        ]
        assert (await client.public("ticker")).json()["status"] == 5
        world.clock.pass_seconds(86_400 - 80_020 + 100)
        assert (await client.public("status")).json()["data"] == {"status": "PREOPEN"}
        assert await client.refused("POST", "order", limit("13000000", "0.01")) == "ERR-5203"
        await client.call("POST", "cancelOrder", {"orderId": order_id})
        world.clock.pass_seconds(600)
        await client.order("BUY", 13_000_000, "0.01")

    play(scenario)


@pytest.mark.parametrize("mood", ["accept_then_502", "accept_then_reset", "html_instead_of_json"])
def test_an_order_whose_answer_is_lost_works(mood: str) -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        world.moods.switch_on(Mood(mood, count=1, methods=frozenset({"order"})))
        try:
            response = await client.raw("POST", "order", limit("13689000", "0.01"))
        except Exception:
            assert mood == "accept_then_reset"
        else:
            assert response.headers["content-type"] == "text/html"
            assert response.status_code == (502 if mood == "accept_then_502" else 200)
        (row,) = (await client.call("GET", "activeOrders", symbol="BTC"))["list"]
        assert row["price"] == "13689000"
        (call,) = world.record.calls
        assert (call.result, call.order_id) == ("ok", row["orderId"])
        assert call.answer != "sent"

    play(scenario)


def test_a_cancel_that_comes_too_late_is_acknowledged_first() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        order_id = await client.order("BUY", 13_689_000, "0.01")
        world.moods.switch_on(Mood("late_fill_after_cancel", count=1, ms=700))
        await client.call("POST", "cancelOrder", {"orderId": order_id})
        assert (await client.look_up(order_id))["status"] == "CANCELLING"
        assert await client.refused("POST", "cancelOrder", {"orderId": order_id}) == "ERR-5122"
        world.clock.pass_seconds(1)
        row = await client.look_up(order_id)
        assert (row["status"], row["cancelType"], row["executedSize"]) == ("CANCELED", "USER", "0.005")
        (fill,) = (await client.call("GET", "executions", orderId=str(order_id)))["list"]
        assert fill["size"] == "0.005"
        assert not any(world.exchange.purse.accounts[ALICE].held.values())

    play(scenario)


def test_a_wrong_clock_shows_in_every_timestamp_and_in_what_it_accepts() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        world.moods.switch_on(Mood("wrong_clock", ms=-40_000))
        assert (await client.public("status")).json()["responsetime"] == "2023-11-14T22:12:40.000Z"
        assert await client.refused("GET", "account/assets") == "ERR-5008"

    play(scenario)


@pytest.mark.parametrize(
    ("path", "query"),
    [("orderbooks", {}), ("orderbooks", {"symbol": "btc"}), ("klines", {"symbol": "BTC"}),
     ("klines", {"symbol": "BTC", "interval": "1min", "date": "2023"}),
     ("klines", {"symbol": "BTC", "interval": "2min", "date": "20231115"}),
     ("klines", {"symbol": "BTC", "interval": "1min", "date": "20231345"}),
     ("klines", {"symbol": "BTC", "interval": "1day", "date": "9999"})],
)  # fmt: skip
def test_public_calls_about_what_does_not_exist_are_404(path: str, query: dict[str, str]) -> None:
    async def scenario(world: GmoWorld) -> None:
        response = await world.client().public(path, **query)
        assert (response.status_code, response.json()["status"]) == (404, 2)

    play(scenario)


def test_candles_are_made_of_the_trades_of_their_minutes() -> None:
    events = [
        quote(0, 13_689_995, 13_690_000),
        *[trade(second, price, lots, 1) for second, price, lots in
          ((1, 13_690_000, 10), (50, 13_690_100, 5), (90, 13_689_000, 1), (3_700, 13_700_000, 2))],
    ]  # fmt: skip

    async def scenario(world: GmoWorld) -> None:
        world.clock.pass_seconds(4_000)
        client = world.client()
        minutes = (await client.public("klines", symbol="BTC", interval="1min", date="20231115")).json()["data"]
        # 22:13:21 is in the minute of 22:13:00, which is 1699999980 s.
        assert [(row["openTime"], row["open"], row["close"], row["volume"]) for row in minutes] == [
            ("1699999980000", "13690000", "13690000", "0.001"),
            ("1700000040000", "13690100", "13689000", "0.0006"),
            ("1700003700000", "13700000", "13700000", "0.0002"),
        ]
        hours = (await client.public("klines", symbol="BTC", interval="1hour", date="20231115")).json()["data"]
        assert [(row["openTime"], row["high"], row["low"]) for row in hours] == [
            ("1699999200000", "13690100", "13689000"),
            ("1700002800000", "13700000", "13700000"),
        ]
        (day,) = (await client.public("klines", symbol="BTC", interval="1day", date="2023")).json()["data"]
        # The day began at 06:00 in Japan.
        assert (day["openTime"], day["open"], day["close"]) == ("1699995600000", "13690000", "13700000")
        assert (await client.public("klines", symbol="BTC", interval="1min", date="20231114")).json()["data"] == []

    play(scenario, events=events)


def test_the_rules_can_be_loosened() -> None:
    async def scenario(world: GmoWorld) -> None:
        for _ in range(30):
            await world.client().call("GET", "account/assets")
        await world.client().order("BUY", 5, "0.0001")

    play(scenario, rules=GmoRules(public_per_second=0, private_limits=False, price_band_pct=0))

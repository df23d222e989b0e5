"""``/tapi``: who may, in which order it is checked, and how each refusal is worded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.world import ALICE, BOB, QUIET, Client, ManualClock, World, account, running, trade
from ztb.core.instrument import SELL
from ztb.simulator.zaif.rules import ZaifRules

Scenario = Callable[[World, ManualClock], Awaitable[None]]
VECTORS = json.loads((Path(__file__).parent / "zaif_signing_vectors.json").read_text())


def play(scenario: Scenario, rules: ZaifRules | None = None, **options: Any) -> None:  # noqa: ANN401
    async def run() -> None:
        clock = ManualClock()
        async with running(clock=clock, rules=rules, **options) as world:
            await scenario(world, clock)

    asyncio.run(run())


def order(**changes: str | int) -> dict[str, str | int]:
    return {"currency_pair": "btc_jpy", "action": "bid", "price": 13_689_000, "amount": "0.0015", **changes}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_bodies_and_signatures_of_real_clients_are_accepted(vector: dict[str, Any]) -> None:
    """Without a content type, parameters in any order. What comes then is not about the signature."""

    async def scenario(world: World, clock: ManualClock) -> None:
        response = await world.client().post(vector["body"], {"Key": vector["key"], "Sign": vector["sign"]})
        answer = response.json()
        pair = "btc_jpy" in vector["body"] or "currency_pair" not in vector["body"]
        expected = {"zaif.zaifapi.cancel_order": "order not found"}.get(vector["id"])
        if not pair:
            expected = "invalid currency_pair parameter"
        assert answer.get("error") == expected
        assert answer["success"] == (0 if expected else 1)

    play(scenario)


def test_the_comment_arrives_as_it_was_meant() -> None:
    vector = next(one for one in VECTORS if one["id"] == "zaif.zaifapi.trade_ask_comment")

    async def scenario(world: World, clock: ManualClock) -> None:
        await world.client().post(vector["body"], {"key": vector["key"], "sign": vector["sign"]})
        (resting,) = (await world.client(ALICE).http.get(f"{world.url}/_sim/book")).json()["accounts"][ALICE]["orders"]
        assert resting["comment"] == "ztb.a-b_c~1 x+y&z=1"

    play(scenario)


def test_the_signature_is_over_the_raw_bytes() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        body = "nonce=1&method=get_info2"
        good = client.signed(body)
        for changed, headers in (
            (body + "&x=", good),
            ("method=get_info2&nonce=1", good),
            (body, {**good, "sign": good["sign"].upper()}),
            (body, {**good, "sign": ""}),
            (body, {"key": good["key"]}),
            (body, {**good, "key": BOB}),
        ):
            assert (await client.post(changed, headers)).json() == {"success": 0, "error": "signature mismatch"}
        assert (await client.post(body, {**good, "content-type": "text/plain"})).json()["success"] == 1

    play(scenario)


def test_an_unknown_key_and_none_at_all() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        for headers in ({"key": "nobody", "sign": "00"}, {}):
            response = await client.post("nonce=1&method=get_info", headers)
            assert response.status_code == 200
            assert response.json() == {"success": 0, "error": "no data found for the key"}

    play(scenario)


def test_a_nonce_must_rise_strictly_per_key_and_may_have_decimals() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()

        async def error(nonce: str, key: str = ALICE) -> str | None:
            body = f"nonce={nonce}&method=get_info2"
            speaker = Client(world.url, world.http, key)
            answer = (await client.post(body, speaker.signed(body))).json()
            text: str | None = answer.get("error")
            return text

        assert await error("1700000000.123456") is None
        assert await error("1700000000.123456") == "nonce not incremented"
        assert await error("1700000000.1234560") == "nonce not incremented"
        assert await error("1700000000.12345") == "nonce not incremented"
        assert await error("1700000000.1234561") is None
        assert await error("5", BOB) is None
        assert await error("1700000001000", ALICE) is None
        assert await error("1700000002", ALICE) == "nonce not incremented"
        assert await error("1700000000000000000") == "nonce out of range"
        for nonsense in ("", "abc", "-1", "0", "0.5", "NaN", "Infinity", "1_0", "1%20", "9" * 30):
            assert await error(nonsense, BOB) == "invalid nonce parameter"

    play(scenario)


def test_a_nonce_is_used_up_by_a_call_that_fails() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        body = "nonce=7&method=nonsense"
        assert (await client.post(body, client.signed(body))).json()["error"] == "method not found"
        body = "nonce=7&method=get_info2"
        assert (await client.post(body, client.signed(body))).json()["error"] == "nonce not incremented"

    play(scenario)


def test_rights_are_checked_with_the_typographic_apostrophe() -> None:
    reader = replace(account(ALICE), rights=frozenset({"info"}))
    trader = replace(account(BOB), rights=frozenset({"trade", "personal_info", "id_info"}))

    async def scenario(world: World, clock: ManualClock) -> None:
        alice, bob = world.client(ALICE), world.client(BOB)
        assert await alice.refused("trade", **order()) == "api key don’t have trade permission"
        assert await alice.refused("cancel_order", order_id=1) == "api key don’t have trade permission"
        assert await alice.refused("get_id_info") == "api key don’t have id_info permission"
        assert await alice.refused("get_personal_info") == "api key don’t have personal_info permission"
        assert await alice.refused("withdraw", currency="btc") == "api key don’t have withdraw permission"
        for method in ("get_info", "get_info2", "active_orders", "trade_history", "deposit_history"):
            assert await bob.refused(method) == "api key don’t have info permission"
        assert set(await bob.call("get_id_info")) == {"user"}
        assert set(await bob.call("get_personal_info")) == {"ranking_nickname", "icon_path"}
        assert (await alice.call("get_info2"))["rights"]["trade"] == 0

    play(scenario, accounts=(reader, trader))


@pytest.mark.parametrize(
    ("method", "calls", "seconds"),
    [
        ("get_info", 10, 10),
        ("get_info2", 20, 10),
        ("active_orders", 10, 5),
        ("trade", 9, 10),
        ("trade_history", 12, 60),
        ("deposit_history", 10, 60),
        ("withdraw_history", 10, 60),
    ],
)
def test_each_method_has_its_sliding_window(method: str, calls: int, seconds: int) -> None:
    params = (
        order() if method == "trade" else {"currency": "jpy"} if "deposit" in method or "withdraw" in method else {}
    )

    async def scenario(world: World, clock: ManualClock) -> None:
        alice, bob = world.client(ALICE), world.client(BOB)
        await alice.call(method, **params)
        clock.pass_seconds(1)
        for _ in range(calls - 1):
            await alice.call(method, **params)
        for _ in range(3):
            assert await alice.refused(method, **params) == "time wait restriction, please try later."
        await bob.call(method, **params)
        clock.pass_seconds(seconds - 1)
        await alice.call(method, **params)
        assert await alice.refused(method, **params) == "time wait restriction, please try later."

    play(scenario)


def test_big_traders_have_a_multiple_of_the_limits_and_a_setting_lifts_them() -> None:
    async def many(world: World, clock: ManualClock) -> None:
        client = world.client()
        for _ in range(18):
            await client.call("trade", **order(amount="0.0001"))

    big = replace(account(ALICE), limits_factor=2)

    async def bounded(world: World, clock: ManualClock) -> None:
        await many(world, clock)
        assert await world.client(nonce=100).refused("trade", **order()) == "time wait restriction, please try later."

    play(bounded, accounts=(big,))
    play(many, rules=ZaifRules(private_limits=False))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"price": 13_689_003}, "invalid price parameter"),
        ({"price": "13689000.5"}, "invalid price parameter"),
        ({"price": 0}, "invalid price parameter"),
        ({"price": -5}, "invalid price parameter"),
        ({"price": "NaN"}, "invalid price parameter"),
        ({"price": ""}, "invalid price parameter"),
        ({"price": "1e400"}, "invalid price parameter"),
        ({"price": "９"}, "invalid price parameter"),
        ({"amount": "0.00015"}, "invalid amount parameter"),
        ({"amount": "0"}, "invalid amount parameter"),
        ({"amount": "-0.001"}, "invalid amount parameter"),
        ({"amount": "Infinity"}, "invalid amount parameter"),
        ({"amount": "1_0"}, "invalid amount parameter"),
        ({"action": "buy"}, "invalid action parameter"),
        ({"action": ""}, "invalid action parameter"),
        ({"currency_pair": "BTC_JPY"}, "invalid currency_pair parameter"),
        ({"currency_pair": "eth_jpy"}, "invalid currency_pair parameter"),
        ({"comment": "a/b"}, "illegal comment"),
        ({"comment": "x" * 256}, "illegal comment"),
        ({"comment": "日本"}, "illegal comment"),
        ({"comment": "a\nb"}, "illegal comment"),
        ({"limit": 13_689_000}, "limit must be greater than the price"),
        ({"limit": 13_690_000}, "invalid limit parameter"),
        ({"action": "ask", "limit": 13_690_000}, "limit must be a smaller value than the price"),
        ({"limit": "x"}, "invalid limit parameter"),
        ({"amount": "100"}, "insufficient funds"),
        ({"action": "ask", "amount": "1.0001"}, "insufficient funds"),
    ],
)
def test_a_refused_order_names_its_parameter_and_changes_nothing(changes: dict[str, str | int], text: str) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        assert await client.refused("trade", **order(**changes)) == text
        assert await client.call("active_orders") == {}
        info = await client.call("get_info2")
        assert info["funds"] == info["deposit"]

    play(scenario)


@pytest.mark.parametrize("name", ["currency_pair", "action", "price", "amount"])
def test_a_missing_parameter_is_named(name: str) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        params = order()
        del params[name]
        assert await world.client().refused("trade", **params) == f"invalid {name} parameter"

    play(scenario)


def test_exponents_are_taken() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        placed = await world.client().call("trade", **order(amount="1.5e-03"))
        assert placed["remains"] == Decimal("0.0015")

    play(scenario)


def test_funds_cover_price_and_fee_exactly() -> None:
    # 13,690,000 x 0.0001 = 1369 JPY, and 0.1 % of it 1.369 JPY.
    exact = (account(ALICE, jpy="1370.369"), account(BOB, jpy="1370.3689"))

    async def scenario(world: World, clock: ManualClock) -> None:
        cheap = order(price=13_690_000, amount="0.0001")
        assert await world.client(BOB).refused("trade", **cheap) == "insufficient funds"
        assert (await world.client(ALICE).call("trade", **cheap))["funds"]["jpy"] == Decimal("0.0")

    play(scenario, accounts=exact)


def test_held_funds_cannot_be_used_twice() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        first = await client.call("trade", **order(action="ask", price=14_000_000, amount="0.6"))
        assert await client.refused("trade", **order(action="ask", price=14_000_000, amount="0.5")) == (
            "insufficient funds"
        )
        await client.call("cancel_order", order_id=first["order_id"])
        await client.call("trade", **order(action="ask", price=14_000_000, amount="0.5"))

    play(scenario)


def test_cancelling_what_is_not_there() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        alice, bob = world.client(ALICE), world.client(BOB)
        placed = await alice.call("trade", **order())
        assert await bob.refused("cancel_order", order_id=placed["order_id"]) == "order not found"
        await alice.call("cancel_order", order_id=placed["order_id"], currency_pair="btc_jpy")
        assert await alice.refused("cancel_order", order_id=placed["order_id"]) == "order not found"
        assert await alice.refused("cancel_order", order_id=0) == "order not found"
        assert await alice.refused("cancel_order") == "invalid order_id parameter"
        assert await alice.refused("cancel_order", order_id="x") == "invalid order_id parameter"
        assert await alice.refused("cancel_order", order_id=1, currency_pair="x") == "invalid currency_pair parameter"

    play(scenario)


def test_an_order_may_be_too_new_to_cancel() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        placed = await client.call("trade", **order())
        clock.pass_seconds(0.999)
        assert await client.refused("cancel_order", order_id=placed["order_id"]) == "order is too new"
        clock.pass_seconds(0.001)
        await client.call("cancel_order", order_id=placed["order_id"])

    play(scenario, rules=ZaifRules(order_too_new_ns=1_000_000_000))


def test_both_sides_of_a_trade_see_it_under_one_id_with_their_own_comment() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        alice, bob = world.client(ALICE), world.client(BOB)
        world.exchange.book.clear_tape()
        await alice.call("trade", **order(price=13_000_000, amount="0.01", comment="maker"))
        await bob.call("trade", **order(action="ask", price=13_000_000, amount="0.004", comment="taker"))
        ((alice_id, alice_row),) = (await alice.call("trade_history")).items()
        ((bob_id, bob_row),) = (await bob.call("trade_history")).items()
        assert alice_id == bob_id
        assert (alice_row["action"], alice_row["your_action"], alice_row["comment"]) == ("ask", "bid", "maker")
        assert (bob_row["action"], bob_row["your_action"], bob_row["comment"]) == ("ask", "ask", "taker")
        assert alice_row["fee_amount"] == 0
        assert bob_row["fee_amount"] == Decimal("52.0")
        assert (await alice.call("active_orders"))["39679085"]["amount"] == Decimal("0.006")

    play(scenario)


def test_a_trade_with_oneself_is_both() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        world.exchange.book.clear_tape()
        await client.call("trade", **order(price=13_000_000, amount="0.01", comment="first"))
        await client.call("trade", **order(action="ask", price=13_000_000, amount="0.01", comment="second"))
        (row,) = (await client.call("trade_history")).values()
        assert row["your_action"] == "both"
        info = await client.call("get_info2")
        assert info["funds"] == info["deposit"]
        assert info["funds"]["jpy"] == Decimal("1000000") - Decimal("130")

    play(scenario)


def test_the_tape_fills_a_resting_order_behind_the_displayed_lots() -> None:
    events = [*QUIET, trade(10, 13_689_995, 3_010, SELL), trade(11, 13_689_995, 100, SELL)]

    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        clock.pass_seconds(5)
        await client.call("trade", **order(price=13_689_995, amount="0.0015", comment="mine"))
        clock.pass_seconds(5)
        assert (await client.call("active_orders"))["39679085"]["amount"] == Decimal("0.0005")
        clock.pass_seconds(1)
        assert await client.call("active_orders") == {}
        rows = await client.call("trade_history", order="ASC")
        assert [row["amount"] for row in rows.values()] == [Decimal("0.001"), Decimal("0.0005")]
        assert [row["timestamp"] for row in rows.values()] == ["1700000010", "1700000011"]
        assert {row["comment"] for row in rows.values()} == {"mine"}
        assert {row["your_action"] for row in rows.values()} == {"bid"}
        printed = (await client.get("/api/1/trades/btc_jpy")).json()
        assert [one["tid"] for one in printed if one["tid"] in map(int, rows)] == sorted(map(int, rows), reverse=True)

    play(scenario, events=events)


def test_pages_of_the_history() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        for _ in range(5):
            await client.call("trade", **order(price=13_690_000, amount="0.0001"))
            clock.pass_seconds(10)
        history = client.call
        first = world.exchange.purse.accounts[ALICE].fills[0].trade_id
        ids = [fill.trade_id for fill in world.exchange.purse.accounts[ALICE].fills]
        assert len(ids) == 5

        async def page(**params: str | int) -> list[int]:
            clock.pass_seconds(60)
            return [ids.index(int(text)) for text in await history("trade_history", **params)]

        assert await page() == [4, 3, 2, 1, 0]
        assert await page(order="ASC") == [0, 1, 2, 3, 4]
        assert await page(count=2) == [4, 3]
        assert await page(count=2, **{"from": 2}) == [2, 1]
        assert await page(count=0) == []
        assert await page(count=5_000) == [4, 3, 2, 1, 0]
        assert await page(from_id=ids[3]) == [3, 4]
        assert await page(from_id=ids[3], order="DESC") == [3, 4], "a bound forces the order"
        assert await page(end_id=ids[1]) == [0, 1]
        assert await page(from_id=ids[1], end_id=ids[3], count=2) == [1, 2]
        assert await page(from_id=ids[4] + 1) == []
        assert await page(from_id=first - 100) == [0, 1, 2, 3, 4]
        assert await page(since=1_700_000_020) == [2, 3, 4]
        assert await page(end=1_700_000_019) == [0, 1]
        assert await page(since=1_700_000_010, end=1_700_000_030) == [1, 2, 3]
        assert await page(currency_pair="btc_jpy") == [4, 3, 2, 1, 0]
        assert await page(is_token="true") == []
        clock.pass_seconds(60)
        for name in ("from", "count", "from_id", "end_id", "since", "end", "order", "is_token", "currency_pair"):
            assert await client.refused("trade_history", **{name: "x"}) == f"invalid {name} parameter"

    play(scenario)


def test_money_histories_are_empty_but_want_a_currency() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        for method in ("deposit_history", "withdraw_history"):
            assert await client.call(method, currency="jpy") == {}
            assert await client.refused(method) == "invalid currency parameter"

    play(scenario)


def test_the_checks_come_in_order() -> None:
    """Signature, nonce, permission, rate, parameters: a call that fails in several ways fails by the first of them."""
    poor = replace(account(ALICE), rights=frozenset({"info"}))

    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()

        async def error(body: str, *, signed: bool = True) -> str:
            headers = client.signed(body if signed else body + "x")
            text: str = (await client.post(body, headers)).json()["error"]
            return text

        await client.call("get_info")
        assert await error("nonce=1&method=trade&price=x", signed=False) == "signature mismatch"
        assert await error("nonce=1&method=trade&price=x") == "nonce not incremented"
        assert await error("nonce=9&method=trade&price=x") == "api key don’t have trade permission"
        for nonce in range(10, 22):
            body = f"nonce={nonce}&method=trade_history&count=x"
            assert await error(body) == "invalid count parameter"
        assert await error("nonce=30&method=trade_history&count=x") == "time wait restriction, please try later."

    play(scenario, accounts=(poor,))

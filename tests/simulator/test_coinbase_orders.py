"""Orders of every kind, their refusals, cancels and edits, and what they do to the wallets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from tests.simulator.coinbase_world import (
    ALICE,
    BOB,
    QUIET,
    Client,
    Json,
    World,
    account,
    cents,
    depth,
    quote,
    running,
    trade,
)
from tests.simulator.world import SECOND_NS, START_NS, ManualClock
from ztb.core.instrument import SELL
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.moods import Mood
from ztb.simulator.tape_player import MarketEvent

Scenario = Callable[[World, ManualClock], Awaitable[None]]


def play(scenario: Scenario, events: list[MarketEvent] | None = None, rules: CoinbaseRules | None = None) -> None:
    async def run() -> None:
        clock = ManualClock()
        accounts = (account(ALICE), account(BOB))
        before = {name: sum(owner.balances[name] for owner in accounts) for name in ("usd", "btc")}
        async with running(events or QUIET, clock=clock, accounts=accounts, rules=rules) as world:
            await scenario(world, clock)
            purse = world.exchange.purse
            for name, fees in (("usd", purse.fees), ("btc", 0)):
                owned = sum(owner.balances[name] for owner in accounts)
                assert owned + purse.crowd[name] + fees == before[name]

    asyncio.run(run())


async def wallet(client: Client, currency: str) -> tuple[Decimal, Decimal]:
    """What is available, and what is held."""
    (found,) = [row for row in (await client.get("/accounts"))["accounts"] if row["currency"] == currency]
    return Decimal(found["available_balance"]["value"]), Decimal(found["hold"]["value"])


def reason(answer: Json) -> str:
    """Why an order was refused, after a look at what every refusal has."""
    assert answer["success"] is False
    assert answer["order_id"] == ""
    assert answer["failure_reason"] == "UNKNOWN_FAILURE_REASON"
    error = answer["error_response"]
    assert set(error) == {
        "error", "message", "error_details", "preview_failure_reason", "new_order_failure_reason",
    }  # fmt: skip
    text = error["error"]
    assert isinstance(text, str)
    return text


def test_a_resting_order_holds_its_price_and_the_makers_fee() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        order_id = await client.limit("BUY", "0.5", "60000.00", client_id="mine")
        order = await client.order(order_id)
        assert (order["status"], order["filled_size"], order["client_order_id"]) == ("OPEN", "0", "mine")
        # 30,000 dollars and 0.6 % of them.
        assert order["outstanding_hold_amount"] == "30180"
        assert await wallet(client, "USD") == (Decimal(100_000 - 30_180), Decimal(30_180))
        (cancelled,) = (await client.post("/orders/batch_cancel", {"order_ids": [order_id]}))["results"]
        assert cancelled == {
            "success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": order_id,
        }  # fmt: skip
        order = await client.order(order_id)
        assert (order["status"], order["cancel_message"]) == ("CANCELLED", "User requested cancel")
        assert await wallet(client, "USD") == (Decimal(100_000), Decimal(0))

    play(scenario)


def test_a_taker_pays_the_dearer_fee_and_its_order_is_filled() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        order_id = await client.limit("BUY", "0.001", "69000.00")
        order = await client.order(order_id)
        told = {name: order[name] for name in (
            "status", "filled_size", "average_filled_price", "filled_value", "total_fees", "number_of_fills",
            "completion_percentage", "total_value_after_fees", "settled", "outstanding_hold_amount",
        )}  # fmt: skip
        assert told == {
            "status": "FILLED", "filled_size": "0.001", "average_filled_price": "68901", "filled_value": "68.901",
            # 1.2 % of 68.901.
            "total_fees": "0.826812", "number_of_fills": "1", "completion_percentage": "100",
            "total_value_after_fees": "69.727812", "settled": True, "outstanding_hold_amount": "0",
        }  # fmt: skip
        assert await wallet(client, "USD") == (Decimal("100000") - Decimal("69.727812"), Decimal(0))
        assert await wallet(client, "BTC") == (Decimal("1.001"), Decimal(0))
        (fill,) = (await client.get("/orders/historical/fills", order_ids=order_id))["fills"]
        assert (fill["price"], fill["size"], fill["commission"]) == ("68901.00", "0.001", "0.826812")
        assert (fill["liquidity_indicator"], fill["side"], fill["size_in_quote"]) == ("TAKER", "BUY", False)

    play(scenario)


def test_a_partly_filled_order_is_open_until_the_market_comes() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        order_id = await client.limit("SELL", "1", "68900.00")
        answer = await client.order(order_id)
        assert (answer["status"], answer["filled_size"]) == ("FILLED", "1")
        order_id = await client.limit("BUY", "0.6", "68901.00")
        order = await client.order(order_id)
        assert (order["status"], order["filled_size"], order["completion_percentage"]) == ("OPEN", "0.5", "83.3333")
        clock.pass_seconds(10)
        order = await client.order(order_id)
        assert (order["status"], order["number_of_fills"]) == ("FILLED", "2")
        roles = [row["liquidity_indicator"] for row in (await client.get("/orders/historical/fills"))["fills"]]
        assert roles == ["MAKER", "TAKER", "TAKER"]
        # 0.5 x 68,901 x 1.2 % and 0.1 x 68,901 x 0.6 %.
        assert Decimal(order["total_fees"]) == Decimal("413.406") + Decimal("41.3406")
        assert order["last_fill_time"] == "2023-11-14T22:13:25.000000Z"

    play(scenario, [*QUIET, trade(5, "68901.00", "0.2", SELL)])


async def _ioc(client: Client, size: str) -> Json:
    answer = await client.create("BUY", "sor_limit_ioc", base_size=size, limit_price="68901.00")
    return await client.order(answer["success_response"]["order_id"])


def test_immediate_or_cancel_and_fill_or_kill() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        killed = await client.create("BUY", "limit_limit_fok", base_size="0.6", limit_price="68901.00")
        killed = await client.order(killed["success_response"]["order_id"])
        assert (killed["status"], killed["filled_size"], killed["time_in_force"]) == ("CANCELLED", "0", "FILL_OR_KILL")
        assert killed["cancel_message"] == "Order ended: fok"
        whole = await client.create("BUY", "limit_limit_fok", base_size="0.1", limit_price="68901.00")
        assert (await client.order(whole["success_response"]["order_id"]))["status"] == "FILLED"
        part = await _ioc(client, "0.6")
        assert (part["status"], part["filled_size"]) == ("CANCELLED", "0.4")
        assert part["time_in_force"] == "IMMEDIATE_OR_CANCEL"
        none = await _ioc(client, "0.6")
        assert (none["status"], none["filled_size"], none["last_fill_time"]) == ("CANCELLED", "0", None)
        assert await wallet(client, "USD") == (
            Decimal(100_000) - Decimal("0.5") * 68_901 * Decimal("1.012"), Decimal(0),
        )  # fmt: skip

    play(scenario)


def test_market_orders_by_size() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        sold = await client.create("SELL", "market_market_ioc", base_size="1")
        order = await client.order(sold["success_response"]["order_id"])
        assert (order["status"], order["order_type"], order["average_filled_price"]) == ("FILLED", "MARKET", "68900")
        bought = await client.create("BUY", "market_market_ioc", base_size="0.6")
        order = await client.order(bought["success_response"]["order_id"])
        # 0.5 at 68,901 and 0.1 at 68,902.
        assert order["filled_value"] == "41340.7"
        assert order["average_filled_price"].startswith("68901.16666666666")
        assert order["size_in_quote"] is False

    play(scenario)


def test_a_market_order_by_money_spends_no_more_than_that() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        before, _ = await wallet(client, "USD")
        bought = await client.create("BUY", "market_market_ioc", quote_size="50000")
        after, held = await wallet(client, "USD")
        # The next lot is worth less than a tenth of a cent.
        assert Decimal("49999.999") < before - after <= 50_000
        assert held == 0
        order = await client.order(bought["success_response"]["order_id"])
        assert (order["size_in_quote"], order["size_inclusive_of_fees"], order["status"]) == (True, True, "FILLED")
        fills = (await client.get("/orders/historical/fills"))["fills"]
        assert [fill["size_in_quote"] for fill in fills] == [True, True]
        value = sum(Decimal(fill["size"]) for fill in fills)
        assert value == Decimal(order["filled_value"])
        assert order["order_configuration"] == {"market_market_ioc": {"quote_size": "50000"}}

    play(scenario)


def test_an_order_with_an_end_time_expires() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        answer = await client.create(
            "BUY", "limit_limit_gtd", base_size="0.1", limit_price="60000.00", end_time="2023-11-14T22:13:25Z",
            post_only=False,
        )  # fmt: skip
        order_id = answer["success_response"]["order_id"]
        clock.pass_seconds(4.9)
        order = await client.order(order_id)
        assert (order["status"], order["time_in_force"]) == ("OPEN", "GOOD_UNTIL_DATE_TIME")
        clock.pass_seconds(0.2)
        assert (await client.order(order_id))["status"] == "EXPIRED"
        assert (await wallet(client, "USD"))[1] == 0
        past = await client.create(
            "BUY", "limit_limit_gtd", base_size="0.1", limit_price="60000.00", end_time="2023-11-14T22:13:25Z"
        )
        assert reason(past) == "PREVIEW_INVALID_END_TIME"

    play(scenario)


GTC = "limit_limit_gtc"
REFUSALS: list[tuple[str, str, dict[str, Json], str]] = [
    ("BUY", GTC, {"base_size": "2", "limit_price": "60000.00"}, "INSUFFICIENT_FUND"),
    ("SELL", GTC, {"base_size": "1.00000001", "limit_price": "70000.00"}, "INSUFFICIENT_FUND"),
    ("BUY", "market_market_ioc", {"base_size": "2"}, "INSUFFICIENT_FUND"),
    ("BUY", GTC, {"base_size": "0.000000001", "limit_price": "60000"}, "INVALID_SIZE_PRECISION"),
    ("BUY", GTC, {"base_size": "0.1", "limit_price": "60000.001"}, "INVALID_PRICE_PRECISION"),
    ("BUY", GTC, {"base_size": "0.1", "limit_price": "0"}, "INVALID_LIMIT_PRICE"),
    ("BUY", GTC, {"base_size": "0", "limit_price": "60000"}, "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL"),
    ("BUY", GTC, {"base_size": "3401", "limit_price": "60000"}, "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE"),
    ("BUY", GTC, {"base_size": "0.00001", "limit_price": "60000"}, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    ("BUY", GTC, {"base_size": "1", "limit_price": "68901", "post_only": True}, "INVALID_LIMIT_PRICE_POST_ONLY"),
    ("SELL", GTC, {"base_size": "1", "limit_price": "68900", "post_only": True}, "INVALID_LIMIT_PRICE_POST_ONLY"),
    ("BUY", "market_market_fok", {"base_size": "0.1"}, "UNSUPPORTED_ORDER_CONFIGURATION"),
    ("SELL", "stop_limit_stop_limit_gtc", {"base_size": "0.1"}, "UNSUPPORTED_ORDER_CONFIGURATION"),
    ("SELL", "trigger_bracket_gtc", {"base_size": "0.1"}, "UNSUPPORTED_ORDER_CONFIGURATION"),
    ("SELL", "market_market_ioc", {"quote_size": "10"}, "UNSUPPORTED_ORDER_CONFIGURATION"),
    ("BUY", "market_market_ioc", {"quote_size": "0.5"}, "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL"),
    ("BUY", "market_market_ioc", {"quote_size": "10.00000000001"}, "INVALID_SIZE_PRECISION"),
    ("HOLD", GTC, {"base_size": "1", "limit_price": "1"}, "INVALID_SIDE"),
]  # fmt: skip


@pytest.mark.parametrize(("side", "kind", "members", "expected"), REFUSALS)
def test_a_refused_order_leaves_no_trace_but_its_reason(
    side: str, kind: str, members: dict[str, Json], expected: str
) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        answer = await client.create(side, kind, **members)
        assert reason(answer) == expected
        assert answer["order_configuration"] == {kind: members}
        assert (await client.get("/orders/historical/batch"))["orders"] == []
        assert (await wallet(client, "USD"), await wallet(client, "BTC")) == (
            (Decimal(100_000), Decimal(0)), (Decimal(1), Decimal(0)),
        )  # fmt: skip
        (call,) = world.record.calls
        assert (call.result, call.method, call.params["product_id"]) == (expected, "create_order", "BTC-USD")

    play(scenario)


def test_an_unknown_product_and_an_empty_book() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        other = await client.create("BUY", GTC, product="ETH-USD", base_size="1", limit_price="1")
        assert reason(other) == "INVALID_PRODUCT_ID"
        clock.pass_seconds(3)
        for members in ({"base_size": "0.1"}, {"quote_size": "10"}):
            assert reason(await client.create("BUY", "market_market_ioc", **members)) == "INVALID_NO_LIQUIDITY"

    play(scenario, [*QUIET, depth(2, [("68900.00", "1")], [])])


BAD_BODIES: list[Json] = [
    None,
    [],
    {},
    {"client_order_id": "x", "product_id": "BTC-USD", "side": "BUY"},
    {"client_order_id": "x", "product_id": "BTC-USD", "side": "BUY", "order_configuration": {}},
    {"client_order_id": "x", "product_id": "BTC-USD", "side": "BUY", "order_configuration": {GTC: {}, "b": {}}},
    {"client_order_id": "x", "product_id": "BTC-USD", "side": "BUY", "order_configuration": {GTC: []}},
    {"client_order_id": "", "product_id": "BTC-USD", "side": "BUY", "order_configuration": {GTC: {}}},
    {"product_id": "BTC-USD", "side": "BUY", "order_configuration": {GTC: {}}},
    {"client_order_id": "x" * 200, "product_id": "BTC-USD", "side": "BUY", "order_configuration": {GTC: {}}},
    *(
        {"client_order_id": "x", "product_id": "BTC-USD", "side": "BUY", "order_configuration": {GTC: members}}
        for members in (
            {"limit_price": "1"}, {"base_size": "1"}, {"base_size": 1, "limit_price": "1"},
            {"base_size": "1", "limit_price": 1.5}, {"base_size": "x", "limit_price": "1"},
            {"base_size": "1", "limit_price": "-1"}, {"base_size": "NaN", "limit_price": "1"},
            {"base_size": "1", "limit_price": "1e999"}, {"base_size": "1", "limit_price": "1", "post_only": "true"},
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_body_that_makes_no_sense_is_a_bad_request(body: Json) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        answer = await world.client().refused("POST", "/orders", 400, body=body)
        assert answer["error"] == "INVALID_ARGUMENT"
        assert set(answer) == {"error", "error_details", "message"}
        assert not world.exchange.purse.accounts[ALICE].by_client_id

    play(scenario)


def test_the_same_client_id_is_the_same_order() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        first = await client.create("BUY", GTC, client_id="once", base_size="0.1", limit_price="60000.00")
        again = await client.create("SELL", GTC, client_id="once", base_size="0.5", limit_price="70000.00")
        assert again == first
        order_id = first["success_response"]["order_id"]
        await client.post("/orders/batch_cancel", {"order_ids": [order_id]})
        ended = await client.create("BUY", GTC, client_id="once", base_size="0.1", limit_price="60000.00")
        assert ended["success_response"] == first["success_response"]
        assert len((await client.get("/orders/historical/batch"))["orders"]) == 1
        other = await world.client(BOB).create("BUY", GTC, client_id="once", base_size="0.1", limit_price="60000.00")
        assert other["success_response"]["order_id"] != order_id
        refused = await client.create("BUY", GTC, client_id="poor", base_size="5", limit_price="60000.00")
        assert reason(refused) == "INSUFFICIENT_FUND"
        affordable = await client.create("BUY", GTC, client_id="poor", base_size="0.1", limit_price="60000.00")
        assert affordable["success"] is True

    play(scenario)


def test_two_orders_of_one_owner_do_not_meet() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        ask = await client.limit("SELL", "0.1", "68900.50", post_only=True)
        bid = await client.limit("BUY", "0.1", "68901.00")
        order = await client.order(bid)
        assert (order["status"], order["filled_size"]) == ("CANCELLED", "0")
        assert order["cancel_message"] == "Order ended: self_trade"
        assert (await client.order(ask))["status"] == "OPEN"
        await world.client(BOB).limit("BUY", "0.1", "68901.00")
        assert (await client.order(ask))["status"] == "FILLED"

    play(scenario)


def test_cancels_say_why_not() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        gone = await client.limit("BUY", "0.1", "60000.00")
        await client.post("/orders/batch_cancel", {"order_ids": [gone]})
        filled = await client.limit("BUY", "0.1", "68901.00")
        others = await world.client(BOB).limit("BUY", "0.1", "60000.00")
        working = await client.limit("BUY", "0.1", "60000.00")
        expired = (await client.create("BUY", "limit_limit_fok", base_size="0.1", limit_price="1000"))[
            "success_response"
        ]["order_id"]
        asked = [gone, filled, others, "nonsense", expired, working]
        results = (await client.post("/orders/batch_cancel", {"order_ids": asked}))["results"]
        assert [row["order_id"] for row in results] == asked
        assert [row["failure_reason"] for row in results] == [
            "DUPLICATE_CANCEL_REQUEST", "ORDER_IS_FULLY_FILLED", "UNKNOWN_CANCEL_ORDER", "UNKNOWN_CANCEL_ORDER",
            "UNKNOWN_CANCEL_ORDER", "UNKNOWN_CANCEL_FAILURE_REASON",
        ]  # fmt: skip
        assert [row["success"] for row in results] == [False] * 5 + [True]
        assert (await world.client(BOB).order(others))["status"] == "OPEN"
        bodies: list[Json] = [{}, {"order_ids": []}, {"order_ids": "x"}, {"order_ids": ["x"] * 101}]
        for body in bodies:
            assert (await client.refused("POST", "/orders/batch_cancel", 400, body=body))["error"] == "INVALID_ARGUMENT"

    play(scenario)


def test_an_edit_moves_the_price_and_nothing_else() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        order_id = await client.limit("BUY", "0.1", "60000.00", post_only=True)
        before = await client.order(order_id)
        edited = await client.post("/orders/edit", {"order_id": order_id, "price": "61000.00", "size": "0.1"})
        assert edited == {"success": True, "errors": []}
        order = await client.order(order_id)
        assert order["order_configuration"][GTC]["limit_price"] == "61000.00"
        assert (await wallet(client, "USD"))[1] == Decimal("6100") * Decimal("1.006")
        assert order["edit_history"][0]["price"] == "61000.00"
        assert order["created_time"] == before["created_time"]
        for change, expected in (
            ({"price": "62000.00", "size": "0.2"}, "INVALID_EDITED_SIZE"),
            ({"price": "62000.00", "size": "0.000000001"}, "INVALID_EDITED_SIZE"),
            ({"price": "0", "size": "0.1"}, "INVALID_EDITED_PRICE"),
            ({"price": "68901.00", "size": "0.1"}, "INVALID_LIMIT_PRICE_POST_ONLY"),
            ({"order_id": "nonsense", "price": "62000.00", "size": "0.1"}, "ORDER_NOT_FOUND"),
        ):  # fmt: skip
            answer = await client.post("/orders/edit", {"order_id": order_id, **change})
            assert answer["success"] is False
            assert answer["errors"][0]["edit_failure_reason"] == expected
        assert (await client.order(order_id))["order_configuration"][GTC]["limit_price"] == "61000.00"
        sale = await client.limit("SELL", "1", "70000.00")
        partly = await client.limit("BUY", "0.6", "68901.00")
        answer = await client.post("/orders/edit", {"order_id": partly, "price": "68901.00", "size": "0.4"})
        assert answer["errors"][0]["edit_failure_reason"] == "CANNOT_EDIT_TO_BELOW_FILLED_SIZE"
        poor = await client.post("/orders/edit", {"order_id": partly, "price": "2000000.00", "size": "0.6"})
        assert poor["errors"][0]["edit_failure_reason"] == "INSUFFICIENT_FUND"
        assert (await client.order(partly))["status"] == (await client.order(sale))["status"] == "OPEN"

    play(scenario)


def test_a_preview_costs_nothing() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()

        async def preview(side: str, kind: str, **members: Json) -> Json:
            body = {"product_id": "BTC-USD", "side": side, "order_configuration": {kind: members}}
            return await client.post("/orders/preview", body)

        resting = await preview("BUY", GTC, base_size="0.001", limit_price="10000.00", post_only=True)
        # The figures of the sample: 10 dollars and 0.6 %.
        assert (resting["order_total"], resting["commission_total"], resting["errs"]) == ("10.06", "0.06", [])
        assert (resting["quote_size"], resting["base_size"]) == ("10", "0.001")
        taking = await preview("SELL", "market_market_ioc", base_size="0.1")
        assert (taking["quote_size"], taking["commission_total"]) == ("6890", "82.68")
        poor = await preview("BUY", GTC, base_size="100", limit_price="10000.00")
        assert poor["errs"] == ["PREVIEW_INSUFFICIENT_FUND"]
        assert (await preview("BUY", "market_market_fok", base_size="1"))["errs"] == ["UNSUPPORTED_ORDER_CONFIGURATION"]
        assert (await client.get("/orders/historical/batch"))["orders"] == []
        assert not world.record.calls

    play(scenario)


def test_a_full_account_is_told() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        await client.limit("BUY", "0.0001", "20000.00")
        owner = world.exchange.purse.accounts[ALICE]
        order = next(iter(owner.orders.values()))
        owner.orders.update(dict.fromkeys(range(-2_000, 0), order))
        full = await client.create("BUY", GTC, base_size="0.0001", limit_price="20000.00")
        assert reason(full) == "COMMANDER_REJECTED_NEW_ORDER"
        for number in range(-2_000, 0):
            del owner.orders[number]

    play(scenario)


def test_the_other_name_of_the_product_stays_with_its_order() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        answer = await client.create("BUY", GTC, product="BTC-USDC", base_size="0.1", limit_price="68901.00")
        assert answer["success_response"]["product_id"] == "BTC-USDC"
        order = await client.order(answer["success_response"]["order_id"])
        assert order["product_id"] == "BTC-USDC"
        fills = "/orders/historical/fills"
        assert [row["product_id"] for row in (await client.get(fills, product_ids="BTC-USDC"))["fills"]] == ["BTC-USDC"]
        assert (await client.get(fills, product_ids="BTC-USD"))["fills"] == []

    play(scenario, rules=CoinbaseRules(alias_quote="USDC"))


def test_fees_are_told_as_the_account_has_them() -> None:
    async def run() -> None:
        async with running(accounts=(account(ALICE, maker=0, taker=500),)) as world:
            client = world.client()
            await client.limit("BUY", "0.1", "68901.00")
            raw = await client.raw("GET", "/transaction_summary")
            assert '"total_volume":6890.1,"total_fees":3.44505' in raw.text
            tier = raw.json()["fee_tier"]
            assert (tier["maker_fee_rate"], tier["taker_fee_rate"]) == ("0", "0.0005")

    asyncio.run(run())


def test_wallets_come_in_pages() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        first = await client.get("/accounts", limit="1")
        assert (first["has_next"], first["size"], len(first["accounts"])) == (True, 1, 1)
        second = await client.get("/accounts", limit="1", cursor=first["cursor"])
        assert (second["has_next"], second["cursor"]) == (False, "")
        names = [page["accounts"][0]["currency"] for page in (first, second)]
        assert names == ["BTC", "USD"]
        kinds = [page["accounts"][0]["type"] for page in (first, second)]
        assert kinds == ["ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT"]
        own = second["accounts"][0]["uuid"]
        assert (await client.get(f"/accounts/{own}"))["account"] == second["accounts"][0]
        await world.client(BOB).refused("GET", f"/accounts/{own}", 404)
        for cursor in ("x", "%%%", "eA=="):
            await client.refused("GET", "/accounts", 400, params={"cursor": cursor})

    play(scenario)


def test_an_order_that_fails_after_success() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        world.moods.switch_on(Mood("failed_after_success", count=1))
        order_id = await client.limit("BUY", "0.1", "60000.00")
        order = await client.order(order_id)
        assert (order["status"], order["filled_size"], order["reject_message"]) == ("FAILED", "0", "Order was rejected")
        assert (await wallet(client, "USD"))[1] == 0
        again = await client.limit("BUY", "0.1", "60000.00")
        assert (await client.order(again))["status"] == "OPEN"
        (failed,) = (await client.post("/orders/batch_cancel", {"order_ids": [order_id]}))["results"]
        assert failed["failure_reason"] == "UNKNOWN_CANCEL_ORDER"

    play(scenario)


def test_a_cancel_that_is_acknowledged_and_fills_all_the_same() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        world.moods.switch_on(Mood("late_fill_after_cancel", ms=1_000, count=1))
        order_id = await client.limit("BUY", "0.2", "60000.00")
        (done,) = (await client.post("/orders/batch_cancel", {"order_ids": [order_id]}))["results"]
        assert done["success"] is True
        order = await client.order(order_id)
        assert (order["status"], order["pending_cancel"]) == ("CANCEL_QUEUED", True)
        (again,) = (await client.post("/orders/batch_cancel", {"order_ids": [order_id]}))["results"]
        assert again["failure_reason"] == "DUPLICATE_CANCEL_REQUEST"
        clock.pass_seconds(2)
        order = await client.order(order_id)
        assert (order["status"], order["filled_size"], order["pending_cancel"]) == ("CANCELLED", "0.1", False)
        assert order["total_fees"] == "36"
        assert order["last_fill_time"] == "2023-11-14T22:13:22.000000Z"

    play(scenario)


def test_created_and_filled_times_are_the_exchanges() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        clock.pass_seconds(1.123456789)
        order = await world.client().order(await world.client().limit("BUY", "0.1", "68901.00"))
        assert order["created_time"] == order["last_fill_time"] == "2023-11-14T22:13:21.123456Z"
        assert world.exchange.now_ns == START_NS + int(1.123456789 * SECOND_NS)
        assert world.exchange.book.best(SELL) == cents("68901.00")

    play(scenario, [*QUIET, quote(60, "68900", "68901")])

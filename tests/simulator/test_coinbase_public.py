"""Public REST: the market as texts, and the limits of what anybody may ask."""

from __future__ import annotations

import asyncio

from tests.simulator import world as zaif_world
from tests.simulator.coinbase_world import PREFIX, QUIET, Json, World, depth, quote, running, trade
from tests.simulator.world import ManualClock
from ztb.core.instrument import BUY, SELL
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.coinbase.shapes import Shapes
from ztb.simulator.moods import Mood


async def status(world: World, path: str) -> tuple[int, Json]:
    answer = await world.http.get(f"{world.url}{PREFIX}{path}")
    return answer.status_code, answer.json()


def test_time_is_the_exchanges() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            clock.pass_seconds(1.25)
            # 1,700,000,000 s is 2023-11-14 22:13:20 UTC.
            assert await world.client().public("/time") == {
                "iso": "2023-11-14T22:13:21Z",
                "epochSeconds": "1700000001",
                "epochMillis": "1700000001250",
            }
            world.moods.switch_on(Mood("wrong_clock", ms=-2_000))
            assert (await world.client().public("/time"))["epochMillis"] == "1699999999250"

    asyncio.run(scenario())


def test_the_book_is_that_of_the_tape() -> None:
    async def scenario() -> None:
        async with running() as world:
            book = await world.client().public("/market/product_book", product_id="BTC-USD")
            assert book == {
                "pricebook": {
                    "product_id": "BTC-USD",
                    "bids": [{"price": "68900.00", "size": "1.5"}, {"price": "68890.00", "size": "2"}],
                    "asks": [{"price": "68901.00", "size": "0.5"}, {"price": "68902.00", "size": "3"}],
                    "time": "2023-11-14T22:13:20.000000Z",
                },
                # Before the first trade, the bid stands for the last price.
                "last": "68900.00",
                "mid_market": "68900.5",
                # 1 / 68900.5 of 10,000.
                "spread_bps": "0.145136827744",
                "spread_absolute": "1",
            }
            one = await world.client().public("/market/product_book", product_id="BTC-USD", limit="1")
            assert [len(one["pricebook"][side]) for side in ("bids", "asks")] == [1, 1]
            best = await world.client().get("/best_bid_ask")
            assert best["pricebooks"][0]["bids"] == [{"price": "68900.00", "size": "1.5"}]

    asyncio.run(scenario())


def test_an_empty_side_leaves_the_middle_at_zero() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running([*QUIET, quote(5, "68900", "68901"), depth(6, [], [])], clock=clock) as world:
            clock.pass_seconds(7)
            book = await world.client().public("/market/product_book", product_id="BTC-USD")
            assert (book["pricebook"]["bids"], book["pricebook"]["asks"]) == ([], [])
            assert (book["mid_market"], book["spread_bps"], book["spread_absolute"]) == ("0", "0", "0")

    asyncio.run(scenario())


def test_trades_are_newest_first_and_carry_the_takers_side() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        events = [*QUIET, trade(2, "68899.99", "0.25", SELL)]
        async with running(events, clock=clock) as world:
            clock.pass_seconds(3)
            ticker = await world.client().public("/market/products/BTC-USD/ticker")
            assert [(row["price"], row["size"], row["side"], row["time"]) for row in ticker["trades"]] == [
                ("68899.99", "0.25", "SELL", "2023-11-14T22:13:22.000000Z"),
                ("68900.50", "0.0015", "BUY", "2023-11-14T22:13:21.000000Z"),
            ]
            ids = [int(row["trade_id"]) for row in ticker["trades"]]
            assert ids[0] > ids[1]
            assert (ticker["best_bid"], ticker["best_ask"]) == ("68900.00", "68901.00")
            window = {"start": "1700000001", "end": "1700000001"}
            old = await world.client().public("/market/products/BTC-USD/ticker", **window)
            assert [row["price"] for row in old["trades"]] == ["68900.50"]

    asyncio.run(scenario())


def test_candles_are_made_from_the_trades() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        # The exchange starts at 22:13:20; minutes begin 40 s later.
        events = [
            *QUIET, trade(2, "68950.00", "0.1", BUY), trade(3, "68850.00", "0.2", SELL),
            trade(41, "68901.00", "1", BUY),
        ]  # fmt: skip
        async with running(events, clock=clock) as world:
            clock.pass_seconds(60)
            get = world.client().public
            path = "/market/products/BTC-USD/candles"
            minutes = await get(path, granularity="ONE_MINUTE", start="1699990000", end="1700009999", limit="2")
            first = {
                "start": "1699999980", "low": "68850.00", "high": "68950.00", "open": "68900.50", "close": "68850.00",
                "volume": "0.3015",
            }  # fmt: skip
            one = "68901.00"
            second = {"start": "1700000040", "low": one, "high": one, "open": one, "close": one, "volume": "1"}
            assert minutes == {"candles": [second, first]}
            hour = (await get(path, granularity="ONE_HOUR"))["candles"]
            assert [(row["start"], row["open"], row["close"], row["volume"]) for row in hour] == [
                ("1699999200", "68900.50", "68901.00", "1.3015")
            ]
            assert (await get(path, granularity="ONE_MINUTE", end="1699999999"))["candles"] == [first]
            assert (await get(path, granularity="ONE_MINUTE", limit="1"))["candles"] == [second]

    asyncio.run(scenario())


def test_what_is_wrong_with_candles_is_said() -> None:
    async def scenario() -> None:
        async with running(rules=CoinbaseRules(public_per_second=0)) as world:
            path = "/market/products/BTC-USD/candles"
            for query in (
                "", "?granularity=ONE_WEEK", "?granularity=ONE_HOUR&start=x", "?granularity=ONE_HOUR&start=2&end=1",
                "?granularity=ONE_HOUR&start=-1", "?granularity=ONE_MINUTE&start=1&end=100000",
            ):  # fmt: skip
                code, body = await status(world, path + query)
                assert (code, body["error"]) == (400, "INVALID_ARGUMENT"), query
                assert set(body) == {"error", "error_details", "message"}

    asyncio.run(scenario())


def test_unknown_products_and_paths() -> None:
    async def scenario() -> None:
        async with running(rules=CoinbaseRules(public_per_second=0)) as world:
            for path in (
                "/market/products/ETH-USD", "/market/product_book?product_id=btc-usd", "/market/product_book",
                "/market/products/BTC-USD/nothing", "/market", "/market/products/", "/orders/x/y", "/nothing",
                "/market/products/ETH-USD/ticker", "/market/products/ETH-USD/candles?granularity=ONE_DAY",
            ):  # fmt: skip
                code, body = await status(world, path)
                assert (code, body["error"]) == (404, "NOT_FOUND"), path
            for outside in ("/", "/api/v2/accounts", "/api/v3/brokerage"):
                answer = await world.http.get(world.url + outside)
                assert answer.status_code == 404
            post = await world.http.post(f"{world.url}{PREFIX}/time")
            assert post.status_code == 404

    asyncio.run(scenario())


def test_products_and_the_other_name() -> None:
    async def scenario() -> None:
        async with running(rules=CoinbaseRules(alias_quote="USDC")) as world:
            get = world.client().public
            both = (await get("/market/products"))["products"]
            assert [(row["product_id"], row["alias"], row["alias_to"]) for row in both] == [
                ("BTC-USD", "", ["BTC-USDC"]),
                ("BTC-USDC", "BTC-USD", []),
            ]
            assert both[1]["quote_currency_id"] == "USDC"
            assert await get("/market/products/BTC-USDC") == both[1]
            asked = await get("/market/products", product_ids=["BTC-USDC", "ETH-USD"])
            assert [row["product_id"] for row in asked["products"]] == ["BTC-USDC"]
            assert asked["num_products"] == 1
            paged = await get("/market/products", limit="1", offset="1")
            assert [row["product_id"] for row in paged["products"]] == ["BTC-USDC"]
            assert (await get("/market/products", product_type="FUTURE"))["products"] == []

    asyncio.run(scenario())


def test_product_tells_steps_and_limits() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running([*QUIET, trade(2, "69000.00", "1", BUY)], clock=clock) as world:
            clock.pass_seconds(3)
            product = await world.client().public("/market/products/BTC-USD")
            told = {name: product[name] for name in (
                "price", "base_increment", "quote_increment", "price_increment", "base_min_size", "base_max_size",
                "quote_min_size", "status", "volume_24h", "price_percentage_change_24h", "approximate_quote_24h_volume",
            )}  # fmt: skip
            assert told == {
                "price": "69000.00", "base_increment": "0.00000001", "quote_increment": "0.01",
                "price_increment": "0.01", "base_min_size": "0.00000001", "base_max_size": "3400",
                "quote_min_size": "1", "status": "online", "volume_24h": "1.0015",
                # 99.5 of 68,900.5 are 0.1444 %; 69,000 + 68,900.5 x 0.0015 dollars.
                "price_percentage_change_24h": "0.1444", "approximate_quote_24h_volume": "69103.35075",
            }  # fmt: skip
            assert not any(product[flag] for flag in (
                "is_disabled", "cancel_only", "limit_only", "post_only", "trading_disabled", "auction_mode",
                "view_only",
            ))  # fmt: skip
            clock.pass_seconds(90_000)
            assert (await world.client().public("/market/products/BTC-USD"))["volume_24h"] == "0"

    asyncio.run(scenario())


def test_ten_public_requests_a_second() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            get = f"{world.url}{PREFIX}/time"
            answers = [await world.http.get(get) for _ in range(11)]
            assert [answer.status_code for answer in answers] == [200] * 10 + [429]
            assert answers[0].headers["x-ratelimit-limit"] == "10"
            assert [answer.headers["x-ratelimit-remaining"] for answer in answers[8:]] == ["1", "0", "0"]
            assert answers[9].headers["x-ratelimit-reset"] == "1"
            assert answers[10].json() == {"errors": [{"id": "rate_limit_exceeded", "message": "Too many requests"}]}
            assert world.record.rate_refusals == {"public": 1}
            clock.pass_seconds(1)
            assert (await world.http.get(get)).status_code == 200

    asyncio.run(scenario())


def test_thirty_private_requests_a_second_for_each_key() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            client, other = world.client(), world.client("organizations/bob/apiKeys/bob")
            answers = [await client.raw("GET", "/key_permissions") for _ in range(31)]
            assert [answer.status_code for answer in answers] == [200] * 30 + [429]
            assert answers[0].headers["x-ratelimit-limit"] == "30"
            assert answers[0].headers["x-ratelimit-remaining"] == "29"
            assert (await other.raw("GET", "/key_permissions")).status_code == 200
            assert world.record.rate_refusals == {"private": 1}

    asyncio.run(scenario())


def test_limits_of_an_hour_can_be_set_and_all_of_them_left_out() -> None:
    async def scenario() -> None:
        async with running(rules=CoinbaseRules(private_per_hour=2)) as world:
            answers = [await world.client().raw("GET", "/key_permissions") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
        async with running(rules=CoinbaseRules(private_limits=False, public_per_second=0)) as world:
            answers = [await world.client().raw("GET", "/key_permissions") for _ in range(40)]
            answers += [await world.http.get(f"{world.url}{PREFIX}/time") for _ in range(20)]
            assert {answer.status_code for answer in answers} == {200}
            assert "x-ratelimit-limit" not in answers[0].headers

    asyncio.run(scenario())


def test_the_product_follows_the_tape() -> None:
    product = Shapes(zaif_world.exchange(), CoinbaseRules()).product("BTC-JPY")
    assert (product["base_increment"], product["price_increment"]) == ("0.0001", "5")
    assert (product["base_min_size"], product["quote_min_size"], product["price"]) == ("0.0001", "1", "13689995")
    assert (product["quote_name"], product["base_name"]) == ("Japanese Yen", "Bitcoin")

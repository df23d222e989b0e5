"""Public REST: what is not there, what is too much, and figures on a bad day."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulator.world import ALICE, ManualClock, depth, running, ticks
from ztb.core.instrument import BUY, SELL
from ztb.simulator.zaif.rules import ZaifRules


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/1/ticker/no_such", "unsupported currency_pair"),
        ("/api/1/ticker/BTC_JPY", "unsupported currency_pair"),
        ("/api/1/depth/all", "unsupported currency_pair"),
        ("/api/1/currency_pairs/eth_jpy", "unsupported currency_pair"),
        ("/api/1/candles/btc_jpy", "unsupported method"),
    ],
)
def test_errors_are_answers_with_status_200(path: str, text: str) -> None:
    async def scenario() -> None:
        async with running() as world:
            response = await world.client().get(path)
            assert response.status_code == 200
            assert response.json() == {"error": text}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/api/1/", "/api/1/depth", "/api/1/depth/", "/api/1/depth/btc_jpy/1", "/api/2/depth/btc_jpy"),
        *("/fapi/1/groups", "/tapi", "/_sim", "//[", "/%ff%00", "/stream"),
    ],
)
def test_wrong_paths_are_html_with_status_404(path: str) -> None:
    async def scenario() -> None:
        async with running() as world:
            response = await world.client().get(path)
            assert response.status_code == 404
            assert response.headers["content-type"] == "text/html"
            assert "<title>404 Not Found</title>" in response.text

    asyncio.run(scenario())


def test_only_get_is_public() -> None:
    async def scenario() -> None:
        async with running() as world:
            response = await world.http.post(f"{world.url}/api/1/depth/btc_jpy")
            assert response.status_code == 404

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [403, 429])
def test_more_than_ten_requests_a_second_are_refused(status: int) -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock, rules=ZaifRules(public_refusal_status=status)) as world:
            get = world.client().get
            for _ in range(10):
                assert (await get("/api/1/last_price/btc_jpy")).status_code == 200
            for _ in range(2):
                assert (await get("/api/1/last_price/btc_jpy")).status_code == status
            # Nobody's private calls count for that.
            await world.client(ALICE).call("get_info2")
            clock.pass_seconds(1)
            assert (await get("/api/1/last_price/btc_jpy")).status_code == 200

    asyncio.run(scenario())


def test_the_limit_can_be_lifted() -> None:
    async def scenario() -> None:
        async with running(rules=ZaifRules(public_per_second=0)) as world:
            for _ in range(30):
                assert (await world.client().get("/api/1/last_price/btc_jpy")).status_code == 200

    asyncio.run(scenario())


def test_depth_shows_at_most_150_levels_best_first() -> None:
    bids = [(13_000_000 - 5 * number, number + 1) for number in range(200)]
    asks = [(13_000_005 + 5 * number, number + 1) for number in range(200)]

    async def scenario() -> None:
        async with running([depth(0, bids, asks)]) as world:
            answer = (await world.client().get("/api/1/depth/btc_jpy")).json()
            assert len(answer["bids"]) == len(answer["asks"]) == 150
            assert answer["bids"][0] == [13_000_000.0, 0.0001]
            assert answer["asks"][149] == [13_000_750.0, 0.015]
            assert answer["bids"] == sorted(answer["bids"], reverse=True)
            assert answer["asks"] == sorted(answer["asks"])

    asyncio.run(scenario())


def test_clients_orders_are_part_of_the_public_book() -> None:
    async def scenario() -> None:
        async with running() as world:
            owner = world.exchange.purse.accounts[ALICE]
            world.exchange.place(owner, side=BUY, price=ticks(13_689_995), lots=7)
            world.exchange.place(owner, side=SELL, price=ticks(13_690_010), lots=9)
            answer = (await world.client().get("/api/1/depth/btc_jpy")).json()
            assert answer["bids"][0] == [13_689_995.0, 0.3007]
            assert answer["asks"][2] == [13_690_010.0, 0.0009]

    asyncio.run(scenario())


def test_the_ticker_of_a_market_without_anything_is_null() -> None:
    async def scenario() -> None:
        async with running([depth(0, [], [])]) as world:
            answer = (await world.client().get("/api/1/ticker/btc_jpy")).json()
            assert answer == {
                "last": 0.0, "high": None, "low": None, "vwap": None, "volume": 0.0, "bid": None, "ask": None,
            }  # fmt: skip

    asyncio.run(scenario())

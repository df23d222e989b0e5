"""The public calls as they cross a real socket."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.venues.gmo.desk import answer, desk, refusal
from tests.venues.gmo.samples import BOTH, LEVERAGE, SPOT, rest_body, variant
from tests.venues.loopback import reply
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.core.event import Trade
from ztb.core.instrument import BUY
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.port import Market, ServerTime


def test_adapter_has_the_shape_of_the_port() -> None:
    def _market(value: GmoPublic) -> Market:
        return value


def test_public_calls() -> None:
    names = ("status", "symbols", "symbols", "orderbooks", "trades", "ticker", "status", "symbols")

    async def run() -> None:
        async with desk(*(reply(rest_body(name)) for name in names)) as made:
            assert await made.public.status() == "OPEN"
            assert await made.public.instruments() == BOTH
            assert await made.public.instrument("BTC") == SPOT
            book = await made.public.depth(LEVERAGE)
            assert (book.bids, book.asks) == (((13_689_000, 200),), ((13_690_000, 100),))
            [trade] = await made.public.trades(LEVERAGE)
            assert trade == Trade(made.clock.now_ns(), "BTC_JPY", 13_690_000, 100, BUY, 1_699_999_999_789_000_000)
            assert (await made.public.ticker("BTC_JPY")).volume == "194.7858"
            assert await made.public.server_time() == ServerTime(1_700_000_000_123_000_000, 1_000_000)
            with pytest.raises(Rejected):
                await made.public.instrument("NO_SUCH")
            assert [request.target for request in made.server.requests] == [
                "/public/v1/status",
                "/public/v1/symbols",
                "/public/v1/symbols",
                "/public/v1/orderbooks?symbol=BTC_JPY",
                "/public/v1/trades?symbol=BTC_JPY&page=1&count=100",
                "/public/v1/ticker?symbol=BTC_JPY",
                "/public/v1/status",
                "/public/v1/symbols",
            ]
            assert all("api-key" not in request.headers for request in made.server.requests)

    asyncio.run(run())


@pytest.mark.parametrize("state", ["OPEN", "PREOPEN", "MAINTENANCE"])
def test_state_of_the_exchange(state: str) -> None:
    async def run() -> None:
        async with desk(answer({"status": state})) as made:
            assert await made.public.status() == state

    asyncio.run(run())


def test_symbol_that_the_venue_does_not_know() -> None:
    async def run() -> None:
        async with desk(reply(variant("not_found_http404"), status="404 Not Found")) as made:
            with pytest.raises(Rejected) as caught:
                await made.public.ticker("XTZ")
            assert caught.value.code == "ERR-5207"

    asyncio.run(run())


def test_ticker_of_something_else_is_no_answer() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("ticker"))) as made:
            with pytest.raises(VenueError, match="undecodable"):
                await made.public.ticker("BTC")

    asyncio.run(run())


def test_no_trades_at_all() -> None:
    async def run() -> None:
        async with desk(answer({})) as made:
            assert await made.public.trades(LEVERAGE) == []

    asyncio.run(run())


def test_answer_without_the_time_tells_no_time() -> None:
    body = json.loads(rest_body("status"))
    del body["responsetime"]

    async def run() -> None:
        async with desk(reply(json.dumps(body)), reply(variant("maintenance"))) as made:
            with pytest.raises(VenueError, match="undecodable"):
                await made.public.server_time()
            with pytest.raises(Rejected) as caught:
                await made.public.server_time()
            assert caught.value.code == "maintenance"

    asyncio.run(run())


@pytest.mark.parametrize("limited", [refusal("ERR-5003"), reply("", status="429 Too Many Requests")])
def test_host_that_says_too_fast_is_left_alone_for_a_while(limited: object) -> None:
    async def run() -> None:
        assert callable(limited)
        async with desk(limited, reply(rest_body("status"))) as made:
            for _ in range(2):
                with pytest.raises(Throttled):
                    await made.public.trades(LEVERAGE, wait_s_max=0.0)
            assert len(made.server.requests) == 1
            made.clock.advance(60)
            assert await made.public.status() == "OPEN"

    asyncio.run(run())


def test_pause_that_the_host_asks_for_is_kept() -> None:
    async def run() -> None:
        refused = reply("", status="429 Too Many Requests", headers="retry-after: 30")
        async with desk(refused, reply(rest_body("status"))) as made:
            with pytest.raises(Throttled):
                await made.public.status()
            made.clock.advance(24)
            with pytest.raises(Throttled):
                await made.public.trades(LEVERAGE, wait_s_max=0.0)
            assert len(made.server.requests) == 1
            made.clock.advance(7)
            assert await made.public.status() == "OPEN"

    asyncio.run(run())

"""The public calls as they cross a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.venues.coinbase.desk import API, desk, says
from tests.venues.coinbase.samples import BTC_USD, rest_answer, rest_body, variant
from tests.venues.loopback import Answer, hang, reply, reset
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.core.event import Depth
from ztb.venues.coinbase.rest import CoinbasePublic
from ztb.venues.port import Market, PartlyRead, ServerTime

TIME_NS = 1_705_314_600_123_000_000


def product(**changes: object) -> Any:  # noqa: ANN401 - JSON
    return rest_answer("public_product") | changes


def test_adapter_has_the_shape_of_the_port() -> None:
    def _market(value: CoinbasePublic) -> Market:
        return value


def test_instruments_are_those_that_take_orders() -> None:
    async def run() -> None:
        rows = [
            product(),
            product(product_id="ETH-USD", base_currency_id="ETH"),
            product(product_id="X-USD", status="x"),
        ]
        async with desk(says({"products": rows, "num_products": 3})) as made:
            told = await made.public.instruments()
            assert set(told) == {"BTC-USD", "ETH-USD"}
            assert told["BTC-USD"] == BTC_USD
            assert made.target() == ("GET", "market/products", [("product_type", "SPOT")])
            assert "authorization" not in made.server.requests[0].headers
            assert made.server.requests[0].headers["cache-control"] == "no-cache"

    asyncio.run(run())


def broken(**changes: object) -> Any:  # noqa: ANN401 - JSON
    return product(product_id="BAD-USD") | changes


@pytest.mark.parametrize(
    "bad",
    [
        broken(price_increment="0"),
        broken(base_increment="much"),
        broken(base_max_size=None),
        broken(trading_disabled="no"),
        {"product_id": "BAD-USD"},
        [],
        "BAD-USD",
        None,
    ],
)
def test_one_product_that_cannot_be_read_hides_no_other(bad: object) -> None:
    async def run() -> None:
        rows = [product(), bad, product(product_id="ETH-USD", base_currency_id="ETH")]
        whole = says({"products": [product()], "num_products": 1})
        async with desk(says({"products": rows, "num_products": 3}), whole) as made:
            assert set(await made.public.instruments()) == {"BTC-USD", "ETH-USD"}
            assert made.public.unread == 1
            assert isinstance(made.public, PartlyRead)
            assert set(await made.public.instruments()) == {"BTC-USD"}
            assert made.public.unread == 0

    asyncio.run(run())


def test_a_list_of_which_nothing_can_be_read_is_no_list() -> None:
    async def run() -> None:
        async with desk(says({"products": [broken(price_increment="0")] * 2, "num_products": 2})) as made:
            with pytest.raises(VenueError) as caught:
                await made.public.instruments()
            assert caught.value.code == "undecodable"

    asyncio.run(run())


def numbered(first: int, last: int) -> list[Any]:
    return [product(product_id=f"C{number}-USD") for number in range(first, last)]


def test_products_are_asked_for_until_all_that_the_venue_counts_are_there() -> None:
    async def run() -> None:
        pages = [{"products": numbered(first, first + 2), "num_products": 5} for first in (0, 2)]
        script = [says(page) for page in (*pages, {"products": numbered(4, 5), "num_products": 5})]
        async with desk(*script) as made:
            assert set(await made.public.instruments()) == {f"C{number}-USD" for number in range(5)}
            assert [made.target(number)[2] for number in range(3)] == [
                [("product_type", "SPOT")],
                [("product_type", "SPOT"), ("offset", "2")],
                [("product_type", "SPOT"), ("offset", "4")],
            ]

    asyncio.run(run())


@pytest.mark.parametrize("again", [[], numbered(0, 2)])
def test_a_venue_that_counts_more_than_it_tells_is_not_asked_for_ever(again: list[Any]) -> None:
    async def run() -> None:
        script = [says({"products": rows, "num_products": 9}) for rows in (numbered(0, 2), again)]
        async with desk(*script) as made:
            assert set(await made.public.instruments()) == {"C0-USD", "C1-USD"}
            assert len(made.server.requests) == 2

    asyncio.run(run())


def test_one_instrument() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("public_product"))) as made:
            assert await made.public.instrument("BTC-USD") == BTC_USD
            assert made.target() == ("GET", "market/products/BTC-USD", [])

    asyncio.run(run())


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (reply(variant("http_404_order"), status="404 Not Found"), "not_found"),
        (says(product(cancel_only=True)), "not_tradable"),
        (says(product(price_increment="0.00000000001")), "not_tradable"),
    ],
)
def test_instrument_that_takes_no_orders_is_refused(script: Answer, code: str) -> None:
    async def run() -> None:
        async with desk(script) as made:
            with pytest.raises(Rejected) as caught:
                await made.public.instrument("BTC-USD")
            assert caught.value.code == code

    asyncio.run(run())


def test_answer_about_another_instrument_is_refused() -> None:
    async def run() -> None:
        async with desk(says(product(product_id="ETH-USD"))) as made:
            with pytest.raises(VenueError) as caught:
                await made.public.instrument("BTC-USD")
            assert caught.value.code == "undecodable"

    asyncio.run(run())


def test_symbol_cannot_lead_to_another_path() -> None:
    async def run() -> None:
        async with desk(reply(variant("http_404_order"), status="404 Not Found")) as made:
            with pytest.raises(Rejected):
                await made.public.instrument("../time?x")
            assert made.server.requests[0].target == f"{API}/market/products/..%2Ftime%3Fx"

    asyncio.run(run())


def test_book_and_trades() -> None:
    async def run() -> None:
        script = [reply(rest_body(name)) for name in ("public_product", "public_product_book", "public_ticker")]
        async with desk(*script) as made:
            await made.public.instrument("BTC-USD")
            book = await made.public.depth(BTC_USD)
            assert (book.bids, book.asks, book.is_snapshot) == (
                ((6_892_366, 17_189_468),),
                ((6_892_367, 16_987_193),),
                True,
            )
            assert made.target() == ("GET", "market/product_book", [("product_id", "BTC-USD"), ("limit", "500")])
            [trade] = await made.public.trades(BTC_USD)
            assert (trade.trade_id, trade.ts_ns) == ("995098663", made.clock.now_ns())
            assert made.target() == ("GET", "market/products/BTC-USD/ticker", [("limit", "500")])

    asyncio.run(run())


def test_trades_are_told_oldest_first() -> None:
    async def run() -> None:
        row = rest_answer("public_ticker")["trades"][0]
        rows = [row | {"trade_id": str(one)} for one in (11, 10, 9)]
        async with desk(says({"trades": rows}), reply(rest_body("public_product"))) as made:
            assert [trade.trade_id for trade in await made.public.trades(BTC_USD)] == ["9", "10", "11"]

    asyncio.run(run())


@pytest.mark.parametrize(("alias", "is_taken"), [("BTC-USD", True), ("", False), ("ETH-USD", False)])
def test_book_of_an_alias_may_come_under_the_name_that_it_stands_for(alias: str, is_taken: bool) -> None:
    async def run() -> None:
        row = product(product_id="BTC-USDC", quote_currency_id="USDC", alias=alias, alias_to=[])
        async with desk(says(row), reply(rest_body("public_product_book"))) as made:
            instrument = await made.public.instrument("BTC-USDC")
            if is_taken:
                book = await made.public.depth(instrument)
                assert isinstance(book, Depth)
                assert book.instrument == "BTC-USDC"
            else:
                with pytest.raises(VenueError):
                    await made.public.depth(instrument)

    asyncio.run(run())


def test_names_are_asked_for_once_and_not_waited_for() -> None:
    async def run() -> None:
        row = product(product_id="BTC-USDC", alias="BTC-USD")
        async with desk(reply("", status="502 Bad Gateway"), says(row)) as made:
            assert await made.public.names("BTC-USDC") == {"BTC-USDC"}
            for _ in range(3):
                assert await made.public.names("BTC-USDC") == {"BTC-USDC", "BTC-USD"}
            assert len(made.server.requests) == 2

    asyncio.run(run())


def test_server_time_is_told_to_the_millisecond() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("time"))) as made:
            assert await made.public.server_time() == ServerTime(TIME_NS, 1_000_000)
            assert made.target() == ("GET", "time", [])

    asyncio.run(run())


@pytest.mark.parametrize("text", ["", "-1", "1.5", "soon", "1" * 16, "٣"])
def test_time_that_is_none_is_refused(text: str) -> None:
    async def run() -> None:
        async with desk(says({"epochMillis": text})) as made:
            with pytest.raises(VenueError) as caught:
                await made.public.server_time()
            assert caught.value.code == "undecodable"

    asyncio.run(run())


CALLS: dict[str, Callable[[CoinbasePublic], Awaitable[object]]] = {
    "instruments": lambda public: public.instruments(),
    "instrument": lambda public: public.instrument("BTC-USD"),
    "depth": lambda public: public.depth(BTC_USD),
    "trades": lambda public: public.trades(BTC_USD),
    "server_time": lambda public: public.server_time(),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "script",
    [hang, reset, reply("<html></html>"), reply("", status="503 Service Unavailable"), says({"error": "INTERNAL"})],
)
def test_call_that_fails_is_a_passing_error_and_is_made_once(call: str, script: Answer) -> None:
    async def run() -> None:
        async with desk(script) as made:
            with pytest.raises(VenueError) as caught:
                await CALLS[call](made.public)
            assert (caught.value.kind, caught.value.retryable) == ("network", True)
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_refusal_for_the_rate_closes_the_public_calls_alone() -> None:
    async def run() -> None:
        refusal = reply(variant("http_429"), status="429 Too Many Requests", headers="retry-after: 30")
        async with desk(refusal) as made:
            for _ in range(2):
                with pytest.raises(Throttled):
                    await made.public.server_time()
            assert len(made.server.requests) == 1
            assert made.limiter.head_room("public") == 0
            assert made.limiter.head_room("order") > 0
            made.clock.advance(31)
            assert made.limiter.head_room("public") > 0

    asyncio.run(run())

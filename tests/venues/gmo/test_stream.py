"""The market stream against a real WebSocket server: turns, refusals, gaps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from tests.venues.gmo.samples import LEVERAGE, answer_body, frame
from tests.venues.gmo.sockets import greeted, sockets
from tests.venues.loopback import Request, loopback, reply
from tests.venues.scripted_clock import START_NS, ScriptedClock
from ztb.core.error import ConfigError
from ztb.core.event import Depth, Feed, Quote, Trade
from ztb.venues.gmo import rules
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.gmo.stream import GmoFeed, Turns
from ztb.venues.limiter import Limiter
from ztb.venues.port import MarketFeed, MarketNews
from ztb.venues.transport import Transport

BOOK = frame("orderbooks")


def a_feed(url: str, clock: ScriptedClock | None = None, **options: Any) -> GmoFeed:  # noqa: ANN401
    return GmoFeed(url + "/ws/public/v1", LEVERAGE, clock=clock or ScriptedClock(), jitter=lambda: 0.5, **options)


async def take(feed: GmoFeed, count: int) -> list[MarketNews]:
    taken: list[MarketNews] = []
    async with asyncio.timeout(30), aclosing(feed.events()) as events:
        async for event in events:
            taken.append(event)
            if len(taken) == count:
                break
    return taken


def _time(millisecond: int) -> str:
    return f"2023-11-14T22:13:20.{millisecond:03}Z"


def trade_frame(millisecond: int, price: int = 13_690_000) -> bytes:
    return frame("trades", timestamp=_time(millisecond), price=str(price))


def history(*trades: tuple[int, int]) -> bytes:
    """The answer to ``trades``, newest first, of (millisecond, price)."""
    rows = [
        {"price": str(price), "side": "BUY", "size": "0.1", "timestamp": _time(millisecond)}
        for millisecond, price in reversed(trades)
    ]
    return answer_body({"pagination": {"currentPage": 1, "count": 100}, "list": rows})


@asynccontextmanager
async def public_calls(body: bytes, status: str = "200 OK") -> AsyncIterator[tuple[GmoPublic, list[Request]]]:
    async with loopback(reply(body, status=status)) as server:
        clock = ScriptedClock()
        transport = Transport(server.url)
        try:
            yield GmoPublic(transport, limiter=Limiter(rules.RATE_RULES, clock=clock), clock=clock), server.requests
        finally:
            await transport.close()


def test_feed_has_the_shape_of_the_port() -> None:
    def _feed(value: GmoFeed) -> MarketFeed:
        return value

    with pytest.raises(ConfigError):
        a_feed("ws://api.coin.z.com")


def test_what_is_sent_and_what_is_told() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        async with sockets(greeted(BOOK, trade_frame(4))) as server:
            taken = await take(a_feed(server.url, clock), 4)
            assert server.paths == ["/ws/public/v1"]
            assert [json.loads(message) for message in server.heard] == [
                {"command": "subscribe", "channel": "trades", "symbol": "BTC_JPY", "option": "TAKER_ONLY"},
                {"command": "subscribe", "channel": "orderbooks", "symbol": "BTC_JPY"},
            ]
            # More than a second of the clock lies between the two messages.
            assert [seconds for seconds in clock.slept if seconds > 1.0] == [rules.SUBSCRIBE_PAUSE_S]
            assert [type(event) for event in taken] == [Feed, Depth, Quote, Trade]
            connected = taken[0]
            assert isinstance(connected, Feed)
            assert connected.connected

    asyncio.run(run())


def test_sockets_of_one_process_take_turns() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        turns = Turns(clock=clock, pause_s=1.1, slack_s=1.0)
        begun = clock.monotonic_ns()
        await turns.take(2)
        assert clock.monotonic_ns() == begun
        await turns.take(2)
        # Two messages of 1.1 s and the handshake before them.
        assert clock.monotonic_ns() - begun == 3_200_000_000
        clock.advance(100)
        begun = clock.monotonic_ns()
        await turns.take(1)
        assert clock.monotonic_ns() == begun

    asyncio.run(run())


@pytest.mark.parametrize("name", ["error_rate", "error_param"])
def test_refused_subscription_is_a_lost_stream(name: str) -> None:
    async def run() -> None:
        refused, fine = greeted(BOOK, frame(name)), greeted(BOOK)
        async with sockets(refused, fine) as server:
            taken = await take(a_feed(server.url), 6)
            states = [event for event in taken if isinstance(event, Feed)]
            assert [state.connected for state in states] == [True, False, True]
            assert "ERR-5" in states[1].text
            assert len(server.paths) == 2

    asyncio.run(run())


def test_frame_that_does_not_decode_is_left_out() -> None:
    async def run() -> None:
        async with sockets(greeted(BOOK, b"{", frame("trades", price="x"), b"\x00", trade_frame(9))) as server:
            feed = a_feed(server.url)
            taken = await take(feed, 4)
            assert isinstance(taken[3], Trade)
            assert (feed.loop.frames, feed.loop.frames_refused) == (2, 3)

    asyncio.run(run())


def test_silence_with_an_open_socket_is_a_lost_stream() -> None:
    async def run() -> None:
        async with sockets(greeted(BOOK), greeted(BOOK)) as server:
            taken = await take(a_feed(server.url, silence_s_max=1.5), 5)
            assert [event.connected for event in taken if isinstance(event, Feed)] == [True, False, True]
            assert len(server.paths) == 2

    asyncio.run(run())


def test_trades_missed_while_away_are_read_over_rest_and_told_once() -> None:
    async def run() -> None:
        # Told before: 5 and 6. Missed: the second trade of millisecond 6, and 7. The stream tells 8 as well.
        told = history((5, 100), (6, 100), (6, 101), (7, 100), (8, 100))
        first = greeted(BOOK, trade_frame(5, 100), trade_frame(6, 100), then_hang=False)
        second = greeted(BOOK, trade_frame(8, 100), trade_frame(9, 100))
        async with public_calls(told) as (public, requests), sockets(first, second) as server:
            feed = a_feed(server.url, public=public)
            taken = await take(feed, 13)
            assert [event.text for event in taken if isinstance(event, Feed)][2:] == ["", "backfilled 3 trades"]
            trades = [(event.venue_ns // 1_000_000 % 1000, event.price) for event in taken if isinstance(event, Trade)]
            assert trades == [(5, 100), (6, 100), (6, 101), (7, 100), (8, 100), (9, 100)]
            assert [request.target for request in requests] == ["/public/v1/trades?symbol=BTC_JPY&page=1&count=100"]
            assert (feed.wire.trades_backfilled, feed.wire.gaps_left) == (3, 0)

    asyncio.run(run())


def test_trade_as_first_news_after_a_gap_is_not_told_twice() -> None:
    async def run() -> None:
        told = history((5, 100), (7, 100), (8, 100))
        first = greeted(BOOK, trade_frame(5, 100), then_hang=False)
        async with public_calls(told) as (public, _), sockets(first, greeted(trade_frame(8, 100), BOOK)) as server:
            taken = await take(a_feed(server.url, public=public), 10)
            times = [event.venue_ns // 1_000_000 % 1000 for event in taken if isinstance(event, Trade)]
            assert times == [5, 7, 8]
            assert isinstance(taken[9], Depth)

    asyncio.run(run())


def test_history_that_does_not_reach_back_says_so() -> None:
    async def run() -> None:
        first = greeted(BOOK, trade_frame(5), then_hang=False)
        async with public_calls(history((7, 100))) as (public, _), sockets(first, greeted(BOOK)) as server:
            feed = a_feed(server.url, public=public)
            taken = await take(feed, 9)
            notes = [event.text for event in taken if isinstance(event, Feed)]
            assert notes[-1] == "backfilled 1 trades; older ones are lost"
            assert feed.wire.gaps_left == 1

    asyncio.run(run())


def test_gap_that_cannot_be_filled_is_told_and_the_stream_goes_on() -> None:
    async def run() -> None:
        first = greeted(BOOK, trade_frame(5), then_hang=False)
        broken = public_calls(b"<html>", "502 Bad Gateway")
        async with broken as (public, _), sockets(first, greeted(BOOK, trade_frame(6))) as server:
            feed = a_feed(server.url, public=public)
            taken = await take(feed, 9)
            notes = [event.text for event in taken if isinstance(event, Feed)]
            assert "not to be had" in notes[-1]
            assert isinstance(taken[-1], Trade)
            assert feed.wire.gaps_left == 1

    asyncio.run(run())


def test_events_carry_the_time_of_arrival() -> None:
    async def run() -> None:
        async with sockets(greeted(BOOK)) as server:
            taken = await take(a_feed(server.url), 2)
            assert isinstance(taken[1], Depth)
            assert START_NS <= taken[1].ts_ns <= START_NS + 10_000_000_000
            assert taken[1].venue_ns == 1_700_000_000_003_000_000

    asyncio.run(run())

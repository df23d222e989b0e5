"""The market stream against a real WebSocket server that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve, unix_serve

from tests.venues.loopback import loopback, reply
from tests.venues.scripted_clock import START_NS, ScriptedClock
from tests.venues.zaif.samples import BTC_JPY, frame, rest_body
from ztb.core.error import ConfigError
from ztb.core.event import Depth, Feed, Quote, Trade
from ztb.venues import limits
from ztb.venues.limiter import Limiter
from ztb.venues.port import MarketFeed
from ztb.venues.transport import Transport
from ztb.venues.zaif import rules
from ztb.venues.zaif.rest import ZaifPublic
from ztb.venues.zaif.stream import ZaifFeed

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def venue(*connections: Handler, uds: Path | None = None) -> AsyncIterator[tuple[str, list[str]]]:
    """A stream server; connection n is handled by entry n, the last one again and again. Also the paths asked for."""
    paths: list[str] = []

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        paths.append(socket.request.path)
        await connections[min(len(paths), len(connections)) - 1](socket)

    server: Server
    if uds is not None:
        server = await unix_serve(handle, str(uds))
        url = "ws://ws.example/stream"
    else:
        server = await serve(handle, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/stream"
    try:
        yield url, paths
    finally:
        server.close(close_connections=True)
        await server.wait_closed()


def sends(*frames: bytes | str, then_hang: bool = True) -> Handler:
    async def handle(socket: ServerConnection) -> None:
        for body in frames:
            await socket.send(body.decode() if isinstance(body, bytes) else body)
        if then_hang:
            await socket.wait_closed()

    return handle


def a_feed(url: str, clock: ScriptedClock | None = None, **options: Any) -> ZaifFeed:  # noqa: ANN401
    return ZaifFeed(url, BTC_JPY, clock=clock or ScriptedClock(), jitter=lambda: 0.5, **options)


async def take(feed: ZaifFeed, count: int) -> list[Trade | Quote | Depth | Feed]:
    taken: list[Trade | Quote | Depth | Feed] = []
    async with asyncio.timeout(30), aclosing(feed.events()) as events:
        async for event in events:
            taken.append(event)
            if len(taken) == count:
                break
    return taken


def trades(*tids: int) -> list[dict[str, Any]]:
    return [
        {"trade_type": "bid", "price": 13690000.0, "tid": tid, "amount": 0.002, "date": 1700000010}
        for tid in sorted(tids, reverse=True)
    ]


def test_feed_has_the_shape_of_the_port() -> None:
    def _feed(value: ZaifFeed) -> MarketFeed:
        return value

    with pytest.raises(ConfigError):
        a_feed("ws://ws.zaif.jp/stream")


def test_first_frame_connects_and_later_ones_tell_news() -> None:
    async def run() -> None:
        second = frame(trades=trades(250_000_002, 250_000_003), bids=[[13689990.0, 0.3]])
        async with venue(sends(frame(), second)) as (url, paths):
            feed = a_feed(url)
            taken = await take(feed, 6)
            assert paths == ["/stream?currency_pair=btc_jpy"]
            assert taken[0] == Feed(START_NS, True)
            assert [type(event) for event in taken[1:]] == [Depth, Quote, Trade, Depth, Quote]
            assert isinstance(taken[3], Trade)
            assert (taken[3].trade_id, taken[3].ts_ns) == ("250000003", START_NS)
            assert (feed.loop.frames, feed.loop.frames_refused) == (2, 0)

    asyncio.run(run())


def test_nothing_is_ever_sent_but_protocol_pings() -> None:
    async def run() -> None:
        heard: list[str | bytes] = []
        pinged = asyncio.Event()

        async def handle(socket: ServerConnection) -> None:
            await socket.send(frame().decode())
            pong = socket.protocol.recv_frame

            def noticing(message: Any) -> None:  # noqa: ANN401
                if message.opcode.name == "PING":
                    pinged.set()
                pong(message)

            socket.protocol.recv_frame = noticing  # type: ignore[assignment]
            async for message in socket:
                heard.append(message)

        async with venue(handle) as (url, _), aclosing(a_feed(url, ping_s=0.05).events()) as events:
            await anext(events)
            await asyncio.wait_for(pinged.wait(), 30)
        assert heard == []

    asyncio.run(run())


def test_closed_stream_is_told_at_each_attempt_and_comes_back_with_growing_waits() -> None:
    async def run() -> None:
        clock = ScriptedClock()

        async def refuse(socket: ServerConnection) -> None:
            await socket.close()

        async with venue(sends(frame(), then_hang=False), refuse, refuse, sends(frame())) as (url, paths):
            taken = await take(a_feed(url, clock), 7)
            kinds = [event.connected if isinstance(event, Feed) else None for event in taken]
            assert kinds == [True, None, None, False, False, False, True]
            assert len(paths) == 4
            assert clock.slept == [2, 4, 8]

    asyncio.run(run())


def test_venue_that_is_not_there_is_told_at_each_attempt() -> None:
    async def run() -> None:
        async with venue(sends(frame())) as (url, _):
            pass
        clock = ScriptedClock()
        feed = a_feed(url, clock)
        async with asyncio.timeout(30), aclosing(feed.events()) as events:
            for _ in range(7):
                lost = await anext(events)
                assert isinstance(lost, Feed)
                assert not lost.connected
                assert lost.text
        assert clock.slept[:6] == [2, 4, 8, 16, 32, 600]

    asyncio.run(run())


def test_open_socket_without_data_is_lost() -> None:
    async def run() -> None:
        async with venue(sends(frame()), sends(frame())) as (url, paths):
            taken = await take(a_feed(url, silence_s_max=1.0), 5)
            lost = taken[3]
            assert isinstance(lost, Feed)
            assert not lost.connected
            assert "no data for 1 s" in lost.text
            assert len(paths) == 2

    asyncio.run(run())


def test_garbage_is_counted_and_the_next_good_frame_is_used() -> None:
    async def run() -> None:
        bad: list[bytes | str] = ["", "{", "<html>", '{"success":0}', frame(currency_pair="eth_jpy")]
        good = frame(trades=trades(250_000_002, 250_000_003))
        async with venue(sends(frame(), *bad, good)) as (url, paths):
            feed = a_feed(url)
            taken = await take(feed, 5)
            assert isinstance(taken[3], Trade)
            assert (feed.loop.frames, feed.loop.frames_refused) == (2, 5)
            assert len(paths) == 1

    asyncio.run(run())


def test_nothing_but_garbage_is_a_lost_stream() -> None:
    async def run() -> None:
        async with venue(sends(frame(), *["{"] * limits.FRAMES_REFUSED_IN_ROW_MAX), sends(frame())) as (url, paths):
            taken = await take(a_feed(url), 5)
            assert [event.connected for event in taken if isinstance(event, Feed)] == [True, False, True]
            assert len(paths) == 2

    asyncio.run(run())


def test_frame_beyond_the_size_limit_is_a_lost_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FRAME_BYTES_MAX", 10_000)

    async def run() -> None:
        async with venue(sends(frame(), " " * 10_001), sends(frame())) as (url, _):
            taken = await take(a_feed(url), 5)
            assert [event.connected for event in taken if isinstance(event, Feed)] == [True, False, True]

    asyncio.run(run())


def test_redirect_to_another_host_is_not_followed() -> None:
    async def run() -> None:
        async with venue(sends(frame())) as (elsewhere, paths):
            answer = reply("", status="302 Found", headers=f"location: {elsewhere}")
            async with loopback(answer) as server:
                [lost] = await take(a_feed(server.url.replace("http", "ws")), 1)
            assert isinstance(lost, Feed)
            assert not lost.connected
            assert paths == []

    asyncio.run(run())


@asynccontextmanager
async def public_calls(body: bytes, status: str = "200 OK") -> AsyncIterator[tuple[ZaifPublic, list[Any]]]:
    async with loopback(reply(body, status=status)) as server:
        clock = ScriptedClock()
        transport = Transport(server.url)
        try:
            yield (
                ZaifPublic(transport, limiter=Limiter(rules.RATE_RULES, clock=clock), clock=clock),
                server.requests,
            )
        finally:
            await transport.close()


def test_trades_missed_while_away_are_read_over_rest_and_told_in_order() -> None:
    async def run() -> None:
        away = frame(trades=trades(250_000_010, 250_000_009))
        history = json.dumps(trades(*range(250_000_001, 250_000_011))).encode()
        async with (
            public_calls(history) as (public, requests),
            venue(sends(frame(), then_hang=False), sends(away)) as (url, _),
        ):
            feed = a_feed(url, public=public)
            taken = await take(feed, 15)
            assert isinstance(taken[5], Feed)
            assert taken[5].text == "backfilled 6 trades"
            told = [event.trade_id for event in taken if isinstance(event, Trade)]
            assert told == [str(tid) for tid in range(250_000_003, 250_000_011)]
            assert len(requests) == 1
            assert (feed.wire.trades_backfilled, feed.wire.gaps_left) == (6, 0)

    asyncio.run(run())


def test_gap_inside_a_connection_is_filled_without_a_word() -> None:
    async def run() -> None:
        later = frame(trades=trades(250_000_005))
        history = json.dumps(trades(*range(250_000_002, 250_000_006))).encode()
        async with public_calls(history) as (public, _), venue(sends(frame(), later)) as (url, _):
            feed = a_feed(url, public=public)
            taken = await take(feed, 7)
            assert [event.trade_id for event in taken if isinstance(event, Trade)] == [
                "250000003",
                "250000004",
                "250000005",
            ]
            assert sum(isinstance(event, Feed) for event in taken) == 1

    asyncio.run(run())


def test_gap_that_cannot_be_filled_is_told_and_the_stream_goes_on() -> None:
    async def run() -> None:
        away = frame(trades=trades(250_000_010))
        async with (
            public_calls(b"<html>", "502 Bad Gateway") as (public, _),
            venue(sends(frame(), then_hang=False), sends(away)) as (url, _),
        ):
            feed = a_feed(url, public=public)
            taken = await take(feed, 8)
            assert isinstance(taken[5], Feed)
            assert "not to be had" in taken[5].text
            assert isinstance(taken[6], Trade)
            assert feed.wire.gaps_left == 1

    asyncio.run(run())


def test_history_that_does_not_reach_back_says_so() -> None:
    async def run() -> None:
        away = frame(trades=trades(250_000_010))
        async with (
            public_calls(rest_body("trades").replace(b"250000001", b"250000009").replace(b"250000002", b"250000010"))
            as (public, _),
            venue(sends(frame(), then_hang=False), sends(away)) as (url, _),
        ):  # fmt: skip
            taken = await take(a_feed(url, public=public), 8)
            assert isinstance(taken[5], Feed)
            assert taken[5].text == "backfilled 1 trades; older ones are lost"

    asyncio.run(run())


def test_unix_socket(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "stream.sock"
        async with venue(sends(frame()), uds=path) as (url, paths):
            taken = await take(a_feed(url, uds=str(path)), 3)
            assert isinstance(taken[2], Quote)
            assert paths == ["/stream?currency_pair=btc_jpy"]

    asyncio.run(run())

"""``/stream`` with a real WebSocket client: snapshots, silence, and sockets closed without a word."""

from __future__ import annotations

import asyncio
import json
import socket as socket_module
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulator.world import QUIET, SECOND_NS, START_NS, ManualClock, World, depth, quote, running, trade
from ztb.core.instrument import BUY, SELL
from ztb.simulator import websocket
from ztb.simulator.moods import Mood
from ztb.simulator.tape_player import MarketEvent
from ztb.simulator.zaif.rules import ZaifRules

PAIR = "?currency_pair=btc_jpy"
HANDSHAKE = (
    b"GET /stream?currency_pair=btc_jpy HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
Scenario = Callable[[World, ManualClock], Awaitable[None]]


def play(scenario: Scenario, events: list[MarketEvent] | None = None, rules: ZaifRules | None = None) -> None:
    async def run() -> None:
        clock = ManualClock()
        async with running(events or QUIET, clock=clock, rules=rules) as world:
            await scenario(world, clock)

    asyncio.run(run())


async def frame(socket: ClientConnection) -> Any:  # noqa: ANN401 - decoded JSON
    async with asyncio.timeout(20):
        text = await socket.recv()
    assert isinstance(text, str)
    return json.loads(text)


async def silent(socket: ClientConnection) -> bool:
    """Whether nothing comes, over many wake-ups of the server."""
    try:
        async with asyncio.timeout(0.1):
            await socket.recv()
    except TimeoutError:
        return True
    return False


async def code_of_close(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await socket.recv()
    assert socket.close_code is not None
    return socket.close_code


def test_the_first_frame_comes_at_once_and_has_every_member() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        clock.pass_seconds(1.123456789)
        async with connect(world.stream_url + PAIR) as socket:
            assert socket.response is not None
            assert "Sec-WebSocket-Extensions" not in socket.response.headers
            # 1,700,000,001 s is 2023-11-15 07:13:21 in Japan.
            assert await frame(socket) == {
                "asks": [[13_690_000.0, 0.5], [13_690_005.0, 0.0123]],
                "bids": [[13_689_995.0, 0.3], [13_689_000.0, 1.0]],
                "trades": [
                    {
                        "currenty_pair": "btc_jpy",
                        "date": 1_700_000_001,
                        "price": 13_690_000.0,
                        "amount": 0.002,
                        "tid": 250_000_001,
                        "currency_pair": "btc_jpy",
                        "trade_type": "bid",
                    }
                ],
                "timestamp": "2023-11-15 07:13:21.123456",
                "last_price": {"action": "bid", "price": 13_690_000.0},
                "currency_pair": "btc_jpy",
                "target_users": [],
                "itayose_data": [{}],
            }

    play(scenario)


def test_a_frame_is_bounded_to_20_levels_and_21_trades_newest_first() -> None:
    bids = [(13_000_000 - 5 * number, 1) for number in range(50)]
    asks = [(13_000_005 + 5 * number, 1) for number in range(50)]
    prints: list[MarketEvent] = [trade(1, 13_000_000, number + 1, SELL) for number in range(40)]

    async def scenario(world: World, clock: ManualClock) -> None:
        clock.pass_seconds(2)
        async with connect(world.stream_url + PAIR) as socket:
            shown = await frame(socket)
            assert (len(shown["bids"]), len(shown["asks"])) == (20, 20)
            assert [one["amount"] for one in shown["trades"]] == [number / 10_000 for number in range(40, 19, -1)]

    play(scenario, [depth(0, bids, asks), *prints])


def test_a_frame_comes_only_when_something_changed_and_at_most_every_100_ms() -> None:
    changes: list[MarketEvent] = [
        quote(10 + number / 100, 13_000_000, 13_000_005 + 5 * number) for number in range(1, 6)
    ]

    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + PAIR) as socket:
            await frame(socket)
            assert await silent(socket), "nothing changed"
            clock.pass_seconds(5)
            assert await silent(socket), "time alone is no change"
            clock.pass_seconds(5.01)
            assert (await frame(socket))["asks"][0][0] == 13_000_010.0
            clock.pass_seconds(0.02)
            assert await silent(socket), "too soon after the last frame"
            clock.pass_seconds(0.08)
            assert (await frame(socket))["asks"][0][0] == 13_000_030.0

    play(scenario, [quote(0, 13_000_000, 13_000_005), *changes])


def test_a_client_order_is_seen_by_everyone() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + PAIR) as socket:
            await frame(socket)
            clock.pass_seconds(1)
            await world.client().call(
                "trade", currency_pair="btc_jpy", action="bid", price=13_690_000, amount="0.0001"
            )  # fmt: skip
            shown = await frame(socket)
            assert shown["asks"][0] == [13_690_000.0, 0.4999]
            assert shown["trades"][0]["amount"] == 0.0001

    play(scenario, QUIET[:1])


@pytest.mark.parametrize("text", ["ping", '{"subscribe":"btc_jpy"}', ""])
def test_a_client_that_says_anything_is_cut_off(text: str) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + PAIR) as socket:
            await frame(socket)
            await socket.send(text)
            assert await code_of_close(socket) == 1006

    play(scenario)


def test_protocol_pings_are_answered_and_keep_an_idle_socket_open() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + PAIR, ping_interval=None) as socket:
            await frame(socket)
            for _ in range(6):
                async with asyncio.timeout(20):
                    await (await socket.ping())
                await asyncio.sleep(0.2)
            assert await silent(socket)
            assert await code_of_close(socket) == 1006, "idle at last"

    play(scenario, rules=ZaifRules(stream_idle_s_max=0.8))


def test_the_server_never_pings() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(HANDSHAKE)
        head = await reader.readuntil(b"\r\n\r\n")
        # The answer to this key is worked out in RFC 6455, section 1.3.
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        async with asyncio.timeout(20):
            rest = await reader.read()
        assert rest[:2] == b"\x81\x7e", "one text frame of medium length"
        assert len(rest) == 4 + int.from_bytes(rest[2:4], "big"), "and nothing after it until the end"
        writer.close()

    play(scenario, rules=ZaifRules(stream_idle_s_max=0.3))


def test_an_unknown_pair_connects_and_stays_silent() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + "?currency_pair=no_such") as socket:
            clock.pass_seconds(5)
            assert await silent(socket)

    play(scenario)


def test_a_missing_pair_is_closed_at_once() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        for query in ("", "?", "?currency_pair=", "?pair=btc_jpy"):
            async with connect(world.stream_url + query) as socket:
                assert await code_of_close(socket) == 1006

    play(scenario)


def test_a_wrong_path_is_html_404() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await connect(world.stream_url.replace("/stream", "/ws") + PAIR)
        assert caught.value.response.status_code == 404
        assert b"<title>404 Not Found</title>" in (caught.value.response.body or b"")

    play(scenario)


def test_a_client_may_close_properly() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + PAIR) as socket:
            await frame(socket)
            await socket.close()
            assert socket.close_code == 1000
        for _ in range(200):
            if not world.server._sockets:
                break
            await asyncio.sleep(0.01)
        assert not world.server._sockets

    play(scenario)


def test_a_client_that_reads_nothing_is_dropped_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "STREAM_BACKLOG_BYTES_MAX", 50_000)
    monkeypatch.setattr(websocket, "STREAM_KERNEL_BUFFER_BYTES", 16_384)
    sizes = [[(price, 1 + number) for price in range(13_000_000, 13_000_100, 5)] for number in range(3_000)]
    changes: list[MarketEvent] = [depth(number, bids, [(13_000_100, 1)]) for number, bids in enumerate(sizes)]

    async def scenario(world: World, clock: ManualClock) -> None:
        with socket_module.socket() as lazy:
            # The smaller its own buffer, the sooner the server's has to take what it does not read.
            lazy.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4_096)
            lazy.connect(("127.0.0.1", world.port))
            lazy.sendall(HANDSHAKE)
            for _ in range(3_000):
                clock.pass_seconds(1)
                await asyncio.sleep(0.003)
                if clock.now_ns() > START_NS + 10 * SECOND_NS and not world.server._sockets:
                    break
            assert not world.server._sockets
            assert (await world.client().get("/api/1/last_price/btc_jpy")).status_code == 200

    play(scenario, changes)


def test_moods_silence_and_drop_streams() -> None:
    changes: list[MarketEvent] = [quote(10 * number, 13_000_000, 13_000_000 + 5 * number) for number in range(1, 9)]

    async def scenario(world: World, clock: ManualClock) -> None:
        async with connect(world.stream_url + PAIR) as socket:
            await frame(socket)
            world.moods.switch_on(Mood("stream_silence"))
            clock.pass_seconds(11)
            assert await silent(socket)
            world.moods.switch_off("stream_silence")
            clock.pass_seconds(10)
            await frame(socket)
            world.moods.switch_on(Mood("stream_drop", count=1))
            clock.pass_seconds(10)
            assert await code_of_close(socket) == 1006
        async with connect(world.stream_url + PAIR) as again:
            await frame(again)

    play(scenario, changes)


def test_many_clients_get_the_same_frame() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        sockets = [await connect(world.stream_url + PAIR) for _ in range(20)]
        frames = [await frame(socket) for socket in sockets]
        assert all(one == frames[0] for one in frames)
        world.exchange.place(next(iter(world.exchange.purse.accounts.values())), side=BUY, price=5, lots=1)
        clock.pass_seconds(1)
        frames = [await frame(socket) for socket in sockets]
        assert all(one == frames[0] for one in frames)
        for socket in sockets:
            await socket.close()

    play(scenario)

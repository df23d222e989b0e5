"""The server on real sockets: HTTP as clients really speak it, broken clients, broken tapes, start and stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.simulator.world import ALICE, BTC_JPY, QUIET, START_NS, ManualClock, World, account, exchange, quote, running
from ztb.core.error import TapeError, UsageError
from ztb.simulator import http as http_module
from ztb.simulator import server as server_module
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent
from ztb.simulator.zaif.venue import ZaifVenue


async def talk(world: World, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Everything that comes back for these bytes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(pause_s)
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


def server_of(made: Exchange, *, port: int = 0, host: str = "127.0.0.1") -> SimulatorServer:
    moods, record = Moods(), Record()
    venue = ZaifVenue(made, moods=moods, record=record)
    return SimulatorServer(made, venue, clock=ManualClock(), moods=moods, record=record, host=host, port=port)


def test_one_connection_serves_many_requests() -> None:
    async def scenario() -> None:
        async with running() as world:
            one = b"GET /api/1/last_price/btc_jpy HTTP/1.1\r\nHost: x\r\n"
            answer = await talk(world, one + b"\r\n" + one + b"\r\n" + one + b"Connection: close\r\n\r\n")
            assert answer.count(b"HTTP/1.1 200") == 3
            assert answer.count(b'{"last_price":13689995.0}') == 3

    asyncio.run(scenario())


def test_a_request_may_come_in_pieces_and_old_clients_are_served() -> None:
    async def scenario() -> None:
        async with running() as world:
            pieces = [bytes([byte]) for byte in b"GET /api/1/last_price/btc_jpy HTTP/1.0\r\n\r\n"]
            assert (await talk(world, *pieces, pause_s=0.001)).endswith(b'{"last_price":13689995.0}')

    asyncio.run(scenario())


def test_a_body_may_be_chunked_or_announced() -> None:
    async def scenario() -> None:
        async with running() as world:
            body = b"nonce=1&method=get_info2"
            sign = world.client().signed(body.decode())["sign"].encode()
            head = b"POST /tapi HTTP/1.1\r\nHost: x\r\nKey: %s\r\nSIGN: %s\r\nConnection: close\r\n" % (
                ALICE.encode(),
                sign,
            )
            chunked = b"Transfer-Encoding: chunked\r\n\r\n5\r\nnonce\r\n%x\r\n%s\r\n0\r\n\r\n" % (
                len(body) - 5,
                body[5:],
            )
            assert b'"success":1' in await talk(world, head + chunked)
            body = b"nonce=2&method=get_info2"
            sign = world.client().signed(body.decode())["sign"].encode()
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(
                b"POST /tapi HTTP/1.1\r\nHost: x\r\nkey: %s\r\nsign: %s\r\nExpect: 100-continue\r\n"
                b"Content-Length: %d\r\n\r\n" % (ALICE.encode(), sign, len(body))
            )
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
            writer.write(body)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(scenario())


def test_the_date_is_the_exchange_time() -> None:
    async def scenario() -> None:
        async with running() as world:
            response = await world.client().get("/api/1/last_price/btc_jpy")
            assert parsedate_to_datetime(response.headers["date"]).timestamp() == START_NS / 10**9

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9 + b"\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x00" * 200 + b"\r\n\r\n",
        b"POST /tapi HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /tapi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000,
    ],
)
def test_garbage_gets_an_error_and_harms_nobody(garbage: bytes) -> None:
    async def scenario() -> None:
        async with running() as world:
            assert (await talk(world, garbage))[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 431", b"HTTP/1.1 501")
            assert (await world.client().get("/api/1/last_price/btc_jpy")).status_code == 200

    asyncio.run(scenario())


def test_a_body_that_is_too_long_is_not_carried_out() -> None:
    async def scenario() -> None:
        async with running() as world:
            client = world.client()
            body = f"nonce=1&method=get_info2&x={'a' * 200_000}"
            assert (await client.post(body, client.signed(body))).status_code == 413
            assert world.record.requests.total() == 0

    asyncio.run(scenario())


def test_a_client_that_goes_in_the_middle_is_forgotten() -> None:
    async def scenario() -> None:
        failures: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        async with running() as world:
            for part in (b"", b"GET", b"POST /tapi HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nnonce"):
                _, writer = await asyncio.open_connection("127.0.0.1", world.port)
                writer.write(part)
                await writer.drain()
                writer.transport.abort()
            for _ in range(500):
                if not world.server._connections:
                    break
                await asyncio.sleep(0.01)
            assert not world.server._connections
        assert not failures

    asyncio.run(scenario())


def test_a_client_that_sends_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "CONNECTION_IDLE_S", 0.1)

    async def scenario() -> None:
        async with running() as world:
            assert await talk(world, b"GET / HTTP/1.1\r\nHo") == b""

    asyncio.run(scenario())


def test_more_connections_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CONNECTIONS_MAX", 2)

    async def scenario() -> None:
        async with running() as world:
            idle = [await asyncio.open_connection("127.0.0.1", world.port) for _ in range(2)]
            await asyncio.sleep(0.05)
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
                await world.client().get("/api/1/last_price/btc_jpy")
            idle[0][1].close()
            for _ in range(500):
                if len(world.server._connections) < 2:
                    break
                await asyncio.sleep(0.01)
            assert (await world.client().get("/api/1/last_price/btc_jpy")).status_code == 200
            idle[1][1].close()

    asyncio.run(scenario())


def test_a_port_in_use_is_an_error_with_a_remedy() -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = server_of(exchange(), port=taken.getsockname()[1])
            with pytest.raises(UsageError, match="in use") as caught:
                await server.start()
            assert "port 0" in caught.value.remedy
            await server.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "", "example.com"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(UsageError, match="does not listen"):
        server_of(exchange(), host=host)


def test_stop_ends_every_connection_and_may_come_twice() -> None:
    async def scenario() -> None:
        server = server_of(exchange())
        address = await server.start()
        reader, writer = await asyncio.open_connection(address.host, address.port)
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(server.wait())
        await asyncio.sleep(0.02)
        await server.stop()
        await server.stop()
        await waiting
        async with asyncio.timeout(20):
            try:
                assert await reader.read() == b""
            except ConnectionResetError:
                writer.close()
        with pytest.raises(OSError):  # noqa: PT011 - refused is what every system calls differently
            await asyncio.open_connection(address.host, address.port)

    asyncio.run(scenario())


def broken_tape() -> Iterator[MarketEvent]:
    yield from (quote(number, 100, 105 + 5 * number) for number in range(3))
    raise TapeError("t.tape: block 7 is damaged", remedy="import it again")


def test_a_tape_that_breaks_ends_the_exchange_with_its_error() -> None:
    async def scenario() -> None:
        made = Exchange(BTC_JPY, broken_tape, [account()])
        moods, record = Moods(), Record()
        clock = ManualClock()
        server = SimulatorServer(
            made, ZaifVenue(made, moods=moods, record=record), clock=clock, moods=moods, record=record
        )
        address = await server.start()
        clock.pass_seconds(10)
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
                await client.get(f"http://{address.text}/api/1/last_price/btc_jpy")
        with pytest.raises(TapeError, match="block 7"):
            await server.wait()
        await server.stop()

    asyncio.run(scenario())


def test_an_empty_market_is_found_before_listening() -> None:
    with pytest.raises(UsageError, match="no market events"):
        Exchange(BTC_JPY, lambda: iter(()), [account()])
    assert QUIET

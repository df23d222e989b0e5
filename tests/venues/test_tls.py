"""The certificate of a venue is checked, over REST and on streams: a good one passes, no bad one does.

Real certificates on a real TLS server on loopback; what is trusted is one authority of the test. The good case is here
to show that the others fail for what is wrong with their certificate, and for nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.venues.certificates import Authority
from tests.venues.scripted_clock import ScriptedClock
from tests.venues.zaif.samples import BTC_JPY, frame
from tests.venues.zaif.test_stream import take
from ztb.core.error import Unreachable
from ztb.core.event import Depth, Feed
from ztb.venues.transport import Transport
from ztb.venues.zaif.stream import ZaifFeed

BAD: dict[str, dict[str, object]] = {
    "another host": {"host": "api.example"},
    "expired": {"host": "localhost", "begins_days": -9, "ends_days": -1},
    "not valid yet": {"host": "localhost", "begins_days": 3, "ends_days": 9},
    "self-signed": {"host": "localhost", "self_signed": True},
}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def served(authority: Authority, options: dict[str, object]) -> ssl.SSLContext:
    return authority.serving(**options)  # type: ignore[arg-type]


@asynccontextmanager
async def rest(context: ssl.SSLContext, asked: list[bytes]) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def stream(context: ssl.SSLContext, greeted: list[str]) -> AsyncIterator[str]:
    async def handle(socket: ServerConnection) -> None:
        greeted.append("a client")
        await socket.send(frame().decode())
        await socket.wait_closed()

    async with serve(handle, "127.0.0.1", 0, ssl=context) as server:
        yield f"wss://localhost:{server.sockets[0].getsockname()[1]}/stream"


def feed(url: str, tls: ssl.SSLContext | None) -> ZaifFeed:
    return ZaifFeed(url, BTC_JPY, clock=ScriptedClock(), jitter=lambda: 0.5, tls=tls)


def test_a_good_certificate_passes(authority: Authority) -> None:
    async def run() -> None:
        context, asked, greeted = authority.serving("localhost"), list[bytes](), list[str]()
        async with rest(context, asked) as url:
            transport = Transport(url, tls=authority.trusting())
            assert await transport.post("/x", b"n=1", {}, changes_state=True) == b"{}"
            await transport.close()
        async with stream(context, greeted) as url:
            news = await take(feed(url, authority.trusting()), 2)
            assert isinstance(news[0], Feed)
            assert news[0].connected
            assert isinstance(news[1], Depth)
        assert (len(asked), greeted) == (1, ["a client"])

    asyncio.run(run())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate_stops_a_request_before_it_is_sent(authority: Authority, name: str) -> None:
    async def run() -> None:
        asked: list[bytes] = []
        async with rest(served(authority, BAD[name]), asked) as url:
            transport = Transport(url, tls=authority.trusting())
            with pytest.raises(Unreachable, match="certificate"):
                await transport.post("/tapi", b"n=1", {"key": "k"}, changes_state=True)
            with pytest.raises(Unreachable, match="certificate"):
                await transport.get("/x")
            await transport.close()
        assert asked == []

    asyncio.run(run())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_certificate_is_a_lost_stream(authority: Authority, name: str) -> None:
    async def run() -> None:
        greeted: list[str] = []
        async with stream(served(authority, BAD[name]), greeted) as url:
            [lost] = await take(feed(url, authority.trusting()), 1)
            assert isinstance(lost, Feed)
            assert not lost.connected
            assert "certificate" in lost.text
        assert greeted == []

    asyncio.run(run())


def test_an_authority_that_the_host_does_not_trust_is_refused_by_default(authority: Authority) -> None:
    """Without a context of its own a transport trusts the host's authorities, and checks."""

    async def run() -> None:
        asked, greeted = list[bytes](), list[str]()
        context = authority.serving("localhost")
        async with rest(context, asked) as url:
            transport = Transport(url)
            with pytest.raises(Unreachable, match="certificate"):
                await transport.post("/tapi", b"n=1", {}, changes_state=True)
            await transport.close()
        async with stream(context, greeted) as url:
            [lost] = await take(feed(url, None), 1)
            assert isinstance(lost, Feed)
            assert "certificate" in lost.text
        assert (asked, greeted) == ([], [])

    asyncio.run(run())


def test_a_server_that_speaks_no_tls_is_not_sent_anything() -> None:
    async def run() -> None:
        heard: list[bytes] = []

        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.append(await reader.read(5))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            writer.close()

        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        transport = Transport(f"https://localhost:{server.sockets[0].getsockname()[1]}")
        with pytest.raises(Unreachable):
            await transport.post("/tapi", b"secret=1", {"key": "k"}, changes_state=True)
        await transport.close()
        server.close()
        assert heard
        assert all(data[:1] == b"\x16" for data in heard), "a handshake, and nothing of the request"

    asyncio.run(run())

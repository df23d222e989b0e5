"""Answers and frames that no venue should send, through the adapters of every venue and over real sockets.

Whatever comes, the caller gets a typed error with its fate, memory stays bounded, and the next connection works.
``test_transport`` has the failures of HTTP itself, ``test_tls`` certificates, ``tests/fuzz`` all the shapes of JSON.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.fuzz.targets import INSTRUMENTS
from tests.venues.coinbase.samples import KEY_NAME, private_pem
from tests.venues.loopback import Answer, Request, loopback, raw, reply
from tests.venues.scripted_clock import ScriptedClock
from tests.venues.zaif.samples import frame
from tests.venues.zaif.test_stream import a_feed, sends, take, venue
from ztb.core.command import Place
from ztb.core.error import Rejected, UnknownFate, VenueError
from ztb.core.event import Depth, Feed
from ztb.core.instrument import BUY
from ztb.host.clock import HostClock
from ztb.venues import limits
from ztb.venues.port import Account, ApiKeys, Terms, Venue
from ztb.venues.registry import VENUE_NAMES, addresses_at, open_venue
from ztb.venues.transport import Transport

MIB = 1024 * 1024
BOMB = gzip.compress(bytes(256 * MIB), compresslevel=9)
"""A quarter of a megabyte that unpacks to a quarter of a gigabyte."""
DEEP = b'{"data":' * 100_000 + b"1" + b"}" * 100_000


async def oversized(request: Request, writer: asyncio.StreamWriter) -> None:
    """Valid JSON, but 40 MiB of it."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n[" % (40 * MIB))
    for _ in range(40):
        writer.write(b"0," * (MIB // 2))
        await writer.drain()


async def dripped_head(request: Request, writer: asyncio.StreamWriter) -> None:
    """A head that never ends, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"y")
        await writer.drain()
        await asyncio.sleep(0.01)


async def reset_in_the_body(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"success":1,"return":{')
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.transport.abort()


JSON_HEAD = "content-type: application/json"
BAD_ANSWERS: dict[str, Answer] = {
    "empty": reply(b""),
    "truncated": reply(b'{"success":1,"status":0,"data":[{"symbol":"BTC'),
    "deep": reply(DEEP),
    "deep list": reply(b"[" * 1_000_000),
    "not UTF-8": reply(b'{"success":0,"error":"\xff\xfe\xed\xa0\x80","status":1,"messages":[{"message_code":"\xff"}]}'),
    "NUL": reply(bytes(1000)),
    "UTF-16": reply('{"success":1}'.encode("utf-16")),
    "a page": reply("<html><body>Checking your browser</body></html>", headers="content-type: text/html"),
    "a bomb that says so": reply(BOMB, headers=f"{JSON_HEAD}\r\ncontent-encoding: gzip"),
    "a bomb that does not": reply(BOMB, headers=JSON_HEAD),
    "garbage as gzip": reply(b"\x1f\x8b\x08\x00garbage", headers=f"{JSON_HEAD}\r\ncontent-encoding: gzip"),
    "garbage as br": reply(b"\x8b\x02\x80", headers=f"{JSON_HEAD}\r\ncontent-encoding: br"),
    "oversized": oversized,
    "dripped head": dripped_head,
    "reset in the body": reset_in_the_body,
    "two lengths": raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x"),
    "negative length": raw(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"),
    "bad chunks": raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
    "moved for good": reply("", status="301 Moved Permanently", headers="location: https://elsewhere.invalid/"),
    "moved with the body": reply("", status="307 Temporary Redirect", headers="location: http://127.0.0.1:1/"),
    "switching": raw(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    "only continue": raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "a number": reply(b"1e999999"),
    "null": reply(b"null"),
}


@contextmanager
def memory_below(bytes_max: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < bytes_max


@asynccontextmanager
async def opened(name: str, url: str, folder: Path) -> AsyncIterator[tuple[Venue, Account]]:
    terms = Terms(answer_s_max=1.0)
    made = open_venue(name, addresses_at(name, url), clock=HostClock(), jitter=lambda: 0.5, terms=terms)
    keys = ApiKeys(KEY_NAME, private_pem()) if name == "coinbase" else ApiKeys("key", "secret")
    try:
        yield made, made.account(keys, INSTRUMENTS[name], directory=folder, at_wire=None)
    finally:
        await made.close()


def an_order(name: str) -> Place:
    one = next(iter(INSTRUMENTS[name].values()))
    return Place(1, "ztb-0123456789abcdef0123", one.symbol, BUY, one.lots_min * 1000, 1_000_000, False, 1, "test")


async def failure_of(call: Awaitable[object]) -> VenueError:
    with pytest.raises(VenueError) as caught:
        await call
    assert len(str(caught.value)) < 2_000, "no answer is quoted whole"
    return caught.value


@pytest.mark.parametrize("name", VENUE_NAMES)
@pytest.mark.parametrize("answer", BAD_ANSWERS)
def test_each_adapter_says_what_became_of_the_call(
    name: str, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No patience for a server that drips; the limit itself is tested with the transport.
    whole = Transport.__init__
    monkeypatch.setattr(Transport, "__init__", lambda *args, **named: whole(*args, **{"exchange_s_max": 1.5, **named}))

    async def run() -> None:
        async with (
            loopback(BAD_ANSWERS[answer]) as server,
            opened(name, server.url, tmp_path) as (made, account),
        ):
            reading = await failure_of(made.market.instruments())
            assert not isinstance(reading, UnknownFate), "nothing was to be changed"
            private = await failure_of(account.balances())
            assert not isinstance(private, UnknownFate)
            asked = len(server.requests)
            fate = await failure_of(account.place(an_order(name)))
            assert isinstance(fate, UnknownFate), "it was sent, and nobody knows what became of it"
            assert len(server.requests) == asked + 1, "an order is never sent again"

    with memory_below(80 * MIB):
        asyncio.run(run())


def test_a_refusal_is_told_from_garbage(tmp_path: Path) -> None:
    """The same call, and an answer that is the venue's own no: so the cases above do not pass for any answer."""
    noes = {
        "zaif": reply('{"success":0,"error":"insufficient funds"}'),
        "gmo": reply(
            json.dumps({
                "status": 1,
                "messages": [{"message_code": "ERR-201", "message_string": "Trading margin is insufficient"}],
                "responsetime": "2023-11-14T22:13:20.123Z",
            })
        ),
        "coinbase": reply(
            json.dumps({
                "success": False,
                "error_response": {"error": "INSUFFICIENT_FUND", "message": "Insufficient balance in source account"},
            })
        ),
    }  # fmt: skip

    async def run(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        async with loopback(noes[name]) as server, opened(name, server.url, folder) as (_, account):
            assert isinstance(await failure_of(account.place(an_order(name))), Rejected)

    for name in VENUE_NAMES:
        asyncio.run(run(name))


def test_a_redirect_is_not_followed_to_a_host_that_listens(tmp_path: Path) -> None:
    async def run(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        async with loopback(reply("{}")) as elsewhere:
            to_there = reply("", status="307 Temporary Redirect", headers=f"location: {elsewhere.url}/tapi")
            async with loopback(to_there) as server, opened(name, server.url, folder) as (made, account):
                await failure_of(made.market.instruments())
                assert isinstance(await failure_of(account.place(an_order(name))), UnknownFate)
            assert elsewhere.requests == []
            assert elsewhere.connections == 0

    for name in VENUE_NAMES:
        asyncio.run(run(name))


def test_an_answer_above_16_mib_is_dropped_while_it_arrives() -> None:
    async def run() -> None:
        async with loopback(oversized, reply("{}")) as server:
            transport = Transport(server.url)
            with pytest.raises(VenueError, match="more than 16777216 bytes"):
                await transport.get("/x")
            assert await transport.get("/x") == b"{}", "the next answer is read, on a connection of its own"
            await transport.close()

    with memory_below(48 * MIB):
        asyncio.run(run())


def raw_frame(opcode: int, payload: bytes, *, first: int = 0x80, length: int | None = None) -> bytes:
    """One WebSocket frame as a server writes it, its head possibly a lie."""
    size = len(payload) if length is None else length
    if size < 126:
        return bytes([first | opcode, size]) + payload
    if size < 1 << 16:
        return bytes([first | opcode, 126]) + struct.pack(">H", size) + payload
    return bytes([first | opcode, 127]) + struct.pack(">Q", size) + payload


def writes(data: bytes, *, abort: bool = False) -> Callable[[ServerConnection], Awaitable[None]]:
    """After an honest handshake exactly these bytes, past the library that would not send them."""

    async def handle(socket: ServerConnection) -> None:
        socket.transport.write(data)
        if abort:
            await asyncio.sleep(0.02)
            socket.transport.abort()
        await socket.wait_closed()

    return handle


TEXT, CLOSE, CONTINUED = 1, 8, 0
BAD_FRAMES: dict[str, bytes] = {
    "not UTF-8": raw_frame(TEXT, b'{"a":"\xff\xfe"}') * limits.FRAMES_REFUSED_IN_ROW_MAX,
    "deep": raw_frame(TEXT, b"[" * 100_000) * limits.FRAMES_REFUSED_IN_ROW_MAX,
    "truncated": raw_frame(TEXT, frame()[:-20]) * limits.FRAMES_REFUSED_IN_ROW_MAX,
    "a page": raw_frame(TEXT, b"<html></html>") * limits.FRAMES_REFUSED_IN_ROW_MAX,
    "compressed, not agreed": raw_frame(TEXT, zlib.compress(frame()), first=0xC0),
    "says 8 EiB": raw_frame(TEXT, b"", length=(1 << 63) - 1),
    "says more than the limit": raw_frame(TEXT, b"", length=limits.FRAME_BYTES_MAX + 1),
    "masked by the server": bytes([0x81, 0x82, 1, 2, 3, 4, 5, 6]),
    "no such opcode": raw_frame(5, b"x"),
    "continues nothing": raw_frame(CONTINUED, b"x"),
    "a close with half a code": raw_frame(CLOSE, b"\x03"),
    "a close with nonsense": raw_frame(CLOSE, b"\x00\x00\xff"),
    "a control frame of 200 bytes": raw_frame(9, bytes(200)),
    "no frame at all": b"HTTP/1.1 200 OK\r\n\r\n" * 20,
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_ends_the_connection_and_the_next_one_brings_data(name: str) -> None:
    async def run() -> None:
        async with venue(writes(BAD_FRAMES[name]), sends(frame())) as (url, _):
            taken = await take(a_feed(url), 3)
        assert isinstance(taken[0], Feed)
        assert not taken[0].connected
        assert isinstance(taken[1], Feed)
        assert taken[1].connected
        assert isinstance(taken[2], Depth)

    with memory_below(32 * MIB):
        asyncio.run(run())


def test_a_reset_in_the_middle_of_a_frame() -> None:
    async def run() -> None:
        cut = raw_frame(TEXT, frame())[:-50]
        async with venue(writes(cut, abort=True), sends(frame())) as (url, _):
            taken = await take(a_feed(url), 3)
        assert [event.connected for event in taken if isinstance(event, Feed)] == [False, True]

    asyncio.run(run())


def test_a_frame_that_never_ends_is_silence() -> None:
    """Pieces of one message, small and for ever: no data arrives, whatever the socket does."""

    async def drip(socket: ServerConnection) -> None:
        socket.transport.write(raw_frame(TEXT, b"[", first=0))
        while not socket.transport.is_closing():
            socket.transport.write(raw_frame(CONTINUED, b" ", first=0))
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with venue(drip, sends(frame())) as (url, _):
            taken = await take(a_feed(url, silence_s_max=0.5), 2)
        assert isinstance(taken[0], Feed)
        assert "no data for 0.5 s" in taken[0].text
        assert isinstance(taken[1], Feed)
        assert taken[1].connected

    with memory_below(16 * MIB):
        asyncio.run(run())


def test_pieces_of_a_message_above_the_limit_are_not_gathered() -> None:
    async def flood(socket: ServerConnection) -> None:
        socket.transport.write(raw_frame(TEXT, bytes(65_536), first=0))
        while not socket.transport.is_closing():
            socket.transport.write(raw_frame(CONTINUED, bytes(65_536), first=0))
            await asyncio.sleep(0)

    async def run() -> None:
        async with venue(flood, sends(frame())) as (url, _):
            taken = await take(a_feed(url), 2)
        assert [event.connected for event in taken if isinstance(event, Feed)] == [False, True]

    with memory_below(64 * MIB):
        asyncio.run(run())


def test_a_handshake_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECT_S_MAX", 0.3)

    async def run() -> None:
        async with loopback(dripped_head) as server:
            [lost] = await take(a_feed(server.url.replace("http", "ws")), 1)
        assert isinstance(lost, Feed)
        assert not lost.connected

    asyncio.run(run())


def test_a_host_that_does_not_exist() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        [lost] = await take(a_feed("wss://no-such-host.invalid/stream", clock), 1)
        assert isinstance(lost, Feed)
        assert not lost.connected

    asyncio.run(run())


def test_a_redirect_of_the_handshake_to_a_host_that_listens() -> None:
    greeted: list[str] = []

    async def elsewhere(socket: ServerConnection) -> None:
        greeted.append("a client")

    async def run() -> None:
        async with serve(elsewhere, "127.0.0.1", 0) as there:
            location = f"ws://127.0.0.1:{there.sockets[0].getsockname()[1]}/stream"
            for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
                async with loopback(reply("", status=status, headers=f"location: {location}")) as server:
                    [lost] = await take(a_feed(server.url.replace("http", "ws")), 1)
                assert isinstance(lost, Feed)
                assert not lost.connected
        assert greeted == []

    asyncio.run(run())

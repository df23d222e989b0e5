"""One client's connection: HTTP/1.1 through h11 on our own transport, and the way over to a WebSocket.

Sockets and framing only. What to answer is the application's business, and an answer may be that none comes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.utils import formatdate
from typing import Final, Protocol
from urllib.parse import unquote

import h11

from ztb.simulator.dialect import Hang, Outcome, Reply, Request, Reset, Stream
from ztb.simulator.limits import (
    CONNECTION_IDLE_S,
    HANG_S_MAX,
    READ_BYTES,
    REQUEST_BODY_BYTES_MAX,
    REQUEST_HEAD_BYTES_MAX,
)
from ztb.simulator.websocket import WebSocket

_BODY_TOO_LONG: Final = Reply(b"<html><body>413 Request Entity Too Large</body></html>", 413, "text/html")


class Application(Protocol):
    """What stands behind the connections."""

    def now_ns(self) -> int: ...
    def shown_ns(self) -> int: ...

    def handle(self, request: Request) -> Outcome: ...

    def open_stream(self, request: Request) -> Stream | Outcome: ...

    async def sleep(self, seconds: float) -> None: ...

    def joined(self, socket: WebSocket) -> None: ...

    def left(self, socket: WebSocket) -> None: ...


class Connection:
    """Serves requests one after the other until the client goes, misbehaves or is idle for too long."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, application: Application) -> None:
        self._reader = reader
        self._writer = writer
        self._application = application
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_HEAD_BYTES_MAX)
        peer = writer.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""

    async def run(self) -> None:
        """Every way to end leaves the transport closed; to a client that went or does not go on, nothing is owed."""
        try:
            with suppress(ConnectionError, TimeoutError):
                await self._serve_all()
        finally:
            self._writer.close()

    async def _serve_all(self) -> None:
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._answer_broken(error)

    async def _serve_one(self) -> bool:
        """One request and its answer. False: this connection is over."""
        async with asyncio.timeout(CONNECTION_IDLE_S):
            received = await self._receive()
        if received is None:
            return False
        head, body = received
        request = self._request(head, body)
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._upgrade(head, request)
        outcome = self._application.handle(request) if len(body) <= REQUEST_BODY_BYTES_MAX else _BODY_TOO_LONG
        return await self._carry_out(outcome)

    async def _receive(self) -> tuple[h11.Request, bytes] | None:
        """The next request with its whole body; one byte too many of it is kept as evidence that it is too long."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
                self._http.receive_data(await self._reader.read(READ_BYTES))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data[: REQUEST_BODY_BYTES_MAX + 1 - len(body)]
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                return head, bytes(body)
            else:
                return None

    def _request(self, head: h11.Request, body: bytes) -> Request:
        path, _, query = head.target.decode("latin-1").partition("?")
        return Request(
            method=head.method.decode("latin-1"),
            path=unquote(path),
            query=query,
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers},
            body=body,
            peer=self._peer,
            received_ns=self._application.now_ns(),
        )

    async def _carry_out(self, outcome: Outcome) -> bool:
        match outcome:
            case Hang():
                await self._hang()
                return False
            case Reset():
                self._writer.transport.abort()
                return False
            case Reply():
                return await self._send(outcome)

    async def _send(self, reply: Reply) -> bool:
        if reply.delay_ms:
            await self._application.sleep(reply.delay_ms / 1000)
        headers = [
            ("Date", formatdate(self._application.shown_ns() // 1_000_000_000, usegmt=True)),
            ("Server", "nginx"),
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            *reply.headers,
        ]
        self._write(h11.Response(status_code=reply.status, headers=headers))
        self._write(h11.Data(data=reply.body))
        self._write(h11.EndOfMessage())
        await self._writer.drain()
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _hang(self) -> None:
        """Keep the connection open and silent until the client gives up."""
        async with asyncio.timeout(HANG_S_MAX):
            while await self._reader.read(READ_BYTES):
                continue

    async def _upgrade(self, head: h11.Request, request: Request) -> bool:
        stream = self._application.open_stream(request)
        if isinstance(stream, Reply | Hang | Reset):
            return await self._carry_out(stream)
        raw = b"".join(b"%s: %s\r\n" % (name, value) for name, value in head.headers.raw_items())
        trailing, _ = self._http.trailing_data
        socket = WebSocket(self._reader, self._writer, stream, now_ns=self._application.now_ns)
        self._application.joined(socket)
        try:
            await socket.run(b"GET %s HTTP/1.1\r\n%s\r\n%s" % (head.target, raw, trailing))
        finally:
            self._application.left(socket)
        return False

    async def _answer_broken(self, error: h11.RemoteProtocolError) -> None:
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            status = error.error_status_hint
            page = f"<html><body>{status}</body></html>".encode()
            await self._send(Reply(page, status, "text/html", (("Connection", "close"),)))

    def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._writer.write(data)

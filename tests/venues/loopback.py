"""A real HTTP server on loopback whose answers a test writes byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Request:
    """One request as it came over the socket."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Loopback:
    """Answers each request with the next entry of ``script``, the last one again and again."""

    script: list[Answer]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    bytes_read: int = 0
    """On all connections, whether or not they became a request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._count(reader)
        try:
            while True:
                request = await _read_request(reader)
                self.requests.append(request)
                answer = self.script[min(len(self.requests), len(self.script)) - 1]
                await answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    def _count(self, reader: asyncio.StreamReader) -> None:
        feed = reader.feed_data

        def counted(data: bytes) -> None:
            self.bytes_read += len(data)
            feed(data)

        reader.feed_data = counted  # type: ignore[assignment]


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def reply(body: bytes | str, *, status: str = "200 OK", headers: str = "content-type: application/json") -> Answer:
    """A whole, honest answer."""
    data = body.encode() if isinstance(body, str) else body

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(data)}\r\n{headers}\r\n\r\n".encode("latin-1") + data)

    return answer


def raw(data: bytes, *, then_close: bool = True) -> Answer:
    """Exactly these bytes."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if then_close:
            writer.close()

    return answer


async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
    """Take the request and never answer."""
    await asyncio.sleep(3600)


async def reset(request: Request, writer: asyncio.StreamWriter) -> None:
    """Take the request and abort the connection."""
    writer.transport.abort()


@asynccontextmanager
async def loopback(*script: Answer, uds: Path | None = None) -> AsyncIterator[Loopback]:
    """The server for the length of a test, on a free port or a Unix socket."""
    server_state = Loopback(list(script))
    if uds is not None:
        server = await asyncio.start_unix_server(server_state.serve, path=str(uds))
        server_state.url = "http://venue.example"
    else:
        server = await asyncio.start_server(server_state.serve, "127.0.0.1", 0)
        server_state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    tasks_before = asyncio.all_tasks()
    try:
        yield server_state
    finally:
        server.close()
        for task in asyncio.all_tasks() - tasks_before:
            task.cancel()
        await asyncio.sleep(0)

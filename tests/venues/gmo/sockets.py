"""A WebSocket server on loopback whose connections a test writes one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve

Handler = Callable[[ServerConnection, "Sockets"], Awaitable[None]]


@dataclass
class Sockets:
    """What arrived: the path of each connection, and the messages on all of them."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)


@asynccontextmanager
async def sockets(*connections: Handler) -> AsyncIterator[Sockets]:
    """Connection n is handled by entry n, the last one again and again."""
    made = Sockets()

    async def handle(socket: ServerConnection) -> None:
        assert socket.request is not None
        made.paths.append(socket.request.path)
        await connections[min(len(made.paths), len(connections)) - 1](socket, made)

    server = await serve(handle, "127.0.0.1", 0)
    made.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close(close_connections=True)
        await server.wait_closed()


def greeted(*frames: bytes, messages: int = 2, then_hang: bool = True) -> Handler:
    """Hear so many subscriptions out, and then send these frames."""

    async def handle(socket: ServerConnection, made: Sockets) -> None:
        for _ in range(messages):
            message = await socket.recv()
            assert isinstance(message, str)
            made.heard.append(message)
        for body in frames:
            await socket.send(body.decode())
        if then_hang:
            await socket.wait_closed()

    return handle

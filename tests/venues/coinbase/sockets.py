"""A WebSocket server whose frames a test writes, and what it heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve

T = TypeVar("T")
Handler = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class Heard:
    """What came over each connection, in order."""

    url: str = ""
    messages: list[list[Any]] = field(default_factory=list)

    def channels(self, connection: int = 0) -> list[str]:
        return [message["channel"] for message in self.messages[connection]]


@asynccontextmanager
async def venue(*connections: Handler, greetings: int = 0) -> AsyncIterator[Heard]:
    """Connection n is handled by entry n, the last one again and again, once so many ``greetings`` were heard."""
    heard = Heard()

    async def handle(socket: ServerConnection) -> None:
        mine: list[Any] = []
        heard.messages.append(mine)
        handler = connections[min(len(heard.messages), len(connections)) - 1]
        for _ in range(greetings):
            mine.append(json.loads(await socket.recv()))
        await handler(socket)

    server = await serve(handle, "127.0.0.1", 0)
    heard.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield heard
    finally:
        server.close(close_connections=True)
        await server.wait_closed()


def sends(*frames: object, then_hang: bool = True) -> Handler:
    """JSON values, or bytes and text as they are."""

    async def handle(socket: ServerConnection) -> None:
        for one in frames:
            await socket.send(one if isinstance(one, bytes | str) else json.dumps(one))
        if then_hang:
            await socket.wait_closed()

    return handle


async def take(events: AsyncIterator[T], count: int) -> list[T]:
    """The first so many, then the stream is left."""
    taken: list[T] = []
    async with asyncio.timeout(30), aclosing(events) as news:  # type: ignore[type-var]
        async for event in news:
            taken.append(event)
            if len(taken) == count:
                break
    return taken

"""The built-in exchange with a stopwatch at its sockets: when the first byte of a request was read."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar

from ztb.simulator.server import SimulatorServer


class StampedReader:
    """A connection's reader that remembers when the first byte of each request was read."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.first_byte_ns = 0

    async def read(self, count: int = -1) -> bytes:
        data = await self._reader.read(count)
        if not self.first_byte_ns:
            self.first_byte_ns = time.perf_counter_ns()
        return data

    def take(self) -> int:
        """Of the request that is being handled; the next one begins anew."""
        first_byte_ns, self.first_byte_ns = self.first_byte_ns, 0
        return first_byte_ns

    def __getattr__(self, name: str) -> object:
        return getattr(self._reader, name)


READER: ContextVar[StampedReader] = ContextVar("reader")
"""Of the connection whose request is being handled."""


class StampingServer(SimulatorServer):
    """Puts a stamped reader under each connection."""

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stamped = StampedReader(reader)
        READER.set(stamped)
        await super()._accept(stamped, writer)  # type: ignore[arg-type]

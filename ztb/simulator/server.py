"""The exchange on a loopback socket: connections, time, and nothing of any venue."""

from __future__ import annotations

import asyncio
import errno
from typing import Final

from ztb.core.error import UsageError, ZtbError
from ztb.simulator import admin as desk
from ztb.simulator.dialect import Address, Clock, Dialect, Outcome, Request, Reset, Stream
from ztb.simulator.exchange import Exchange
from ztb.simulator.http import Connection
from ztb.simulator.limits import CONNECTIONS_MAX, TICK_WALL_S_MIN
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.websocket import WebSocket

TICK_S: Final = 0.1
"""Of the exchange's time."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class SimulatorServer:
    """Serves one dialect on one address until stopped. Errors of the tape end it and come out of ``wait``."""

    def __init__(
        self,
        exchange: Exchange,
        dialect: Dialect,
        *,
        clock: Clock,
        moods: Moods,
        record: Record,
        host: str = "127.0.0.1",
        port: int = 0,
        start_offset_ns: int = 0,
        admin: bool = False,
    ) -> None:
        if host not in LOOPBACK:
            raise UsageError(f"the simulator does not listen on {host}", remedy="use 127.0.0.1, [::1] or localhost")
        self._exchange = exchange
        exchange.moods = moods
        self._dialect = dialect
        self._clock = clock
        self._address = Address(host, port)
        self._start_offset_ns = start_offset_ns
        self._sockets: set[WebSocket] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._admin = desk.Admin(exchange, moods, record, streams=lambda: len(self._sockets)) if admin else None
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._behind = False

    async def start(self) -> Address:
        """Open the market and listen. UsageError when the port cannot be had, TapeError when the tape is damaged."""
        self._exchange.start(self._clock.now_ns(), offset_ns=self._start_offset_ns)
        try:
            self._server = await asyncio.start_server(self._accept, self._address.host, self._address.port)
        except OSError as error:
            reason = "in use" if error.errno == errno.EADDRINUSE else f"not to be had: {error.strerror}"
            raise UsageError(
                f"{self._address.text}: port {reason}",
                remedy="stop what listens there, or listen on port 0 for any free one",
            ) from None
        self._ended = asyncio.get_running_loop().create_future()
        self._ticker = asyncio.create_task(self._tick())
        bound = self._server.sockets[0].getsockname()
        self._address = Address(self._address.host, bound[1])
        return self._address

    async def wait(self) -> None:
        """Until stopped; raises what ended the market."""
        assert self._ended is not None
        await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Close the port and every connection; may be called twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        tasks = [*self._connections, *([self._ticker] if self._ticker is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        elif self._ended is not None:
            # Looked at, so that an error which nobody waited for is not reported as forgotten.
            self._ended.exception()

    # What the connections ask of the application behind them.

    def now_ns(self) -> int:
        """The exchange's time."""
        return self._clock.now_ns()

    def shown_ns(self) -> int:
        """The time that it tells, with the error of its clock (``wrong_clock``)."""
        return self.now_ns() + self._exchange.moods.clock_error_ns()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def handle(self, request: Request) -> Outcome:
        """The market is brought up to the request's moment before it is carried out."""
        if self._admin is not None and request.path.startswith(desk.PREFIX):
            return self._admin.handle(request)
        if not self._advance(request.received_ns):
            return Reset()
        return self._dialect.handle(request)

    def open_stream(self, request: Request) -> Stream | Outcome:
        if not self._advance(request.received_ns):
            return Reset()
        return self._dialect.open_stream(request)

    def joined(self, socket: WebSocket) -> None:
        self._sockets.add(socket)

    def left(self, socket: WebSocket) -> None:
        self._sockets.discard(socket)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            await Connection(reader, writer, self).run()
        except asyncio.CancelledError:
            # ``stop`` ends this task; nobody waits for its result.
            writer.transport.abort()
        finally:
            self._connections.discard(task)

    async def _tick(self) -> None:
        """Apply the tape in batches and let the streams speak, at most every ``TICK_WALL_S_MIN`` of the wall."""
        pause_s = max(TICK_S, TICK_WALL_S_MIN * self._clock.scale)
        while self._advance(self._clock.now_ns()):
            for socket in tuple(self._sockets):
                socket.tick()
            await self._clock.sleep(0 if self._behind else pause_s)

    def _advance(self, now_ns: int) -> bool:
        """Bring the market up to this time. False: the tape broke, and with it this exchange."""
        assert self._ended is not None
        if self._ended.done():
            return False
        try:
            self._behind = self._exchange.advance(now_ns)
        except ZtbError as error:
            self._ended.set_exception(error)
            return False
        return True

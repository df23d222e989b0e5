"""One client's WebSocket, on websockets' sans-I/O protocol and our own transport.

Owning the transport is the point: an exchange may close without a close frame (its client sees 1006), say nothing on
an open socket, or be read too slowly. Protocol pings are answered; the server itself pings where its venue does.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from websockets.frames import Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from ztb.simulator.dialect import Action, Drop, Stream
from ztb.simulator.limits import (
    READ_BYTES,
    STREAM_BACKLOG_BYTES_MAX,
    STREAM_KERNEL_BUFFER_BYTES,
    STREAM_MESSAGE_BYTES_MAX,
)

UNANSWERED_PINGS_MAX: Final = 3


class WebSocket:
    """Runs until either side ends it. ``tick`` may be called at any time while it runs."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        stream: Stream,
        *,
        now_ns: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._stream = stream
        self._now_ns = now_ns
        self._protocol = ServerProtocol(max_size=STREAM_MESSAGE_BYTES_MAX)
        self._dropped = False
        self._pinged_s = asyncio.get_running_loop().time()
        self._pings_unanswered = 0

    async def run(self, handshake: bytes) -> None:
        """``handshake`` is the client's upgrade request as it came, and whatever followed it."""
        own: socket.socket = self._writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, STREAM_KERNEL_BUFFER_BYTES)
        self._receive(handshake)
        while not self._dropped and self._protocol.state is not State.CLOSED:
            try:
                async with asyncio.timeout(self._stream.idle_s_max):
                    data = await self._reader.read(READ_BYTES)
            except TimeoutError:
                break
            if not data:
                break
            self._receive(data)

    def tick(self) -> None:
        """Time passed: send what the venue has to say."""
        if self._protocol.state is State.OPEN and not self._dropped:
            self._ping()
            self._act(self._stream.tick(self._now_ns()))
            self._flush()

    def _ping(self) -> None:
        """Keep-alives run on the sockets' time, however fast the market's time runs."""
        now_s = asyncio.get_running_loop().time()
        if self._stream.ping_s is None or now_s - self._pinged_s < self._stream.ping_s:
            return
        if self._pings_unanswered >= UNANSWERED_PINGS_MAX:
            self._drop()
            return
        self._pinged_s = now_s
        self._pings_unanswered += 1
        self._protocol.send_ping(b"")

    def _receive(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._protocol.send_response(self._protocol.accept(event))
                if self._protocol.state is State.OPEN:
                    self._act(self._stream.opened(self._now_ns()))
            elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._act(self._stream.received(bytes(event.data), self._now_ns()))
            elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                self._pings_unanswered = 0
            if self._dropped:
                break
        self._flush()

    def _act(self, action: Action) -> None:
        if self._dropped or action is None:
            return
        for step in (action,) if isinstance(action, bytes | Drop) else action:
            if isinstance(step, Drop):
                self._drop()
                return
            if self._protocol.state is State.OPEN:
                self._protocol.send_text(step)

    def _drop(self) -> None:
        """End without a close frame. What was to be sent before (the handshake's answer) still goes."""
        self._flush()
        self._dropped = True
        self._writer.close()

    def _flush(self) -> None:
        if self._dropped:
            return
        transport = self._writer.transport
        if transport.is_closing():
            return
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
            else:
                self._writer.close()
        if transport.get_write_buffer_size() > STREAM_BACKLOG_BYTES_MAX:
            self._dropped = True
            transport.abort()

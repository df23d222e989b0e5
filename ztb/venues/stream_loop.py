"""One WebSocket to a venue, for ever: connect, greet, read, notice that it is dead, and connect again.

Alive means that data arrives (F-20). A socket that is open and silent, or that brings only frames which do not
decode, is lost like a closed one. What the frames mean is the business of a ``Wire``, one for each venue and stream.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final, Generic, Protocol, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ztb.core.error import VenueError
from ztb.venues import limits
from ztb.venues.backoff import Backoff
from ztb.venues.clock import Clock
from ztb.venues.endpoint import checked_url, is_encrypted

PING_S: Final = 20.0
SILENCE_S_MAX: Final = 60.0

N = TypeVar("N")
"""What a stream tells: market news or account news."""


class StreamBroken(Exception):
    """The stream cannot be believed any more (a gap in its numbers, an error frame): connect again."""


class Wire(Protocol[N]):
    """The venue's side of one stream. One object serves every connection, one after another."""

    async def url(self) -> str:
        """Where to connect now; a private stream gets a fresh token here. Raises VenueError."""
        ...

    def connected(self) -> None:
        """A connection begins: forget what only held for the last one (sequence numbers, a book of changes)."""
        ...

    def greetings(self) -> Sequence[str]:
        """What to send, in this order, ``greeting_pause_s`` apart."""
        ...

    @property
    def greeting_pause_s(self) -> float:
        """Seconds of the clock between two messages to the venue."""
        ...

    def read(self, body: bytes, ts_ns: int) -> Sequence[N] | None:
        """The news of one frame. An empty sequence is a sign of life without news; None is neither.

        VenueError refuses the frame and leaves the reader as it was; StreamBroken ends the connection.
        """
        ...

    async def caught_up(self, news: Sequence[N], ts_ns: int) -> Sequence[N]:
        """``news`` of a frame after which something may be missing, with what can be read over REST put before it.

        Called for the first news of each connection, and otherwise wherever the wire asks for it by ``has_gap``.
        """
        ...

    @property
    def has_gap(self) -> bool:
        """The last frame read showed that something before it was missed."""
        ...

    def state(self, ts_ns: int, connected: bool, text: str) -> N:
        """The news that the stream is lost or back."""
        ...


class StreamLoop(Generic[N]):
    """Endless news of one stream. The silence is measured by the clock, as the data are; pings by the wall."""

    def __init__(
        self,
        wire: Wire[N],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        silence_s_max: float | None = SILENCE_S_MAX,
        ping_s: float = PING_S,
        frame_bytes_max: int | None = None,
        tells_each_attempt: bool = False,
    ) -> None:
        """``silence_s_max`` None: no news for hours is normal here; protocol pings have to notice a dead socket, and
        the stream counts as back when it is greeted, because nothing else may come for long. ``tells_each_attempt``:
        that the stream is lost is told again after each attempt that fails, because somebody counts them."""
        self._wire = wire
        self._clock = clock
        self._uds = uds
        self._tls = tls
        self._silence_s_max = silence_s_max
        self._ping_s = ping_s
        self._frame_bytes_max = frame_bytes_max
        self._tells_each_attempt = tells_each_attempt
        self._backoff = Backoff(jitter)
        self._is_connected: bool | None = None
        self._socket: ClientConnection | None = None
        self.frames = 0
        self.frames_refused = 0
        self.reconnections = 0

    async def events(self) -> AsyncGenerator[N, None]:
        """Endless; an error that will not pass (a refused key) is raised."""
        while True:
            reason = "closed by the venue"
            try:
                async with aclosing(self._connection_news()) as connection_news:
                    async for news in connection_news:
                        yield news
            except (WebSocketException, OSError, TimeoutError, StreamBroken) as error:
                reason = f"{type(error).__name__}: {error}"[: limits.REMARK_LENGTH_MAX]
            except VenueError as error:
                if error.kind == "auth" and not error.retryable:
                    raise
                reason = f"{type(error).__name__}: {error}"[: limits.REMARK_LENGTH_MAX]
            if self._is_connected is not False or self._tells_each_attempt:
                self._is_connected = False
                yield self._wire.state(self._clock.now_ns(), False, reason)
            await self._clock.sleep(self._backoff.lost(self._clock.monotonic_ns()))
            self.reconnections += 1

    def drop(self) -> None:
        """End the connection that stands, if one does: what it was made with holds no longer. Another one follows."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _connection_news(self) -> AsyncGenerator[N, None]:
        """The news of one connection, until it is lost."""
        async with await self._opened() as socket:
            self._wire.connected()
            self._socket = socket
            greeter = asyncio.create_task(self._greet(socket))
            try:
                if self._silence_s_max is None:
                    await greeter
                    for state in self._back(self._clock.now_ns()):
                        yield state
                async with aclosing(self._frames_news(socket)) as frames_news:
                    async for news in frames_news:
                        yield news
            finally:
                self._socket = None
                greeter.cancel()
                await asyncio.gather(greeter, return_exceptions=True)

    async def _frames_news(self, socket: ClientConnection) -> AsyncGenerator[N, None]:
        refused_in_row = 0
        heard_ns = self._clock.monotonic_ns()
        is_first = True
        while True:
            body = await self._next_frame(socket, heard_ns)
            ts_ns = self._clock.now_ns()
            try:
                news = self._wire.read(body, ts_ns)
            except VenueError:
                # The age of the last good frame goes on counting: garbage is not a sign of life.
                self.frames_refused += 1
                refused_in_row += 1
                if refused_in_row >= limits.FRAMES_REFUSED_IN_ROW_MAX:
                    raise
                continue
            refused_in_row = 0
            self.frames += 1
            if news is None:
                continue
            heard_ns = self._clock.monotonic_ns()
            for state in self._back(ts_ns):
                yield state
            if news and (is_first or self._wire.has_gap):
                is_first = False
                news = await self._wire.caught_up(news, ts_ns)
            for one in news:
                yield one

    def _back(self, ts_ns: int) -> Sequence[N]:
        """The news that the stream is back, if that is news."""
        if self._is_connected:
            return ()
        self._is_connected = True
        self._backoff.connected(self._clock.monotonic_ns())
        return (self._wire.state(ts_ns, True, ""),)

    async def _opened(self) -> connect:
        url = checked_url(await self._wire.url(), uds=self._uds)
        tls = self._tls
        if tls is None and is_encrypted(url):
            tls = ssl.create_default_context()
        through: dict[str, Any] = {} if self._uds is None else {"unix": True, "path": self._uds}
        return _DirectConnect(
            url,
            proxy=None,
            compression=None,
            open_timeout=limits.CONNECT_S_MAX,
            close_timeout=1.0,
            ping_interval=self._ping_s,
            ping_timeout=self._ping_s,
            max_size=self._frame_bytes_max or limits.FRAME_BYTES_MAX,
            max_queue=limits.FRAME_QUEUE_MAX,
            ssl=tls,
            **through,
        )

    async def _greet(self, socket: ClientConnection) -> None:
        for number, message in enumerate(self._wire.greetings()):
            if number:
                await self._clock.sleep(self._wire.greeting_pause_s)
            await socket.send(message)

    async def _next_frame(self, socket: ClientConnection, heard_ns: int) -> bytes:
        if self._silence_s_max is None:
            return bytes(await socket.recv(decode=False))
        left_s = self._silence_s_max - (self._clock.monotonic_ns() - heard_ns) / 1e9
        try:
            async with asyncio.timeout(max(0.0, left_s) / self._clock.scale):
                body = await socket.recv(decode=False)
        except TimeoutError:
            raise TimeoutError(f"no data for {self._silence_s_max:g} s") from None
        return bytes(body)


class _DirectConnect(connect):
    """Without redirects: a venue that sends us elsewhere is not the venue."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc

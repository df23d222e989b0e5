"""Zaif's market stream: one socket for each pair, whole frames, nothing sent but protocol pings.

Alive means that data arrives. A socket that is open and silent, or that brings only frames which do not decode, is
lost like a closed one. After each return the trades that were missed are read over REST, once for each gap.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from ztb.core.error import VenueError
from ztb.core.event import Depth, Feed, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.backoff import Backoff
from ztb.venues.clock import Clock
from ztb.venues.endpoint import checked_url, is_encrypted
from ztb.venues.zaif.frames import Frame, FrameReader
from ztb.venues.zaif.rest import ZaifPublic

PING_S: Final = 20.0
SILENCE_S_MAX: Final = 60.0

MarketNews = Trade | Quote | Depth | Feed


class _DirectConnect(connect):
    """Without redirects: a venue that sends us elsewhere is not the venue."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class ZaifFeed:
    """``port.MarketFeed`` of one pair."""

    def __init__(
        self,
        url: str,
        instrument: Instrument,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        public: ZaifPublic | None = None,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        silence_s_max: float = SILENCE_S_MAX,
        ping_s: float = PING_S,
    ) -> None:
        """``url`` without its query, for example ``wss://ws.zaif.jp/stream``; ``public`` fills gaps in the trades.

        ``ping_s`` is of the wall, because it keeps a socket open; ``silence_s_max`` is of the clock, as the data are.
        """
        self._url = f"{checked_url(url, uds=uds)}?currency_pair={instrument.symbol}"
        self._instrument = instrument
        self._clock = clock
        self._public = public
        self._uds = uds
        self._tls = tls if tls is not None or not is_encrypted(url) else ssl.create_default_context()
        self._silence_s_max = silence_s_max
        self._ping_s = ping_s
        self._backoff = Backoff(jitter)
        self._reader = FrameReader(instrument)
        self._is_connected: bool | None = None
        self.frames = 0
        self.frames_refused = 0
        self.trades_backfilled = 0
        self.gaps_left = 0
        """Times that trades were missed and could not all be read afterwards."""
        self.reconnections = 0

    async def events(self) -> AsyncGenerator[MarketNews, None]:
        """Endless: trades, book and best prices as they arrive, and ``Feed`` when the stream is lost or back."""
        while True:
            reason = "closed by the venue"
            try:
                async with aclosing(self._connection_events()) as connection_events:
                    async for event in connection_events:
                        yield event
            except (WebSocketException, OSError, TimeoutError, VenueError) as error:
                reason = f"{type(error).__name__}: {error}"[: limits.REMARK_LENGTH_MAX]
            if self._is_connected is not False:
                self._is_connected = False
                yield Feed(self._clock.now_ns(), False, reason)
            await self._clock.sleep(self._backoff.lost(self._clock.monotonic_ns()))
            self.reconnections += 1

    async def _connection_events(self) -> AsyncGenerator[MarketNews, None]:
        """The events of one connection, until it is lost."""
        async with self._opened() as socket:
            refused_in_row = 0
            heard_ns = self._clock.monotonic_ns()
            while True:
                body = await self._next_frame(socket, heard_ns)
                ts_ns = self._clock.now_ns()
                try:
                    frame = self._reader.read(body, ts_ns)
                except VenueError:
                    # The age of the last good frame goes on counting: garbage is not a sign of life.
                    self.frames_refused += 1
                    refused_in_row += 1
                    if refused_in_row >= limits.FRAMES_REFUSED_IN_ROW_MAX:
                        raise
                    continue
                refused_in_row = 0
                heard_ns = self._clock.monotonic_ns()
                self.frames += 1
                is_back = not self._is_connected
                if is_back:
                    self._is_connected = True
                    self._backoff.connected(heard_ns)
                    yield Feed(ts_ns, True)
                for event in await self._told(frame, ts_ns, is_back=is_back):
                    yield event

    def _opened(self) -> connect:
        through: dict[str, Any] = {} if self._uds is None else {"unix": True, "path": self._uds}
        return _DirectConnect(
            self._url,
            proxy=None,
            compression=None,
            open_timeout=limits.CONNECT_S_MAX,
            close_timeout=1.0,
            ping_interval=self._ping_s,
            ping_timeout=self._ping_s,
            max_size=limits.FRAME_BYTES_MAX,
            max_queue=limits.FRAME_QUEUE_MAX,
            ssl=self._tls,
            **through,
        )

    async def _next_frame(self, socket: ClientConnection, heard_ns: int) -> bytes:
        left_s = self._silence_s_max - (self._clock.monotonic_ns() - heard_ns) / 1e9
        try:
            async with asyncio.timeout(max(0.0, left_s) / self._clock.scale):
                body = await socket.recv(decode=False)
        except TimeoutError:
            raise TimeoutError(f"no data for {self._silence_s_max:g} s") from None
        return bytes(body)

    async def _told(self, frame: Frame, ts_ns: int, *, is_back: bool) -> list[MarketNews]:
        """The frame's events in order, with the trades before it that no frame showed."""
        told: list[MarketNews] = []
        trades = frame.trades
        if frame.missed and self._public is not None:
            older, note = await self._missed_trades(frame, self._public)
            trades = older + trades
            if is_back:
                told.append(Feed(ts_ns, True, note))
        told += trades
        told.append(frame.depth)
        if frame.quote is not None:
            told.append(frame.quote)
        return told

    async def _missed_trades(self, frame: Frame, public: ZaifPublic) -> tuple[list[Trade], str]:
        """Trades between the last frame and this one, and how it went. Never waits for the rate limit: a gap in the
        trades is better than an old book."""
        try:
            history = await public.trades(self._instrument, wait_s_max=0.0)
        except VenueError as error:
            self.gaps_left += 1
            return [], f"trades missed and not to be had: {error}"[: limits.REMARK_LENGTH_MAX]
        oldest_news = int(frame.trades[0].trade_id)
        missing = [trade for trade in history if frame.last_tid_before < int(trade.trade_id) < oldest_news]
        self.trades_backfilled += len(missing)
        if any(int(trade.trade_id) <= frame.last_tid_before for trade in history):
            return missing, f"backfilled {len(missing)} trades"
        self.gaps_left += 1
        return missing, f"backfilled {len(missing)} trades; older ones are lost"

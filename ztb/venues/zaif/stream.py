"""Zaif's market stream: one socket for each pair, whole frames, nothing sent but protocol pings.

After each return the trades that were missed are read over REST, once for each gap.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Sequence

from ztb.core.error import VenueError
from ztb.core.event import Feed, Trade
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.endpoint import checked_url
from ztb.venues.port import Market, MarketNews
from ztb.venues.stream_loop import PING_S, SILENCE_S_MAX, StreamLoop
from ztb.venues.zaif.frames import Frame, FrameReader


class ZaifFeed:
    """``port.MarketFeed`` of one pair."""

    def __init__(
        self,
        url: str,
        instrument: Instrument,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        public: Market | None = None,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        silence_s_max: float = SILENCE_S_MAX,
        ping_s: float = PING_S,
    ) -> None:
        """``url`` without its query, for example ``wss://ws.zaif.jp/stream``; ``public`` fills gaps in the trades."""
        self.wire = ZaifWire(f"{checked_url(url, uds=uds)}?currency_pair={instrument.symbol}", instrument, public)
        self.loop = StreamLoop(
            self.wire, clock=clock, jitter=jitter, uds=uds, tls=tls, silence_s_max=silence_s_max, ping_s=ping_s,
            tells_each_attempt=True,
        )  # fmt: skip

    def events(self) -> AsyncGenerator[MarketNews, None]:
        """Endless: trades, book and best prices as they arrive, and ``Feed`` when the stream is lost or back."""
        return self.loop.events()


class ZaifWire:
    """``stream_loop.Wire`` of one pair."""

    greeting_pause_s = 0.0

    def __init__(self, url: str, instrument: Instrument, public: Market | None) -> None:
        self._url = url
        self._instrument = instrument
        self._public = public
        self._reader = FrameReader(instrument)
        self._frame: Frame | None = None
        self._is_back = False
        self.trades_backfilled = 0
        self.gaps_left = 0
        """Times that trades were missed and could not all be read afterwards."""

    async def url(self) -> str:
        return self._url

    def connected(self) -> None:
        """Trade ids go on over connections, and each frame is a whole book: there is nothing to forget."""
        self._is_back = True

    def greetings(self) -> Sequence[str]:
        """None: whoever speaks is cut off."""
        return ()

    def read(self, body: bytes, ts_ns: int) -> list[MarketNews]:
        frame = self._frame = self._reader.read(body, ts_ns)
        told: list[MarketNews] = [*frame.trades, frame.depth]
        if frame.quote is not None:
            told.append(frame.quote)
        return told

    @property
    def has_gap(self) -> bool:
        return self._frame is not None and self._frame.missed

    async def caught_up(self, news: Sequence[MarketNews], ts_ns: int) -> Sequence[MarketNews]:
        """The frame's news, with the trades before it that no frame showed."""
        is_back, self._is_back = self._is_back, False
        if not self.has_gap or self._public is None:
            return news
        assert self._frame is not None
        older, note = await self._missed_trades(self._frame, self._public)
        return [Feed(ts_ns, True, note), *older, *news] if is_back else [*older, *news]

    def state(self, ts_ns: int, connected: bool, text: str) -> Feed:
        return Feed(ts_ns, connected, text)

    async def _missed_trades(self, frame: Frame, public: Market) -> tuple[list[Trade], str]:
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

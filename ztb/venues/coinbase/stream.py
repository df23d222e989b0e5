"""Coinbase's market stream: the book, the trades and heartbeats of one product on one socket.

Heartbeats come every second and are numbered with everything else, so that silence is always a fault, however little
is traded. After each return the trades that were missed are read over REST where the stream's own history is too
short.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from ztb.core.error import VenueError
from ztb.core.event import Feed, Trade
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.frames import MarketReader
from ztb.venues.coinbase.rest import CoinbasePublic
from ztb.venues.endpoint import checked_url
from ztb.venues.port import MarketNews
from ztb.venues.stream_loop import PING_S, SILENCE_S_MAX, StreamLoop

CHANNELS = ("heartbeats", "level2", "market_trades")


class CoinbaseFeed:
    """``port.MarketFeed`` of one product."""

    def __init__(
        self,
        url: str,
        instrument: Instrument,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        public: CoinbasePublic | None = None,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        silence_s_max: float = SILENCE_S_MAX,
        ping_s: float = PING_S,
    ) -> None:
        """``public`` knows by which other name the venue calls the product, and fills gaps in the trades."""
        self.wire = CoinbaseWire(checked_url(url, uds=uds), instrument, public)
        self.loop = StreamLoop(
            self.wire,
            clock=clock,
            jitter=jitter,
            uds=uds,
            tells_each_attempt=True,
            tls=tls,
            silence_s_max=silence_s_max,
            ping_s=ping_s,
            frame_bytes_max=rules.FRAME_BYTES_MAX,
        )

    def events(self) -> AsyncGenerator[MarketNews, None]:
        """Endless: trades, book and best prices as they arrive, and ``Feed`` when the stream is lost or back."""
        return self.loop.events()


class CoinbaseWire:
    """``stream_loop.Wire`` of one product."""

    greeting_pause_s = rules.GREETING_PAUSE_S

    def __init__(self, url: str, instrument: Instrument, public: CoinbasePublic | None) -> None:
        self._url = url
        self._instrument = instrument
        self._public = public
        self._names = frozenset({instrument.symbol})
        self._reader = MarketReader(instrument)
        self.trades_backfilled = 0
        self.gaps_left = 0
        """Times that trades were missed and could not all be read afterwards."""

    async def url(self) -> str:
        if self._public is not None:
            self._names = await self._public.names(self._instrument.symbol)
        return self._url

    def connected(self) -> None:
        self._reader.connected(self._names)

    def greetings(self) -> Sequence[str]:
        """One channel in each message; the first within five seconds, or the venue closes."""
        return [subscription(channel, product_ids=[self._instrument.symbol]) for channel in CHANNELS]

    def read(self, body: bytes, ts_ns: int) -> Sequence[MarketNews] | None:
        return self._reader.read(body, ts_ns)

    @property
    def has_gap(self) -> bool:
        return self._reader.missed is not None

    async def caught_up(self, news: Sequence[MarketNews], ts_ns: int) -> Sequence[MarketNews]:
        """The news, with the trades before them that the stream's history does not reach back to."""
        missed, self._reader.missed = self._reader.missed, None
        if missed is None or self._public is None:
            return news
        older, note = await self._missed_trades(missed, self._public)
        return [Feed(ts_ns, True, note), *older, *news]

    def state(self, ts_ns: int, connected: bool, text: str) -> Feed:
        return Feed(ts_ns, connected, text)

    async def _missed_trades(self, missed: tuple[int, int], public: CoinbasePublic) -> tuple[list[Trade], str]:
        """Trades between two ids, and how it went. Never waits for the rate limit: a gap in the trades is better
        than an old book."""
        before, after = missed
        try:
            history = await public.trades(self._instrument, wait_s_max=0.0)
        except VenueError as error:
            self.gaps_left += 1
            return [], f"trades missed and not to be had: {error}"[: limits.REMARK_LENGTH_MAX]
        missing = [trade for trade in history if before < int(trade.trade_id) < after]
        self.trades_backfilled += len(missing)
        if any(int(trade.trade_id) <= before for trade in history):
            return missing, f"backfilled {len(missing)} trades"
        self.gaps_left += 1
        return missing, f"backfilled {len(missing)} trades; older ones are lost"


def subscription(channel: str, *, product_ids: Sequence[str], jwt: str = "") -> str:
    """The message that subscribes to one channel; ``jwt`` where the channel is private."""
    message = {"type": "subscribe", "product_ids": list(product_ids), "channel": channel}
    return msgspec.json.encode(message | ({"jwt": jwt} if jwt else {})).decode("ascii")

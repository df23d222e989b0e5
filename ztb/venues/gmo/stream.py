"""GMO Coin's public socket: books and trades of one symbol.

The venue takes one subscription a second for each IP, so all sockets of a process take turns. It acknowledges none: a
refusal comes as an error frame, and the connection is made anew. After each return the trades that were missed are
read over REST. They have no ids there either, so what was told is known by its time, price, size and side.
"""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from ztb.core.error import VenueError
from ztb.core.event import Feed, Trade
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.endpoint import checked_url
from ztb.venues.gmo import rules
from ztb.venues.gmo.frames import FrameReader, refusal_of
from ztb.venues.port import Market, MarketNews
from ztb.venues.stream_loop import PING_S, SILENCE_S_MAX, StreamBroken, StreamLoop

_NS = 1_000_000_000
Mark = tuple[int, int, int, int]
"""Time, price, lots and side of a trade: all that there is to know it by."""


class Turns:
    """Whose turn it is to subscribe; one object for all sockets of an IP."""

    def __init__(
        self, *, clock: Clock, pause_s: float = rules.SUBSCRIBE_PAUSE_S, slack_s: float = rules.CONNECT_SLACK_S
    ) -> None:
        self._clock = clock
        self._slack_s = slack_s
        self._free_ns = 0
        self.pause_s = pause_s

    async def take(self, messages: int) -> None:
        """Wait for the turn, and keep it for so many messages."""
        now_ns = self._clock.monotonic_ns()
        begin_ns = max(now_ns, self._free_ns)
        self._free_ns = begin_ns + int((messages * self.pause_s + self._slack_s) * _NS)
        if begin_ns > now_ns:
            await self._clock.sleep((begin_ns - now_ns) / _NS)


class GmoFeed:
    """``port.MarketFeed`` of one symbol."""

    def __init__(
        self,
        url: str,
        instrument: Instrument,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        turns: Turns | None = None,
        public: Market | None = None,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        silence_s_max: float = SILENCE_S_MAX,
        ping_s: float = PING_S,
    ) -> None:
        """``url`` for example ``wss://api.coin.z.com/ws/public/v1``; ``public`` fills gaps in the trades."""
        self.wire = GmoWire(checked_url(url, uds=uds), instrument, turns or Turns(clock=clock), public)
        self.loop = StreamLoop(
            self.wire, clock=clock, jitter=jitter, uds=uds, tls=tls, silence_s_max=silence_s_max, ping_s=ping_s,
            tells_each_attempt=True,
        )  # fmt: skip

    def events(self) -> AsyncGenerator[MarketNews, None]:
        """Endless: trades, book and best prices as they arrive, and ``Feed`` when the stream is lost or back."""
        return self.loop.events()


class GmoWire:
    """``stream_loop.Wire`` of one symbol."""

    has_gap = False
    """Nothing is numbered: what is missed while a connection stands cannot be seen."""

    def __init__(self, url: str, instrument: Instrument, turns: Turns, public: Market | None) -> None:
        self._url = url
        self._instrument = instrument
        self._turns = turns
        self._public = public
        self._reader = FrameReader(instrument)
        self._newest_ns = 0
        self._told_at_newest: Counter[Mark] = Counter()
        self._gap: tuple[int, Counter[Mark]] | None = None
        """The newest trade before the connection was lost, and what was told of its moment."""
        self._told_ahead: Counter[Mark] = Counter()
        """Trades that the history told and that the stream may tell again."""
        self.trades_backfilled = 0
        self.gaps_left = 0
        """Times that trades were missed and could not all be read afterwards."""

    @property
    def greeting_pause_s(self) -> float:
        return self._turns.pause_s

    async def url(self) -> str:
        await self._turns.take(len(self.greetings()))
        return self._url

    def connected(self) -> None:
        self._told_ahead.clear()
        self._gap = (self._newest_ns, self._told_at_newest.copy()) if self._newest_ns else None

    def greetings(self) -> Sequence[str]:
        """Trades first: whatever comes first, no trade can be missed from there on."""
        symbol = self._instrument.symbol
        return (
            subscription("trades", symbol=symbol, option="TAKER_ONLY"),
            subscription("orderbooks", symbol=symbol),
        )

    def read(self, body: bytes, ts_ns: int) -> list[MarketNews]:
        try:
            news = self._reader.read(body, ts_ns)
        except VenueError:
            raise_refusal(body)
            raise
        return [one for one in news if not isinstance(one, Trade) or self._is_new(one)]

    async def caught_up(self, news: Sequence[MarketNews], ts_ns: int) -> Sequence[MarketNews]:
        """The first news of a connection, with the trades that were missed before it."""
        gap, self._gap = self._gap, None
        if gap is None or self._public is None:
            return news
        here = Counter(_mark(one) for one in news if isinstance(one, Trade))
        older, note = await self._missed_trades(gap, here, self._public)
        return [Feed(ts_ns, True, note), *older, *news]

    def state(self, ts_ns: int, connected: bool, text: str) -> Feed:
        return Feed(ts_ns, connected, text)

    async def _missed_trades(
        self, gap: tuple[int, Counter[Mark]], here: Counter[Mark], public: Market
    ) -> tuple[list[Trade], str]:
        """Trades between two connections, and how it went. Never waits for the rate limit: a gap in the trades is
        better than an old book."""
        since_ns, told = gap
        try:
            history = await public.trades(self._instrument, wait_s_max=0.0)
        except VenueError as error:
            self.gaps_left += 1
            return [], f"trades missed and not to be had: {error}"[: limits.REMARK_LENGTH_MAX]
        told = told + here
        missing = [trade for trade in history if trade.venue_ns >= since_ns and not _taken(told, _mark(trade))]
        for trade in missing:
            self._note(trade)
            self._told_ahead[_mark(trade)] += 1
        self.trades_backfilled += len(missing)
        if any(trade.venue_ns <= since_ns for trade in history):
            return missing, f"backfilled {len(missing)} trades"
        self.gaps_left += 1
        return missing, f"backfilled {len(missing)} trades; older ones are lost"

    def _is_new(self, trade: Trade) -> bool:
        if _taken(self._told_ahead, _mark(trade)):
            return False
        self._note(trade)
        return True

    def _note(self, trade: Trade) -> None:
        if trade.venue_ns > self._newest_ns:
            self._newest_ns = trade.venue_ns
            self._told_at_newest.clear()
        if trade.venue_ns == self._newest_ns:
            self._told_at_newest[_mark(trade)] += 1


def subscription(channel: str, **members: str) -> str:
    """The message that subscribes; the venue acknowledges none."""
    return msgspec.json.encode({"command": "subscribe", "channel": channel} | members).decode("ascii")


def raise_refusal(body: bytes) -> None:
    """StreamBroken if the frame is the venue's refusal: a subscription is missing, so the stream is not whole."""
    text = refusal_of(body)
    if text:
        raise StreamBroken(text)


def _mark(trade: Trade) -> Mark:
    return (trade.venue_ns, trade.price, trade.lots, trade.side)


def _taken(marks: Counter[Mark], mark: Mark) -> bool:
    """Take one of ``mark`` out; False when there is none."""
    if marks[mark] <= 0:
        del marks[mark]
        return False
    marks[mark] -= 1
    return True

"""From the bytes of Coinbase's streams to events; no socket, no clock.

Every message of a connection carries the next number. A number that is missing means a change of the book that we do
not have, so the connection is given up (F-20); a number seen before is a message told twice, and is passed over. The
book is told in changes; sizes finer than a lot are rounded down (we never see more than there is), a trade to at
least one lot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from ztb.core.error import VenueError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.venues.coinbase import codec, rules
from ztb.venues.coinbase.book import Book, Levels
from ztb.venues.coinbase.codec import SIDE_OF, PriceBookRow, TradeRow
from ztb.venues.coinbase.text_grid import StepsOf
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.stream_loop import StreamBroken

T = TypeVar("T")
News = Trade | Depth | Quote
_ID_DIGITS_MAX: Final = 20
Numbered = tuple[int, Trade]
"""A trade and its id as a number, by which the venue counts."""
_BY_NUMBER: Final = itemgetter(0)
_STREAM: Final = "stream"


class LevelUpdate(Struct, gc=False):
    """The size that a level has from now on; "0" removes it."""

    side: Literal["bid", "offer"]
    price_level: str
    new_quantity: str


class BookEvent(Struct):
    """A whole book, or changes of it."""

    type: Literal["snapshot", "update"]
    product_id: str
    updates: list[LevelUpdate]


class TradesEvent(Struct):
    """The latest trades as a snapshot, or new ones."""

    type: Literal["snapshot", "update"]
    trades: list[TradeRow]


class HeartbeatEvent(Struct):
    """Once a second; the counter is a number or a text."""

    heartbeat_counter: int | str


class SubscriptionsEvent(Struct):
    """All that the connection is subscribed to."""

    subscriptions: dict[str, list[str]]


class BookFrame(Struct, tag_field="channel", tag="l2_data"):
    """Of the channel that is asked for as level2."""

    timestamp: str
    sequence_num: int
    events: list[BookEvent]


class TradesFrame(Struct, tag_field="channel", tag="market_trades"):
    """Several trades in one, a few times a second."""

    timestamp: str
    sequence_num: int
    events: list[TradesEvent]


class HeartbeatFrame(Struct, tag_field="channel", tag="heartbeats"):
    """A sign of life of products where nothing happens."""

    timestamp: str
    sequence_num: int
    events: list[HeartbeatEvent]


class SubscriptionsFrame(Struct, tag_field="channel", tag="subscriptions"):
    """The answer to each subscription."""

    timestamp: str
    sequence_num: int
    events: list[SubscriptionsEvent]


class _ErrorFrame(Struct):
    type: Literal["error"]
    message: str = ""


_MARKET: Final = msgspec.json.Decoder(BookFrame | TradesFrame | HeartbeatFrame | SubscriptionsFrame)
_ERROR: Final = msgspec.json.Decoder(_ErrorFrame)


def frame_of(decoder: msgspec.json.Decoder[T], body: bytes, what: str) -> T:
    """The typed frame; StreamBroken for the venue's error frame, VenueError ``undecodable`` for what is neither."""
    try:
        return decoded(decoder, body, what)
    except VenueError:
        told = codec.attempted(_ERROR, body, what)
        if told is None:
            raise
        raise StreamBroken(f"the venue says: {told.message[:100]}") from None


class Numbers:
    """The message numbers of one connection."""

    def __init__(self) -> None:
        self._last: int | None = None

    def is_repeated(self, number: int, what: str) -> bool:
        """Whether this message was told before; StreamBroken when one before it is missing."""
        if number < 0:
            raise undecodable(what, f"message number {number}")
        if self._last is None or number == self._last + 1:
            return False
        if number > self._last:
            raise StreamBroken(f"message {self._last + 1} is missing, {number} came")
        return True

    def read(self, number: int) -> None:
        """The message was understood. One that was not leaves a gap, and the next one shows it."""
        self._last = number


class MarketReader:
    """Reads the frames of one instrument, one connection after another."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._ticks, self._lots = _steps(instrument, _STREAM)
        self._trade_reader = TradeReader(instrument, self._ticks, self._lots)
        self._names = frozenset({instrument.symbol})
        self._last_trade_id = -1
        self._new_connection()
        self.missed: tuple[int, int] | None = None
        """Trades between these two ids, both left out, were missed; whoever has read them sets it back to None."""

    def connected(self, names: frozenset[str]) -> None:
        """A connection begins, on which the product is called by one of ``names``. Trade ids go on."""
        self._names = names
        self._new_connection()

    def _new_connection(self) -> None:
        self._numbers = Numbers()
        self._book: Book | None = None
        self._told_touch: tuple[int, int, int, int] | None = None
        self._early: deque[Trade] = deque(maxlen=rules.EARLY_TRADES_MAX)

    def read(self, body: bytes, ts_ns: int) -> list[News] | None:
        """The news of one frame; None until there is a book: a stream that brings none is not alive."""
        what = _STREAM
        row = frame_of(_MARKET, body, what)
        if self._numbers.is_repeated(row.sequence_num, what):
            return None
        news: list[News] = []
        if isinstance(row, BookFrame):
            venue_ns = codec.time_ns(row.timestamp, what)
            parsed = [(event.type == "snapshot", self._levels(event, what)) for event in row.events]
            news = [self._depth(is_snapshot, levels, ts_ns, venue_ns) for is_snapshot, levels in parsed]
            news += self._quotes(ts_ns, venue_ns)
        elif isinstance(row, TradesFrame):
            news += self._trades(row.events, ts_ns, what)
        elif isinstance(row, HeartbeatFrame):
            # No number is missing, so nothing has changed: the touch is as old as this message, not as its change.
            self._told_touch = None
            news += self._quotes(ts_ns, codec.time_ns(row.timestamp, what))
        self._numbers.read(row.sequence_num)
        if self._book is None:
            # What arrives before the first book waits for it; a flood of it pushes the oldest out.
            self._early.extend(one for one in news if isinstance(one, Trade))
            return None
        if self._early:
            news = [*self._early, *news]
            self._early.clear()
        return news

    def _levels(self, event: BookEvent, what: str) -> tuple[dict[int, int], dict[int, int]]:
        """Lots by price, of bids and of asks; where a level comes twice, the later word counts."""
        if event.product_id not in self._names:
            raise undecodable(what, f"a book of {event.product_id[:40]!r}")
        ticks, lots = self._ticks, self._lots
        bids: dict[int, int] = {}
        asks: dict[int, int] = {}
        for one in event.updates:
            if one.side == "bid":
                bids[ticks[one.price_level]] = lots[one.new_quantity]
            else:
                asks[ticks[one.price_level]] = lots[one.new_quantity]
        return bids, asks

    def _depth(
        self, is_snapshot: bool, levels: tuple[dict[int, int], dict[int, int]], ts_ns: int, venue_ns: int
    ) -> Depth:
        bids: Levels
        asks: Levels
        if is_snapshot:
            self._book = Book()
            bids, asks = self._book.load(*levels)
        elif self._book is None:
            raise StreamBroken("a change of a book that was never told")
        else:
            is_snapshot, bids, asks = self._book.change(*levels)
        return Depth(ts_ns, self._instrument.symbol, bids, asks, is_snapshot, venue_ns)

    def _quotes(self, ts_ns: int, venue_ns: int) -> list[Quote]:
        if self._book is None or self._book.touch == self._told_touch:
            return []
        self._told_touch = self._book.touch
        return [Quote(ts_ns, self._instrument.symbol, *self._told_touch, venue_ns)]

    def _trades(self, events: Iterable[TradesEvent], ts_ns: int, what: str) -> list[Trade]:
        trades: list[Numbered] = []
        has_history = False
        for event in events:
            trades += self._trade_reader.read(event.trades, self._names, ts_ns, what)
            has_history = has_history or event.type == "snapshot"
        if not trades:
            return []
        before = self._last_trade_id
        trades.sort(key=_BY_NUMBER)
        oldest = trades[0][0]
        self._last_trade_id = max(before, trades[-1][0])
        if before < 0 and has_history:
            # Before the first frame there is nothing to continue: what it tells of the past is history, not news.
            return []
        if before >= 0 and has_history and oldest > before + 1:
            self.missed = (before, oldest)
        return [trade for number, trade in trades if number > before]


class TradeReader:
    """Reads public trades of one instrument as they stand."""

    def __init__(self, instrument: Instrument, ticks: StepsOf, lots: StepsOf) -> None:
        self._symbol = instrument.symbol
        self._ticks, self._lots = ticks, lots

    def read(self, rows: Iterable[TradeRow], names: frozenset[str], ts_ns: int, what: str) -> list[Numbered]:
        """``names`` are what the product may be called."""
        symbol, ticks, lots = self._symbol, self._ticks, self._lots
        trades = []
        time, venue_ns = "", 0
        for row in rows:
            if row.product_id not in names:
                raise undecodable(what, f"a trade of {row.product_id[:40]!r}")
            trade_id = row.trade_id
            if not (trade_id.isdigit() and trade_id.isascii() and len(trade_id) <= _ID_DIGITS_MAX):
                raise undecodable(what, f"a trade id that is no number: {trade_id[:40]!r}")
            if row.time != time or not time:
                # One taker's trades have one time, and come together.
                time, venue_ns = row.time, codec.time_ns(row.time, what)
            trade = Trade(ts_ns, symbol, ticks[row.price], lots[row.size] or 1, SIDE_OF[row.side], venue_ns, trade_id)
            trades.append((int(trade_id), trade))
        return trades


def _steps(instrument: Instrument, what: str) -> tuple[StepsOf, StepsOf]:
    """How its prices and sizes are read: no price of zero, and no more of a size than whole lots."""
    return StepsOf(instrument.prices, what, at_least=1), StepsOf(instrument.sizes, what, cut=True)


def rest_trades(rows: Iterable[TradeRow], instrument: Instrument, names: frozenset[str], ts_ns: int) -> list[Trade]:
    """Trades from the public REST call, oldest first."""
    reader = TradeReader(instrument, *_steps(instrument, "ticker"))
    return [trade for _, trade in sorted(reader.read(rows, names, ts_ns, "ticker"), key=_BY_NUMBER)]


def rest_depth(row: PriceBookRow, instrument: Instrument, names: frozenset[str], ts_ns: int) -> Depth:
    """A book from the public REST call, as a snapshot."""
    what = "product_book"
    if row.product_id not in names:
        raise undecodable(what, f"a book of {row.product_id[:40]!r}")
    ticks, lots = _steps(instrument, what)
    told_bids, told_asks = ({ticks[one.price]: lots[one.size] for one in rows} for rows in (row.bids, row.asks))
    try:
        bids, asks = Book(depth_levels=max(1, len(told_bids), len(told_asks))).load(told_bids, told_asks)
    except StreamBroken as error:
        raise undecodable(what, error) from None
    return Depth(ts_ns, instrument.symbol, bids, asks, True, codec.time_ns(row.time, what))

"""From the bytes of a stream frame to events; no socket, no clock.

Each frame is a whole book and the latest trades, so the reader keeps what it told before and tells only what is new.
Sizes finer than a lot are rounded down (we never see more than there is), a trade to at least one lot; a price off
the grid refuses the frame.

A frame repeats most of the one before it, so texts that were decoded once are not decoded again: a side of the book,
a level, a price, a size, the list of trades. What a text means never depends on where it was seen first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter, ge, itemgetter, le
from typing import Final

from ztb.core.error import VenueError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.grid_text import GridText
from ztb.venues.zaif import codec
from ztb.venues.zaif.codec import SIDE_OF, DepthRow, FrameTradeRow, Levels, TradeRow

_NS = 1_000_000_000
_MEMO_MAX = 100_000
"""Texts kept; looked at once for each frame, so a frame may add its own to them."""
_DATE_MAX: Final = 1 << 33
_STREAM: Final = "stream"

Level = tuple[int, int] | tuple[()]
"""Ticks and lots; empty where the size is less than a lot."""
Book = tuple[tuple[int, int], ...]

_tid = attrgetter("tid")
_ticks = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame tells anew. ``missed``: trades lie between the last frame and this one."""

    trades: list[Trade]
    depth: Depth
    quote: Quote | None
    missed: bool
    last_tid_before: int
    """The newest trade told before this frame."""


class FrameReader:
    """Reads the frames of one instrument in order."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._price_grid = instrument.prices
        self._size_grid = instrument.sizes
        self._price_text = GridText(self._price_grid)
        self._size_text = GridText(self._size_grid)
        self._last_tid = -1
        self._last_touch: tuple[int, int, int, int] | None = None
        self._last_trades = b""
        self._last_bids: tuple[bytes, Book] = (b"", ())
        self._last_asks: tuple[bytes, Book] = (b"", ())
        self._levels: dict[bytes, Level] = {}
        self._prices: dict[bytes, int] = {}
        self._sizes: dict[bytes, int] = {}

    @property
    def last_tid(self) -> int:
        """The newest trade told; -1 before any."""
        return self._last_tid

    def read(self, body: bytes, ts_ns: int) -> Frame:
        """The news of one frame; VenueError ``undecodable`` leaves the reader as it was."""
        self._forget_when_full()
        row = decoded(codec.FRAME, body, _STREAM)
        if row.currency_pair != self._instrument.symbol:
            raise undecodable(_STREAM, f"a frame of {row.currency_pair[:40]!r}")
        venue_ns = codec.japan_time_ns(row.timestamp, _STREAM)
        bids, asks = self._bids(bytes(row.bids)), self._asks(bytes(row.asks))
        depth = self._depth(bids, asks, ts_ns, venue_ns, _STREAM)
        last_tid_before = self._last_tid
        news: list[Trade] = []
        missed = False
        trades_text = bytes(row.trades)
        if trades_text != self._last_trades:
            rows = decoded(codec.FRAME_TRADES, row.trades, _STREAM)
            # Before the first frame there is nothing to continue: what it tells of the past is history, not news.
            fresh = [trade for trade in rows if trade.tid > last_tid_before] if last_tid_before >= 0 else []
            news = self._frame_trades(fresh, ts_ns)
            missed = bool(fresh) and len(fresh) == len(rows)
            self._last_tid = max(last_tid_before, max(map(_tid, rows), default=0))
            self._last_trades = trades_text
        return Frame(news, depth, self._quote(depth), missed, last_tid_before)

    def read_depth(self, row: DepthRow, ts_ns: int) -> Depth:
        """A book from the public REST call, as a snapshot."""
        bids, asks = self._pairs(row.bids, "depth"), self._pairs(row.asks, "depth")
        _check_order(bids, asks, "depth")
        return self._depth(bids, asks, ts_ns, 0, "depth")

    def read_trades(self, rows: Iterable[TradeRow], ts_ns: int) -> list[Trade]:
        """Trades from the public REST call, oldest first."""
        what, trades = "trades", []
        for row in sorted(rows, key=_tid):
            price = codec.steps(self._price_grid, row.price, what, at_least=1)
            lots = self._size_grid.rounded(codec.amount(row.amount, what), "floor")
            if row.tid < 0 or not 0 <= row.date < _DATE_MAX:
                raise _nonsense(what)
            side = SIDE_OF[row.trade_type]
            symbol = self._instrument.symbol
            trades.append(Trade(ts_ns, symbol, price, lots or 1, side, row.date * _NS, str(row.tid)))
        return trades

    def _frame_trades(self, rows: list[FrameTradeRow], ts_ns: int) -> list[Trade]:
        prices, sizes, symbol = self._prices, self._sizes, self._instrument.symbol
        trades = []
        for row in sorted(rows, key=_tid):
            price, size = bytes(row.price), bytes(row.amount)
            ticks = prices.get(price) or self._price(price, _STREAM)
            lots = sizes.get(size) or self._size(size, _STREAM)
            if row.tid < 0 or not 0 <= row.date < _DATE_MAX:
                raise _nonsense(_STREAM)
            trades.append(Trade(ts_ns, symbol, ticks, lots or 1, SIDE_OF[row.trade_type], row.date * _NS, str(row.tid)))
        return trades

    def _bids(self, text: bytes) -> Book:
        if text != self._last_bids[0]:
            bids = self._side(text)
            _check_order(bids, (), _STREAM)
            self._last_bids = (text, bids)
        return self._last_bids[1]

    def _asks(self, text: bytes) -> Book:
        if text != self._last_asks[0]:
            asks = self._side(text)
            _check_order((), asks, _STREAM)
            self._last_asks = (text, asks)
        return self._last_asks[1]

    def _side(self, text: bytes) -> Book:
        """One side of the book. As the venue writes it, without blanks, it is cut into the texts of its levels; a text
        that is no level then, however it came about, is left to the decoder."""
        if text[:2] == b"[[" and text[-2:] == b"]]":
            try:
                return self._compact_side(text[2:-2])
            except VenueError:
                # A reader of text may be wrong about what is wrong.
                return self._pairs(decoded(codec.FRAME_LEVELS, text, _STREAM), _STREAM)
        return self._pairs(decoded(codec.FRAME_LEVELS, text, _STREAM), _STREAM)

    def _compact_side(self, text: bytes) -> Book:
        """Of ``PRICE,SIZE],[PRICE,SIZE``. Without calls: forty levels in each frame, and a market that jumps renews
        them all."""
        levels, prices, sizes = self._levels, self._prices, self._sizes
        book = []
        for pair in text.split(b"],["):
            level = levels.get(pair)
            if level is None:
                price, _, size = pair.partition(b",")
                ticks = prices.get(price) or self._price(price, _STREAM)
                lots = sizes.get(size)
                if lots is None:
                    lots = self._size(size, _STREAM)
                levels[pair] = level = (ticks, lots) if lots else ()
            if level:
                book.append(level)
        return tuple(book)

    def _pairs(self, levels: Levels, what: str) -> Book:
        pairs = ((self._price(bytes(price), what), self._size(bytes(size), what)) for price, size in levels)
        return tuple((ticks, lots) for ticks, lots in pairs if lots)

    def _price(self, text: bytes, what: str) -> int:
        ticks = self._prices.get(text)
        if ticks is None:
            # Nothing, zero included: the long way knows why.
            ticks = self._price_text.exact(text) or codec.steps(
                self._price_grid, codec.number(text, what), what, at_least=1
            )
            self._prices[text] = ticks
        return ticks

    def _size(self, text: bytes, what: str) -> int:
        lots = self._sizes.get(text)
        if lots is None:
            lots = self._size_text.floor(text)
            if lots is None:
                lots = self._size_grid.rounded(codec.number(text, what), "floor")
            self._sizes[text] = lots
        return lots

    def _forget_when_full(self) -> None:
        for memo in (self._levels, self._prices, self._sizes):
            if len(memo) >= _MEMO_MAX:
                memo.clear()

    def _depth(self, bids: Book, asks: Book, ts_ns: int, venue_ns: int, what: str) -> Depth:
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise undecodable(what, "a crossed book")
        return Depth(ts_ns, self._instrument.symbol, bids, asks, True, venue_ns)

    def _quote(self, depth: Depth) -> Quote | None:
        bid, bid_lots = depth.bids[0] if depth.bids else (0, 0)
        ask, ask_lots = depth.asks[0] if depth.asks else (0, 0)
        touch = (bid, bid_lots, ask, ask_lots)
        if touch == self._last_touch:
            return None
        self._last_touch = touch
        return Quote(depth.ts_ns, depth.instrument, bid, bid_lots, ask, ask_lots, depth.venue_ns)


def _check_order(bids: Book, asks: Book, what: str) -> None:
    """Best first, and no price twice."""
    prices = list(map(_ticks, bids))
    if any(map(le, prices, prices[1:])):
        raise undecodable(what, "bids out of order")
    prices = list(map(_ticks, asks))
    if any(map(ge, prices, prices[1:])):
        raise undecodable(what, "asks out of order")


def _nonsense(what: str) -> VenueError:
    return undecodable(what, "a trade with a nonsense id or date")

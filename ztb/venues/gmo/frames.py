"""From the bytes of a frame of the public socket to events; no socket, no clock.

Each book frame is a whole book of 30 levels a side. Trades have no numbers, neither here nor over REST, so a frame is
told once and a gap between frames cannot be seen. Sizes finer than a lot are rounded down (we never see more than
there is), a trade to at least one lot; a price off the grid refuses the frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import gt, lt
from typing import Final

import msgspec
from msgspec import Struct

from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.decoding import decoded, undecodable
from ztb.venues.gmo import codec
from ztb.venues.gmo.rows import BookRow, LevelRow, Side, TradeRow
from ztb.venues.grid_text import GridText
from ztb.venues.port import MarketNews

_MEMO_MAX: Final = 100_000


class BookFrame(Struct, tag_field="channel", tag="orderbooks"):
    """A whole book, about twice a second."""

    asks: list[LevelRow]
    bids: list[LevelRow]
    symbol: str
    timestamp: str


class TradeFrame(Struct, tag_field="channel", tag="trades"):
    """One trade; ``side`` is the taker's when only takers were asked for."""

    price: str
    side: Side
    size: str
    symbol: str
    timestamp: str


class TickerFrame(Struct, tag_field="channel", tag="ticker"):
    """Not subscribed; a sign of life when it comes."""

    symbol: str


class ErrorFrame(Struct):
    """A refusal on the socket, such as ``ERR-5003 Request too many.``"""

    error: str


_FRAME: Final = msgspec.json.Decoder(BookFrame | TradeFrame | TickerFrame)
_ERROR: Final = msgspec.json.Decoder(ErrorFrame)


def refusal_of(body: bytes) -> str:
    """The text of an error frame; "" for any other."""
    try:
        return _ERROR.decode(body).error[: limits.REMARK_LENGTH_MAX] or "an error without a text"
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


class FrameReader:
    """Reads the frames of one instrument in order."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._price_grid = instrument.prices
        self._size_grid = instrument.sizes
        self._last_touch: tuple[int, int, int, int] | None = None
        self._price_text = GridText(instrument.prices)
        self._size_text = GridText(instrument.sizes)
        self._prices: dict[str, int] = {}
        self._sizes: dict[str, int] = {}

    def read(self, body: bytes, ts_ns: int) -> list[MarketNews]:
        """The news of one frame; VenueError ``undecodable`` leaves the reader as it was."""
        what = "stream"
        frame = decoded(_FRAME, body, what)
        codec.same_symbol(frame.symbol, self._instrument, what)
        if isinstance(frame, BookFrame):
            depth = self._depth(frame.bids, frame.asks, ts_ns, codec.time_ns(frame.timestamp, what), what)
            quote = self._quote(depth)
            return [depth] if quote is None else [depth, quote]
        if isinstance(frame, TradeFrame):
            return [self._trade(frame, ts_ns, what)]
        return []

    def read_depth(self, row: BookRow, ts_ns: int) -> Depth:
        """A book from the public REST call, as a snapshot."""
        codec.same_symbol(row.symbol, self._instrument, "orderbooks")
        return self._depth(row.bids, row.asks, ts_ns, 0, "orderbooks")

    def read_trades(self, rows: Iterable[TradeRow], ts_ns: int) -> list[Trade]:
        """Trades from the public REST call, which tells the newest first; oldest first."""
        trades = [self._trade(row, ts_ns, "trades") for row in rows]
        trades.reverse()
        # Rows of one millisecond stay in the order in which the venue told them.
        trades.sort(key=lambda trade: trade.venue_ns)
        return trades

    def _trade(self, row: TradeFrame | TradeRow, ts_ns: int, what: str) -> Trade:
        price = codec.steps(self._price_grid, row.price, what, at_least=1)
        lots = max(1, self._size_grid.rounded(codec.amount(row.size, what), "floor"))
        side = codec.SIDE_OF[row.side]
        return Trade(ts_ns, self._instrument.symbol, price, lots, side, codec.time_ns(row.timestamp, what))

    def _depth(self, bids: list[LevelRow], asks: list[LevelRow], ts_ns: int, venue_ns: int, what: str) -> Depth:
        book_bids, book_asks = self._levels(bids, what), self._levels(asks, what)
        bid_prices, ask_prices = [price for price, _ in book_bids], [price for price, _ in book_asks]
        if not all(map(gt, bid_prices, bid_prices[1:])):
            raise undecodable(what, "bids out of order")
        if not all(map(lt, ask_prices, ask_prices[1:])):
            raise undecodable(what, "asks out of order")
        if bid_prices and ask_prices and bid_prices[0] >= ask_prices[0]:
            raise undecodable(what, "a crossed book")
        return Depth(ts_ns, self._instrument.symbol, book_bids, book_asks, True, venue_ns)

    def _levels(self, levels: list[LevelRow], what: str) -> tuple[tuple[int, int], ...]:
        prices, sizes = self._prices, self._sizes
        pairs = []
        for level in levels:
            ticks = prices.get(level.price) or self._price(level.price, what)
            lots = sizes.get(level.size)
            if lots is None:
                lots = self._size(level.size, what)
            if lots:
                pairs.append((ticks, lots))
        return tuple(pairs)

    def _price(self, text: str, what: str) -> int:
        # Nothing, zero included: the long way knows why.
        ticks = self._price_text.exact(text.encode()) or codec.steps(self._price_grid, text, what, at_least=1)
        _remember(self._prices, text, ticks)
        return ticks

    def _size(self, text: str, what: str) -> int:
        lots = self._size_text.floor(text.encode())
        if lots is None:
            lots = self._size_grid.rounded(codec.amount(text, what), "floor")
        _remember(self._sizes, text, lots)
        return lots

    def _quote(self, depth: Depth) -> Quote | None:
        bid, bid_lots = depth.bids[0] if depth.bids else (0, 0)
        ask, ask_lots = depth.asks[0] if depth.asks else (0, 0)
        touch = (bid, bid_lots, ask, ask_lots)
        if touch == self._last_touch:
            return None
        self._last_touch = touch
        return Quote(depth.ts_ns, depth.instrument, bid, bid_lots, ask, ask_lots, depth.venue_ns)


def _remember(memo: dict[str, int], text: str, whole: int) -> None:
    if len(memo) >= _MEMO_MAX:
        memo.clear()
    memo[text] = whole

"""From the bytes of a stream frame to events; no socket, no clock.

Each frame is a whole book and the latest trades, so the reader keeps what it told before and tells only what is new.
Sizes finer than a lot are rounded down (we never see more than there is), a trade to at least one lot; a price off
the grid refuses the frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.venues.zaif import codec
from ztb.venues.zaif.codec import SIDE_OF, DepthRow, Levels, TradeRow

_NS = 1_000_000_000
_MEMO_MAX = 100_000


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
        self._last_tid = -1
        self._last_touch: tuple[int, int, int, int] | None = None
        self._prices: dict[bytes, int] = {}
        self._sizes: dict[bytes, int] = {}

    @property
    def last_tid(self) -> int:
        """The newest trade told; -1 before any."""
        return self._last_tid

    def read(self, body: bytes, ts_ns: int) -> Frame:
        """The news of one frame; VenueError ``undecodable`` leaves the reader as it was."""
        what = "stream"
        row = codec.decoded(codec.FRAME, body, what)
        if row.currency_pair != self._instrument.symbol:
            raise codec.undecodable(what, f"a frame of {row.currency_pair[:40]!r}")
        venue_ns = codec.japan_time_ns(row.timestamp, what)
        depth = self._depth(row.bids, row.asks, ts_ns, venue_ns, what)
        # Before the first frame there is nothing to continue: what it tells of the past is history, not news.
        last_tid_before = self._last_tid
        is_first = last_tid_before < 0
        rows = [] if is_first else [trade for trade in row.trades if trade.tid > last_tid_before]
        news = self._trades(rows, ts_ns, what)
        if row.trades:
            self._last_tid = max(last_tid_before, max(trade.tid for trade in row.trades))
        elif is_first:
            self._last_tid = 0
        missed = bool(rows) and len(rows) == len(row.trades)
        return Frame(news, depth, self._quote(depth), missed, last_tid_before)

    def read_depth(self, row: DepthRow, ts_ns: int) -> Depth:
        """A book from the public REST call, as a snapshot."""
        return self._depth(row.bids, row.asks, ts_ns, 0, "depth")

    def read_trades(self, rows: Iterable[TradeRow], ts_ns: int) -> list[Trade]:
        """Trades from the public REST call, oldest first."""
        return self._trades(rows, ts_ns, "trades")

    def _trades(self, rows: Iterable[TradeRow], ts_ns: int, what: str) -> list[Trade]:
        trades = []
        for row in rows:
            if row.tid < 0 or not 0 <= row.date < 1 << 33:
                raise codec.undecodable(what, "a trade with a nonsense id or date")
            price = codec.steps(self._price_grid, row.price, what, at_least=1)
            lots = max(1, self._size_grid.rounded(codec.amount(row.amount, what), "floor"))
            side = SIDE_OF[row.trade_type]
            trades.append(Trade(ts_ns, self._instrument.symbol, price, lots, side, row.date * _NS, str(row.tid)))
        trades.sort(key=lambda trade: int(trade.trade_id))
        return trades

    def _depth(self, bids: Levels, asks: Levels, ts_ns: int, venue_ns: int, what: str) -> Depth:
        book_bids, book_asks = self._levels(bids, what), self._levels(asks, what)
        if any(better[0] <= worse[0] for better, worse in pairwise(book_bids)):
            raise codec.undecodable(what, "bids out of order")
        if any(better[0] >= worse[0] for better, worse in pairwise(book_asks)):
            raise codec.undecodable(what, "asks out of order")
        if book_bids and book_asks and book_bids[0][0] >= book_asks[0][0]:
            raise codec.undecodable(what, "a crossed book")
        return Depth(ts_ns, self._instrument.symbol, book_bids, book_asks, True, venue_ns)

    def _levels(self, levels: Levels, what: str) -> tuple[tuple[int, int], ...]:
        prices, sizes = self._prices, self._sizes
        pairs = []
        for price_raw, size_raw in levels:
            price, size = bytes(price_raw), bytes(size_raw)
            ticks, lots = prices.get(price), sizes.get(size)
            if ticks is None:
                ticks = codec.steps(self._price_grid, codec.number(price, what), what, at_least=1)
                _remember(prices, price, ticks)
            if lots is None:
                lots = self._size_grid.rounded(codec.number(size, what), "floor")
                _remember(sizes, size, lots)
            if lots:
                pairs.append((ticks, lots))
        return tuple(pairs)

    def _quote(self, depth: Depth) -> Quote | None:
        bid, bid_lots = depth.bids[0] if depth.bids else (0, 0)
        ask, ask_lots = depth.asks[0] if depth.asks else (0, 0)
        touch = (bid, bid_lots, ask, ask_lots)
        if touch == self._last_touch:
            return None
        self._last_touch = touch
        return Quote(depth.ts_ns, depth.instrument, bid, bid_lots, ask, ask_lots, depth.venue_ns)


def _remember(memo: dict[bytes, int], text: bytes, whole: int) -> None:
    if len(memo) >= _MEMO_MAX:
        memo.clear()
    memo[text] = whole

"""What the engine knows of one instrument's market: the last trade, the best prices and the top of the book."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ztb.core.bars import Bars
from ztb.core.instrument import BUY, Instrument
from ztb.core.money import PPM
from ztb.core.moves import Moves
from ztb.core.position import Position

AMOUNT_MAX: Final = 1 << 60
"""Ticks or lots beyond this are nonsense; a NaN or an infinity fails the same comparison."""
BOOK_LEVELS: Final = 10

Levels = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Desk:
    """One instrument with its market and this bot's position in it. Prices in ticks, 0 while unknown."""

    instrument: Instrument
    position: Position
    last_price: int = 0
    last_ns: int = 0
    bid: int = 0
    ask: int = 0
    quote_ns: int = 0
    heard_ns: int = 0
    """When anything but a trade arrived last, or the session began."""
    lateness: int = 0
    """What people were told: 0 data arrive, 1 they are late, 2 they are lost."""
    band_low: int = 1
    band_high: int = 0
    """A trade from ``band_low`` to ``band_high`` does nothing but move the mark; empty: every trade is looked at."""
    trade_base: int = 0
    """Realised profit without fees when the position was last flat: what this trade is measured from."""
    best_price: int = 0
    """The best price for the position since it was opened, that of the fill which opened it included."""
    closed_profit: int = 0
    """Of the last trade that was closed, after fees."""
    closed_trades: int = 0
    bad_fills: int = 0
    """Fills in a row that were much worse than the price at their decision."""
    book_ns: int = 0
    bids: Levels = ()
    asks: Levels = ()
    moves: Moves = field(default_factory=Moves)
    bars: Bars = field(default_factory=Bars)

    def forget_band(self) -> None:
        """Something changed on which the band depends; the next trade makes a new one."""
        self.band_low, self.band_high = 1, 0

    def aggressive_price(self, side: int, *, cross_ppm: int, now_ns: int, stale_ns_max: int) -> int:
        """A limit price that takes: the far touch (the last price when no fresh quote is known), plus ``cross_ppm``.

        This is how a "market" order is made on venues that have none.
        """
        is_fresh = now_ns - self.quote_ns <= stale_ns_max
        if side == BUY:
            touch = self.ask if self.ask and is_fresh else self.last_price
            return touch + touch * cross_ppm // PPM
        touch = self.bid if self.bid and is_fresh else self.last_price
        return max(1, touch - touch * cross_ppm // PPM)

    def trade_profit(self) -> int:
        """Profit of the trade that runs, after fees, at the last mark."""
        position = self.position
        return position.realised - position.fees + position.unrealised - self.trade_base

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint; the position is the ledger's."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        plain["bids"], plain["asks"] = ([list(level) for level in side] for side in (self.bids, self.asks))
        plain["moves"], plain["bars"] = self.moves.snapshot(), self.bars.snapshot()
        return plain

    @staticmethod
    def restored(instrument: Instrument, position: Position, plain: dict[str, Any]) -> Desk:
        """The desk that ``snapshot`` described."""
        desk = Desk(instrument, position, **{name: plain[name] for name in _PLAIN})
        desk.bids, desk.asks = (tuple((price, lots) for price, lots in plain[name]) for name in ("bids", "asks"))
        desk.moves.restore(plain["moves"])
        desk.bars.restore(plain["bars"])
        return desk


_PLAIN: Final = (
    "last_price", "last_ns", "bid", "ask", "quote_ns", "heard_ns", "lateness", "band_low", "band_high", "trade_base",
    "best_price", "closed_profit", "closed_trades", "bad_fills", "book_ns",
)  # fmt: skip

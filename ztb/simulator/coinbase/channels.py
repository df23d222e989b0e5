"""The public channels of Coinbase's WebSocket: what each one brings when it begins, and as time passes.

A channel answers with messages, each a list of events; the stream puts them into numbered envelopes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from ztb.core.instrument import BUY, SELL
from ztb.simulator.coinbase.rules import (
    CANDLES_NS,
    HEARTBEAT_NS,
    L2_LEVELS_MAX,
    SNAPSHOT_TRADES,
    TICKER_BATCH_NS,
    TRADES_NS,
)
from ztb.simulator.coinbase.shapes import BOOK_SIDES, Shapes
from ztb.simulator.coinbase.texts import go_time, rfc3339
from ztb.simulator.moods import Moods
from ztb.simulator.prints import Print

Messages = list[list[dict[str, Any]]]
_LONG_AGO: Final = "1970-01-01T00:00:00Z"


class Channel(Protocol):
    """One subscribed channel of one socket."""

    def begin(self, now_ns: int) -> Messages:
        """What comes right after the subscription."""
        ...

    def tick(self, now_ns: int) -> Messages:
        """What happened since it last spoke."""
        ...


class BookView:
    """The book as levels, read once for each state of it however many sockets show it."""

    def __init__(self, shapes: Shapes) -> None:
        self._book = shapes.exchange.book
        self._levels: dict[tuple[int, int], int] = {}
        self._version = -1

    def levels(self) -> Mapping[tuple[int, int], int]:
        """Lots by (side, price), bids first, best first. Never changed afterwards: a new state is a new mapping."""
        if self._version != self._book.version:
            self._version = self._book.version
            self._levels = {
                (side, price): lots for side in (BUY, SELL) for price, lots in self._book.levels(side, L2_LEVELS_MAX)
            }
        return self._levels


class Heartbeats:
    """One each second, with a counter of its own."""

    def __init__(self) -> None:
        self._counter = 0
        self._began_ns = 0
        self._next_ns = 0

    def begin(self, now_ns: int) -> Messages:
        self._began_ns = self._next_ns = now_ns
        return []

    def tick(self, now_ns: int) -> Messages:
        if now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + HEARTBEAT_NS
        beat = {"current_time": go_time(now_ns, self._began_ns), "heartbeat_counter": self._counter}
        self._counter += 1
        return [[beat]]


class Level2:
    """The whole book first, then every level that changed; a quantity of ``0`` deletes one."""

    def __init__(self, shapes: Shapes, view: BookView) -> None:
        self._shapes = shapes
        self._view = view
        self._sent: Mapping[tuple[int, int], int] = {}

    def begin(self, now_ns: int) -> Messages:
        self._sent = self._view.levels()
        updates = [self._update(side, price, lots, _LONG_AGO) for (side, price), lots in self._sent.items()]
        return [[self._event("snapshot", updates)]]

    def tick(self, now_ns: int) -> Messages:
        levels, sent = self._view.levels(), self._sent
        if levels is sent:
            return []
        self._sent = levels
        when = rfc3339(now_ns)
        updates = [self._update(side, price, 0, when) for side, price in sent if (side, price) not in levels]
        updates += [
            self._update(side, price, lots, when)
            for (side, price), lots in levels.items()
            if sent.get((side, price)) != lots
        ]
        return [[self._event("update", updates)]] if updates else []

    def _update(self, side: int, price: int, lots: int, when: str) -> dict[str, str]:
        quantity = self._shapes.size(lots) if lots else "0"
        return {
            "side": BOOK_SIDES[side],
            "event_time": when,
            "price_level": self._shapes.price(price),
            "new_quantity": quantity,
        }

    def _event(self, kind: str, updates: list[dict[str, str]]) -> dict[str, Any]:
        return {"type": kind, "product_id": self._shapes.product_id, "updates": updates}


class MarketTrades:
    """Recent trades first, then batches of those of a quarter of a second; newest first in each."""

    def __init__(self, shapes: Shapes, moods: Moods) -> None:
        self._shapes = shapes
        self._prints = shapes.exchange.prints
        self._moods = moods
        self._sent_id = 0
        self._next_ns = 0

    def begin(self, now_ns: int) -> Messages:
        recent = list(self._prints.recent)
        self._next_ns = now_ns + TRADES_NS
        self._sent_id = recent[-1].trade_id if recent else 0
        return [[self._event("snapshot", recent[-SNAPSHOT_TRADES:][::-1])]]

    def tick(self, now_ns: int) -> Messages:
        if now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + TRADES_NS
        trades = self._prints.since(self._sent_id)
        if not trades:
            return []
        self._sent_id = trades[-1].trade_id
        newest_first = trades[::-1]
        if self._moods.strike("duplicate_events", "market_trades"):
            newest_first = [*newest_first, *newest_first]
        if self._moods.strike("reordered_events", "market_trades"):
            newest_first = self._moods.shuffled(newest_first)
        return [[self._event("update", newest_first)]]

    def _event(self, kind: str, trades: list[Print]) -> dict[str, Any]:
        return {"type": kind, "trades": [self._shapes.trade_event(trade) for trade in trades]}


class Ticker:
    """After every trade, or in batches of five seconds, which leave the touch out."""

    def __init__(self, shapes: Shapes, *, every_ns: int = 0) -> None:
        self._shapes = shapes
        self._every_ns = every_ns
        self._sent_id = 0
        self._next_ns = 0

    def begin(self, now_ns: int) -> Messages:
        return self._message("snapshot", now_ns)

    def tick(self, now_ns: int) -> Messages:
        if now_ns < self._next_ns or self._last_id() == self._sent_id:
            return []
        return self._message("update", now_ns)

    def _last_id(self) -> int:
        last = self._shapes.exchange.prints.last
        return last.trade_id if last is not None else 0

    def _message(self, kind: str, now_ns: int) -> Messages:
        self._sent_id, self._next_ns = self._last_id(), now_ns + self._every_ns
        return [[{"type": kind, "tickers": [self._shapes.ticker(with_touch=not self._every_ns)]}]]


class Candles:
    """Candles of five minutes: those of the day first, then the newest whenever it changed, once a second."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self._sent: list[dict[str, str]] = []
        self._next_ns = 0

    def begin(self, now_ns: int) -> Messages:
        self._next_ns = now_ns + CANDLES_NS
        candles = self._shapes.candle_events()
        self._sent = candles[:1]
        return [[{"type": "snapshot", "candles": candles}]]

    def tick(self, now_ns: int) -> Messages:
        if now_ns < self._next_ns:
            return []
        self._next_ns = now_ns + CANDLES_NS
        newest = self._shapes.candle_events(1)
        if newest == self._sent:
            return []
        self._sent = newest
        return [[{"type": "update", "candles": newest}]]


class Status:
    """The product once; it never changes here."""

    def __init__(self, shapes: Shapes) -> None:
        self._shapes = shapes

    def begin(self, now_ns: int) -> Messages:
        return [[{"type": "snapshot", "products": [self._shapes.status()]}]]

    def tick(self, now_ns: int) -> Messages:
        return []


FRAME_NAMES: Final[Mapping[str, str]] = {"level2": "l2_data"}
"""Channels whose frames have another name than their subscription."""
NEED_PRODUCTS: Final = frozenset({"level2", "ticker", "ticker_batch", "market_trades", "candles"})


def makers(shapes: Shapes, view: BookView, moods: Moods) -> Mapping[str, Callable[[], Channel]]:
    """How the public channels are made, by the name to which clients subscribe."""
    return {
        "heartbeats": Heartbeats,
        "level2": lambda: Level2(shapes, view),
        "market_trades": lambda: MarketTrades(shapes, moods),
        "ticker": lambda: Ticker(shapes),
        "ticker_batch": lambda: Ticker(shapes, every_ns=TICKER_BATCH_NS),
        "candles": lambda: Candles(shapes),
        "status": lambda: Status(shapes),
    }

"""The depth messages of Binance: update ids in, a book that is known to be whole out.

The rule (the venue's own recipe): a snapshot makes the book whole, changes continue it as long as each begins where
the one before ended, and after a gap nothing is known until the next snapshot. Spot changes carry their first and
last update id (``U``, ``u``), futures also the last id of the change before (``pu``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ztb.core.event import Depth
from ztb.store.tape_block import LEVELS_MAX, VALUE_MAX
from ztb.store.tape_book import BookSide, BookView
from ztb.store.tape_import import Tally, UnusableRow
from ztb.store.tape_scale import Scale

PENDING_MAX: Final = 1000
"""Changes kept for a snapshot that is older than they are; about a minute of the fastest stream."""

MS: Final = 1_000_000

Message = dict[str, Any]
Levels = list[tuple[int, int]]
"""Price and size, both in units of ``tape_scale``."""


@dataclass(frozen=True, slots=True)
class _Change:
    before_id: int
    last_id: int
    bids: Levels
    asks: Levels
    venue_ns: int


class DepthStream:
    """Depth messages to ``Depth`` events: all of them as recorded (``view`` None), or the best levels of the book."""

    def __init__(self, symbol: str, scale: Scale, tally: Tally, view: BookView | None) -> None:
        self._symbol = symbol
        self._scale = scale
        self._tally = tally
        self._view = view
        self._last_id: int | None = None
        self._whole = False
        self._pending: deque[_Change] = deque(maxlen=PENDING_MAX)

    def change(self, ts_ns: int, message: Message, place: str) -> Iterator[Depth]:
        """A depthUpdate; UnusableRow when it is stale, malformed, or continues no known book."""
        last_id = id_of(message["u"])
        before_id = id_of(message["pu"]) if "pu" in message else id_of(message["U"]) - 1
        try:
            bids, asks = self._levels(message["b"]), self._levels(message["a"])
            change = _Change(before_id, last_id, bids, asks, venue_ns_of(message))
        except (UnusableRow, KeyError, TypeError, ValueError):
            self._forget(last_id)
            raise
        if self._last_id is not None and last_id <= self._last_id:
            raise UnusableRow("depth_older_than_book", str(last_id))
        if self._last_id is not None and before_id > self._last_id:
            self._tally.add("depth_sequence_gaps", place)
            self._forget(last_id)
        self._last_id = last_id
        self._pending.append(change)
        if not self._whole:
            if self._view is not None:
                raise UnusableRow("depth_without_snapshot")
            self._tally.add("depth_without_snapshot")
        yield from self._apply(ts_ns, change)

    def snapshot(self, ts_ns: int, message: Message, place: str) -> Iterator[Depth]:
        """A REST answer; UnusableRow when the changes that were recorded do not reach back to it."""
        snapshot_id = id_of(message["lastUpdateId"])
        bids, asks = self._levels(message["bids"]), self._levels(message["asks"])
        venue_ns = venue_ns_of(message)
        # Changes that came before the answer but are newer than it belong on top of it.
        newer = [change for change in self._pending if change.last_id > snapshot_id]
        if self._last_id is not None and self._last_id > snapshot_id and not self._reaches(newer, snapshot_id):
            raise UnusableRow("snapshot_older_than_changes", str(snapshot_id))
        if snapshot_id > (self._last_id or 0):
            # What lies between the changes kept and this answer was never seen: they continue no older answer any more.
            self._pending.clear()
        self._last_id = max(snapshot_id, self._last_id or 0)
        self._whole = True
        if self._view is None:
            yield Depth(ts_ns, self._symbol, self._ticks(bids, -1), self._ticks(asks, 1), True, venue_ns)
            for change in newer:
                yield from self._apply(ts_ns, change)
            return
        self._view.reset()
        for update in (_Change(0, 0, bids, asks, 0), *newer):
            self._view.bids.set(update.bids)
            self._view.asks.set(update.asks)
        yield from self._show(ts_ns, venue_ns)

    @staticmethod
    def _reaches(newer: list[_Change], snapshot_id: int) -> bool:
        return bool(newer) and newer[0].before_id <= snapshot_id

    def _forget(self, last_id: int) -> None:
        """A level may be missing or wrong from now on: no book until the next snapshot."""
        self._whole = False
        self._pending.clear()
        self._last_id = max(last_id, self._last_id or 0)

    def _apply(self, ts_ns: int, change: _Change) -> Iterator[Depth]:
        if self._view is None:
            bids, asks = self._ticks(change.bids, -1), self._ticks(change.asks, 1)
            yield Depth(ts_ns, self._symbol, bids, asks, False, change.venue_ns)
            return
        self._view.bids.set(change.bids)
        self._view.asks.set(change.asks)
        yield from self._show(ts_ns, change.venue_ns)

    def _show(self, ts_ns: int, venue_ns: int) -> Iterator[Depth]:
        assert self._view is not None
        depth = self._view.show(ts_ns, venue_ns)
        if depth is None:
            self._tally.add("thinned.depth")
        else:
            yield depth

    def _levels(self, levels: object) -> Levels:
        """Checked as a whole before any of them touches the book."""
        if not isinstance(levels, list) or len(levels) > LEVELS_MAX:
            raise UnusableRow("malformed_message", "levels")
        units = self._scale.units
        result = [(units(price), units(size)) for price, size in levels]
        for price, size in result:
            if price == 0:
                raise UnusableRow("price_not_positive")
            if self._scale.exact:
                self._scale.price_up(price)
                self._scale.lots(size)
        return result

    def _ticks(self, levels: Levels, sign: int) -> tuple[tuple[int, int], ...]:
        ticks_of: Callable[[int], int] = self._scale.price_down if sign < 0 else self._scale.price_up
        result = [(ticks_of(price), self._scale.lots(size)) for price, size in levels]
        return tuple(sorted(result, key=lambda level: sign * level[0]))


def book_view(symbol: str, scale: Scale, *, levels: int, interval_ns: int) -> BookView:
    """The view of a book whose prices and sizes are converted by ``scale``."""
    bids = BookSide(-1, scale.price_down, scale.lots)
    asks = BookSide(1, scale.price_up, scale.lots)
    return BookView(symbol, bids, asks, levels=levels, interval_ns=interval_ns)


def venue_ns_of(message: Message) -> int:
    """When the exchange sent it; 0 where it does not say (spot bookTicker)."""
    sent_ms = message.get("E", 0)
    if not isinstance(sent_ms, int) or not 0 <= sent_ms < VALUE_MAX // MS:
        raise UnusableRow("time_not_milliseconds", repr(sent_ms)[:40])
    return sent_ms * MS


def id_of(value: object) -> int:
    """A venue's id; UnusableRow when it is no whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < VALUE_MAX:
        raise UnusableRow("malformed_message", "id")
    return value

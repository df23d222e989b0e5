"""The recording's order book, kept in full, shown as the best levels of the tape's instrument.

The rule: the book is what the venue's snapshot and changes make it, level by level in the venue's own prices; several
venue prices that fall on one tick are one level with the sum of their sizes. What is shown is ``Depth`` changes
between the best levels then and now, with a snapshot from time to time so that a reader may start anywhere.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Final

from ztb.core.event import Depth

SNAPSHOT_EVERY_NS: Final = 10_000_000_000

UnitLevels = Iterable[tuple[int, int]]
"""Price and size, both in units of ``tape_scale``."""


class BookSide:
    """One side; ``sign`` is -1 for bids (best is highest) and 1 for asks."""

    def __init__(self, sign: int, ticks_of: Callable[[int], int], lots_of: Callable[[int], int]) -> None:
        self._sign = sign
        self._ticks_of = ticks_of
        self._lots_of = lots_of
        self._sizes: dict[int, int] = {}
        self._sums: dict[int, int] = {}
        self._order: list[int] = []
        """sign x ticks of every level with at least one lot, ascending: best first on both sides."""

    def clear(self) -> None:
        """Forget everything."""
        self._sizes.clear()
        self._sums.clear()
        self._order.clear()

    def set(self, levels: UnitLevels) -> None:
        """Set the size at each price; 0 removes it."""
        for price, size in levels:
            before = self._sizes.get(price, 0)
            if size == before:
                continue
            if size:
                self._sizes[price] = size
            else:
                del self._sizes[price]
            self._add(self._ticks_of(price), size - before)

    def _add(self, ticks: int, difference: int) -> None:
        before = self._sums.get(ticks, 0)
        after = before + difference
        assert after >= 0, "a sum of sizes is never negative"
        if after:
            self._sums[ticks] = after
        else:
            del self._sums[ticks]
        shown_before, shown_after = self._lots_of(before) > 0, self._lots_of(after) > 0
        if shown_after and not shown_before:
            insort(self._order, self._sign * ticks)
        elif shown_before and not shown_after:
            del self._order[bisect_left(self._order, self._sign * ticks)]

    def best(self, levels: int) -> dict[int, int]:
        """Ticks to lots of the best ``levels``, best first."""
        ticks = [self._sign * key for key in self._order[:levels]]
        return {tick: self._lots_of(self._sums[tick]) for tick in ticks}

    def changes(self, before: dict[int, int], now: dict[int, int]) -> tuple[tuple[int, int], ...]:
        """What turns ``before`` into ``now``, best level first."""
        changed = {tick: lots for tick, lots in now.items() if before.get(tick) != lots}
        changed.update((tick, 0) for tick in before if tick not in now)
        return tuple(sorted(changed.items(), key=lambda level: self._sign * level[0]))


class BookView:
    """The best ``levels`` of both sides as events, at most one each ``interval_ns``."""

    def __init__(self, symbol: str, bids: BookSide, asks: BookSide, *, levels: int, interval_ns: int) -> None:
        assert levels > 0
        self._symbol = symbol
        self.bids = bids
        self.asks = asks
        self._levels = levels
        self._interval_ns = interval_ns
        self._shown: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._shown_ns = 0
        self._snapshot_ns = 0

    def reset(self) -> None:
        """Before a new snapshot of the venue; the next event shown is a snapshot, too."""
        self.bids.clear()
        self.asks.clear()
        self._shown_ns = self._snapshot_ns = 0

    def show(self, ts_ns: int, venue_ns: int) -> Depth | None:
        """The event that brings a reader up to date, or None when none is due or nothing changed."""
        if ts_ns - self._shown_ns < self._interval_ns:
            return None
        bids, asks = self.bids.best(self._levels), self.asks.best(self._levels)
        is_snapshot = self._snapshot_ns == 0 or ts_ns - self._snapshot_ns >= SNAPSHOT_EVERY_NS
        if is_snapshot:
            depth = Depth(ts_ns, self._symbol, tuple(bids.items()), tuple(asks.items()), True, venue_ns)
            self._snapshot_ns = ts_ns
        else:
            bid_changes = self.bids.changes(self._shown[0], bids)
            ask_changes = self.asks.changes(self._shown[1], asks)
            if not bid_changes and not ask_changes:
                return None
            depth = Depth(ts_ns, self._symbol, bid_changes, ask_changes, False, venue_ns)
        self._shown = (bids, asks)
        self._shown_ns = ts_ns
        return depth

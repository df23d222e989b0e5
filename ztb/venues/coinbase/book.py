"""Our own copy of a book that the venue tells in changes; no socket, no clock, no text.

All of it is kept, because any level can become the best one; what is told is the part near the touch. The rule: who
takes every ``Depth`` from the newest snapshot on has exactly this book, down to the depth that was told.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Final

from ztb.venues.coinbase import rules
from ztb.venues.stream_loop import StreamBroken

Levels = tuple[tuple[int, int], ...]
Changes = Mapping[int, int]
"""Lots by price; the last word of a message on each level."""
_FACTOR: Final = 4
"""A new snapshot is told when a side's told part has shrunk to a quarter of a snapshot, or grown to four of them."""
_EVERYTHING: Final = -(1 << 200)
"""Below every key."""


class Side:
    """Levels of one side. A *key* is a price, or for asks its negative: the best level has the greatest."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._lots: dict[int, int] = {}
        self._keys: list[int] = []
        self._told_key = _EVERYTHING
        """Of the deepest level that is told."""

    @property
    def best(self) -> tuple[int, int]:
        """Price and lots; zeros on an empty side."""
        if not self._keys:
            return 0, 0
        key = self._keys[-1]
        return self._sign * key, self._lots[key]

    def load(self, levels: Changes) -> None:
        """Replace everything; levels of no lots are none."""
        self._lots = {self._sign * price: lots for price, lots in levels.items() if lots}
        self._keys = sorted(self._lots)
        self._check_size()

    def change(self, changes: Changes) -> Levels:
        """Set these levels; those which are others now, and in the told part, best first."""
        sign, lots_of, keys, told_key = self._sign, self._lots, self._keys, self._told_key
        known = lots_of.get
        told = []
        for price, lots in changes.items():
            key = sign * price
            before = known(key, 0)
            if lots == before:
                continue
            if lots:
                if not before:
                    insort(keys, key)
                lots_of[key] = lots
            else:
                del lots_of[key]
                del keys[bisect_left(keys, key)]
            if key >= told_key:
                told.append((price, lots))
        self._check_size()
        told.sort(reverse=sign > 0)
        return tuple(told)

    def snapshot(self, count: int) -> Levels:
        """The best ``count`` levels, best first; from now on changes down to the last of them are told."""
        keys = self._keys[-count:]
        # A side that is told whole has no deepest level: whatever comes below belongs to it too.
        self._told_key = keys[0] if len(self._keys) > count else _EVERYTHING
        return tuple((self._sign * key, self._lots[key]) for key in reversed(keys))

    def is_told_enough(self, count: int) -> bool:
        """Whether the told part is still about as deep as a snapshot of ``count`` levels."""
        if self._told_key == _EVERYTHING:
            return len(self._keys) <= _FACTOR * count
        told = len(self._keys) - bisect_left(self._keys, self._told_key)
        return max(1, count // _FACTOR) <= told <= _FACTOR * count

    def _check_size(self) -> None:
        if len(self._keys) > rules.BOOK_LEVELS_MAX:
            raise StreamBroken(f"a book of more than {rules.BOOK_LEVELS_MAX} levels on a side")


class Book:
    """Both sides; empty until the first snapshot."""

    def __init__(self, *, depth_levels: int = rules.DEPTH_LEVELS) -> None:
        self._depth_levels = depth_levels
        self._bids, self._asks = Side(1), Side(-1)

    @property
    def touch(self) -> tuple[int, int, int, int]:
        """Best bid and its lots, best ask and its lots; zeros for an empty side."""
        return (*self._bids.best, *self._asks.best)

    def load(self, bids: Changes, asks: Changes) -> tuple[Levels, Levels]:
        """Replace the book by levels; what is to be told as a snapshot."""
        self._bids.load(bids)
        self._asks.load(asks)
        self._check_touch()
        return self._snapshot()

    def change(self, bids: Changes, asks: Changes) -> tuple[bool, Levels, Levels]:
        """Set levels; whether what is to be told is a snapshot, and its bids and asks."""
        told_bids, told_asks = self._bids.change(bids), self._asks.change(asks)
        self._check_touch()
        if not (self._bids.is_told_enough(self._depth_levels) and self._asks.is_told_enough(self._depth_levels)):
            return (True, *self._snapshot())
        return False, told_bids, told_asks

    def _snapshot(self) -> tuple[Levels, Levels]:
        return self._bids.snapshot(self._depth_levels), self._asks.snapshot(self._depth_levels)

    def _check_touch(self) -> None:
        bid, _, ask, _ = self.touch
        if bid and ask and bid >= ask:
            raise StreamBroken(f"a crossed book: bid {bid}, ask {ask} ticks")

"""The tape as a market: applies recorded events to the book in batches and says which clients' orders they filled.

A tape without quotes and depth (trades only) shows a thin book made from its trades: the last trade's lots at its
price on the passive side, and one tick away on the other. Events that make no sense (a price or size below zero, a
crossed quote) are counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable

from ztb.core.error import UsageError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.simulator.limits import TAPE_EVENTS_PER_ADVANCE_MAX, TAPE_PRIME_EVENTS_MAX
from ztb.simulator.matching import Book, Match
from ztb.simulator.tape_player import MarketEvent, Tape, TapePlayer

OnMatches = Callable[[int, list[Match]], None]
"""Told of matches with the time at which they happened."""


class Market:
    """Drives ``book`` with the tape."""

    def __init__(self, book: Book, tape: Tape, on_matches: OnMatches, *, loop: bool) -> None:
        self._book = book
        self._on_matches = on_matches
        self._player = TapePlayer(tape, loop=loop)
        self._has_book = False
        self._pass = 1
        self.nonsense = 0
        """Events of the tape that were left out."""

    @property
    def player(self) -> TapePlayer:
        return self._player

    def start(self, now_ns: int, *, offset_ns: int = 0) -> None:
        """Begin at ``offset_ns`` into the tape, or a little later: as soon as there is a bid and an ask."""
        player = self._player
        player.anchor(now_ns, offset_ns=offset_ns)
        while player.next_position_ns <= offset_ns and (event := player.pop()) is not None:
            self._apply(player.time_ns, event)
        if player.exhausted and offset_ns:
            raise UsageError(
                f"the tape is only {player.position_ns // 1_000_000_000} s long",
                remedy="choose a smaller --start-offset",
            )
        for _ in range(TAPE_PRIME_EVENTS_MAX):
            if (self._book.best(BUY) and self._book.best(SELL)) or (event := player.pop()) is None:
                break
            self._apply(now_ns, event)
            player.anchor_here(now_ns)

    def advance(self, now_ns: int) -> bool:
        """Apply what happened until ``now_ns``. True: there is more of it, call again."""
        applied = 0
        for happened_ns, event in self._player.due(now_ns, TAPE_EVENTS_PER_ADVANCE_MAX):
            applied += 1
            if self._player.passes != self._pass:
                self._pass = self._player.passes
                self._book.clear_tape()
            self._apply(happened_ns, event)
        return applied == TAPE_EVENTS_PER_ADVANCE_MAX

    def _apply(self, happened_ns: int, event: MarketEvent) -> None:
        match event:
            case Quote():
                matches = self._quote(event)
            case Trade():
                matches = self._trade(event)
            case Depth():
                matches = self._depth(event)
        if matches:
            self._on_matches(happened_ns, matches)

    def _quote(self, event: Quote) -> list[Match]:
        crossed = 0 < event.ask <= event.bid
        if crossed or min(event.bid, event.ask, event.bid_lots, event.ask_lots) < 0:
            self.nonsense += 1
            return []
        self._has_book = True
        return self._book.tape_quote(event.bid, event.bid_lots, event.ask, event.ask_lots)

    def _depth(self, event: Depth) -> list[Match]:
        if any(price <= 0 or lots < 0 for side in (event.bids, event.asks) for price, lots in side):
            self.nonsense += 1
            return []
        self._has_book = True
        return self._book.tape_depth(event.bids, event.asks, is_snapshot=event.is_snapshot)

    def _trade(self, event: Trade) -> list[Match]:
        if event.price <= 0 or event.lots <= 0 or event.side not in (BUY, SELL):
            self.nonsense += 1
            return []
        matches = self._book.tape_trade(event.price, event.lots, event.side)
        if not self._has_book:
            bid, ask = (event.price - 1, event.price) if event.side == BUY else (event.price, event.price + 1)
            matches += self._book.tape_quote(bid, event.lots if bid else 0, ask, event.lots)
        return matches

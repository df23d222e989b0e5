"""The matching engine: clients' orders and the tape's displayed book, in one price-time priority. Pure; integers.

Two kinds of liquidity share a price level. The *tape's* is what was displayed there in the recording, less what our
clients have taken of it; it stays taken until the tape changes that level. The *clients'* orders queue behind the
displayed lots that were there when they came (``Order.ahead``); lots that vanish from the level are taken to have
stood behind them, which is the careful assumption. A resting client order is filled, always at its own price, by

* another client's order, in price-time order, after the displayed lots ahead of it;
* a trade of the tape at a better price for the taker's opposite (it printed through), or at the order's price after
  the lots ahead of it have traded; all fills together never exceed the lots that printed;
* a displayed level of the tape that arrives on the other side of it, up to the lots displayed there.

An order that may not rest ends at once as ``expired``, with the reason in ``Order.reason``. Where owners may not meet
themselves (``EXPIRE_NEWER``), the newer order takes what stands before its owner's own and expires there.

The rule that holds after every call: no client order stands at or beyond a free level or order of the other side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, final

from ztb.core.command import FOK, GTC, POST_ONLY
from ztb.core.instrument import BUY, SELL
from ztb.simulator.book_side import BookSide, Level, Order

MATCH: Final = "match"
"""Two orders of one owner may trade with each other."""
EXPIRE_NEWER: Final = "expire_newer"
"""They may not: the newer one expires."""

_ANY_PRICE: Final = 10**30


@final
@dataclass(slots=True, frozen=True)
class Match:
    """Lots that changed hands at ``price``. None in the place of an order stands for the tape's anonymous crowd."""

    price: int
    lots: int
    taker_side: int
    taker: Order | None
    maker: Order | None


class Book:
    """One instrument's book. Every method that can trade returns the matches in the order in which they happened."""

    def __init__(self, *, self_trade: str = MATCH) -> None:
        assert self_trade in (MATCH, EXPIRE_NEWER)
        self.self_trade: Final = self_trade
        self._sides: Final = {BUY: BookSide(-1), SELL: BookSide(1)}
        self.version = 0
        """Rises whenever something visible changes."""

    def place(self, order: Order) -> list[Match]:
        """Match ``order`` against the other side; what remains of it rests, or expires when it may not."""
        matches: list[Match] = []
        takes = order.time_in_force != POST_ONLY
        if not takes and next(self._opposite(order), None) is not None:
            return _expired(order, POST_ONLY, matches)
        if order.time_in_force == FOK:
            offered, met_own = self.takeable(order)
            if sum(lots for _, lots in offered) < order.lots:
                return _expired(order, "self_trade" if met_own else FOK, matches)
        self.version += 1
        met_own = False
        for price, level in self._opposite(order):
            met_own = self._take_level(order, price, level, matches)
            if met_own or not order.remaining:
                break
        if order.remaining and met_own:
            return _expired(order, "self_trade", matches)
        if order.remaining and order.time_in_force not in (GTC, POST_ONLY):
            return _expired(order, order.time_in_force, matches)
        if order.remaining:
            self._sides[order.side].rest(order)
        return matches

    def takeable(self, order: Order) -> tuple[list[tuple[int, int]], bool]:
        """(price, lots) that ``order`` would take now, and whether an order of its own owner stops it there."""
        found: list[tuple[int, int]] = []
        left = order.lots
        for price, level in self._opposite(order):
            own = self._first_own(order, level)
            before = level.orders if own is None else level.orders[:own]
            lots = (level.free if own is None else level.orders[own].ahead) + sum(other.remaining for other in before)
            if lots:
                found.append((price, min(left, lots)))
                left -= min(left, lots)
            if not left or own is not None:
                return found, left > 0
        return found, False

    def fill_from_crowd(self, order: Order, lots: int) -> list[Match]:
        """Somebody unseen takes lots of a resting order at its price (a fill that nobody expected any more)."""
        matches: list[Match] = []
        self._fill_resting(order, lots, None, -order.side, matches)
        self.version += 1
        return matches

    def cancel(self, order: Order) -> None:
        """Take a resting order off the book."""
        assert order.remaining > 0
        self._sides[order.side].remove(order)
        self.version += 1

    def tape_trade(self, price: int, lots: int, taker_side: int) -> list[Match]:
        """A trade of the recording: it fills clients' orders first where they were in its way, the rest just prints."""
        matches: list[Match] = []
        passive = self._sides[-taker_side]
        left = lots
        while left and (best := passive.best_order()) is not None:
            distance = passive.sign * (price - best.price)
            if distance < 0:
                break
            level = passive.levels[best.price]
            if distance == 0 and best.ahead:
                queued = min(left, best.ahead)
                level.forget_ahead(queued)
                left -= queued
                continue
            filled = min(left, best.remaining)
            self._fill_resting(best, filled, None, taker_side, matches)
            left -= filled
        printed = lots - sum(match.lots for match in matches)
        if printed:
            matches.append(Match(price, printed, taker_side, None, None))
        self.version += 1
        return matches

    def tape_quote(self, bid: int, bid_lots: int, ask: int, ask_lots: int) -> list[Match]:
        """The recording's best bid and ask; a side without orders has price 0."""
        changed = False
        for side, price, lots in ((BUY, bid, bid_lots), (SELL, ask, ask_lots)):
            levels = self._sides[side]
            if price == 0:
                changed = levels.show_only(()) or changed
                continue
            changed = levels.hide_better_than(price, inclusive=False) or changed
            changed = levels.show(price, lots) or changed
        return self._after_tape(changed)

    def tape_depth(
        self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]], *, is_snapshot: bool
    ) -> list[Match]:
        """The recording's book: replaced by a snapshot, else changed level by level (lots 0 removes one)."""
        changed = False
        for side, levels in ((BUY, tuple(bids)), (SELL, tuple(asks))):
            if is_snapshot:
                changed = self._sides[side].show_only(levels) or changed
            else:
                for price, lots in levels:
                    changed = self._sides[side].show(price, lots) or changed
            # The newest levels are right: older ones of the other side that they cross are gone.
            best = max((-self._sides[side].sign * price for price, lots in levels if lots), default=None)
            if best is not None:
                price = -self._sides[side].sign * best
                changed = self._sides[-side].hide_better_than(price, inclusive=True) or changed
        return self._after_tape(changed)

    def clear_tape(self) -> None:
        """Forget what the recording displayed; clients' orders stay."""
        for side in self._sides.values():
            side.show_only(())
        self.version += 1

    def levels(self, side: int, count: int) -> list[tuple[int, int]]:
        """The best ``count`` levels as (price, lots), displayed and clients' lots together."""
        found: list[tuple[int, int]] = []
        for price, level in self._sides[side].reachable():
            found.append((price, level.free + sum(order.remaining for order in level.orders)))
            if len(found) == count:
                break
        return found

    def best(self, side: int) -> int:
        """Best price of a side; 0 when it is empty."""
        return next((price for price, _ in self._sides[side].reachable()), 0)

    def _opposite(self, order: Order) -> Iterator[tuple[int, Level]]:
        """What the order can reach on the other side, best first."""
        limit = order.price if not order.is_market else (_ANY_PRICE if order.side == BUY else 0)
        return self._sides[-order.side].reachable(limit)

    def _first_own(self, taker: Order, level: Level) -> int | None:
        """Where in the queue the taker would meet its own owner and may not."""
        if self.self_trade == MATCH:
            return None
        return next((place for place, order in enumerate(level.orders) if order.owner == taker.owner), None)

    def _take_level(self, taker: Order, price: int, level: Level, matches: list[Match]) -> bool:
        """Let ``taker`` eat this level's queue from its front: displayed lots and clients' orders as they stand.

        True: an order of its own owner stands in the way.
        """
        while taker.remaining and (level.orders or level.free):
            first = level.orders[0] if level.orders else None
            displayed = first.ahead if first is not None else level.free
            if displayed:
                lots = min(taker.remaining, displayed)
                level.take_displayed(lots)
                taker.remaining -= lots
                matches.append(Match(price, lots, taker.side, taker, None))
                continue
            assert first is not None
            if self.self_trade == EXPIRE_NEWER and first.owner == taker.owner:
                return True
            self._fill_resting(first, min(taker.remaining, first.remaining), taker, taker.side, matches)
        return False

    def _fill_resting(
        self, maker: Order, lots: int, taker: Order | None, taker_side: int, matches: list[Match]
    ) -> None:
        assert 0 < lots <= maker.remaining
        if lots == maker.remaining:
            self._sides[maker.side].remove(maker)
        maker.remaining -= lots
        if taker is not None:
            taker.remaining -= lots
        matches.append(Match(maker.price, lots, taker_side, taker, maker))

    def _after_tape(self, changed: bool) -> list[Match]:
        """Fill the clients' orders that the tape's displayed book now crosses."""
        matches: list[Match] = []
        if not changed:
            return matches
        self.version += 1
        for side in (BUY, SELL):
            while (order := self._sides[side].best_order()) is not None:
                found = next(self._sides[-side].reachable(order.price), None)
                if found is None:
                    break
                _, level = found
                lots = min(order.remaining, level.free)
                level.take_displayed(lots)
                self._fill_resting(order, lots, None, -side, matches)
        return matches


def _expired(order: Order, reason: str, matches: list[Match]) -> list[Match]:
    order.end, order.reason = "expired", reason
    return matches

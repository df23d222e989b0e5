"""The displayed book of one instrument, what we took of it, and our places in its queues. Pure; integers.

What we take of a level stays taken until the venue shows that level with another size. A resting order joins its
level behind every lot that is displayed there, and moves up only by lots that trade at its price or that the level
loses below its place. It is filled by trades alone: at its own price, through it, or at it once nobody is ahead; all
its fills together are never more than what was traded. A book that merely shows a price on the other side fills
nothing. ``replay`` is more generous, because a tape of trades has no queue to stand in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.venues.paper.order import AHEAD_UNKNOWN, PaperOrder
from ztb.venues.paper.rules import TRADE_AGE_NS_MAX, TRADES_KNOWN_MAX

Levels = Iterable[tuple[int, int]]


class PaperSide:
    """One side: displayed lots by price, lots that we took of them, and our resting orders, first come first."""

    def __init__(self, side: int) -> None:
        self._side: Final = side
        self._shown: dict[int, int] = {}
        self._taken: dict[int, int] = {}
        self._worst = 0
        """The deepest price of the last snapshot; what lies beyond is not displayed, which is not the same as empty."""
        self.orders: list[PaperOrder] = []

    def replace(self, levels: Levels) -> None:
        """A snapshot, best level first."""
        before = self._shown
        self._shown = {price: lots for price, lots in levels if lots > 0}
        self._worst = next(reversed(self._shown), 0)
        for price in list(self._taken):
            if self._is_in_view(price) and self._shown.get(price) != before.get(price):
                del self._taken[price]
        for order in self.orders:
            if self._is_in_view(order.price):
                order.ahead = min(order.ahead, self._shown.get(order.price, 0))

    def change(self, price: int, lots: int) -> None:
        """One level; 0 lots removes it."""
        if self._shown.get(price, 0) == lots:
            return
        self._taken.pop(price, None)
        if lots > 0:
            self._shown[price] = lots
        else:
            self._shown.pop(price, None)
        for order in self.orders:
            if order.price == price:
                order.ahead = min(order.ahead, max(0, lots))

    def free(self) -> Iterator[tuple[int, int]]:
        """Levels with anything left to take, best first."""
        for price in sorted(self._shown, reverse=self._side == BUY):
            lots = self._shown[price] - self._taken.get(price, 0)
            if lots > 0:
                yield price, lots

    def take(self, price: int, lots: int) -> None:
        """We took displayed lots."""
        self._taken[price] = self._taken.get(price, 0) + lots
        assert self._taken[price] <= self._shown[price]

    def rest(self, order: PaperOrder) -> None:
        """The order joins the queue at its price."""
        order.ahead = self._shown.get(order.price, 0) if self._is_in_view(order.price) else AHEAD_UNKNOWN
        self.orders.append(order)
        # Best price first; orders of one price stay in the order in which they came.
        self.orders.sort(key=lambda one: -one.price * self._side)

    def traded(self, trade: Trade) -> Iterator[tuple[PaperOrder, int]]:
        """Which of our orders a trade of the market would have met first, and with how many lots."""
        left = trade.lots
        for order in tuple(self.orders):
            through = (order.price - trade.price) * self._side
            if through < 0 or not left:
                return
            if trade.venue_ns and trade.venue_ns + TRADE_AGE_NS_MAX <= order.created_ns:
                # Told late, by a backfill: it happened before the order was there.
                continue
            if through == 0:
                left -= self._move_up(order.price, min(left, order.ahead))
            lots = min(left, order.remaining)
            if lots:
                left -= lots
                yield order, lots

    def _move_up(self, price: int, lots: int) -> int:
        for order in self.orders:
            if order.price == price:
                order.ahead = max(0, order.ahead - lots)
        return lots

    def _is_in_view(self, price: int) -> bool:
        return bool(self._worst) and (price - self._worst) * self._side >= 0


class PaperBook:
    """Both sides of one instrument. ``is_live`` while a stream keeps it; ``ts_ns`` when it was last spoken of."""

    def __init__(self) -> None:
        self.sides: Final = {BUY: PaperSide(BUY), SELL: PaperSide(SELL)}
        self.is_live = False
        self.ts_ns = 0
        self.last_price = 0
        self._has_depth = False
        self._trades: dict[str, None] = {}
        """Ids of the newest trades, oldest first: one that a stream tells twice has happened once."""

    def lost(self) -> None:
        """The stream is gone; changes mean nothing until the next snapshot."""
        self.is_live = self._has_depth = False

    def show(self, event: Depth | Quote) -> None:
        """Take what the venue displays. Best prices count only where the venue shows no book."""
        if isinstance(event, Quote):
            if not self._has_depth:
                self.is_live, self.ts_ns = True, event.ts_ns
                self.sides[BUY].replace([(event.bid, event.bid_lots)] if event.bid else [])
                self.sides[SELL].replace([(event.ask, event.ask_lots)] if event.ask else [])
            return
        if event.is_snapshot:
            self.replace(event)
            self.is_live = self._has_depth = True
        elif self._has_depth:
            self.ts_ns = event.ts_ns
            for side, levels in ((BUY, event.bids), (SELL, event.asks)):
                for price, lots in levels:
                    self.sides[side].change(price, lots)

    def replace(self, snapshot: Depth) -> None:
        """A snapshot from wherever; the stream's own state stays as it is."""
        self.ts_ns = snapshot.ts_ns
        self.sides[BUY].replace(snapshot.bids)
        self.sides[SELL].replace(snapshot.asks)

    def reachable(self, side: int, limit: int) -> list[tuple[int, int]]:
        """What an order of ``side`` could take now, best first; ``limit`` 0: at any price.

        It stops short of our own orders on the other side: an account does not trade with itself here.
        """
        opposite = self.sides[-side]
        own = opposite.orders[0].price if opposite.orders else 0
        found: list[tuple[int, int]] = []
        for price, lots in opposite.free():
            if (limit and (limit - price) * side < 0) or (own and (own - price) * side <= 0):
                break
            found.append((price, lots))
        return found

    def meets_own(self, side: int, limit: int) -> bool:
        """Whether an order of ``side`` at ``limit`` (0: any) reaches one of ours on the other side."""
        opposite = self.sides[-side].orders
        return bool(opposite) and (not limit or (limit - opposite[0].price) * side >= 0)

    def traded(self, trade: Trade) -> Iterator[tuple[PaperOrder, int]]:
        """Fills of our resting orders by one trade of the market; at most its lots in all."""
        if trade.trade_id in self._trades:
            return
        if trade.trade_id:
            self._trades[trade.trade_id] = None
            if len(self._trades) > TRADES_KNOWN_MAX:
                del self._trades[next(iter(self._trades))]
        self.last_price = trade.price
        self.ts_ns = max(self.ts_ns, trade.ts_ns)
        # Our two sides never cross, so that a trade can reach only one of them.
        for side in self.sides.values():
            yield from side.traded(trade)

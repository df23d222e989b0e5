"""One side of the book: price levels in order, each with the tape's displayed lots and a queue of clients' orders.

The rule: a level exists only while it has displayed lots or orders, and its displayed lots cover what was taken.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import final

from ztb.core.command import GTC, MARKET, TIMES_IN_FORCE
from ztb.core.instrument import BUY, SELL


@final
@dataclass(slots=True, eq=False)
class Order:
    """A client's order. Price in ticks, 0 of a market order; ``remaining`` of ``lots`` is not filled, ``ahead`` of it
    in the queue. What it did so far is told in money units (``notional``, ``fee``).
    """

    order_id: int
    owner: str
    side: int
    price: int
    lots: int
    created_ns: int
    comment: str = ""
    client_id: str = ""
    """What the venue shows as the client's order id."""
    time_in_force: str = GTC
    symbol: str = ""
    """The venue's name of what is traded, where one book has several (spot and leverage)."""
    leveraged: bool = False
    """Opens or closes positions instead of moving coins."""
    closes: tuple[int, ...] = ()
    """Ids of the positions that it closes, in this order; empty: it opens (or is spot)."""
    remaining: int = field(init=False)
    ahead: int = field(init=False, default=0)
    end: str = field(init=False, default="")
    """``filled``, ``cancelled``, ``expired`` or ``rejected``; "" while it works."""
    reason: str = field(init=False, default="")
    """Why it ended: ``user``, ``ioc``, ``fok``, ``post_only``, ``market``, ``self_trade`` or a dialect's own word."""
    ended_ns: int = field(init=False, default=0)
    cancelling: bool = field(init=False, default=False)
    """The cancel is acknowledged, but a fill may still come (a hostile mood)."""
    settled_lots: int = field(init=False, default=0)
    """Filled, paid and told: within one batch of matches less than ``filled_lots``."""
    notional: int = field(init=False, default=0)
    fee: int = field(init=False, default=0)
    fills: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        assert self.side in (BUY, SELL)
        assert self.time_in_force in TIMES_IN_FORCE
        assert self.price > 0 or (self.price == 0 and self.is_market)
        assert self.lots > 0
        assert self.leveraged or not self.closes
        self.remaining = self.lots

    @property
    def is_market(self) -> bool:
        return self.time_in_force == MARKET

    @property
    def filled_lots(self) -> int:
        return self.lots - self.remaining


class Level:
    """One price: lots displayed by the tape, less what clients took of them, and clients' orders in their queue."""

    __slots__ = ("orders", "shown", "taken")

    def __init__(self) -> None:
        self.shown = 0
        self.taken = 0
        self.orders: list[Order] = []

    @property
    def free(self) -> int:
        return self.shown - self.taken

    def take_displayed(self, lots: int) -> None:
        """Clients took displayed lots from the front of the queue."""
        self.taken += lots
        assert self.taken <= self.shown
        self.forget_ahead(lots)

    def forget_ahead(self, lots: int) -> None:
        for order in self.orders:
            order.ahead = max(0, order.ahead - lots)


class BookSide:
    """Levels of one side. Keys are the sort order: ``sign * price``, the best one first."""

    __slots__ = ("_keys", "_order_keys", "levels", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, Level] = {}
        self._keys: list[int] = []
        self._order_keys: list[int] = []

    def show(self, price: int, lots: int) -> bool:
        """The tape displays ``lots`` at ``price``. False: nothing changed."""
        level = self.levels.get(price)
        if level is None:
            if lots == 0:
                return False
            level = self._make(price)
        if level.shown == lots:
            return False
        level.shown, level.taken = lots, 0
        for order in level.orders:
            order.ahead = min(order.ahead, lots)
        self._drop_if_empty(price, level)
        return True

    def show_only(self, levels: Iterable[tuple[int, int]]) -> bool:
        fresh = {price: lots for price, lots in levels if lots > 0}
        stale = [price for price, level in self.levels.items() if level.shown and price not in fresh]
        changed = bool(stale)
        for price in stale:
            self.show(price, 0)
        for price, lots in fresh.items():
            changed = self.show(price, lots) or changed
        return changed

    def hide_better_than(self, price: int, *, inclusive: bool) -> bool:
        """Remove displayed levels better than ``price`` (the tape says that the best is there now)."""
        bound = self.sign * price
        end = bisect_left(self._keys, bound + 1 if inclusive else bound)
        changed = False
        for key in self._keys[:end]:
            changed = self.show(self.sign * key, 0) or changed
        return changed

    def rest(self, order: Order) -> None:
        level = self.levels.get(order.price) or self._make(order.price)
        order.ahead = level.free
        if not level.orders:
            insort(self._order_keys, self.sign * order.price)
        level.orders.append(order)

    def remove(self, order: Order) -> None:
        level = self.levels[order.price]
        level.orders.remove(order)
        if not level.orders:
            self._order_keys.pop(bisect_left(self._order_keys, self.sign * order.price))
        self._drop_if_empty(order.price, level)

    def best_order(self) -> Order | None:
        """The client order that has the first claim on this side."""
        return self.levels[self.sign * self._order_keys[0]].orders[0] if self._order_keys else None

    def reachable(self, limit: int | None = None) -> Iterator[tuple[int, Level]]:
        """Levels with anything to take, best first, as far as a taker with this limit goes."""
        bound = None if limit is None else self.sign * limit
        keys = self._keys if bound is None else self._keys[: bisect_left(self._keys, bound + 1)]
        for key in keys:
            price = self.sign * key
            level = self.levels.get(price)
            if level is not None and (level.orders or level.free > 0):
                yield price, level

    def _make(self, price: int) -> Level:
        level = self.levels[price] = Level()
        insort(self._keys, self.sign * price)
        return level

    def _drop_if_empty(self, price: int, level: Level) -> None:
        if not level.shown and not level.orders:
            del self.levels[price]
            self._keys.pop(bisect_left(self._keys, self.sign * price))

"""The matching engine against a second one, written as slowly and plainly as possible.

The reference keeps the queue of a price lot by lot: a list of owners in which the tape's anonymous lots (``None``)
and clients' lots stand in their order. Whatever happens, both must report the same matches and show the same book.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from ztb.core.instrument import BUY, SELL
from ztb.simulator.book_side import Order
from ztb.simulator.matching import Book, Match

Piece = tuple[int, int, int | None, int | None]
"""Price, lots, taker id, maker id."""


@dataclass
class Slow:
    """Queues by side and price; every entry is one lot: the order id it belongs to, or None for the tape's."""

    queues: dict[int, dict[int, list[int | None]]] = field(default_factory=lambda: {BUY: {}, SELL: {}})
    shown: dict[tuple[int, int], int] = field(default_factory=dict)

    def prices(self, side: int) -> list[int]:
        return sorted((price for price, queue in self.queues[side].items() if queue), reverse=side == BUY)

    def place(self, order_id: int, side: int, price: int, lots: int) -> list[Piece]:
        pieces: list[Piece] = []
        for best in self.prices(-side):
            if (best - price) * side > 0:
                break
            queue = self.queues[-side][best]
            while lots and queue:
                maker = queue.pop(0)
                pieces.append((best, 1, order_id, maker))
                lots -= 1
        self.queues[side].setdefault(price, []).extend([order_id] * lots)
        return pieces

    def cancel(self, order_id: int) -> None:
        for side in self.queues.values():
            for price in side:
                side[price] = [lot for lot in side[price] if lot != order_id]

    def trade(self, price: int, lots: int, taker_side: int) -> list[Piece]:
        """Lots of the tape ahead at the very price trade first (at the tape, not at us); then clients' lots."""
        pieces: list[Piece] = []
        side = -taker_side
        left = lots
        for best in self.prices(side):
            if (best - price) * taker_side > 0:
                break
            queue = self.queues[side][best]
            while left and any(lot is not None for lot in queue):
                if best == price and queue[0] is None:
                    # It traded with somebody else, so nothing of ours is ahead of it any more: to the back.
                    queue.append(queue.pop(0))
                    left -= 1
                    continue
                first = next(index for index, lot in enumerate(queue) if lot is not None)
                pieces.append((best, 1, None, queue.pop(first)))
                left -= 1
        printed = lots - len(pieces)
        return [*pieces, *([(price, printed, None, None)] if printed else [])]

    def show(self, side: int, price: int, lots: int) -> None:
        """The tape's lots of a level are what it says; fewer leave from the back, more come to the back."""
        if self.shown.get((side, price), 0) == lots:
            return
        self.shown[side, price] = lots
        queue = self.queues[side].setdefault(price, [])
        anonymous = queue.count(None)
        for _ in range(anonymous - lots):
            last = max(index for index, lot in enumerate(queue) if lot is None)
            del queue[last]
        queue.extend([None] * (lots - anonymous))

    def quote(self, bid: int, bid_lots: int, ask: int, ask_lots: int) -> list[Piece]:
        for side, price, lots in ((BUY, bid, bid_lots), (SELL, ask, ask_lots)):
            for other in list(self.queues[side]):
                if (other - price) * side > 0:
                    self.show(side, other, 0)
            self.show(side, price, lots)
        return self.cross()

    def cross(self) -> list[Piece]:
        pieces: list[Piece] = []
        for side in (BUY, SELL):
            while ours := [price for price in self.prices(side) if any(self.queues[side][price])]:
                queue = self.queues[side][ours[0]]
                theirs = [price for price in self.prices(-side) if (price - ours[0]) * side <= 0]
                if not theirs:
                    break
                self.queues[-side][theirs[0]].remove(None)
                first = next(index for index, lot in enumerate(queue) if lot is not None)
                pieces.append((ours[0], 1, None, queue.pop(first)))
        return pieces

    def levels(self, side: int) -> list[tuple[int, int]]:
        return [(price, len(self.queues[side][price])) for price in self.prices(side)]


def summed(pieces: list[Piece]) -> list[Piece]:
    """Neighbours that differ in nothing but their lots, as one."""
    result: list[Piece] = []
    for price, lots, taker, maker in pieces:
        if result and (result[-1][0], result[-1][2], result[-1][3]) == (price, taker, maker):
            result[-1] = (price, result[-1][1] + lots, taker, maker)
        else:
            result.append((price, lots, taker, maker))
    return result


def as_pieces(matches: list[Match]) -> list[Piece]:
    return summed(
        [
            (
                match.price,
                match.lots,
                match.taker.order_id if match.taker else None,
                match.maker.order_id if match.maker else None,
            )
            for match in matches
        ]
    )


LOTS = st.integers(1, 9)
ACTIONS = st.one_of(
    st.tuples(st.just("place"), st.sampled_from((BUY, SELL)), st.integers(98, 103), LOTS),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("trade"), st.integers(98, 103), LOTS, st.sampled_from((BUY, SELL))),
    st.tuples(st.just("quote"), st.integers(98, 100), LOTS, st.integers(101, 103), LOTS),
)


@given(st.lists(ACTIONS, min_size=15, max_size=60))
@settings(max_examples=examples(400), deadline=None)
def test_both_engines_agree(actions: list[tuple[object, ...]]) -> None:
    fast, slow = Book(), Slow()
    orders: list[Order] = []
    for action in actions:
        match action:
            case ("place", int(side), int(price), int(lots)):
                order = Order(len(orders) + 1, "any", side, price, lots, created_ns=0)
                orders.append(order)
                found, expected = fast.place(order), slow.place(order.order_id, side, price, lots)
            case ("cancel", int(number)) if working := [order for order in orders if order.remaining]:
                chosen = working[number % len(working)]
                orders.remove(chosen)
                orders.insert(0, Order(10_000 + chosen.order_id, "gone", BUY, 1, 1, created_ns=0))
                orders[0].remaining = 0
                fast.cancel(chosen)
                slow.cancel(chosen.order_id)
                found, expected = [], []
            case ("trade", int(price), int(lots), int(side)):
                found, expected = fast.tape_trade(price, lots, side), slow.trade(price, lots, side)
            case ("quote", int(bid), int(bid_lots), int(ask), int(ask_lots)):
                found, expected = (
                    fast.tape_quote(bid, bid_lots, ask, ask_lots),
                    slow.quote(bid, bid_lots, ask, ask_lots),
                )
            case _:
                continue
        assert as_pieces(found) == summed(expected), action
        for side in (BUY, SELL):
            assert fast.levels(side, 99) == slow.levels(side), action

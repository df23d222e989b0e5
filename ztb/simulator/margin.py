"""Leverage: positions by id, both sides held at once, nothing netted; profit is realised into the quote currency.

An open position is covered by the crowd: it holds the coins that the position stands for, and gives or takes the
difference when the position is closed. So money and coins are conserved here as they are for spot. The margin of
positions and of the orders that would open more is pledged from the account's quote currency.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, final

from ztb.core.instrument import BUY, Instrument
from ztb.core.money import ceil_div
from ztb.simulator.book_side import Order
from ztb.simulator.news import PositionNow

LEVERAGE: Final = 2
POSITION_ID_FIRST: Final = 1_234_567


class PositionRefused(Exception):
    """A close that makes no sense; ``code``: ``not_found``, ``side``, ``size`` (more than there is) or ``locked``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@final
@dataclass(slots=True, eq=False)
class Position:
    """One entry. ``ordered`` are the lots that closing orders have taken of it, by order id."""

    position_id: int
    symbol: str
    side: int
    lots: int
    price: int
    opened_ns: int
    pledged: int
    ordered: dict[int, int] = field(default_factory=dict)

    @property
    def lots_ordered(self) -> int:
        return sum(self.ordered.values())

    @property
    def lots_free(self) -> int:
        """What a new closing order may take."""
        return self.lots - self.lots_ordered

    def now(self) -> PositionNow:
        return PositionNow(
            self.position_id, self.side, self.lots, self.lots_ordered, self.price, self.opened_ns, self.symbol
        )  # fmt: skip


class Margin:
    """The arithmetic of positions of one instrument."""

    def __init__(self, instrument: Instrument, *, leverage: int = LEVERAGE) -> None:
        self._instrument = instrument
        self.leverage: Final = leverage
        self._position_id = POSITION_ID_FIRST

    def required(self, price: int, lots: int) -> int:
        """The margin of so many lots at a price, in money units."""
        return ceil_div(self._instrument.notional(price, lots), self.leverage)

    def unrealised(self, position: Position, mark: int) -> int:
        """Profit if it were closed at ``mark``; 0 where there is no price."""
        return self._gain(position, mark, position.lots) if mark else 0

    def reserve(self, order: Order, positions: Iterable[tuple[Position, int]]) -> None:
        """Take lots of positions for a closing order; together they are the whole order."""
        taken = 0
        for position, lots in positions:
            assert 0 < lots <= position.lots_free
            position.ordered[order.order_id] = lots
            taken += lots
        assert taken == order.lots

    def release(self, order: Order, positions: dict[int, Position]) -> list[Position]:
        """The order ended: what it had reserved is free again. Returns the positions that changed."""
        touched = [position for number in order.closes if (position := positions.get(number)) is not None]
        return [position for position in touched if position.ordered.pop(order.order_id, 0)]

    def first_reserved(self, order: Order, positions: dict[int, Position]) -> tuple[Position, int]:
        """The position that the next fill of a closing order closes, and how many lots of it."""
        for number in order.closes:
            position = positions.get(number)
            lots = position.ordered.get(order.order_id, 0) if position is not None else 0
            if position is not None and lots:
                return position, lots
        raise AssertionError(f"order {order.order_id} has nothing left to close")

    def opened(self, order: Order, price: int, lots: int, ts_ns: int) -> Position:
        """The position of one fill of an opening order."""
        position = Position(
            self._position_id, order.symbol, order.side, lots, price, ts_ns, self.required(price, lots)
        )  # fmt: skip
        self._position_id += 1
        return position

    def close(self, position: Position, order: Order, price: int, lots: int) -> int:
        """Take lots off a position; returns the profit. Nothing is left of it when its ``lots`` are 0."""
        reserved = position.ordered[order.order_id]
        assert 0 < lots <= reserved <= position.lots
        gain = self._gain(position, price, lots)
        position.lots -= lots
        position.ordered[order.order_id] = reserved - lots
        if reserved == lots:
            del position.ordered[order.order_id]
        position.pledged = self.required(position.price, position.lots)
        return gain

    def choose(
        self, positions: Iterable[Position], wanted: Iterable[tuple[int, int]], *, side: int
    ) -> list[tuple[Position, int]]:
        """Named positions with the lots to close of each, by an order on ``side``. Raises PositionRefused."""
        by_id = {position.position_id: position for position in positions}
        chosen = []
        for number, lots in wanted:
            position = by_id.get(number)
            if position is None:
                raise PositionRefused("not_found")
            if position.side == side:
                raise PositionRefused("side")
            if lots > position.lots:
                raise PositionRefused("size")
            if lots > position.lots_free:
                raise PositionRefused("locked")
            chosen.append((position, lots))
        return chosen

    def choose_oldest(self, positions: Iterable[Position], lots: int, *, side: int) -> list[tuple[Position, int]]:
        """The oldest positions that an order on ``side`` closes, up to ``lots`` together. Raises PositionRefused."""
        against = [position for position in positions if position.side == -side]
        if not against:
            raise PositionRefused("not_found")
        if sum(position.lots for position in against) < lots:
            raise PositionRefused("size")
        chosen = []
        for position in against:
            part = min(lots, position.lots_free)
            if part:
                chosen.append((position, part))
                lots -= part
        if lots:
            raise PositionRefused("locked")
        return chosen

    def _gain(self, position: Position, price: int, lots: int) -> int:
        difference = price - position.price if position.side == BUY else position.price - price
        return self._instrument.notional(difference, lots)

"""A venue without a wire: commands in, events out, for ``ztb replay`` and benchmarks. Synchronous and deterministic.

An order that crosses fills whole at the opposite best price (the last trade's where no quote is known). One that rests
fills whole, at its own price, when a trade prints *through* it or the opposite quote reaches it: a trade at the very
price leaves it waiting, because we do not know our place in the queue. With a latency, commands act before the first
market event at or after their time, upon the market as it was then.
"""

from __future__ import annotations

from collections import deque

from ztb.core.command import Cancel, Command, Place
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    Depth,
    Market,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderEvent,
    OrderFilled,
    OrderSent,
    OrderSettled,
    Quote,
    Trade,
)
from ztb.core.instrument import BUY, Instrument


class ReplayVenue:
    """One instrument. ``busy`` is False while nothing works and nothing is under way.

    A driver that wants to be fast need not call ``on_market`` then: it may set ``last_trade`` or ``last_quote``.
    """

    def __init__(self, instrument: Instrument, *, latency_ns: int = 0) -> None:
        assert latency_ns >= 0
        self._instrument = instrument
        self._latency_ns = latency_ns
        self._resting: dict[str, Place] = {}
        self._under_way: deque[tuple[int, Place | Cancel]] = deque()
        self._placed = 0
        self._traded = 0
        self.busy = False
        self.last_trade: Trade | None = None
        self.last_quote: Quote | None = None

    def on_market(self, event: Market) -> list[OrderEvent]:
        """What the event does to our orders; call it before the engine sees the event."""
        answers: list[OrderEvent] = []
        under_way = self._under_way
        while under_way and under_way[0][0] <= event.ts_ns:
            self._act(*under_way.popleft(), answers)
        if type(event) is Trade:
            self.last_trade = event
        elif type(event) is Quote:
            self.last_quote = event
        else:
            assert type(event) is Depth
            self.last_quote = _touch(event) if event.is_snapshot else self.last_quote
        if self._resting:
            self._fill_resting(event, answers)
        self.busy = bool(self._resting or under_way)
        return answers

    def on_command(self, command: Command, now_ns: int) -> list[OrderEvent]:
        """Durable and sent at once; the venue's answer at once too, or after the latency."""
        answers: list[OrderEvent] = []
        if type(command) is Place:
            answers.append(OrderDurable(now_ns, command.client_id))
            answers.append(OrderSent(now_ns, command.client_id))
        elif type(command) is not Cancel:
            # Nothing is ever unknown here, so there is nothing to look up, and nobody to notify.
            return answers
        if self._latency_ns == 0:
            self._act(now_ns, command, answers)
        else:
            self._under_way.append((now_ns + self._latency_ns, command))
        self.busy = bool(self._resting or self._under_way)
        return answers

    def _act(self, ts_ns: int, command: Place | Cancel, answers: list[OrderEvent]) -> None:
        if type(command) is Cancel:
            if self._resting.pop(command.client_id, None) is not None:
                answers.append(OrderCancelled(ts_ns, command.client_id))
                answers.append(OrderSettled(ts_ns, command.client_id))
            return
        assert type(command) is Place
        self._take(command, ts_ns, answers)

    def _take(self, order: Place, ts_ns: int, answers: list[OrderEvent]) -> None:
        if order.client_id in self._resting:
            raise InvariantBroken(f"order {order.client_id} was sent twice")
        if order.lots <= 0 or order.price <= 0 or order.instrument != self._instrument.symbol:
            raise InvariantBroken(f"order {order.client_id} has lots {order.lots}, price {order.price}")
        self._placed += 1
        answers.append(OrderAccepted(ts_ns, order.client_id, str(self._placed)))
        opposite = self._opposite(order.side)
        if opposite > 0 and (order.price - opposite) * order.side >= 0:
            answers.append(self._filled(order, ts_ns, opposite, maker=False))
        else:
            self._resting[order.client_id] = order

    def _opposite(self, side: int) -> int:
        """Best price on the other side; 0: there is none."""
        quote = self.last_quote
        if quote is not None:
            return quote.ask if side == BUY else quote.bid
        return self.last_trade.price if self.last_trade is not None else 0

    def _fill_resting(self, event: Market, answers: list[OrderEvent]) -> None:
        for order in list(self._resting.values()):
            if type(event) is Trade:
                is_reached = (order.price - event.price) * order.side > 0
            else:
                opposite = self._opposite(order.side)
                is_reached = opposite > 0 and (order.price - opposite) * order.side >= 0
            if is_reached:
                del self._resting[order.client_id]
                answers.append(self._filled(order, event.ts_ns, order.price, maker=True))

    def _filled(self, order: Place, ts_ns: int, price: int, *, maker: bool) -> OrderFilled:
        self._traded += 1
        fee = self._instrument.fee(price, order.lots, maker=maker)
        trade_id = f"replay-{self._traded}"
        return OrderFilled(ts_ns, order.client_id, trade_id, order.lots, price, fee, maker, ts_ns)


def _touch(depth: Depth) -> Quote:
    bid, bid_lots = depth.bids[0] if depth.bids else (0, 0)
    ask, ask_lots = depth.asks[0] if depth.asks else (0, 0)
    return Quote(depth.ts_ns, depth.instrument, bid, bid_lots, ask, ask_lots, depth.venue_ns)

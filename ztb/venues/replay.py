"""A venue without a wire: commands in, events out, for ``ztb replay`` and benchmarks. Synchronous and deterministic.

Fill model ``touch``. An order that crosses takes the opposite best price (the last trade's where no quote is known),
never a worse one than its limit. One that rests fills whole, at its own price, when a trade prints *through* it or the
opposite quote reaches it: a trade at the very price leaves it waiting, because we do not know our place in the queue.
With a latency, commands act before the first market event at or after their time, upon the market as it was then.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from ztb.core.command import Cancel, Command, Place
from ztb.core.error import InvariantBroken, UsageError
from ztb.core.event import (
    Depth,
    Market,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderEvent,
    OrderFilled,
    OrderSent,
    Quote,
    Trade,
)
from ztb.core.instrument import BUY, Instrument

FILL_MODELS: Final = ("touch",)


@dataclass(slots=True, frozen=True)
class ReplayFill:
    """One fill for the report; ``mark`` is the market's price when the command was given (0: there was none)."""

    ts_ns: int
    client_id: str
    side: int
    lots: int
    price: int
    mark: int
    fee: int
    maker: bool

    @property
    def slippage_ticks(self) -> int:
        """What the fill cost against the mark, per lot; negative: it was better."""
        return (self.price - self.mark) * self.side if self.mark else 0


@dataclass(slots=True)
class _Resting:
    order: Place
    lots: int
    mark: int


class ReplayVenue:
    """One instrument. ``busy`` is False while nothing works and nothing is under way.

    A driver that wants to be fast need not call ``on_market`` then: it may set ``last_trade`` or ``last_quote``.
    """

    def __init__(
        self, instrument: Instrument, *, fill: str = "touch", latency_ns: int = 0, displayed_lots_only: bool = False
    ) -> None:
        """``displayed_lots_only``: a crossing order takes no more than the quote shows, its rest works on."""
        if fill not in FILL_MODELS:
            raise UsageError(f"no fill model {fill!r}", remedy=f"one of {', '.join(FILL_MODELS)}")
        assert latency_ns >= 0
        self._instrument = instrument
        self._latency_ns = latency_ns
        self._displayed_lots_only = displayed_lots_only
        self._resting: dict[str, _Resting] = {}
        self._under_way: deque[tuple[int, Place | Cancel, int]] = deque()
        self._placed = 0
        self._traded = 0
        self.busy = False
        self.last_trade: Trade | None = None
        self.last_quote: Quote | None = None
        self.fills: list[ReplayFill] = []

    def on_market(self, event: Market) -> list[OrderEvent]:
        """What the event does to our orders; call it before the engine sees the event."""
        answers: list[OrderEvent] = []
        under_way = self._under_way
        while under_way and under_way[0][0] <= event.ts_ns:
            due_ns, command, mark = under_way.popleft()
            self._act(command, due_ns, mark, answers)
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
            self._act(command, now_ns, self._mark(), answers)
        else:
            self._under_way.append((now_ns + self._latency_ns, command, self._mark()))
        self.busy = bool(self._resting or self._under_way)
        return answers

    def _act(self, command: Place | Cancel, ts_ns: int, mark: int, answers: list[OrderEvent]) -> None:
        if type(command) is Cancel:
            if self._resting.pop(command.client_id, None) is not None:
                answers.append(OrderCancelled(ts_ns, command.client_id))
            return
        assert type(command) is Place
        self._take(command, ts_ns, mark, answers)

    def _take(self, order: Place, ts_ns: int, mark: int, answers: list[OrderEvent]) -> None:
        if order.client_id in self._resting:
            raise InvariantBroken(f"order {order.client_id} was sent twice")
        if order.lots <= 0 or order.price <= 0 or order.instrument != self._instrument.symbol:
            raise InvariantBroken(f"order {order.client_id} has lots {order.lots}, price {order.price}")
        self._placed += 1
        answers.append(OrderAccepted(ts_ns, order.client_id, str(self._placed)))
        opposite, lots_there = self._opposite(order.side)
        taken = 0
        if opposite > 0 and (order.price - opposite) * order.side >= 0:
            taken = min(order.lots, lots_there) if self._displayed_lots_only else order.lots
            if taken:
                answers.append(self._filled(order, ts_ns, taken, opposite, mark, maker=False))
        if taken < order.lots:
            self._resting[order.client_id] = _Resting(order, order.lots - taken, mark)

    def _opposite(self, side: int) -> tuple[int, int]:
        """Best price and lots on the other side; price 0: there is none."""
        quote = self.last_quote
        if quote is not None:
            return (quote.ask, quote.ask_lots) if side == BUY else (quote.bid, quote.bid_lots)
        trade = self.last_trade
        return (trade.price, trade.lots) if trade is not None else (0, 0)

    def _fill_resting(self, event: Market, answers: list[OrderEvent]) -> None:
        for client_id, resting in list(self._resting.items()):
            order = resting.order
            if type(event) is Trade:
                is_reached = (order.price - event.price) * order.side > 0
            else:
                opposite, _ = self._opposite(order.side)
                is_reached = opposite > 0 and (order.price - opposite) * order.side >= 0
            if is_reached:
                del self._resting[client_id]
                answers.append(self._filled(order, event.ts_ns, resting.lots, order.price, resting.mark, maker=True))

    def _filled(self, order: Place, ts_ns: int, lots: int, price: int, mark: int, *, maker: bool) -> OrderFilled:
        self._traded += 1
        fee = self._instrument.fee(price, lots, maker=maker)
        self.fills.append(ReplayFill(ts_ns, order.client_id, order.side, lots, price, mark, fee, maker))
        return OrderFilled(ts_ns, order.client_id, f"replay-{self._traded}", lots, price, fee, maker, ts_ns)

    def _mark(self) -> int:
        """The last trade's price, else the middle of the quote rounded down, else 0."""
        if self.last_trade is not None:
            return self.last_trade.price
        quote = self.last_quote
        return (quote.bid + quote.ask) // 2 if quote is not None and quote.bid and quote.ask else 0


def _touch(depth: Depth) -> Quote:
    bid, bid_lots = depth.bids[0] if depth.bids else (0, 0)
    ask, ask_lots = depth.asks[0] if depth.asks else (0, 0)
    return Quote(depth.ts_ns, depth.instrument, bid, bid_lots, ask, ask_lots, depth.venue_ns)

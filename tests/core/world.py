"""A random world: an engine with a slow but honest venue, a market and an operator, and books that ask nobody.

The world keeps who is killed, what may still fill and what was bought by itself, looks at every command and asserts
after every event what must hold. The venue loses answers and fills in parts, but what it says is true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st

from tests.core.scene import CAPITAL, LEVERAGED, MINUTE, SECOND, SPOT, Desk, notices
from ztb.core.command import Command, Place
from ztb.core.event import (
    CancelFailed,
    Event,
    Kill,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
    OrderSent,
    OrderSettled,
    OrderUnknown,
    Pause,
    Quote,
    Reconciled,
    Resume,
    Started,
    Stop,
    Timer,
    Trade,
)
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision
from ztb.core.rules import NO_EXITS, Exits
from ztb.core.step import DecisionRow

LIMITS = Limits(
    order_lots_max=30, position_lots_max=60, order_notional_max=40_000, position_notional_max=65_000,
    daily_loss_max=700, drawdown_ppm_max=1_500, orders_per_minute_max=6, open_orders_max=4,
    price_collar_ppm=50_000, stale_ns_max=30 * SECOND, order_ttl_ns=40 * SECOND,
)  # fmt: skip

INSTRUMENTS = (SPOT, LEVERAGED)
WEIGHTS = {
    "trade": 400, "fill": 250, "quote": 50, "ack": 100, "durable": 30, "sent": 30, "cancel": 60, "expire": 20,
    "reject": 20, "lose": 30, "absent": 60, "refuse_cancel": 10, "wait": 200, "timer": 20, "pause": 5, "kill": 3,
    "resume": 20, "clean": 30, "unclean": 4, "restart": 5, "stop": 1, "settle": 300, "late": 20,
}  # fmt: skip
"""How often each thing happens, so that orders live long enough for something to go wrong."""

Operation = tuple[str, int, int, int]
"""What happens, a number from 0 to 29 (which order, how much, how long), a price, a side."""

OPERATIONS = st.tuples(
    st.sampled_from([name for name, weight in WEIGHTS.items() for _ in range(weight)]),
    st.integers(0, 29),
    st.integers(970, 1_030),
    st.sampled_from([BUY, SELL, 0]),
)
WORLDS = st.lists(OPERATIONS, min_size=20, max_size=150)


@dataclass
class Working:
    """An order as the venue has it."""

    place: Place
    remaining: int
    is_lost: bool = False


class World:
    """The engine, a venue, a market and an operator, with books of its own."""

    def __init__(
        self, *, order_lots: int, observe: bool = False, limits: Limits = LIMITS, exits: Exits = NO_EXITS
    ) -> None:
        self.limits = limits
        self.desk = Desk(
            limits=limits, instruments=INSTRUMENTS, order_lots=order_lots, observe=observe, capital=CAPITAL, exits=exits
        )
        self.observe = observe
        self.take_decisions: Callable[[], list[DecisionRow]] = self.desk.engine.take_decisions
        self.live: list[Working] = []
        self.settling: list[Working] = []
        """Ended without all their lots: the venue may still tell fills of them."""
        self.held = {instrument.symbol: 0 for instrument in INSTRUMENTS}
        self.lowest = dict(self.held)
        self.cash = 0
        self.last = dict.fromkeys(self.held, 0)
        self.ids: set[str] = set()
        self.sent_ns: list[int] = []
        self.reconciled = True
        self.killed = self.stopping = self.reduce_only = False
        self.paused_until_ns = self.clock_ns = 0
        self.trades = 0
        self.epoch = 1

    # --- one event, and what must hold after it ------------------------------------------------------------------

    def step(self, event: Event) -> None:
        """Give it to the engine; look at every command."""
        self.clock_ns = max(self.clock_ns, event.ts_ns)
        self._note(event)
        for command in self.desk.step(event):
            self._see(command)
        for symbol in self.held:
            assert self.desk.engine.state.ledger.positions[symbol].lots == self.held[symbol]
        value = sum(self.held[symbol] * self.last[symbol] for symbol in self.held)
        assert self.desk.engine.state.ledger.equity == CAPITAL + self.cash + value

    def _note(self, event: Event) -> None:
        match event:
            case Kill():
                self.killed = True
            case Stop():
                self.stopping = True
            case Pause():
                self.paused_until_ns = max(self.paused_until_ns, event.until_ns)
            case Reconciled():
                self.reconciled = event.clean
            case Started():
                self.reconciled = self.stopping = False
            case Trade():
                self.last[event.instrument] = event.price

    def _see(self, command: Command) -> None:
        if isinstance(command, Place):
            self._see_order(command)
            return
        for _, code in notices([command]):
            if code == "killed":
                self.killed = True
            elif code == "daily_loss_limit_exceeded":
                self.reduce_only = True
            elif code == "resumed":
                assert self.reconciled, "resumed before the venue was reconciled"
                self.killed = self.reduce_only = False
                self.paused_until_ns = 0

    def _see_order(self, place: Place) -> None:
        assert not self.killed, "an order after the kill"
        assert not self.stopping
        assert not self.observe
        assert self.reconciled, "an order before the venue was reconciled"
        assert place.client_id not in self.ids, "a client order id was used twice"
        self.ids.add(place.client_id)
        worst = self.worst_lots(place.instrument, place.side) + place.side * place.lots
        if self.clock_ns < self.paused_until_ns or self.reduce_only:
            assert place.reduce_only, "an opening order while paused or reduce-only"
        if place.reduce_only:
            assert worst * place.side <= 0, "a reduce-only order that can flip the position"
        else:
            assert not any(one.is_lost and one.place.instrument == place.instrument for one in self.live)
        if place.instrument == SPOT.symbol and place.side == SELL:
            assert worst >= 0, "spot: more is sold than was bought"
        if worst * place.side > 0:
            assert abs(worst) <= self.limits.position_lots_max
            assert abs(worst) * place.price <= self.limits.position_notional_max
        assert 0 < place.lots <= self.limits.order_lots_max
        assert place.lots * place.price <= self.limits.order_notional_max
        assert len(self.live) < self.limits.open_orders_max
        last = self.last[place.instrument]
        assert abs(place.price - last) * 1_000_000 <= self.limits.price_collar_ppm * last
        self.sent_ns.append(self.clock_ns)
        recent = [at_ns for at_ns in self.sent_ns if at_ns > self.clock_ns - MINUTE]
        assert len(recent) <= self.limits.orders_per_minute_max
        self.live.append(Working(place, place.lots))

    def worst_lots(self, symbol: str, side: int) -> int:
        """The position when everything on ``side`` that may still fill does, and nothing else."""
        pending = sum(
            one.remaining for one in (*self.live, *self.settling)
            if one.place.instrument == symbol and one.place.side == side
        )  # fmt: skip
        return self.held[symbol] + side * pending

    # --- what can happen -----------------------------------------------------------------------------------------

    def do(self, operation: Operation) -> None:
        """Make it happen; what concerns an order that is not there does nothing."""
        name, number, price, side = operation
        now_ns = self.desk.now_ns
        simple: dict[str, Callable[[], Event]] = {
            "kill": lambda: Kill(now_ns, "operator", "enough"),
            "resume": lambda: Resume(now_ns, "operator", "go on"),
            "stop": lambda: Stop(now_ns, "SIGTERM"),
            "clean": lambda: Reconciled(now_ns, True, begun_ns=now_ns),
            "unclean": lambda: Reconciled(now_ns, False, "?"),
            "timer": lambda: Timer(now_ns),
            "pause": lambda: Pause(now_ns, now_ns + number * 4 * SECOND, "guard", "volatile"),
            "quote": lambda: Quote(now_ns, INSTRUMENTS[number % 2].symbol, price - number, 1, price + number, 1),
        }
        if name in simple:
            self.step(simple[name]())
        elif name == "wait":
            self.desk.wait((number // 2 - 2) * SECOND)
        elif name == "trade":
            self._trade(number % 2, price, side)
        elif name == "restart":
            self._restart()
        elif name in ("settle", "late"):
            self._after_the_end(name, number, price)
        elif self.live:
            self._order_news(name, self.live[number % len(self.live)], number + 1, price)

    def _trade(self, index: int, price: int, say: int) -> None:
        policy = self.desk.policy
        policy.answer = Decision(say, "wanted", (price,))
        self.step(Trade(self.desk.now_ns, INSTRUMENTS[index].symbol, price, 1, BUY))
        policy.answer = None
        assert len(self.take_decisions()) == 1

    def _restart(self) -> None:
        self.epoch += 1
        for one in self.live:
            one.is_lost = True
        self.step(Started(self.desk.now_ns, "install", self.epoch))

    def _order_news(self, name: str, order: Working, lots: int, price: int) -> None:
        now_ns, client_id = self.desk.now_ns, order.place.client_id
        untouched = order.remaining == order.place.lots
        match name:
            case "durable":
                self.step(OrderDurable(now_ns, client_id))
            case "sent":
                self.step(OrderSent(now_ns, client_id))
            case "ack":
                order.is_lost = False
                self.step(OrderAccepted(now_ns, client_id, f"v{order.place.sequence}"))
            case "lose":
                order.is_lost = True
                self.step(OrderUnknown(now_ns, client_id, "no answer"))
            case "refuse_cancel":
                self.step(CancelFailed(now_ns, client_id, "too new"))
            case "fill":
                self._fill(order, min(lots, order.remaining), price)
            case "cancel":
                self._end(order, OrderCancelled(now_ns, client_id))
            case "expire":
                self._end(order, OrderExpired(now_ns, client_id))
            case "reject" if untouched:
                self._end(order, OrderRejected(now_ns, client_id, "no"))
            case "absent" if untouched and order.is_lost:
                self._end(order, OrderNotPlaced(now_ns, client_id, "not there, three times"))

    def _end(self, order: Working, event: Event) -> None:
        self.live.remove(order)
        if not isinstance(event, OrderRejected):
            self.settling.append(order)
        self.step(event)

    def _after_the_end(self, name: str, number: int, price: int) -> None:
        if not self.settling:
            return
        order = self.settling[number % len(self.settling)]
        if name == "late" and order.remaining:
            self._fill(order, min(number + 1, order.remaining), price)
        elif name == "settle":
            self.settling.remove(order)
            self.step(OrderSettled(self.desk.now_ns, order.place.client_id))

    def _fill(self, order: Working, lots: int, price: int) -> None:
        self.trades += 1
        place = order.place
        order.remaining -= lots
        if order.remaining == 0 and order in self.live:
            self.live.remove(order)
        self.held[place.instrument] += place.side * lots
        self.lowest[place.instrument] = min(self.lowest[place.instrument], self.held[place.instrument])
        self.cash -= place.side * lots * price + 1
        self.last[place.instrument] = self.last[place.instrument] or price
        self.step(OrderFilled(self.desk.now_ns, place.client_id, f"t{self.trades}", lots, price, 1))


def random_world(seed: int, *, length: int) -> World:
    """A long one; the price wanders."""
    random = Random(seed)
    world = World(order_lots=random.randint(1, 30))
    price = 1_000
    for name in random.choices(list(WEIGHTS), list(WEIGHTS.values()), k=length):
        price = min(1_100, max(900, price + random.randint(-6, 6)))
        if name != "stop":  # nothing comes after it
            world.do((name, random.randrange(30), price, random.choice([BUY, SELL, 0])))
    return world

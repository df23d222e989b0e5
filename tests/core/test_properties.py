"""Random worlds: whatever market, venue and operator do, in whatever order, the rules hold after every single event.

The world keeps its own books (who is killed, what may still fill, what was bought) and never asks the engine for
them. In the honest world the venue is slow, loses answers and fills in parts, but what it says is true. In the
dishonest one it says anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.scene import CAPITAL, LEVERAGED, MINUTE, SECOND, SPOT, T0, Desk, cancels, notices, places
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

    def __init__(self, *, order_lots: int, observe: bool = False) -> None:
        self.desk = Desk(
            limits=LIMITS, instruments=INSTRUMENTS, order_lots=order_lots, observe=observe, capital=CAPITAL
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
        same_side = sum(
            one.remaining for one in (*self.live, *self.settling)
            if one.place.instrument == place.instrument and one.place.side == place.side
        )  # fmt: skip
        worst = self.held[place.instrument] + place.side * (same_side + place.lots)
        if self.clock_ns < self.paused_until_ns or self.reduce_only:
            assert place.reduce_only, "an opening order while paused or reduce-only"
        if place.reduce_only:
            assert worst * place.side <= 0, "a reduce-only order that can flip the position"
        else:
            assert not any(one.is_lost and one.place.instrument == place.instrument for one in self.live)
        if place.instrument == SPOT.symbol and place.side == SELL:
            assert worst >= 0, "spot: more is sold than was bought"
        if worst * place.side > 0:
            assert abs(worst) <= LIMITS.position_lots_max
            assert abs(worst) * place.price <= LIMITS.position_notional_max
        assert 0 < place.lots <= LIMITS.order_lots_max
        assert place.lots * place.price <= LIMITS.order_notional_max
        assert len(self.live) < LIMITS.open_orders_max
        last = self.last[place.instrument]
        assert abs(place.price - last) * 1_000_000 <= LIMITS.price_collar_ppm * last
        self.sent_ns.append(self.clock_ns)
        recent = [at_ns for at_ns in self.sent_ns if at_ns > self.clock_ns - MINUTE]
        assert len(recent) <= LIMITS.orders_per_minute_max
        self.live.append(Working(place, place.lots))

    # --- what can happen -----------------------------------------------------------------------------------------

    def do(self, operation: Operation) -> None:
        """Make it happen; what concerns an order that is not there does nothing."""
        name, number, price, side = operation
        now_ns = self.desk.now_ns
        simple: dict[str, Callable[[], Event]] = {
            "kill": lambda: Kill(now_ns, "operator", "enough"),
            "resume": lambda: Resume(now_ns, "operator", "go on"),
            "stop": lambda: Stop(now_ns, "SIGTERM"),
            "clean": lambda: Reconciled(now_ns, True),
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


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS, st.integers(1, 31))
def test_the_rules_hold_in_every_honest_world(operations: list[Operation], order_lots: int) -> None:
    world = World(order_lots=order_lots)
    for operation in operations:
        world.do(operation)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS)
def test_a_profile_that_observes_never_sends(operations: list[Operation]) -> None:
    world = World(order_lots=10, observe=True)
    for operation in operations:
        world.do(operation)
    assert not places(world.desk.commands)
    assert not cancels(world.desk.commands)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS, WORLDS)
def test_kill_means_silence(before: list[Operation], after: list[Operation]) -> None:
    world = World(order_lots=10)
    for operation in before:
        world.do(operation)
    live = {one.place.client_id for one in world.live}
    was_killed = world.killed
    count = len(world.desk.commands)
    world.step(Kill(world.desk.now_ns, "operator", "enough"))
    asked = {command.client_id for command in cancels(world.desk.commands[count:])}
    assert was_killed or asked == live, "not everything that works was cancelled"
    count = len(world.desk.commands)
    for operation in after:
        if operation[0] != "resume":
            world.do(operation)
    assert not places(world.desk.commands[count:])
    assert world.desk.engine.state.control.killed


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


def test_the_rules_hold_in_long_random_worlds_and_those_are_lively() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        world = random_world(seed, length=500)
        seen["orders"] += len(world.ids)
        seen["fills"] += world.trades
        seen["reducing"] += sum(place.reduce_only for place in places(world.desk.commands))
        seen["short"] += min(world.lowest.values()) < 0
        seen.update(code for _, code in notices(world.desk.commands))
    # A world in which nothing happens holds every rule.
    assert seen["orders"] > 1_000
    assert seen["fills"] > 1_000
    for what in ("short", "reducing", "killed", "resumed", "resume_refused", "daily_loss_limit_exceeded", "paused"):
        assert seen[what] > 10, what


def test_the_books_of_the_world_by_hand() -> None:
    world = World(order_lots=10)
    first, all_lots = 0, 29
    story: list[Operation] = [
        ("trade", 0, 1_000, BUY), ("durable", first, 0, 0), ("sent", first, 0, 0), ("ack", first, 0, 0),
        ("fill", 3, 1_001, 0), ("lose", first, 0, 0), ("trade", 0, 1_000, BUY), ("fill", all_lots, 1_002, 0),
        ("trade", 0, 1_010, SELL), ("fill", all_lots, 1_009, 0), ("trade", 1, 1_000, SELL),
        ("fill", all_lots, 1_000, 0), ("pause", 15, 0, 0), ("trade", 1, 990, BUY), ("fill", all_lots, 989, 0),
        ("trade", 1, 990, SELL), ("restart", 0, 0, 0), ("clean", 0, 0, 0), ("kill", 0, 0, 0),
        ("trade", 0, 1_000, BUY), ("resume", 0, 0, 0), ("trade", 0, 1_000, BUY),
    ]  # fmt: skip
    for operation in story:
        world.do(operation)
    assert len(world.ids) == 5
    assert world.held == {SPOT.symbol: 0, LEVERAGED.symbol: 0}
    assert world.trades == 5
    # Spot: 4 at 1,001 and 6 at 1,002, sold at 1,009. Leveraged: 10 sold at 1,000, bought back at 989. Five fees of 1.
    assert world.desk.engine.state.ledger.equity == CAPITAL + (10_090 - 4_004 - 6_012) + 110 - 5


ANY_NEWS = st.builds(
    lambda make, order: (make, order),
    st.sampled_from(
        [
            lambda i: OrderDurable(T0, i), lambda i: OrderSent(T0, i), lambda i: OrderAccepted(T0, i, "v"),
            lambda i: OrderAccepted(T0, i, ""), lambda i: OrderRejected(T0, i, "no"), lambda i: OrderCancelled(T0, i),
            lambda i: OrderExpired(T0, i), lambda i: OrderUnknown(T0, i, "?"), lambda i: OrderNotPlaced(T0, i, "e"),
            lambda i: CancelFailed(T0, i, "late"),
        ]
    ),
    st.integers(0, 6),
)  # fmt: skip
ANY_FILL = st.tuples(st.integers(0, 6), st.sampled_from("abcdef"), st.integers(-1, 40), st.integers(-1, 1_100))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(ANY_NEWS, ANY_FILL, st.sampled_from([BUY, SELL]), st.just("clean"), st.just("kill"))))
def test_the_money_is_right_and_kill_is_silent_whatever_the_venue_says(story: list[object]) -> None:
    desk = Desk(limits=replace(LIMITS, open_orders_max=50, orders_per_minute_max=1_000), order_lots=10)
    orders: list[Place] = []
    booked: dict[tuple[str, str], tuple[int, int, int]] = {}
    killed = False
    desk.market(1_000)
    for part in story:
        match part:
            case int():
                killed = killed or desk.engine.state.control.killed
                made = places(desk.market(1_000, say=part))
                assert not (killed and made)
                orders += made
            case "clean":
                desk.step(Reconciled(T0, True))
            case "kill":
                desk.step(Kill(T0, "operator", "enough"))
                killed = True
            case (int() as number, str() as trade_id, int() as lots, int() as price):
                place = orders[number] if number < len(orders) else None
                client_id = place.client_id if place is not None else f"nobody-{number}"
                desk.step(OrderFilled(T0, client_id, trade_id, lots, price, 2))
                if place is not None and lots > 0 and price > 0:
                    booked.setdefault((client_id, trade_id), (place.side * lots, price, 2))
            case (make, int() as number):
                assert callable(make)
                desk.step(make(orders[number].client_id if number < len(orders) else f"nobody-{number}"))
    held = sum(lots for lots, _, _ in booked.values())
    cash = -sum(lots * price + fee for lots, price, fee in booked.values())
    assert desk.lots() == held
    assert desk.engine.state.ledger.equity == CAPITAL + cash + held * 1_000

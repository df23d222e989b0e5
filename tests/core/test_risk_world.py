"""Random worlds with every limit of the account, every breaker and every control: what must hold after each event.

The books are the world's own. A limit on what may be held counts everything that may still fill, at its worst, in every
state and not only when an order is made. What the breakers did is read off the records of their trips.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.scene import SECOND, SPOT
from tests.core.test_restart import restarted
from tests.core.world import INSTRUMENTS, LIMITS, WEIGHTS, Operation, Working, World
from tests.examples import examples
from ztb.core.command import FLATTEN, Cleared, Command, Notify, Place, Tripped
from ztb.core.event import (
    ApiHealth,
    BrokerRead,
    ChooseProfile,
    Event,
    Feed,
    Flatten,
    LiftPause,
    Pause,
    Trade,
    WalletMeasured,
)
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision
from ztb.core.rules import Exits

TIGHT = replace(
    LIMITS, exposure_max=66_000, leverage_ppm_max=75_000, orders_per_day_max=400, day_notional_max=10**7,
    losses_in_row_max=4, trade_loss_max=900, price_move_ppm_max=70_000, fill_slippage_ppm_max=2_000,
    daily_loss_ppm_max=600, open_orders_max=6, orders_per_minute_max=12,
)  # fmt: skip
EXITS = Exits(stop_loss_ppm=15_000, take_profit_ppm=25_000, trailing_ppm=12_000, cool_down=True)
LOWEST_PRICE = 900

# What each trip asks for, written down from the requirements (C-44 to C-50, B-55 to B-58, E).
KILLS = {"max_drawdown_exceeded", "max_trade_loss_exceeded", "risk_evaluation_failed"}
REDUCES = {
    "daily_loss_limit_exceeded", "consecutive_losses", "max_position_size_exceeded", "max_leverage_exceeded",
    "wallet_drift_exceeded", "api_health", "validation_failures", "stream_stale",
}  # fmt: skip
OF_ONE = {"price_move", "stale_mark", "slippage_guard", "cooldown_active"}

MORE = {
    "api": 3, "reads": 12, "wallet": 6, "feed": 12, "pause_one": 6, "freeze": 4, "lift": 10, "flatten": 4, "panic": 2,
    "choose": 4,
}  # fmt: skip
ALL = WEIGHTS | MORE | {"resume": 60, "clean": 45, "stop": 0, "timer": 120, "restart": 3, "unclean": 2}


class RiskWorld(World):
    """What the operator and the breakers said, in books of its own."""

    def __init__(self, *, order_lots: int) -> None:
        super().__init__(order_lots=order_lots, limits=TIGHT, exits=EXITS)
        self.paused: dict[str, int] = {}
        self.frozen: dict[str, int] = {}
        self.reasons: set[str] = set()
        self.flattening = False
        self.seen: Counter[str] = Counter()

    def step(self, event: Event) -> None:
        super().step(event)
        total = 0
        for symbol in self.held:
            worst = max(abs(self.worst_lots(symbol, side)) for side in (BUY, SELL))
            assert worst <= TIGHT.position_lots_max, "a position can grow above its limit"
            assert self.worst_lots(SPOT.symbol, SELL) >= 0, "spot: more may be sold than was bought"
            total += worst * LOWEST_PRICE
        assert total <= (TIGHT.exposure_max or 0), "the account can grow above its limit"

    def _note(self, event: Event) -> None:
        match event:
            case Pause():
                book = self.frozen if event.freeze else self.paused
                book[event.instrument] = max(book.get(event.instrument, 0), event.until_ns)
            case LiftPause():
                self._lift()
            case Flatten():
                self.flattening = True
                self.killed |= event.kill
            case _:
                super()._note(event)

    def _lift(self) -> None:
        self.paused.clear()
        self.frozen.clear()

    def _see(self, command: Command) -> None:
        match command:
            case Tripped():
                self.seen[command.code] += 1
                self.killed |= command.code in KILLS
                self.reasons |= {command.code} & REDUCES
                if command.until_ns:
                    target = command.instrument if command.code in OF_ONE else ""
                    assert command.until_ns >= self.clock_ns
                    self.paused[target] = max(self.paused.get(target, 0), command.until_ns)
            case Cleared():
                assert command.code not in ("daily_loss_limit_exceeded", "consecutive_losses"), "only by a resume"
                self.reasons.discard(command.code)
            case Notify(code="resumed"):
                self._lift()
                self.reasons.clear()
                self.flattening = False
                super()._see(command)
            case _:
                super()._see(command)

    def _see_order(self, place: Place) -> None:
        if place.purpose == FLATTEN:
            self.seen["flatten order"] += 1
            assert self.flattening, "an order of a flatten that nobody asked for"
            assert place.reduce_only
            assert (self.worst_lots(place.instrument, place.side) + place.side * place.lots) * place.side <= 0
            self.ids.add(place.client_id)
            self.sent_ns.append(self.clock_ns)
            self.live.append(Working(place, place.lots))
            return
        assert not self.flattening, "an order of the policy during or after a flatten"
        for name in ("", place.instrument):
            assert self.clock_ns >= self.frozen.get(name, 0), "an order while frozen"
            if self.clock_ns < self.paused.get(name, 0):
                assert place.reduce_only, "an opening order while paused"
        assert place.reduce_only or not self.reasons, f"an opening order in spite of {self.reasons}"
        self.seen["reducing" if place.reduce_only else "opening"] += 1
        super()._see_order(place)
        if not place.reduce_only:
            worst = {s: max(abs(self.worst_lots(s, side)) for side in (BUY, SELL)) for s in self.held}
            value = sum(lots * self.last[symbol] for symbol, lots in worst.items())
            assert value <= (TIGHT.exposure_max or 0)
            assert value * 1_000_000 <= (TIGHT.leverage_ppm_max or 0) * self.desk.engine.state.ledger.equity

    def _trade(self, index: int, price: int, say: int) -> None:
        policy = self.desk.policy
        policy.answer = Decision(say, "wanted", (price,))
        self.step(Trade(self.desk.now_ns, INSTRUMENTS[index].symbol, price, 1, BUY))
        policy.answer = None
        assert self.take_decisions()

    def do(self, operation: Operation) -> None:
        name, number, _, _ = operation
        now_ns = self.desk.now_ns
        symbol = INSTRUMENTS[number % 2].symbol
        event: Event
        match name:
            case "api":
                event = ApiHealth(now_ns, 100, number, 30_000 * number, breaker_open=number == 7)
            case "reads":
                event = BrokerRead(now_ns, number > 20, "no answer")
            case "wallet":
                event = WalletMeasured(now_ns, symbol, number // 10 - 1)
            case "feed":
                event = Feed(now_ns, number % 3 == 0)
            case "pause_one":
                event = Pause(now_ns, now_ns + number * SECOND, "operator", "look", symbol)
            case "freeze":
                event = Pause(now_ns, now_ns + number * SECOND, "operator", "wait", symbol if number % 3 else "", True)
            case "lift":
                event = LiftPause(now_ns, "operator", "go on")
            case "flatten" | "panic":
                event = Flatten(
                    now_ns, "operator", "out", "limit", 10_000, 60 * SECOND, kill=name == "panic"
                )  # fmt: skip
            case "choose":
                event = ChooseProfile(now_ns, number % 2 == 0, "operator", "as it was")
            case _:
                super().do(operation)
                return
        self.step(event)


STEPS = st.tuples(
    st.sampled_from([name for name, weight in ALL.items() for _ in range(weight)]),
    st.integers(0, 29), st.integers(980, 1_020), st.sampled_from([BUY, SELL, 0]),
)  # fmt: skip


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=20, max_size=150), st.integers(1, 31))
def test_the_limits_of_the_account_and_every_control_hold_in_every_world(
    operations: list[Operation], order_lots: int
) -> None:
    world = RiskWorld(order_lots=order_lots)
    for operation in operations:
        world.do(operation)


def long_world(seed: int, *, length: int) -> RiskWorld:
    """The price wanders; now and then it jumps."""
    random = Random(seed)
    world = RiskWorld(order_lots=random.randint(5, 30))
    price = 1_000
    for name in random.choices(list(ALL), list(ALL.values()), k=length):
        reach = 60 if random.random() < 0.02 else 4
        price = min(1_080, max(920, price + random.randint(-reach, reach)))
        world.do((name, random.randrange(30), price, random.choice([BUY, SELL, 0])))
    return world


def test_the_long_worlds_are_lively() -> None:
    seen: Counter[str] = Counter()
    for seed in range(80):
        seen += long_world(seed, length=500).seen
    for what in (
        "opening", "reducing", "flatten order", "api_health", "price_move", "slippage_guard", "cooldown_active",
        "wallet_drift_exceeded", "broker_read_failures", "stream_reconnected", "daily_loss_limit_exceeded",
        "stale_mark", "max_drawdown_exceeded",
    ):  # fmt: skip
        assert seen[what] > 5, (what, seen)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(1, 250))
def test_a_restart_anywhere_in_such_a_world_goes_on_as_if_nothing_had_happened(seed: int, length: int) -> None:
    world = long_world(seed, length=length)
    old, policy = world.desk.engine, world.desk.policy
    new = restarted(old)
    new.policy = policy
    count = len(world.desk.commands)
    story: list[tuple[Event, object]] = []
    take = world.desk.step

    def taken(event: Event) -> list[Command]:
        story.append((event, policy.answer))
        return take(event)

    world.desk.step = taken  # type: ignore[method-assign]
    world.do(("restart", 0, 0, 0))
    random = Random(seed + 1)
    for name in random.choices(list(ALL), list(ALL.values()), k=60):
        world.do((name, random.randrange(30), 1_000 + random.randint(-20, 20), random.choice([BUY, SELL, 0])))
    told: list[Command] = []
    for event, answer in story:
        policy.answer = answer
        told += new.step(event)
    assert [repr(one) for one in told] == [repr(one) for one in world.desk.commands[count:]]
    assert new.state.digest() == old.state.digest()

"""Random worlds: whatever market, venue and operator do, in whatever order, the rules hold after every single event.

The world keeps its own books (who is killed, what may still fill, what was bought) and never asks the engine for
them. In the honest world the venue is slow, loses answers and fills in parts, but what it says is true. In the
dishonest one it says anything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.scene import CAPITAL, LEVERAGED, SPOT, T0, Desk, cancels, notices, places
from tests.core.world import LIMITS, WORLDS, Operation, World, random_world
from ztb.core.command import Place
from ztb.core.event import (
    CancelFailed,
    Kill,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    Reconciled,
)
from ztb.core.instrument import BUY, SELL


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

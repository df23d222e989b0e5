"""Snapshot and restore: a restarted engine answers like one that never stopped, and proves anew what it must."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.core.scene import LEVERAGED, MINUTE, SECOND, SPOT, T0, Desk, Told, look_ups, notices, places
from tests.core.world import WORLDS, Operation, World
from tests.examples import examples
from ztb.core.error import InvariantBroken
from ztb.core.event import Event, Feed, Kill, OrderUnknown, Reconciled, Resume, Started, Timer, Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision
from ztb.core.step import Engine
from ztb.store.codec import encode


def through_text(snapshot: dict[str, Any]) -> dict[str, Any]:
    """As a checkpoint does it: nothing but JSON survives."""
    plain: dict[str, Any] = json.loads(json.dumps(snapshot))
    return plain


def restarted(engine: Engine) -> Engine:
    """Another engine, made as after a restart of the process."""
    policy = Told()
    new = Engine(engine.config, policy)
    new.state.restore(through_text(engine.state.snapshot()))
    return new


def proven_anew(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Without what a start does not take over."""
    rest = {name: value for name, value in snapshot.items() if name not in ("policy_suspended", "feed_up")}
    rest["control"] = {n: v for n, v in snapshot["control"].items() if n not in ("reconciled", "stopping")}
    return rest


@settings(max_examples=examples(80), suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS)
def test_a_restored_state_is_the_same_state(operations: list[Operation]) -> None:
    world = World(order_lots=10)
    for operation in operations:
        world.do(operation)
    old = world.desk.engine
    new = restarted(old)
    assert proven_anew(new.state.snapshot()) == proven_anew(old.state.snapshot())
    assert list(new.state.working) == list(old.state.working)
    assert not new.state.control.reconciled
    assert not new.state.control.stopping
    assert not new.state.feed_up
    old.state.control.reconciled = old.state.control.stopping = old.state.feed_up = False
    assert new.state.digest() == old.state.digest()


def events_after(now_ns: int) -> list[Event]:
    """A session begins, and a good deal happens."""
    events: list[Event] = [Started(now_ns, "install", 9), Reconciled(now_ns, True), Resume(now_ns, "op", "go on")]
    for n in range(40):
        now_ns += n % 7 * SECOND
        events.append(Trade(now_ns, (SPOT, LEVERAGED)[n % 2].symbol, 1_000 + n * 7 % 30, 1, BUY))
    return [*events, Timer(now_ns + MINUTE), Kill(now_ns + MINUTE, "op", "enough"), Timer(now_ns + 2 * MINUTE)]


@settings(max_examples=examples(80), suppress_health_check=[HealthCheck.too_slow])
@given(WORLDS, st.integers(0, 5))
def test_a_restarted_engine_answers_every_further_event_like_the_old_one(
    operations: list[Operation], wait_seconds: int
) -> None:
    world = World(order_lots=10)
    for operation in operations:
        world.do(operation)
    old = world.desk.engine
    new = restarted(old)
    old.take_decisions()
    for n, event in enumerate(events_after(old.state.now_ns + wait_seconds * SECOND)):
        for engine in (old, new):
            assert isinstance(engine.policy, Told)
            engine.policy.answer = Decision((BUY, SELL, 0)[n % 3], "wanted", (n,))
        assert [encode(c) for c in old.step(event)] == [encode(c) for c in new.step(event)]
        assert old.take_decisions() == new.take_decisions()
        if n > 0:  # a session begins without a feed, and not yet reconciled, in either engine
            old.state.feed_up = False
            assert old.state.digest() == new.state.digest()


def test_what_was_working_is_unknown_after_a_restart_and_looked_up() -> None:
    desk = Desk()
    first, second = desk.working(BUY), desk.order(BUY)
    done = desk.working(BUY)
    desk.fill(done)
    new = restarted(desk.engine)
    asked = new.step(Started(T0 + SECOND, "install", 2))
    assert [c.client_id for c in look_ups(asked)] == [first.client_id, second.client_id]
    assert not places(asked)
    states = {client_id: order.state.value for client_id, order in new.state.orders.items()}
    assert states == {first.client_id: "unknown", second.client_id: "unknown", done.client_id: "filled"}


def test_a_kill_survives_a_restart() -> None:
    desk = Desk()
    desk.step(Kill(T0, "operator", "enough"))
    new = restarted(desk.engine)
    new.step(Started(T0, "install", 2))
    new.step(Reconciled(T0, True))
    policy = new.policy
    assert isinstance(policy, Told)
    policy.answer = Decision(BUY, "wanted", ())
    assert not new.step(Trade(T0, SPOT.symbol, 1_000, 1, BUY))
    assert new.take_decisions()[0][5] == "killed"
    assert new.state.control.kill_reason == "enough"


def test_sequence_numbers_and_the_rate_go_on_after_a_restart() -> None:
    desk = Desk(limits=replace(Desk().config.limits, orders_per_minute_max=2))
    desk.order(BUY)
    new = restarted(desk.engine)
    new.step(Started(T0, "install", 2))
    new.step(Reconciled(T0, True))
    assert new.state.sequence == 1
    assert new.state.rate.count(T0) == 1


def test_the_loss_limits_are_those_of_the_restored_ledger() -> None:
    desk = Desk(limits=replace(Desk().config.limits, daily_loss_max=5_000), order_lots=100)
    desk.bought(price=1_000)
    desk.market(960)  # 4,000 lost
    new = restarted(desk.engine)
    new.step(Started(T0, "install", 2))
    new.step(Reconciled(T0, True))
    assert not new.step(Trade(T0, SPOT.symbol, 950, 1, BUY))
    assert notices(new.step(Trade(T0, SPOT.symbol, 949, 1, BUY))) == [("error", "daily_loss_limit_exceeded")]


def test_a_snapshot_of_another_version_is_not_guessed_at() -> None:
    desk = Desk()
    plain = desk.engine.state.snapshot()
    plain["version"] += 1
    with pytest.raises(InvariantBroken, match="snapshot version 4, this build reads 3"):
        desk.engine.state.restore(plain)


def test_a_snapshot_with_an_instrument_that_the_profile_does_not_name_is_refused() -> None:
    desk = Desk(instruments=(SPOT, LEVERAGED))
    with pytest.raises(InvariantBroken, match=r"instruments that the profile does not name: \['fx_btc_jpy'\]"):
        Desk().engine.state.restore(desk.engine.state.snapshot())


def test_an_instrument_more_than_the_snapshot_has_begins_empty() -> None:
    desk = Desk(instruments=(SPOT, LEVERAGED))
    alone = Desk()
    alone.bought()
    desk.engine.state.restore(alone.engine.state.snapshot())
    assert (desk.lots(SPOT), desk.lots(LEVERAGED)) == (10, 0)


def test_the_digest_sees_every_change_and_nothing_else() -> None:
    desk = Desk()
    seen = {desk.engine.state.digest()}
    place = desk.order(BUY)
    for event in (
        OrderUnknown(T0, place.client_id, "?"),
        Feed(T0, True, ""),
        Trade(T0 + 1, SPOT.symbol, 1_001, 1, BUY),
        Timer(T0 + 2),
        Kill(T0 + 2, "operator", "enough"),
    ):
        seen.add(desk.engine.state.digest())
        desk.step(event)
    seen.add(desk.engine.state.digest())
    assert len(seen) == 7
    assert desk.engine.state.digest() == desk.engine.state.digest()
    assert len(desk.engine.state.digest()) == 64

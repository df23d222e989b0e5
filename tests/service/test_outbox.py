"""One order, one request, one outcome; nothing is ever sent twice, and nothing stays without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.scene import SPOT, T0
from tests.service.scene import CONFIG, SYMBOL, HandClock, PlayedAccount, filled, until
from ztb.core.command import GTC, TIMES_IN_FORCE, Cancel, LookUp, Place
from ztb.core.error import (
    GateClosed,
    InvariantBroken,
    Rejected,
    StoreError,
    Throttled,
    UnknownFate,
    Unreachable,
    VenueError,
)
from ztb.core.event import (
    CancelFailed,
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderFilled,
    OrderRejected,
    OrderUnknown,
)
from ztb.core.instrument import BUY
from ztb.core.order import Order
from ztb.core.state import State
from ztb.service import outbox as outbox_module
from ztb.service.gate import WireGate
from ztb.service.inbox import Inbox
from ztb.service.measure import Meter
from ztb.service.outbox import NOT_ACKNOWLEDGED, Outbox
from ztb.service.trader import AtTheWire
from ztb.store.journal import Journal
from ztb.store.writer import JournalWriter
from ztb.venues.port import Placed
from ztb.venues.tracker import OrderTracker
from ztb.venues.zaif.rules import CAPABILITIES


def place(client_id: str = "ztb-1", *, reduce_only: bool = False) -> Place:
    return Place(T0, client_id, SYMBOL, BUY, 10, 1_000, reduce_only, 1, "test")


def cancel(client_id: str = "ztb-1", venue_id: str = "v1", *, reason: str = "too_old") -> Cancel:
    return Cancel(T0, client_id, SYMBOL, venue_id, reason)


class Scene:
    """An outbox on a real journal, before a venue played by hand."""

    def __init__(self, directory: Path) -> None:
        self.clock = HandClock()
        self.account = PlayedAccount()
        self.state = State(CONFIG)
        self.state.control.reconciled = True
        self.inbox = Inbox(self.clock)
        self.meter = Meter()
        self.failures: list[BaseException] = []
        self.journal = Journal.open(directory / "journal.db", profile="test", mode="test", now_ns=T0)
        self.writer = JournalWriter(self.journal, on_failure=self.failures.append)
        self.tracker = OrderTracker(self.account, SPOT, self.clock, cursor="")
        self.gate = WireGate(self.state, self.clock, armed=True, journal_failure=lambda: self.writer.failure)
        self.sent: list[str] = []
        self.account.at_wire = AtTheWire(self.gate, lambda event: self.sent.append(event.client_id))
        self.outbox = Outbox(
            account=self.account,
            tracker=self.tracker,
            journal=self.writer,
            gate=self.gate,
            inbox=self.inbox,
            state=self.state,
            meter=self.meter,
            on_failure=self.failures.append,
        )

    def make(self, client_id: str = "ztb-1") -> Place:
        """The engine decided an order: it is in the state and in the journal, not yet fsynced."""
        order = place(client_id)
        self.state.add_order(Order(client_id, SYMBOL, BUY, 10, 1_000, False, T0, 1))
        self.writer.append(T0, "place", b"{}")
        return order

    async def settle(self) -> list[Event]:
        """Until nothing is under way; what was told."""
        await until(lambda: self.outbox.is_idle)
        return await self.told()

    async def told(self) -> list[Event]:
        events: list[Event] = []
        while not self.inbox.is_empty():
            events.append((await self.inbox.take())[0])
        return events


def played(directory: Path, act: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        scene = Scene(directory)
        try:
            await act(scene)
        finally:
            await scene.outbox.close()
            if scene.writer.failure is None:
                await scene.writer.close()
            scene.journal.close()

    asyncio.run(run())


def no(error: type[VenueError], *, kind: str = "exchange") -> VenueError:
    return error("the venue said something", kind=kind, code="said")


OUTCOMES: list[tuple[VenueError | None, type[Event], str]] = [
    (None, OrderAccepted, "orders_placed"),
    (no(Rejected), OrderRejected, "orders_rejected"),
    (no(Throttled, kind="rate_limit"), OrderRejected, "orders_throttled"),
    (no(Unreachable, kind="network"), OrderRejected, "orders_rejected"),
    (no(GateClosed), OrderRejected, ""),
    (no(UnknownFate, kind="network"), OrderUnknown, "orders_unknown"),
]


@pytest.mark.parametrize(("error", "outcome", "counter"), OUTCOMES, ids=lambda value: getattr(value, "__name__", ""))
def test_each_answer_of_the_venue_is_one_event(
    error: VenueError | None, outcome: type[Event], counter: str, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        def answer(order: Place) -> Placed:
            if error is not None:
                raise error
            return Placed("v9", 0)

        scene.account.on_place = answer
        scene.outbox.submit(scene.make())
        # What nobody had to send may be told before its intent is on disk; both are told.
        told = sorted(await scene.settle(), key=lambda event: not isinstance(event, OrderDurable))
        assert [type(event) for event in told] == [OrderDurable, outcome]
        assert len(scene.account.placed) == 1
        counters = ("orders_placed", "orders_rejected", "orders_throttled", "orders_unknown")
        assert {name for name in counters if getattr(scene.meter, name)} == ({counter} if counter else set())
        # What definitely was not done is not watched for any more; the others are.
        assert scene.tracker.is_idle == isinstance(told[1], OrderRejected)
        if isinstance(told[1], OrderAccepted):
            assert told[1].venue_id == "v9"
        if isinstance(told[1], OrderRejected):
            assert told[1].code == "said"

    played(tmp_path, act)


def test_an_order_waits_for_its_intent_to_be_fsynced(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        committed: list[int] = []

        def answer(order: Place) -> Placed:
            committed.append(scene.writer.committed_seq)
            return Placed("v1", 0)

        scene.account.on_place = answer
        order = scene.make()
        intent_seq = scene.writer.appended_seq
        scene.outbox.submit(order)
        assert scene.account.placed == []
        await scene.settle()
        assert committed[0] >= intent_seq

    played(tmp_path, act)


def test_a_closed_gate_uses_nothing_up(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.outbox.submit(scene.make())
        scene.state.control.killed = True
        told = await scene.settle()
        assert scene.account.placed == []
        # The intent may still become durable after the refusal; that is told too.
        assert [one.code for one in told if isinstance(one, OrderRejected)] == ["killed"]

    played(tmp_path, act)


def test_a_journal_that_cannot_be_written_lets_no_order_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        def full() -> None:
            raise StoreError("disk full")

        monkeypatch.setattr(scene.journal, "commit", full)
        scene.outbox.submit(scene.make())
        told = await scene.settle()
        assert scene.account.placed == []
        assert isinstance(told[-1], OrderRejected)
        assert told[-1].code == "store_failed"

    played(tmp_path, act)


@pytest.mark.parametrize("error", [StoreError("no nonce"), ValueError("a defect")])
def test_what_must_never_happen_ends_the_session_and_leaves_no_order_without_an_answer(
    error: Exception, tmp_path: Path
) -> None:
    async def act(scene: Scene) -> None:
        def answer(order: Place) -> Placed:
            raise error

        scene.account.on_place = answer
        scene.outbox.submit(scene.make())
        told = await scene.settle()
        await asyncio.sleep(0)
        assert scene.failures == [error]
        assert isinstance(told[-1], OrderRejected if isinstance(error, StoreError) else OrderUnknown)

    played(tmp_path, act)


def test_closing_tells_what_was_under_way_as_unknown_and_begins_nothing_more(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.account.hold = asyncio.Event()
        scene.outbox.submit(scene.make())
        await until(lambda: bool(scene.account.placed))
        await scene.outbox.close()
        told = await scene.told()
        assert isinstance(told[-1], OrderUnknown)
        scene.outbox.submit(scene.make("ztb-2"))
        scene.outbox.submit(LookUp(T0, "ztb-1", SYMBOL))
        await scene.settle()
        assert [order.client_id for order in scene.account.placed] == ["ztb-1"]
        assert scene.account.looks == 0

    played(tmp_path, act)


def test_an_order_without_an_answer_does_not_hold_up_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "ABANDON_WALL_S", 0.01)

    async def act(scene: Scene) -> None:
        scene.account.hold = asyncio.Event()
        scene.outbox.submit(scene.make())
        await until(lambda: bool(scene.account.placed))
        scene.outbox.submit(cancel("ztb-0", "v0", reason="too_old"))
        await asyncio.sleep(0.05)
        assert not scene.outbox.is_idle
        scene.outbox.submit(cancel("ztb-0", "v0", reason="killed"))
        told = await scene.settle()
        assert [event.client_id for event in told if isinstance(event, OrderUnknown)] == ["ztb-1"]
        assert scene.failures == []

    played(tmp_path, act)


def test_a_cancel_without_a_name_is_told_as_failed_so_that_it_is_asked_again(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.make()
        scene.outbox.submit(cancel(venue_id=""))
        [failed] = await scene.settle()
        assert isinstance(failed, CancelFailed)
        assert failed.code == NOT_ACKNOWLEDGED
        scene.state.orders["ztb-1"].venue_id = "v7"
        scene.outbox.submit(cancel(venue_id=""))
        assert await scene.settle() == []
        assert scene.account.cancelled == ["v7"]

    played(tmp_path, act)


def test_a_confirmed_cancel_is_told_after_a_look_at_the_fills(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.outbox.submit(scene.make())
        await scene.settle()
        scene.outbox.submit(cancel())
        assert await scene.settle() == []
        scene.clock.advance(60)
        ends = await scene.tracker.poll()
        assert [type(event) for event in ends] == [OrderCancelled]

    played(tmp_path, act)


@pytest.mark.parametrize("error", [no(Rejected), no(UnknownFate, kind="network"), no(Throttled, kind="rate_limit")])
def test_a_cancel_that_fails_is_told(error: VenueError, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        def answer(venue_id: str) -> bool:
            raise error

        scene.account.on_cancel = answer
        scene.make()
        scene.outbox.submit(cancel())
        [failed] = await scene.settle()
        assert isinstance(failed, CancelFailed)
        assert failed.code == "said"

    played(tmp_path, act)


def test_a_cancel_that_comes_too_late_is_left_to_the_next_look(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.account.on_cancel = lambda venue_id: False
        scene.make()
        scene.outbox.submit(cancel())
        assert await scene.settle() == []

    played(tmp_path, act)


MANY = replace(CAPABILITIES, cancel_many=10)


def test_a_kill_takes_several_orders_off_in_one_call_where_the_venue_can(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.account.able = MANY
        for number in range(1, 4):
            scene.make(f"ztb-{number}")
            scene.outbox.submit(cancel(f"ztb-{number}", f"v{number}", reason="killed"))
        assert await scene.settle() == []
        assert scene.account.cancelled_together == [("v1", "v2", "v3")]
        assert scene.account.cancelled == []

    played(tmp_path, act)


def test_what_the_venue_did_not_say_yes_to_is_cancelled_by_itself(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.account.able = MANY
        scene.account.on_cancel_all = lambda venue_ids: frozenset({"v1", "somebody's"})
        for number in range(1, 3):
            scene.make(f"ztb-{number}")
            scene.outbox.submit(cancel(f"ztb-{number}", f"v{number}", reason="stopping"))
        scene.make("ztb-3")
        scene.outbox.submit(cancel("ztb-3", "", reason="stopping"))
        told = await scene.settle()
        assert scene.account.cancelled == ["v2"]
        # The one without a name could not be asked for: the engine asks again.
        assert [(type(event), getattr(event, "client_id", "")) for event in told] == [(CancelFailed, "ztb-3")]

    played(tmp_path, act)


@pytest.mark.parametrize("error", [no(UnknownFate, kind="network"), no(Rejected)])
def test_a_call_for_several_that_fails_leaves_none_uncancelled(error: VenueError, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        def answer(venue_ids: Sequence[str]) -> frozenset[str]:
            raise error

        scene.account.able, scene.account.on_cancel_all = MANY, answer
        for number in range(1, 3):
            scene.make(f"ztb-{number}")
            scene.outbox.submit(cancel(f"ztb-{number}", f"v{number}", reason="killed"))
        assert await scene.settle() == []
        assert scene.account.cancelled == ["v1", "v2"]
        # Done with: the same orders can be cancelled again.
        scene.outbox.submit(cancel("ztb-1", "v1", reason="killed"))
        await scene.settle()
        assert len(scene.account.cancelled_together) == 2

    played(tmp_path, act)


def test_cancels_of_every_day_and_of_venues_that_take_one_at_a_time_go_one_by_one(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        for number in range(1, 5):
            scene.make(f"ztb-{number}")
        for number in (1, 2):
            scene.outbox.submit(cancel(f"ztb-{number}", f"v{number}", reason="killed"))
        scene.account.able = MANY
        for number in (3, 4):
            scene.outbox.submit(cancel(f"ztb-{number}", f"v{number}", reason="too_old"))
        await scene.settle()
        assert scene.account.cancelled == ["v1", "v2", "v3", "v4"]
        assert scene.account.cancelled_together == []

    played(tmp_path, act)


@pytest.mark.parametrize("kind", sorted(set(TIMES_IN_FORCE) - {GTC}))
def test_an_order_of_a_kind_that_the_venue_does_not_know_never_leaves(kind: str, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        order = scene.make()
        order.time_in_force = kind
        scene.outbox.submit(order)
        [told] = await scene.settle()
        assert isinstance(told, OrderRejected)
        assert told.code == "unsupported"
        assert kind in told.text
        assert scene.account.placed == []
        assert scene.tracker.is_idle
        scene.account.able = replace(CAPABILITIES, times_in_force=frozenset({kind}))
        again = scene.make("ztb-2")
        again.time_in_force = kind
        scene.outbox.submit(again)
        await scene.settle()
        assert scene.account.placed == [again]

    played(tmp_path, act)


def test_a_fill_that_came_before_the_answer_is_told_right_after_it(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.account.hold = asyncio.Event()
        scene.outbox.submit(scene.make())
        await until(lambda: bool(scene.account.placed))
        early = replace(filled(5, "", 4), venue_order_id="v1")
        assert scene.tracker.take(early) == []
        scene.account.hold.set()
        told = await scene.settle()
        assert [type(event) for event in told] == [OrderDurable, OrderAccepted, OrderFilled]

    played(tmp_path, act)


def test_an_order_whose_answer_is_awaited_is_not_looked_up(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        answered = asyncio.Event()
        place = scene.account.place

        async def slow(order: Place) -> Placed:
            await answered.wait()
            return await place(order)

        scene.account.place = slow  # type: ignore[method-assign]
        scene.outbox.submit(scene.make())
        scene.outbox.submit(LookUp(T0, "ztb-1", SYMBOL))
        for _ in range(200):
            await asyncio.sleep(0.001)
        assert scene.account.looks == 0, "it is no lost order as long as its answer may come"
        answered.set()
        assert any(isinstance(event, OrderAccepted) for event in await scene.settle())
        scene.outbox.submit(LookUp(T0, "ztb-1", SYMBOL))
        await scene.settle()
        assert scene.account.looks > 0

    played(tmp_path, act)


def test_the_same_cancel_or_look_up_is_under_way_only_once(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.make()
        for _ in range(5):
            scene.outbox.submit(cancel())
            scene.outbox.submit(LookUp(T0, "ztb-1", SYMBOL))
        await scene.settle()
        assert scene.account.cancelled == ["v1"]
        # Those of one look-up, 65 s of them.
        assert scene.account.looks <= 7

    played(tmp_path, act)


def test_more_under_way_than_there_can_be_orders_is_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "UNDER_WAY_MAX", 2)

    async def act(scene: Scene) -> None:
        scene.account.hold = asyncio.Event()
        for number in range(2):
            scene.outbox.submit(scene.make(f"ztb-{number}"))
        with pytest.raises(InvariantBroken, match="under way"):
            scene.outbox.submit(scene.make("ztb-9"))

    played(tmp_path, act)

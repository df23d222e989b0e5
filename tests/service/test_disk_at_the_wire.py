"""An order's request is made while the disk works on its intent: whatever the disk does, nothing of it leaves early.

Real parts from the engine to the socket, and a server that counts every byte it reads; only the disk is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.service.scene import SYMBOL, until
from tests.service.test_outbox import Scene, played
from tests.service.wire_rig import PLACED, Rig, hold_fsync, rigged
from tests.venues.loopback import Loopback, Request, reply
from ztb.core.command import Place
from ztb.core.error import GateClosed, InvariantBroken, StoreError
from ztb.core.event import OrderDurable, OrderRejected
from ztb.service import gate as gate_module
from ztb.service import outbox as outbox_module
from ztb.service.gate import DISK_SLOW, NO_INTENT, STOPPING, STORE_FAILED
from ztb.store.codec import decode
from ztb.venues.limiter import LimitClass, Limiter, RateRule
from ztb.venues.port import Placed

QUIET_S = 0.05
"""So long nothing arrives: long enough for what left too early to be seen."""


def held(
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[Rig, Loopback, Callable[[], None]], Awaitable[None]],
) -> None:
    """An order at the wire, its request made, its intent not yet on disk."""

    async def run() -> None:
        server = Loopback([reply(PLACED["zaif"])])
        async with rigged(directory, server) as rig:
            is_held, go = hold_fsync(rig, monkeypatch)
            try:
                await rig.decide()
                await until(lambda: is_held() and server.connections == 1)
                await asyncio.sleep(QUIET_S)
                assert server.bytes_read == 0
                assert rig.recorded("place") == []
                await act(rig, server, go)
            finally:
                go()

    asyncio.run(run())


def rejection(rig: Rig) -> OrderRejected:
    [row] = [row for row in rig.journal.read() if row.kind == "order_rejected"]
    told = decode(row.kind, row.body)
    assert isinstance(told, OrderRejected)
    return told


def test_the_first_byte_arrives_after_the_intent_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(rig: Rig, server: Loopback, go: Callable[[], None]) -> None:
        go()
        await until(lambda: server.bytes_read > 0)
        assert len(rig.recorded("place")) == 1, "who sees a byte of the order finds its intent in the file"
        await until(lambda: rig.outbox.is_idle and rig.inbox.is_empty())
        assert len(server.requests) == 1

    held(tmp_path, monkeypatch, act)


def test_a_disk_that_fails_lets_nothing_out_and_closes_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        server = Loopback([reply(PLACED["zaif"])])
        async with rigged(tmp_path, server) as rig:
            is_held, go = hold_fsync(rig, monkeypatch)
            at_disk = rig.journal.at_disk

            def failing() -> None:
                at_disk()
                raise OSError("the disk is gone")

            monkeypatch.setattr(rig.journal, "at_disk", failing)
            await rig.decide()
            await until(lambda: is_held() and server.connections == 1)
            go()
            await until(lambda: rig.outbox.is_idle)
            await asyncio.sleep(QUIET_S)
            assert server.bytes_read == 0
            assert rig.gate.closed == STORE_FAILED
            assert any(isinstance(failure, StoreError) for failure in rig.failures)

    asyncio.run(run())


def test_a_disk_that_fails_holds_the_order_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(scene: Scene) -> None:
        at_disk = scene.journal.at_disk

        def failing() -> None:
            at_disk()
            raise OSError("the disk is gone")

        monkeypatch.setattr(scene.journal, "at_disk", failing)
        scene.outbox.submit(scene.make())
        [told] = await scene.settle()
        assert isinstance(told, OrderRejected)
        assert (told.code, told.held_back) == (STORE_FAILED, True)
        assert (scene.account.placed, scene.sent) == ([], [])

    played(tmp_path, act)


def test_an_order_that_is_given_up_at_the_wire_never_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(rig: Rig, server: Loopback, go: Callable[[], None]) -> None:
        await rig.outbox.close()
        go()
        await until(lambda: rig.inbox.is_empty())
        await rig.writer.durable()
        await asyncio.sleep(QUIET_S)
        assert server.bytes_read == 0
        told = rejection(rig)
        assert (told.code, told.held_back) == (STOPPING, True)
        assert rig.recorded("order_unknown") == rig.recorded("order_sent") == []

    held(tmp_path, monkeypatch, act)


def test_a_disk_that_hangs_holds_the_order_back_and_lets_cancels_have_their_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "DISK_WALL_S_MAX", 0.2)

    async def run() -> None:
        cancelled = reply('{"success": 1, "return": {"order_id": 5, "funds": {}}}')

        async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
            assert b"method=cancel_order" in request.body
            await cancelled(request, writer)

        server = Loopback([answer])
        async with rigged(tmp_path, server) as rig:
            rule = RateRule(LimitClass.EXEC, calls=10, period_s=1.0)
            rig.limiter._windows |= Limiter({"cancel_order": rule}, clock=rig.clock)._windows
            is_held, go = hold_fsync(rig, monkeypatch)
            try:
                await rig.decide()
                await until(is_held)
                assert await rig.account.cancel(SYMBOL, "5"), "the disk still hangs"
                assert rig.recorded("place") == []
            finally:
                go()
            await until(lambda: rig.outbox.is_idle and rig.inbox.is_empty())
            await rig.writer.durable()
            told = rejection(rig)
            assert (told.code, told.held_back) == (DISK_SLOW, True)
            assert rig.gate.closed == ""
            assert len(server.requests) == 1

    asyncio.run(run())


def test_the_kill_that_gives_up_orders_gives_up_those_that_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act(rig: Rig, server: Loopback, go: Callable[[], None]) -> None:
        monkeypatch.setattr(outbox_module, "ABANDON_WALL_S", 0.0)
        rig.outbox._abandon()
        await until(lambda: rig.outbox.is_idle)
        go()
        await until(lambda: rig.inbox.is_empty())
        await rig.writer.durable()
        assert rejection(rig).held_back
        assert server.bytes_read == 0

    held(tmp_path, monkeypatch, act)


def test_an_order_whose_intent_nobody_announced_does_not_leave(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        assert scene.account.at_wire is not None
        with pytest.raises(GateClosed) as caught:
            await scene.account.place(scene.make())
        assert caught.value.code == NO_INTENT
        assert scene.account.placed == []

    played(tmp_path, act)


def test_an_adapter_that_goes_past_the_gate_ends_the_session(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        async def place(order: Place) -> Placed:
            return Placed("v1", 0)

        scene.account.place = place  # type: ignore[method-assign]
        scene.outbox.submit(scene.make())
        await scene.settle()
        await asyncio.sleep(0)
        [failure] = scene.failures
        assert isinstance(failure, InvariantBroken)

    played(tmp_path, act)


def test_an_order_that_was_refused_is_not_told_durable_later(tmp_path: Path) -> None:
    """The engine is told of an order's intent before its end, or not at all."""

    async def act(scene: Scene) -> None:
        async def place(order: Place) -> Placed:
            raise GateClosed("no", kind="exchange", code="said")

        scene.account.place = place  # type: ignore[method-assign]
        for number in range(20):
            scene.outbox.submit(scene.make(f"ztb-{number}"))
        told = await scene.settle()
        await scene.writer.durable()
        await asyncio.sleep(QUIET_S)
        assert await scene.told() == []
        for number in range(20):
            kinds = [type(event) for event in told if getattr(event, "client_id", "") == f"ztb-{number}"]
            assert kinds in ([OrderRejected], [OrderDurable, OrderRejected])

    played(tmp_path, act)


def test_what_was_let_through_is_on_record_and_measured(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.outbox.submit(scene.make())
        await scene.settle()
        assert scene.sent == ["ztb-1"]
        assert scene.meter.place.summary_us()["samples"] == 1

    played(tmp_path, act)

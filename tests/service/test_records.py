"""Status, measurements, checkpoints: none runs ahead of what the engine has handled, none ends the trading."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.core.scene import T0
from tests.service.scene import SYMBOL, WISHES, filled, shown, until
from tests.service.session_scene import Parts, parts
from ztb.core.event import OrderFilled, Reconciled, Timer, Trade
from ztb.core.instrument import BUY
from ztb.core.order import Order
from ztb.core.state import State
from ztb.service import records as records_module
from ztb.service.opened import OpenedStore
from ztb.service.records import MEASUREMENT
from ztb.store.checkpoint import CheckpointStore


async def checkpoints(made: Parts) -> list[dict[str, object]]:
    """The newest one on disk, if there is any; closes the writer."""
    await made.writer.close()
    found = CheckpointStore(made.store.journal.database).latest()
    return [] if found is None else [found.snapshot]


def test_a_checkpoint_holds_the_state_and_the_cursor_and_starts_the_next_session(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            made.account.fills = [filled(41, "somebody else's")]
            await made.tracker.poll()
            assert made.records.checkpoint()
            digest = made.trader.state.digest()
            [snapshot] = await checkpoints(made)
            assert snapshot["cursor"] == "41"
            made.store.close()
            store = OpenedStore(tmp_path / "state", profile="demo", mode="test", now_ns=T0)
            state = State(made.trader.engine.config)
            recovered = store.recover(state)
            store.close()
            assert (recovered.cursor, recovered.records_folded) == ("41", 0)
            assert state.digest() == digest

    asyncio.run(run())


def test_there_is_no_checkpoint_while_something_waits_for_the_engine(tmp_path: Path) -> None:
    # A fill that the tracker has told and the engine has not handled: its cursor is ahead of the state.
    async def run() -> None:
        async with parts(tmp_path, engine=False) as made:
            assert not made.records.checkpoint()
            assert await checkpoints(made) == []

    asyncio.run(run())


def test_there_is_no_checkpoint_of_an_engine_that_failed(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            made.trader.loop.has_failed = True
            assert not made.records.checkpoint()
            assert await checkpoints(made) == []

    asyncio.run(run())


def test_the_cursor_stays_behind_until_what_a_look_found_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            order = Order("ztb-1", SYMBOL, BUY, 10, 1_000, False, T0, 1)
            made.trader.state.add_order(order)
            made.account.fills = [filled(7, "ztb-0"), filled(8, "ztb-1")]
            seen: list[str] = []
            made.account.on_look = lambda: seen.append(made.trader.cursor)
            sleep = made.clock.sleep

            async def watched(seconds: float) -> None:
                seen.append(made.trader.cursor)
                await sleep(seconds)

            made.clock.sleep = watched  # type: ignore[method-assign]
            told = await made.tracker.resolve(order)
            assert [type(event) for event in told] == [OrderFilled]
            # All the while that the fill was known and not told, it would have been read again after a crash.
            assert set(seen) == {""}
            assert made.trader.cursor == "8"

    asyncio.run(run())


def test_many_orders_make_a_checkpoint_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "ORDERS_PER_CHECKPOINT_MAX", 3)
    monkeypatch.setattr(records_module, "LOOK_WALL_S", 0.001)

    async def run() -> None:
        async with parts(tmp_path, "state.checkpoint_seconds=3600") as made:
            keeping = asyncio.create_task(made.records.keep_checkpoints())
            made.setting.inbox.put_now(Reconciled(0, True))
            made.policy.answer = WISHES["buy"]
            for _ in range(3):
                made.clock.advance(0.1)
                made.setting.inbox.put_now(Trade(0, SYMBOL, 1_000, 5, BUY))
            await until(lambda: made.trader.state.sequence == 3)
            await until(lambda: made.records._checkpoint_sequence == 3)
            keeping.cancel()
            assert len(await checkpoints(made)) == 1

    asyncio.run(run())


def test_a_measurement_is_one_record_of_whole_numbers(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            made.setting.inbox.put_now(Timer(0))
            await made.setting.inbox.until_empty()
            made.records.measure()
            [record] = await made.on_disk(MEASUREMENT)
            plain = json.loads(record.body)
            assert plain["process"]["rss_bytes"] > 1_000_000
            assert plain["process"]["threads"] >= 2
            assert plain["inbox_depth_max"] == 1
            assert plain["clock_backsteps"] == 0

    asyncio.run(run())


def test_a_status_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            (tmp_path / ".status.json.new").mkdir()
            for _ in range(3):
                made.records.write_status()
            assert made.supervisor.failure is None
            assert [getattr(record, "event", "") for record in caplog.records].count("status_not_written") == 1
            (tmp_path / ".status.json.new").rmdir()
            made.records.write_status()
            assert json.loads((tmp_path / "status.json").read_text())["session"]["epoch"] == 1

    asyncio.run(run())


def test_an_orderly_stop_cancels_waits_and_keeps_a_checkpoint(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            made.setting.inbox.put_now(Reconciled(0, True))
            made.policy.answer = WISHES["buy"]
            made.setting.inbox.put_now(Trade(0, SYMBOL, 1_000, 5, BUY))
            await until(lambda: len(made.account.placed) == 1)
            made.policy.answer = None
            tag = made.account.placed[0].client_id
            made.account.open = [shown(tag)]
            await until(lambda: made.trader.state.orders[tag].venue_id == "v1")

            def cancel(venue_id: str) -> bool:
                made.account.open = []
                return True

            made.account.on_cancel = cancel
            made.supervisor.spawn("orders", _pass_on(made))
            await made.way_out.go()
            assert made.account.cancelled == ["v1"]
            assert made.trader.state.orders[tag].state.value == "cancelled"
            assert made.setting.facts.phase == "stopped"
            assert made.supervisor.failure is None
            kinds = [record.kind for record in await made.on_disk()]
            assert "order_cancelled" in kinds
            assert "direct_cancel" not in kinds
            assert len(await checkpoints(made)) == 1

    asyncio.run(run())


def test_what_the_engine_cannot_cancel_any_more_is_cancelled_directly(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            made.trader.state.add_order(Order("ztb-1", SYMBOL, BUY, 10, 1_000, False, T0, 1))
            made.account.open = [shown("ztb-1"), shown("by hand", venue_id="v2"), shown("ztb-9", venue_id="v3")]
            made.trader.loop.has_failed = True
            made.supervisor.fail(ValueError("the engine broke"))
            await made.way_out.go()
            # Ours, and nobody else's: not the owner's own order, nor one of another ztb.
            assert made.account.cancelled == ["v1"]
            [record] = await made.on_disk("direct_cancel")
            assert json.loads(record.body) == {"client_id": "ztb-1", "venue_id": "v1", "cancelled": True}
            assert await checkpoints(made) == []

    asyncio.run(run())


async def _pass_on(made: Parts) -> None:
    async for event in made.tracker.events():
        made.setting.inbox.put_now(event)

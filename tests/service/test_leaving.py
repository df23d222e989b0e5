"""The way out when things are broken: each step within its time, and none keeps the next one from being tried."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.core.scene import T0
from tests.service.scene import SYMBOL, shown
from tests.service.session_scene import parts
from ztb.core.error import StoreError, VenueError
from ztb.core.instrument import BUY
from ztb.core.order import Order
from ztb.service import leaving as leaving_module
from ztb.service.leaving import DIRECT_CANCEL, close_writer


def test_a_disk_that_hangs_is_given_up_and_that_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving_module, "CLOSE_WALL_S_MAX", 0.05)

    async def run() -> None:
        async with parts(tmp_path) as made:
            await made.writer.durable()
            go, commit = threading.Event(), made.store.journal.commit

            def hang() -> object:
                go.wait(60)
                return commit()

            monkeypatch.setattr(made.store.journal, "commit", hang)
            made.writer.append(T0, "measurement", b"{}")
            try:
                assert await close_writer(made.writer, made.supervisor) is False
                assert isinstance(made.supervisor.failure, StoreError)
                assert made.trader.gate.closed == "store_failed"
            finally:
                go.set()

    asyncio.run(run())


def test_a_writer_that_is_well_is_closed_without_a_failure(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            assert await close_writer(made.writer, made.supervisor) is True
            assert made.supervisor.failure is None

    asyncio.run(run())


def test_one_order_that_cannot_be_taken_back_does_not_keep_the_others(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            for name in ("ztb-1", "ztb-2"):
                made.trader.state.add_order(Order(name, SYMBOL, BUY, 10, 1_000, False, T0, 1))
            made.account.open = [shown("ztb-1", venue_id="v1"), shown("ztb-2", venue_id="v2")]

            def cancel(venue_id: str) -> bool:
                if venue_id == "v1":
                    raise VenueError("order is too new", kind="exchange", retryable=True)
                return True

            made.account.on_cancel = cancel
            made.supervisor.fail(ValueError("broken"))
            made.trader.loop.has_failed = True
            await made.way_out.go()
            assert made.account.cancelled == ["v1", "v2"]
            assert made.setting.facts.phase == "stopped"

    asyncio.run(run())


def test_orders_without_a_tag_are_taken_back_by_the_name_that_we_were_told_and_no_others(tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            for name, venue_id in (("ztb-1", "v1"), ("ztb-2", "v2"), ("ztb-3", "v3")):
                order = Order(name, SYMBOL, BUY, 10, 1_000, False, T0, 1)
                made.trader.state.add_order(order)
                made.tracker.watch(order, venue_id=venue_id)
            made.account.able = replace(made.account.able, client_order_id=False, cancel_many=10)
            made.account.on_cancel_all = lambda venue_ids: frozenset(venue_ids) - {"v3"}
            made.account.open = [shown("", venue_id=venue_id) for venue_id in ("v1", "v2", "v3", "the owner's")]
            made.supervisor.fail(ValueError("broken"))
            made.trader.loop.has_failed = True
            await made.way_out.go()
            assert made.account.cancelled_together == [("v1", "v2", "v3")]
            assert made.account.cancelled == ["v3"]
            told = [msgspec.json.decode(record.body) for record in await made.on_disk(DIRECT_CANCEL)]
            assert {row["client_id"]: row["venue_id"] for row in told} == {
                "ztb-1": "v1", "ztb-2": "v2", "ztb-3": "v3"
            }  # fmt: skip

    asyncio.run(run())


def test_orders_are_left_by_an_orderly_stop_only(tmp_path: Path) -> None:
    async def run(directory: Path, *, fails: bool) -> list[str]:
        async with parts(directory, "mode.stop_policy=leave") as made:
            made.trader.state.add_order(Order("ztb-1", SYMBOL, BUY, 10, 1_000, False, T0, 1))
            made.account.open = [shown("ztb-1")]
            if fails:
                made.supervisor.fail(ValueError("broken"))
            await made.way_out.go()
            return made.account.cancelled

    assert asyncio.run(run(tmp_path / "orderly", fails=False)) == []
    assert asyncio.run(run(tmp_path / "broken", fails=True)) == ["v1"]


def test_a_step_that_fails_is_told_and_the_rest_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:

            def broken() -> None:
                raise OSError(5, "Input/output error")

            monkeypatch.setattr(made.records, "measure", broken)
            await made.way_out.go()
            assert made.supervisor.failure is not None
            assert "close_books" in made.supervisor.failure.message
            assert made.setting.facts.phase == "stopped"
            assert (tmp_path / "status.json").exists()

    asyncio.run(run())

"""A kill is told as done only once it is on disk: whoever read so may rely on it, whatever happens to the host."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from tests.service.scene import SYMBOL, until
from tests.service.session_scene import Parts, parts
from ztb.core.error import StoreError
from ztb.core.event import Event, Kill, Reconciled, Trade
from ztb.core.instrument import BUY
from ztb.service import records as records_module
from ztb.service.loop import KILLED

KILL = Kill(0, "test", "now")


def status(directory: Path) -> dict[str, object]:
    plain: dict[str, object] = json.loads((directory / "status.json").read_text())["kill"]
    return plain


def hold_disk(made: Parts, monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """``(held, go)``: the next commit waits."""
    commit, held, go = made.store.journal.commit, threading.Event(), threading.Event()

    def slow() -> object:
        held.set()
        go.wait(60)
        return commit()

    monkeypatch.setattr(made.store.journal, "commit", slow)
    return held, go


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "event", "") for record in caplog.records]


def test_no_status_says_killed_before_the_latch_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)

    async def run() -> None:
        async with parts(tmp_path) as made:
            made.trader.loop.on_killed = made.records.note_kill
            await made.writer.durable()
            held, go = hold_disk(made, monkeypatch)
            keeping = asyncio.create_task(made.records.keep_status())
            await until((tmp_path / "status.json").exists)
            made.setting.inbox.put_now(KILL, first=True)
            await until(held.is_set)
            assert made.trader.state.control.killed, "silent from the first moment"
            made.records.write_status()
            assert status(tmp_path)["on"] is False
            assert "kill_latched" not in told(caplog)
            go.set()
            await until(lambda: status(tmp_path)["on"] is True)
            assert "kill_latched" in told(caplog)
            assert len(await made.on_disk("kill")) == 1
            keeping.cancel()

    asyncio.run(run())


def test_the_answer_does_not_wait_for_the_next_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "STATUS_WALL_S", 3_600.0)

    async def run() -> None:
        async with parts(tmp_path) as made:
            made.trader.loop.on_killed = made.records.note_kill
            keeping = asyncio.create_task(made.records.keep_status())
            await until((tmp_path / "status.json").exists)
            made.setting.inbox.put_now(Trade(0, SYMBOL, 1_000, 5, BUY), first=False)
            made.setting.inbox.put_now(KILL, first=True)
            await until(lambda: status(tmp_path)["on"] is True)
            keeping.cancel()

    asyncio.run(run())


def test_a_disk_that_refuses_the_kill_ends_the_session_silent_and_the_last_status_says_how_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> object:
        raise StoreError("no space left on device")

    async def run() -> None:
        async with parts(tmp_path) as made:
            made.trader.loop.on_killed = made.records.note_kill
            keeping = asyncio.create_task(made.records.keep_status())
            await made.writer.durable()
            monkeypatch.setattr(made.store.journal, "commit", refuse)
            made.setting.inbox.put_now(KILL, first=True)
            await until(lambda: made.supervisor.failure is not None)
            made.records.write_status()
            assert status(tmp_path)["on"] is True
            assert made.trader.gate.closed == "store_failed"
            keeping.cancel()

    asyncio.run(run())


@pytest.mark.parametrize("again", [KILL, Reconciled(0, True)])
def test_it_is_told_once(again: Event, tmp_path: Path) -> None:
    async def run() -> None:
        async with parts(tmp_path) as made:
            calls: list[int] = []
            made.trader.loop.on_killed = lambda: calls.append(made.writer.appended_seq)
            made.setting.inbox.put_now(KILL, first=True)
            made.setting.inbox.put_now(again)
            await made.setting.inbox.until_empty()
            [seq] = calls
            notices = [record for record in await made.on_disk("notify") if KILLED in record.body.decode()]
            assert [record.seq for record in notices] == [seq], "its own record is among those that are waited for"

    asyncio.run(run())

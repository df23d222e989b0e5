"""The writer thread: durable means fsynced, groups are whole, and every failure reaches the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import apsw
import pytest
import uvloop

from tests.store.faulty_vfs import Disk, faulty_disk
from tests.store.samples import NOW_NS, content, filled_journal, open_journal, plain_records
from ztb.core.error import InvariantBroken, StoreError
from ztb.store import limits
from ztb.store.checkpoint import CheckpointStore
from ztb.store.journal import Journal
from ztb.store.limits import BODY_BYTES_MAX
from ztb.store.reader import JournalReader
from ztb.store.writer import JournalWriter

Runner = Callable[[Coroutine[Any, Any, None]], None]


def run_uvloop(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def run_asyncio(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work, debug=True)  # debug: a call into the loop from the wrong thread raises


@pytest.fixture(params=[run_asyncio, run_uvloop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Runner:
    runner: Runner = request.param
    return runner


def never(error: StoreError) -> None:
    raise AssertionError(f"on_failure was called: {error}")


def durable_now(path: Path) -> list[tuple[int, str, bytes]]:
    """What another connection sees in the file."""
    reader = JournalReader(path)
    try:
        return content(list(reader.read()))
    finally:
        reader.close()


def test_durable_returns_after_the_commit(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        await writer.durable()  # nothing to wait for
        for first in (1, 4, 300):
            records = plain_records({1: 3, 4: 296, 300: 1}[first], first)
            for seq, record in enumerate(records, first):
                assert writer.append(*record) == seq
            await writer.durable()
            assert writer.committed_seq == writer.appended_seq == first + len(records) - 1
            assert durable_now(tmp_path / "journal.db") == plain_records(writer.committed_seq)
        await writer.close()
        assert journal.head.seq == 300
        journal.close()

    run(work())


async def written(writer: JournalWriter, seq: int) -> None:
    """Until it is, although nobody asked for it."""
    for _ in range(60_000):
        if writer.committed_seq >= seq:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"record {seq} was never written")


class CountedJournal:
    """Counts the commits of a journal: each is one fsync."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits = 0
        commit = journal.commit

        def counted() -> object:
            self.commits += 1
            return commit()

        monkeypatch.setattr(journal, "commit", counted)


def test_what_is_appended_before_somebody_waits_shares_one_fsync(
    tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The gathering alone would last for an hour: whoever waits, or closes, does not wait for it.
    monkeypatch.setattr(limits, "GATHER_S", 3600.0)

    async def work() -> None:
        journal = open_journal(tmp_path)
        counted = CountedJournal(journal, monkeypatch)
        writer = JournalWriter(journal, on_failure=never)
        for turn in range(3):
            for record in plain_records(5, 1 + turn * 5):
                writer.append(*record)
                await asyncio.sleep(0.01)  # time enough for a thread that was woken at each
            assert writer.committed_seq == turn * 5
            await writer.durable()
            assert (writer.committed_seq, counted.commits) == (turn * 5 + 5, turn + 1)
        writer.append(*plain_records(1, 16)[0])
        await writer.close()
        journal.close()
        assert durable_now(tmp_path / "journal.db") == plain_records(16)

    run(work())


class HeldDisk:
    """A journal whose commits stop between the last statement and the disk."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = threading.Event()
        self.failure: Exception | None = None
        at_disk = journal.at_disk

        def held() -> None:
            at_disk()
            self.go.wait(60)
            if self.failure is not None:
                raise self.failure

        monkeypatch.setattr(journal, "at_disk", held)


def test_durable_works_without_being_awaited_and_under_way_returns_while_the_disk_works(
    tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GATHER_S", 3600.0)

    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        disk = HeldDisk(journal, monkeypatch)
        await writer.under_way()  # nobody waits for anything
        writer.append(*plain_records(1)[0])
        first = writer.durable()
        await writer.under_way()
        assert not first.done()
        # Of a second one, which has to wait for the commit of the first.
        writer.append(*plain_records(1, 2)[0])
        second = writer.durable()
        is_second_under_way = asyncio.ensure_future(writer.under_way())
        await asyncio.sleep(0.02)
        assert not is_second_under_way.done()
        assert durable_now(tmp_path / "journal.db") == []
        disk.go.set()
        await is_second_under_way
        await first
        await second
        assert durable_now(tmp_path / "journal.db") == plain_records(2)
        assert writer.durable().done()
        await writer.close()
        journal.close()

    run(work())


def test_under_way_and_durable_end_when_the_disk_fails(
    tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        failures: list[StoreError] = []
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=failures.append)

        def failing() -> None:
            raise OSError("the disk is gone")

        monkeypatch.setattr(journal, "at_disk", failing)
        writer.append(*plain_records(1)[0])
        durable = writer.durable()
        await writer.under_way()
        with pytest.raises(StoreError, match="the disk is gone"):
            await durable
        assert len(failures) == 1
        journal.close()

    run(work())


def test_what_nobody_waits_for_is_written_soon(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        for number in range(3):
            writer.append(*plain_records(1, 1 + number)[0])
            await written(writer, 1 + number)
        await writer.close()
        journal.close()

    run(work())


def test_a_flood_is_not_gathered_for_long(tmp_path: Path, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "GATHER_S", 3600.0)

    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        for record in plain_records(limits.GATHER_RECORDS_MAX):
            writer.append(*record)
        await written(writer, limits.GATHER_RECORDS_MAX)
        await writer.close()
        journal.close()

    run(work())


def test_many_tasks_wait_at_once(tmp_path: Path, run: Runner) -> None:
    async def one(writer: JournalWriter, number: int) -> int:
        seq = writer.append(number, "trade", b"%d" % number)
        await writer.durable()
        assert writer.committed_seq >= seq
        return seq

    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        seqs = await asyncio.gather(*(one(writer, number) for number in range(500)))
        assert sorted(seqs) == list(range(1, 501))
        await writer.close()
        journal.close()
        assert len(durable_now(tmp_path / "journal.db")) == 500

    run(work())


def test_what_waits_is_committed_as_one_group(tmp_path: Path) -> None:
    """While one fsync runs, everything that arrives shares the next one."""
    path = filled_journal(tmp_path, 1)

    async def work(disk: Disk) -> None:
        journal = Journal.open(path, profile="demo", mode="demo", now_ns=NOW_NS, vfs=disk.name)
        writer = JournalWriter(journal, on_failure=never)
        held = HeldSync(disk)
        writer.append(1, "trade", b"first")
        await asyncio.to_thread(held.entered.wait)
        for number in range(1_000):
            writer.append(number, "trade", b"{}")
        assert writer.committed_seq == 1
        commits = len(disk.syncs)
        held.let_go.set()
        await writer.durable()
        assert len(disk.syncs) - commits == 3  # the WAL's new header, the first record, and one for all the others
        await writer.close()
        journal.close()

    with faulty_disk() as disk:
        asyncio.run(work(disk))


class HeldSync:
    """Holds the disk's next fsync until it is told to let go."""

    def __init__(self, disk: Disk) -> None:
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self._counted = disk.synced
        disk.synced = self._hold  # type: ignore[method-assign]

    def _hold(self, name: str) -> None:
        self.entered.set()
        assert self.let_go.wait(60)
        self._counted(name)


def test_close_writes_what_is_queued(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        for record in plain_records(5_000):
            writer.append(*record)
        await writer.close()
        with pytest.raises(StoreError, match="is closed"):
            writer.append(1, "trade", b"{}")
        with pytest.raises(StoreError, match="is closed"):
            await writer.durable()
        await writer.close()  # twice is once
        journal.close()

    run(work())
    assert durable_now(tmp_path / "journal.db") == plain_records(5_000)


def test_a_cancelled_wait_disturbs_nobody(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        for _ in range(50):
            writer.append(1, "trade", b"{}")
            impatient = asyncio.ensure_future(writer.durable())
            patient = asyncio.ensure_future(writer.durable())
            await asyncio.sleep(0)
            impatient.cancel()
            await patient
        assert writer.committed_seq == 50
        await writer.close()
        journal.close()

    run(work())


def test_a_disk_error_reaches_everybody_once(tmp_path: Path, run: Runner) -> None:
    path = filled_journal(tmp_path, 10)
    calls: list[tuple[StoreError, str]] = []

    async def work(disk: Disk) -> None:
        def on_failure(error: StoreError) -> None:
            calls.append((error, threading.current_thread().name))

        journal = Journal.open(path, profile="demo", mode="demo", now_ns=NOW_NS, vfs=disk.name)
        writer = JournalWriter(journal, on_failure=on_failure)
        writer.append(1, "trade", b"{}")
        await writer.durable()
        disk.fail_sync = apsw.IOError
        writer.append(2, "trade", b"{}")
        found = await asyncio.gather(*(writer.durable() for _ in range(5)), return_exceptions=True)
        assert [type(error) for error in found] == [StoreError] * 5
        disk.fail_sync = None  # well again, but what it holds is unknown
        with pytest.raises(StoreError, match=r"failed before.*IOError"):
            writer.append(3, "trade", b"{}")
        with pytest.raises(StoreError, match="failed before"):
            await writer.durable()
        with pytest.raises(StoreError, match="failed before"):
            writer.checkpoint(1, {})
        assert (writer.appended_seq, writer.committed_seq) == (12, 11)
        with pytest.raises(StoreError, match="IOError"):
            await writer.close()
        assert writer.failure is not None
        assert journal.failure is not None
        journal.close()

    with faulty_disk() as disk:
        run(work(disk))
    assert len(calls) == 1
    assert calls[0][1] == threading.main_thread().name
    assert calls[0][0].remedy
    assert len(durable_now(path)) >= 11


def test_what_nobody_expected_also_ends_the_waiting(tmp_path: Path, run: Runner) -> None:
    """A kind that is none is found in the thread: it must not die silently and leave orders waiting for ever."""
    calls: list[StoreError] = []

    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=calls.append)
        writer.append(1, "no kind\n", b"{}")
        with pytest.raises(StoreError, match="is no kind of record"):
            await writer.durable()
        with pytest.raises(StoreError):
            await writer.close()
        journal.close()

    run(work())
    assert len(calls) == 1


def test_a_full_queue_ends_all_writing(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 1)
    calls: list[StoreError] = []

    async def work(disk: Disk) -> None:
        journal = Journal.open(path, profile="demo", mode="demo", now_ns=NOW_NS, vfs=disk.name)
        writer = JournalWriter(journal, on_failure=calls.append, queue_records_max=10)
        held = HeldSync(disk)
        writer.append(2, "trade", b"{}")
        await asyncio.to_thread(held.entered.wait)
        for number in range(10):
            writer.append(number, "trade", b"{}")
        waiting = asyncio.ensure_future(writer.durable())
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="queue is full: 10 records wait"):
            writer.append(99, "trade", b"too many")
        with pytest.raises(StoreError, match="queue is full"):
            await waiting
        with pytest.raises(StoreError, match="failed before"):
            writer.append(99, "trade", b"after it")
        held.let_go.set()
        with pytest.raises(StoreError, match="queue is full"):
            await writer.close()
        journal.close()

    with faulty_disk() as disk:
        asyncio.run(work(disk))
    assert len(calls) == 1
    assert len(durable_now(path)) == 12  # what was taken is written; the one that did not fit is not, nor any after it


def test_too_many_bytes_are_refused(tmp_path: Path, run: Runner) -> None:
    calls: list[StoreError] = []

    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=calls.append)
        with pytest.raises(StoreError, match="over the"):
            writer.append(1, "trade", bytes(BODY_BYTES_MAX + 1))
        with pytest.raises(StoreError):
            await writer.close()
        journal.close()
        (tmp_path / "second").mkdir()
        journal = open_journal(tmp_path / "second")
        writer = JournalWriter(journal, on_failure=calls.append, queue_bytes_max=100)
        with pytest.raises(StoreError, match="queue is full"):
            writer.append(1, "trade", bytes(101))
        with pytest.raises(StoreError):
            await writer.close()
        journal.close()

    run(work())
    assert len(calls) == 2


def test_a_checkpoint_is_that_of_its_moment(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        snapshot = {"orders": [1]}
        for record in plain_records(100):
            writer.append(*record)
        assert writer.checkpoint(77, snapshot) == 100
        snapshot["orders"].append(2)  # the engine goes on; what was asked for must not change with it
        for record in plain_records(100, 101):
            writer.append(*record)
        await writer.close()
        newest = CheckpointStore(journal.database).latest()
        assert newest is not None
        assert (newest.seq, newest.ts_ns, newest.snapshot) == (100, 77, {"orders": [1]})
        journal.close()

    run(work())


def test_a_snapshot_that_is_not_plain_is_refused_in_the_loop(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        writer = JournalWriter(journal, on_failure=never)
        with pytest.raises(InvariantBroken, match="float"):
            writer.checkpoint(1, {"price": 0.1})
        writer.append(1, "trade", b"{}")
        await writer.close()
        journal.close()

    run(work())


def test_a_writer_on_a_failed_journal_takes_nothing(tmp_path: Path, run: Runner) -> None:
    async def work() -> None:
        journal = open_journal(tmp_path)
        journal.append(1, "no kind\n", b"{}")
        with pytest.raises(InvariantBroken):
            journal.commit()
        writer = JournalWriter(journal, on_failure=lambda error: None)
        with pytest.raises(StoreError, match="failed before"):
            writer.append(1, "trade", b"{}")
        with pytest.raises(StoreError):
            await writer.close()
        journal.close()

    run(work())


def test_a_disk_that_hangs_is_given_up_when_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.store.writer.CLOSE_SECONDS_MAX", 0.05)
    path = filled_journal(tmp_path, 1)
    calls: list[StoreError] = []

    async def work(disk: Disk) -> None:
        journal = Journal.open(path, profile="demo", mode="demo", now_ns=NOW_NS, vfs=disk.name)
        writer = JournalWriter(journal, on_failure=calls.append)
        held = HeldSync(disk)
        writer.append(1, "trade", b"{}")
        await asyncio.to_thread(held.entered.wait)
        waiting = asyncio.ensure_future(writer.durable())
        await asyncio.sleep(0)
        with pytest.raises(StoreError, match="did not answer"):
            await writer.close()
        with pytest.raises(StoreError, match="did not answer"):
            await waiting
        held.let_go.set()
        monkeypatch.undo()
        with pytest.raises(StoreError, match="did not answer"):
            await writer.close()
        journal.close()

    with faulty_disk() as disk:
        asyncio.run(work(disk))
    assert len(calls) == 1

"""Disks that refuse, fill up or lose power: nothing acknowledged is lost, and after a failure nothing is written."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.store.faulty_vfs import Disk, faulty_disk
from tests.store.samples import NOW_NS, content, filled_journal, open_journal, plain_records
from ztb.core.error import StoreError
from ztb.store.checkpoint import CheckpointStore, encode_snapshot
from ztb.store.journal import Journal
from ztb.store.verify import verify


def open_on(disk: Disk, path: Path) -> Journal:
    return Journal.open(path, profile="demo", mode="demo", now_ns=NOW_NS, vfs=disk.name)


# --- fsync really happens


def test_each_commit_ends_with_one_sync_of_the_wal(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 1)
    with faulty_disk() as disk:
        journal = open_on(disk, path)
        journal.append_many(plain_records(1, 2))
        journal.commit()  # the first one also makes and syncs the WAL's header
        for first, size in ((3, 1), (4, 64), (68, 1_000)):
            disk.syncs.clear()
            disk.writes.clear()
            journal.append_many(plain_records(size, first))
            assert disk.writes == []
            journal.commit()
            assert disk.writes
            assert disk.syncs == [f"{path}-wal"]
        journal.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_kernel_is_asked_to_sync_after_the_last_write_of_each_commit(tmp_path: Path) -> None:
    """What the VFS counts is SQLite's intention; this is what the kernel hears."""
    filled_journal(tmp_path, 1)
    program = (
        "import os, sys; from pathlib import Path; from ztb.store.journal import Journal\n"
        "journal = Journal.open(Path(sys.argv[1]), profile='demo', mode='demo', now_ns=1)\n"
        "for number in range(5):\n"
        "    journal.append(number, 'trade', b'{}'); journal.commit(); os.write(1, b'acknowledged')\n"
    )
    trace = tmp_path / "trace"
    calls = "trace=fsync,fdatasync,pwrite64,write"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", calls, sys.executable, "-c", program]
    done = subprocess.run([*command, str(tmp_path / "journal.db")], capture_output=True, text=True)
    if "Operation not permitted" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.stdout == "acknowledged" * 5, done.stderr
    steps = [step for step in map(step_of, trace.read_text().splitlines()) if step]
    groups = "".join(steps).split("a")[:-1]
    assert len(groups) == 5
    assert all(group.endswith("ws") for group in groups), groups  # written, then synced, then acknowledged


def step_of(line: str) -> str:
    """One letter of a traced call: w(rite) or s(ync) of the WAL, a(cknowledged)."""
    if "journal.db-wal>" in line:
        return "w" if "pwrite64(" in line else "s" if "sync(" in line else ""
    return "a" if '"acknowledged"' in line else ""


# --- the disk refuses


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError, apsw.ReadOnlyError, OSError])
@pytest.mark.parametrize("call", ["write", "sync"])
def test_the_first_failed_write_is_the_last_one(tmp_path: Path, call: str, error: type[Exception]) -> None:
    path = filled_journal(tmp_path, 10)
    with faulty_disk() as disk:
        journal = open_on(disk, path)
        journal.append_many(plain_records(5, 11))
        journal.commit()
        setattr(disk, f"fail_{call}", error)
        journal.append_many(plain_records(5, 16))
        with pytest.raises(StoreError, match=r"journal\.db: writing failed") as caught:
            journal.commit()
        assert caught.value.remedy
        assert caught.value.exit_code == 74
        setattr(disk, f"fail_{call}", None)  # the disk is well again, but we cannot know what it holds
        disk.writes.clear()
        for attempt in (
            journal.commit,
            lambda: journal.append(1, "trade", b"{}"),
            lambda: journal.append_many(plain_records(1)),
            lambda: CheckpointStore(journal.database).save(10, 1, encode_snapshot({})),
        ):
            with pytest.raises(StoreError, match="failed before"):
                attempt()
        assert disk.writes == []
        assert journal.failure is not None
        assert journal.head.seq == 15
        journal.close()
    # What was acknowledged is there. The refused group may be there (a failed sync after whole writes) or not.
    again = open_journal(tmp_path)
    assert again.head.seq in (15, 20)
    assert content(list(again.read())) == plain_records(again.head.seq)
    again.close()
    assert verify(path).ok


def test_a_failed_checkpoint_fails_the_journal(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 10)
    with faulty_disk() as disk:
        journal = open_on(disk, path)
        disk.fail_write = apsw.FullError
        with pytest.raises(StoreError, match="writing failed"):
            CheckpointStore(journal.database).save(10, 1, encode_snapshot({"a": 1}))
        disk.fail_write = None
        with pytest.raises(StoreError, match="failed before"):
            journal.append(1, "trade", b"{}")
        journal.close()


def test_an_interrupt_in_a_transaction_fails_the_journal_and_stays_an_interrupt(tmp_path: Path) -> None:
    """Where Ctrl-C fell is unknown, so nothing is written after it; what was written before it is taken back."""
    journal = open_journal(tmp_path)
    with pytest.raises(KeyboardInterrupt), journal.database.transaction() as connection:
        connection.execute("UPDATE head SET seq = 5")
        raise KeyboardInterrupt
    with pytest.raises(StoreError, match="failed before"):
        journal.append(1, "trade", b"{}")
    journal.close()
    assert open_journal(tmp_path).head.seq == 0


# --- the disk is full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    mount_point = tmp_path / "small"
    mount_point.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(mount_point)]
    done = subprocess.run(command, capture_output=True, text=True) if os.geteuid() == 0 else None
    if done is None or done.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {'not root' if done is None else done.stderr.strip()}")
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


def append_without_end(journal: Journal) -> None:
    """Groups of 50 until an error; at most 100,000 records."""
    for first in range(1, 100_001, 50):
        journal.append_many(plain_records(50, first))
        journal.commit()


def test_a_full_disk_stops_everything_and_loses_nothing(small_disk: Path) -> None:
    journal = open_journal(small_disk)
    with pytest.raises(StoreError, match=r"writing failed: (FullError|IOError)") as caught:
        append_without_end(journal)
    acknowledged = journal.head.seq
    assert acknowledged > 0
    assert "space" in caught.value.remedy
    for _ in range(3):
        with pytest.raises(StoreError, match="failed before"):
            journal.append(1, "trade", b"{}")
        with pytest.raises(StoreError, match="failed before"):
            journal.commit()
    assert journal.head.seq == acknowledged
    journal.close()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    again = open_journal(small_disk)
    assert content(list(again.read())) == plain_records(acknowledged)
    again.append_many(plain_records(50, acknowledged + 1))
    assert again.commit().seq == acknowledged + 50
    again.close()


def test_a_disk_that_is_full_at_the_start_is_a_store_error(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(small_disk).free == 0
    with pytest.raises(StoreError, match="cannot be made"):
        open_journal(small_disk)
    filler.unlink()
    journal = open_journal(small_disk)  # what the failed start left behind does not disturb
    assert journal.head.seq == 0
    journal.close()


# --- the power goes


@pytest.mark.parametrize("seed", range(30))
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    """The disk keeps what was fsynced, and any sectors of what was not, in any order."""
    chance = random.Random(seed)
    path = filled_journal(tmp_path, 20)
    with faulty_disk() as disk:
        disk.watch(path)
        journal = open_on(disk, path)
        journal.database.connection.execute("PRAGMA wal_autocheckpoint = 20")  # so that this happens as well
        acknowledged = 20
        for _ in range(chance.randrange(1, 60)):
            size = chance.choice((1, 3, 70))
            journal.append_many(plain_records(size, acknowledged + 1))
            acknowledged = journal.commit().seq
        disk.fail_sync = apsw.IOError  # the commit that the cut interrupts: written, never synced
        journal.append_many(plain_records(40, acknowledged + 1))
        with pytest.raises(StoreError):
            journal.commit()
        after = tmp_path / "after"
        after.mkdir()
        disk.after_power_cut(after, chance)
        journal.close()
    again = open_journal(after, check_records=None)
    assert again.head.seq in (acknowledged, acknowledged + 40)
    assert content(list(again.read())) == plain_records(again.head.seq)
    again.close()


def test_the_power_cut_test_can_fail(tmp_path: Path) -> None:
    """Without fsync the same cut does lose acknowledged records: the disk of these tests really forgets."""
    path = filled_journal(tmp_path, 20)
    lost = 0
    for seed in range(10):
        with faulty_disk() as disk:
            directory = tmp_path / f"run-{seed}"
            directory.mkdir()
            copy = directory / "journal.db"
            shutil.copy(path, copy)
            disk.watch(copy)
            journal = open_on(disk, copy)
            journal.database.connection.execute("PRAGMA synchronous = OFF")
            for first in range(21, 41):
                journal.append_many(plain_records(1, first))
                journal.commit()
            after = directory / "after"
            after.mkdir()
            disk.after_power_cut(after, random.Random(seed))
            journal.close()
        report = verify(after / "journal.db")
        lost += not report.ok or report.records < 40
    assert lost == 10

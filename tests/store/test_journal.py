"""The journal on a disk: what is committed stays, in order, and only one process may add to it."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.samples import NOW_NS, content, documented_hash, filled_journal, open_journal, plain_records, tamper
from ztb.core.error import InvariantBroken, StoreCorrupt, StoreError
from ztb.store.chain import genesis
from ztb.store.journal import Journal
from ztb.store.limits import READ_BYTES_MAX, READ_ROWS_MAX
from ztb.store.reader import JournalReader
from ztb.store.verify import verify

FORMAT_PAGE = Path(__file__).resolve().parents[2] / "docs" / "journal-format.md"


def documented_verifier(path: Path) -> subprocess.CompletedProcess[str]:
    """The program of the documentation, run as anybody would: with the standard library and nothing of ztb."""
    program = re.findall(r"```python\n(.*?)```", FORMAT_PAGE.read_text(), re.DOTALL)
    assert len(program) == 1
    command = [sys.executable, "-I", "-S", "-c", program[0], str(path)]
    return subprocess.run(command, capture_output=True, text=True)


OTHER_PROCESS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    print(connection.execute(statement).fetchone(), flush=True)
    sys.stdin.readline()
"""


@contextmanager
def other_process(directory: Path, *statements: str) -> Iterator[Callable[[], str]]:
    """Runs ``statements`` on the journal; each call lets it do the next one and gives the first row of its answer."""
    command = [sys.executable, "-c", OTHER_PROCESS, str(directory / "journal.db"), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        begun = False

        def say() -> str:
            nonlocal begun
            assert process.stdin is not None
            assert process.stdout is not None
            if begun:
                print(file=process.stdin, flush=True)
            begun = True
            return process.stdout.readline().strip()

        try:
            yield say
        finally:
            process.kill()


def test_committed_records_are_there_after_reopening(tmp_path: Path) -> None:
    expected = plain_records(2_500)
    journal = open_journal(tmp_path)
    assert journal.append_many(expected[:10]) == 10
    assert journal.commit().seq == 10
    assert journal.append(*expected[10]) == 11
    assert journal.append_many(expected[11:]) == 2_500
    journal.commit()
    head = journal.head
    journal.close()
    again = open_journal(tmp_path)
    assert again.head == head
    records = list(again.read())
    assert content(records) == expected
    assert [record.seq for record in records] == list(range(1, 2_501))
    assert again.append(*expected[0]) == 2_501
    again.commit()
    again.close()
    open_journal(tmp_path, check_records=None).close()  # the whole chain is sound


def test_the_hashes_are_the_documented_ones(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, profile="canary", mode="live")
    journal.append_many(plain_records(200))  # several INSERTs in one commit, the last one not full
    journal.commit()
    link = genesis(journal.identity.install, "canary", "live")
    for record in journal.read():
        link = documented_hash(link, record.seq, (record.ts_ns, record.kind, record.body))
        assert record.hash == link
    assert journal.head.hash == link
    journal.close()


def test_the_documented_program_agrees(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 300)
    found = documented_verifier(path)
    assert found.returncode == 0, found.stderr
    assert found.stdout.strip() == verify(path).head_line()
    tamper(path, "UPDATE journal SET ts_ns = ts_ns + 1 WHERE seq = 123")
    assert documented_verifier(path).stderr.strip() == "the chain breaks at record 123"


def test_what_was_not_committed_is_not_there(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_many(plain_records(5))
    journal.commit()
    journal.append_many(plain_records(5, first=6))
    assert journal.pending == 5
    assert len(list(journal.read())) == 5
    journal.close()
    assert open_journal(tmp_path).head.seq == 5


def test_an_empty_commit_changes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    head = journal.head
    assert head.seq == 0
    assert journal.commit() == head
    journal.close()


def test_reading_from_a_record_and_by_kind(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_many(plain_records(3_000))
    journal.commit()
    assert [record.seq for record in journal.read(after_seq=2_997)] == [2_998, 2_999, 3_000]
    assert list(journal.read(after_seq=3_000)) == []
    assert [record.seq for record in journal.read(after_seq=2_990, kinds={"place"})] == [2_992, 2_995, 2_998]
    with pytest.raises(StoreCorrupt, match="record 4000 is missing"):
        list(journal.read(after_seq=4_000))
    journal.close()


def test_large_records_are_read_in_small_groups(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    body = bytes(3 * 1024 * 1024)
    for number in range(8):
        journal.append(number, "blob", body)
    journal.commit()
    assert 8 * len(body) > 2 * READ_BYTES_MAX
    assert [record.seq for record in journal.read() if record.body == body] == list(range(1, 9))
    journal.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["a", "b"]), st.binary(max_size=40)),
            max_size=150,
        ),
        max_size=4,
    )
)
def test_any_records_in_any_groups_come_back(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[tuple[int, str, bytes]]]
) -> None:
    directory = tmp_path_factory.mktemp("any")
    journal = open_journal(directory)
    for group in groups:
        journal.append_many(group)
        journal.commit()
    expected = [record for group in groups for record in group]
    assert content(list(journal.read())) == expected
    journal.close()
    report = verify(directory / "journal.db")
    assert (report.ok, report.records) == (True, len(expected))


def test_a_bad_kind_fails_the_journal_and_writes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(1, "good", b"{}")
    journal.append(1, "not good: é", b"{}")
    with pytest.raises(InvariantBroken):
        journal.commit()
    with pytest.raises(StoreError, match="failed before"):
        journal.append(1, "good", b"{}")
    with pytest.raises(StoreError, match="failed before"):
        journal.commit()
    journal.close()
    assert open_journal(tmp_path).head.seq == 0


def test_a_time_out_of_range_fails_the_journal(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(2**63, "good", b"{}")
    with pytest.raises(InvariantBroken, match="a good record of the time 9223372036854775808"):
        journal.commit()
    assert journal.failure is not None
    journal.close()


# --- who may open it


@pytest.mark.parametrize(("profile", "mode", "says"), [("demo", "live", "mode 'demo'"), ("canary", "demo", "profile")])
def test_another_profile_or_mode_is_refused(tmp_path: Path, profile: str, mode: str, says: str) -> None:
    path = filled_journal(tmp_path, 3)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=says) as caught:
        open_journal(tmp_path, profile=profile, mode=mode)
    assert "state directory of its own" in caught.value.remedy
    assert path.read_bytes() == before


def test_relabelling_the_mode_breaks_the_chain(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 3)
    tamper(path, "UPDATE identity SET mode = 'live'")
    with pytest.raises(StoreCorrupt, match="chain breaks at record 1"):
        open_journal(tmp_path, mode="live")


def test_every_store_has_an_install_id_of_its_own(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        journal = open_journal(tmp_path / name)
        found.append(journal.identity.install)
        assert journal.identity.created_ns == NOW_NS
        journal.close()
        again = open_journal(tmp_path / name)
        assert again.identity.install == found[-1]
        again.close()
    assert found[0] != found[1]
    assert all(re.fullmatch("[0-9a-f]{16}", install) for install in found)


def test_a_second_writer_cannot_fork_the_chain(tmp_path: Path) -> None:
    first, second = open_journal(tmp_path), open_journal(tmp_path)
    first.append(1, "trade", b"1")
    first.commit()
    second.append(1, "trade", b"2")
    with pytest.raises(StoreError):
        second.commit()
    with pytest.raises(StoreError, match="failed before"):
        second.commit()
    first.append(2, "trade", b"3")
    assert first.commit().seq == 2  # the first one is not disturbed
    second.close()
    first.close()
    assert [record.body for record in open_journal(tmp_path).read()] == [b"1", b"3"]


def test_a_second_writer_is_caught_even_after_the_first_records_vanished(tmp_path: Path) -> None:
    """The head row is compared as well: a free seq alone must not be enough to add a record."""
    journal = open_journal(tmp_path)
    tamper(tmp_path / "journal.db", "UPDATE head SET hash = zeroblob(32)")
    journal.append(1, "trade", b"1")
    with pytest.raises(StoreError, match="another process wrote"):
        journal.commit()
    journal.close()


def test_a_writer_that_holds_the_file_makes_us_fail_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.store.database.BUSY_MS", 20)
    journal = open_journal(tmp_path)
    journal.append(1, "trade", b"1")
    with other_process(tmp_path, "BEGIN IMMEDIATE") as say:
        assert say() == "None"
        with pytest.raises(StoreError, match="locked"):
            journal.commit()
    with pytest.raises(StoreError, match="failed before"):
        journal.commit()
    journal.close()


# --- what is refused at the door


def test_the_file_is_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        open_journal(tmp_path).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600


def test_an_interrupted_first_start_leaves_nothing_that_counts(tmp_path: Path) -> None:
    (tmp_path / "journal.db.new").write_bytes(b"half a file")
    (tmp_path / "journal.db.new-journal").write_bytes(b"half a rollback")
    journal = open_journal(tmp_path)
    assert journal.head.seq == 0
    journal.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal.db"]


def test_an_empty_file_is_not_taken_for_a_new_journal(tmp_path: Path) -> None:
    (tmp_path / "journal.db").touch()
    with pytest.raises(StoreCorrupt, match="is empty"):
        open_journal(tmp_path)


def test_a_journal_that_was_taken_away_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "journal.db-wal").write_bytes(b"left behind")
    with pytest.raises(StoreCorrupt, match="was taken away"):
        open_journal(tmp_path)
    assert (tmp_path / "journal.db-wal").read_bytes() == b"left behind"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is a text, whatever its name says\n" * 200)
    with pytest.raises(StoreCorrupt, match="not a database"):
        open_journal(tmp_path)


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "journal.db")
    other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(StoreCorrupt, match="of another program"):
        open_journal(tmp_path)
    assert (tmp_path / "journal.db").read_bytes() == before


def test_a_directory_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made"):
        open_journal(tmp_path / "missing")


def test_missing_tables_are_corruption(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 3)
    tamper(path, "DROP TABLE head")
    with pytest.raises(StoreCorrupt, match="no whole store"):
        open_journal(tmp_path)


def test_a_missing_identity_is_corruption(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 3)
    tamper(path, "DELETE FROM identity")
    with pytest.raises(StoreCorrupt, match="says not whose it is"):
        open_journal(tmp_path)


def test_a_hand_that_slips_is_stopped(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 3)
    connection = sqlite3.connect(path)
    for statement in ("UPDATE journal SET ts_ns = 0", "DELETE FROM journal WHERE seq = 2"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


# --- readers beside the writer


def test_a_hostile_long_reader_does_not_block_the_writer(tmp_path: Path) -> None:
    """F-15: another process keeps a transaction open over everything while we write on."""
    journal = open_journal(tmp_path)
    journal.append_many(plain_records(500))
    journal.commit()
    count = "SELECT count(*) FROM journal"
    with other_process(tmp_path, "BEGIN", count, count) as say:
        assert (say(), say()) == ("None", "(500,)")
        for first in range(501, 5_501, 100):
            journal.append_many(plain_records(100, first))
            journal.commit()
        assert journal.head.seq == 5_500
        assert say() == "(500,)"  # its view is still that of its beginning
    journal.close()
    open_journal(tmp_path, check_records=None).close()


def test_a_reader_sees_what_is_committed_while_the_writer_goes_on(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_many(plain_records(READ_ROWS_MAX * 2))
    journal.commit()
    reader = JournalReader(tmp_path / "journal.db")
    walk = reader.read()
    assert next(walk).seq == 1
    journal.append_many(plain_records(10, READ_ROWS_MAX * 2 + 1))
    journal.commit()
    # The slow reader holds nothing back: SQLite can move the whole WAL into the file and start it anew.
    busy, in_wal, moved = journal.database.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone() or (1, 0, 0)
    assert busy == 0
    assert in_wal == moved
    assert sum(1 for _ in walk) == READ_ROWS_MAX * 2 - 1
    assert reader.head == journal.head
    assert reader.identity == journal.identity
    with pytest.raises(StoreError), reader._database.transaction() as connection:
        connection.execute("DELETE FROM journal")
    reader.close()
    journal.close()


def test_verify_runs_beside_the_writer(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_many(plain_records(100))
    journal.commit()
    assert verify(tmp_path / "journal.db").records == 100
    journal.append_many(plain_records(100, 101))
    journal.commit()
    assert verify(tmp_path / "journal.db").records == 200
    journal.close()


def test_a_failed_open_lets_go_of_the_file(tmp_path: Path) -> None:
    filled_journal(tmp_path, 3)
    for _ in range(3):
        with pytest.raises(StoreError):
            open_journal(tmp_path, mode="live")
    descriptors = Path(f"/proc/{os.getpid()}/fd").iterdir()
    assert tmp_path / "journal.db" not in [entry.readlink() for entry in descriptors if entry.is_symlink()]


def test_journal_open_is_typed_for_subclasses(tmp_path: Path) -> None:
    class Counted(Journal):
        pass

    journal = Counted.open(tmp_path / "journal.db", profile="p", mode="m", now_ns=1)
    assert type(journal) is Counted
    journal.close()

"""Migrations: an old file is brought up step by step and keeps its records; a newer one is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import apsw
import pytest

from tests.store.samples import NOW_NS, content, documented_hash, filled_journal, open_journal, plain_records, tamper
from ztb.core.error import StoreCorrupt, StoreError
from ztb.store import migrations
from ztb.store.chain import genesis
from ztb.store.checkpoint import CheckpointStore, encode_snapshot
from ztb.store.migrations import SCHEMA_VERSION, migrate, schema_version
from ztb.store.reader import JournalReader
from ztb.store.verify import verify

# What the first schema was. It is written out here and must never be changed: such files are on people's disks.
FIRST_SCHEMA = """
PRAGMA application_id = 2054447722;
CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_ns INTEGER NOT NULL) STRICT;
INSERT INTO schema_version VALUES (1, 1700000000000000000);
CREATE TABLE identity (
    id INTEGER PRIMARY KEY CHECK (id = 0), install TEXT NOT NULL, profile TEXT NOT NULL, mode TEXT NOT NULL,
    created_ns INTEGER NOT NULL) STRICT;
INSERT INTO identity VALUES (0, '0123456789abcdef', 'demo', 'demo', 1700000000000000000);
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL,
    hash BLOB NOT NULL) STRICT;
CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TRIGGER journal_keeps_content BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_keeps_records BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


def old_file(directory: Path, count: int) -> Path:
    """A journal of the first schema, made without our code."""
    path = directory / "journal.db"
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_SCHEMA)
    link = genesis("0123456789abcdef", "demo", "demo")
    for seq, record in enumerate(plain_records(count), 1):
        link = documented_hash(link, seq, record)
        connection.execute("INSERT INTO journal VALUES (?, ?, ?, ?, ?)", (seq, *record, link))
    connection.execute("INSERT INTO head VALUES (0, ?, ?)", (count, link))
    connection.commit()
    connection.close()
    return path


def versions(path: Path) -> list[tuple[int, int]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT version, applied_ns FROM schema_version ORDER BY version").fetchall()
    connection.close()
    return found


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    connection.close()
    return found


def test_a_new_file_has_had_every_step(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 1)
    assert versions(path) == [(number, NOW_NS) for number in range(1, SCHEMA_VERSION + 1)]


def test_an_old_file_is_migrated_and_keeps_its_records(tmp_path: Path) -> None:
    path = old_file(tmp_path, 50)
    assert "checkpoint" not in tables(path)
    journal = open_journal(tmp_path)
    assert content(list(journal.read())) == plain_records(50)
    assert journal.identity.install == "0123456789abcdef"
    CheckpointStore(journal.database).save(50, 1, encode_snapshot({"a": 1}))
    journal.append_many(plain_records(5, 51))
    journal.commit()
    journal.close()
    assert versions(path) == [(1, 1_700_000_000_000_000_000), (2, NOW_NS)]
    assert verify(path).records == 55


def test_a_reader_reads_an_old_file_without_changing_it(tmp_path: Path) -> None:
    path = old_file(tmp_path, 5)
    before = path.read_bytes()
    reader = JournalReader(path)
    assert content(list(reader.read())) == plain_records(5)
    reader.close()
    assert path.read_bytes() == before


def test_opening_again_does_nothing(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 1)
    before = versions(path)
    open_journal(tmp_path).close()
    assert versions(path) == before


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 3)
    tamper(path, f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION + 1}, 1)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=f"schema version {SCHEMA_VERSION + 1}, this ztb knows") as caught:
        open_journal(tmp_path)
    assert "install" in caught.value.remedy
    with pytest.raises(StoreError, match="this ztb knows"):
        JournalReader(path)
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_nothing_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old_file(tmp_path, 5)
    broken = (migrations.STEPS[0], ("CREATE TABLE half (a) ", "CREATE TABLE this is no SQL"))
    monkeypatch.setattr(migrations, "STEPS", broken)
    with pytest.raises(StoreCorrupt, match="no whole store"):
        open_journal(tmp_path)
    assert "half" not in tables(path)
    assert versions(path) == [(1, 1_700_000_000_000_000_000)]
    monkeypatch.undo()
    journal = open_journal(tmp_path)
    assert journal.head.seq == 5
    journal.close()


def test_steps_follow_each_other_each_in_its_own_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (("CREATE TABLE one (a)",), ("CREATE TABLE two (a)",), ("CREATE TABLE two (a)",))
    monkeypatch.setattr(migrations, "STEPS", steps)
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", 3)
    connection = apsw.Connection(":memory:")
    with pytest.raises(apsw.SQLError, match="already exists"):
        migrate(connection, now_ns=1)
    assert schema_version(connection) == 2
    connection.close()

"""Checkpoints: the newest good one counts, a bad one is passed over and told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import open_journal, plain_records, tamper
from ztb.core.error import InvariantBroken
from ztb.store.checkpoint import Checkpoint, CheckpointStore, encode_snapshot
from ztb.store.journal import Journal

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = open_journal(tmp_path)
    opened.append_many(plain_records(100))
    opened.commit()
    yield opened
    opened.close()


def test_there_is_none_at_first(journal: Journal) -> None:
    store = CheckpointStore(journal.database)
    assert store.latest() is None
    assert store.skipped == ()


def test_the_newest_comes_back(journal: Journal, tmp_path: Path) -> None:
    store = CheckpointStore(journal.database)
    assert store.save(0, 5, encode_snapshot({"n": 0})) == 1  # before any record
    assert store.save(40, 6, encode_snapshot({"n": [1, {"a": None}], "ü": True})) == 2
    expected = Checkpoint(2, 40, 6, {"n": [1, {"a": None}], "ü": True})
    assert store.latest() == expected
    journal.close()
    again = open_journal(tmp_path)
    assert CheckpointStore(again.database).latest() == expected
    again.close()


def test_its_hash_is_the_documented_one(journal: Journal) -> None:
    CheckpointStore(journal.database).save(40, 6, encode_snapshot({"b": 1, "a": 2}))
    found = journal.database.connection.execute("SELECT seq, ts_ns, body, sha256 FROM checkpoint").fetchone()
    assert found is not None
    seq, ts_ns, body, digest = found
    link = next(iter(journal.read(after_seq=39))).hash
    assert digest == hashlib.sha256(link + seq.to_bytes(8, "big") + ts_ns.to_bytes(8, "big") + body).digest()
    assert zstandard.ZstdDecompressor().decompress(body) == b'{"a":2,"b":1}'


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("UPDATE checkpoint SET body = CAST(body || x'00' AS BLOB) WHERE id = 3", "hash"),
        ("UPDATE checkpoint SET body = x'' WHERE id = 3", "hash"),
        ("UPDATE checkpoint SET ts_ns = 1 WHERE id = 3", "hash"),
        ("UPDATE checkpoint SET sha256 = zeroblob(32) WHERE id = 3", "hash"),
        ("UPDATE checkpoint SET seq = 29 WHERE id = 3", "hash"),
        ("UPDATE checkpoint SET seq = 101 WHERE id = 3", "the journal ends at 100"),
        ("UPDATE checkpoint SET seq = -1 WHERE id = 3", "record -1"),
    ],
)
def test_a_damaged_one_is_passed_over_and_told(journal: Journal, tmp_path: Path, damage: str, says: str) -> None:
    store = CheckpointStore(journal.database)
    for number in (10, 20, 30):
        store.save(number, number, encode_snapshot({"n": number}))
    tamper(tmp_path / "journal.db", damage)
    found = store.latest()
    assert found is not None
    assert found.snapshot == {"n": 20}
    assert len(store.skipped) == 1
    assert store.skipped[0].startswith("checkpoint 3 passed over: ")
    assert says in store.skipped[0]
    tamper(tmp_path / "journal.db", "UPDATE checkpoint SET sha256 = x''")
    assert store.latest() is None
    assert len(store.skipped) == 3


def plant(journal: Journal, body: bytes) -> None:
    """A checkpoint whose hash is right, whatever its body is."""
    link = next(iter(journal.read(after_seq=39))).hash
    digest = hashlib.sha256(link + (40).to_bytes(8, "big") + (6).to_bytes(8, "big") + body).digest()
    with journal.database.transaction() as connection:
        row = (40, 6, body, digest)
        connection.execute("INSERT INTO checkpoint (seq, ts_ns, body, sha256) VALUES (?, ?, ?, ?)", row)


def bomb() -> bytes:
    """65 MiB of zeros in a few kilobytes."""
    return zstandard.ZstdCompressor().compress(bytes(65 * 1024 * 1024))


def bomb_without_size() -> bytes:
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return compressor.compress(bytes(65 * 1024 * 1024)) + compressor.flush()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (lambda: b"no zstandard", "does not decode"),
        (lambda: zstandard.compress(b"no json"), "does not decode"),
        (lambda: zstandard.compress(b"[1]"), "does not decode"),
        (lambda: zstandard.compress(b'{"a": "\xff"}'), "does not decode"),
        (bomb, "larger than any"),
        (bomb_without_size, "does not decode"),
    ],
)
def test_one_that_does_not_decode_is_passed_over(journal: Journal, body: Callable[[], bytes], says: str) -> None:
    store = CheckpointStore(journal.database)
    store.save(10, 1, encode_snapshot({"good": 1}))
    plant(journal, body())
    found = store.latest()
    assert found is not None
    assert found.snapshot == {"good": 1}
    assert says in store.skipped[0]


def test_one_of_another_journal_is_not_taken(journal: Journal, tmp_path: Path) -> None:
    """The same records with another install id: another chain, so its checkpoints do not fit."""
    CheckpointStore(journal.database).save(40, 6, encode_snapshot({"n": 1}))
    row = journal.database.connection.execute("SELECT seq, ts_ns, body, sha256 FROM checkpoint").fetchone()
    assert row is not None
    (tmp_path / "other").mkdir()
    other = open_journal(tmp_path / "other")
    other.append_many(plain_records(100))
    other.commit()
    with other.database.transaction() as connection:
        connection.execute("INSERT INTO checkpoint (seq, ts_ns, body, sha256) VALUES (?, ?, ?, ?)", row)
    store = CheckpointStore(other.database)
    assert store.latest() is None
    assert len(store.skipped) == 1
    other.close()


def test_a_record_that_is_not_committed_has_no_checkpoint(journal: Journal) -> None:
    with pytest.raises(InvariantBroken, match="record 101, which is not committed"):
        CheckpointStore(journal.database).save(101, 1, encode_snapshot({}))


def test_the_newest_five_and_each_tenth_are_kept(journal: Journal) -> None:
    store = CheckpointStore(journal.database)
    for number in range(1, 48):
        store.save(1, number, encode_snapshot({}))
    kept = [row[0] for row in journal.database.connection.execute("SELECT id FROM checkpoint ORDER BY id")]
    assert kept == [10, 20, 30, 40, 43, 44, 45, 46, 47]


def test_old_ones_are_not_kept_for_ever(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.store.checkpoint.CHECKPOINTS_OLD_MAX", 2)
    store = CheckpointStore(journal.database)
    for number in range(1, 48):
        store.save(1, number, encode_snapshot({}))
    kept = [row[0] for row in journal.database.connection.execute("SELECT id FROM checkpoint ORDER BY id")]
    assert kept == [30, 40, 43, 44, 45, 46, 47]


@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=6))
def test_equal_snapshots_have_equal_bytes(snapshot: dict[str, Any]) -> None:
    turned = dict(reversed(snapshot.items()))
    assert encode_snapshot(snapshot) == encode_snapshot(turned)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"in": value}
    return value


@pytest.mark.parametrize(
    ("snapshot", "says"),
    [
        ({"a": {"b": [1, 2.5]}}, r"snapshot\.a\.b\[1\] is a float"),
        ({"a": {1: 2}}, "the key 1"),
        ({"a": b"x"}, "bytes"),
        ({"a": {1, 2}}, "set"),
        (nested(50), "too deep"),
    ],
)
def test_what_json_would_not_give_back_is_refused(snapshot: dict[str, Any], says: str) -> None:
    with pytest.raises(InvariantBroken, match=says):
        encode_snapshot(snapshot)


def test_too_large_a_snapshot_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.store.checkpoint.SNAPSHOT_BYTES_MAX", 100)
    with pytest.raises(InvariantBroken, match="over the 100"):
        encode_snapshot({"a": "x" * 100})

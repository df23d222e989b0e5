"""The chain: its bytes are those of the documentation, and no two records share them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.samples import NOW_NS, documented_hash, plain_records
from ztb.core.error import InvariantBroken, StoreError
from ztb.store.chain import Break, Head, Row, check, genesis, link
from ztb.store.journal import MemoryJournal
from ztb.store.limits import BODY_BYTES_MAX, KINDS_MAX, PENDING_BYTES_MAX, PENDING_RECORDS_MAX

KINDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)
RECORDS = st.tuples(st.integers(-(2**63), 2**63 - 1), KINDS, st.binary(max_size=50))


def rows_of(count: int, start: Head) -> list[Row]:
    rows: list[Row] = []
    previous = start.hash
    for seq, record in enumerate(plain_records(count), start.seq + 1):
        previous = documented_hash(previous, seq, record)
        rows.append((seq, record[0], record[1].encode(), record[2], previous))
    return rows


def test_genesis_is_the_documented_one() -> None:
    expected = hashlib.sha256(b"ztb journal 1\n0123\ncanary\nlive").digest()
    assert genesis("0123", "canary", "live") == expected


def test_link_of_a_known_record() -> None:
    # printf: 32 zero bytes, 0000000000000001, 0000000000000002, 05, "trade", "{}" through sha256sum
    prefix = bytes(32) + bytes.fromhex("0000000000000001000000000000000205")
    assert link(bytes(32), 1, 2, b"trade", b"{}") == hashlib.sha256(prefix + b"trade{}").digest()


@given(st.integers(1, 2**63 - 1), RECORDS)
def test_link_follows_the_documentation(seq: int, record: tuple[int, str, bytes]) -> None:
    previous = hashlib.sha256(b"before").digest()
    assert link(previous, seq, record[0], record[1].encode(), record[2]) == documented_hash(previous, seq, record)


@given(RECORDS, RECORDS)
def test_different_records_have_different_hashes(one: tuple[int, str, bytes], other: tuple[int, str, bytes]) -> None:
    hashes = {link(bytes(32), 1, ts_ns, kind.encode(), body) for ts_ns, kind, body in (one, other)}
    assert len(hashes) == (1 if one == other else 2)


def test_moving_a_byte_from_body_to_kind_changes_the_hash() -> None:
    assert link(bytes(32), 1, 2, b"trade", b"{}") != link(bytes(32), 1, 2, b"trade{", b"}")


def test_check_walks_to_the_end() -> None:
    start = Head(0, bytes(32))
    rows = rows_of(10, start)
    assert check(start, rows) == (Head(10, rows[-1][4]), None)
    assert check(Head(4, rows[3][4]), rows[4:]) == (Head(10, rows[-1][4]), None)


@pytest.mark.parametrize("bad", range(10))
def test_check_stops_at_the_first_bad_row(bad: int) -> None:
    start = Head(0, bytes(32))
    rows = rows_of(10, start)
    seq, ts_ns, kind, body, row_hash = rows[bad]
    rows[bad] = (seq, ts_ns + 1, kind, body, row_hash)
    reached, found = check(start, rows)
    assert reached == Head(bad, rows[bad - 1][4] if bad else start.hash)
    assert found is not None
    assert found.seq == bad + 1
    assert row_hash.hex()[:16] in found.reason


def test_check_names_the_missing_record() -> None:
    start = Head(0, bytes(32))
    rows = rows_of(10, start)
    assert check(start, rows[:3] + rows[4:])[1] == Break(4, "record 4 is missing, the next one is 5")


def test_check_survives_values_of_other_types() -> None:
    start = Head(0, bytes(32))
    for broken in (
        (1, "x", b"k", b"", b""),
        (1, 1, "k", b"", b""),
        (1, 1, b"k", None, b""),
        (1, 2**70, b"k", b"", b""),
    ):
        _, found = check(start, [broken])  # type: ignore[list-item]
        assert found is not None
        assert found.seq == 1


def test_head_line_names_seq_and_hash() -> None:
    assert Head(7, bytes([255] * 32)).line() == f"ztb journal head seq=7 sha256={'ff' * 32}"


@given(st.lists(RECORDS, max_size=30), st.lists(st.integers(0, 30), max_size=5))
def test_memory_journal_has_the_documented_chain(records: list[tuple[int, str, bytes]], commits: list[int]) -> None:
    journal = MemoryJournal()
    previous = journal.head.hash
    assert previous == hashlib.sha256(b"ztb journal 1\n\nreplay\nmemory").digest()
    for index, record in enumerate(records):
        assert journal.append(*record) == index + 1
        if index in commits:  # where the groups end changes nothing
            journal.commit()
    assert journal.commit().seq == len(records)
    assert journal.pending == 0
    for seq, record in enumerate(records, 1):
        previous = documented_hash(previous, seq, record)
    assert journal.head == (len(records), previous)


def test_limits_are_kept() -> None:
    journal = MemoryJournal()
    with pytest.raises(StoreError, match="over the"):
        journal.append(1, "trade", bytes(BODY_BYTES_MAX + 1))
    for _ in range(PENDING_RECORDS_MAX):
        journal.append(1, "trade", b"")
    with pytest.raises(StoreError, match="commit sooner"):
        journal.append(1, "trade", b"")
    journal.commit()
    assert journal.head.seq == PENDING_RECORDS_MAX


def test_pending_bytes_are_limited_and_free_again_after_a_commit() -> None:
    journal = MemoryJournal()
    large = bytes(BODY_BYTES_MAX)
    fitting = PENDING_BYTES_MAX // BODY_BYTES_MAX
    for _ in range(fitting):
        journal.append(1, "trade", large)
    with pytest.raises(StoreError, match="commit sooner"):
        journal.append(1, "trade", large)
    journal.commit()
    assert journal.append(1, "trade", large) == fitting + 1


@pytest.mark.parametrize("kind", ["", "x" * 65, "tráde", "tra\nde", "tra\0de"])
def test_kinds_are_short_printable_ascii(kind: str) -> None:
    journal = MemoryJournal()
    journal.append(NOW_NS, kind, b"{}")
    with pytest.raises(InvariantBroken, match="is no kind of record"):
        journal.commit()


def test_kinds_are_few() -> None:
    journal = MemoryJournal()
    for number in range(KINDS_MAX + 1):
        journal.append(NOW_NS, f"kind_{number}", b"{}")
    with pytest.raises(InvariantBroken, match=r"kinds of record"):
        journal.commit()

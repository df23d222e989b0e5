"""A damaged or changed journal is never taken for a whole one, and the message says at which record it breaks."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.store.samples import NOW_NS, content, filled_journal, open_journal, plain_records, tamper
from ztb.core.error import StoreCorrupt, UsageError
from ztb.store.reader import JournalReader
from ztb.store.verify import verify

COUNT = 40


DAMAGE = {
    "byte of the body": (17, ["UPDATE journal SET body = CAST('[' || substr(body, 2) AS BLOB) WHERE seq = 17"]),
    "byte of the hash": (17, ["UPDATE journal SET hash = CAST(substr(hash, 1, 31) || x'00' AS BLOB) WHERE seq = 17"]),
    "empty hash": (17, ["UPDATE journal SET hash = x'' WHERE seq = 17"]),
    "time": (17, ["UPDATE journal SET ts_ns = ts_ns - 1 WHERE seq = 17"]),
    "kind": (17, ["UPDATE journal SET kind = 'kill' WHERE seq = 17"]),
    "kind that is no text": (17, ["UPDATE journal SET kind = CAST(x'ff00fe' AS TEXT) WHERE seq = 17"]),
    "kind that is too long": (17, [f"UPDATE journal SET kind = '{'k' * 300}' WHERE seq = 17"]),
    "first record": (1, ["UPDATE journal SET body = x'00' WHERE seq = 1"]),
    "last record": (40, ["UPDATE journal SET body = x'00' WHERE seq = 40"]),
    "deleted row": (17, ["DELETE FROM journal WHERE seq = 17"]),
    "deleted first row": (1, ["DELETE FROM journal WHERE seq = 1"]),
    "deleted last row": (40, ["DELETE FROM journal WHERE seq = 40"]),
    "deleted last ten rows": (31, ["DELETE FROM journal WHERE seq > 30"]),
    "deleted everything": (1, ["DELETE FROM journal"]),
    "deleted front": (1, ["DELETE FROM journal WHERE seq <= 20"]),
    "moved row": (40, ["UPDATE journal SET seq = 41 WHERE seq = 40"]),
    "row before the first": (-1, ["INSERT INTO journal VALUES (-1, 1, 'kill', x'00', zeroblob(32))"]),
    "row after the last": (41, ["INSERT INTO journal VALUES (41, 1, 'kill', x'00', zeroblob(32))"]),
    "swapped rows": (
        17,
        [
            "UPDATE journal SET seq = 1000 WHERE seq = 17",
            "UPDATE journal SET seq = 17 WHERE seq = 18",
            "UPDATE journal SET seq = 18 WHERE seq = 1000",
        ],
    ),
    "head sent back": (31, ["UPDATE head SET seq = 30, hash = (SELECT hash FROM journal WHERE seq = 30)"]),
    "head sent on": (41, ["UPDATE head SET seq = 50"]),
    "head with another hash": (40, ["UPDATE head SET hash = zeroblob(32)"]),
    "another install": (1, ["UPDATE identity SET install = 'another'"]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_verify_names_the_record(tmp_path: Path, name: str) -> None:
    seq, statements = DAMAGE[name]
    path = filled_journal(tmp_path, COUNT)
    assert verify(path).ok
    tamper(path, *statements)
    report = verify(path)
    assert not report.ok
    assert report.first_bad_seq == seq, report.reason
    assert report.reason
    whole = ("row before the first", "row after the last", "head sent on", "head with another hash")
    assert report.records == (COUNT if name in whole else seq - 1)


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_journal_does_not_open_for_trading(tmp_path: Path, name: str) -> None:
    seq, statements = DAMAGE[name]
    path = filled_journal(tmp_path, COUNT)
    tamper(path, *statements)
    with pytest.raises(StoreCorrupt, match=rf"journal\.db: the chain breaks at record {seq}: ") as caught:
        open_journal(tmp_path)
    assert caught.value.exit_code == 65
    assert "keep the file" in caught.value.remedy


def test_only_the_tail_is_verified_at_a_start_if_so_asked(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, COUNT)
    tamper(path, "UPDATE journal SET ts_ns = 0 WHERE seq = 17")
    journal = open_journal(tmp_path, check_records=23)  # 18 to 40
    with pytest.raises(StoreCorrupt, match="at record 17"):
        list(journal.read(kinds=["kill"]))  # also where no record is wanted, all are verified
    journal.close()
    with pytest.raises(StoreCorrupt, match="at record 17"):
        open_journal(tmp_path, check_records=24)
    with pytest.raises(StoreCorrupt, match="at record 17"):
        open_journal(tmp_path, check_records=None)


def test_a_missing_start_of_the_tail_is_named(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, COUNT)
    tamper(path, "DELETE FROM journal WHERE seq = 17")
    with pytest.raises(StoreCorrupt, match="at record 17: record 17 is missing"):
        open_journal(tmp_path, check_records=23)


def test_a_missing_head_row_is_named(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, COUNT)
    tamper(path, "DELETE FROM head")
    with pytest.raises(StoreCorrupt, match="names the newest record is missing"):
        open_journal(tmp_path)
    report = verify(path)
    assert not report.ok
    assert "names the newest record is missing" in report.reason


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_cut_file_is_noticed(tmp_path: Path, share: float) -> None:
    path = filled_journal(tmp_path, 2_000)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    report = verify(path)
    assert not report.ok
    assert report.reason
    with pytest.raises(StoreCorrupt):
        open_journal(tmp_path)


def test_verify_of_nothing_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no journal"):
        verify(tmp_path / "journal.db")


def test_verify_counts_progress(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 2_345)
    steps: list[int] = []
    report = verify(path, steps.append)
    assert report.ok
    assert sum(steps) == 2_345 == report.records
    assert len(steps) > 1


def test_flipped_bytes_anywhere_in_the_file(tmp_path: Path) -> None:
    """Each byte that is flipped is either noticed, or lies where it means nothing: then every record is as it was."""
    path = filled_journal(tmp_path, 1_000)
    whole = path.read_bytes()
    expected = plain_records(1_000)
    chance = random.Random(20_260_801)
    noticed = 0
    for _ in range(400):
        place = chance.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        if verified_content(path) is None:
            noticed += 1
        else:
            assert verified_content(path) == expected, place
    assert noticed > 200  # most of the file is records, and every one of their bytes counts


def verified_content(path: Path) -> list[tuple[int, str, bytes]] | None:
    """What the journal says if it verifies."""
    if not verify(path).ok:
        return None
    reader = JournalReader(path)
    try:
        return content(list(reader.read()))
    finally:
        reader.close()


MUTATIONS = st.one_of(
    st.tuples(st.just("UPDATE journal SET ts_ns = ? WHERE seq = ?"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("UPDATE journal SET kind = ? WHERE seq = ?"), st.text(max_size=10)),
    st.tuples(st.just("UPDATE journal SET body = ? WHERE seq = ?"), st.binary(max_size=20)),
    st.tuples(st.just("UPDATE journal SET hash = ? WHERE seq = ?"), st.binary(max_size=40)),
    st.tuples(st.just("UPDATE journal SET seq = ? WHERE seq = ?"), st.integers(-100, 100)),
)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.sampled_from(["a", "b"]), st.binary(max_size=20)), min_size=1),
    MUTATIONS,
    st.data(),
)
def test_any_chain_verifies_and_any_mutation_of_it_does_not(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[int, str, bytes]],
    mutation: tuple[str, int | str | bytes],
    data: st.DataObject,
) -> None:
    directory = tmp_path_factory.mktemp("mutation")
    journal = open_journal(directory)
    journal.append_many(records)
    journal.commit()
    journal.close()
    path = directory / "journal.db"
    assert verify(path).records == len(records)
    before = rows(path)
    tamper(path)
    seq = data.draw(st.integers(1, len(records)))
    connection = apsw.Connection(str(path))
    with contextlib.suppress(apsw.ConstraintError):  # the seq is taken: nothing changed
        connection.execute(mutation[0], (mutation[1], seq))
    connection.close()
    report = verify(path)
    assert report.ok == (rows(path) == before), report.reason


def rows(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    found = connection.execute("SELECT * FROM journal ORDER BY seq").fetchall()
    connection.close()
    return found


def test_the_clock_may_go_backwards(tmp_path: Path) -> None:
    """The order of records is their seq; a host clock that steps back is recorded as it was."""
    journal = open_journal(tmp_path)
    for ts_ns in (NOW_NS, NOW_NS - 1_000, 0, NOW_NS):
        journal.append(ts_ns, "timer", b"{}")
    journal.commit()
    assert [record.ts_ns for record in journal.read()] == [NOW_NS, NOW_NS - 1_000, 0, NOW_NS]
    journal.close()
    assert verify(tmp_path / "journal.db").ok

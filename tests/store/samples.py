"""Journals for the tests of this room, and the chain computed a second time, from the documentation alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import apsw

from ztb.store.chain import Record
from ztb.store.journal import Journal

NOW_NS = 1_790_000_000_000_000_000
Plain = tuple[int, str, bytes]


def open_journal(
    directory: Path, *, profile: str = "demo", mode: str = "demo", check_records: int | None = 100_000
) -> Journal:
    """The journal of ``directory``, made if there is none."""
    path = directory / "journal.db"
    return Journal.open(path, profile=profile, mode=mode, now_ns=NOW_NS, check_records=check_records)


def plain_records(count: int, first: int = 1) -> list[Plain]:
    """Records whose content tells their seq."""
    return [
        (NOW_NS + seq, ("trade", "place", "order_filled")[seq % 3], f'{{"n":{seq}}}'.encode())
        for seq in range(first, first + count)
    ]


def filled_journal(directory: Path, count: int) -> Path:
    """The path of a closed journal of ``count`` records, all of it in the main file."""
    journal = open_journal(directory)
    journal.append_many(plain_records(count))
    journal.commit()
    journal.close()
    path = directory / "journal.db"
    assert not path.with_name("journal.db-wal").exists()
    return path


def content(records: Sequence[Record]) -> list[Plain]:
    """What was appended, without seq and hash."""
    return [(record.ts_ns, record.kind, record.body) for record in records]


def tamper(path: Path, *statements: str) -> None:
    """What somebody with write access could do. Not by the standard library's SQLite: a second copy of the library in
    one process ignores the locks of the first."""
    connection = apsw.Connection(str(path))
    for trigger in ("journal_keeps_content", "journal_keeps_records"):
        connection.execute(f"DROP TRIGGER IF EXISTS {trigger}")
    for statement in statements:
        connection.execute(statement)
    connection.close()


def documented_hash(previous: bytes, seq: int, record: Plain) -> bytes:
    """docs/journal-format.md in words of another kind: no struct, no shared code."""
    ts_ns, kind, body = record
    digest = hashlib.sha256()
    for part in (previous, seq.to_bytes(8, "big"), ts_ns.to_bytes(8, "big", signed=True)):
        digest.update(part)
    digest.update(bytes([len(kind)]))
    digest.update(kind.encode("ascii"))
    digest.update(body)
    return digest.digest()

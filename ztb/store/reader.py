"""Reads a journal, record by record, each verified against the one before.

The rule: no transaction stays open between two reads, so however slowly somebody reads, the writer and its WAL go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from ztb.core.error import StoreCorrupt, UsageError
from ztb.store.chain import Break, Head, Record, Row, check
from ztb.store.database import Database, Identity, open_reader, reading
from ztb.store.limits import READ_BYTES_MAX, READ_ROWS_MAX

_SELECT_ROWS = """SELECT seq, ts_ns, CAST(kind AS BLOB), body, hash FROM journal
    WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"""
_SELECT_EXTENT = """SELECT seq, hash, (SELECT min(seq) FROM journal), (SELECT max(seq) FROM journal)
    FROM head WHERE id = 0"""
_REMEDY = "no order may leave on it: keep the file as evidence, then restore a backup or start with an empty directory"


def corrupt(path: Path, found: Break) -> StoreCorrupt:
    """The error for a chain that breaks at ``found``."""
    return StoreCorrupt(f"{path}: the chain breaks at record {found.seq}: {found.reason}", remedy=_REMEDY)


class Extent(NamedTuple):
    """What the head row says, and the lowest and highest seq that stand in the journal (None: there is no record)."""

    head: Head
    lowest_seq: int | None
    highest_seq: int | None

    def find_break(self) -> Break | None:
        """Whether something stands before the first record or after the head."""
        lowest, highest = self.lowest_seq or 0, self.highest_seq or 0
        if lowest < 0 or lowest > 1:
            return Break(min(lowest, 1), f"the first record is {lowest}, it must be 1")
        if highest > self.head.seq:
            return Break(self.head.seq + 1, f"records up to {highest} stand after the head {self.head.seq}")
        return None


def stored_extent(path: Path, connection: apsw.Connection) -> Extent:
    """Head and ends of the journal, all of the same moment; StoreCorrupt without a head row."""
    with reading(path):
        row = connection.execute(_SELECT_EXTENT).fetchone()
    if row is None:
        raise StoreCorrupt(f"{path}: the row that names the newest record is missing", remedy=_REMEDY)
    seq, head_hash, lowest_seq, highest_seq = row
    if not isinstance(seq, int) or not isinstance(head_hash, bytes):
        raise StoreCorrupt(f"{path}: the row that names the newest record is damaged", remedy=_REMEDY)
    return Extent(Head(seq, head_hash), lowest_seq, highest_seq)


def rows_after(path: Path, connection: apsw.Connection, after_seq: int, until_seq: int) -> Iterator[list[Row]]:
    """Stored rows in groups, in order, unchecked; ends at ``until_seq`` or where the rows end."""
    while after_seq < until_seq:
        group: list[Row] = []
        size = 0
        with reading(path):
            for row in connection.execute(_SELECT_ROWS, (after_seq, until_seq, READ_ROWS_MAX)):
                group.append(row)
                size += len(row[3]) if isinstance(row[3], bytes) else 0  # a damaged file may hold anything
                if size >= READ_BYTES_MAX:
                    break
        if not group:
            return
        after_seq = group[-1][0]
        yield group


def head_at(path: Path, connection: apsw.Connection, seq: int, genesis: bytes) -> Head:
    """The stored head after record ``seq``, from which a check can walk on."""
    if seq == 0:
        return Head(0, genesis)
    with reading(path):
        found = connection.execute("SELECT hash FROM journal WHERE seq = ?", (seq,)).get
    if not isinstance(found, bytes):
        raise corrupt(path, Break(seq, f"record {seq} is missing"))
    return Head(seq, found)


def verified_rows(path: Path, connection: apsw.Connection, start: Head, until: Head) -> Iterator[list[Row]]:
    """Rows after ``start`` up to ``until``; StoreCorrupt where they are no chain or do not lead to ``until``."""
    head = start
    for group in rows_after(path, connection, start.seq, until.seq):
        head, found = check(head, group)
        if found is not None:
            raise corrupt(path, found)
        yield group
    found = end_break(head, until)
    if found is not None:
        raise corrupt(path, found)


def end_break(reached: Head, until: Head) -> Break | None:
    """Whether a walk that ended at ``reached`` ended where the head row says."""
    if reached.seq < until.seq:
        return Break(reached.seq + 1, f"the head row says {until.seq} records, they end at {reached.seq}")
    if reached.hash != until.hash:
        return Break(until.seq, "the head row holds another hash than the last record")
    return None


def records(
    path: Path, connection: apsw.Connection, start: Head, until: Head, kinds: Collection[str] | None
) -> Iterator[Record]:
    """Verified records after ``start``; with ``kinds`` only those are given, but all are verified."""
    wanted = None if kinds is None else {kind.encode() for kind in kinds}
    for group in verified_rows(path, connection, start, until):
        for seq, ts_ns, kind, body, row_hash in group:
            if wanted is None or kind in wanted:
                yield Record(seq, ts_ns, kind.decode(), body, row_hash)


class JournalReader:
    """Read-only view of a journal, also while its writer runs; for one thread."""

    def __init__(self, path: Path) -> None:
        """StoreError or StoreCorrupt if there is no readable journal at ``path``."""
        if not path.exists():
            raise UsageError(f"there is no journal at {path}", remedy="name the state directory of a trader that ran")
        self._database: Database = open_reader(path)
        self.path = path

    @property
    def identity(self) -> Identity:
        """Whose journal it is."""
        return self._database.identity

    @property
    def connection(self) -> apsw.Connection:
        """For the functions of this module."""
        return self._database.connection

    @property
    def head(self) -> Head:
        """The newest record at this moment, as the head row says."""
        return stored_extent(self.path, self.connection).head

    def read(self, after_seq: int = 0, kinds: Collection[str] | None = None) -> Iterator[Record]:
        """Verified records after ``after_seq`` up to the head of this moment."""
        start = head_at(self.path, self.connection, after_seq, self.identity.genesis)
        return records(self.path, self.connection, start, self.head, kinds)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

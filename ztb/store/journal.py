"""The journal: durable, append-only, hash-chained. One thread uses it; ``writer`` puts a thread around it.

The rule: a record counts only after ``commit`` returned, and after the first write that fails nothing is ever written
again by this process (every later call raises StoreError), because nobody knows what the disk holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Self

import apsw

from ztb.core.error import StoreError
from ztb.store.chain import Head, Latch, Record, RecordChain, genesis
from ztb.store.database import Database, Identity, open_database
from ztb.store.limits import CHECK_RECORDS, INSERT_ROWS_MAX
from ztb.store.reader import corrupt, head_at, records, stored_extent, verified_rows

_COLUMNS = 5
_UPDATE_HEAD = "UPDATE head SET seq = ?, hash = ? WHERE id = 0 AND seq = ? AND hash = ?"


class Journal(RecordChain):
    """The journal of a state directory, open for writing."""

    def __init__(self, database: Database, head: Head) -> None:
        super().__init__(head, database.latch)
        self.database = database
        self.at_disk: Callable[[], None] = _nobody
        """Called within ``commit`` when all that is left of it is to write and fsync: the interpreter is free then."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        profile: str,
        mode: str,
        now_ns: int,
        check_records: int | None = CHECK_RECORDS,
        vfs: str | None = None,
    ) -> Self:
        """Open or make the journal at ``path`` and verify its last ``check_records`` records (None: all of them).

        StoreError: unusable file, newer schema, other profile or mode. StoreCorrupt: the chain breaks; says where.
        """
        database = open_database(path, profile=profile, mode=mode, now_ns=now_ns, vfs=vfs)
        try:
            head = _verified_head(database, check_records)
        except BaseException:
            database.close()
            raise
        return cls(database, head)

    @property
    def identity(self) -> Identity:
        """Install, profile and mode; client order ids are made with the install id."""
        return self.database.identity

    def commit(self) -> Head:
        """Write what is pending in one transaction, fsynced. StoreError: it failed, for ever."""
        self._latch.check()
        if not self._pending:
            return self._head
        with self.database.transaction() as connection:
            flat: list[int | str | bytes] = []
            head = self._link_pending(flat)
            step = INSERT_ROWS_MAX * _COLUMNS
            for start in range(0, len(flat), step):
                values = flat[start : start + step]
                connection.execute(_insert(len(values) // _COLUMNS), values)
            self._move_head(connection, head)
            self.at_disk()
        self._clear_pending(head)
        return head

    def read(self, after_seq: int = 0, kinds: Collection[str] | None = None) -> Iterator[Record]:
        """Committed records in order, each verified against the one before; StoreCorrupt where the chain breaks."""
        path, connection = self.database.path, self.database.connection
        start = head_at(path, connection, after_seq, self.identity.genesis)
        return records(path, connection, start, self._head, kinds)

    def close(self) -> None:
        self.database.close()

    def _move_head(self, connection: apsw.Connection, head: Head) -> None:
        connection.execute(_UPDATE_HEAD, (*head, *self._head))
        if connection.changes() != 1:
            raise StoreError(
                f"{self.database.path}: another process wrote to this journal",
                remedy="only one trader may use a state directory; find the second one before you start again",
            )


class MemoryJournal(RecordChain):
    """The same chain without a file, for replay and measurements: it counts and hashes, and keeps no record."""

    def __init__(self) -> None:
        super().__init__(Head(0, genesis("", "replay", "memory")), Latch())

    def commit(self) -> Head:
        if self._pending:
            self._clear_pending(self._link_pending())
        return self._head

    def close(self) -> None:
        self._pending = []


def _nobody() -> None:
    """Wants to know."""


@cache
def _insert(rows: int) -> str:
    assert 0 < rows <= INSERT_ROWS_MAX
    return f"INSERT INTO journal VALUES {','.join(['(?,?,?,?,?)'] * rows)}"


def _verified_head(database: Database, check_records: int | None) -> Head:
    path, connection = database.path, database.connection
    extent = stored_extent(path, connection)
    reachable = min(extent.head.seq, extent.highest_seq or 0)
    first = 0 if check_records is None else max(0, reachable - check_records)
    start = head_at(path, connection, first, database.identity.genesis)
    for _ in verified_rows(path, connection, start, extent.head):
        pass
    found = extent.find_break()
    if found is not None:
        raise corrupt(path, found)
    return extent.head

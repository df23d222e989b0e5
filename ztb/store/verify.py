"""Walks a whole journal, reading only, and says whether it is one unbroken chain, and if not, where it breaks.

The rule: it never stops at the question (a damaged file is an answer, not an error), and it never writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ztb.core.error import StoreCorrupt
from ztb.store.chain import Break, Head, check
from ztb.store.reader import JournalReader, end_break, rows_after, stored_extent


@dataclass(frozen=True)
class VerifyReport:
    """``records`` verified before the first bad one; with ``ok`` False the ``reason`` says what differs."""

    path: Path
    records: int
    ok: bool
    first_bad_seq: int | None
    reason: str
    head_hash: str
    """Of the last good record, hexadecimal; the genesis hash when there is none, "" when nothing could be read."""

    def head_line(self) -> str:
        """One line for an anchor outside this file: whoever keeps it can prove later that the past was not changed."""
        return Head(self.records, bytes.fromhex(self.head_hash)).line()


def verify(path: Path, progress: Callable[[int], None] | None = None) -> VerifyReport:
    """Verify the journal at ``path``, also while a trader writes to it; ``progress`` gets the records of each step.

    UsageError if there is none, StoreError if it may not be read or is of a newer ztb.
    """
    try:
        reader = JournalReader(path)
    except StoreCorrupt as error:
        return VerifyReport(path, 0, False, None, error.message, "")
    try:
        return _walk(reader, progress)
    finally:
        reader.close()


def _walk(reader: JournalReader, progress: Callable[[int], None] | None) -> VerifyReport:
    path, connection = reader.path, reader.connection
    reached = Head(0, reader.identity.genesis)
    try:
        extent = stored_extent(path, connection)
        found: Break | None = None
        for group in rows_after(path, connection, 0, extent.head.seq):
            before = reached.seq
            reached, found = check(reached, group)
            if progress is not None:
                progress(reached.seq - before)
            if found is not None:
                break
        found = found or end_break(reached, extent.head) or extent.find_break()
    except StoreCorrupt as error:
        found = Break(reached.seq + 1, error.message)
    if found is None:
        return VerifyReport(path, reached.seq, True, None, "", reached.hash.hex())
    return VerifyReport(path, reached.seq, False, found.seq, found.reason, reached.hash.hex())

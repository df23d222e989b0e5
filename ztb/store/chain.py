"""The hash chain: which bytes are hashed, and how a list of rows is held against it. No I/O.

The rule: ``hash = SHA-256(previous hash || seq u64 || ts_ns i64 || length of kind u8 || kind || body)``, numbers
big-endian, so that different records never give the same bytes. The hash before the first record (genesis) is that of
install, profile and mode: a journal cannot be relabelled to another mode (F-24). docs/journal-format.md tells it whole.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from ztb.core.error import InvariantBroken, StoreError
from ztb.store.limits import BODY_BYTES_MAX, KIND_LENGTH_MAX, KINDS_MAX, PENDING_BYTES_MAX, PENDING_RECORDS_MAX

_PREFIX: Final = struct.Struct(">QqB")
_GENESIS_TITLE: Final = "ztb journal 1"

Row = tuple[int, int, bytes, bytes, bytes]
"""A stored record as it is checked: seq, ts_ns, kind (UTF-8), body, hash."""


class Record(NamedTuple):
    """One durable record. ``body`` is JSON (UTF-8)."""

    seq: int
    ts_ns: int
    kind: str
    body: bytes
    hash: bytes


class Head(NamedTuple):
    """The newest record; seq 0 and the genesis hash while there is none."""

    seq: int
    hash: bytes

    def line(self) -> str:
        """One line of text, to be anchored where this host cannot change it."""
        return f"ztb journal head seq={self.seq} sha256={self.hash.hex()}"


class Break(NamedTuple):
    """Where a chain stops to be one."""

    seq: int
    reason: str


class Latch:
    """The first failure of a journal. Once set it stays: what the disk holds is known again only after a restart."""

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: StoreError | None = None

    def check(self) -> None:
        """Raise StoreError if there was a failure."""
        if self.error is not None:
            raise StoreError(f"the journal failed before: {self.error.message}", remedy=self.error.remedy)


def genesis(install: str, profile: str, mode: str) -> bytes:
    """The hash that stands before the first record."""
    parts = (_GENESIS_TITLE, install, profile, mode)
    assert not any("\n" in part for part in parts), "a line break would let two identities share one genesis"
    return sha256("\n".join(parts).encode()).digest()


def link(previous: bytes, seq: int, ts_ns: int, kind: bytes, body: bytes) -> bytes:
    """The hash of one record."""
    return sha256(previous + _PREFIX.pack(seq, ts_ns, len(kind)) + kind + body).digest()


def check(head: Head, rows: Iterable[Row]) -> tuple[Head, Break | None]:
    """Walk on from ``head`` over ``rows``: the last good head, and the break if there is one."""
    seq, previous = head
    for row_seq, ts_ns, kind, body, row_hash in rows:
        if row_seq != seq + 1:
            missing = f"record {seq + 1} is missing, the next one is {row_seq}"
            return Head(seq, previous), Break(seq + 1, missing)
        try:
            expected = link(previous, row_seq, ts_ns, kind, body)
        except (TypeError, struct.error) as error:
            return Head(seq, previous), Break(row_seq, f"record {row_seq} holds values of a wrong type: {error}")
        if expected != row_hash:
            differs = f"record {row_seq}: its hash is {_short(row_hash)}, its content gives {_short(expected)}"
            return Head(seq, previous), Break(row_seq, differs)
        seq, previous = row_seq, expected
    return Head(seq, previous), None


def _short(value: object) -> str:
    return value.hex()[:16] if isinstance(value, bytes) else repr(value)[:40]


class RecordChain(ABC):
    """What every journal shares: records wait in memory, and ``commit`` links and keeps all of them at once."""

    def __init__(self, head: Head, latch: Latch) -> None:
        self._head = head
        self._latch = latch
        self._pending: list[tuple[int, str, bytes]] = []
        self._pending_bytes = 0
        self._kinds: dict[str, bytes] = {}

    @property
    def head(self) -> Head:
        """The newest committed record."""
        return self._head

    @property
    def pending(self) -> int:
        """Records that were appended and are not yet committed."""
        return len(self._pending)

    @property
    def failure(self) -> StoreError | None:
        """What made this journal unusable; None while it works."""
        return self._latch.error

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        """Take a record and give its seq; it is durable only after ``commit``."""
        if self._latch.error is not None:
            self._latch.check()
        pending = self._pending
        size = len(body)
        if size > BODY_BYTES_MAX:
            raise StoreError(f"a record of {size} bytes is over the {BODY_BYTES_MAX} that are allowed")
        self._pending_bytes += size
        if len(pending) >= PENDING_RECORDS_MAX or self._pending_bytes > PENDING_BYTES_MAX:
            self._pending_bytes -= size
            raise StoreError(f"{len(pending)} records wait for a commit, more are not allowed", remedy="commit sooner")
        pending.append((ts_ns, kind, body))
        return self._head.seq + len(pending)

    def append_many(self, records: Iterable[tuple[int, str, bytes]]) -> int:
        """Take records (ts_ns, kind, body) in order; the seq of the last one."""
        seq = self._head.seq + len(self._pending)
        for ts_ns, kind, body in records:
            seq = self.append(ts_ns, kind, body)
        return seq

    @abstractmethod
    def commit(self) -> Head:
        """Keep everything that was appended, as one; the new head."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file; what was not committed is lost."""

    def _link_pending(self, into: list[int | str | bytes] | None = None) -> Head:
        """The head after the pending records.

        Their columns (seq, ts_ns, kind, body, hash) go ``into`` a list, one after another, where one is given; a
        journal that keeps no record links a third faster without it.
        """
        seq, previous = self._head
        pack, kinds = _PREFIX.pack, self._kinds
        for ts_ns, kind, body in self._pending:
            seq += 1
            kind_bytes = kinds.get(kind) or self._admit_kind(kind)
            try:
                previous = sha256(previous + pack(seq, ts_ns, len(kind_bytes)) + kind_bytes + body).digest()
            except struct.error as error:
                raise InvariantBroken(f"a {kind} record of the time {ts_ns!r}: {error}") from error
            if into is not None:
                into.extend((seq, ts_ns, kind, body, previous))
        return Head(seq, previous)

    def _clear_pending(self, head: Head) -> None:
        assert head.seq == self._head.seq + len(self._pending)
        self._head = head
        self._pending = []
        self._pending_bytes = 0

    def _admit_kind(self, kind: str) -> bytes:
        if not 0 < len(kind) <= KIND_LENGTH_MAX or not kind.isascii() or not kind.isprintable():
            raise InvariantBroken(f"{kind!r:.80} is no kind of record: 1 to {KIND_LENGTH_MAX} printable ASCII letters")
        if len(self._kinds) >= KINDS_MAX:
            raise InvariantBroken(f"more than {KINDS_MAX} kinds of record; the newest is {kind!r}")
        self._kinds[kind] = kind.encode()
        return self._kinds[kind]

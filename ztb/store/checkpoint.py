"""Checkpoints: the engine's state after a record, so that a restart need not walk the whole journal.

The rule: a checkpoint is a convenience, the journal is the truth. One that does not decode, whose hash is wrong or that
belongs to no record of this journal is passed over in favour of the one before, and that is reported (A-53).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import apsw
import msgspec
import zstandard

from ztb.core.error import InvariantBroken, StoreCorrupt
from ztb.store.database import Database, reading
from ztb.store.limits import (
    CHECKPOINT_KEPT_EACH,
    CHECKPOINTS_NEWEST,
    CHECKPOINTS_OLD_MAX,
    SNAPSHOT_BYTES_MAX,
    SNAPSHOT_DEPTH_MAX,
)
from ztb.store.reader import stored_extent

_NUMBERS: Final = struct.Struct(">Qq")
_LEVEL: Final = 3


@dataclass(frozen=True)
class Checkpoint:
    """The state right after record ``seq``."""

    id: int
    seq: int
    ts_ns: int
    snapshot: dict[str, Any]


def encode_snapshot(snapshot: dict[str, Any]) -> bytes:
    """JSON with sorted keys. InvariantBroken for what JSON would not give back: floats, keys that are no strings."""
    _require_plain(snapshot, "snapshot", 0)
    body = msgspec.json.encode(snapshot, order="sorted")
    if len(body) > SNAPSHOT_BYTES_MAX:
        raise InvariantBroken(f"a snapshot of {len(body)} bytes is over the {SNAPSHOT_BYTES_MAX} that are allowed")
    return body


class CheckpointStore:
    """The checkpoints in the file of a journal, used by the journal's thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.skipped: tuple[str, ...] = ()
        """What the last ``latest`` passed over, newest first, in words for the operator."""

    def save(self, seq: int, ts_ns: int, snapshot: bytes) -> int:
        """Keep the state (from ``encode_snapshot``) after the committed record ``seq``; the id.

        StoreError fails the journal for ever.
        """
        body = zstandard.ZstdCompressor(level=_LEVEL).compress(snapshot)
        with self._database.transaction() as connection:
            link = self._chain_hash(connection, seq)
            if link is None:
                raise InvariantBroken(f"a checkpoint for record {seq}, which is not committed")
            row = (seq, ts_ns, body, _digest(link, seq, ts_ns, body))
            connection.execute("INSERT INTO checkpoint (seq, ts_ns, body, sha256) VALUES (?, ?, ?, ?)", row)
            newest = connection.last_insert_rowid()
            _thin_out(connection, newest)
        return newest

    def latest(self) -> Checkpoint | None:
        """The newest good one; None if there is none. ``skipped`` tells which newer ones were bad, and why."""
        skipped: list[str] = []
        self.skipped = ()
        connection = self._database.connection
        with reading(self._database.path):
            head_seq = stored_extent(self._database.path, connection).head.seq
            ids = [row[0] for row in connection.execute("SELECT id FROM checkpoint ORDER BY id DESC")]
        for id_ in ids:
            try:
                found = self._load(connection, id_, head_seq)
            except StoreCorrupt as error:
                skipped.append(f"checkpoint {id_} passed over: {error.message}")
                continue
            self.skipped = tuple(skipped)
            return found
        self.skipped = tuple(skipped)
        return None

    def ids_between(self, first_seq: int, end_seq: int) -> list[int]:
        """Checkpoints after a record from ``first_seq`` up to, not including, ``end_seq``; oldest first."""
        with reading(self._database.path):
            found = self._database.connection.execute(
                "SELECT id FROM checkpoint WHERE seq >= ? AND seq < ? ORDER BY id", (first_seq, end_seq)
            )
            return [row[0] for row in found]

    def load(self, id_: int) -> Checkpoint:
        """One of them; StoreCorrupt when it is bad, or not kept any more."""
        connection = self._database.connection
        with reading(self._database.path):
            head_seq = stored_extent(self._database.path, connection).head.seq
        return self._load(connection, id_, head_seq)

    def _load(self, connection: apsw.Connection, id_: int, head_seq: int) -> Checkpoint:
        with reading(self._database.path):
            row = connection.execute("SELECT seq, ts_ns, body, sha256 FROM checkpoint WHERE id = ?", (id_,)).fetchone()
        if row is None:  # read beside a running trader, whose own thread thins them out
            raise StoreCorrupt("it is not kept any more")
        seq, ts_ns, body, digest = row
        if not isinstance(seq, int) or not isinstance(ts_ns, int) or not isinstance(body, bytes):
            raise StoreCorrupt("its row holds values of a wrong type")
        if not 0 <= seq <= head_seq:
            raise StoreCorrupt(f"it is of record {seq}, the journal ends at {head_seq}")
        link = self._chain_hash(connection, seq)
        if link is None:
            raise StoreCorrupt(f"it is of record {seq}, which the journal does not have")
        if _digest(link, seq, ts_ns, body) != digest:
            raise StoreCorrupt("its hash does not fit its content and the journal")
        return Checkpoint(id_, seq, ts_ns, _decode_snapshot(body))

    def _chain_hash(self, connection: apsw.Connection, seq: int) -> bytes | None:
        if seq == 0:
            return self._database.identity.genesis
        found = connection.execute("SELECT hash FROM journal WHERE seq = ?", (seq,)).get
        return found if isinstance(found, bytes) else None


def _digest(link: bytes, seq: int, ts_ns: int, body: bytes) -> bytes:
    """The record's own hash is in it, so that a checkpoint of another journal is never taken."""
    return sha256(link + _NUMBERS.pack(seq, ts_ns) + body).digest()


def _thin_out(connection: apsw.Connection, newest: int) -> None:
    connection.execute(
        "DELETE FROM checkpoint WHERE id <= ? AND (id % ? <> 0 OR id <= ?)",
        (
            newest - CHECKPOINTS_NEWEST,
            CHECKPOINT_KEPT_EACH,
            newest - CHECKPOINTS_NEWEST - CHECKPOINTS_OLD_MAX * CHECKPOINT_KEPT_EACH,
        ),
    )


def _decode_snapshot(body: bytes) -> dict[str, Any]:
    try:
        if zstandard.frame_content_size(body) > SNAPSHOT_BYTES_MAX:
            raise StoreCorrupt("it claims to be larger than any snapshot")
        plain = zstandard.ZstdDecompressor().decompress(body, max_output_size=SNAPSHOT_BYTES_MAX)
        snapshot: dict[str, Any] = msgspec.json.decode(plain, type=dict[str, Any])
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreCorrupt(f"it does not decode: {error}") from error
    return snapshot


def _require_plain(value: object, place: str, depth: int) -> None:
    if depth > SNAPSHOT_DEPTH_MAX:
        raise InvariantBroken(f"{place} is nested too deep for a snapshot")
    if isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise InvariantBroken(f"{place} has the key {key!r}, which would come back as a string")
            _require_plain(member, f"{place}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            _require_plain(member, f"{place}[{index}]", depth + 1)
    elif value is not None and not isinstance(value, int | str):
        raise InvariantBroken(f"{place} is a {type(value).__name__}, which a snapshot cannot hold")

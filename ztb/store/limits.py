"""Every limit of the journal, its writer, its checkpoints and the state lock: sizes, counts and waits.

Going over a limit is an error that the caller sees (``StoreError``), never a silent loss.
"""

from __future__ import annotations

from typing import Final

BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one record; the largest batch of decisions that the engine holds (65,536 rows of about 75 bytes) is a third."""
KIND_LENGTH_MAX: Final = 64
KINDS_MAX: Final = 256
"""Different kinds in one process; more means that somebody puts data into the kind."""
PENDING_RECORDS_MAX: Final = 65_536
PENDING_BYTES_MAX: Final = 64 * 1024 * 1024
"""Appended and not yet committed."""

GATHER_S: Final = 0.005
"""So long a record that nobody waits for may wait for others, so that they share one fsync."""
GATHER_RECORDS_MAX: Final = 1_024

INSERT_ROWS_MAX: Final = 64
"""Rows of one INSERT. SQLite gives up the interpreter's lock at every statement, and a busy main thread takes up to
5 ms to hand it back: with one row a statement a group of 256 took 130 ms beside a busy loop, with 64 rows 11 ms."""

READ_ROWS_MAX: Final = 1_000
READ_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of one read; between two reads no transaction stays open, so that a slow reader never holds back the WAL."""

CHECK_RECORDS: Final = 100_000
"""How many of the last records are verified whenever a journal opens for writing (about 0.2 s)."""

BUSY_MS: Final = 2_000
"""How long SQLite waits for a lock of another process before it gives up."""
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
"""The WAL is cut back to this after a checkpoint of SQLite; it grows over it only while a reader holds an old view."""

SNAPSHOT_BYTES_MAX: Final = 64 * 1024 * 1024
SNAPSHOT_DEPTH_MAX: Final = 32
CHECKPOINTS_NEWEST: Final = 5
CHECKPOINT_KEPT_EACH: Final = 10
CHECKPOINTS_OLD_MAX: Final = 200
"""Besides the newest ones each tenth is kept, up to so many."""

QUEUE_RECORDS_MAX: Final = 65_536
QUEUE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Between the event loop and the writer thread."""
WAITERS_MAX: Final = 65_536
CLOSE_SECONDS_MAX: Final = 30.0
"""How long a closing writer waits for its thread; a disk that hangs longer is given up with an error."""

LOCK_TEXT_BYTES_MAX: Final = 4_096
"""Of what the owner of a state directory says about itself."""

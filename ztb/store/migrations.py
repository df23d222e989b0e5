"""The schema of a store as an ordered list of steps, each done in one transaction and never changed afterwards.

The rule: a file says which steps it has had; this build does the missing ones, and leaves a file alone that has had
steps which this build does not know.
"""

from __future__ import annotations

from typing import Final

import apsw

from ztb.core.error import StoreCorrupt, StoreError

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE identity (
            id INTEGER PRIMARY KEY CHECK (id = 0), install TEXT NOT NULL, profile TEXT NOT NULL, mode TEXT NOT NULL,
            created_ns INTEGER NOT NULL) STRICT""",
        """CREATE TABLE journal (
            seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL,
            hash BLOB NOT NULL) STRICT""",
        # The head changes in the transaction of the records, so a journal that lost its last records says so.
        "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT",
        # No protection against an intruder (the chain and its anchors are), but against a hand that slips.
        """CREATE TRIGGER journal_keeps_content BEFORE UPDATE ON journal
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
        """CREATE TRIGGER journal_keeps_records BEFORE DELETE ON journal
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END""",
    ),
    (
        """CREATE TABLE checkpoint (
            id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, ts_ns INTEGER NOT NULL, body BLOB NOT NULL,
            sha256 BLOB NOT NULL) STRICT""",
    ),
)
"""Step N (counted from 1) brings a file from schema version N - 1 to N."""

SCHEMA_VERSION: Final = len(STEPS)

_VERSIONS_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_ns INTEGER NOT NULL) STRICT"
)


def schema_version(connection: apsw.Connection) -> int:
    """The newest step that the file has had; 0 for a file without any."""
    known = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'").get
    if not known:
        return 0
    version = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").get
    if not isinstance(version, int):
        raise StoreCorrupt(f"{connection.filename}: schema version {version!r} is no number")
    return version


def require_known(connection: apsw.Connection) -> int:
    """The file's schema version; StoreError if a newer ztb made it."""
    version = schema_version(connection)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{connection.filename} has schema version {version}, this ztb knows up to {SCHEMA_VERSION}",
            remedy="install the ztb that wrote it, or a newer one, or restore a backup made before the upgrade",
        )
    return version


def migrate(connection: apsw.Connection, *, now_ns: int) -> int:
    """Do the missing steps; the version before. An error leaves the file at the last whole step."""
    before = require_known(connection)
    for version, statements in enumerate(STEPS[before:], before + 1):
        with connection:  # one savepoint: all of the step or nothing
            connection.execute(_VERSIONS_TABLE)
            for statement in statements:
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (version, now_ns))
    return before

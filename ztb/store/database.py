"""Opens the SQLite file of a state directory, for its one writer or for readers, and keeps its identity.

The rule: a file is made whole or not at all (built beside, then renamed), and one that is empty, of another program, of
a newer schema or of another profile or mode is refused, never repaired or overwritten. In WAL mode with
``synchronous=FULL`` every commit ends with an fsync of the WAL. Only apsw may open these files in this process: the
standard library's sqlite3 is a second copy of SQLite, and two copies in one process do not see each other's locks.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from ztb.core.error import StoreCorrupt, StoreError
from ztb.store.chain import Latch, genesis
from ztb.store.limits import BUSY_MS, WAL_BYTES_KEPT
from ztb.store.migrations import migrate, require_known

APPLICATION_ID: Final = 0x7A74626A
"""``ztbj`` in the file's header: tools such as file(1) and we ourselves know whose file it is."""
JOURNAL_NAME: Final = "journal.db"
"""Of the journal inside a state directory."""

_RESTORE: Final = "keep the file as evidence, then restore a backup or start with an empty state directory"
_NO_WRITE: Final = "look at the disk (space, mount, health), then start again: what was not acknowledged is lost"


@dataclass(frozen=True)
class Identity:
    """Whose store it is; ``mode`` is in it because a paper run must never continue a live journal (F-24)."""

    install: str
    profile: str
    mode: str
    created_ns: int

    @property
    def genesis(self) -> bytes:
        """The hash before the first record."""
        return genesis(self.install, self.profile, self.mode)


class Database:
    """An open store: one connection, used by one thread at a time, and its latch."""

    def __init__(self, path: Path, connection: apsw.Connection, identity: Identity) -> None:
        self.path = path
        self.connection = connection
        self.identity = identity
        self.latch = Latch()

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """All or nothing, durable when left. Any error latches: this process writes no more to this store."""
        self.latch.check()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException as error:
            failure = self._fail(error)
            if isinstance(error, apsw.Error | OSError):
                raise failure from error
            raise

    def close(self) -> None:
        """Let go of the file. Nothing is pending here: a transaction was committed or rolled back."""
        with suppress(apsw.Error, OSError):  # closing also tidies the WAL, and a broken disk may refuse that
            self.connection.close()

    def _fail(self, error: BaseException) -> StoreError:
        failure = store_error(self.path, error)
        if self.latch.error is None:
            self.latch.error = failure
        with suppress(apsw.Error, OSError):  # SQLite rolls some errors back by itself and then knows no transaction
            self.connection.execute("ROLLBACK")
        return failure


def store_error(path: Path, error: BaseException) -> StoreError:
    """What a failed write is called towards everybody else."""
    if isinstance(error, StoreError):
        return error
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return StoreError(f"{path}: writing failed: {text}", remedy=_NO_WRITE)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what SQLite says about a damaged or unreadable file into our errors."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as error:
        raise StoreCorrupt(f"{path} is damaged: {error}", remedy=_RESTORE) from error
    except UnicodeDecodeError as error:
        raise StoreCorrupt(f"{path} is damaged: text that is no UTF-8 ({error})", remedy=_RESTORE) from error
    except apsw.SQLError as error:  # a table or column of ours is not there
        raise StoreCorrupt(f"{path} is no whole store: {error}", remedy=_RESTORE) from error
    except apsw.Error as error:
        raise StoreError(f"{path} cannot be used: {error}", remedy="look at its owner, mode and disk") from error


def open_database(path: Path, *, profile: str, mode: str, now_ns: int, vfs: str | None = None) -> Database:
    """For the one writer; makes the file if there is none. ``vfs`` names another SQLite VFS (faults and tests)."""
    if not path.exists():
        _create(path, profile=profile, mode=mode, now_ns=now_ns)
    connection = _connect(path, apsw.SQLITE_OPEN_READWRITE, vfs)
    try:
        with reading(path):
            connection.execute("PRAGMA foreign_keys = ON")
            _require_ours(path, connection)
            migrate(connection, now_ns=now_ns)
            identity = read_identity(path, connection)
            _require_same(path, identity, profile, mode)
            _make_durable(path, connection)
    except BaseException:
        connection.close()
        raise
    return Database(path, connection, identity)


def open_reader(path: Path) -> Database:
    """Read-only, beside a running writer or without one. ``transaction`` of it fails."""
    connection = _connect(path, apsw.SQLITE_OPEN_READONLY, None)
    try:
        with reading(path):
            _require_ours(path, connection)
            require_known(connection)
            identity = read_identity(path, connection)
    except BaseException:
        connection.close()
        raise
    return Database(path, connection, identity)


def read_identity(path: Path, connection: apsw.Connection) -> Identity:
    """The identity row; StoreCorrupt without one."""
    row = connection.execute("SELECT install, profile, mode, created_ns FROM identity").fetchone()
    if row is None:
        raise StoreCorrupt(f"{path} says not whose it is: the identity row is missing", remedy=_RESTORE)
    install, profile, mode, created_ns = row
    names = (install, profile, mode)
    if not all(isinstance(name, str) and "\n" not in name for name in names) or not isinstance(created_ns, int):
        raise StoreCorrupt(f"{path} says not whose it is: the identity row is damaged", remedy=_RESTORE)
    return Identity(install, profile, mode, created_ns)


def sync_directory(directory: Path) -> None:
    """Make names that were added or changed in ``directory`` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(path: Path, *, profile: str, mode: str, now_ns: int) -> None:
    orphan = path.with_name(path.name + "-wal")
    if orphan.exists():
        raise StoreCorrupt(f"{orphan} stands there without {path.name}: the journal was taken away", remedy=_RESTORE)
    building = path.with_name(path.name + ".new")
    try:
        for leftover in (building, building.with_name(building.name + "-journal")):
            leftover.unlink(missing_ok=True)  # of a first start that was interrupted; nothing was promised yet
        os.close(os.open(building, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(building), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _fill(connection, Identity(secrets.token_hex(8), profile, mode, now_ns))
        finally:
            connection.close()
        building.rename(path)
        sync_directory(path.parent)
    except (OSError, apsw.Error) as error:
        raise StoreError(f"{path} cannot be made: {error}", remedy="look at the directory and its disk") from error


def _fill(connection: apsw.Connection, identity: Identity) -> None:
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrate(connection, now_ns=identity.created_ns)
    with connection:
        row = (identity.install, identity.profile, identity.mode, identity.created_ns)
        connection.execute("INSERT INTO identity VALUES (0, ?, ?, ?, ?)", row)
        connection.execute("INSERT INTO head VALUES (0, 0, ?)", (identity.genesis,))


def _connect(path: Path, flags: int, vfs: str | None) -> apsw.Connection:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise StoreError(
            f"{path} cannot be opened: {error.strerror}", remedy="look at the path and its owner"
        ) from error
    if size == 0:  # SQLite would take it for a new database and forget what was in it
        raise StoreCorrupt(f"{path} is empty: it was cut off", remedy=_RESTORE)
    with reading(path):
        connection = apsw.Connection(str(path), flags=flags, vfs=vfs)
        connection.set_busy_timeout(BUSY_MS)
    return connection


def _require_ours(path: Path, connection: apsw.Connection) -> None:
    found = connection.execute("PRAGMA application_id").get
    if found != APPLICATION_ID:
        raise StoreCorrupt(f"{path} is an SQLite file of another program (application id {found})", remedy=_RESTORE)


def _require_same(path: Path, identity: Identity, profile: str, mode: str) -> None:
    for name, found, wanted in (("profile", identity.profile, profile), ("mode", identity.mode, mode)):
        if found != wanted:
            raise StoreError(
                f"{path} was made for {name} {found!r} and cannot be used for {name} {wanted!r}",
                remedy="give each profile and mode a state directory of its own",
            )


def _make_durable(path: Path, connection: apsw.Connection) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").get
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    synchronous = connection.execute("PRAGMA synchronous").get
    if (mode, synchronous) != ("wal", 2):
        raise StoreError(f"{path}: SQLite gives {mode!r} and synchronous {synchronous}, not wal and 2 (FULL)")

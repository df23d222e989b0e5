"""One owner for each state directory, and a directory that nobody else can read or change.

The rule: the kernel holds the lock (flock), so it ends with the process however that ends; what the lock file says
about the owner is for people and decides nothing. A process that is frozen keeps its lock; ``taken_over`` puts a new
lock file in the place of its own, and the frozen one, should it wake up, finds that its lock is not the directory's any
more (``is_ours``). Whoever may send asks that before each order.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ztb.core.error import ConfigError, StoreError, StoreLocked
from ztb.store.limits import LOCK_TEXT_BYTES_MAX

LOCK_NAME: Final = "lock"
_FORBIDDEN: Final = stat.S_IWGRP | stat.S_IRWXO
_COMMAND_LENGTH_MAX: Final = 1_000


class StateLock:
    """Holds the lock of ``directory`` from construction to ``close``; makes the directory (0700) if there is none.

    StoreLocked: another process owns it. ConfigError: others may read or change it. Keep the object: the lock is its.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_private(directory)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(directory / LOCK_NAME, flags, 0o600)
        except OSError as error:
            remedy = "the user that runs ztb must own the directory"
            raise StoreError(f"{directory} cannot be used for state: {error.strerror}", remedy=remedy) from error
        try:
            self._take()
        except BaseException:
            self.close()
            raise

    @classmethod
    def taken_over(cls, directory: Path) -> Self:
        """The lock of a directory whose owner cannot be ended: from now on that one is locked out.

        StoreError where the lock file cannot be replaced. Nobody is asked: make sure that the owner is frozen.
        """
        _require_private(directory)
        lock = cls.__new__(cls)
        lock.directory = directory
        fresh = directory / f".{LOCK_NAME}.{os.getpid()}"
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            lock._descriptor = os.open(fresh, flags, 0o600)
            fcntl.flock(lock._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lock._say_owner()
            fresh.replace(directory / LOCK_NAME)
            _sync(directory)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StoreError(f"{directory}: the lock cannot be taken over: {error.strerror}") from error
        return lock

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._locked() from None
        if not self.is_ours():
            raise self._locked()  # somebody took the directory over between our opening the file and our locking it
        self._say_owner()

    def _say_owner(self) -> None:
        owner = json.dumps({"pid": os.getpid(), "command": _own_command()})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, owner.encode(), 0)

    def _locked(self) -> StoreLocked:
        owner = _read_owner(self._descriptor)
        return StoreLocked(
            f"{self.directory} is in use by {owner}",
            remedy="stop that process first, or give this one a state directory of its own",
        )

    def is_ours(self) -> bool:
        """False once another process took the directory over (see ``fence``), or somebody removed the lock file.

        One look at the file's inode: cheap enough to be asked before each order.
        """
        if self._descriptor < 0:
            return False
        held = os.fstat(self._descriptor)
        try:
            there = (self.directory / LOCK_NAME).lstat()
        except OSError:
            return False
        return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)

    def close(self) -> None:
        """Let others have the directory."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def owner_of(directory: Path) -> int | None:
    """The PID of the process that has the directory's lock file open; None: nobody, or nobody that can be proven.

    The PID in the file is believed only where that very process holds that very file: a PID may be another's by now.
    """
    path = directory / LOCK_NAME
    try:
        there = path.stat()
        pid = int(json.loads(path.read_bytes()[:LOCK_TEXT_BYTES_MAX])["pid"])
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                held = entry.stat()
                if (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino):
                    return pid
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_private(directory: Path) -> None:
    found = directory.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & _FORBIDDEN:
        raise ConfigError(
            f"{directory} has mode {mode:04o}: others could read or change the journal",
            remedy=f"name another directory, or, if it is ztb's alone, chmod 700 {directory} (750 lets its group read)",
        )
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{directory} belongs to uid {found.st_uid}, this process runs as uid {os.geteuid()}",
            remedy=f"run as its owner, or chown {directory}",
        )


def _own_command() -> str:
    return Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:_COMMAND_LENGTH_MAX]


def _read_owner(descriptor: int) -> str:
    """The owner in words. It may be writing this very moment, so anything may be found."""
    try:
        owner = json.loads(os.pread(descriptor, LOCK_TEXT_BYTES_MAX, 0))
        return f"process {int(owner['pid'])} ({str(owner['command']).strip()})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process (it has not said which yet)"

"""One owner for each state directory, and a directory that nobody else can read or change.

The rule: the kernel holds the lock (flock), so it ends with the process however that ends; what the lock file says
about the owner is for people and decides nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
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

    def _take(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._locked() from None
        owner = json.dumps({"pid": os.getpid(), "command": _own_command()})
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, owner.encode(), 0)

    def _locked(self) -> StoreLocked:
        owner = _read_owner(self._descriptor)
        return StoreLocked(
            f"{self.directory} is in use by {owner}",
            remedy="stop that process first, or give this one a state directory of its own",
        )

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

"""How often a trader failed to start, time after time: kept beside the journal, because that may be what fails.

A start has failed when it ended by an error before READY. Errors that the operator has to put right before anything
can start (configuration, usage, credentials) do not count, nor does a process that somebody kills: neither says
anything about recovery. The rule: after ``FAILED_STARTS_MAX`` in a row nobody tries again by himself (F-05).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError, CredentialError, StoreLocked, UsageError, ZtbError
from ztb.host.log import get_log

FAILED_STARTS_MAX: Final = 3
STARTS_NAME: Final = "failed-starts.json"
TEXT_LENGTH_MAX: Final = 500
FILE_BYTES_MAX: Final = 65_536
NOT_COUNTED: Final = (UsageError, ConfigError, CredentialError, StoreLocked)

log = get_log("session")


@dataclass(frozen=True)
class FailedStart:
    """One of them."""

    ts_ns: int
    exit_code: int
    text: str


class Starts:
    """The failed starts of one state directory since the last one that became READY, or was excused."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / STARTS_NAME
        self.failed: tuple[FailedStart, ...] = self._read()

    @property
    def are_exhausted(self) -> bool:
        """The next start would be one too many."""
        return len(self.failed) >= FAILED_STARTS_MAX

    def count(self, error: Exception, *, ts_ns: int) -> None:
        """A start ended by ``error`` before READY."""
        if isinstance(error, NOT_COUNTED):
            return
        exit_code = error.exit_code if isinstance(error, ZtbError) else ZtbError.exit_code
        text = str(error) if isinstance(error, ZtbError) else repr(error)
        failed = FailedStart(ts_ns, exit_code, text[:TEXT_LENGTH_MAX])
        self.failed = (*self.failed, failed)[-FAILED_STARTS_MAX:]
        self._write()
        log.error("start_failed", failed.text, in_a_row=len(self.failed), at_most=FAILED_STARTS_MAX)

    def clear(self) -> None:
        """A start succeeded, or an operator says that the next one may be tried."""
        if self.failed:
            self.failed = ()
            self._write()

    def _read(self) -> tuple[FailedStart, ...]:
        """A file that makes no sense is put aside and told: it must not keep a trader from starting, nor count."""
        try:
            with self._path.open("rb") as file:
                rows = json.loads(file.read(FILE_BYTES_MAX))["failed"]
            return tuple(FailedStart(int(row["ts_ns"]), int(row["exit_code"]), str(row["text"])) for row in rows)
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.error("failed_starts_unreadable", f"{self._path}: {error!r:.200}; it is put aside")
            try:
                self._path.replace(self._path.with_suffix(".damaged"))
            except OSError as again:
                log.error("failed_starts_unreadable", f"{self._path} cannot be put aside: {again.strerror}")
            return ()

    def _write(self) -> None:
        """Whole or not at all, and on the disk when this returns; a disk that refuses is told."""
        fresh = self._path.with_name(f".{STARTS_NAME}.new")
        plain = json.dumps({"failed": [asdict(one) for one in self.failed]}, indent=1)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(plain)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            log.error("failed_starts_not_written", f"{self._path}: {error.strerror}")

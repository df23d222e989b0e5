"""A number that only rises, for one key: over restarts, over SIGKILL, and while the host's clock goes back.

The file holds a mark that no nonce has passed yet; it is moved ahead, on disk, before the first nonce beyond it is
given out. After a crash the next nonce starts at the mark, so it is higher than any that was used. Inside, a nonce
is an integer of microseconds; on the wire it is Unix seconds with six decimals.
"""

from __future__ import annotations

import fcntl
import os
from decimal import Decimal
from pathlib import Path
from types import TracebackType

from ztb.core.error import StoreCorrupt, StoreError, StoreLocked
from ztb.venues import limits
from ztb.venues.clock import Clock


class NonceFile:
    """Nonces of one key, reserved ahead in ``path``. One process at a time: a second one gets StoreLocked."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock_fd = self._locked()
        try:
            self._last_us = self._mark_us = self._load()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> NonceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def next(self) -> Decimal:
        """The next nonce; StoreError when the mark cannot be moved: then nothing may be sent."""
        nonce_us = max(self._clock.now_ns() // 1000, self._last_us + 1)
        if nonce_us > self._mark_us:
            # A clock that lags behind the mark counts up by single microseconds, so there the reserve can be small
            # and repeated restarts do not run away from the clock.
            ahead_us = max(self._clock.now_ns() // 1000 + limits.NONCE_AHEAD_US, nonce_us + limits.NONCE_AHEAD_CALLS)
            self._save(ahead_us)
            self._mark_us = ahead_us
        assert nonce_us > self._last_us
        self._last_us = nonce_us
        return Decimal(nonce_us).scaleb(-6)

    def text(self) -> str:
        """The next nonce as it goes on the wire: seconds with six decimals, never an exponent."""
        return f"{self.next():.6f}"

    def close(self) -> None:
        """Let another process have the key."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _locked(self) -> int:
        # The lock has a file of its own, because replacing the nonce file would leave the lock on the old one.
        lock_path = self._path.with_name(self._path.name + ".lock")
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{lock_path}: {error.strerror}", remedy="check the state directory") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise StoreLocked(
                f"{self._path}: another process uses this key", remedy="one process for each API key; stop the other"
            ) from None
        return descriptor

    def _load(self) -> int:
        try:
            text = self._path.read_text("ascii")
        except FileNotFoundError:
            return 0
        except (OSError, UnicodeDecodeError) as error:
            raise StoreCorrupt(f"{self._path}: unreadable: {error}", remedy=_REMEDY) from None
        digits = text.removesuffix("\n")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= limits.DIGITS_MAX and text.endswith("\n")):
            raise StoreCorrupt(f"{self._path}: not a nonce mark: {text[:40]!r}", remedy=_REMEDY)
        return int(digits)

    def _save(self, mark_us: int) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, f"{mark_us}\n".encode("ascii"))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            fresh.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StoreError(
                f"{self._path}: the nonce mark cannot be saved: {error.strerror}",
                remedy="free space on the state directory; nothing is sent until then",
            ) from None


_REMEDY = "delete the file only if this key has made no call for a minute; otherwise make a new key"

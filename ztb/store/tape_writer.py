"""Writes a tape: an import appears whole or not at all, a live recording grows block by block.

The rule: nothing is written that the reader would refuse, and what ``flush`` returned for survives a SIGKILL.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import zstandard

from ztb.core.error import StoreError, TapeError, UsageError
from ztb.core.event import Depth, Market
from ztb.store.tape_block import BLOCK_LEVELS_MAX, BLOCK_RECORDS_MAX, pack_events, problem_of
from ztb.store.tape_format import Counts, End, Span, pack_block, pack_end, pack_head
from ztb.store.tape_meta import Summary, TapeMeta, header_from_meta, summary_to_bytes

LEVEL_DEFAULT: Final = 9
"""zstd level: 19 is about 3 % smaller and ten times slower."""


class TapeWriter:
    """``with TapeWriter(path, meta) as tape: tape.add(event)``.

    By default the file appears under its name when it is complete (temporary name, fsync, rename) and never when
    the ``with`` block fails. With ``live=True`` it grows under its own name, which must be new, and a process that
    dies leaves a tape that reads with ``allow_cut=True``. ``summary`` is written with the end.
    """

    def __init__(self, path: Path, meta: TapeMeta, *, live: bool = False, level: int = LEVEL_DEFAULT) -> None:
        self.path = path
        self.meta = meta
        self.summary: Summary = {}
        self.counts = Counts()
        self.span = Span()
        self._live = live
        self._writing = path if live else path.with_name(f".{path.name}.{os.getpid()}.partial")
        self._compressor = zstandard.ZstdCompressor(level=level)
        self._sha256 = hashlib.sha256()
        self._events: list[Market] = []
        self._levels = 0
        self._blocks = 0
        self._identity = b""
        with self._disk():
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_EXCL if live else os.O_TRUNC)
            self._file = os.fdopen(os.open(self._writing, flags, 0o644), "wb", buffering=0)
            self._write(pack_head(header_from_meta(meta)))

    @property
    def sha256(self) -> str:
        """Over everything written before the end, as ``TapeReader.sha256``; empty until ``close``."""
        return self._identity.hex()

    def add(self, event: Market) -> None:
        """Append; the event must be of the tape's instrument and obey its own rules, else TapeError."""
        problem = problem_of(event, self.meta.instrument.symbol)
        if problem:
            raise TapeError(f"{self.path}: event {self.counts.total + len(self._events)}: {problem}")
        self._events.append(event)
        if type(event) is Depth:
            self._levels += len(event.bids) + len(event.asks)
        if len(self._events) >= BLOCK_RECORDS_MAX or self._levels >= BLOCK_LEVELS_MAX:
            self.flush()

    def flush(self) -> None:
        """Hand the current block to the operating system: from now on the death of this process does not lose it."""
        if not self._events:
            return
        unpacked, counts, span = pack_events(self._events)
        with self._disk():
            self._write(pack_block(self._compressor.compress(unpacked), len(unpacked), counts, span))
        self._events = []
        self._levels = 0
        self._blocks += 1
        self.counts += counts
        self.span |= span

    def close(self) -> None:
        """Write the end, make the file durable and give it its name. A second call does nothing."""
        if self._file.closed:
            return
        self.flush()
        self._identity = self._sha256.digest()
        end = End(self._blocks, self.counts, self.span, self._identity, summary_to_bytes(self.summary))
        with self._disk():
            self._write(pack_end(end))
            os.fsync(self._file.fileno())
            self._file.close()
            if not self._live:
                self._writing.replace(self.path)
            self._sync_directory()

    def abandon(self) -> None:
        """Stop without an end: an import leaves nothing behind, a recording what was flushed."""
        self._file.close()
        if not self._live:
            self._writing.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self.close()
            except BaseException:
                self.abandon()
                raise
            return
        if self._live:
            with contextlib.suppress(StoreError):  # the first error is the one to show
                self.flush()
        self.abandon()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._sha256.update(data)

    def _sync_directory(self) -> None:
        directory = os.open(self.path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise UsageError(f"{self.path}: the file exists", remedy="record to a new name") from None
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            raise UsageError(f"{self.path}: {error.strerror}", remedy="name a file in a folder you may write") from None
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}", remedy="free some space and try again") from error

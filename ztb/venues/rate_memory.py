"""What one process used up of a venue's rate limits, for the one that follows it.

A file of whole numbers (8 bytes each, little-endian), one cell for each place of each window: a dead trader cannot
tell its heir how often it called, and a venue goes on counting. Each cell is written as it changes and never fsynced:
it has to survive the SIGKILL of a process, not a power cut, after which more than a minute has passed anyway. The
cells are written by ``pwrite`` and not through a mapping, because a full disk is then an error and not a SIGBUS.

A file that is damaged, or of other limits, is put aside and told; trading does not depend on it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MAGIC: Final = b"ztb-rate"
_CELL: Final = struct.Struct("<q")
_HEAD_BYTES: Final = 16
ASIDE_SUFFIX: Final = ".aside"

_log = logging.getLogger("ztb.venues")


class RateMemory:
    """``layout``: how many cells each name has. A cell that was never written is 0."""

    def __init__(self, path: Path, layout: Mapping[str, int]) -> None:
        self._path = path
        self._offsets: dict[str, int] = {}
        self._layout = dict(layout)
        size = _HEAD_BYTES
        for name, count in layout.items():
            assert count > 0
            self._offsets[name] = size
            size += count * _CELL.size
        self._head = _MAGIC + hashlib.sha256(json.dumps(self._layout).encode()).digest()[: _HEAD_BYTES - len(_MAGIC)]
        self._empty = self._head + bytes(size - _HEAD_BYTES)
        self._file = -1
        self._content = self._empty
        try:
            self._open()
        except OSError as error:
            self._give_up(error)

    def read(self, name: str) -> tuple[int, ...]:
        """The cells of ``name`` as the file held them when it was opened."""
        begin = self._offsets[name]
        return tuple(value for (value,) in _CELL.iter_unpack(self._content[begin : begin + self._bytes_of(name)]))

    def write(self, name: str, index: int, value: int) -> None:
        """Set one cell; a disk that refuses ends the remembering, and nothing else."""
        assert 0 <= index < self._layout[name]
        if self._file >= 0:
            try:
                os.pwrite(self._file, _CELL.pack(value), self._offsets[name] + index * _CELL.size)
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """The next process may open it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _bytes_of(self, name: str) -> int:
        return self._layout[name] * _CELL.size

    def _open(self) -> None:
        if os.path.lexists(self._path):
            content = self._found()
            if len(content) == len(self._empty) and content.startswith(self._head):
                self._content = content
                self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                return
            aside = self._path.with_name(self._path.name + ASIDE_SUFFIX)
            self._path.replace(aside)
            _tell(f"{self._path} was no record of these rate limits and lies in {aside.name} now; counting begins anew")
        # Whole or not at all: a process that is killed here must not leave a file that looks damaged.
        fresh = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, self._empty)
            fresh.replace(self._path)
        except OSError:
            os.close(descriptor)
            raise
        self._file = descriptor

    def _found(self) -> bytes:
        """What stands there, or b"" where that is no plain file of ours."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return b""
        try:
            return os.read(descriptor, len(self._empty) + 1)
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def _give_up(self, error: OSError) -> None:
        self.close()
        _tell(f"{self._path}: {error.strerror}; a quick restart could break the venue's rate limits")


def _tell(text: str) -> None:
    _log.warning(text, extra={"event": "rate_memory", "fields": {}})

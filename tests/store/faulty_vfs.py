"""A disk that misbehaves on demand, below SQLite: it counts, refuses, and forgets what was never fsynced.

It wraps the real VFS: what it lets through is really written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import apsw

SECTOR: Final = 512


@dataclass
class Disk:
    """What happened, what shall fail next, and what a power cut would leave of each file."""

    name: str
    syncs: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    fail_write: type[Exception] | None = None
    fail_sync: type[Exception] | None = None
    durable: dict[str, bytearray] = field(default_factory=dict)
    unsynced: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)

    def watch(self, path: Path) -> None:
        """Take what ``path`` holds now for durable."""
        self.durable[str(path)] = bytearray(path.read_bytes())

    def wrote(self, name: str, data: bytes, offset: int) -> None:
        self.writes.append(name)
        self.unsynced.setdefault(name, []).append((offset, data))

    def cut_off(self, name: str, size: int) -> None:
        # A cut can be lost like a write; keeping it for later is the harder case for the reader of the image.
        self.unsynced.setdefault(name, []).append((-1, size.to_bytes(8, "big")))

    def synced(self, name: str) -> None:
        self.syncs.append(name)
        self.durable[name] = self._with(name, self.unsynced.pop(name, []))

    def removed(self, name: str) -> None:
        self.durable.pop(name, None)
        self.unsynced.pop(name, None)

    def after_power_cut(self, target: Path, chance: random.Random) -> None:
        """Lay down in ``target`` what the disk might hold: all that was fsynced, and some sectors of the rest."""
        for name in self.durable | self.unsynced:
            kept = [
                piece for write in self.unsynced.get(name, []) for piece in sectors(*write) if chance.random() < 0.5
            ]
            chance.shuffle(kept)
            (target / Path(name).name).write_bytes(self._with(name, kept))

    def _with(self, name: str, writes: list[tuple[int, bytes]]) -> bytearray:
        image = bytearray(self.durable.get(name, b""))
        for offset, data in writes:
            if offset < 0:
                del image[int.from_bytes(data, "big") :]
                continue
            if len(image) < offset:
                image.extend(bytes(offset - len(image)))
            image[offset : offset + len(data)] = data
        return image


def sectors(offset: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """A write in the pieces that reach the disk one by one."""
    if offset < 0:
        yield offset, data
        return
    while data:
        size = SECTOR - offset % SECTOR
        yield offset, data[:size]
        offset, data = offset + size, data[size:]


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.fail_write is not None:
            raise self._disk.fail_write("planted")
        super().xWrite(data, offset)
        self._disk.wrote(self._name, bytes(data), offset)

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._disk.cut_off(self._name, newsize)

    def xSync(self, flags: int) -> None:
        if self._disk.fail_sync is not None:
            raise self._disk.fail_sync("planted")
        super().xSync(flags)
        self._disk.synced(self._name)


class _Vfs(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__(disk.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._disk.removed(filename)


@contextmanager
def faulty_disk(name: str = "faulty") -> Iterator[Disk]:
    """A VFS of that name while the context lasts."""
    disk = Disk(name)
    vfs = _Vfs(disk)
    try:
        yield disk
    finally:
        vfs.unregister()

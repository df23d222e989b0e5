"""A directory that changed wakes whoever waits; without inotify it is polled."""

from __future__ import annotations

import asyncio
import ctypes
from pathlib import Path

import pytest

from ztb.service import inotify
from ztb.service.inotify import DirectoryWatch

PATIENCE_S = 30.0


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def changes(directory: Path) -> dict[str, object]:
    return {
        "made": lambda: (directory / "kill").touch(),
        "moved in": lambda: (directory.parent / "outside").rename(directory / "kill"),
        "removed": lambda: (directory / "there").unlink(),
        "written": lambda: (directory / "there").write_text("again"),
    }


@pytest.mark.parametrize("name", ["made", "moved in", "removed", "written"])
def test_a_change_wakes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "LOOK_WALL_S", PATIENCE_S)  # so that only a change can wake
    directory = tmp_path / "operator"
    directory.mkdir()
    (directory / "there").touch()
    (tmp_path / "outside").touch()

    async def run() -> None:
        watch = DirectoryWatch(directory)
        assert watch.is_immediate
        waiting = asyncio.create_task(watch.wait())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        change = changes(directory)[name]
        assert callable(change)
        change()
        async with asyncio.timeout(PATIENCE_S / 2):
            await waiting
        watch.close()
        assert not watch.is_immediate
        watch.close()

    asyncio.run(run())


def test_without_a_change_it_returns_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inotify, "LOOK_WALL_S", 0.01)

    async def run() -> None:
        watch = DirectoryWatch(tmp_path)
        await watch.wait()
        watch.close()

    asyncio.run(run())


@pytest.mark.parametrize("missing", ["no such call", "no instance left", "no such directory"])
def test_where_inotify_is_not_to_be_had_it_polls(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        @staticmethod
        def inotify_init1(flags: int) -> int:
            ctypes.set_errno(24)
            return -1

    directory = tmp_path
    if missing == "no such call":
        monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: object())
    elif missing == "no instance left":
        monkeypatch.setattr(ctypes, "CDLL", lambda name, use_errno: Libc)
    else:
        directory = tmp_path / "nowhere"

    async def run() -> None:
        before = open_files()
        watch = DirectoryWatch(directory)
        assert not watch.is_immediate
        await watch.wait()
        watch.close()
        assert open_files() == before

    asyncio.run(run())

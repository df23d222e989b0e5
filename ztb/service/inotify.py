"""Tells that a directory changed, at once: inotify(7) by way of ctypes, because Python has no module for it.

Where it is not to be had (another kernel, no instance left, a file system without it) there is polling: ``waiting``
says what was got. The rule: a change may be told without there being one, and a lost one costs at most the poll.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path
from typing import Final

from ztb.host.log import get_log

POLL_WALL_S: Final = 0.02
"""Pause between two looks where nothing wakes us, in seconds of the wall."""
LOOK_WALL_S: Final = 0.5
"""With inotify a look is made this often all the same: the directory itself may be replaced."""

_IN_NONBLOCK: Final = 0o4000
_IN_CLOEXEC: Final = 0o2000000
_WATCHED: Final = 0x004 | 0x008 | 0x040 | 0x080 | 0x100 | 0x200 | 0x400 | 0x800
"""Attributes, written and closed, moved from and to, made, removed, and the directory itself removed or moved."""
_BUFFER_BYTES: Final = 65_536

log = get_log("operator")


class DirectoryWatch:
    """Of one directory; ``close`` lets go of it. Made inside a running event loop."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._changed = asyncio.Event()
        self._descriptor = -1
        self._loop = asyncio.get_running_loop()
        self._open()

    @property
    def is_immediate(self) -> bool:
        """Changes wake us; else they are polled for."""
        return self._descriptor >= 0

    async def wait(self) -> None:
        """Returns when something may have changed."""
        pause_s = LOOK_WALL_S if self.is_immediate else POLL_WALL_S
        try:
            async with asyncio.timeout(pause_s):
                await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    def close(self) -> None:
        """No more changes are told."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            descriptor = int(libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC))
            if descriptor < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self._descriptor = descriptor
            if int(libc.inotify_add_watch(descriptor, os.fsencode(self._directory), _WATCHED)) < 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self._loop.add_reader(descriptor, self._read)
        except (OSError, AttributeError) as error:
            self._give_up(error)

    def _read(self) -> None:
        """What changed does not matter: whoever waits looks at all of it."""
        try:
            os.read(self._descriptor, _BUFFER_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._loop.remove_reader(self._descriptor)
            self._give_up(error)
        self._changed.set()

    def _give_up(self, error: Exception) -> None:
        log.warning("inotify_missing", f"{self._directory} is polled every {POLL_WALL_S * 1000:g} ms: {error}")
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

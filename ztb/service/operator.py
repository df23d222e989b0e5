"""What an operator can do to a running trader without any network: signals and files.

``operator/kill`` in the runtime directory kills, whatever it holds (its text is the reason); deleting it afterwards
does not un-kill. ``operator/resume`` asks for a resume with the reason that it holds, and is taken away when read.
SIGUSR1 kills. Only who may write that directory can do any of this.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ztb.core.event import Kill, Resume
from ztb.host.log import get_log
from ztb.host.paths import make_private
from ztb.service.inbox import Inbox

OPERATOR_DIRECTORY: Final = "operator"
KILL_NAME: Final = "kill"
RESUME_NAME: Final = "resume"
LOOK_WALL_S: Final = 0.02
"""Pause between two looks at the directory, in seconds of the wall: a kill must not wait for scaled time."""
REASON_BYTES_MAX: Final = 500

log = get_log("operator")


class OperatorFiles:
    """Watches the operator directory below ``runtime``."""

    def __init__(self, runtime: Path, inbox: Inbox) -> None:
        self._directory = make_private(runtime) / OPERATOR_DIRECTORY
        make_private(self._directory)
        self._inbox = inbox
        self._kill_seen = False
        self._resume_stuck = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_WALL_S)

    def look(self) -> None:
        """One look: a kill file counts once for as long as it lies there, a resume file once."""
        kill, resume = self._directory / KILL_NAME, self._directory / RESUME_NAME
        is_kill = _lies_there(kill, if_unknown=True)
        if is_kill and not self._kill_seen:
            self._inbox.put_now(Kill(0, "kill file", _reason(kill) or "kill file present"), first=True)
        self._kill_seen = is_kill
        is_resume = _lies_there(resume, if_unknown=False)
        if is_resume and not self._resume_stuck:
            self._take_resume(kill, resume)
        elif not is_resume:
            self._resume_stuck = False

    def _take_resume(self, kill: Path, resume: Path) -> None:
        reason = _reason(resume)
        try:
            resume.unlink(missing_ok=True)
        except OSError as error:
            # It would be asked for again and again, so it does not count at all.
            self._resume_stuck = True
            log.error("resume_refused", f"{resume} cannot be taken away: {error.strerror}")
            return
        if self._kill_seen:
            log.error("resume_refused", f"the kill file is still there: remove {kill} first")
        elif reason:
            self._inbox.put_now(Resume(0, "operator", reason), first=True)
        else:
            log.error("resume_refused", "a resume needs a reason")


def kill_by_signal(inbox: Inbox) -> Callable[[], None]:
    """A handler for SIGUSR1."""
    return lambda: inbox.put_now(Kill(0, "signal", "SIGUSR1"), first=True)


def _lies_there(path: Path, *, if_unknown: bool) -> bool:
    """Whatever it is. A directory that cannot be looked into may hold a kill, and so counts as one."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return if_unknown
    return True


def _reason(path: Path) -> str:
    """The first line of the file, cleaned; a file that cannot be read gives no reason, and a kill needs none."""
    try:
        # Without waiting: a pipe without a writer must not stop the trader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            data = os.read(descriptor, REASON_BYTES_MAX)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning("operator_file_unreadable", str(error))
        return ""
    line = data.decode(errors="replace").partition("\n")[0]
    return "".join(char for char in line if char.isprintable()).strip()

"""What an operator can do to a running trader without any network: signals and files.

``operator/kill`` in the runtime directory kills, whatever it holds (its text is the reason); deleting it afterwards
does not un-kill. ``operator/resume`` asks for a resume with the reason that it holds, and is taken away when read.
``operator/flatten`` and ``operator/panic``: see ``flatten_files``. SIGUSR1 kills. Only who may write that directory can
do any of this; who did is told by the owner of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ztb.core.event import Kill, Resume
from ztb.host.log import get_log
from ztb.host.paths import make_private
from ztb.service.flatten_files import FlattenFiles
from ztb.service.inbox import Inbox
from ztb.service.inotify import DirectoryWatch
from ztb.service.old_kill_file import OldKillFile
from ztb.service.operator_file import cleaned, lies_there, read_file
from ztb.service.who import who_laid

OPERATOR_DIRECTORY: Final = "operator"
KILL_NAME: Final = "kill"
RESUME_NAME: Final = "resume"
LOOK_WALL_S: Final = 0.02
"""Pause between two looks at the directory of who cannot wait for a change (safe mode)."""

log = get_log("operator")


class OperatorFiles:
    """Watches the operator directory below ``runtime``."""

    def __init__(self, runtime: Path, inbox: Inbox) -> None:
        self._directory = make_private(runtime) / OPERATOR_DIRECTORY
        make_private(self._directory)
        self._inbox = inbox
        self._flatten = FlattenFiles(self._directory, inbox)
        self._old = OldKillFile(self._directory / KILL_NAME)
        self._kill_seen = False
        self._resume_stuck = False

    async def run(self) -> None:
        """Until cancelled."""
        watch = DirectoryWatch(self._directory)
        try:
            while True:
                self.look()
                await watch.wait()
        finally:
            watch.close()

    def look(self) -> None:
        """One look: a kill file counts once for as long as it lies there, every other one once."""
        kill, resume = self._directory / KILL_NAME, self._directory / RESUME_NAME
        is_kill = lies_there(kill, if_unknown=True)
        if is_kill and not self._kill_seen:
            reason = cleaned(read_file(kill)) or "kill file present"
            self._inbox.put_now(Kill(0, "kill file", reason, who_laid(kill)), first=True)
        self._kill_seen = is_kill
        self._flatten.look()
        self._old.look()
        is_resume = lies_there(resume, if_unknown=False)
        if is_resume and not self._resume_stuck:
            self._take_resume(kill, resume)
        elif not is_resume:
            self._resume_stuck = False

    def _take_resume(self, kill: Path, resume: Path) -> None:
        reason, who = cleaned(read_file(resume)), who_laid(resume)
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
            self._inbox.put_now(Resume(0, "operator", reason, who), first=True)
        else:
            log.error("resume_refused", "a resume needs a reason")


def kill_by_signal(inbox: Inbox) -> Callable[[], None]:
    """A handler for SIGUSR1."""
    return lambda: inbox.put_now(Kill(0, "signal", "SIGUSR1"), first=True)

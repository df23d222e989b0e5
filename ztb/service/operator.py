"""What an operator can do to a running trader without any network: signals and files.

``operator/kill`` in the runtime directory kills, whatever it holds (its text is the reason); deleting it afterwards
does not un-kill. ``operator/resume`` asks for a resume with the reason that it holds, and is taken away when read.
SIGUSR1 kills. Only who may write that directory can do any of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ztb.core.event import Event, Kill, Resume
from ztb.host.clock import Clock
from ztb.host.log import get_log
from ztb.host.paths import make_private
from ztb.service.inbox import Inbox

OPERATOR_DIRECTORY: Final = "operator"
KILL_NAME: Final = "kill"
RESUME_NAME: Final = "resume"
LOOK_WALL_S: Final = 0.02
"""Pause between two looks at the directory, in seconds of the wall: a kill must not wait for scaled time."""
REASON_LENGTH_MAX: Final = 500

log = get_log("operator")


class OperatorFiles:
    """Watches the operator directory below ``runtime``."""

    def __init__(self, runtime: Path, inbox: Inbox, clock: Clock) -> None:
        self._directory = make_private(runtime) / OPERATOR_DIRECTORY
        make_private(self._directory)
        self._inbox = inbox
        self._clock = clock
        self._kill_seen = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_WALL_S)

    def look(self) -> None:
        """One look: a kill file counts once for as long as it lies there, a resume file once."""
        kill = self._directory / KILL_NAME
        if kill.exists():
            if not self._kill_seen:
                self._kill_seen = True
                self._put(Kill(0, "kill file", _reason(kill) or "kill file present"))
        else:
            self._kill_seen = False
        resume = self._directory / RESUME_NAME
        if resume.exists():
            reason = _reason(resume)
            resume.unlink(missing_ok=True)
            if self._kill_seen:
                log.error("resume_refused", f"the kill file is still there: remove {kill} first")
            elif reason:
                self._put(Resume(0, "operator", reason))
            else:
                log.error("resume_refused", "a resume needs a reason")

    def _put(self, event: Event) -> None:
        self._inbox.put_now(event, first=True)


def kill_by_signal(inbox: Inbox) -> Callable[[], None]:
    """A handler for SIGUSR1."""
    return lambda: inbox.put_now(Kill(0, "signal", "SIGUSR1"), first=True)


def _reason(path: Path) -> str:
    """The first line of the file, cleaned; a file that cannot be read gives no reason, and a kill needs none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.readline(REASON_LENGTH_MAX)
    except OSError as error:
        log.warning("operator_file_unreadable", str(error))
        return ""
    return "".join(char for char in text if char.isprintable()).strip()

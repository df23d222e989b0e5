"""Safe mode: after three failed starts in a row the process stays up, and does nothing but say so (F-05).

It holds the state directory, so that no other trader starts there; it has no account, no store and no venue, so there
is no way to send. It ends by a signal, with exit code 0, or tries to start again when an operator resumes.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from typing import Any, Final

from ztb.core.event import Flatten, Kill, Resume
from ztb.host.log import get_log
from ztb.service import health, status
from ztb.service.operator import LOOK_WALL_S, OperatorFiles
from ztb.service.setting import Setting
from ztb.service.starts import Starts
from ztb.service.status import SAFE
from ztb.service.supervision import Supervisor
from ztb.store.lock import StateLock

STATUS_WALL_S: Final = 0.5
NO_MONEY: Final = "unknown"

log = get_log("session")


class SafeMode:
    """In place of a session."""

    def __init__(self, setting: Setting, starts: Starts, supervisor: Supervisor) -> None:
        self._setting = setting
        self._starts = starts
        self._supervisor = supervisor
        self._flatten: Flatten | None = None
        """That came: flattening needs an engine, so a start is tried, and begins with it."""
        self._kill: Kill | None = None
        """The first that came; the next start begins with it."""

    @property
    def says(self) -> str:
        """What failed last, what that means, and what to do; the status and the log have the others."""
        failed = self._starts.failed
        return (
            f"safe mode: {len(failed)} starts in a row failed. Nothing is sent, and nobody watches the orders that "
            f"may still work at the venue: look there. The last failure: {failed[-1].text}. Put it right, then "
            "`ztb resume --reason TEXT` starts again"
        )

    async def until_resumed(self) -> bool:
        """True: an operator resumed, and a start may be tried. False: asked to stop. Raises StoreLocked."""
        is_resumed = bool(await self._supervisor.unless_ended(self._stay()))
        if not is_resumed and self._kill is not None:
            log.error("kill_not_latched", "the trader ended before it could keep the kill; start it with ZTB_KILL=1")
        return is_resumed

    async def _stay(self) -> bool:
        setting = self._setting
        setting.facts.phase = SAFE
        with closing(StateLock(setting.options.state_dir)):
            log.error("safe_mode", self.says, failures=[one.text for one in self._starts.failed])
            self._tell(self.says)
            # Up, and as ready as it will be: a start that never ends would be ended and begun again by systemd.
            setting.systemd.ready(self.says)
            operator = OperatorFiles(setting.options.runtime_dir, setting.inbox)
            told_s = time.monotonic()
            while (reason := await self._resumed(operator)) is None:
                if time.monotonic() - told_s >= STATUS_WALL_S:
                    told_s = time.monotonic()
                    self._tell(self.says)
                    setting.systemd.watchdog()
                await asyncio.sleep(LOOK_WALL_S)
            self._starts.clear()
        log.warning("safe_mode_left", f"an operator resumed: {reason}")
        setting.facts.phase = "starting"
        self._tell("starting again, after safe mode")
        if self._kill is not None:
            setting.inbox.put_now(self._kill, first=True)
        if self._flatten is not None:
            setting.inbox.put_now(self._flatten, first=True)
        return True

    async def _resumed(self, operator: OperatorFiles) -> str | None:
        """The operator's reason, if there is one; a kill is kept for the engine of the next start."""
        operator.look()
        inbox = self._setting.inbox
        while not inbox.is_empty():
            event, _ = await inbox.take()
            if isinstance(event, Resume):
                return event.reason
            if isinstance(event, Flatten):
                self._flatten = event
                return f"a flatten was asked for: {event.reason} (by {event.source})"
            if isinstance(event, Kill) and self._kill is None:
                self._kill = event
                log.warning("kill_kept", f"{event.reason} (by {event.source}); the next start begins with it")
        return None

    def _tell(self, says: str) -> None:
        setting = self._setting
        setting.systemd.status(says)
        plain = self._document(says)
        try:
            status.write(setting.options.runtime_dir / status.STATUS_NAME, plain)
        except OSError as error:
            log.error("status_not_written", str(error))

    def _document(self, says: str) -> dict[str, Any]:
        """The members of ``status.document``, without an engine: what is not known is not told as a number."""
        setting = self._setting
        return {
            "schema_version": status.SCHEMA_VERSION,
            "updated_ns": setting.clock.now_ns(),
            **vars(setting.facts),
            "ready": False,
            "level": setting.facts.phase,
            "says": says,
            "kill": {
                "on": self._kill is not None,
                "source": self._kill.source if self._kill is not None else "",
                "reason": self._kill.reason if self._kill is not None else "",
            },
            "reduce_only": "",
            "pause_until_ns": 0,
            "policy_suspended": "",
            "session": None,
            "failed_starts": [vars(one) for one in self._starts.failed],
            "instruments": {},
            "equity": NO_MONEY,
            "drawdown_ppm": 0,
            "orders": {"working": 0, "unknown": 0},
            "journal_seq": 0,
            "health": health.without_engine(says),
            "risk": None,
            "preview": None,
            "meter": setting.meter.to_dict(),
        }

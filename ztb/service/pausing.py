"""Pauses and limits that an operator asks for, as files ``pause``, ``unpause`` and ``risk-profile`` in the directory
``operator`` of the runtime directory.

Each holds one JSON object: ``reason`` always, ``minutes`` of a pause, ``instrument`` ("" or left out: all of them),
``profile`` (``configured`` or ``conservative``). It is taken away when read, and counts once. The rule: what cannot be
understood changes nothing and is told; a pause never shortens an older one, which the engine sees to.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from ztb.core.event import ChooseProfile, LiftPause, Pause
from ztb.host.clock import Clock
from ztb.host.log import get_log
from ztb.service.inbox import Inbox
from ztb.service.who import who

PAUSE_NAME: Final = "pause"
UNPAUSE_NAME: Final = "unpause"
PROFILE_NAME: Final = "risk-profile"
CONFIGURED: Final = "configured"
MINUTES_MAX: Final = 7 * 24 * 60
"""A longer pause is a kill that lifts itself; nobody remembers it a week later."""
LOOK_WALL_S: Final = 0.05
FILE_BYTES_MAX: Final = 2_000
REASON_BYTES_MAX: Final = 500
MINUTE_NS: Final = 60_000_000_000
SYMBOL_LENGTH_MAX: Final = 32

log = get_log("operator")


class PauseWish(msgspec.Struct, forbid_unknown_fields=True):
    """What the file ``pause`` holds."""

    minutes: int
    reason: str
    instrument: str = ""


class LiftWish(msgspec.Struct, forbid_unknown_fields=True):
    """What the file ``unpause`` holds."""

    reason: str
    instrument: str = ""


class ProfileWish(msgspec.Struct, forbid_unknown_fields=True):
    """What the file ``risk-profile`` holds: whether the conservative limits that a kill leaves behind hold."""

    profile: Literal["configured", "conservative"]
    reason: str


W = TypeVar("W", PauseWish, LiftWish, ProfileWish)


class PauseFiles:
    """Watches ``directory`` for all three."""

    def __init__(self, directory: Path, inbox: Inbox, clock: Clock) -> None:
        self._directory = directory
        self._inbox = inbox
        self._clock = clock
        self._stuck: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_WALL_S)

    def look(self) -> None:
        """One look. Time is the trader's own: on scaled time a minute of a pause passes as fast as the market's."""
        choice = self._take(PROFILE_NAME, ProfileWish)
        if choice is not None:
            chosen, whose = choice
            is_tight = chosen.profile != CONFIGURED
            self._inbox.put_now(ChooseProfile(0, is_tight, whose, chosen.reason), first=True)
        lift = self._take(UNPAUSE_NAME, LiftWish)
        if lift is not None:
            wish, whose = lift
            self._inbox.put_now(LiftPause(0, whose, wish.reason, wish.instrument), first=True)
        pause = self._take(PAUSE_NAME, PauseWish)
        if pause is not None:
            asked, whose = pause
            until_ns = self._clock.now_ns() + asked.minutes * MINUTE_NS
            self._inbox.put_now(Pause(0, until_ns, whose, asked.reason, asked.instrument), first=True)

    def _take(self, name: str, kind: type[W]) -> tuple[W, str] | None:
        path = self._directory / name
        try:
            uid, body = _read(path)
        except FileNotFoundError:
            self._stuck.discard(name)
            return None
        except OSError as error:
            self._refuse(name, f"cannot be read: {error.strerror}")
            return None
        if name in self._stuck:
            return None
        try:
            path.unlink(missing_ok=True)
        except OSError as error:  # it would count again and again, so it does not count at all
            self._refuse(name, f"cannot be taken away: {error.strerror}")
            return None
        try:
            wish = msgspec.json.decode(body, type=kind)
            _check(wish)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            log.error(f"{name}_refused", f"{path}: {error}")
            return None
        return wish, who(uid)

    def _refuse(self, name: str, why: str) -> None:
        """Told once, for as long as the file lies there."""
        if name not in self._stuck:
            self._stuck.add(name)
            log.error(f"{name}_refused", f"{self._directory / name} {why}")


def _read(path: Path) -> tuple[int, bytes]:
    """Owner and content, without waiting: a pipe without a writer must not stop the trader."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.fstat(descriptor).st_uid, os.read(descriptor, FILE_BYTES_MAX)
    finally:
        os.close(descriptor)


def _check(wish: PauseWish | LiftWish | ProfileWish) -> None:
    """ValueError for what the journal could not hold as it is given."""
    reason = wish.reason
    if not reason.strip() or not reason.isprintable() or len(reason.encode()) > REASON_BYTES_MAX:
        raise ValueError("it needs a reason: one line of printable text")
    if isinstance(wish, ProfileWish):
        return
    if len(wish.instrument) > SYMBOL_LENGTH_MAX or not wish.instrument.isprintable():
        raise ValueError("instrument is no name of one")
    if isinstance(wish, PauseWish) and not 1 <= wish.minutes <= MINUTES_MAX:
        raise ValueError(f"minutes must be from 1 to {MINUTES_MAX}")

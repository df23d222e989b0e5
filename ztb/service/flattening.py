"""Beside the engine while a flatten runs: it has the venue compared, keeps systemd patient, and leaves the report.

It decides nothing. What is sent is the engine's business, and goes on when something here fails to be told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from ztb.core.flatten import wants_comparison
from ztb.core.flattening import Flattening
from ztb.host.log import ERROR, INFO, get_log
from ztb.service.flatness import FLATNESS, VenueWord, ask_venue, encode_report, report
from ztb.service.setting import Setting
from ztb.service.trader import Trader

LOOK_WALL_S: Final = 0.02
COMPARE_WALL_S: Final = 1.0
"""Between two requests to compare, where the one before did not find agreement."""
LATE_COMPARE_WALL_S: Final = 10.0
SETTLE_S_MAX: Final = 15.0
"""So long the end of the service waits, in the trader's time, until the venue can have told every late fill."""
EXTEND_WALL_S: Final = 5.0
EXTEND_BY_S: Final = 30.0
"""A service manager that waits for the stop is asked for so much more, again and again while there is progress."""

log = get_log("flatten")


class Writer(Protocol):
    """What is asked of the journal's writer."""

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        """Queue one record."""
        ...


class Flattener:
    """Of one session. ``hurry`` asks for a comparison now; ``on_flat`` is told when a flatten that stops is over."""

    def __init__(
        self,
        setting: Setting,
        trader: Trader,
        writer: Writer,
        *,
        hurry: Callable[[], None],
        on_flat: Callable[[], None],
        on_late: Callable[[], None] = lambda: None,
    ) -> None:
        self._setting = setting
        self._trader = trader
        self._writer = writer
        self._hurry = hurry
        self._on_flat = on_flat
        self._on_late = on_late
        self._hurried_s = 0.0
        self._extended_s = 0.0
        self.report: dict[str, Any] | None = None
        """The newest one of this session."""
        self._is_telling = False
        self._has_ended = False
        self._told: tuple[int, bool] = (0, False)
        """Of the newest report: when its flatten was asked for, and whether it was over."""
        running = trader.state.flattening
        if running is not None and not running.is_active:
            self._told = (running.asked_ns, True)  # an earlier session has told

    @property
    def has_told(self) -> bool:
        """There is no report that has still to be made."""
        running = self._trader.state.flattening
        if running is None or (running.is_active and not running.alarmed_ns):
            return True
        return not self._is_telling and self._told == (running.asked_ns, not running.is_active)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_WALL_S)

    async def look(self) -> None:
        """Once."""
        running = self._trader.state.flattening
        dealing = self._trader.dealing
        if dealing is not None:
            dealing.tracker.is_urgent = running is not None and running.is_active
        if running is None:
            return
        if not self.is_settled:
            self._extend()
        if running.is_active:
            self._compare(running)
        is_over = not running.is_active
        due = (running.asked_ns, is_over)
        if (is_over or running.alarmed_ns) and due != self._told:
            self._told = due
            self._is_telling = True
            try:
                await self._report(running)
            finally:
                self._is_telling = False
            if not is_over:
                self._on_late()
        if running.then_stop and self.is_settled and not self._has_ended:
            self._has_ended = True
            log.event("flat", "flat, as was asked for before the service ends")
            self._on_flat()

    @property
    def is_settled(self) -> bool:
        """It is flat, told, and no order that ended lately can still turn out to have filled, as far as one waits.

        What is told after the end begins the flatten again, and that needs somebody who is there.
        """
        state = self._trader.state
        running = state.flattening
        if running is None or running.is_active or not self.has_told:
            return False
        waited_ns = self._setting.clock.now_ns() - running.ended_ns
        return not state.settling or waited_ns >= SETTLE_S_MAX * 1_000_000_000

    def _compare(self, running: Flattening) -> None:
        now_s = time.monotonic()
        pause_s = LATE_COMPARE_WALL_S if running.alarmed_ns else COMPARE_WALL_S / self._setting.clock.scale
        if wants_comparison(self._trader.state, running) and now_s - self._hurried_s >= pause_s:
            self._hurried_s = now_s
            self._hurry()

    def _extend(self) -> None:
        now_s = time.monotonic()
        if now_s - self._extended_s >= EXTEND_WALL_S:
            self._extended_s = now_s
            self._setting.systemd.extend_timeout(EXTEND_BY_S)

    async def _report(self, running: Flattening) -> None:
        """Ask the venue for its word, and leave everything on record."""
        trader = self._trader
        dealing = trader.dealing
        word = VenueWord(problem="this trader has no account")
        if dealing is not None:
            word = await ask_venue(dealing.account, dealing.tracker, trader.instrument)
        now_ns = self._setting.clock.now_ns()
        self.report = plain = report(trader.state, running, word, now_ns=now_ns)
        self._writer.append(now_ns, FLATNESS, encode_report(plain))
        level = INFO if plain["is_flat"] else ERROR
        log.event("flatness", plain["says"], level=level, outcome=plain["outcome"], took_ms=plain["took_ms"])

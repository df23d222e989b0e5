"""What the trader writes down at its own pace: the status for people, measurements and checkpoints for the journal.

None of it decides anything. A status that cannot be written is told once and does not end the trading; a journal that
cannot be written ends everything, and its writer says so by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import suppress
from typing import Final

from ztb.core.error import StoreError
from ztb.core.trip import trips_last_hour
from ztb.host.log import get_log
from ztb.host.process import ProcessMeter
from ztb.service import health, risk, status
from ztb.service.compose import health_thresholds
from ztb.service.setting import Setting
from ztb.service.trader import Trader
from ztb.store.writer import JournalWriter

STATUS_WALL_S: Final = 0.5
MEASURE_S: Final = 5.0
MEASUREMENT: Final = "measurement"
ORDERS_PER_CHECKPOINT_MAX: Final = 128
"""A recovery knows the newest 512 finished orders, and must know each one whose fills it may read again."""
LOOK_WALL_S: Final = 0.05

log = get_log("session")


class Records:
    """Of one session."""

    def __init__(self, setting: Setting, writer: JournalWriter, trader: Trader) -> None:
        self._setting = setting
        self._writer = writer
        self._trader = trader
        self._thresholds = health_thresholds(setting.profile)
        self._process = ProcessMeter(os.getpid())
        self._is_status_broken = False
        self._checkpoint_sequence = trader.state.sequence
        self._kill_seq = 0
        self._killed = asyncio.Event()

    async def keep_status(self) -> None:
        """Until cancelled; in the wall's time, because people read it."""
        while True:
            self.write_status()
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_WALL_S):
                    await self._killed.wait()
            if self._killed.is_set():
                self._killed.clear()
                await self._acknowledge_kill()

    def note_kill(self) -> None:
        """The latch was set just now. Whoever asked for it reads so in the status, but not before it is on disk."""
        self._kill_seq = self._writer.appended_seq
        self._killed.set()

    async def _acknowledge_kill(self) -> None:
        with suppress(StoreError):  # the session ends by it, and says so
            await self._writer.durable()
            log.event("kill_latched", "the latch is on disk: nothing leaves but a flatten, also after a restart")

    def write_status(self) -> None:
        """Tell the status file and systemd how things are now.

        Nothing while a kill is on its way to the disk, and nothing once another process has taken over: what a trader
        that was frozen believes would hide what that one did.
        """
        is_kill_pending = self._kill_seq > self._writer.committed_seq and self._writer.failure is None
        if is_kill_pending or self._trader.gate.is_fenced:
            return
        setting, state = self._setting, self._trader.state
        now_ns = setting.clock.now_ns()
        rooms = setting.head_room()
        outside = health.Outside(
            phase=setting.facts.phase,
            breaker_open=health.is_breaker_open(rooms),
            has_heard_market=setting.meter.market_events > 0,
            trips=trips_last_hour(state, now_ns),
        )
        rules = self._trader.engine.risk.rules
        plain = status.document(
            setting.facts,
            state,
            setting.meter,
            now_ns=now_ns,
            journal_seq=self._writer.committed_seq,
            rooms=rooms,
            health=health.document(state, setting.vitals, self._thresholds, outside, now_ns=now_ns),
            risk=risk.document(state, rules, now_ns=now_ns),
            preview=risk.preview_document(state, rules, now_ns=now_ns),
        )
        setting.systemd.status(plain["says"])
        try:
            status.write(setting.options.runtime_dir / status.STATUS_NAME, plain)
        except OSError as error:
            if not self._is_status_broken:
                log.error("status_not_written", str(error))
            self._is_status_broken = True
        else:
            self._is_status_broken = False

    async def keep_measurements(self) -> None:
        """Until cancelled."""
        while True:
            await self._setting.clock.sleep(MEASURE_S)
            self.measure()

    def measure(self) -> None:
        """One record of every counter and percentile, and of what the process uses."""
        setting = self._setting
        use = self._process.measure()
        plain = setting.meter.to_dict()
        plain["process"] = None
        if use is not None:
            cpu_ms = int(use.cpu_seconds * 1000)
            plain["process"] = {
                "rss_bytes": use.rss_bytes, "cpu_ms": cpu_ms, "fds": use.fds, "threads": use.threads
            }  # fmt: skip
        plain["wall_ns"] = time.time_ns()
        plain["inbox_depth_max"] = setting.inbox.depth_max
        plain["clock_backsteps"] = setting.inbox.backsteps
        self._writer.append(setting.clock.now_ns(), MEASUREMENT, json.dumps(plain, sort_keys=True).encode())

    async def keep_checkpoints(self) -> None:
        """Until cancelled: by time, and by the number of orders."""
        clock = self._setting.clock
        pause_ns = self._setting.profile.state.checkpoint_seconds * 1_000_000_000
        due_ns = clock.monotonic_ns() + pause_ns
        while True:
            await asyncio.sleep(LOOK_WALL_S)
            made = self._trader.state.sequence - self._checkpoint_sequence
            is_due = clock.monotonic_ns() >= due_ns or made >= ORDERS_PER_CHECKPOINT_MAX
            if is_due and self.checkpoint():
                due_ns = clock.monotonic_ns() + pause_ns

    def checkpoint(self) -> bool:
        """Keep the engine's state with the cursor of the fills; False when this is not the moment.

        The cursor may be ahead of the state by what waits in the inbox: after a crash those fills would be read by
        nobody. So there is a checkpoint only when nothing waits, and never of an engine that failed in mid-step.
        """
        trader = self._trader
        if trader.loop.has_failed or not self._setting.inbox.is_empty():
            return False
        trader.loop.flush()
        trader.tape.flush()
        snapshot = {"engine": trader.state.snapshot(), "cursor": trader.cursor}
        self._writer.checkpoint(self._setting.clock.now_ns(), snapshot)
        self._checkpoint_sequence = trader.state.sequence
        return True

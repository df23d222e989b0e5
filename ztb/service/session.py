"""One session of the trader, from the lock on its directory to the last checkpoint.

Start: open the store, recover, connect, begin to listen, look up what is unknown, reconcile, READY.
Stop: open nothing more, cancel by the stop policy, wait for the venue, checkpoint, let go. A failure takes the same
way out, with its own exit code; whatever was under way then is unknown at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ztb.core.command import Command, Place
from ztb.core.control import Level
from ztb.core.error import InvariantBroken, StoreError, VenueError, ZtbError
from ztb.core.event import Kill, OrderSent, Reconciled, Started, Stop, Timer
from ztb.core.instrument import Instrument
from ztb.core.order import OrderState
from ztb.core.step import Engine
from ztb.host.build import build_id
from ztb.host.clock import HostClock
from ztb.host.config import LoadedProfile
from ztb.host.log import get_log
from ztb.host.process import ProcessMeter
from ztb.host.systemd import Systemd
from ztb.policies.registry import load_policy
from ztb.service import status
from ztb.service.compose import engine_config
from ztb.service.gate import WireGate
from ztb.service.inbox import Inbox
from ztb.service.link import Keys, VenueLink
from ztb.service.loop import EngineLoop
from ztb.service.measure import Meter
from ztb.service.metered import MeteredAccount
from ztb.service.opened import CURSOR, OpenedStore, Recovered
from ztb.service.operator import OperatorFiles, kill_by_signal
from ztb.service.outbox import Outbox
from ztb.service.session_record import SESSION, SessionRecord, encode_session
from ztb.store.writer import JournalWriter
from ztb.venues.polling import PollingTracker
from ztb.venues.port import Account, MarketFeed

STOP_WALL_S_MAX: Final = 4.0
"""Orders that the venue has not confirmed as cancelled by then are left to the next start."""
STATUS_WALL_S: Final = 0.5
MEASURE_S: Final = 5.0
UNKNOWN_LOOK_S: Final = 0.02
UNCLEAN_LOOKS: Final = 3
"""A comparison may cross a fill that is under way; only one that stays different counts."""
MEASUREMENT: Final = "measurement"

log = get_log("session")


@dataclass(frozen=True)
class SessionOptions:
    """What a session needs to know besides its profile."""

    state_dir: Path
    runtime_dir: Path
    rest_url: str
    stream_url: str
    keys: Keys | None
    """None: there is no account, and so no way to send (live-lite)."""
    mode: str
    start_killed: bool = False


class Session:
    """Everything that runs between start and stop."""

    def __init__(self, loaded: LoadedProfile, options: SessionOptions, clock: HostClock) -> None:
        self._loaded = loaded
        self._profile = loaded.profile
        self._options = options
        self._clock = clock
        self._meter = Meter()
        self._inbox = Inbox(clock)
        self._systemd = Systemd()
        self._stopped = asyncio.Event()
        self._failure: ZtbError | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._process = ProcessMeter(os.getpid())
        self._facts = status.Facts(
            profile=loaded.name,
            mode=options.mode,
            armed=self._profile.armed and options.keys is not None,
            build=str(build_id()),
            config=loaded.digest,
            phase="starting",
            pid=os.getpid(),
            state_dir=str(options.state_dir),
            time_scale=clock.scale,
        )

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, or until something fails: then it raises what failed, after the way out."""
        started = time.monotonic()
        self._store = OpenedStore(
            self._options.state_dir, profile=self._loaded.name, mode=self._options.mode, now_ns=self._clock.now_ns()
        )
        try:
            self._writer = JournalWriter(self._store.journal, on_failure=self._store_failed)
            await self._run_with_store(started)
        finally:
            self._store.close()
            self._systemd.close()
        if self._failure is not None:
            raise self._failure

    async def _run_with_store(self, started: float) -> None:
        options = self._options
        self._link = VenueLink(
            rest_url=options.rest_url,
            stream_url=options.stream_url,
            symbol=self._profile.venue.instrument,
            clock=self._clock,
        )
        try:
            self._instrument = await self._link.instrument()
            self._compose(self._instrument)
            await self._start(started)
            await self._stopped.wait()
            await self._stop()
        finally:
            await self._leave()

    # --- start ---------------------------------------------------------------------------------------------------

    def _compose(self, instrument: Instrument) -> None:
        profile = self._profile
        config = engine_config(profile, instrument, observe=self._options.keys is None)
        policy = load_policy(profile.policy.name, profile.policy.parameters)
        self._engine = Engine(config, policy)
        self._recovered = self._store.recover(self._engine.state)
        self._gate = WireGate(self._engine.state, self._clock, armed=self._facts.armed)
        self._tape = self._store.tape(instrument, started_ns=self._clock.now_ns(), source=self._options.rest_url)
        self._account: Account | None = None
        self._outbox: Outbox | None = None
        self._loop = EngineLoop(
            self._engine,
            inbox=self._inbox,
            journal=self._writer,
            recorder=self._tape,
            submit=self._submit,
            meter=self._meter,
            progress=self._systemd.watchdog,
        )

    async def _start(self, started: float) -> None:
        self._listen_to_signals()
        self._tell_recovered(self._recovered)
        self._writer.append(self._clock.now_ns(), SESSION, encode_session(self._as_record()))
        if self._options.keys is not None:
            await self._connect_account(self._options.keys)
        state = self._engine.state
        install = self._store.journal.identity.install
        self._inbox.put_now(Started(0, install, state.epoch + 1))
        if self._options.start_killed:
            self._inbox.put_now(Kill(0, "environment", "ZTB_KILL=1"))
        self._spawn("engine", self._loop.run())
        self._spawn("feed", self._pass_on_market(self._link.feed(self._instrument)))
        self._spawn("timer", self._tick())
        self._spawn("operator", OperatorFiles(self._options.runtime_dir, self._inbox, self._clock).run())
        self._spawn("status", self._report())
        self._spawn("measure", self._measure())
        self._spawn("checkpoint", self._keep_checkpoints())
        if self._outbox is not None:
            self._spawn("orders", self._pass_on_orders())
        self._spawn("reconcile", self._reconcile(started))

    def _as_record(self) -> SessionRecord:
        policy = self._profile.policy
        return SessionRecord(
            build=self._facts.build,
            config_digest=self._facts.config,
            policy=policy.name,
            parameters=dict(policy.parameters),
            engine=self._engine.config,
            tape=self._tape.name,
            checkpoint_seq=self._recovered.checkpoint_seq,
            state=self._engine.state.snapshot(),
        )

    async def _connect_account(self, keys: Keys) -> None:
        account = self._link.account(
            keys, self._instrument, directory=self._options.state_dir, at_wire=self._at_the_wire
        )
        self._account = MeteredAccount(account, self._meter)
        cursor = self._recovered.cursor
        if cursor is None:
            cursor = await self._account.newest_trade_id(self._instrument.symbol)
            self._writer.append(self._clock.now_ns(), CURSOR, json.dumps({"trade_id": cursor}).encode())
            await self._writer.durable()
        self._tracker = PollingTracker(self._account, self._instrument, self._clock, cursor=cursor)
        for order in self._engine.state.orders.values():
            self._tracker.watch(order, known_fills=order.fills)
            if order.is_terminal:
                self._tracker.forget(order.client_id)
        self._outbox = Outbox(
            account=self._account,
            tracker=self._tracker,
            journal=self._writer,
            inbox=self._inbox,
            state=self._engine.state,
            meter=self._meter,
        )

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped.set)
        loop.add_signal_handler(signal.SIGUSR1, kill_by_signal(self._inbox))

    def _tell_recovered(self, recovered: Recovered) -> None:
        for skipped in recovered.skipped:
            log.error("checkpoint_skipped", skipped)
        state = self._engine.state
        log.event(
            "recovered",
            checkpoint_seq=recovered.checkpoint_seq,
            records=recovered.records_folded,
            orders_working=len(state.working),
            killed=state.control.killed,
        )

    # --- what runs -----------------------------------------------------------------------------------------------

    def _submit(self, command: Command) -> None:
        if self._outbox is not None:
            self._outbox.submit(command)
        elif isinstance(command, Place):
            raise InvariantBroken("an order was decided where there is no way to send")

    def _at_the_wire(self, order: Place) -> None:
        """Called after the last wait before an order's bytes leave."""
        self._gate.check(reduce_only=order.reduce_only)
        self._inbox.put_now(OrderSent(0, order.client_id))

    async def _pass_on_market(self, feed: MarketFeed) -> None:
        async for event in feed.events():
            await self._inbox.put(event)

    async def _pass_on_orders(self) -> None:
        async for event in self._tracker.events():
            self._inbox.put_now(event)

    async def _tick(self) -> None:
        while True:
            self._inbox.put_now(Timer(0))
            await self._clock.sleep(self._profile.service.timer_ms / 1000)

    async def _keep_checkpoints(self) -> None:
        while True:
            await self._clock.sleep(self._profile.state.checkpoint_seconds)
            self._checkpoint()

    def _checkpoint(self) -> None:
        self._loop.flush()
        self._tape.flush()
        cursor = self._tracker.cursor if self._outbox is not None else (self._recovered.cursor or "")
        self._writer.checkpoint(self._clock.now_ns(), {"engine": self._engine.state.snapshot(), "cursor": cursor})

    async def _measure(self) -> None:
        while True:
            await self._clock.sleep(MEASURE_S)
            self._record_measurement()

    def _record_measurement(self) -> None:
        use = self._process.measure()
        plain = self._meter.to_dict()
        plain["process"] = None if use is None else {
            "rss_bytes": use.rss_bytes, "cpu_ms": int(use.cpu_seconds * 1000), "fds": use.fds, "threads": use.threads,
        }  # fmt: skip
        plain["wall_ns"] = time.time_ns()
        plain["inbox_depth_max"] = self._inbox.depth_max
        plain["clock_backsteps"] = self._inbox.backsteps
        self._writer.append(self._clock.now_ns(), MEASUREMENT, json.dumps(plain, sort_keys=True).encode())

    async def _report(self) -> None:
        while True:
            self._write_status()
            await asyncio.sleep(STATUS_WALL_S)

    def _write_status(self) -> None:
        plain = status.document(
            self._facts, self._engine.state, self._meter, now_ns=self._clock.now_ns(),
            journal_seq=self._writer.committed_seq,
        )  # fmt: skip
        self._systemd.status(plain["says"])
        status.write(self._options.runtime_dir / status.STATUS_NAME, plain)

    # --- reconciliation ------------------------------------------------------------------------------------------

    async def _reconcile(self, started: float) -> None:
        """First to READY, then every so often; it never sends an order."""
        while True:
            await self._until_known()
            clean, text = await self._compare()
            self._inbox.put_now(Reconciled(0, clean, text))
            if clean and self._facts.phase == "starting":
                await self._until_reconciled()
                self._become_ready(started)
            await self._clock.sleep(self._profile.service.reconcile_seconds)

    async def _until_known(self) -> None:
        """At a start, orders of unknown fate are looked up before anything is compared."""
        if self._facts.phase == "starting":
            while not self._engine.state.install or status.unknown_orders(self._engine.state):
                await self._clock.sleep(UNKNOWN_LOOK_S)

    async def _until_reconciled(self) -> None:
        """READY is told when the engine itself knows, not when the news is on its way to it."""
        while not self._engine.state.control.reconciled:
            await self._clock.sleep(UNKNOWN_LOOK_S)

    async def _compare(self) -> tuple[bool, str]:
        if self._outbox is None:
            return True, "nothing to reconcile: this trader has no account"
        text = ""
        for _ in range(UNCLEAN_LOOKS):
            try:
                report = await self._tracker.reconcile(self._ours())
            except VenueError as error:
                if not error.retryable:
                    raise
                text = f"the venue could not be read: {error.message}"
            else:
                for event in report.events:
                    self._inbox.put_now(event)
                if report.clean:
                    return True, report.text()
                text = report.text()
            await self._clock.sleep(1.0)
        return False, text

    def _ours(self) -> dict[str, int]:
        """What must be working at the venue: acknowledged orders, by what remains of them."""
        settled = (OrderState.ACCEPTED, OrderState.PARTIAL)
        return {
            order.client_id: order.remaining_lots
            for order in self._engine.state.working.values()
            if order.state in settled and not order.cancel_asked_ns
        }

    def _become_ready(self, started: float) -> None:
        self._facts = replace(self._facts, phase="running")
        wall_ms = int((time.monotonic() - started) * 1000)
        log.event("ready", status.in_words(self._facts, self._engine.state, self._level()), wall_ms=wall_ms)
        self._write_status()
        self._systemd.ready()

    def _level(self) -> Level:
        return self._engine.state.control.level(self._clock.now_ns())

    # --- stop ----------------------------------------------------------------------------------------------------

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._fail(
            error if isinstance(error, ZtbError) else InvariantBroken(f"{task.get_name()} failed: {error!r}"), error
        )

    def _store_failed(self, error: StoreError) -> None:
        self._gate.store_failed = True
        self._fail(error, error)

    def _fail(self, failure: ZtbError, cause: BaseException) -> None:
        self._meter.errors += 1
        log.error("session_failed", str(cause))
        if self._failure is None:
            self._failure = failure
        self._stopped.set()

    async def _stop(self) -> None:
        self._facts = replace(self._facts, phase="stopping")
        self._systemd.stopping("stopping")
        log.event("stopping", policy=self._profile.mode.stop_policy, orders_working=len(self._engine.state.working))
        if self._profile.mode.stop_policy != "leave":
            self._inbox.put_now(Stop(0, "asked to stop"), first=True)
        else:
            self._gate.closed_for_stop = True
        deadline = time.monotonic() + STOP_WALL_S_MAX
        while not self._is_settled() and time.monotonic() < deadline:  # noqa: ASYNC110 - several rooms must be idle
            await asyncio.sleep(0.01)

    def _is_settled(self) -> bool:
        """Nothing works any more, or nothing more can be done about it."""
        if self._outbox is None or self._writer.failure is not None:
            return True
        if not self._inbox.is_empty() or not self._outbox.is_idle:
            return False
        return self._profile.mode.stop_policy == "leave" or not self._engine.state.working

    async def _leave(self) -> None:
        """The way out, whatever happened before; each step is tried even when an earlier one failed."""
        if hasattr(self, "_outbox") and self._outbox is not None:
            await self._outbox.close()
        for task in list(self._tasks):
            task.remove_done_callback(self._task_ended)
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if hasattr(self, "_engine"):
            self._settle_books()
        with contextlib.suppress(StoreError):  # it was told when it failed
            await self._writer.close()
        await self._link.close()

    def _settle_books(self) -> None:
        self._facts = replace(self._facts, phase="stopped")
        try:
            if self._writer.failure is None:
                self._record_measurement()
                self._checkpoint()
            self._tape.close()
            self._write_status()
        except (ZtbError, OSError) as error:
            self._failure = self._failure or StoreError(f"the last checkpoint could not be kept: {error}")
        left = len(self._engine.state.working)
        log.event("stopped", orders_left_working=left, journal_seq=self._writer.committed_seq)

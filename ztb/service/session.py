"""One session of the trader, from the lock on its directory to the last checkpoint.

Start: open the store, recover, connect, begin to listen, look up what is unknown, reconcile, READY. Three starts in a
row that fail before READY end in safe mode instead.
Stop: open nothing more, cancel by the stop policy, wait for the venue, checkpoint, let go. A failure takes the same
way out, with its own exit code; whatever was under way then is unknown at the next start.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from typing import Any, Final

from ztb.core.error import StoreError, StoreLocked, ZtbError
from ztb.core.event import Feed, Kill, Started, Timer
from ztb.host.log import INFO, WARNING, get_log
from ztb.service import status
from ztb.service.api_watch import ApiWatch
from ztb.service.clock_watch import ClockWatch
from ztb.service.flattening import Flattener
from ztb.service.governor_watch import GovernorWatch
from ztb.service.leaving import ENGINE, WayOut, close_writer
from ztb.service.link import VenueLink
from ztb.service.opened import OpenedStore
from ztb.service.operator import OPERATOR_DIRECTORY, OperatorFiles, kill_by_signal
from ztb.service.pausing import PauseFiles
from ztb.service.reconciliation import Compared, Reconciliation
from ztb.service.records import Records
from ztb.service.safe_mode import SafeMode
from ztb.service.setting import KILL_SIGNAL, SIGNALS, STOP_SIGNALS, Setting
from ztb.service.starts import Starts
from ztb.service.supervision import Supervisor
from ztb.service.trader import Composer, Trader
from ztb.store.writer import JournalWriter
from ztb.venues.port import AccountFeed, MarketFeed, StreamState, Terms
from ztb.venues.tracker import OrderTracker

LINK_CLOSE_WALL_S_MAX: Final = 0.3
FENCE_WALL_S: Final = 0.25

log = get_log("session")


class Session:
    """Everything that runs between start and stop."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._supervisor = Supervisor(self._failed)
        self._trader: Trader | None = None
        self._starts = Starts(setting.options.state_dir)
        self._is_ready = False
        self._flattener: Flattener | None = None
        self._started = time.monotonic()

    @property
    def flatness(self) -> dict[str, Any] | None:
        """The newest flatness report; None: nothing was flattened."""
        return None if self._flattener is None else self._flattener.report

    async def run(self) -> None:
        """Until SIGTERM or SIGINT, or until something fails: then it raises what failed, after the way out."""
        self._listen_to_signals()
        try:
            if self._starts.are_exhausted and self._setting.options.direct is None:
                if not await SafeMode(self._setting, self._starts, self._supervisor).until_resumed():
                    return
                self._started = time.monotonic()
            await self._run()
        except Exception as error:
            if not self._is_ready and self._setting.options.direct is None:
                self._starts.count(error, ts_ns=self._setting.clock.now_ns())
            raise
        finally:
            self._setting.systemd.close()

    async def _run(self) -> None:
        setting = self._setting
        direct = setting.options.direct
        store = OpenedStore(
            setting.options.state_dir,
            profile=setting.name,
            mode=setting.options.mode,
            now_ns=setting.clock.now_ns(),
            lock=None if direct is None else direct.lock,
        )
        is_disk_well = True
        try:
            self._supervisor.explain = lambda error: _taken_over(store, error)
            writer = JournalWriter(store.journal, on_failure=self._supervisor.fail)
            try:
                await self._run_with_store(store, writer)
            finally:
                is_disk_well = await close_writer(writer, self._supervisor)
        finally:
            if is_disk_well:
                store.close()
        if self._supervisor.failure is not None:
            raise self._supervisor.failure

    async def _run_with_store(self, store: OpenedStore, writer: JournalWriter) -> None:
        setting, supervisor = self._setting, self._supervisor
        operator = OperatorFiles(setting.options.runtime_dir, setting.inbox)
        link = VenueLink(
            venue=setting.profile.venue.name,
            addresses=setting.options.addresses,
            symbol=setting.profile.venue.instrument,
            terms=_terms(setting),
            clock=setting.clock,
            paper=setting.options.paper,
        )
        setting.head_room = link.head_room
        clock_watch = ClockWatch(
            lambda: setting.vitals.timed(link.server_time()), clock=setting.clock, inbox=setting.inbox
        )
        try:
            trader = await supervisor.unless_ended(Composer(setting, store, writer, link, supervisor).trader())
            if trader is None:
                self._tell_unlatched()
                return
            self._trader = trader
            records = Records(setting, writer, trader)
            trader.loop.on_killed = records.note_kill
            try:
                self._begin(trader, store.journal.identity.install)
                await supervisor.unless_ended(clock_watch.first())
                self._spawn(trader, records, operator, link, writer)
                supervisor.spawn("fence", _stay_inside(store))
                supervisor.spawn("clock", clock_watch.run())
                supervisor.spawn("governor", GovernorWatch(link.head_room, setting.inbox).run())
                supervisor.spawn("api", ApiWatch(link.head_room, setting.meter, setting.clock, setting.inbox).run())
                await supervisor.until_ended()
            finally:
                await WayOut(setting, supervisor, writer, trader, records, self._flattener).go()
        finally:
            await _close(link)

    def _begin(self, trader: Trader, install: str) -> None:
        """The first events of the session."""
        setting = self._setting
        setting.inbox.put_now(Started(0, install, trader.state.epoch + 1))
        if setting.options.start_killed:
            setting.inbox.put_now(Kill(0, "environment", "ZTB_KILL=1"))
        if setting.options.direct is not None:
            for event in setting.options.direct.opening:
                setting.inbox.put_now(event)

    def _spawn(
        self, trader: Trader, records: Records, operator: OperatorFiles, link: VenueLink, writer: JournalWriter
    ) -> None:
        setting, supervisor = self._setting, self._supervisor
        dealing, instrument = trader.dealing, trader.instrument
        reconciliation = Reconciliation(
            setting,
            trader.state,
            Compared(dealing.tracker, dealing.account, instrument) if dealing is not None else None,
            epoch=trader.state.epoch + 1,
            on_ready=lambda: self._ready(trader, records),
        )
        operator.look()  # a kill that lies there is seen before anything else happens
        pauses = PauseFiles(setting.options.runtime_dir / OPERATOR_DIRECTORY, setting.inbox, setting.clock)
        pauses.look()
        supervisor.spawn(ENGINE, trader.loop.run())
        supervisor.spawn("feed", self._pass_on_market(link.feed(instrument), reconciliation))
        supervisor.spawn("timer", self._tick())
        supervisor.spawn("operator", operator.run())
        supervisor.spawn("pauses", pauses.run())
        supervisor.spawn("status", records.keep_status())
        supervisor.spawn("measurements", records.keep_measurements())
        supervisor.spawn("checkpoints", records.keep_checkpoints())
        if dealing is not None:
            is_direct = setting.options.direct is not None
            self._flattener = Flattener(
                setting,
                trader,
                writer,
                hurry=reconciliation.hurry,
                on_flat=supervisor.ask_to_stop,
                on_late=supervisor.ask_to_stop if is_direct else lambda: None,
            )
            supervisor.spawn("flatten", self._flattener.run())
            supervisor.spawn("orders", self._pass_on_orders(dealing.tracker))
            private = link.account_feed(instrument)
            if private is not None:
                supervisor.spawn("account", self._pass_on_account(private, dealing.tracker, reconciliation))
        supervisor.spawn("reconciliation", reconciliation.run())

    def _ready(self, trader: Trader, records: Records) -> None:
        spare_what_stays()
        setting = self._setting
        setting.facts.phase = "running"
        self._is_ready = True
        self._starts.clear()
        now_ns = setting.clock.now_ns()
        wall_ms = int((time.monotonic() - self._started) * 1000)
        records.write_status()  # first: whoever hears READY may look at the status
        limits = trader.engine.risk.rules.name
        told = status.says(setting.facts, trader.state, limits=limits, now_ns=now_ns)
        log.event("ready", told, wall_ms=wall_ms)
        setting.systemd.ready()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._supervisor.ask_to_stop)
        loop.add_signal_handler(KILL_SIGNAL, kill_by_signal(self._setting.inbox))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # whoever started us may have kept them waiting

    def _failed(self, failure: ZtbError) -> None:
        self._setting.meter.errors += 1
        if self._trader is not None:
            self._trader.fail(failure)

    async def _pass_on_market(self, feed: MarketFeed, reconciliation: Reconciliation) -> None:
        async for event in feed.events():
            if isinstance(event, Feed) and event.connected:
                reconciliation.hurry()
            await self._setting.inbox.put(event)

    async def _pass_on_orders(self, tracker: OrderTracker) -> None:
        async for event in tracker.events():
            self._setting.inbox.put_now(event)

    async def _pass_on_account(self, feed: AccountFeed, tracker: OrderTracker, reconciliation: Reconciliation) -> None:
        async for news in feed.events():
            if isinstance(news, StreamState):
                log.event("account_stream", news.text, level=INFO if news.connected else WARNING, up=news.connected)
                if news.connected:
                    reconciliation.hurry()
            for event in tracker.take(news):
                self._setting.inbox.put_now(event)

    async def _tick(self) -> None:
        while True:
            self._setting.inbox.put_now(Timer(0))
            await self._setting.clock.sleep(self._setting.profile.service.timer_ms / 1000)

    def _tell_unlatched(self) -> None:
        """A kill that came before there was an engine is not on record: whoever sent it must know."""
        if not self._setting.inbox.is_empty():
            log.error("kill_not_latched", "the trader ended before it could keep the kill; start it with ZTB_KILL=1")


def _terms(setting: Setting) -> Terms:
    venue = setting.profile.venue
    return Terms(venue.fee_currency, answer_s_max=venue.answer_ms_max / 1000, rate_factor=venue.rate_factor)


def spare_what_stays() -> None:
    """What was loaded for the start stays until the end: the collector need not look at it again and again.

    Walking all of it takes more than ten milliseconds, and would come between a price and the order that it causes.
    """
    gc.collect()
    gc.freeze()


def _taken_over(store: OpenedStore, error: ZtbError) -> ZtbError:
    """Why nothing can be written any more, where it is not the disk's fault."""
    if not isinstance(error, StoreError) or not store.is_taken_over():
        return error
    return _lost(store)


def _lost(store: OpenedStore) -> StoreLocked:
    return StoreLocked(
        f"{store.directory} was taken over by another process while this one was frozen; nothing was sent since",
        remedy="`ztb status` and `ztb audit show` tell what that one did; start again when it is done",
    )


async def _stay_inside(store: OpenedStore) -> None:
    """Until another process has taken the directory over: then nothing leaves any more, and this one has to end."""
    while not store.is_taken_over():  # noqa: ASYNC110 - whoever takes it over is another process
        await asyncio.sleep(FENCE_WALL_S)
    raise _lost(store)


async def _close(link: VenueLink) -> None:
    try:
        async with asyncio.timeout(LINK_CLOSE_WALL_S_MAX):
            await link.close()
    except TimeoutError:
        log.warning("link_not_closed", "the venue's sockets did not close in time; the process ends all the same")

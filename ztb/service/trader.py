"""The trader of one session, composed: what exists only once the store is open and the venue has said what it trades.

A trader without keys has no account, no tracker and no outbox: there is no way to send, not a switch that is off.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from ztb.core.command import Place
from ztb.core.error import StoreError, VenueError
from ztb.core.event import OrderSent
from ztb.core.instrument import Instrument
from ztb.core.order import OrderState
from ztb.core.state import State
from ztb.core.step import Engine
from ztb.host.credentials import Keys
from ztb.host.log import get_log
from ztb.service.compose import engine_config
from ztb.service.gate import SESSION_FAILED, STORE_FAILED, WireGate
from ztb.service.link import VenueLink
from ztb.service.loop import EngineLoop
from ztb.service.metered import MeteredAccount
from ztb.service.opened import CURSOR, OpenedStore, Recovered, SessionTape
from ztb.service.outbox import Outbox
from ztb.service.rights import check_rights
from ztb.service.session_record import SESSION, SessionRecord, encode_session
from ztb.service.setting import Setting
from ztb.service.supervision import Supervisor
from ztb.service.watchdog import Watchdog
from ztb.store.writer import JournalWriter
from ztb.venues.pacing import PollingPace
from ztb.venues.tracker import OrderTracker
from ztb.venues.verdict import Patience

T = TypeVar("T")
START_ATTEMPTS_MAX: Final = 14
START_PAUSE_S_MAX: Final = 8.0
"""The pauses of a start grow to this; all of them take 87 s, longer than a venue refuses calls for their rate and than
the circuit breaker, which opens after five failures, stays open."""
STREAM_REFILL_S: Final = 1.0
"""The history of fills is read at most so often, beside a burst, where a private stream tells of them as well."""
ACKNOWLEDGED: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIAL})

log = get_log("session")


@dataclass(frozen=True)
class Dealing:
    """What a trader needs to send: all of it, or none."""

    account: MeteredAccount
    tracker: OrderTracker
    outbox: Outbox


@dataclass(frozen=True)
class Trader:
    """The parts of one session."""

    instrument: Instrument
    engine: Engine
    recovered: Recovered
    gate: WireGate
    loop: EngineLoop
    tape: SessionTape
    dealing: Dealing | None

    @property
    def state(self) -> State:
        """Of the engine."""
        return self.engine.state

    @property
    def cursor(self) -> str:
        """From which trade id on the venue's fills are new."""
        return self.dealing.tracker.cursor if self.dealing is not None else (self.recovered.cursor or "")

    def fail(self, error: BaseException) -> None:
        """Nothing leaves any more, from this moment on."""
        self.gate.close(STORE_FAILED if isinstance(error, StoreError) else SESSION_FAILED)


class AtTheWire:
    """``port.AtWire``: the gate, and the record of what it let through."""

    def __init__(self, gate: WireGate, record: Callable[[OrderSent], None]) -> None:
        self._gate = gate
        self._record = record

    async def durable(self, order: Place) -> None:
        await self._gate.durable(order)

    def check(self, order: Place) -> None:
        self._gate.check(order)
        # On record before the body leaves: in the journal no order leaves after a kill.
        self._record(OrderSent(0, order.client_id))


class Composer:
    """Makes a trader out of an open store, its writer and a connection to the venue."""

    def __init__(
        self, setting: Setting, store: OpenedStore, writer: JournalWriter, link: VenueLink, supervisor: Supervisor
    ) -> None:
        self._setting = setting
        self._store = store
        self._writer = writer
        self._link = link
        self._supervisor = supervisor

    async def trader(self) -> Trader:
        """Recover, and ask the venue for what has to be known; nothing is sent. Raises what the venue raises."""
        setting, writer = self._setting, self._writer
        instrument = await self._patiently(self._link.instrument)
        config = engine_config(
            setting.profile,
            instrument,
            observe=setting.options.keys is None,
            armed=setting.facts.armed,
            times_in_force=self._link.capabilities.times_in_force,
        )
        engine = Engine(config, setting.policy)
        recovered = self._store.recover(engine.state)
        _tell(recovered, engine.state)
        tape = self._store.tape(instrument, started_ns=setting.clock.now_ns(), source=setting.options.addresses.rest)
        self._record(engine, recovered, tape)
        gate = WireGate(
            engine.state, setting.clock, armed=setting.facts.armed, journal_failure=lambda: writer.failure,
            is_fenced=self._store.is_taken_over,
        )  # fmt: skip
        loop = EngineLoop(
            engine,
            inbox=setting.inbox,
            journal=writer,
            recorder=tape,
            meter=setting.meter,
            progress=Watchdog(setting.systemd, writer).beat,
            on_failure=self._supervisor.fail,
        )
        dealing = None
        if setting.options.keys is not None:
            dealing = await self._dealing(setting.options.keys, instrument, recovered, gate, loop, engine.state)
            loop.submit = dealing.outbox.submit
        return Trader(instrument, engine, recovered, gate, loop, tape, dealing)

    async def _dealing(
        self, keys: Keys, instrument: Instrument, recovered: Recovered, gate: WireGate, loop: EngineLoop, state: State
    ) -> Dealing:
        setting = self._setting

        account = MeteredAccount(
            self._link.account(
                keys, instrument, directory=setting.options.state_dir, at_wire=AtTheWire(gate, loop.handle_now)
            ),
            setting.meter,
            setting.vitals,
        )
        check_rights(await self._patiently(account.rights), is_play=setting.profile.kind in ("demo", "paper"))
        cursor = recovered.cursor if recovered.cursor is not None else await self._first_cursor(account, instrument)
        tracker = OrderTracker(
            account,
            instrument,
            setting.clock,
            cursor=cursor,
            # A venue with a private stream lets its history be read often; the others do not.
            pace=PollingPace(history_refill_s=STREAM_REFILL_S) if account.capabilities.private_stream else None,
            patience=Patience(absent_s=float(setting.profile.service.absence_seconds)),
        )
        _watch_again(tracker, state)
        outbox = Outbox(
            account=account,
            tracker=tracker,
            journal=self._writer,
            gate=gate,
            inbox=setting.inbox,
            state=state,
            meter=setting.meter,
            on_failure=self._supervisor.fail,
        )
        return Dealing(account, tracker, outbox)

    async def _first_cursor(self, account: MeteredAccount, instrument: Instrument) -> str:
        """A directory that never traded reads fills from now on; on record before any order can be made."""
        cursor = await self._patiently(lambda: account.newest_cursor(instrument.symbol))
        self._writer.append(self._setting.clock.now_ns(), CURSOR, json.dumps({"trade_id": cursor}).encode())
        await self._writer.durable()
        return cursor

    def _record(self, engine: Engine, recovered: Recovered, tape: SessionTape) -> None:
        """What this session is made of, before its first event."""
        setting = self._setting
        policy = setting.profile.policy
        record = SessionRecord(
            build=setting.facts.build,
            config_digest=setting.facts.config,
            policy=policy.name,
            parameters=dict(policy.parameters),
            engine=engine.config,
            tape=tape.name,
            checkpoint_seq=recovered.checkpoint_seq,
            state=engine.state.snapshot(),
        )
        self._writer.append(setting.clock.now_ns(), SESSION, encode_session(record))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """A call of the start, made again while its failure may pass."""
        for attempt in range(START_ATTEMPTS_MAX - 1):
            try:
                return await call()
            except VenueError as error:
                if not error.retryable:
                    raise
                log.warning("venue_not_ready", error.message)
            await self._setting.clock.sleep(min(2.0**attempt, START_PAUSE_S_MAX))
        return await call()


def _watch_again(tracker: OrderTracker, state: State) -> None:
    """Orders of earlier sessions: those that ended for late fills, the others until their fate is known."""
    for order in state.orders.values():
        tracker.watch(order, known_fills=order.fills, venue_id=order.venue_id)
        if order.is_terminal:
            tracker.forget(order.client_id, may_fill=order.client_id in state.settling)
        elif order.venue_id or order.state in ACKNOWLEDGED:
            # The venue had it: so it can end, but it cannot turn out never to have been there.
            tracker.note_venue_id(order.client_id, order.venue_id)


def _tell(recovered: Recovered, state: State) -> None:
    for skipped in recovered.skipped:
        log.error("checkpoint_skipped", skipped)
    log.event(
        "recovered",
        checkpoint_seq=recovered.checkpoint_seq,
        records=recovered.records_folded,
        orders_working=len(state.working),
        killed=state.control.killed,
    )

"""The engine's loop: the one consumer of the inbox, and the only caller of ``Engine.step``.

For every event: step, then record, then act. The event stands in the journal before the commands that it caused, a
decision before its order, and an order waits in the outbox until all of that is fsynced. Market events go to the tape
of the session, everything else to the journal; time stamps put both back in order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from ztb.core.command import Command, Notify, Place, Tripped
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    Depth,
    Event,
    Feed,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
    OrderUnknown,
    Quote,
    Reconciled,
    Timer,
    Trade,
)
from ztb.core.instrument import SIDE_NAMES
from ztb.core.policy import HOLD
from ztb.core.reaction import REACTIONS
from ztb.core.step import Engine
from ztb.host.log import INFO, get_log
from ztb.service.inbox import Inbox
from ztb.service.measure import Meter
from ztb.store.codec import DECISIONS, encode, encode_decisions

KILLED: Final = "killed"
"""Code of the notice with which every kill is told, whatever led to it."""
TIMERS: Final = "timers"
"""Kind of a record that holds the time stamps of many timer events."""
ROWS_FLUSH: Final = 4_096
TIMERS_FLUSH: Final = 64
FLUSH_NS: Final = 1_000_000_000
"""A process that is killed loses at most so much of what was decided without an order."""
EVENTS_PER_TURN: Final = 256
"""After this many events the asyncio loop gets its turn, so that answers and signals are not starved."""

_MARKET: Final = frozenset({Trade, Quote, Depth})
_SEVERITY_LEVEL: Final = {"success": 20, "info": 20, "warning": 30, "error": 40, "emergency": 50}
log = get_log("engine")


class Journal(Protocol):
    """What the loop asks of the journal's writer."""

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        """Queue one record and give its sequence number; StoreError when the journal has failed."""
        ...


class MarketRecorder(Protocol):
    """The tape of the session."""

    def add(self, event: Trade | Quote | Depth) -> None:
        """Take one market event, in order."""
        ...

    def flush(self) -> None:
        """Hand what was added to the operating system, so that a kill of the process does not lose it."""
        ...


def no_way_out(command: Command) -> None:
    """How commands are carried out in live-lite: cancels and look-ups have nothing to act on, orders are a defect."""
    if isinstance(command, Place):
        raise InvariantBroken("an order was decided where there is no way to send")


class EngineLoop:
    """Feeds the engine and carries out what it says."""

    def __init__(
        self,
        engine: Engine,
        *,
        inbox: Inbox,
        journal: Journal,
        recorder: MarketRecorder,
        meter: Meter,
        progress: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """``progress`` is called after each turn: it feeds the watchdog, from this loop and from nowhere else.

        ``on_failure`` is called at once when the engine, or the journal under it, fails; the loop has ended then.
        """
        self._engine = engine
        self._inbox = inbox
        self._journal = journal
        self._recorder = recorder
        self._meter = meter
        self._progress = progress
        self._on_failure = on_failure
        self._timers: list[int] = []
        self._flushed_ns = 0
        self.submit: Callable[[Command], None] = no_way_out
        """Carries out a command; as it is made, the loop has no way to send anything."""
        self.on_killed: Callable[[], None] = lambda: None
        """Called when the latch was set, and its records were appended; they are not on disk yet."""
        self.has_failed = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            event, arrived_ns = await self._inbox.take()
            self.handle(event, arrived_ns)
            for _ in range(EVENTS_PER_TURN):
                if self._inbox.is_empty():
                    break
                event, arrived_ns = await self._inbox.take()
                self.handle(event, arrived_ns)
            self._progress()
            await asyncio.sleep(0)

    def handle_now(self, event: Event) -> None:
        """Stamp an event and handle it before this call returns, past the inbox: what must be on record first."""
        self._inbox.stamp_now(event)
        self.handle(event, time.perf_counter_ns())

    def handle(self, event: Event, arrived_ns: int) -> None:
        """One event, all the way: step, record, act. After a failure the state is not to be believed any more."""
        if self.has_failed:
            raise InvariantBroken("the engine has failed before; it takes no more events")
        try:
            self._handle(event)
        except BaseException as error:
            self.has_failed = True
            self._on_failure(error)
            raise
        self._meter.step.add(time.perf_counter_ns() - arrived_ns)

    def _handle(self, event: Event) -> None:
        kind = type(event)
        if kind in _MARKET:
            assert isinstance(event, Trade | Quote | Depth)
            self._recorder.add(event)
            self._meter.market_events += 1
        elif kind is Timer:
            self._timers.append(event.ts_ns)
        else:
            self._journal.append(event.ts_ns, *encode(event))
            self._count(event)
        commands = self._engine.step(event)
        if commands:
            self._act(event.ts_ns, commands)
        elif self._is_flush_due(event.ts_ns, is_timer=kind is Timer):
            self.flush()

    def flush(self) -> None:
        """Record the decisions and timers since the last time."""
        self._flushed_ns = self._engine.state.now_ns
        rows = self._engine.take_decisions()
        if rows:
            self._meter.decisions += len(rows)
            self._meter.signals += sum(row[2] != HOLD for row in rows)
            self._journal.append(rows[-1][0], DECISIONS, encode_decisions(rows))
        if self._timers:
            self._journal.append(self._timers[-1], TIMERS, msgspec.json.encode(self._timers))
            self._timers = []

    def _is_flush_due(self, ts_ns: int, *, is_timer: bool) -> bool:
        if is_timer and ts_ns - self._flushed_ns >= FLUSH_NS:
            return True
        return self._engine.decision_count >= ROWS_FLUSH or len(self._timers) >= TIMERS_FLUSH

    def _act(self, ts_ns: int, commands: Sequence[Command]) -> None:
        self.flush()
        if any(type(command) is Place for command in commands):
            self._recorder.flush()
        for command in commands:
            self._journal.append(ts_ns, *encode(command))
            if isinstance(command, Place):
                self._log_order("order_intent", command.client_id, command.lots, command.price, reason=command.reason)
            if isinstance(command, Tripped):
                reaction = REACTIONS[command.code]
                self._meter.count_trip(str(reaction.category), recoverable=reaction.recoverable)
            if isinstance(command, Notify):
                self._tell(command)
            else:
                self.submit(command)

    def _count(self, event: Event) -> None:
        match event:
            case OrderFilled():
                self._meter.fills += 1
                self._log_order("order_filled", event.client_id, event.lots, event.price, trade=event.trade_id)
            case OrderAccepted():
                log.event("order_accepted", order=event.client_id, venue_id=event.venue_id)
            case OrderCancelled() | OrderExpired() | OrderUnknown() | OrderNotPlaced():
                log.event(encode(event)[0], order=event.client_id)
            case OrderRejected():
                log.warning("order_rejected", event.text, order=event.client_id, reason=event.code)
            case Feed():
                # Told again after each attempt that failed; it was lost once.
                self._meter.feed_losses += not event.connected and not self._engine.state.failed_attempts
            case Reconciled():
                self._meter.reconciliations += 1
                self._meter.reconciliations_unclean += not event.clean

    def _log_order(self, code: str, client_id: str, lots: int, price: int, **fields: object) -> None:
        """With the amounts as people write them."""
        order = self._engine.state.orders.get(client_id)
        if order is None:
            log.warning(code, "no such order", order=client_id, **fields)
            return
        instrument = self._engine.state.desks[order.instrument].instrument
        side, size, at = SIDE_NAMES[order.side], instrument.sizes.text(lots), instrument.prices.text(price)
        log.event(code, f"{side} {size} {order.instrument} @ {at}", level=INFO, order=client_id, **fields)

    def _tell(self, notice: Notify) -> None:
        self._meter.notices += 1
        self._meter.errors += notice.severity in ("error", "emergency")
        if notice.code == KILLED:
            self.on_killed()
        log.event(notice.code, notice.text, level=_SEVERITY_LEVEL[notice.severity], severity=notice.severity)

"""Carries out what the engine asks of the venue: the only room that sends.

An order goes in this sequence and no other: its intent is fsynced, the gate at the wire is asked after the last wait,
the request leaves once. Whatever comes back, or does not, becomes one event. Nothing here ever sends an order again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from ztb.core.command import Cancel, Command, LookUp, Place
from ztb.core.error import GateClosed, StoreError, Throttled, UnknownFate, VenueError
from ztb.core.event import (
    CancelFailed,
    Event,
    OrderAccepted,
    OrderDurable,
    OrderRejected,
    OrderUnknown,
)
from ztb.core.state import State
from ztb.host.log import get_log
from ztb.service.inbox import Inbox
from ztb.service.measure import Meter
from ztb.venues.polling import PollingTracker
from ztb.venues.port import Account

UNDER_WAY_MAX: Final = 256
"""Commands being carried out at one time; the limits on orders keep it far lower."""

log = get_log("outbox")


class Durable(Protocol):
    """What the outbox asks of the journal's writer."""

    async def durable(self) -> None:
        """Returns when everything appended so far is fsynced; raises StoreError if it never will be."""
        ...


class Outbox:
    """One per trader that may send. Live-lite and replay have none: they have no way to send."""

    def __init__(
        self,
        *,
        account: Account,
        tracker: PollingTracker,
        journal: Durable,
        inbox: Inbox,
        state: State,
        meter: Meter,
    ) -> None:
        self._account = account
        self._tracker = tracker
        self._journal = journal
        self._inbox = inbox
        self._state = state
        self._meter = meter
        self._under_way: set[asyncio.Task[None]] = set()
        self._looked_up: set[str] = set()

    def submit(self, command: Command) -> None:
        """Begin to carry out ``command``; its outcome comes as events."""
        match command:
            case Place():
                # Watched before it is sent: a fill may be told before the answer to the order is.
                self._tracker.watch(command)
                self._start(self._place(command))
            case Cancel():
                self._start(self._cancel(command))
            case LookUp():
                if command.client_id not in self._looked_up:
                    self._looked_up.add(command.client_id)
                    self._start(self._look_up(command))

    @property
    def is_idle(self) -> bool:
        """Nothing is under way."""
        return not self._under_way

    async def close(self) -> None:
        """Wait for nothing any more; what was under way is unknown at the next start."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        assert len(self._under_way) < UNDER_WAY_MAX, "more commands under way than the limits on orders allow"
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._meter.errors += 1
            log.error("outbox_failed", repr(task.exception()))

    async def _place(self, place: Place) -> None:
        client_id = place.client_id
        try:
            await self._journal.durable()
        except StoreError as error:
            self._tell(OrderRejected(0, client_id, "store_failed", error.message))
            self._tracker.forget(client_id)
            return
        self._tell(OrderDurable(0, client_id))
        started_ns = time.perf_counter_ns()
        try:
            placed = await self._account.place(place)
        except UnknownFate as error:
            self._meter.orders_unknown += 1
            self._tell(OrderUnknown(0, client_id, str(error)[:300]))
        except VenueError as error:
            self._refused(place, error)
        else:
            self._meter.orders_placed += 1
            self._meter.place.add(time.perf_counter_ns() - started_ns)
            self._tracker.note_placed(client_id, placed)
            self._tell(OrderAccepted(0, client_id, placed.venue_id))

    def _refused(self, place: Place, error: VenueError) -> None:
        """Definitely not done: the venue's no, a rate limit, no connection, or our own gate."""
        self._tracker.forget(place.client_id)
        if isinstance(error, Throttled):
            self._meter.orders_throttled += 1
        elif not isinstance(error, GateClosed):
            self._meter.orders_rejected += 1
        log.warning("order_refused", error.message, order=place.client_id, code=error.code, kind=error.kind)
        self._tell(OrderRejected(0, place.client_id, error.code or error.kind, error.message[:300]))

    async def _cancel(self, cancel: Cancel) -> None:
        order = self._state.orders.get(cancel.client_id)
        venue_id = cancel.venue_id or (order.venue_id if order is not None else "")
        if not venue_id:
            # Not acknowledged yet, or of unknown fate: the look-up finds its id, and the engine asks again.
            return
        try:
            is_cancelled = await self._account.cancel(cancel.instrument, venue_id)
        except VenueError as error:
            log.warning("cancel_failed", error.message, order=cancel.client_id, code=error.code)
            self._tell(CancelFailed(0, cancel.client_id, error.code or error.kind))
            return
        if is_cancelled:
            self._tracker.note_cancelled(cancel.client_id)
        else:
            log.event("cancel_too_late", "the venue knows it no more", order=cancel.client_id)

    async def _look_up(self, look_up: LookUp) -> None:
        order = self._state.orders.get(look_up.client_id)
        try:
            if order is not None and not order.is_terminal:
                for event in await self._tracker.resolve(order):
                    self._tell(event)
        except VenueError as error:
            log.warning("look_up_failed", error.message, order=look_up.client_id, code=error.code)
        finally:
            self._looked_up.discard(look_up.client_id)

    def _tell(self, event: Event) -> None:
        self._inbox.put_now(event)

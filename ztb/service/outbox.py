"""Carries out what the engine asks of the venue: the only room that sends.

An order goes in this sequence and no other: its intent is fsynced, the gate at the wire is asked after the last wait,
the request leaves once. The request is made while the disk works, and waits at the gate until that is done. Whatever
comes back, or does not, becomes one event. Nothing here ever sends an order again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final, Protocol

from ztb.core.command import FLATTEN, Cancel, Command, LookUp, Place
from ztb.core.error import GateClosed, InvariantBroken, StoreError, Throttled, UnknownFate, VenueError
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
from ztb.service.gate import STOPPING, STORE_FAILED, Intent, WireGate
from ztb.service.inbox import Inbox
from ztb.service.measure import Meter
from ztb.venues.limiter import OWN_LIMIT
from ztb.venues.port import Account
from ztb.venues.tracker import OrderTracker

UNDER_WAY_MAX: Final = 512
"""Commands being carried out at one time: of each order at most its placing, one cancel and one look-up."""
NOT_ACKNOWLEDGED: Final = "not_acknowledged"
"""Reason of a cancel that cannot be sent, because the venue has not told its name of the order yet."""
ABANDON_WALL_S: Final = 1.0
"""So long an order may be without an answer while others are to be cancelled because of a kill or a stop."""
URGENT_REASONS: Final = frozenset({"killed", "stopping", FLATTEN})
UNSUPPORTED: Final = "unsupported"
"""Code of an order of a kind that the venue does not know."""
TEXT_LENGTH_MAX: Final = 300

log = get_log("outbox")


class Durable(Protocol):
    """What the outbox asks of the journal's writer."""

    def durable(self) -> asyncio.Future[None]:
        """Done when everything appended so far is fsynced; StoreError if it never will be."""
        ...

    async def under_way(self) -> None:
        """Returns when the disk works on that, or has done it."""
        ...


class Outbox:
    """One per trader that may send. Live-lite and replay have none: they have no way to send."""

    def __init__(
        self,
        *,
        account: Account,
        tracker: OrderTracker,
        journal: Durable,
        gate: WireGate,
        inbox: Inbox,
        state: State,
        meter: Meter,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """``on_failure`` is told of what must never happen here; the session ends then."""
        self._account = account
        self._tracker = tracker
        self._journal = journal
        self._gate = gate
        self._inbox = inbox
        self._state = state
        self._meter = meter
        self._on_failure = on_failure
        self._under_way: set[asyncio.Task[None]] = set()
        self._placing: dict[asyncio.Task[None], tuple[str, float]] = {}
        """Orders whose answer is awaited: client id, and since when."""
        self._cancelling: set[str] = set()
        self._cancel_together: list[Cancel] = []
        self._looked_up: set[str] = set()
        self._is_closed = False

    def submit(self, command: Command) -> None:
        """Begin to carry out ``command``; its outcome comes as events. After ``close`` nothing is begun any more."""
        if self._is_closed:
            return
        match command:
            case Place() if command.time_in_force not in self._account.capabilities.times_in_force:
                self._refused(
                    command, UNSUPPORTED, f"the venue knows no {command.time_in_force} orders", kind="exchange"
                )
            case Place():
                # Watched before it is sent: a fill may be told before the answer to the order is.
                self._tracker.watch(command)
                task = self._start(self._place(command))
                self._placing[task] = (command.client_id, time.monotonic())
                task.add_done_callback(self._placing.pop)
            case Cancel():
                if command.client_id not in self._cancelling:
                    self._cancelling.add(command.client_id)
                    self._begin_cancel(command)
                if command.reason in URGENT_REASONS and self._placing:
                    asyncio.get_running_loop().call_later(ABANDON_WALL_S, self._abandon)
            case LookUp():
                # While the answer may still come, the order is not lost: looked up now, it could be taken for another.
                is_awaited = any(client_id == command.client_id for client_id, _ in self._placing.values())
                if command.client_id not in self._looked_up and not is_awaited:
                    self._looked_up.add(command.client_id)
                    self._start(self._look_up(command))

    def _begin_cancel(self, cancel: Cancel) -> None:
        """By itself, or with the others of a kill or stop where the venue takes several in one call."""
        if cancel.reason not in URGENT_REASONS or self._account.capabilities.cancel_many <= 1:
            self._start(self._cancel(cancel))
            return
        self._cancel_together.append(cancel)
        if len(self._cancel_together) == 1:
            # Whatever else this step of the engine cancels has been submitted when this is run.
            self._start(self._cancel_several())

    @property
    def is_idle(self) -> bool:
        """Nothing is under way."""
        return not self._under_way

    async def close(self) -> None:
        """Wait for nothing any more: orders under way are told as unknown, and looked up at the next start."""
        self._is_closed = True
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if len(self._under_way) >= UNDER_WAY_MAX:
            work.close()
            raise InvariantBroken(f"{UNDER_WAY_MAX} commands are under way: more than the limits on orders allow")
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)

    def _abandon(self) -> None:
        """Give up orders whose answer does not come: private calls go one by one, and cancels wait behind them."""
        latest = time.monotonic() - ABANDON_WALL_S
        for task, (_, started) in self._placing.items():
            if started <= latest:
                task.cancel()

    async def _place(self, place: Place) -> None:
        on_disk = self._journal.durable()
        on_disk.add_done_callback(partial(self._told_durable, place.client_id))
        intent = self._gate.expect(place.client_id, on_disk)
        try:
            await self._journal.under_way()
            await self._send(place, intent)
        except StoreError as error:
            # The nonce, or the record that the order is about to leave, could not be kept: so it did not leave.
            self._refused(place, STORE_FAILED, error.message, held_back=True)
            raise
        except asyncio.CancelledError:
            if intent.released_ns:
                self._unknown(place, "nobody waits for the answer any more")
            else:
                self._refused(place, STOPPING, "it was given up before it left", held_back=True)
            raise
        except Exception as error:
            self._unknown(place, repr(error))
            raise
        finally:
            self._gate.forget(place.client_id)

    def _told_durable(self, client_id: str, on_disk: asyncio.Future[None]) -> None:
        if not on_disk.cancelled() and on_disk.exception() is None:
            self._tell(OrderDurable(0, client_id))

    async def _send(self, place: Place, intent: Intent) -> None:
        """Once; the answer, its lack or a refusal becomes an event."""
        try:
            # It is asked again at the wire; here nothing is used up yet, no nonce and no place within the limits.
            self._gate.check(place)
            placed = await self._account.place(place)
            if not intent.released_ns:
                raise InvariantBroken("an order was placed past the gate at the wire")
        except UnknownFate as error:
            self._unknown(place, str(error))
        except VenueError as error:
            if isinstance(error, Throttled):
                self._meter.orders_throttled += 1
            elif not isinstance(error, GateClosed):
                self._meter.orders_rejected += 1
            held_back = isinstance(error, GateClosed) or error.code == OWN_LIMIT
            self._refused(place, error.code or error.kind, error.message, kind=error.kind, held_back=held_back)
        else:
            self._meter.orders_placed += 1
            self._meter.place.add(time.perf_counter_ns() - intent.released_ns)
            self._tracker.note_placed(place.client_id, placed)
            self._tell(OrderAccepted(0, place.client_id, placed.venue_id))
            # Fills that came before the order's name did.
            self._tell_all(self._tracker.told())

    def _refused(self, place: Place, code: str, text: str, *, kind: str = "store", held_back: bool = False) -> None:
        """Definitely not done: the venue's no, a rate limit, no connection, our own gate, or our disk.

        ``held_back``: nobody was asked; the engine tries again soon.
        """
        self._tracker.forget(place.client_id)
        log.warning("order_refused", text, order=place.client_id, code=code, kind=kind)
        self._tell(OrderRejected(0, place.client_id, code, text[:TEXT_LENGTH_MAX], held_back))

    def _unknown(self, place: Place, why: str) -> None:
        self._meter.orders_unknown += 1
        self._tell(OrderUnknown(0, place.client_id, why[:TEXT_LENGTH_MAX]))

    def _venue_id(self, cancel: Cancel) -> str:
        order = self._state.orders.get(cancel.client_id)
        return cancel.venue_id or (order.venue_id if order is not None else "")

    async def _cancel(self, cancel: Cancel) -> None:
        try:
            venue_id = self._venue_id(cancel)
            if not venue_id:
                # The engine asks again until there is a name to cancel by, or nothing left to cancel.
                self._tell(CancelFailed(0, cancel.client_id, NOT_ACKNOWLEDGED))
            elif await self._account.cancel(cancel.instrument, venue_id):
                self._tracker.note_cancelled(cancel.client_id)
            else:
                # Gone already is as good as cancelled (F-08), but what it was is for the next looks to say.
                self._tracker.note_gone(cancel.client_id)
                log.event("cancel_too_late", "the venue knows it no more", order=cancel.client_id)
        except VenueError as error:
            log.warning("cancel_failed", error.message, order=cancel.client_id, code=error.code)
            self._tell(CancelFailed(0, cancel.client_id, error.code or error.kind))
        finally:
            self._cancelling.discard(cancel.client_id)

    async def _cancel_several(self) -> None:
        """As few calls as the venue allows; an order that it did not say yes to is asked for by itself."""
        cancels, self._cancel_together = self._cancel_together, []
        names = {self._venue_id(cancel): cancel for cancel in cancels}
        names.pop("", None)
        done: frozenset[str] = frozenset()
        instruments = {cancel.instrument for cancel in names.values()}
        for instrument in sorted(instruments):
            ids = [venue_id for venue_id, cancel in names.items() if cancel.instrument == instrument]
            try:
                done |= await self._account.cancel_all(instrument, ids)
            except VenueError as error:
                log.warning("cancel_all_failed", error.message, orders=len(ids), code=error.code)
        for cancel in cancels:
            if self._venue_id(cancel) in done:
                self._tracker.note_cancelled(cancel.client_id)
                self._cancelling.discard(cancel.client_id)
            else:
                self._start(self._cancel(cancel))

    async def _look_up(self, look_up: LookUp) -> None:
        order = self._state.orders.get(look_up.client_id)
        try:
            if order is not None and not order.is_terminal:
                self._tell_all(await self._tracker.resolve(order))
        except VenueError as error:
            log.warning("look_up_failed", error.message, order=look_up.client_id, code=error.code)
        finally:
            self._looked_up.discard(look_up.client_id)

    def _tell_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        self._inbox.put_now(event)

"""Order events made from what the venue shows: open orders, fills, the status of orders, and its private stream.

One *look* is: the open orders, then, where anything suggests it, the fills, then the status of what is missing, where
the venue tells it. The order matters: an order that is no longer open in the first answer has all its fills in the
second, if the venue is consistent. Because venues are not always, an end is concluded only from looks that agree over
time. A stream hurries the looks, it does not replace them (F-20). Looks follow each other, never overlap, and never
send an order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ztb.core.error import Throttled, VenueError
from ztb.core.event import OrderEvent
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.clock import Clock
from ztb.venues.comparison import ReconcileReport
from ztb.venues.pacing import HistoryPace, PollingPace
from ztb.venues.port import Account, AccountNews, OpenOrder, OrderReport, Placed, StreamState, VenueFill
from ztb.venues.verdict import Patience
from ztb.venues.watch import Watch
from ztb.venues.watched import OrderLike

_NS = 1_000_000_000
TAG_PREFIX: Final = "ztb-"
LOOK_UP_EVERY_S: Final = 5.0
"""An order of unknown fate is not looked up more often by itself."""


class OrderTracker:
    """Watches our orders of one instrument: by their tag, which starts with ``TAG_PREFIX``, or by the venue's id."""

    def __init__(
        self,
        account: Account,
        instrument: Instrument,
        clock: Clock,
        *,
        cursor: str,
        pace: PollingPace | None = None,
        patience: Patience | None = None,
    ) -> None:
        """``cursor``: from which on fills are new, as an earlier session saved it."""
        self._account = account
        self._instrument = instrument
        self._clock = clock
        self._pace = pace or PollingPace()
        self._newest = self._cursor_told = cursor
        self._patience = patience or Patience()
        able = account.capabilities
        self._has_status = able.order_status
        self._finds_tags = able.tag_status
        self._watch = Watch(
            instrument,
            tag_prefix=TAG_PREFIX,
            patience=self._patience,
            shows_tags=able.client_order_id,
            has_status=able.order_status,
        )
        self._one_look_at_a_time = asyncio.Lock()
        self._nudge = asyncio.Event()
        self._untold: list[OrderEvent] = []
        self._open_before: dict[str, int] | None = None
        self._history = HistoryPace(self._pace, clock)
        self._fast_until_ns = 0
        self._is_backfill_due = False
        self.is_stream_live = False
        """The private stream says that it is connected."""
        self.looks = 0
        self.failures_in_row = 0

    @property
    def cursor(self) -> str:
        """Save this once the events told so far are journalled: what is older was told, or is no fill of ours.

        A look may have read further than it has told yet; until it has, the cursor stays where all was told.
        """
        return self._cursor_told if self._untold else self._cursor_read()

    @property
    def is_urgent(self) -> bool:
        """Somebody waits for the ends of orders (a flatten): what may tell one is read soon, from the reserve too."""
        return self._history.is_urgent

    @is_urgent.setter
    def is_urgent(self, value: bool) -> None:
        self._history.is_urgent = value

    @property
    def is_idle(self) -> bool:
        """No order of ours is working or unexplained."""
        return not self._watch.live

    def watch(self, order: OrderLike, *, known_fills: Mapping[str, int] | None = None, venue_id: str = "") -> None:
        """Before an order is sent, and for each one recovered; ``known_fills``: lots by trade id already booked."""
        assert order.instrument == self._instrument.symbol
        self._watch.add(order, self._newest, known_fills or {}, venue_id=venue_id)
        self._hurry()

    def note_placed(self, client_id: str, placed: Placed) -> None:
        """The venue's answer to the order. What it says is filled must show in the history before the end counts."""
        self._note(client_id, venue_id=placed.venue_id, told_lots=placed.filled_lots)
        self._history.is_due = self._history.is_due or placed.filled_lots > 0 or not placed.venue_id

    def note_venue_id(self, client_id: str, venue_id: str) -> None:
        """The venue acknowledged the order under ``venue_id``."""
        self._note(client_id, venue_id=venue_id)

    def note_cancelled(self, client_id: str) -> None:
        """The venue confirmed a cancel: the next look tells the last fills and then the end."""
        self._note(client_id, is_cancelled=True)
        self._history.is_due = True

    def note_gone(self, client_id: str) -> None:
        """The venue answered a cancel with: there is nothing of it to cancel. Looks must agree before it has ended."""
        self._note(client_id, is_gone=True)
        self._history.is_due = True

    def _note(
        self,
        client_id: str,
        *,
        venue_id: str = "",
        told_lots: int = 0,
        is_cancelled: bool = False,
        is_gone: bool = False,
    ) -> None:
        self._untold += self._watch.note(
            client_id,
            venue_id=venue_id,
            told_lots=told_lots,
            is_cancelled=is_cancelled,
            is_gone=is_gone,
            ts_ns=self._clock.now_ns(),
        )
        self._hurry()

    def forget(self, client_id: str, *, may_fill: bool = False) -> None:
        """The order ended in another way (rejected, never sent, before a restart). A late fill of it is still told.

        ``may_fill``: it had ended, and the fills had not been read again since.
        """
        entry = self._watch.live.get(client_id)
        if entry is not None:
            self._watch.end(entry, self._clock.monotonic_ns(), may_fill=may_fill)

    def ours_among(self, orders: Iterable[OpenOrder]) -> dict[str, OpenOrder]:
        """Those that are proven ours, by client id; nobody may touch any other (F-25)."""
        found = ((self._watch.whose(order.tag, order.venue_id), order) for order in orders)
        return {client_id: order for client_id, order in found if client_id}

    def take(self, news: AccountNews) -> list[OrderEvent]:
        """What the private stream tells, in any order and any number of times."""
        ts_ns = self._clock.now_ns()
        events: list[OrderEvent] = []
        match news:
            case StreamState():
                self.is_stream_live = news.connected
                # What happened while nobody listened is read before anything is taken to be quiet.
                self._is_backfill_due = self._is_backfill_due or news.connected
                self._nudge.set()
            case VenueFill() if news.instrument == self._instrument.symbol:
                events = self._watch.see_fills([news], ts_ns)
            case OrderReport() if news.instrument == self._instrument.symbol:
                events = self._watch.see_report(news, ts_ns)
                if self._has_unsettled():
                    self._hurry()
        return events

    def told(self) -> list[OrderEvent]:
        """Hand over what was found out and not yet told; a look that failed half way has left its part here."""
        told, self._untold = self._untold, []
        self._cursor_told = self._cursor_read()
        return told

    async def poll(self) -> list[OrderEvent]:
        """One look at the ordinary pace of the history; raises what the account raises."""
        await self._look(must_read_fills=False)
        return self.told()

    async def events(self) -> AsyncGenerator[OrderEvent, None]:
        """Endless looks, fast while orders work. A failure that may pass is counted; another one is raised."""
        while True:
            try:
                await self._look(must_read_fills=False)
            except VenueError as error:
                self._bear(error)
            for event in self.told():
                yield event
            await self._pause()

    async def resolve(
        self,
        order: OrderLike,
        *,
        first_wait_s: float = 2.0,
        looks_min: int | None = None,
        spread_s: float | None = None,
        looks_max: int = limits.LOOKS_MAX,
    ) -> list[OrderEvent]:
        """The fate of an order without a usable answer, by evidence from open orders *and* fills.

        Found: the events that say so. Absent from both in ``looks_min`` looks over at least ``spread_s`` (by default
        the tracker's patience): ``OrderNotPlaced``. Otherwise nothing for this order: it stays unknown, ask again.
        Events that a look by ``poll`` found in the meantime were told there. Where nonces rise, each look also fences
        the order off: a request that is still under way carries a lower nonce and will be refused.
        """
        looks_min = self._patience.absent_looks_min if looks_min is None else looks_min
        spread_s = self._patience.absent_s if spread_s is None else spread_s
        assert looks_min >= 2
        assert spread_s > 0
        entry = self._watch.add(order, self._newest, {})
        self._untold += self._watch.doubt(entry, looks_min=looks_min, spread_s=spread_s, ts_ns=self._clock.now_ns())
        await self._clock.sleep(first_wait_s)
        spacing_s_max = spread_s / (looks_min - 1)
        for number in range(1, looks_max + 1):
            if not entry.is_doubted or entry.client_id not in self._watch.live:
                break
            await self._look_again()
            # Often at first, when an order that is there shows up; later only to be sure that it does not.
            await self._clock.sleep(min(spacing_s_max, LOOK_UP_EVERY_S * number))
        return self.told()

    async def settle(self) -> list[OrderEvent]:
        """Looks until nothing is unsettled, for the start: watched, noted and doubted orders get their fate."""
        for _ in range(limits.LOOKS_MAX):
            await self._look_again()
            if not self._has_unsettled():
                break
            await self._clock.sleep(self._pace.settle_s)
        return self.told()

    async def _look_again(self) -> None:
        """A whole look; one that fails in a passing way is no evidence and no end of the matter."""
        try:
            await self._look(must_read_fills=True)
        except VenueError as error:
            self._bear(error)

    def _bear(self, error: VenueError) -> None:
        """Count a failure that may pass; raise another one. A key that worked before is called wrong a few times."""
        self.failures_in_row += 1
        is_known_key = error.kind == "auth" and self.looks > 0 and self.failures_in_row < limits.AUTH_REFUSALS_MAX
        if not (error.retryable or is_known_key):
            raise error

    async def reconcile(self, ours: Mapping[str, int]) -> ReconcileReport:
        """Compare what we hold to be working (remaining lots by client id) with the venue; changes nothing there.

        ``ours`` must take account of every event that this tracker told before.
        """
        filled_before = {client_id: self._filled(client_id) for client_id in ours}
        await self._look(must_read_fills=True)
        missing: list[str] = []
        different: list[tuple[str, int, int]] = []
        for client_id, remaining_before in ours.items():
            remaining = remaining_before - (self._filled(client_id) - filled_before[client_id])
            entry = self._watch.live.get(client_id)
            if entry is not None and entry.open_lots > 0:
                if entry.open_lots != remaining:
                    different.append((client_id, remaining, entry.open_lots))
            elif remaining != 0 and (entry is not None or self._watch.find(client_id) is None):
                missing.append(client_id)
        return ReconcileReport(
            missing_there=tuple(missing),
            unknown_here=tuple(replace(order, tag=name) for name, order in self._watch.stray_orders.items()),
            different=tuple(different),
            stray_fills=tuple(self._watch.stray_fills.values()),
            contradictions=tuple(self._watch.contradictions),
            events=tuple(self.told()),
        )

    def _filled(self, client_id: str) -> int:
        entry = self._watch.find(client_id)
        return entry.filled_lots if entry is not None else 0

    def _cursor_read(self) -> str:
        """Up to here the looks have read; the fills of the oldest order that still lives may be read again."""
        for entry in self._watch.live.values():
            return entry.since_cursor
        return self._newest

    async def _look(self, *, must_read_fills: bool) -> None:
        """One at a time. A look that a stream's return asked for stays due until there has been a whole one."""
        async with self._one_look_at_a_time:
            is_backfill, self._is_backfill_due = self._is_backfill_due, False
            is_whole = False
            try:
                is_whole = await self._look_whole(must_read_fills=must_read_fills or is_backfill)
            finally:
                self._is_backfill_due = self._is_backfill_due or (is_backfill and not is_whole)

    async def _look_whole(self, *, must_read_fills: bool) -> bool:
        """Open orders, then fills and status if something suggests it; True with all, only then ends are concluded."""
        self._watch.begin_look()
        is_urgent = must_read_fills or self._history.is_urgent
        orders = await self._account.open_orders(self._instrument.symbol, urgent=is_urgent)
        self._success()
        self._untold += self._watch.see_open(orders, self._clock.now_ns())
        open_now = {order.venue_id: order.remaining_lots for order in orders}
        began_ns = self._clock.monotonic_ns()
        if open_now != self._open_before or self._has_unsettled() or self._watch.settling.is_due(began_ns):
            self._history.is_due = True
        self._open_before = open_now
        if not must_read_fills and not self._history.may_read():
            return False
        try:
            await self._read_fills(urgent=is_urgent)
            await self._read_status()
        except Throttled:
            # Without the fills nothing is concluded; they are read as soon as the rate allows.
            return False
        ended = self._watch.conclude(self._clock.now_ns(), self._clock.monotonic_ns())
        if ended:
            self._history.note_end()
        self._untold += ended
        self._untold += self._watch.settling.over(self._clock.now_ns(), began_ns)
        return True

    async def _read_fills(self, *, urgent: bool) -> None:
        start = self._watch.read_from(self._newest, self._clock.monotonic_ns())
        fills = await self._account.fills_after(self._instrument.symbol, start, urgent=urgent)
        self._history.note_read()
        if fills:
            self._newest = fills[-1].reading_on
        self._untold += self._watch.see_fills(fills, self._clock.now_ns())

    async def _read_status(self) -> None:
        """An order that is missing from the answer is not known to have ended: silence is no evidence here either."""
        symbol, reports = self._instrument.symbol, list[OrderReport]()
        venue_ids = self._watch.ids_to_ask() if self._has_status else []
        if venue_ids:
            reports += await self._account.look_up(symbol, venue_ids)
        lost = [entry for entry in self._watch.live.values() if entry.is_lost] if self._finds_tags else []
        if lost:
            tags = frozenset(entry.client_id for entry in lost)
            reports += await self._account.look_up_tags(symbol, tags, since_ns=min(entry.sent_ns for entry in lost))
        for report in reports:
            self._untold += self._watch.see_report(report, self._clock.now_ns(), is_asked=True)

    def _has_unsettled(self) -> bool:
        return any(entry.is_unsettled for entry in self._watch.live.values())

    def _success(self) -> None:
        self.looks += 1
        self.failures_in_row = 0

    def _hurry(self) -> None:
        self._fast_until_ns = self._clock.monotonic_ns() + int(self._pace.placed_s * _NS)
        self._nudge.set()

    async def _pause(self) -> None:
        """Until the next look is due, or something was noted."""
        seconds = self._pace.fast_s
        is_calm = self._clock.monotonic_ns() >= self._fast_until_ns
        if self.failures_in_row:
            seconds = min(seconds * (1 << min(self.failures_in_row, 10)), self._pace.failure_s_max)
        elif is_calm and (self.is_idle or (self.is_stream_live and not self._has_unsettled())):
            is_quiet = self.is_idle and not self._watch.settling
            seconds = self._pace.slow_s if is_quiet else min(self._pace.stream_s, self._pace.slow_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds / self._clock.scale):
                    await self._nudge.wait()
            self._nudge.clear()
            return
        elif self._history.is_urgent:
            seconds = min(seconds, self._pace.urgent_s)
        self._nudge.clear()
        await self._clock.sleep(seconds)

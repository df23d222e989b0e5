"""The way out of a session, whatever led there: orders off the venue, books closed, each step within its time.

While the engine lives, it is the engine that cancels, and what comes of it is on record. Where it cannot any more
(it failed, its journal failed, the venue does not tell in time), our orders are taken off the venue directly. Every
step is tried even when one before it failed; all of them together take less than five seconds of the wall, unless the
stop policy is to flatten, which has a minute of its own.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Final

from ztb.core.error import StoreError, VenueError, ZtbError
from ztb.core.event import Flatten, Stop
from ztb.core.flatten import left_in_words
from ztb.core.flattening import LIMIT
from ztb.host.log import get_log
from ztb.service.flatten_files import SLIPPAGE_PPM
from ztb.service.flattening import Flattener
from ztb.service.gate import STOPPING
from ztb.service.records import Records
from ztb.service.setting import Setting
from ztb.service.supervision import Supervisor
from ztb.service.trader import Dealing, Trader
from ztb.store.writer import JournalWriter
from ztb.venues.port import OpenOrder

SETTLE_WALL_S_MAX: Final = 2.0
"""For the engine's own cancels. What the venue has not told by then is cancelled directly."""
DIRECT_WALL_S_MAX: Final = 0.9
DRAIN_WALL_S_MAX: Final = 0.3
CLOSE_WALL_S_MAX: Final = 0.8
LOOK_WALL_S: Final = 0.01
FLATTEN_S_MAX: Final = 60.0
"""For the stop policy ``flatten``, in the trader's own time; after it the stop goes on, and says what is left."""
STOP_POLICY: Final = "stop policy"
NOT_FLAT: Final = "`ztb flatten --direct` closes what is left"
ENGINE: Final = "engine"
"""Name of the engine's task: the last one to go, because the others tell it what they know."""
DIRECT_CANCEL: Final = "direct_cancel"
"""Kind of a record: a cancel that the engine did not ask for, so it is no command."""

log = get_log("session")


class WayOut:
    """Of one session that has been composed."""

    def __init__(
        self,
        setting: Setting,
        supervisor: Supervisor,
        writer: JournalWriter,
        trader: Trader,
        records: Records,
        flattener: Flattener | None = None,
    ) -> None:
        """``flattener``: None where there is no account."""
        self._setting = setting
        self._supervisor = supervisor
        self._writer = writer
        self._trader = trader
        self._records = records
        self._flattener = flattener
        self._leaves_orders = setting.profile.mode.stop_policy == "leave"
        self._flattens = setting.profile.mode.stop_policy == "flatten"

    async def go(self) -> None:
        """Stop the engine's orders, then everything."""
        trader, setting = self._trader, self._setting
        setting.facts.phase = "stopping"
        setting.systemd.stopping("stopping")
        log.event("stopping", policy=setting.profile.mode.stop_policy, orders_working=len(trader.state.working))
        for step in (
            self._flatten, self._close_gate, self._stop_engine, self._stop_others, self._cancel_directly, self._drain,
            self._close_books,
        ):  # fmt: skip
            try:
                await step()
            except Exception as error:
                self._supervisor.fail(error, name=f"the way out ({step.__name__.strip('_')})")
        log.event("stopped", orders_left_working=len(trader.state.working), journal_seq=self._writer.committed_seq)

    async def _close_gate(self) -> None:
        self._trader.gate.close(STOPPING)

    @property
    def _is_engine_sound(self) -> bool:
        return not self._trader.loop.has_failed and self._writer.failure is None

    async def _flatten(self) -> None:
        """Close what is held, for as long as an orderly stop has; a second signal ends it at once."""
        trader = self._trader
        is_orderly = self._supervisor.failure is None and not self._supervisor.is_hurried
        flattener = self._flattener
        if not self._flattens or flattener is None or not (self._is_engine_sound and is_orderly):
            return
        within_ns = int(FLATTEN_S_MAX * 1_000_000_000)
        inbox = self._setting.inbox
        inbox.put_now(Stop(0, "asked to stop"), first=True)
        wish = Flatten(0, STOP_POLICY, "asked to stop", LIMIT, SLIPPAGE_PPM, within_ns, holds=False)
        inbox.put_now(wish, first=True)
        while self._is_engine_sound and not self._supervisor.is_hurried:
            running = trader.state.flattening
            is_late = running is not None and running.is_active and running.alarmed_ns > 0 and flattener.has_told
            if (is_late or flattener.is_settled) and inbox.is_empty():
                break
            await asyncio.sleep(LOOK_WALL_S)
        running = trader.state.flattening
        if running is None or running.is_active:
            self._supervisor.fail(ZtbError(f"stopped and not flat: {left_in_words(trader.state)}", remedy=NOT_FLAT))

    async def _stop_engine(self) -> None:
        """It opens nothing more and cancels what works; wait for what comes of it."""
        if self._leaves_orders or not self._is_engine_sound:
            return
        self._setting.inbox.put_now(Stop(0, "asked to stop"), first=True)
        deadline = time.monotonic() + SETTLE_WALL_S_MAX
        while time.monotonic() < deadline and self._is_engine_sound and not self._supervisor.is_hurried:
            if self._is_settled():
                return
            await asyncio.sleep(LOOK_WALL_S)

    def _is_settled(self) -> bool:
        """Nothing works any more, and nothing is under way."""
        dealing = self._trader.dealing
        is_idle = dealing is None or (dealing.outbox.is_idle and not self._trader.state.working)
        return is_idle and self._setting.inbox.is_empty()

    async def _stop_others(self) -> None:
        """Every task but the engine's, and whatever is under way to the venue."""
        await self._supervisor.end(but=ENGINE)
        if self._trader.dealing is not None:
            await self._trader.dealing.outbox.close()

    async def _cancel_directly(self) -> None:
        """Every order of ours that the venue shows; the next start finds out what became of each.

        Orders are left where they are only by an orderly stop that was told to: a failure leaves nothing behind.
        """
        dealing, state = self._trader.dealing, self._trader.state
        if dealing is None or not state.working or (self._leaves_orders and self._supervisor.failure is None):
            return
        try:
            async with asyncio.timeout(DIRECT_WALL_S_MAX):
                symbol = self._trader.instrument.symbol
                ours = dealing.tracker.ours_among(await dealing.account.open_orders(symbol, urgent=True))
                mine = {client_id: order for client_id, order in ours.items() if client_id in state.orders}
                if dealing.account.capabilities.cancel_many > 1:
                    mine = await self._cancel_together(dealing, mine)
                for client_id, order in mine.items():
                    await self._cancel_one(dealing, client_id, order)
                if self._is_engine_sound:
                    for event in await dealing.tracker.poll():
                        self._setting.inbox.put_now(event)
        except TimeoutError:
            log.error("orders_left_working", f"the venue did not answer within {DIRECT_WALL_S_MAX:g} s")
        except (VenueError, StoreError) as error:
            log.error("orders_left_working", f"not every order could be taken back: {error}")

    async def _cancel_together(self, dealing: Dealing, ours: dict[str, OpenOrder]) -> dict[str, OpenOrder]:
        """In as few calls as the venue allows; those to which it did not say yes."""
        if not ours:
            return ours
        ids = [order.venue_id for order in ours.values()]
        try:
            done = await dealing.account.cancel_all(self._trader.instrument.symbol, ids)
        except (VenueError, StoreError) as error:
            log.error("direct_cancel_failed", error.message, orders=len(ids))
            return ours
        for client_id, order in ours.items():
            if order.venue_id in done:
                self._cancelled(dealing, client_id, order, is_cancelled=True)
        return {client_id: order for client_id, order in ours.items() if order.venue_id not in done}

    async def _cancel_one(self, dealing: Dealing, client_id: str, order: OpenOrder) -> None:
        try:
            is_cancelled = await dealing.account.cancel(order.instrument, order.venue_id)
        except (VenueError, StoreError) as error:
            log.error("direct_cancel_failed", error.message, order=client_id, venue_id=order.venue_id)
            return
        self._cancelled(dealing, client_id, order, is_cancelled=is_cancelled)

    def _cancelled(self, dealing: Dealing, client_id: str, order: OpenOrder, *, is_cancelled: bool) -> None:
        if is_cancelled:
            dealing.tracker.note_cancelled(client_id)
        log.event("direct_cancel", order=client_id, venue_id=order.venue_id, cancelled=is_cancelled)
        if self._writer.failure is None:
            plain = {"client_id": client_id, "venue_id": order.venue_id, "cancelled": is_cancelled}
            self._writer.append(self._setting.clock.now_ns(), DIRECT_CANCEL, json.dumps(plain).encode())

    async def _drain(self) -> None:
        """What was told on the way out still gets to the engine; then it ends as well."""
        if self._is_engine_sound:
            with suppress(TimeoutError):  # a market that never pauses; what is left was not handled, and is not counted
                async with asyncio.timeout(DRAIN_WALL_S_MAX):
                    await self._setting.inbox.until_empty()
        await self._supervisor.end()

    async def _close_books(self) -> None:
        """The last records, the end of the tape, the last status."""
        self._setting.facts.phase = "stopped"
        try:
            if self._is_engine_sound:
                self._trader.loop.flush()
                self._records.measure()
                self._records.checkpoint()
        finally:
            self._trader.tape.close()
            self._records.write_status()


async def close_writer(writer: JournalWriter, supervisor: Supervisor) -> bool:
    """Have the rest written; False when the disk hangs, and its thread still holds the journal."""
    try:
        async with asyncio.timeout(CLOSE_WALL_S_MAX):
            await writer.close()
    except TimeoutError:
        supervisor.fail(StoreError(f"the disk did not answer for {CLOSE_WALL_S_MAX:g} s, what was last is not kept"))
        return False
    except StoreError as error:
        supervisor.fail(error)
    return True

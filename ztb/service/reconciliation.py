"""Our orders, fills and holdings against the venue's: before READY, after each reconnection, and every so often.

It never sends an order. Whatever cannot be explained closes the trader for new orders until a later comparison
explains it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ztb.core.error import VenueError
from ztb.core.event import BrokerRead, Reconciled, WalletMeasured
from ztb.core.instrument import Instrument
from ztb.core.order import OrderState
from ztb.core.state import State
from ztb.service import status
from ztb.service.holdings import COVERED, Shortfall, shortfall
from ztb.service.inbox import Inbox
from ztb.service.setting import Setting
from ztb.venues.port import Account
from ztb.venues.tracker import OrderTracker

LOOK_S: Final = 0.02
LOOKS_MAX: Final = 3
"""A comparison may cross a fill that is under way; only a difference that stays counts."""
BETWEEN_LOOKS_S: Final = 1.0
START_PAUSE_S_MAX: Final = 5.0
"""Before READY the next comparison does not wait as long as afterwards."""
COMPARABLE: Final = frozenset({OrderState.ACCEPTED, OrderState.PARTIAL})
NO_ACCOUNT: Final = "nothing to reconcile: this trader has no account"


@dataclass(frozen=True)
class Compared:
    """What a trader with an account has to compare."""

    tracker: OrderTracker
    account: Account
    instrument: Instrument


class Reconciliation:
    """Of one session; ``compared`` None: live-lite, where there is nothing to compare."""

    def __init__(
        self,
        setting: Setting,
        state: State,
        compared: Compared | None,
        *,
        epoch: int,
        on_ready: Callable[[], None],
    ) -> None:
        """``epoch`` of this session; ``on_ready`` is called once, when the engine knows of a clean comparison."""
        self._clock = setting.clock
        self._facts = setting.facts
        self._inbox: Inbox = setting.inbox
        self._pause_s = setting.profile.service.reconcile_seconds
        self._state = state
        self._compared = compared
        self._fee_in_base = (
            compared is not None and setting.profile.venue.fee_currency.lower() == compared.instrument.base.lower()
        )
        self._drift_lots_max = (
            compared.instrument.sizes.exact(setting.profile.risk.wallet_drift_max) if compared is not None else 0
        )
        self._shortfall: Shortfall = COVERED
        """Of the last look at holdings."""
        # A session begins by telling both, whatever an earlier one left behind.
        self._is_readable = False
        self._is_short = True
        self._hurried = asyncio.Event()
        self._epoch = epoch
        self._on_ready = on_ready

    async def run(self) -> None:
        """Until cancelled; raises what will not pass by itself (a key that the venue refuses)."""
        while self._state.epoch != self._epoch or status.unknown_orders(self._state):
            await self._clock.sleep(LOOK_S)
        while not (await self._reconcile() and await self._is_known_to_the_engine()):
            await self._pause(min(self._pause_s, START_PAUSE_S_MAX))
        self._on_ready()
        while True:
            await self._pause(self._pause_s)
            await self._reconcile()

    def hurry(self) -> None:
        """A stream is back, or somebody waits for the venue's word: compared is now, not when it would be due."""
        self._hurried.set()

    async def _pause(self, seconds: float) -> None:
        waiting = [
            asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._hurried.wait())
        ]  # fmt: skip
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        self._hurried.clear()

    async def _is_known_to_the_engine(self) -> bool:
        await self._inbox.until_empty()
        return self._state.control.reconciled

    async def _reconcile(self) -> bool:
        clean, text, begun_ns = await self._compare()
        self._facts.trouble = "" if clean else text
        self._inbox.put_now(Reconciled(0, clean, text, begun_ns))
        return clean

    async def _compare(self) -> tuple[bool, str, int]:
        """Whether there is no difference, in words what was found, and when the venue was asked."""
        compared = self._compared
        if compared is None:
            return True, NO_ACCOUNT, 0
        text = ""
        begun_ns = 0
        self._shortfall = COVERED
        for look in range(LOOKS_MAX):
            if look:
                await self._clock.sleep(BETWEEN_LOOKS_S)
            # What the tracker has told must be in the state before the state is compared.
            await self._inbox.until_empty()
            begun_ns = self._clock.now_ns()
            try:
                clean, text = await self._look(compared)
            except VenueError as error:
                # Whether a key that worked before is really wrong is for the tracker to find out: it asks on.
                if not (error.retryable or (error.kind == "auth" and compared.tracker.looks)):
                    raise
                text = f"the venue could not be read: {error.message}"
                self._note_read(ok=False, text=error.message)
                continue
            self._note_read(ok=True)
            if clean:
                self._note_shortfall()
                return True, text, begun_ns
        self._note_shortfall()
        return False, text, begun_ns

    def _note_read(self, *, ok: bool, text: str = "") -> None:
        """Every failure, and the success after one."""
        if not (ok and self._is_readable):
            self._inbox.put_now(BrokerRead(0, ok, text))
        self._is_readable = ok

    def _note_shortfall(self) -> None:
        """What is missing of ours, as long as something is, and once when nothing is any more."""
        assert self._compared is not None
        lots = self._shortfall.lots
        if lots or self._is_short:
            self._inbox.put_now(WalletMeasured(0, self._compared.instrument.symbol, lots))
        self._is_short = lots > 0

    async def _look(self, compared: Compared) -> tuple[bool, str]:
        """One comparison: orders and fills, and then, when what it found is in the books, holdings."""
        report = await compared.tracker.reconcile(self._ours())
        for event in report.events:
            self._inbox.put_now(event)
        if not report.clean:
            return False, report.text()
        await self._inbox.until_empty()
        position = self._state.desks[compared.instrument.symbol].position
        found = await shortfall(compared.account, compared.instrument, position, fee_in_base=self._fee_in_base)
        self._shortfall = found
        return found.lots <= self._drift_lots_max, found.text or report.text()

    def _ours(self) -> dict[str, int]:
        """What must be working at the venue: acknowledged orders, by what remains of them."""
        return {
            order.client_id: order.remaining_lots
            for order in self._state.working.values()
            if order.state in COMPARABLE and not order.cancel_asked_ns
        }

"""Beside a flatten: when the venue is compared, when the report is made, and when the service may end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.core.scene import SECOND
from tests.service.scene import SYMBOL, WISHES, shown, until
from tests.service.session_scene import Parts, parts
from ztb.core.event import Event, Flatten, OrderCancelled, OrderSettled, Reconciled, Trade
from ztb.core.flattening import LIMIT
from ztb.core.instrument import BUY
from ztb.service.flatness import FLATNESS
from ztb.service.flattening import SETTLE_S_MAX, Flattener


class Beside:
    """A flattener on the parts of a session; what it asks for is counted."""

    def __init__(self, made: Parts) -> None:
        self.made = made
        self.compared = self.ended = self.late = 0
        self.flattener = Flattener(
            made.setting, made.trader, made.writer, hurry=self._hurry, on_flat=self._flat, on_late=self._late
        )

    def _hurry(self) -> None:
        self.compared += 1

    def _flat(self) -> None:
        self.ended += 1

    def _late(self) -> None:
        self.late += 1

    async def tell(self, *events: Event) -> None:
        for event in events:
            self.made.clock.advance(0.01)
            self.made.setting.inbox.put_now(event)
            await self.made.setting.inbox.until_empty()
            await asyncio.sleep(0)

    async def agree(self) -> None:
        """The venue was asked after everything that was told, and says the same."""
        self.made.clock.advance(0.01)
        begun_ns = self.made.clock.now_ns()
        await self.tell(Reconciled(0, True, "", begun_ns))

    async def flatten(self, *, then_stop: bool, within_s: int = 60) -> None:
        await self.tell(Flatten(0, "test", "drill", LIMIT, 20_000, within_s * SECOND, then_stop=then_stop, kill=True))

    async def reports(self) -> list[str]:
        return [json.loads(record.body)["outcome"] for record in await self.made.on_disk(FLATNESS)]


@asynccontextmanager
async def beside(directory: Path) -> AsyncIterator[Beside]:
    async with parts(directory) as made:
        here = Beside(made)
        await here.tell(Reconciled(0, True))
        yield here


async def resting(here: Beside) -> str:
    """An order that works at the venue."""
    made = here.made
    made.policy.answer = WISHES["buy"]
    await here.tell(Trade(0, SYMBOL, 1_000, 5, BUY))
    made.policy.answer = None
    await until(lambda: len(made.account.placed) == 1)
    tag = made.account.placed[0].client_id
    made.account.open = [shown(tag)]
    await until(lambda: made.trader.state.orders[tag].venue_id == "v1")
    return tag


async def cancelled(here: Beside) -> str:
    """An order that was cancelled during the flatten, and may still turn out to have filled."""
    tag = await resting(here)
    await here.flatten(then_stop=True)
    here.made.account.open = []
    await here.tell(OrderCancelled(0, tag))
    await here.agree()
    return tag


def test_the_report_does_not_wait_and_the_end_of_the_service_does(tmp_path: Path) -> None:
    async def run() -> None:
        async with beside(tmp_path) as here:
            tag = await cancelled(here)
            await here.flattener.look()
            assert await here.reports() == ["flat"]
            assert here.ended == 0, "a fill may still be told, and somebody must be there then"
            await here.tell(OrderSettled(0, tag))
            for _ in range(3):
                await here.flattener.look()
            assert here.ended == 1
            assert await here.reports() == ["flat"]

    asyncio.run(run())


def test_a_venue_that_never_settles_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def run() -> None:
        async with beside(tmp_path) as here:
            await cancelled(here)
            await here.flattener.look()
            here.made.clock.advance(SETTLE_S_MAX - 1)
            await here.flattener.look()
            assert here.ended == 0
            here.made.clock.advance(2)
            await here.flattener.look()
            assert here.ended == 1

    asyncio.run(run())


def test_without_being_asked_to_it_does_not_end_the_service(tmp_path: Path) -> None:
    async def run() -> None:
        async with beside(tmp_path) as here:
            await here.flatten(then_stop=False)
            await here.agree()
            await here.flattener.look()
            assert here.flattener.is_settled
            assert (here.ended, await here.reports()) == (0, ["flat"])

    asyncio.run(run())


def test_late_it_alarms_once_reports_once_and_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        async with beside(tmp_path) as here:
            tag = await resting(here)
            here.made.account.on_cancel = lambda venue_id: True  # and yet it stays there
            await here.flatten(then_stop=True, within_s=1)
            here.made.clock.advance(2)
            await here.tell(Trade(0, SYMBOL, 1_000, 5, BUY))
            for _ in range(3):
                await here.flattener.look()
            assert (here.late, here.ended, await here.reports()) == (1, 0, ["not_flat"])
            here.made.account.open = []
            await here.tell(OrderCancelled(0, tag), OrderSettled(0, tag))
            await here.agree()
            await here.flattener.look()
            assert (here.ended, await here.reports()) == (1, ["not_flat", "flat"])

    asyncio.run(run())


def test_fills_are_urgent_while_it_runs_and_no_longer(tmp_path: Path) -> None:
    async def run() -> None:
        async with beside(tmp_path) as here:
            await here.flattener.look()
            assert not here.made.tracker.is_urgent
            await here.flatten(then_stop=False)
            await here.flattener.look()
            assert here.made.tracker.is_urgent
            assert here.compared == 1
            await here.agree()
            await here.flattener.look()
            assert not here.made.tracker.is_urgent

    asyncio.run(run())

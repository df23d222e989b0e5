"""Our books against the venue's: READY only when they agree and the engine knows it, and never an order sent for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path

import pytest

from tests.core.scene import SPOT, T0
from tests.service.scene import SYMBOL, filled, shown, until
from tests.service.session_scene import Parts, parts
from ztb.core.error import VenueError
from ztb.core.event import OrderAccepted
from ztb.core.instrument import BUY
from ztb.core.order import Order
from ztb.service.reconciliation import Compared, Reconciliation
from ztb.store.codec import decode
from ztb.venues.port import Balance


def balance(amount: str) -> Balance:
    return Balance("btc", Decimal(0), Decimal(amount))


class Scene:
    """A reconciliation that runs beside a real engine."""

    def __init__(self, made: Parts, *, epoch: int = 1, with_account: bool = True) -> None:
        self.made = made
        self.ready: list[bool] = []
        state = made.trader.state
        self.work = Reconciliation(
            made.setting,
            state,
            Compared(made.tracker, made.account, SPOT) if with_account else None,
            epoch=epoch,
            on_ready=lambda: self.ready.append(state.control.reconciled),
        )
        self._hand_sleep = made.clock.sleep
        made.clock.sleep = self._sleep_and_write  # type: ignore[method-assign]
        self.task = asyncio.create_task(self.work.run())

    async def _sleep_and_write(self, seconds: float) -> None:
        """Time by hand runs as fast as it can be turned; the disk behind the journal does not, so it is waited for."""
        await self._hand_sleep(seconds)
        await self.made.writer.durable()

    async def told(self) -> list[tuple[bool, str]]:
        """Every comparison that is on record."""
        items = [decode(record.kind, record.body) for record in await self.made.on_disk("reconciled")]
        return [(getattr(item, "clean", False), getattr(item, "text", "")) for item in items]

    async def turns(self, count: int = 50) -> None:
        for _ in range(count):
            await asyncio.sleep(0)


@asynccontextmanager
async def reconciling(
    directory: Path, *, epoch: int = 1, with_account: bool = True, order: bool = False
) -> AsyncIterator[Scene]:
    async with parts(directory) as made:
        if order:
            made.trader.state.add_order(Order("ztb-1", SYMBOL, BUY, 10, 1_000, False, T0, 1))
            made.tracker.watch(made.trader.state.orders["ztb-1"])
            made.setting.inbox.put_now(OrderAccepted(0, "ztb-1", "v1"))
            made.tracker.note_venue_id("ztb-1", "v1")
            await made.setting.inbox.until_empty()
        scene = Scene(made, epoch=epoch, with_account=with_account)
        try:
            yield scene
        finally:
            scene.task.cancel()
            with suppress(asyncio.CancelledError, VenueError):
                await scene.task


def test_ready_when_the_books_agree_and_the_engine_knows(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path, order=True) as scene:
            scene.made.account.open = [shown("ztb-1"), shown("the owner's own", venue_id="v2")]
            await until(lambda: bool(scene.ready))
            assert scene.ready == [True]
            assert (await scene.told())[0] == (True, "our orders and the venue's agree")
            assert scene.made.account.placed == []
            assert scene.made.account.cancelled == []

    asyncio.run(run())


def test_nothing_is_compared_before_the_session_has_begun(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path, epoch=2) as scene:
            await scene.turns()
            assert scene.made.account.looks == 0
            scene.made.trader.state.epoch = 2
            await until(lambda: bool(scene.ready))

    asyncio.run(run())


def test_an_order_of_unknown_fate_comes_first(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path, epoch=2, order=True) as scene:
            order = scene.made.trader.state.orders["ztb-1"]
            order.state = type(order.state).UNKNOWN
            scene.made.trader.state.epoch = 2
            await scene.turns()
            assert (scene.made.account.looks, scene.ready) == (0, [])
            scene.made.account.open = [shown("ztb-1")]
            order.state = type(order.state).ACCEPTED
            await until(lambda: bool(scene.ready))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("stray order", "ztb-7 works at the venue as v7, unknown here"),
        ("stray fill", "fill 9 of ztb-7 belongs to no order of ours"),
        ("other size", "ztb-1: 10 lots remain here, 3 there"),
    ],
)
def test_a_difference_that_stays_is_told_and_closes_the_trader(what: str, text: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path, order=True) as scene:
            account = scene.made.account
            account.open = [shown("ztb-1")]
            if what == "stray order":
                account.open.append(shown("ztb-7", venue_id="v7"))
            elif what == "stray fill":
                account.fills = [filled(9, "ztb-7")]
            else:
                account.open = [shown("ztb-1", 3)]
            await until(lambda: scene.made.setting.meter.reconciliations_unclean >= 1)
            assert scene.ready == []
            assert not scene.made.trader.state.control.reconciled
            clean, told = (await scene.told())[0]
            assert (clean, told) == (False, text)

    asyncio.run(run())


def test_an_order_that_is_gone_has_ended_and_that_is_an_agreement(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path, order=True) as scene:
            await until(lambda: bool(scene.ready))
            assert scene.made.trader.state.orders["ztb-1"].state.value == "cancelled"

    asyncio.run(run())


def test_a_difference_that_passes_is_none(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path) as scene:
            account = scene.made.account
            account.open = [shown("ztb-7", venue_id="v7")]
            account.on_look = lambda: account.open.clear() if account.looks == 2 else None
            await until(lambda: bool(scene.ready))
            assert (await scene.told())[0][0] is True

    asyncio.run(run())


def test_a_venue_that_cannot_be_read_is_no_agreement(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path) as scene:
            errors = deque(VenueError("hiccup", kind="network", retryable=True) for _ in range(4))

            def look() -> None:
                if errors:
                    raise errors.popleft()

            scene.made.account.on_look = look
            await until(lambda: bool(scene.ready))
            told = await scene.told()
            assert told[0] == (False, "the venue could not be read: hiccup")
            assert told[1][0] is True

    asyncio.run(run())


def test_what_does_not_pass_by_itself_ends_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path) as scene:
            error = VenueError("no such key", kind="auth")

            def look() -> None:
                raise error

            scene.made.account.on_look = look
            await until(scene.task.done)
            assert scene.task.exception() is error

    asyncio.run(run())


def test_after_ready_a_new_difference_closes_the_trader_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path) as scene:
            await until(lambda: bool(scene.ready))
            scene.made.account.open = [shown("ztb-7", venue_id="v7")]
            await until(lambda: not scene.made.trader.state.control.reconciled)
            scene.made.account.open = []
            await until(lambda: scene.made.trader.state.control.reconciled)
            assert scene.ready == [True]

    asyncio.run(run())


def test_a_stream_that_is_back_is_a_reason_to_compare_now(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path) as scene:
            await until(lambda: bool(scene.ready))
            asleep = asyncio.Event()

            async def for_ever(seconds: float) -> None:
                asleep.set()
                await asyncio.sleep(3600)

            scene.made.clock.sleep = for_ever  # type: ignore[method-assign]
            await asleep.wait()
            before = scene.made.setting.meter.reconciliations
            await scene.turns()
            assert scene.made.setting.meter.reconciliations == before
            scene.work.hurry()
            await until(lambda: scene.made.setting.meter.reconciliations == before + 1)

    asyncio.run(run())


def test_holdings_that_do_not_cover_the_books_close_the_trader_until_they_do(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path) as scene:
            scene.made.trader.state.desks[SYMBOL].position.lots = 30
            scene.made.account.held = {"btc": balance("29")}
            await until(lambda: scene.made.setting.meter.reconciliations_unclean >= 1)
            assert scene.ready == []
            assert (await scene.told())[0] == (
                False,
                "the venue holds 29 btc (BUY), and the books 30: look at the account's history for a "
                "withdrawal, a trade by hand or a fill that is not in the journal; nothing is opened until the books "
                "and the account agree",
            )
            scene.made.account.held = {"btc": balance("30")}
            await until(lambda: bool(scene.ready))
            assert scene.made.account.placed == []

    asyncio.run(run())


def test_without_an_account_there_is_nothing_to_compare(tmp_path: Path) -> None:
    async def run() -> None:
        async with reconciling(tmp_path, with_account=False) as scene:
            await until(lambda: bool(scene.ready))
            assert scene.made.account.looks == 0
            assert (await scene.told())[0] == (True, "nothing to reconcile: this trader has no account")

    asyncio.run(run())

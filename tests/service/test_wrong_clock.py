"""A host whose clock is wrong (F-18): it opens nothing, and it still looks, closes and cancels, at real sockets.

The exchange's clock is set wrong instead of ours, which to both is the same. It takes time stamps within half a minute
(GMO Coin) and tokens of two minutes (Coinbase).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.service.scene import CONFIG
from tests.venues.at_wire import AtWire
from tests.venues.contract.bench import Bench, opened
from tests.venues.contract.cases_orders import INSIDE
from tests.venues.contract.exchange import Setup
from tests.venues.contract.kits import KITS
from tests.venues.contract.script import ASK
from ztb.core.command import Place
from ztb.core.condition import judge_clock
from ztb.core.error import GateClosed, Rejected
from ztb.core.event import ClockMeasured
from ztb.core.instrument import BUY, SELL
from ztb.core.state import State
from ztb.service.clock_watch import ClockWatch
from ztb.service.gate import WireGate
from ztb.service.inbox import Inbox
from ztb.venues.port import Account


class Host:
    """A trader's clock watch, its control and its gate, beside the bench, upon an adapter of its own."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.venue = bench.open(folder)
        self.state = State(CONFIG)
        self.state.control.reconciled = True
        self.gate = WireGate(self.state, bench.clock, armed=True, journal_failure=lambda: None)
        self.inbox = Inbox(bench.clock)
        self.account: Account = self.venue.account(
            bench.keys(), {bench.symbol: bench.instrument}, directory=folder, at_wire=AtWire(self._check)
        )

    def _check(self, order: Place) -> None:
        self.gate.check(order)

    async def measure(self) -> None:
        watch = ClockWatch(self.venue.market.server_time, clock=self.bench.clock, inbox=self.inbox)
        assert await watch.measure(samples=1)
        event, _ = await self.inbox.take()
        assert isinstance(event, ClockMeasured)
        judge_clock(self.state, event, self.bench.clock.now_ns())


def refused_for_time(bench: Bench) -> int:
    """How many calls the exchange refused for the time in their signature."""
    counts = bench.world.record.requests
    return sum(count for name, count in counts.items() if name in ("ERR-5008", "ERR-5009") or "unauthorized" in name)


def orders_there(bench: Bench) -> int:
    return sum(bench.world.record.requests[name] for name in bench.kit.place_methods)


@pytest.mark.parametrize("ms", [-120_000, -10_000, 10_000, 120_000])
@pytest.mark.parametrize("kit", ["gmo", "coinbase"])
def test_nothing_is_opened_and_everything_else_works(kit: str, ms: int, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(KITS[kit], tmp_path, Setup()) as bench:
            resting = await bench.place(BUY, 10, INSIDE)
            bench.mood("wrong_clock", ms=ms)
            host = Host(bench, tmp_path / "host")
            await host.measure()
            assert abs(host.state.clock_offset_ns - ms * 1_000_000) <= host.state.clock_uncertainty_ns + 1_000_000
            before = orders_there(bench)
            with pytest.raises(GateClosed) as caught:
                await host.account.place(bench.order(BUY, 20, INSIDE))
            assert caught.value.code == "clock_offset"
            assert orders_there(bench) == before
            assert [order.venue_id for order in await host.account.open_orders(bench.symbol)] == [
                bench.venue_ids[resting]
            ]
            closing = await host.account.place(bench.order(SELL, 10, ASK + 1_000, reduce_only=True))
            assert await host.account.cancel(bench.symbol, closing.venue_id)
            assert await host.account.cancel_all(bench.symbol, [bench.venue_ids[resting]])
            await bench.clock.advance(1)
            assert await host.account.open_orders(bench.symbol) == []
            assert refused_for_time(bench) == 0

    asyncio.run(run())


@pytest.mark.parametrize("ms", [-120_000, 120_000])
@pytest.mark.parametrize("kit", ["gmo", "coinbase"])
def test_a_clock_that_goes_wrong_between_two_measurements_stops_no_cancel(kit: str, ms: int, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(KITS[kit], tmp_path, Setup()) as bench:
            resting = await bench.place(BUY, 10, INSIDE)
            before = orders_there(bench)
            bench.mood("wrong_clock", ms=ms)
            with pytest.raises(Rejected) as caught:
                await bench.account.place(bench.order(BUY, 20, INSIDE))
            assert caught.value.kind == "auth"
            assert refused_for_time(bench) == 1, "an order is never sent again"
            assert await bench.account.cancel(bench.symbol, bench.venue_ids[resting])
            assert refused_for_time(bench) == 2
            await bench.clock.advance(1)
            assert await bench.account.open_orders(bench.symbol) == []
            assert refused_for_time(bench) == 2, "what was learnt is kept"
            assert orders_there(bench) == before
            bench.world.moods.switch_off("all")
            assert await bench.account.open_orders(bench.symbol) == []
            assert refused_for_time(bench) == 3

    asyncio.run(run())


@pytest.mark.parametrize("kit", ["gmo", "coinbase"])
def test_a_trader_that_starts_with_a_wrong_clock_hears_its_private_stream(kit: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(KITS[kit], tmp_path, Setup()) as bench:
            await bench.stop()
            bench.mood("wrong_clock", ms=120_000)
            await bench.start_again()
            assert bench.tracker.is_stream_live
            assert await bench.account.open_orders(bench.symbol) == []

    asyncio.run(run())

"""An order is on its way, and a kill comes: wherever the order was waiting, it does not leave after the latch.

Real parts from the engine to the socket; only the waiting is arranged. Each place is also shown without a kill, where
the same order arrives: so the place is really on the order's way.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.service.scene import SYMBOL, until
from tests.service.wire_rig import HOLDS, PLACED, is_order, rigged
from tests.venues.loopback import Loopback, Request, reply
from ztb.core.event import Flatten, Kill, Reconciled, Resume, Started, Stop, Trade
from ztb.core.flattening import LIMIT
from ztb.core.instrument import BUY
from ztb.store.codec import decode
from ztb.venues.limiter import LimitClass, Limiter, RateRule

VENUES = ("zaif", "gmo")


def flatten(*, kill: bool = False) -> Flatten:
    return Flatten(0, "test", "now", LIMIT, 10_000, 60_000_000_000, kill=kill)


CONTROLS = {"nothing": None, "kill": Kill(0, "test", "now"), "stop": Stop(0, "now"), "flatten": flatten()}
CODES = {"kill": "killed", "stop": "stopping", "flatten": "flattening"}


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("place", HOLDS)
@pytest.mark.parametrize("venue", VENUES)
def test_an_order_that_waits_does_not_leave_after_a_kill(
    venue: str, place: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = CONTROLS[name]

    async def run() -> None:
        server = Loopback([reply(PLACED[venue])])
        async with rigged(tmp_path, server, venue) as rig:
            is_held, go = HOLDS[place](rig, monkeypatch)
            await asyncio.sleep(0)
            await rig.decide()
            await until(is_held)
            if control is not None:
                rig.put(control, first=True)
                found = rig.engine.state.control
                await until(lambda: found.killed or found.stopping or found.flattening)
            go()
            await until(lambda: rig.outbox.is_idle and rig.inbox.is_empty())
            await asyncio.sleep(0.02)
            await rig.writer.durable()
            [order] = rig.engine.state.orders.values()
            assert rig.failures == []
            if control is None:
                assert [is_order(request) for request in server.requests] == [True]
                assert order.state.value == "accepted"
                assert len(rig.recorded("order_sent")) == 1
                return
            assert server.requests == []
            assert order.state.value == "rejected"
            assert rig.recorded("order_sent") == []
            [rejected] = [decode(r.kind, r.body) for r in rig.journal.read() if r.kind == "order_rejected"]
            assert getattr(rejected, "code", "") == CODES[name]

    asyncio.run(run())


@pytest.mark.parametrize("kill", [False, True], ids=["flatten", "panic"])
@pytest.mark.parametrize("place", HOLDS)
@pytest.mark.parametrize("meanwhile", ["nothing", "a kill", "a resume"])
@pytest.mark.parametrize("venue", VENUES)
def test_the_order_of_a_flatten_leaves_from_there_though_all_else_is_silent_and_not_once_it_is_over(
    venue: str, place: str, kill: bool, meanwhile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        server = Loopback([reply(PLACED[venue])])
        async with rigged(tmp_path, server, venue) as rig:
            is_held, go = HOLDS[place](rig, monkeypatch)
            rig.put(Started(0, "install", 1), Reconciled(0, True), Trade(0, SYMBOL, 1_000, 5, BUY))
            await until(lambda: rig.engine.state.desks[SYMBOL].last_price > 0)
            rig.engine.state.ledger.fill(SYMBOL, side=BUY, lots=10, price=1_000, fee=0, mark=1_000)
            rig.put(flatten(kill=kill), first=True)
            await until(is_held)
            if meanwhile == "a kill":
                rig.put(Kill(0, "test", "as well"), first=True)
                await until(lambda: rig.engine.state.control.killed)
            elif meanwhile == "a resume":
                rig.put(Resume(0, "test", "never mind"), first=True)
                await until(lambda: rig.engine.state.flattening is None)
            go()
            await until(lambda: rig.outbox.is_idle and rig.inbox.is_empty())
            await rig.writer.durable()
            [order] = rig.engine.state.orders.values()
            assert rig.failures == []
            placed = [request for request in server.requests if is_order(request)]
            assert len(placed) == (0 if meanwhile == "a resume" else 1)
            if meanwhile == "a resume":
                [rejected] = [decode(r.kind, r.body) for r in rig.journal.read() if r.kind == "order_rejected"]
                assert getattr(rejected, "code", "") == "flatten_over"
            else:
                assert venue != "zaif" or f"comment={order.client_id}" in placed[0].body.decode()
                assert order.purpose == "flatten"

    asyncio.run(run())


def test_a_kill_while_the_venue_is_thinking_finds_the_order_and_cancels_it(tmp_path: Path) -> None:
    async def run() -> None:
        go = asyncio.Event()
        received: list[str] = []

        async def thoughtful(request: Request, writer: asyncio.StreamWriter) -> None:
            received.append(request.body.decode())
            if is_order(request):
                await go.wait()
                await reply(PLACED["zaif"])(request, writer)
            else:
                await reply('{"success": 1, "return": {"order_id": 5, "funds": {}}}')(request, writer)

        async with rigged(tmp_path, Loopback([thoughtful])) as rig:
            rig.limiter._windows |= Limiter(
                {"cancel_order": RateRule(LimitClass.EXEC, calls=10, period_s=1.0)}, clock=rig.clock
            )._windows
            await rig.decide()
            await until(lambda: len(received) == 1)
            rig.put(Kill(0, "test", "now"), first=True)
            await until(lambda: rig.engine.state.control.killed)
            go.set()
            await until(lambda: rig.engine.state.orders[next(iter(rig.engine.state.orders))].venue_id == "5")
            rig.clock.advance(1)
            rig.put(Reconciled(0, True))  # any event: time has passed, and the engine asks again
            await until(lambda: len(received) == 2)
            assert "method=cancel_order" in received[1]
            await until(lambda: rig.outbox.is_idle and rig.inbox.is_empty())
            await rig.writer.durable()
            sent, kill = rig.recorded("order_sent"), rig.recorded("kill")
            assert len(sent) == len(kill) == 1
            assert sent < kill

    asyncio.run(run())

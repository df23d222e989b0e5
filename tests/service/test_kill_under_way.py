"""An order is on its way, and a kill comes: wherever the order was waiting, it does not leave after the latch.

Real parts from the engine to the socket; only the waiting is arranged. Each place is also shown without a kill, where
the same order arrives: so the place is really on the order's way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.core.scene import CAPITAL, SPOT, T0, WIDE, Told
from tests.service.scene import SYMBOL, WISHES, HandClock, Tape, until
from tests.venues.loopback import Loopback, Request, reply
from ztb.core.event import Event, Kill, Reconciled, Started, Stop, Trade
from ztb.core.instrument import BUY
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.service.gate import WireGate
from ztb.service.inbox import Inbox
from ztb.service.loop import EngineLoop
from ztb.service.measure import Meter
from ztb.service.outbox import Outbox
from ztb.service.trader import AtTheWire
from ztb.store.codec import decode
from ztb.store.journal import Journal
from ztb.store.writer import JournalWriter
from ztb.venues.limiter import LimitClass, Limiter, RateRule
from ztb.venues.nonce import NonceFile
from ztb.venues.tracker import OrderTracker
from ztb.venues.transport import Transport
from ztb.venues.zaif.account import ZaifAccount

PLACED = '{"success": 1, "return": {"received": 0, "remains": 10, "order_id": 5, "funds": {}}}'
RULES = {"trade": RateRule(LimitClass.EXEC, calls=1, period_s=3_600.0, wait_s_max=1e9)}


class WallClock(HandClock):
    """Stands still, and sleeps for real, a little."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001)


class Rig:
    """Engine, loop, journal, outbox, gate and adapter, before a server on loopback."""

    def __init__(self, directory: Path, url: str) -> None:
        self.failures: list[BaseException] = []
        self.clock = WallClock()
        self.policy = Told()
        self.engine = Engine(EngineConfig((SPOT,), WIDE, CAPITAL, 10), self.policy)
        self.inbox = Inbox(self.clock)
        self.journal = Journal.open(directory / "journal.db", profile="test", mode="test", now_ns=T0)
        self.writer = JournalWriter(self.journal, on_failure=self.failures.append)
        self.gate = WireGate(
            self.engine.state, self.clock, armed=True, journal_failure=lambda: self.writer.failure
        )  # fmt: skip
        meter = Meter()
        self.loop = EngineLoop(
            self.engine, inbox=self.inbox, journal=self.writer, recorder=Tape(), meter=meter,
            progress=lambda: None, on_failure=self.failures.append,
        )  # fmt: skip
        self.limiter = Limiter(RULES, clock=self.clock)
        self.transport = Transport(url)
        self.nonce = NonceFile(directory / "nonce", clock=self.clock)
        self.account = ZaifAccount(
            self.transport, key="k", secret="s", nonce=self.nonce, limiter=self.limiter, clock=self.clock,
            instruments={SYMBOL: SPOT}, at_wire=AtTheWire(self.gate, self.loop.handle_now),
        )  # fmt: skip
        self.outbox = Outbox(
            account=self.account, tracker=OrderTracker(self.account, SPOT, self.clock, cursor=""),
            journal=self.writer, gate=self.gate, inbox=self.inbox, state=self.engine.state, meter=meter,
            on_failure=self.failures.append,
        )  # fmt: skip
        self.loop.submit = self.outbox.submit

    def put(self, *events: Event, first: bool = False) -> None:
        for event in events:
            self.clock.ns += 1_000
            self.inbox.put_now(event, first=first)

    async def decide(self) -> None:
        """The session begins, and the policy wants to buy."""
        self.put(Started(0, "install", 1), Reconciled(0, True))
        self.policy.answer = WISHES["buy"]
        self.put(Trade(0, SYMBOL, 1_000, 5, BUY))
        await until(lambda: len(self.engine.state.orders) == 1)
        self.policy.answer = None

    def recorded(self, kind: str) -> list[int]:
        """Sequence numbers of the records of ``kind``."""
        return [record.seq for record in self.journal.read() if record.kind == kind]


Hold = Callable[[Rig, pytest.MonkeyPatch], tuple[Callable[[], bool], Callable[[], None]]]
"""Arranges that the order has to wait; tells whether it does, and lets it go."""


def hold_disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], bool], Callable[[], None]]:
    commit, go, held = rig.journal.commit, threading.Event(), threading.Event()

    def slow() -> object:
        held.set()
        go.wait(60)
        return commit()

    monkeypatch.setattr(rig.journal, "commit", slow)
    return lambda: held.is_set() and bool(rig.writer._waiters), go.set


def hold_fsync(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], bool], Callable[[], None]]:
    """The commit is with the disk, and the order's request waits at the wire, its turn taken and its nonce used."""
    at_disk, go, held = rig.journal.at_disk, threading.Event(), threading.Event()

    def slow() -> None:
        at_disk()
        held.set()
        go.wait(60)

    monkeypatch.setattr(rig.journal, "at_disk", slow)
    return lambda: held.is_set() and rig.account._one_at_a_time.locked(), go.set


def hold_limiter(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], bool], Callable[[], None]]:
    window = rig.limiter._windows["trade"]
    window.in_flight.append(window.free.popleft())
    asked: list[int] = []
    free_at = window.free_at_ns

    def counted(now_ns: int, urgent: bool) -> int:
        asked.append(now_ns)
        return free_at(now_ns, urgent)

    monkeypatch.setattr(window, "free_at_ns", counted)

    def go() -> None:
        window.free.append(window.in_flight.popleft())

    return lambda: len(asked) > 2, go


def hold_lock(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], bool], Callable[[], None]]:
    lock = rig.account._one_at_a_time
    taking = asyncio.ensure_future(lock.acquire())
    return lambda: taking.done() and bool(lock._waiters), lock.release


def hold_connection(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], bool], Callable[[], None]]:
    loop = asyncio.get_running_loop()
    resolve, go, held = loop.getaddrinfo, asyncio.Event(), asyncio.Event()

    async def slow(*words: Any, **more: Any) -> Any:  # noqa: ANN401 - as asyncio has it
        held.set()
        await go.wait()
        return await resolve(*words, **more)

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    return held.is_set, go.set


HOLDS: dict[str, Hold] = {
    "disk": hold_disk, "fsync": hold_fsync, "limiter": hold_limiter, "lock": hold_lock, "connection": hold_connection,
}  # fmt: skip


@asynccontextmanager
async def rigged(directory: Path, server: Loopback) -> AsyncIterator[Rig]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    rig = Rig(directory, f"http://localhost:{port}")
    engine = asyncio.create_task(rig.loop.run())
    try:
        yield rig
    finally:
        engine.cancel()
        await asyncio.gather(engine, return_exceptions=True)
        await rig.outbox.close()
        if rig.writer.failure is None:
            await rig.writer.close()
        await rig.transport.close()
        rig.nonce.close()
        rig.journal.close()
        listening.close()


@pytest.mark.parametrize("control", [None, Kill(0, "test", "now"), Stop(0, "now")], ids=["nothing", "kill", "stop"])
@pytest.mark.parametrize("place", HOLDS)
def test_an_order_that_waits_does_not_leave_after_a_kill(
    place: str, control: Kill | Stop | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        server = Loopback([reply(PLACED)])
        async with rigged(tmp_path, server) as rig:
            is_held, go = HOLDS[place](rig, monkeypatch)
            await asyncio.sleep(0)
            await rig.decide()
            await until(is_held)
            if control is not None:
                rig.put(control, first=True)
                await until(lambda: rig.engine.state.control.killed or rig.engine.state.control.stopping)
            go()
            await until(lambda: rig.outbox.is_idle and rig.inbox.is_empty())
            await asyncio.sleep(0.02)
            await rig.writer.durable()
            [order] = rig.engine.state.orders.values()
            assert rig.failures == []
            if control is None:
                assert [request.body.decode().count(order.client_id) for request in server.requests] == [1]
                assert order.state.value == "accepted"
                assert len(rig.recorded("order_sent")) == 1
                return
            assert server.requests == []
            assert order.state.value == "rejected"
            assert rig.recorded("order_sent") == []
            [rejected] = [decode(r.kind, r.body) for r in rig.journal.read() if r.kind == "order_rejected"]
            assert getattr(rejected, "code", "") == ("killed" if isinstance(control, Kill) else "stopping")

    asyncio.run(run())


def test_a_kill_while_the_venue_is_thinking_finds_the_order_and_cancels_it(tmp_path: Path) -> None:
    async def run() -> None:
        go = asyncio.Event()
        received: list[str] = []

        async def thoughtful(request: Request, writer: asyncio.StreamWriter) -> None:
            received.append(request.body.decode())
            if "method=trade" in received[-1]:
                await go.wait()
                await reply(PLACED)(request, writer)
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

"""From the engine to a venue's adapter, all real, before a server on loopback; an order can be held on its way."""

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
from tests.venues.loopback import Loopback, Request
from ztb.core.event import Event, Reconciled, Started, Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.service.gate import WireGate
from ztb.service.inbox import Inbox
from ztb.service.loop import EngineLoop
from ztb.service.measure import Meter
from ztb.service.outbox import Outbox
from ztb.service.trader import AtTheWire
from ztb.store.journal import Journal
from ztb.store.writer import JournalWriter
from ztb.venues.gmo import rules as gmo_rules
from ztb.venues.gmo.account import GmoAccount
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.limiter import LimitClass, Limiter, RateRule
from ztb.venues.nonce import NonceFile
from ztb.venues.tracker import OrderTracker
from ztb.venues.transport import Transport
from ztb.venues.zaif.account import ZaifAccount

PLACED = {
    "zaif": '{"success": 1, "return": {"received": 0, "remains": 10, "order_id": 5, "funds": {}}}',
    "gmo": '{"status": 0, "data": "5", "responsetime": "2026-03-19T02:15:06.001Z"}',
}
ORDER_LIMIT = {"zaif": "trade", "gmo": gmo_rules.POST}
"""The window in which an order takes its place."""
_ONE_EACH_HOUR = RateRule(LimitClass.EXEC, calls=1, period_s=3_600.0, wait_s_max=1e9)


def is_order(request: Request) -> bool:
    """At either venue."""
    return "method=trade" in request.body.decode() or request.target == "/private/v1/order"


class WallClock(HandClock):
    """Stands still, and sleeps for real, a little."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0.001)


class Rig:
    """Engine, loop, journal, outbox, gate and adapter, before a server on loopback."""

    def __init__(self, directory: Path, url: str, venue: str) -> None:
        self.venue = venue
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
        self.limiter = Limiter({ORDER_LIMIT[venue]: _ONE_EACH_HOUR}, clock=self.clock)
        self.transport = Transport(url)
        self.nonce = NonceFile(directory / "nonce", clock=self.clock)
        self.account: ZaifAccount | GmoAccount = self._zaif() if venue == "zaif" else self._gmo()
        self.outbox = Outbox(
            account=self.account, tracker=OrderTracker(self.account, SPOT, self.clock, cursor=""),
            journal=self.writer, gate=self.gate, inbox=self.inbox, state=self.engine.state, meter=meter,
            on_failure=self.failures.append,
        )  # fmt: skip
        self.loop.submit = self.outbox.submit

    def _zaif(self) -> ZaifAccount:
        return ZaifAccount(
            self.transport, key="k", secret="s", nonce=self.nonce, limiter=self.limiter, clock=self.clock,
            instruments={SYMBOL: SPOT}, at_wire=AtTheWire(self.gate, self.loop.handle_now),
        )  # fmt: skip

    def _gmo(self) -> GmoAccount:
        public = GmoPublic(self.transport, limiter=self.limiter, clock=self.clock)
        calls = SignedCalls(self.transport, key="k", secret="s", limiter=self.limiter, time=public.time)
        return GmoAccount(calls, instruments={SYMBOL: SPOT}, at_wire=AtTheWire(self.gate, self.loop.handle_now))

    def turn_of(self, side: int) -> asyncio.Lock:
        """For which an order of that side waits at this venue."""
        if isinstance(self.account, ZaifAccount):
            return self.account._one_at_a_time
        return self.account._one_placement[SYMBOL, side]

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
    return lambda: held.is_set() and any(rig.turn_of(side).locked() for side in (BUY, SELL)), go.set


def hold_limiter(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[], bool], Callable[[], None]]:
    monkeypatch.setattr(gmo_rules, "ORDER_WAIT_S_MAX", 1e9)  # it does not wait at all, for a better price
    window = rig.limiter._windows[ORDER_LIMIT[rig.venue]]
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
    locks = {rig.turn_of(side) for side in (BUY, SELL)}
    taking = [asyncio.ensure_future(lock.acquire()) for lock in locks]

    def go() -> None:
        for lock in locks:
            lock.release()

    return lambda: all(one.done() for one in taking) and any(lock._waiters for lock in locks), go


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
async def rigged(directory: Path, server: Loopback, venue: str = "zaif") -> AsyncIterator[Rig]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    rig = Rig(directory, f"http://localhost:{port}", venue)
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

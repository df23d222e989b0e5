"""The parts of a session, real ones, on a venue played by hand: what stands between scene and whole processes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from tests.core.scene import SPOT, T0, Told
from tests.service.scene import CONFIG, HandClock, PlayedAccount
from ztb.core.event import Started
from ztb.core.step import Engine
from ztb.host.clock import HostClock
from ztb.host.config import load_profile
from ztb.host.credentials import Keys
from ztb.host.secrets import Secret
from ztb.service.gate import WireGate
from ztb.service.leaving import WayOut
from ztb.service.loop import EngineLoop
from ztb.service.metered import MeteredAccount
from ztb.service.opened import OpenedStore
from ztb.service.outbox import Outbox
from ztb.service.records import Records
from ztb.service.setting import SessionOptions, Setting
from ztb.service.supervision import Supervisor
from ztb.service.trader import AtTheWire, Dealing, Trader
from ztb.store.chain import Record
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader
from ztb.store.writer import JournalWriter
from ztb.venues.port import Addresses
from ztb.venues.tracker import OrderTracker


def make_setting(directory: Path, *overrides: str, observe: bool = False) -> Setting:
    """Of the demo profile, with a clock that a test moves."""
    loaded = load_profile("demo", overrides=overrides, environ={})
    keys = None if observe else Keys(Secret("the-scene-key"), Secret("the-scene-word"))
    nowhere = Addresses("http://127.0.0.1:1", "ws://127.0.0.1:1")
    options = SessionOptions(directory / "state", directory, nowhere, keys, "test")
    return Setting(loaded, options, cast(HostClock, HandClock()), Told())


class Parts:
    """A trader as composed, but for the venue."""

    def __init__(self, directory: Path, *overrides: str) -> None:
        self.setting = make_setting(directory, *overrides)
        self.clock = cast(HandClock, self.setting.clock)
        self.account = PlayedAccount()
        self.policy = cast(Told, self.setting.policy)
        self.supervisor = Supervisor(lambda failure: self.trader.fail(failure))
        self.store = OpenedStore(directory / "state", profile="demo", mode="test", now_ns=T0)
        self.writer = JournalWriter(self.store.journal, on_failure=self.supervisor.fail)
        engine = Engine(CONFIG, self.policy)
        recovered = self.store.recover(engine.state)
        tape = self.store.tape(SPOT, started_ns=T0, source="test")
        gate = WireGate(engine.state, self.clock, armed=True, journal_failure=lambda: self.writer.failure)
        loop = EngineLoop(
            engine, inbox=self.setting.inbox, journal=self.writer, recorder=tape, meter=self.setting.meter,
            progress=lambda: None, on_failure=self.supervisor.fail,
        )  # fmt: skip
        self.account.at_wire = AtTheWire(gate, loop.handle_now)
        account = MeteredAccount(self.account, self.setting.meter)
        self.tracker = OrderTracker(account, SPOT, self.clock, cursor=recovered.cursor or "")
        outbox = Outbox(
            account=account, tracker=self.tracker, journal=self.writer, gate=gate, inbox=self.setting.inbox,
            state=engine.state, meter=self.setting.meter, on_failure=self.supervisor.fail,
        )  # fmt: skip
        loop.submit = outbox.submit
        self.trader = Trader(SPOT, engine, recovered, gate, loop, tape, Dealing(account, self.tracker, outbox))
        self.records = Records(self.setting, self.writer, self.trader)
        self.way_out = WayOut(self.setting, self.supervisor, self.writer, self.trader, self.records)

    async def on_disk(self, kind: str = "") -> list[Record]:
        """What is on disk now, read as anybody else would: the writer's thread goes on meanwhile."""
        await self.writer.durable()
        with contextlib.closing(JournalReader(self.store.directory / JOURNAL_NAME)) as reader:
            return [record for record in reader.read() if kind in ("", record.kind)]


@asynccontextmanager
async def parts(directory: Path, *overrides: str, engine: bool = True) -> AsyncIterator[Parts]:
    """The parts, with the engine's loop running; everything is let go of at the end."""
    made = Parts(directory, *overrides)
    try:
        made.setting.inbox.put_now(Started(0, "install", made.trader.state.epoch + 1))
        if engine:
            made.supervisor.spawn("engine", made.trader.loop.run())
            await made.setting.inbox.until_empty()
            await asyncio.sleep(0)
        yield made
    finally:
        await made.supervisor.end()
        assert made.trader.dealing is not None
        await made.trader.dealing.outbox.close()
        with contextlib.suppress(Exception):  # a test may have broken it on purpose
            await made.writer.close()
        made.trader.tape.close()
        made.store.close()

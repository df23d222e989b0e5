"""Composition: a trader without keys has no way to send, and one that starts again knows its orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.core.scene import SECOND, T0
from tests.service.scene import PlayedAccount, filled
from tests.service.session_scene import make_setting
from tests.service.tapes import BTC_JPY
from ztb.core.command import Command, Place
from ztb.core.error import InvariantBroken, VenueError
from ztb.core.event import Event, OrderAccepted, OrderCancelled, OrderFilled, OrderSent
from ztb.core.instrument import BUY, Instrument
from ztb.service.link import VenueLink
from ztb.service.opened import CURSOR, OpenedStore
from ztb.service.session_record import SESSION, decode_session
from ztb.service.setting import Setting
from ztb.service.supervision import Supervisor
from ztb.service.trader import START_ATTEMPTS_MAX, Composer, Trader
from ztb.store.codec import encode
from ztb.store.writer import JournalWriter
from ztb.venues.port import AtWire, Capabilities


class Link:
    """A connection whose venue is played by hand."""

    def __init__(self) -> None:
        self.played = PlayedAccount()
        self.failures: list[VenueError] = []
        self.asked = 0

    @property
    def capabilities(self) -> Capabilities:
        return self.played.capabilities

    async def instrument(self) -> Instrument:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return BTC_JPY

    def account(
        self, keys: object, instrument: Instrument, *, directory: Path, at_wire: AtWire | None
    ) -> PlayedAccount:
        self.played.at_wire = at_wire
        return self.played


class Scene:
    """A composer on a real store."""

    def __init__(self, directory: Path, *, observe: bool) -> None:
        self.setting: Setting = make_setting(directory, observe=observe)
        self.link = Link()
        self.store = OpenedStore(directory / "state", profile="demo", mode="test", now_ns=T0)
        self.failures: list[BaseException] = []
        self.supervisor = Supervisor(self.failures.append)

    async def compose(self) -> Trader:
        self.writer = JournalWriter(self.store.journal, on_failure=self.supervisor.fail)
        link: VenueLink = self.link  # type: ignore[assignment]
        return await Composer(self.setting, self.store, self.writer, link, self.supervisor).trader()


@asynccontextmanager
async def scene(directory: Path, *, observe: bool = False) -> AsyncIterator[Scene]:
    made = Scene(directory, observe=observe)
    try:
        yield made
    finally:
        await made.writer.close()
        made.store.close()


def place(client_id: str = "ztb-1", sequence: int = 1) -> Place:
    return Place(T0, client_id, "btc_jpy", BUY, 10, 1_800_000, False, sequence, "test")


def test_without_keys_there_is_no_account_and_an_order_would_be_a_defect(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path, observe=True) as made:
            trader = await made.compose()
            assert trader.dealing is None
            assert trader.engine.config.observe
            assert trader.cursor == ""
            with pytest.raises(InvariantBroken, match="no way to send"):
                trader.loop.submit(place())

    asyncio.run(run())


def test_a_first_session_reads_fills_from_now_on_and_that_is_on_record(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as made:
            made.link.played.fills = [filled(77, "of long ago")]
            trader = await made.compose()
            assert trader.cursor == "77"
            kinds = [record.kind for record in made.store.journal.read()]
            assert kinds == [SESSION, CURSOR]

    asyncio.run(run())


def test_the_session_record_says_what_the_engine_is_made_of(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as made:
            trader = await made.compose()
            [record] = [record for record in made.store.journal.read() if record.kind == SESSION]
            told = decode_session(record.body)
            assert told.engine == trader.engine.config
            assert (told.policy, told.tape) == ("sma_fast_slow", trader.tape.name)
            assert told.parameters == {"fast": 10, "slow": 20, "bar_seconds": 1}

    asyncio.run(run())


def test_a_venue_that_is_not_ready_is_asked_again_but_not_for_ever(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as made:
            busy = VenueError("busy", kind="network", retryable=True)
            made.link.failures = [busy] * 3
            await made.compose()
            assert made.link.asked == 4
            await made.writer.close()
            made.link.asked, made.link.failures = 0, [busy] * 100
            with pytest.raises(VenueError, match="busy"):
                await made.compose()
            assert made.link.asked == START_ATTEMPTS_MAX
            assert made.setting.clock.now_ns() - T0 > 60 * SECOND
            await made.writer.close()
            made.link.asked, made.link.failures = 0, [VenueError("no such pair", kind="exchange")]
            with pytest.raises(VenueError, match="no such pair"):
                await made.compose()
            assert made.link.asked == 1

    asyncio.run(run())


def test_the_gate_is_asked_at_the_wire_and_the_sending_is_on_record_first(tmp_path: Path) -> None:
    async def run() -> None:
        async with scene(tmp_path) as made:
            trader = await made.compose()
            at_wire = made.link.played.at_wire
            assert at_wire is not None
            trader.state.control.reconciled = True
            at_wire.check(place())
            trader.state.control.killed = True
            with pytest.raises(VenueError, match="killed"):
                at_wire.check(place("ztb-2", 2))
            await made.writer.durable()
            sent = [record for record in made.store.journal.read() if record.kind == "order_sent"]
            assert len(sent) == 1

    asyncio.run(run())


def test_orders_of_earlier_sessions_are_watched_again(tmp_path: Path) -> None:
    store = OpenedStore(tmp_path / "state", profile="demo", mode="test", now_ns=T0)
    fill = OrderFilled(T0 + 3, "ztb-part", "9", 4, 1_800_000, 0)
    items: list[Event | Command] = [
        place("ztb-sent", 1), OrderSent(T0 + 1, "ztb-sent"),
        place("ztb-accepted", 2), OrderAccepted(T0 + 1, "ztb-accepted", "v2"),
        place("ztb-part", 3), fill,
        place("ztb-over", 4), OrderCancelled(T0 + 4, "ztb-over"),
    ]  # fmt: skip
    for item in items:
        store.journal.append(item.ts_ns, *encode(item))
    store.journal.append(T0 + 5, CURSOR, b'{"trade_id": "3"}')
    store.journal.commit()
    store.close()

    async def run() -> None:
        async with scene(tmp_path) as made:
            trader = await made.compose()
            assert trader.dealing is not None
            live = trader.dealing.tracker._watch.live
            assert live.keys() == {"ztb-sent", "ztb-accepted", "ztb-part"}
            # What the venue had can end, but it cannot turn out never to have been there.
            assert {name for name, entry in live.items() if entry.is_known} == {"ztb-accepted", "ztb-part"}
            assert live["ztb-part"].fills == {"9": 4}
            assert trader.cursor == "3"

    asyncio.run(run())

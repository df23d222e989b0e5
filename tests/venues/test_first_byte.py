"""Not one byte of an order's request, its head included, reaches the venue before the order's intent is on disk.

The venue's side counts every byte it reads; the test says when the intent is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.service.scene import until
from tests.venues.coinbase.desk import desk as coinbase_desk
from tests.venues.coinbase.desk import order as coinbase_order
from tests.venues.coinbase.test_account import taken
from tests.venues.gmo.desk import desk as gmo_desk
from tests.venues.gmo.desk import order as gmo_order
from tests.venues.gmo.samples import rest_body as gmo_body
from tests.venues.loopback import Loopback, loopback, reply
from tests.venues.zaif.samples import rest_body as zaif_body
from tests.venues.zaif.test_rest import ORDER as ZAIF_ORDER
from tests.venues.zaif.test_rest import desk as zaif_desk
from ztb.core.command import Place
from ztb.core.error import GateClosed, StoreError, Unreachable
from ztb.venues import transport as transport_module
from ztb.venues.port import Account
from ztb.venues.transport import LastWord, Transport

QUIET_S = 0.05
"""So long nothing arrives: long enough for what left too early to be seen."""


class HeldDisk:
    """``port.AtWire`` whose intents are on disk when the test says so; it fails, or closes, as the test says."""

    def __init__(self) -> None:
        self.waits = 0
        self.go = asyncio.Event()
        self.failure: Exception | None = None
        self.closed: Exception | None = None
        self.checked = 0

    async def durable(self, order: Place) -> None:
        self.waits += 1
        await self.go.wait()
        if self.failure is not None:
            raise self.failure

    def check(self, order: Place) -> None:
        self.checked += 1
        if self.closed is not None:
            raise self.closed


Case = tuple[Account, Place, Loopback]


@asynccontextmanager
async def zaif(folder: Path, at_wire: HeldDisk) -> AsyncIterator[Case]:
    async with zaif_desk(folder, reply(zaif_body("trade"))) as made:
        made.account._at_wire = at_wire
        yield made.account, ZAIF_ORDER, made.server


@asynccontextmanager
async def gmo(folder: Path, at_wire: HeldDisk) -> AsyncIterator[Case]:
    async with gmo_desk(reply(gmo_body("order"))) as made:
        made.account._at_wire = at_wire
        yield made.account, gmo_order(), made.server


@asynccontextmanager
async def coinbase(folder: Path, at_wire: HeldDisk) -> AsyncIterator[Case]:
    async with coinbase_desk(taken(), at_wire=at_wire) as made:
        yield made.account, coinbase_order(), made.server


VENUES = {"zaif": zaif, "gmo": gmo, "coinbase": coinbase}
Act = Callable[[Case, HeldDisk], Awaitable[None]]


def at_each_connection(venue: str, folder: Path, act: Act) -> None:
    """On a connection that has to be made, and on one that an order before this one left."""

    async def run(*, is_kept: bool) -> None:
        disk = HeldDisk()
        async with VENUES[venue](folder, disk) as case:
            account, order, server = case
            if is_kept:
                disk.go.set()
                await account.place(order)
                disk.go.clear()
                disk.waits = disk.checked = server.bytes_read = 0
                server.requests.clear()
            await act(case, disk)
            assert server.connections <= 2

    for is_kept in (False, True):
        asyncio.run(run(is_kept=is_kept))


async def held(case: Case, disk: HeldDisk) -> asyncio.Task[object]:
    """An order that waits for the disk, having sent nothing."""
    account, order, server = case
    placing: asyncio.Task[object] = asyncio.ensure_future(account.place(order))
    await until(lambda: disk.waits == 1)
    await asyncio.sleep(QUIET_S)
    assert not placing.done()
    assert server.connections == 1, "it is connected before it waits"
    assert server.bytes_read == 0
    return placing


@pytest.mark.parametrize("venue", VENUES)
def test_nothing_arrives_until_the_intent_is_on_disk_and_then_the_whole_order(venue: str, tmp_path: Path) -> None:
    async def act(case: Case, disk: HeldDisk) -> None:
        placing = await held(case, disk)
        disk.go.set()
        await placing
        assert len(case[2].requests) == 1
        assert (disk.waits, disk.checked) == (1, 1)

    at_each_connection(venue, tmp_path, act)


@pytest.mark.parametrize("error", [StoreError("disk full"), GateClosed("no", kind="exchange", code="store_failed")])
@pytest.mark.parametrize("venue", VENUES)
def test_nothing_arrives_when_the_disk_fails(venue: str, error: Exception, tmp_path: Path) -> None:
    async def act(case: Case, disk: HeldDisk) -> None:
        placing = await held(case, disk)
        disk.failure = error
        disk.go.set()
        with pytest.raises(type(error)) as caught:
            await placing
        assert caught.value is error
        await asyncio.sleep(QUIET_S)
        assert (case[2].bytes_read, disk.waits, disk.checked) == (0, 1, 0)

    at_each_connection(venue, tmp_path, act)


@pytest.mark.parametrize("venue", VENUES)
def test_nothing_arrives_when_it_is_given_up_while_the_disk_works(venue: str, tmp_path: Path) -> None:
    async def act(case: Case, disk: HeldDisk) -> None:
        placing = await held(case, disk)
        placing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await placing
        disk.go.set()
        await asyncio.sleep(QUIET_S)
        assert (case[2].bytes_read, disk.waits, disk.checked) == (0, 1, 0)

    at_each_connection(venue, tmp_path, act)


@pytest.mark.parametrize("venue", VENUES)
def test_a_gate_that_closes_after_the_disk_answered_lets_no_body_out(venue: str, tmp_path: Path) -> None:
    async def act(case: Case, disk: HeldDisk) -> None:
        placing = await held(case, disk)
        disk.closed = GateClosed("no", kind="exchange", code="killed")
        disk.go.set()
        with pytest.raises(GateClosed):
            await placing
        await asyncio.sleep(QUIET_S)
        assert case[2].requests == []

    at_each_connection(venue, tmp_path, act)


@pytest.mark.parametrize("venue", VENUES)
def test_time_that_runs_out_while_the_disk_works_is_no_unknown_fate(venue: str, tmp_path: Path) -> None:
    async def act(case: Case, disk: HeldDisk) -> None:
        account, order, server = case
        with pytest.raises(Unreachable):  # after a second, the desk's limit for an exchange
            await account.place(order)
        assert (server.bytes_read, disk.waits) == (0, 1)

    at_each_connection(venue, tmp_path, act)


def test_moments_of_other_names_are_waited_at_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever httpcore tells first that is not of making the connection, it is told before the head leaves."""

    async def run() -> None:
        go, waiting = asyncio.Event(), asyncio.Event()

        async def durable() -> None:
            waiting.set()
            await go.wait()

        class Renamed(transport_module._Moments):
            def __call__(self, moment: str, info: object) -> object:  # type: ignore[override]
                return super().__call__(moment.replace("http11.send_request_headers", "wire.head"), info)

        monkeypatch.setattr(transport_module, "_Moments", Renamed)
        async with loopback(reply("1")) as server:
            transport = Transport(server.url)
            word = LastWord(durable, lambda: None)
            sending = asyncio.ensure_future(transport.post("/", b"x", {}, changes_state=True, last_word=word))
            await waiting.wait()
            await asyncio.sleep(QUIET_S)
            assert server.bytes_read == 0
            go.set()
            assert await sending == b"1"
            await transport.close()

    asyncio.run(run())

"""What the tests of the service stand on: an engine with its loop on a journal in memory, and a venue by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from tests.core.scene import CAPITAL, SECOND, SPOT, T0, WIDE, Told
from ztb.core.command import Place
from ztb.core.error import StoreError
from ztb.core.event import Depth, Event, Quote, Reconciled, Started, Timer, Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD, Decision
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.service.inbox import Inbox
from ztb.service.loop import TIMERS, EngineLoop
from ztb.service.measure import Meter
from ztb.store.codec import DECISIONS, decode, decode_decisions
from ztb.venues.port import (
    AtWire,
    Balance,
    Capabilities,
    OpenOrder,
    OrderReport,
    Placed,
    Rights,
    VenueFill,
    VenuePosition,
)
from ztb.venues.zaif.rules import CAPABILITIES

PATIENCE_S = 30.0
SYMBOL = SPOT.symbol
CONFIG = EngineConfig(instruments=(SPOT,), limits=WIDE, capital=CAPITAL, order_lots=10)
WISHES = {
    "buy": Decision(BUY, "wish", (1,)),
    "sell": Decision(SELL, "wish", (1,)),
    "hold": Decision(HOLD, "no_wish", (0,)),
}


class HandClock:
    """Time that a test moves; a sleep lets other tasks run and takes no time of the wall."""

    def __init__(self, now_ns: int = T0) -> None:
        self.ns = now_ns
        self.scale = 1.0

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * SECOND)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


class Tape:
    """Remembers what was recorded."""

    def __init__(self) -> None:
        self.events: list[Trade | Quote | Depth] = []
        self.flushes = 0

    def add(self, event: Trade | Quote | Depth) -> None:
        self.events.append(event)

    def flush(self) -> None:
        self.flushes += 1


@dataclass(frozen=True)
class Item:
    """One record."""

    seq: int
    ts_ns: int
    kind: str
    body: bytes


class Records:
    """A journal as a list."""

    def __init__(self) -> None:
        self.items: list[Item] = []

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        self.items.append(Item(len(self.items) + 1, ts_ns, kind, body))
        return len(self.items)


class Bench:
    """A loop around a real engine; what the engine asks for is collected."""

    def __init__(self, config: EngineConfig = CONFIG) -> None:
        self.clock = HandClock()
        self.policy = Told()
        self.engine = Engine(config, self.policy)
        self.inbox = Inbox(self.clock)
        self.journal = Records()
        self.tape = Tape()
        self.meter = Meter()
        self.submitted: list[Any] = []
        self.failures: list[BaseException] = []
        self.loop = EngineLoop(
            self.engine,
            inbox=self.inbox,
            journal=self.journal,
            recorder=self.tape,
            meter=self.meter,
            progress=lambda: None,
            on_failure=self.failures.append,
        )
        self.loop.submit = self.submitted.append

    def handle(self, event: Event, *, after_s: float = 0.001) -> None:
        """One event, a little later than the one before."""
        self.clock.advance(after_s)
        self.loop.handle_now(event)

    def start(self) -> None:
        """A session that may trade."""
        self.handle(Started(0, "install", self.engine.state.epoch + 1))
        self.handle(Reconciled(0, True))

    def trade(self, price: int = 1_000, *, wish: str = "") -> None:
        """The market trades at ``price``, and the policy answers with ``wish``."""
        self.policy.answer = WISHES.get(wish)
        self.handle(Trade(0, SYMBOL, price, 5, BUY))

    def tick(self) -> None:
        """Time passes."""
        self.handle(Timer(0), after_s=0.25)

    @property
    def places(self) -> list[Place]:
        return [command for command in self.submitted if isinstance(command, Place)]

    def records(self, *kinds: str) -> list[Any]:
        """What the journal holds, decoded."""
        return [_decoded(record.kind, record.body) for record in self.journal.items if record.kind in kinds]


def _decoded(kind: str, body: bytes) -> object:
    if kind == DECISIONS:
        return decode_decisions(body)
    return msgspec.json.decode(body) if kind == TIMERS else decode(kind, body)


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until ``condition`` holds; a test that would hang fails here."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - whoever makes it hold knows nothing of the test
            await asyncio.sleep(0.001)


class PlayedAccount:
    """``port.Account`` whose venue is what the test says: ``on_place`` and ``on_cancel`` answer, fail or wait."""

    def __init__(self) -> None:
        self.placed: list[Place] = []
        self.cancelled: list[str] = []
        self.open: list[OpenOrder] = []
        self.fills: list[VenueFill] = []
        self.looks = 0
        self.on_place: Callable[[Place], Placed] = lambda order: Placed(f"v{len(self.placed)}", 0)
        self.on_cancel: Callable[[str], bool] = lambda venue_id: True
        self.on_cancel_all: Callable[[Sequence[str]], frozenset[str]] = frozenset
        self.on_look: Callable[[], None] = lambda: None
        self.able = CAPABILITIES
        self.cancelled_together: list[tuple[str, ...]] = []
        self.held: dict[str, Balance] = {}
        self.positions_held: list[VenuePosition] = []
        self.at_wire: AtWire | None = None
        self.hold: asyncio.Event | None = None
        """While it is set to an event that has not happened, orders get no answer."""

    @property
    def capabilities(self) -> Capabilities:
        return self.able

    async def place(self, order: Place) -> Placed:
        if self.at_wire is not None:
            await self.at_wire.durable(order)
            self.at_wire.check(order)
        self.placed.append(order)
        if self.hold is not None:
            await self.hold.wait()
        return self.on_place(order)

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        self.cancelled.append(venue_id)
        return self.on_cancel(venue_id)

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        self.looks += 1
        self.on_look()
        return list(self.open)

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        return [fill for fill in self.fills if int(fill.trade_id) > int(cursor or 0)]

    async def newest_cursor(self, instrument: str) -> str:
        return self.fills[-1].trade_id if self.fills else ""

    async def balances(self) -> dict[str, Balance]:
        return self.held

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        self.cancelled_together.append(tuple(venue_ids))
        return self.on_cancel_all(venue_ids)

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        return []

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        return []

    async def positions(self, instrument: str) -> list[VenuePosition]:
        return [one for one in self.positions_held if one.instrument == instrument]

    async def rights(self) -> Rights:
        return Rights(read=True, trade=True, withdraw=False)


def shown(tag: str, lots: int = 10, *, venue_id: str = "v1", side: int = BUY, price: int = 1_000) -> OpenOrder:
    """An order as the venue lists it."""
    return OpenOrder(venue_id, tag, SYMBOL, side, price, lots, T0)


def filled(trade_id: int, tag: str, lots: int = 10, *, side: int = BUY, price: int = 1_000) -> VenueFill:
    """A fill as the venue's history tells it."""
    return VenueFill(str(trade_id), tag, "", SYMBOL, side, price, lots, Decimal(0), False, T0)


def no_failure() -> StoreError | None:
    """A journal that is well."""
    return None

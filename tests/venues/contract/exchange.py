"""The exchange of a case: the kit's dialect on a loopback socket, one account, and the case's own market."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.venues.contract.clock import CaseClock
from tests.venues.contract.kit import Kit
from tests.venues.contract.script import MarketEvent, Script, Story, quiet
from ztb.simulator.accounts import RIGHTS_DEFAULT, Account, Units
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.process import VENUES, SimulatorOptions
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer


@dataclass(frozen=True)
class Setup:
    """What a case wants otherwise than usual."""

    story: Story = quiet
    may_trade: bool = True
    latency_s: float = 0.0
    """Of the paper venue."""
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    """Instead of the kit's."""


@dataclass(frozen=True)
class World:
    """The running exchange and what a case may do to it."""

    url: str
    exchange: Exchange
    account: Account
    moods: Moods
    record: Record
    server: SimulatorServer


@asynccontextmanager
async def running(kit: Kit, setup: Setup, clock: CaseClock) -> AsyncIterator[World]:
    script = Script(kit.instrument, kit.piece)
    setup.story(script)

    def tape() -> Iterator[MarketEvent]:
        return iter(script.events)

    units = Units(kit.instrument)
    account = Account(
        kit.key,
        kit.secret,
        {name: units.grid(name).exact(amount) for name, amount in (setup.balances or kit.balances).items()},
        maker_fee_ppm=kit.instrument.maker_fee_ppm,
        taker_fee_ppm=kit.instrument.taker_fee_ppm,
        rights=RIGHTS_DEFAULT if setup.may_trade else frozenset({"info"}),
        public_key_pem=kit.public_key_pem,
    )
    protocol = VENUES[kit.venue]
    exchange = Exchange(
        kit.instrument,
        tape,
        [account],
        loop=False,
        self_trade=protocol.self_trade,
        fee_unit=protocol.fee_unit(kit.instrument),
    )
    moods, record = Moods(seed=1), Record()
    options = SimulatorOptions(kit.venue, Path("none"))
    dialect = protocol.dialect(exchange, moods, record, options)
    server = SimulatorServer(exchange, dialect, clock=clock, moods=moods, record=record, admin=True)
    address = await server.start()
    try:
        yield World(f"http://{address.text}", exchange, account, moods, record, server)
    finally:
        await server.stop()

"""The simulator as a process: builds exchange, dialect and server, says that it is ready, ends on SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from ztb.core.instrument import Instrument
from ztb.simulator.accounts_file import read_accounts
from ztb.simulator.coinbase import rules as coinbase_rules
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.dialect import Address, Clock, Dialect
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo import rules as gmo_rules
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.gmo.venue import GmoVenue
from ztb.simulator.matching import EXPIRE_NEWER, MATCH
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import Tape
from ztb.simulator.zaif import rules as zaif_rules
from ztb.simulator.zaif.rules import ZaifRules
from ztb.simulator.zaif.venue import ZaifVenue


@final
@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """Everything that the command line can choose."""

    venue: str
    accounts: Path
    host: str = "127.0.0.1"
    port: int = 0
    loop: bool = True
    start_offset_ns: int = 0
    admin: bool = False
    seed: int = 0
    zaif: ZaifRules = field(default_factory=ZaifRules)
    gmo: GmoRules = field(default_factory=GmoRules)
    coinbase: CoinbaseRules = field(default_factory=CoinbaseRules)


@final
@dataclass(frozen=True, slots=True)
class Protocol:
    """What makes a venue: its dialect, and its own rules about fees and own orders."""

    dialect: Callable[[Exchange, Moods, Record, SimulatorOptions], Dialect]
    fees_ppm: Callable[[Instrument], tuple[int, int]]
    """Maker and taker, for accounts that name none."""
    self_trade: str = MATCH
    fee_unit: Callable[[Instrument], int] = lambda _instrument: 1
    """Fees are multiples of so many money units."""


def _zaif(exchange: Exchange, moods: Moods, record: Record, options: SimulatorOptions) -> Dialect:
    return ZaifVenue(exchange, moods=moods, record=record, rules=options.zaif)


def _gmo(exchange: Exchange, moods: Moods, record: Record, options: SimulatorOptions) -> Dialect:
    return GmoVenue(exchange, moods=moods, record=record, rules=options.gmo)


def _coinbase(exchange: Exchange, moods: Moods, record: Record, options: SimulatorOptions) -> Dialect:
    # Here, because nobody else needs the cryptography behind it.
    from ztb.simulator.coinbase.venue import CoinbaseVenue

    return CoinbaseVenue(exchange, moods=moods, record=record, rules=options.coinbase)


VENUES: Final[Mapping[str, Protocol]] = {
    "zaif": Protocol(_zaif, zaif_rules.fees_ppm),
    "gmo": Protocol(_gmo, gmo_rules.fees_ppm, self_trade=EXPIRE_NEWER, fee_unit=gmo_rules.fee_unit),
    "coinbase": Protocol(_coinbase, coinbase_rules.fees_ppm, self_trade=EXPIRE_NEWER),
}
"""By the name that ``--venue`` takes."""


def build(options: SimulatorOptions, *, instrument: Instrument, tape: Tape, clock: Clock) -> SimulatorServer:
    """A server that is ready to start. UsageError when the accounts file is wrong."""
    protocol = VENUES[options.venue]
    maker, taker = protocol.fees_ppm(instrument)
    accounts = read_accounts(options.accounts, instrument, maker_fee_ppm=maker, taker_fee_ppm=taker)
    exchange = Exchange(
        instrument,
        tape,
        accounts,
        loop=options.loop,
        self_trade=protocol.self_trade,
        fee_unit=protocol.fee_unit(instrument),
    )
    moods, record = Moods(seed=options.seed), Record()
    return SimulatorServer(
        exchange,
        protocol.dialect(exchange, moods, record, options),
        clock=clock,
        moods=moods,
        record=record,
        host=options.host,
        port=options.port,
        start_offset_ns=options.start_offset_ns,
        admin=options.admin,
    )


async def serve(server: SimulatorServer, *, ready: Callable[[Address], None], with_parent: bool = False) -> None:
    """Run until a signal or an error of the tape ends it; ``ready`` is told the address.

    ``with_parent``: standard input is a pipe from the parent, and its end means that the parent is gone.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    if with_parent:
        loop.add_reader(sys.stdin.fileno(), stopped.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    ready(await server.start())
    ended = asyncio.create_task(server.wait())
    stopping = asyncio.create_task(stopped.wait())
    try:
        done, _ = await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        stopping.cancel()
        await server.stop()
        await asyncio.gather(ended, stopping, return_exceptions=True)

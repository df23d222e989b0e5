"""From the bytes of a market frame to the bytes of the order that it caused: ``python -m tests.bench.wire_latency``.

A real trader, in a process of its own on uvloop, trades on the built-in exchange over real sockets: decode, engine,
journal with its fsync, gate, request. The exchange notes when it hands a trade's frame to its socket and when the
first byte of the order's request is read from one, both on one clock; its own framing counts against the trader.
Between two orders the bare fsync of the same disk is measured, because a durable order cannot be faster than that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from tests.bench.engine_latency import percentiles
from tests.bench.stamped import READER, StampingServer
from tests.bench.wire_trader import KEY, SECRET
from ztb.core.event import Depth, Trade
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.host.clock import HostClock
from ztb.simulator.accounts import Account, Units
from ztb.simulator.dialect import Action, Dialect, Drop, Outcome, Reply, Request, Stream
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import GmoRules, fee_unit
from ztb.simulator.gmo.venue import GmoVenue
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.tape_player import MarketEvent

ROOT: Final = Path(__file__).resolve().parents[2]
ORDERS: Final = 200
WARM_UP_ORDERS: Final = 10
TRADE_EACH_NS: Final = 250_000_000
"""Four orders a second: within what the venue allows, and slow enough that each meets an idle trader."""
FSYNC_AFTER_S: Final = 0.1
WAL_WRITE_BYTES: Final = 4_120
"""A page of SQLite with the head of its frame in the log."""
PRICE: Final = 2_700_000
LOTS: Final = 1_000_000
RUN_S_PER_ORDER_MAX: Final = 3.0
P50_MS_MAX: Final = 3.0
P99_OVER_FSYNC_MS_MAX: Final = 2.0
_ORDER_PATHS: Final = ("/private/v1/order", "/private/v1/closeOrder")
_NS: Final = 1_000_000_000
BTC_JPY: Final = Instrument("btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4, taker_fee_ppm=500)


def market() -> Iterator[MarketEvent]:
    """A deep book that stands still, and a trade of one lot at its ask every ``TRADE_EACH_NS``."""
    bids = tuple((PRICE - level, LOTS) for level in range(1, 11))
    asks = tuple((PRICE + level, LOTS) for level in range(10))
    for number in range(100_000):
        ts_ns = _NS + number * TRADE_EACH_NS
        yield Depth(ts_ns, "btc_jpy", bids, asks, True)
        yield Trade(ts_ns + 1, "btc_jpy", PRICE, 1, BUY if number % 2 else SELL)


@dataclass
class Stamps:
    """When the newest trade was told, and how long each order took from there."""

    told_ns: int = 0
    orders_ns: array[int] = field(default_factory=lambda: array("q"))
    fsync_ns: array[int] = field(default_factory=lambda: array("q"))
    orders: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class _StampedStream:
    """A stream that notes when a frame of trades goes to its socket."""

    def __init__(self, stream: Stream, stamps: Stamps) -> None:
        self._stream = stream
        self._stamps = stamps

    @property
    def idle_s_max(self) -> float:
        return self._stream.idle_s_max

    @property
    def ping_s(self) -> float | None:
        return self._stream.ping_s

    def opened(self, now_ns: int) -> Action:
        return self._stream.opened(now_ns)

    def received(self, payload: bytes, now_ns: int) -> Action:
        return self._stream.received(payload, now_ns)

    def tick(self, now_ns: int) -> Action:
        action = self._stream.tick(now_ns)
        if action is not None and not isinstance(action, Drop):
            frames = [action] if isinstance(action, bytes) else action
            if any(isinstance(frame, bytes) and b'"trades"' in frame for frame in frames):
                self._stamps.told_ns = time.perf_counter_ns()
        return action


class _StampedDialect:
    """The venue's own dialect; orders are stamped on their way in."""

    def __init__(self, dialect: Dialect, stamps: Stamps) -> None:
        self._dialect = dialect
        self._stamps = stamps

    def handle(self, request: Request) -> Outcome:
        first_byte_ns = READER.get().take()
        if request.path in _ORDER_PATHS and request.method == "POST":
            stamps = self._stamps
            stamps.orders += 1
            if stamps.told_ns and stamps.orders > WARM_UP_ORDERS:
                stamps.orders_ns.append(first_byte_ns - stamps.told_ns)
            stamps.told_ns = 0  # one order for each trade; another one would be none of its making
            stamps.arrived.set()
        return self._dialect.handle(request)

    def open_stream(self, request: Request) -> Stream | Reply:
        stream = self._dialect.open_stream(request)
        return stream if isinstance(stream, Reply) else _StampedStream(stream, self._stamps)


def _server(stamps: Stamps) -> StampingServer:
    units = Units(BTC_JPY)
    balances = {"jpy": units.grid("jpy").parse("1000000000"), "btc": units.grid("btc").parse("10")}
    owner = Account(KEY, SECRET, balances, maker_fee_ppm=0, taker_fee_ppm=500)
    exchange = Exchange(BTC_JPY, market, [owner], loop=True, self_trade=EXPIRE_NEWER, fee_unit=fee_unit(BTC_JPY))
    moods, record = Moods(), Record()
    rules = GmoRules(public_per_second=0, private_limits=False, subscribe_interval_ns=0)
    dialect = _StampedDialect(GmoVenue(exchange, moods=moods, record=record, rules=rules), stamps)
    return StampingServer(exchange, dialect, clock=HostClock(), moods=moods, record=record)


async def _measure(stamps: Stamps, directory: Path, orders: int) -> None:
    server = _server(stamps)
    address = await server.start()
    log = (directory / "trader.log").open("wb")
    words = ("-m", "tests.bench.wire_trader", f"http://{address.text}", str(directory))
    nothing = asyncio.subprocess.DEVNULL
    trader = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=ROOT, stdin=nothing, stdout=log, stderr=log
    )
    bare = os.open(directory / "bare", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        async with asyncio.timeout(25 + orders * RUN_S_PER_ORDER_MAX):
            while len(stamps.orders_ns) < orders:
                await stamps.arrived.wait()
                stamps.arrived.clear()
                await asyncio.sleep(FSYNC_AFTER_S)
                began = time.perf_counter_ns()
                os.pwrite(bare, bytes(WAL_WRITE_BYTES), len(stamps.fsync_ns) * WAL_WRITE_BYTES)
                os.fdatasync(bare)
                stamps.fsync_ns.append(time.perf_counter_ns() - began)
    except TimeoutError:
        raise SystemExit(f"wire_latency: {len(stamps.orders_ns)} orders came; {_last_words(directory)}") from None
    finally:
        os.close(bare)
        await _end(trader)
        log.close()
        await server.stop()


async def _end(trader: asyncio.subprocess.Process) -> None:
    if trader.returncode is None:
        trader.terminate()
    try:
        async with asyncio.timeout(30):
            await trader.wait()
    except TimeoutError:
        trader.kill()
        await trader.wait()


def _last_words(directory: Path) -> str:
    return (directory / "trader.log").read_text(errors="replace").strip()[-500:]


def measure(*, orders: int) -> dict[str, object]:
    """Percentiles in milliseconds, and whether they hold what was promised."""
    stamps = Stamps()
    build = ROOT / "build" / "bench"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        asyncio.run(_measure(stamps, Path(folder), orders))
    order, fsync = _ms(stamps.orders_ns), _ms(stamps.fsync_ns)
    return {
        "orders": len(stamps.orders_ns),
        "frame_to_order_ms": order,
        "bare_fsync_ms": fsync,
        "ratio_p50": round(order["p50"] / fsync["p50"], 2),
        "p99_over_fsync_p99_ms": round(order["p99"] - fsync["p99"], 3),
        "p50_holds": order["p50"] <= P50_MS_MAX,
        "p99_holds": order["p99"] <= fsync["p99"] + P99_OVER_FSYNC_MS_MAX,
    }


def _ms(samples: array[int]) -> dict[str, float]:
    return {name: round(value / 1000, 3) for name, value in percentiles(samples).items()}


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.wire_latency", description=__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not 1 <= options.orders <= 100_000:
        parser.error("--orders from 1 to 100000")
    figures = measure(orders=options.orders)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

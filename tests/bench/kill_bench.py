"""From a kill to silence: ``python -m tests.bench.kill_bench``, each way in by itself, in a market of 5,000 messages/s.

A real trader, in a process of its own on uvloop, trades on the built-in exchange over real sockets, ten orders a
second. It is killed by signal, by kill file (what ``ztb kill`` lays) and by a breaker (a fall of the price beyond the
drawdown limit), resumed, and killed again. Three times are taken, from the trigger on: the latch is set, and from then
on the gate at the wire lets nothing pass; the latch is on disk, and is acknowledged; the last order reached the
exchange's socket. Afterwards the journal has the last word: between a kill and its resume no order was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.bench.engine_latency import percentiles
from tests.bench.kill_trader import TRADES_PER_ORDER
from tests.bench.stamped import READER, StampingServer
from tests.bench.wire_latency import BTC_JPY, LOTS, PRICE, ROOT, WAL_WRITE_BYTES
from tests.bench.wire_trader import KEY, SECRET
from ztb.core.event import Depth, Trade
from ztb.core.instrument import BUY, SELL
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
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

KILLS: Final = 100
"""By each way; the 99th of a hundred is the second worst."""
MESSAGES_PER_S: Final = 5_000
TICK_S: Final = 0.002
FALL_PER_CENT: Final = 10
BAND_MS_MAX: Final = {"signal": 10.0, "breaker": 10.0, "kill_file": 50.0}
CALM_S: Final = 0.1
"""After the acknowledgement; an order that left before is at the exchange by then."""
WARM_UP_ORDERS: Final = 20
"""Until as much is held as is to be."""
PATIENCE_S: Final = 30.0
_ORDER_PATHS: Final = ("/private/v1/order", "/private/v1/closeOrder")
_NS: Final = 1_000_000_000


@dataclass
class Market:
    """What the exchange's market does, and what was seen of the trader."""

    is_fallen: bool = False
    fell_ns: int = 0
    """When the first price of the fall went to its socket."""
    frames: int = 0
    fsync_ns: array[int] = field(default_factory=lambda: array("q"))
    """Of the bare disk, between two kills: a latch cannot be on it sooner."""
    orders_ns: array[int] = field(default_factory=lambda: array("q"))
    ordered: asyncio.Event = field(default_factory=asyncio.Event)

    def events(self) -> Iterator[MarketEvent]:
        """A trade every 200 us at one price, or at the fallen one; the book stands still, and is told now and then."""
        bids = tuple((PRICE - level, LOTS) for level in range(1, 11))
        asks = tuple((PRICE + level, LOTS) for level in range(10))
        for number in range(10**9):
            ts_ns = _NS + number * (_NS // MESSAGES_PER_S)
            if number % MESSAGES_PER_S == 0:
                yield Depth(ts_ns, "btc_jpy", bids, asks, True)
            yield Trade(ts_ns + 1, "btc_jpy", self.price, 1, BUY if number % 2 else SELL)

    @property
    def price(self) -> int:
        return PRICE - PRICE * FALL_PER_CENT // 100 if self.is_fallen else PRICE


class _WatchedStream:
    """A stream that counts its frames, and notes when it tells of the fall."""

    def __init__(self, stream: Stream, market: Market) -> None:
        self._stream = stream
        self._market = market
        self._fallen = str((PRICE - PRICE * FALL_PER_CENT // 100) * int(BTC_JPY.tick_size)).encode()

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
            frames = [
                frame for frame in ([action] if isinstance(action, bytes) else action) if isinstance(frame, bytes)
            ]
            market = self._market
            market.frames += len(frames)
            if market.is_fallen and not market.fell_ns and any(self._fallen in frame for frame in frames):
                market.fell_ns = time.perf_counter_ns()
        return action


class _WatchedDialect:
    """The venue's own dialect; orders are stamped on their way in."""

    def __init__(self, dialect: Dialect, market: Market) -> None:
        self._dialect = dialect
        self._market = market

    def handle(self, request: Request) -> Outcome:
        first_byte_ns = READER.get().take()
        if request.path in _ORDER_PATHS and request.method == "POST":
            self._market.orders_ns.append(first_byte_ns)
            self._market.ordered.set()
        return self._dialect.handle(request)

    def open_stream(self, request: Request) -> Stream | Reply:
        stream = self._dialect.open_stream(request)
        return stream if isinstance(stream, Reply) else _WatchedStream(stream, self._market)


class _EvenServer(StampingServer):
    """Speaks every other millisecond, so that the messages come one after the other and not in heaps."""

    async def _tick(self) -> None:
        while self._advance(self._clock.now_ns()):
            for socket in tuple(self._sockets):
                socket.tick()
            await asyncio.sleep(0 if self._behind else TICK_S)


def _server(market: Market) -> _EvenServer:
    units = Units(BTC_JPY)
    balances = {"jpy": units.grid("jpy").parse("1000000000"), "btc": units.grid("btc").parse("10")}
    owner = Account(KEY, SECRET, balances, maker_fee_ppm=0, taker_fee_ppm=0)
    exchange = Exchange(
        BTC_JPY, market.events, [owner], loop=True, self_trade=EXPIRE_NEWER, fee_unit=fee_unit(BTC_JPY)
    )  # fmt: skip
    moods, record = Moods(), Record()
    rules = GmoRules(public_per_second=0, private_limits=False, subscribe_interval_ns=0)
    dialect = _WatchedDialect(GmoVenue(exchange, moods=moods, record=record, rules=rules), market)
    return _EvenServer(exchange, dialect, clock=HostClock(), moods=moods, record=record)


@dataclass
class Times:
    """Of one way in; nanoseconds from the trigger on."""

    latched_ns: array[int] = field(default_factory=lambda: array("q"))
    on_disk_ns: array[int] = field(default_factory=lambda: array("q"))
    last_order_ns: array[int] = field(default_factory=lambda: array("q"))
    orders_in_time: int = 0
    """Orders that still reached the exchange after the trigger."""


class _Bench:
    def __init__(self, market: Market, trader: asyncio.subprocess.Process, runtime: Path) -> None:
        self._market = market
        self._trader = trader
        self._operator = runtime / "operator"
        self._bare = runtime.parent / "bare"
        self._dice = random.Random(4)

    async def kill_by(self, way: Callable[[], int | None], times: Times) -> None:
        """Once: wait for an order, and some time of the next one's way; kill; wait until it is silent; resume."""
        market = self._market
        await self._an_order()
        # Any moment between two orders, and half of the times one at which the next is on its way.
        earliest, latest = self._dice.choice(((0.0, 1.0), (0.93, 1.05)))
        await asyncio.sleep(self._dice.uniform(earliest, latest) * TRADES_PER_ORDER / MESSAGES_PER_S)
        market.fell_ns = 0
        known = len(market.orders_ns)
        began_ns = way()
        assert self._trader.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            latched_ns, on_disk_ns = map(int, (await self._trader.stdout.readline()).split())
        began_ns = market.fell_ns if began_ns is None else began_ns
        assert 0 < began_ns < latched_ns < on_disk_ns
        await asyncio.sleep(CALM_S)
        later = [order_ns for order_ns in market.orders_ns[known:] if order_ns > began_ns]
        times.latched_ns.append(latched_ns - began_ns)
        times.on_disk_ns.append(on_disk_ns - began_ns)
        times.last_order_ns.append(max(later, default=began_ns) - began_ns)
        times.orders_in_time += len(later)
        market.is_fallen = False
        market.fsync_ns.append(fsync_ns(self._bare))
        (self._operator / "kill").unlink(missing_ok=True)
        await asyncio.sleep(CALM_S)
        self._lay("resume", "again")

    async def _an_order(self) -> None:
        self._market.ordered.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._market.ordered.wait()

    def by_signal(self) -> int:
        began_ns = time.perf_counter_ns()
        os.kill(self._trader.pid, signal.SIGUSR1)
        return began_ns

    def by_file(self) -> int:
        return self._lay("kill", "bench")

    def by_breaker(self) -> None:
        """Counted from when the exchange told of the fall."""
        self._market.is_fallen = True

    def _lay(self, name: str, text: str) -> int:
        """As the commands do: whole, in one step. When it lay there."""
        fresh = self._operator / f".{name}.new"
        fresh.write_text(text)
        began_ns = time.perf_counter_ns()
        fresh.replace(self._operator / name)
        return began_ns


async def _measure(directory: Path, kills: int) -> tuple[dict[str, Times], Market, float]:
    market = Market()
    server = _server(market)
    address = await server.start()
    log = (directory / "trader.log").open("wb")
    words = ("-m", "tests.bench.kill_trader", f"http://{address.text}", str(directory))
    trader = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log
    )
    found = {name: Times() for name in BAND_MS_MAX}
    try:
        bench = _Bench(market, trader, directory / "run")
        async with asyncio.timeout(PATIENCE_S):
            while len(market.orders_ns) < WARM_UP_ORDERS:
                await bench._an_order()
        ways: dict[str, Callable[[], int | None]] = {
            "signal": bench.by_signal, "breaker": bench.by_breaker, "kill_file": bench.by_file
        }  # fmt: skip
        frames, began_s = market.frames, time.monotonic()
        for _ in range(kills):
            for name, way in ways.items():
                await bench.kill_by(way, found[name])
        rate = (market.frames - frames) / (time.monotonic() - began_s)
    except TimeoutError:
        raise SystemExit(f"kill_bench: {(directory / 'trader.log').read_text(errors='replace')[-1_500:]}") from None
    finally:
        if trader.returncode is None:
            trader.terminate()
            await trader.wait()
        log.close()
        await server.stop()
    return found, market, rate


def fsync_ns(path: Path) -> int:
    """How long the disk takes for a write as small as the journal's."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        began_ns = time.perf_counter_ns()
        os.write(descriptor, bytes(WAL_WRITE_BYTES))
        os.fdatasync(descriptor)
        return time.perf_counter_ns() - began_ns
    finally:
        os.close(descriptor)


def journal_says(journal: Path) -> dict[str, int]:
    """Orders that left between a kill and its resume, and those that were on their way and were stopped."""
    reader = JournalReader(journal)
    sent, stopped, is_killed = 0, 0, False
    for record in reader.read(kinds={"notify", "order_sent", "order_rejected"}):
        if record.kind == "order_sent":
            sent += is_killed
        elif record.kind == "order_rejected":
            stopped += is_killed and b'"killed"' in record.body
        elif b'"killed"' in record.body:
            is_killed = True
        elif b'"resumed"' in record.body:
            is_killed = False
    reader.close()
    return {"sent_while_killed": sent, "stopped_at_the_wire": stopped}


def measure(*, kills: int) -> dict[str, object]:
    """Percentiles in milliseconds of each way in, and whether they hold what was promised."""
    build = ROOT / "build" / "bench"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        found, market, rate = asyncio.run(_measure(Path(folder), kills))
        said = journal_says(Path(folder) / "state" / JOURNAL_NAME)
    figures: dict[str, object] = {"kills_each": kills, "messages_per_s": round(rate), **said}
    bare = _ms(market.fsync_ns)
    figures["bare_fsync_ms"] = bare
    for name, times in found.items():
        latched, on_disk = _ms(times.latched_ns), _ms(times.on_disk_ns)
        figures[name] = {
            "latched_ms": latched,
            "on_disk_ms": on_disk,
            "last_order_ms": _ms(times.last_order_ns),
            "on_disk_over_fsync_p50": round(on_disk["p50"] / bare["p50"], 2),
            "orders_in_time": times.orders_in_time,
            "silent_holds": latched["p99"] <= BAND_MS_MAX[name],
            "on_disk_holds": on_disk["p99"] <= BAND_MS_MAX[name],
        }
    return figures


def _ms(samples: array[int]) -> dict[str, float]:
    return {name: round(value / 1000, 3) for name, value in percentiles(samples).items()}


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kill_bench", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help="by each way in")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not 1 <= options.kills <= 100_000:
        parser.error("--kills from 1 to 100000")
    figures = measure(kills=options.kills)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Bytes of a market frame to events, for each venue: ``python -m tests.bench.decode_bench --json``.

The frames are recorded from the built-in exchange's own sockets in the same run, at the market's own pace. The
reference is ``json.loads`` of the same frames, which decodes and checks nothing further. ``paced`` feeds so many
messages a second through decoder, book and engine and counts the CPU that it takes; ``socket`` does the same with a
real socket in between, from another process, read as the trader reads it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import pickle
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, Final

import uvloop

from tests.bench.engine_latency import percentiles
from tests.bench.recorded import RECORDABLE, fresh_wire, record
from tests.bench.sma_job import WIDE, SmaLevel
from ztb.core.event import Depth, Feed, Quote, Reconciled, Started, Trade
from ztb.core.instrument import Instrument
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.host.clock import HostClock
from ztb.service.loop import ROWS_FLUSH
from ztb.venues.stream_loop import StreamLoop, Wire

FRAMES: Final = 3_000
PASSES: Final = 3
RATE: Final = 5_000
SECONDS: Final = 4
BATCH_S: Final = 0.002
"""Messages that are due within this time are handled together, as a socket hands them over."""
P99_US_MAX: Final = 50.0
CPU_SHARE_MAX: Final = 0.60


def decode_ns(name: str, instrument: Instrument, frames: Sequence[bytes]) -> array[int]:
    """Each frame's time through a reader that begins anew with each pass."""
    clock, taken = time.perf_counter_ns, array("q")
    for _ in range(PASSES):
        wire = fresh_wire(name, instrument)
        for body in frames:
            began = clock()
            wire.read(body, began)
            taken.append(clock() - began)
    return taken


def reference_ns(frames: Sequence[bytes]) -> array[int]:
    """The same frames through ``json.loads``."""
    clock, taken = time.perf_counter_ns, array("q")
    for _ in range(PASSES):
        for body in frames:
            began = clock()
            json.loads(body)
            taken.append(clock() - began)
    return taken


class Market:
    """An engine that decides and sends nothing: what is measured is the market, not the orders."""

    def __init__(self, instrument: Instrument) -> None:
        config = EngineConfig((instrument,), WIDE, capital=10**12, order_lots=10, observe=True)
        self.engine = Engine(config, SmaLevel())
        now_ns = time.time_ns()
        for event in (Started(now_ns, "decode", 1), Reconciled(now_ns, True), Feed(now_ns, True)):
            self.engine.step(event)
        self.events = 0

    def take(self, news: Sequence[object] | None) -> None:
        for one in news or ():
            if isinstance(one, Trade | Quote | Depth):
                self.engine.step(one)
                self.events += 1
        if self.engine.decision_count >= ROWS_FLUSH:
            self.engine.take_decisions()


class Repeated:
    """A venue's wire that is given its recording again and again: each pass is a connection of its own, so that
    snapshots and sequence numbers are in their places. Greets nobody."""

    greeting_pause_s = 0.0

    def __init__(self, wire: Any, frames_count: int, url: str = "") -> None:  # noqa: ANN401 - a type for each venue
        self._wire = wire
        self._frames_count = frames_count
        self._url = url
        self.messages = 0

    async def url(self) -> str:
        return self._url

    def connected(self) -> None:
        self.messages = 0

    def greetings(self) -> Sequence[str]:
        return ()

    def read(self, body: bytes, ts_ns: int) -> Sequence[object] | None:
        if self.messages % self._frames_count == 0:
            self._wire.connected()
        self.messages += 1
        news: Sequence[object] | None = self._wire.read(body, ts_ns)
        return news

    async def caught_up(self, news: Sequence[object], ts_ns: int) -> Sequence[object]:
        return news

    has_gap = False

    def state(self, ts_ns: int, connected: bool, text: str) -> object:
        return Feed(ts_ns, connected, text)


def batches(frames: Sequence[bytes]) -> list[list[bytes]]:
    """The recording again and again, in portions that are due ``BATCH_S`` apart."""
    size = int(RATE * BATCH_S)
    return [
        [frames[(number * size + place) % len(frames)] for place in range(size)]
        for number in range(int(SECONDS / BATCH_S))
    ]


def paced(name: str, instrument: Instrument, frames: Sequence[bytes]) -> dict[str, object]:
    """``RATE`` messages a second for ``SECONDS``, each handled when it is due or later, none left out."""
    wire = Repeated(fresh_wire(name, instrument), len(frames))
    market, prepared = Market(instrument), batches(frames)
    began, began_cpu, late_s_max = time.perf_counter(), time.process_time(), 0.0
    for number, bodies in enumerate(prepared):
        wait_s = began + number * BATCH_S - time.perf_counter()
        if wait_s > 0:
            time.sleep(wait_s)
        late_s_max = max(late_s_max, -wait_s)
        for body in bodies:
            market.take(wire.read(body, time.time_ns()))
    took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    messages_per_s = wire.messages / took
    return {
        "messages_per_s": round(messages_per_s),
        "cpu_share": round(cpu / took, 3),
        "late_ms_max": round(late_s_max * 1000, 1),
        "events": market.events,
        "holds": messages_per_s >= RATE * 0.99 and cpu / took <= CPU_SHARE_MAX,
    }


SENDER: Final = """
import asyncio, pickle, sys, time
from websockets.asyncio.server import serve
data = pickle.load(sys.stdin.buffer)
async def send(socket):
    await asyncio.sleep(0.2)
    began = time.perf_counter()
    for number, bodies in enumerate(data["batches"]):
        wait_s = began + number * data["batch_s"] - time.perf_counter()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        for body in bodies:
            await socket.send(body, text=True)
    await asyncio.sleep(60)
async def main():
    async with serve(send, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def _drain(wire: Repeated, market: Market, total: int) -> tuple[float, float]:
    typed: Wire[object] = wire
    loop = StreamLoop(typed, clock=HostClock(), jitter=lambda: 0.5)
    began = began_cpu = 0.0
    async with aclosing(loop.events()) as events:
        async for one in events:
            if not began:
                began, began_cpu = time.perf_counter(), time.process_time()
            if isinstance(one, Feed) and not one.connected:
                raise SystemExit(f"decode_bench: the stream was lost: {one.text}")
            market.take((one,))
            if wire.messages >= total:
                break
    return time.perf_counter() - began, time.process_time() - began_cpu


def over_socket(name: str, instrument: Instrument, frames: Sequence[bytes]) -> dict[str, object]:
    """The same pace through a real WebSocket, ``StreamLoop`` and engine, on uvloop."""
    prepared = batches(frames)
    sender = subprocess.Popen([sys.executable, "-c", SENDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert sender.stdin is not None
    assert sender.stdout is not None
    try:
        with sender.stdin as pipe:
            pickle.dump({"batches": prepared, "batch_s": BATCH_S}, pipe)
        url = f"ws://127.0.0.1:{int(sender.stdout.readline())}"
        market, total = Market(instrument), sum(map(len, prepared))
        wire = Repeated(fresh_wire(name, instrument), len(frames), url)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            took, cpu = runner.run(_drain(wire, market, total))
    finally:
        sender.kill()
        sender.wait()
        sender.stdout.close()
    return {
        "messages_per_s": round(total / took),
        "cpu_share": round(cpu / took, 3),
        "holds": total / took >= RATE * 0.98 and cpu / took <= CPU_SHARE_MAX,
    }


def measure(name: str, *, frames_count: int) -> dict[str, object]:
    """All figures of one venue."""
    instrument, frames = record(name, frames_count)
    gc.collect()
    gc.freeze()
    decoded, reference = percentiles(decode_ns(name, instrument, frames)), percentiles(reference_ns(frames))
    return {
        "frames": len(frames),
        "bytes_p50": sorted(map(len, frames))[len(frames) // 2],
        "decode_us": decoded,
        "json_loads_us": reference,
        "ratio_p50": round(decoded["p50"] / reference["p50"], 2),
        "ratio_p99": round(decoded["p99"] / reference["p99"], 2),
        "p99_holds": decoded["p99"] <= P99_US_MAX,
        "paced": paced(name, instrument, frames),
        "socket": over_socket(name, instrument, frames),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.decode_bench", description=__doc__)
    parser.add_argument("--venue", action="append", choices=RECORDABLE, help="only this one (repeat for more)")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if not 1 <= options.frames <= 1_000_000:
        parser.error("--frames from 1 to 1000000")
    figures = {name: measure(name, frames_count=options.frames) for name in options.venue or RECORDABLE}
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    sys.exit(main())

"""The benchmarks of the wire measure what they say: real frames, each in its place, and orders that frames caused."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench import decode_bench
from tests.bench.decode_bench import Market, Repeated, batches, decode_ns, reference_ns
from tests.bench.recorded import RECORDABLE, fresh_wire, record
from tests.house.source import ROOT
from ztb.core.event import Depth, Quote, Trade
from ztb.venues.registry import VENUE_NAMES


def test_every_venue_is_measured() -> None:
    assert RECORDABLE == VENUE_NAMES


@pytest.mark.parametrize("name", VENUE_NAMES)
def test_recorded_frames_are_the_market_and_can_be_read_again_and_again(name: str) -> None:
    instrument, frames = record(name, 60)
    assert len(frames) == 60
    assert all(isinstance(json.loads(body), dict) for body in frames)
    wire, market = Repeated(fresh_wire(name, instrument), len(frames)), Market(instrument)
    kinds = set()
    for number in range(3 * len(frames)):
        news = wire.read(frames[number % len(frames)], number)
        kinds |= {type(one) for one in news or ()}
        market.take(news)
    assert wire.messages == 180
    assert {Depth, Quote} <= kinds <= {Depth, Quote, Trade}
    assert market.events >= 60
    passes = decode_bench.PASSES * len(frames)
    assert (len(decode_ns(name, instrument, frames)), len(reference_ns(frames))) == (passes, passes)


def test_each_message_is_due_once_and_at_its_rate() -> None:
    frames = [b"%d" % number for number in range(7)]
    prepared = batches(frames)
    flat = [body for batch in prepared for body in batch]
    assert len(flat) == decode_bench.RATE * decode_bench.SECONDS
    assert flat[:15] == [*frames, *frames, b"0"]
    assert len(prepared) * decode_bench.BATCH_S == pytest.approx(decode_bench.SECONDS)


def test_orders_come_from_frames() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.wire_latency", "--orders", "3", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["orders"] >= 3
    order, fsync = figures["frame_to_order_ms"], figures["bare_fsync_ms"]
    assert 0 < order["p50"] <= order["p99"] <= order["max"]
    assert 0 < fsync["p50"] <= fsync["max"]
    assert figures["p99_over_fsync_p99_ms"] == pytest.approx(order["p99"] - fsync["p99"], abs=0.002)

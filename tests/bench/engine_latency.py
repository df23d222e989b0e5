"""Event in to commands out at a steady pace: ``python -m tests.bench.engine_latency --seconds 60 --json``.

The rule: a latency is counted from the moment at which the event was *due*, so that an event that waited behind a slow
one is not excused; ``step_us`` is the engine alone. The empty loop, paced the same way in the same run, shows what the
machine itself adds. The market makes orders (about one event in twenty-five), the venue answers, decisions are
journalled as the service does it, and every event that was due is handled: ``dropped`` counts those that a full inbox
would have turned away.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.bench.sma_job import INSTRUMENT, SmaLevel, new_engine
from ztb.core.event import Event, Reconciled, Started, Timer, Trade
from ztb.core.step import Engine
from ztb.service.inbox import INBOX_EVENTS_MAX
from ztb.service.loop import ROWS_FLUSH
from ztb.store.codec import DECISIONS, encode, encode_decisions
from ztb.store.journal import MemoryJournal
from ztb.venues.replay import ReplayVenue

START_NS: Final = 1_700_000_000_000_000_000
TIMER_EACH: Final = 1_000
SEED: Final = 20_250_127


@dataclass
class Lane:
    """What was measured, in nanoseconds, and what was counted."""

    from_due_ns: array[int] = field(default_factory=lambda: array("q"))
    step_ns: array[int] = field(default_factory=lambda: array("q"))
    events: int = 0
    backlog_max: int = 0
    dropped: int = 0


def trades(count: int, step_ns: int) -> Iterator[Trade]:
    """A price that wanders in steps of one tick."""
    random = Random(SEED)
    price = 2_700_000
    for n in range(count):
        price += random.randrange(-40, 41)
        yield Trade(START_NS + n * step_ns, INSTRUMENT.symbol, price, 10 + n % 90, 1 if n % 2 else -1)


def paced(lane: Lane, count: int, gap_ns: int, handle: Callable[[int], None]) -> None:
    """Call ``handle(n)`` at ``start + n * gap_ns``, or as soon as possible after that; never leave one out."""
    clock = time.perf_counter_ns
    start_ns = clock() + 1_000_000
    for n in range(count):
        due_ns = start_ns + n * gap_ns
        now_ns = clock()
        while now_ns < due_ns:
            now_ns = clock()
        backlog = (now_ns - due_ns) // gap_ns
        if backlog > lane.backlog_max:
            lane.backlog_max = backlog
        if backlog > INBOX_EVENTS_MAX:
            lane.dropped += 1
            continue
        handle(n)
        lane.from_due_ns.append(clock() - due_ns)
        lane.events += 1


class Trading:
    """Engine, venue and journal, fed with one market event at a time."""

    def __init__(self, events: list[Trade], lane: Lane) -> None:
        self.engine: Engine = new_engine(SmaLevel())
        self.venue = ReplayVenue(INSTRUMENT)
        self.journal = MemoryJournal()
        self.events = events
        self.lane = lane
        self.orders = self.answers = 0
        for event in (Started(START_NS, "latency", 1), Reconciled(START_NS, True)):
            self.engine.step(event)

    def handle(self, n: int) -> None:
        """One event, its commands, the venue's answers to them, and now and then a timer or a record."""
        event = self.events[n]
        self.venue.on_market(event)
        self._take(event)
        if n % TIMER_EACH == 0:
            self._take(Timer(event.ts_ns))
        if self.engine.decision_count >= ROWS_FLUSH:
            rows = self.engine.take_decisions()
            self.journal.append(rows[-1][0], DECISIONS, encode_decisions(rows))
            self.journal.commit()

    def _take(self, event: Event) -> None:
        waiting: deque[Event] = deque((event,))
        while waiting:
            event = waiting.popleft()
            before_ns = time.perf_counter_ns()
            commands = self.engine.step(event)
            self.lane.step_ns.append(time.perf_counter_ns() - before_ns)
            for command in commands:
                self.journal.append(command.ts_ns, *encode(command))
                answers = self.venue.on_command(command, command.ts_ns)
                self.orders += bool(answers)
                self.answers += len(answers)
                waiting.extend(answers)


def percentiles(samples: array[int]) -> dict[str, float]:
    """In microseconds; the value that so many per mille of the samples do not exceed."""
    ordered = sorted(samples)
    last = len(ordered) - 1
    ranks = {"p50": 500, "p99": 990, "p99_9": 999, "max": 1000}
    return {name: round(ordered[min(last, last * rank // 1000)] / 1000, 2) for name, rank in ranks.items()}


def measure(*, seconds: int, rate: int) -> dict[str, object]:
    """The empty loop for a tenth of the time (at least a second), then the engine."""
    gap_ns = 1_000_000_000 // rate
    count = seconds * rate
    events = list(trades(count, gap_ns))
    empty, lane = Lane(), Lane()
    trading = Trading(events, lane)
    gc.collect()
    gc.freeze()
    paced(empty, max(rate, count // 10), gap_ns, lambda n: None)
    began = time.perf_counter()
    paced(lane, count, gap_ns, trading.handle)
    took = time.perf_counter() - began
    if lane.events + lane.dropped != count or lane.events + lane.dropped != len(events):
        raise SystemExit(f"engine_latency: {lane.events} events handled, {lane.dropped} dropped, of {count}")
    return {
        "seconds": seconds,
        "events_per_s": round(lane.events / took),
        "events": lane.events,
        "dropped": lane.dropped,
        "backlog_max": lane.backlog_max,
        "orders": trading.orders,
        "order_events": trading.answers,
        "from_due_us": percentiles(lane.from_due_ns),
        "step_us": percentiles(lane.step_ns),
        "empty_loop_us": percentiles(empty.from_due_ns),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.engine_latency", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=10_000, help="market events per second")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.seconds < 1 or not 1 <= options.rate <= 1_000_000:
        parser.error("--seconds from 1, --rate from 1 to 1000000")
    figures = measure(seconds=options.seconds, rate=options.rate)
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

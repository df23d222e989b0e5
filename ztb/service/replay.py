"""A policy over recorded market data, through the real engine, limits, order life cycle and journal.

The same tape, profile and build give the same journal, bit for bit: its head hash is part of the result, and
``verify`` runs everything a second time to hold one against the other (F-26).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

from ztb.core.command import Command, Place
from ztb.core.event import Event, Kill, Market, OrderFilled, Reconciled, Started, Stop
from ztb.core.instrument import Instrument
from ztb.core.state import State
from ztb.core.step import DecisionRow, Engine
from ztb.host.config import LoadedProfile
from ztb.policies.registry import load_policy
from ztb.service.compose import engine_config
from ztb.service.measure import percentile
from ztb.service.pump import PumpResult, pump
from ztb.store.database import JOURNAL_NAME
from ztb.store.journal import Journal, MemoryJournal
from ztb.store.tape import TapeReader
from ztb.venues.replay import ReplayVenue

REPLAY_INSTALL: Final = "replay"
SAMPLE_EACH: Final = 16
"""One event in so many is timed: the clock costs about as much as the engine itself."""
SAMPLES_MAX: Final = 1_000_000
PROGRESS_EACH: Final = 4_096


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay, and how."""

    tape: Path
    policy: str = ""
    """"": the profile's policy with its parameters."""
    out: Path | None = None
    durable: bool = False
    latency_ms: int = 0
    kill_at_percent: int | None = None
    """Kill after so much of the tape: from there on nothing may leave (A-04)."""


class Recorder(Protocol):
    """Whoever makes a report of the run."""

    def on_place(self, place: Place, mark_price: int) -> None:
        """An order left, decided while the market stood at ``mark_price`` ticks."""
        ...

    def on_fill(self, fill: OrderFilled) -> None:
        """It was filled, wholly or in part."""
        ...

    def on_decision_rows(self, rows: Sequence[DecisionRow]) -> None:
        """The policy decided."""
        ...

    def on_equity(self, ts_ns: int, price: int, equity: int) -> None:
        """The account at a trade: ticks and money units."""
        ...


@dataclass(frozen=True)
class Percentiles:
    """Event in to commands out, in microseconds."""

    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True)
class Replayed:
    """What came of it. ``head`` names the whole journal of the run, and so every decision and order in it."""

    policy: str
    parameters: dict[str, int | str | bool]
    data_sha256: str
    begin_ns: int
    end_ns: int
    result: PumpResult
    after_kill: PumpResult | None
    """What went through after the kill, where one was asked for; it is in ``result`` too."""
    head: str
    latency: Percentiles | None
    run_seconds: float
    refused_market_events: int
    policy_suspended: str


class TimedEngine:
    """The engine with a clock at its side, for the pump. It changes nothing of what the engine does."""

    def __init__(self, engine: Engine) -> None:
        self._step = engine.step
        self.take_decisions = engine.take_decisions
        self._state = engine.state
        self._until_sample = SAMPLE_EACH
        self.samples_ns: list[int] = []

    @property
    def state(self) -> State:
        """The engine's own."""
        return self._state

    def step(self, event: Event) -> Sequence[Command]:
        """``Engine.step``, timed now and then."""
        self._until_sample -= 1
        if self._until_sample:
            return self._step(event)
        self._until_sample = SAMPLE_EACH
        begin_ns = time.perf_counter_ns()
        commands = self._step(event)
        if len(self.samples_ns) < SAMPLES_MAX:
            self.samples_ns.append(time.perf_counter_ns() - begin_ns)
        return commands

    def latency(self) -> Percentiles | None:
        """Percentiles in microseconds; None without a sample."""
        ordered = sorted(self.samples_ns)
        if not ordered:
            return None
        p50, p99 = percentile(ordered, 500), percentile(ordered, 990)
        assert p50 is not None
        assert p99 is not None
        return Percentiles(p50 / 1000, p99 / 1000, ordered[-1] / 1000)


class _Bridge:
    """Gives the recorder the mark at which an order was decided."""

    def __init__(self, recorder: Recorder, state: State) -> None:
        self._recorder = recorder
        self._state = state
        self.on_fill: Callable[[OrderFilled], None] = recorder.on_fill
        self.on_decision_rows: Callable[[Sequence[DecisionRow]], None] = recorder.on_decision_rows
        self.on_equity: Callable[[int, int, int], None] = recorder.on_equity

    def on_place(self, place: Place) -> None:
        self._recorder.on_place(place, self._state.desks[place.instrument].last_price)


def replay(
    loaded: LoadedProfile,
    options: ReplayOptions,
    *,
    recorder_for: Callable[[Instrument, int], Recorder],
    advance: Callable[[int], None],
) -> Replayed:
    """Run the whole tape. ``recorder_for`` gets instrument and capital; ``advance`` how many events have gone."""
    reader = TapeReader(options.tape)
    instrument = reader.meta.instrument
    name, parameters = _policy(loaded, options)
    config = engine_config(loaded.profile, instrument)
    engine = Engine(config, load_policy(name, parameters))
    timed = TimedEngine(engine)
    venue = ReplayVenue(instrument, latency_ns=options.latency_ms * 1_000_000)
    bridge = _Bridge(recorder_for(instrument, config.capital), engine.state)
    journal = _journal(options)
    begin_ns, end_ns = reader.span.first_ns, reader.span.last_ns
    opening: Sequence[Event] = (Started(begin_ns, REPLAY_INSTALL, 1), Reconciled(begin_ns, True))
    events = _told(reader.events(), advance)
    started = time.perf_counter()

    def through(part: Iterator[Market], first: Sequence[Event], last: Event) -> PumpResult:
        return pump(
            part, timed, venue, journal, recorder=bridge, commit_each_order=options.durable, opening=first,
            closing=(last,),
        )  # fmt: skip

    stop = Stop(end_ns, "end of the tape")
    try:
        if options.kill_at_percent is None:
            result, after_kill = through(events, opening, stop), None
        else:
            count = reader.counts.total * options.kill_at_percent // 100
            kill = Kill(begin_ns, "replay", f"asked for after {count} events")
            before_kill = through(islice(events, count), opening, kill)
            after_kill = through(events, (), stop)
            result = _sum(before_kill, after_kill)
        head = journal.head.hash.hex()
    finally:
        journal.close()
    state = engine.state
    return Replayed(
        name, parameters, reader.sha256, begin_ns, end_ns, result, after_kill, head, timed.latency(),
        time.perf_counter() - started, state.refused_market_events, state.policy_suspended,
    )  # fmt: skip


def to_dict(replayed: Replayed) -> dict[str, Any]:
    """What a judge of the run wants to know besides the report."""
    after_kill = replayed.after_kill
    return {
        "journal_head": replayed.head,
        "journal_records": replayed.result.records,
        "refused_market_events": replayed.refused_market_events,
        "policy_suspended": replayed.policy_suspended,
        "notices": [{"severity": n.severity, "code": n.code, "text": n.text} for n in replayed.result.notices],
        "orders_after_kill": None if after_kill is None else after_kill.orders,
        "decisions_after_kill": None if after_kill is None else after_kill.decisions,
    }


def _sum(first: PumpResult, second: PumpResult) -> PumpResult:
    counts = {
        name: getattr(first, name) + getattr(second, name)
        for name in ("events", "orders", "fills", "order_events", "decisions", "records")
    }
    return PumpResult(**counts, notices=[*first.notices, *second.notices])


def _policy(loaded: LoadedProfile, options: ReplayOptions) -> tuple[str, dict[str, int | str | bool]]:
    """A policy named on the command line has its own defaults; the profile's parameters belong to the profile's."""
    profile = loaded.profile.policy
    if not options.policy or options.policy == profile.name:
        return profile.name, dict(profile.parameters)
    return options.policy, {}


def _journal(options: ReplayOptions) -> Journal | MemoryJournal:
    if not options.durable:
        return MemoryJournal()
    assert options.out is not None
    return Journal.open(options.out / JOURNAL_NAME, profile="replay", mode="replay", now_ns=0)


def _told(events: Iterator[Market], advance: Callable[[int], None]) -> Iterator[Market]:
    count = 0
    for event in events:
        yield event
        count += 1
        if count % PROGRESS_EACH == 0:
            advance(PROGRESS_EACH)
    advance(count % PROGRESS_EACH)

"""A policy over recorded market data, through the real engine, limits, order life cycle and journal.

The same tape, profile and build give the same journal, bit for bit: its head hash is part of the result, and
``verify`` runs everything a second time to hold one against the other (F-26).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ztb.core.command import Command, Place
from ztb.core.event import Event, Market, OrderFilled, Reconciled, Started, Stop
from ztb.core.state import State
from ztb.core.step import DecisionRow, Engine
from ztb.host.config import LoadedProfile
from ztb.policies.registry import load_policy
from ztb.reports.replay_report import Latency, ReplayReport
from ztb.reports.run_recorder import RunRecorder
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


@dataclass(frozen=True)
class Replayed:
    """What came of it. ``head`` names the whole journal of the run, and so every decision and order in it."""

    report: ReplayReport
    result: PumpResult
    head: str
    data_sha256: str
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

    def latency(self) -> Latency | None:
        """Percentiles in microseconds; None without a sample."""
        ordered = sorted(self.samples_ns)
        if not ordered:
            return None
        p50, p99 = percentile(ordered, 500), percentile(ordered, 990)
        assert p50 is not None
        assert p99 is not None
        return Latency(p50 / 1000, p99 / 1000, ordered[-1] / 1000)


class _Bridge:
    """Gives the recorder the mark at which an order was decided."""

    def __init__(self, recorder: RunRecorder, state: State) -> None:
        self._recorder = recorder
        self._state = state
        self.on_fill: Callable[[OrderFilled], None] = recorder.on_fill
        self.on_decision_rows: Callable[[Sequence[DecisionRow]], None] = recorder.on_decision_rows
        self.on_equity: Callable[[int, int, int], None] = recorder.on_equity

    def on_place(self, place: Place) -> None:
        self._recorder.on_place(place, self._state.desks[place.instrument].last_price)


def replay(loaded: LoadedProfile, options: ReplayOptions, *, advance: Callable[[int], None]) -> Replayed:
    """Run the whole tape; ``advance`` is told how many events have gone."""
    reader = TapeReader(options.tape)
    instrument = reader.meta.instrument
    name, parameters = _policy(loaded, options)
    config = engine_config(loaded.profile, instrument)
    engine = Engine(config, load_policy(name, parameters))
    timed = TimedEngine(engine)
    recorder = RunRecorder(instrument, config.capital)
    journal = _journal(options)
    span = reader.span
    begin_ns, end_ns = span.first_ns, span.last_ns
    started = time.perf_counter()
    try:
        result = pump(
            _told(reader.events(), advance),
            timed,
            ReplayVenue(instrument, latency_ns=options.latency_ms * 1_000_000),
            journal,
            recorder=_Bridge(recorder, engine.state),
            commit_each_order=options.durable,
            opening=(Started(begin_ns, REPLAY_INSTALL, 1), Reconciled(begin_ns, True)),
            closing=(Stop(end_ns, "end of the tape"),),
        )
        head = journal.head.hash.hex()
    finally:
        journal.close()
    report = recorder.finish(
        tape=options.tape.name,
        tape_sha256=reader.sha256,
        policy=name,
        parameters=parameters,
        events=result.events,
        begin_ns=begin_ns if result.events else None,
        end_ns=end_ns if result.events else None,
        latency=timed.latency(),
        run_seconds=time.perf_counter() - started,
    )
    return Replayed(
        report, result, head, reader.sha256, engine.state.refused_market_events, engine.state.policy_suspended
    )


def to_dict(replayed: Replayed) -> dict[str, Any]:
    """The report, and what a judge of the run wants to know besides."""
    return {
        **replayed.report.to_dict(),
        "journal_head": replayed.head,
        "journal_records": replayed.result.records,
        "refused_market_events": replayed.refused_market_events,
        "policy_suspended": replayed.policy_suspended,
        "notices": [{"severity": n.severity, "code": n.code, "text": n.text} for n in replayed.result.notices],
    }


def _policy(loaded: LoadedProfile, options: ReplayOptions) -> tuple[str, dict[str, int | str | bool]]:
    """A policy named on the command line has its own defaults; the profile's parameters belong to the profile's."""
    profile = loaded.profile.policy
    if not options.policy or options.policy == profile.name:
        return profile.name, dict(profile.parameters)
    return options.policy, {}


def _journal(options: ReplayOptions) -> Journal | MemoryJournal:
    if not options.durable:
        return MemoryJournal(keep=False)
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

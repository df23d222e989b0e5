"""Recorded market data through the engine to a replayed venue and back, everything journalled on the way.

The rule: an order reaches the venue only after its intent is in the journal, and with ``commit_each_order`` only
after that is fsynced. The decision that led to an order stands in the journal before the order. Nothing here looks at
a clock: two runs over the same events write the same journal, in memory or on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol

from ztb.core.command import Command, Notify, Place
from ztb.core.error import InvariantBroken
from ztb.core.event import Event, Market, OrderEvent, OrderFilled, Trade
from ztb.core.state import State
from ztb.core.step import DecisionRow
from ztb.store.codec import DECISIONS, encode, encode_decisions

BATCH_EVENTS: Final = 256
"""Decisions are journalled at least this often; each event makes at most one. What so few events need stays in the
fastest memory of the processor: with 4,096 the same work took 8 % longer."""
COMMIT_BATCHES: Final = 16
"""An order's intent apart, the journal is made durable at least this often."""
ANSWERS_MAX: Final = 1_000
"""Of the venue and of the engine to each other for one event; more than that is a loop."""
NOTICES_MAX: Final = 1_000
"""Notices kept for the caller; all of them are in the journal."""


class Log(Protocol):
    """What the pump asks of a journal."""

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        """Add one record; returns its sequence number."""
        ...

    def commit(self) -> object:
        """Make everything appended durable."""
        ...


class Venue(Protocol):
    """What the pump asks of a replayed venue: answers to the market and to commands, in order."""

    busy: bool
    """False: nothing works and nothing is under way, so that a trade only has to be remembered."""
    last_trade: Trade | None

    def on_market(self, event: Market) -> Sequence[OrderEvent]:
        """The market moved."""
        ...

    def on_command(self, command: Command, now_ns: int) -> Sequence[OrderEvent]:
        """An order, a cancel or a look-up arrives."""
        ...


class Driven(Protocol):
    """The engine, or something that stands in front of it (a clock, say)."""

    @property
    def state(self) -> State:
        """What the engine remembers."""
        ...

    def step(self, event: Event) -> Sequence[Command]:
        """``Engine.step``."""
        ...

    def take_decisions(self) -> list[DecisionRow]:
        """``Engine.take_decisions``."""
        ...


class Recorder(Protocol):
    """Whoever makes a report of the run."""

    def on_place(self, place: Place) -> None:
        """An order left."""
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


@dataclass(slots=True)
class PumpResult:
    """What went through. ``records`` are those of the journal."""

    events: int = 0
    orders: int = 0
    fills: int = 0
    order_events: int = 0
    decisions: int = 0
    records: int = 0
    notices: list[Notify] = field(default_factory=list)
    """The first ``NOTICES_MAX``."""


def pump(
    events: Iterable[Market],
    engine: Driven,
    venue: Venue,
    journal: Log,
    *,
    recorder: Recorder | None = None,
    commit_each_order: bool,
    opening: Sequence[Event] = (),
    closing: Sequence[Event] = (),
) -> PumpResult:
    """Drive ``engine`` with every event, and with what ``venue`` answers, until ``events`` end.

    ``opening`` and ``closing`` (session start, reconciliation, stop) are journalled; market data is not, its file is.
    """
    run = _Run(engine, venue, journal, recorder, commit_each_order=commit_each_order)
    run.settle(opening)
    stream = iter(events)
    batches = 0
    while batch := list(islice(stream, BATCH_EVENTS)):
        run.market_batch(batch)
        batches += 1
        if batches % COMMIT_BATCHES == 0:
            journal.commit()
    run.settle(closing)
    run.flush()
    journal.commit()
    return run.result


class _Run:
    """The parts of one run, joined."""

    __slots__ = ("_commit_each_order", "_engine", "_journal", "_recorder", "_venue", "result")

    def __init__(
        self, engine: Driven, venue: Venue, journal: Log, recorder: Recorder | None, *, commit_each_order: bool
    ) -> None:
        self._engine = engine
        self._venue = venue
        self._journal = journal
        self._recorder = recorder
        self._commit_each_order = commit_each_order
        self.result = PumpResult()

    def market_batch(self, batch: Sequence[Market]) -> None:
        """At most ``BATCH_EVENTS`` events, one after another. The venue answers from the market as it was before."""
        venue = self._venue
        step, on_market = self._engine.step, venue.on_market
        ledger = self._engine.state.ledger
        on_equity = self._recorder.on_equity if self._recorder is not None else None
        for event in batch:
            if type(event) is Trade and not venue.busy:
                venue.last_trade = event
            elif answers := on_market(event):
                self.settle(answers)
            commands = step(event)
            if commands:
                self.settle(self._carry_out(commands))
            if on_equity is not None and type(event) is Trade:
                on_equity(event.ts_ns, event.price, ledger.equity)
        self.result.events += len(batch)
        self.flush()

    def settle(self, answers: Sequence[Event]) -> None:
        """Journal and step events that are not market data, and all that follows from them."""
        step, append, result = self._engine.step, self._journal.append, self.result
        waiting = list(answers)
        taken = 0
        while taken < len(waiting):
            event = waiting[taken]
            taken += 1
            if taken > ANSWERS_MAX:
                raise InvariantBroken(f"venue and engine answered each other {ANSWERS_MAX} times for one event")
            kind, body = encode(event)
            append(event.ts_ns, kind, body)
            if type(event) is OrderFilled:
                result.fills += 1
                if self._recorder is not None:
                    self._recorder.on_fill(event)
            commands = step(event)
            if commands:
                waiting += self._carry_out(commands)
        result.order_events += taken
        result.records += taken

    def _carry_out(self, commands: Sequence[Command]) -> list[Event]:
        result = self.result
        answers: list[Event] = []
        for command in commands:
            if type(command) is Place:
                self.flush()  # the decision that led to the order stands before it
            kind, body = encode(command)
            self._journal.append(command.ts_ns, kind, body)
            result.records += 1
            if type(command) is Notify:
                if len(result.notices) < NOTICES_MAX:
                    result.notices.append(command)
                continue
            if type(command) is Place:
                self._sending(command)
            answers += self._venue.on_command(command, command.ts_ns)
        return answers

    def _sending(self, place: Place) -> None:
        """The last moment before the order leaves; its intent is durable on return if that is asked for."""
        if self._commit_each_order:
            self._journal.commit()
        self.result.orders += 1
        if self._recorder is not None:
            self._recorder.on_place(place)

    def flush(self) -> None:
        """Journal the decisions made since the last time, as one record."""
        rows = self._engine.take_decisions()
        if not rows:
            return
        self._journal.append(rows[-1][0], DECISIONS, encode_decisions(rows))
        self.result.decisions += len(rows)
        self.result.records += 1
        if self._recorder is not None:
            self._recorder.on_decision_rows(rows)

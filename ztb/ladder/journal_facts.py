"""What a trader's own journal proves: read-only, verified record by record, also while the trader runs."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ztb.core.command import Notify, Place
from ztb.core.event import OrderFilled
from ztb.store.chain import Record
from ztb.store.codec import DECISIONS, decode, decode_decisions
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader
from ztb.store.verify import VerifyReport, verify

MEASUREMENT: Final = "measurement"
SESSION: Final = "session"
DECISION_LINES_MAX: Final = 200_000
ORDER_PREFIX: Final = "ztb-"


class Steps(msgspec.Struct, frozen=True):
    """The grid of the instrument that a session traded."""

    tick_size: Decimal
    lot_size: Decimal
    money_scale: int


class _Engine(msgspec.Struct):
    instruments: list[Steps]


class _Session(msgspec.Struct):
    build: str
    engine: _Engine


class FillFact(NamedTuple):
    """A fill in the units that people and venues use; equal values are equal fills."""

    tag: str
    side: int
    amount: Decimal
    price: Decimal
    fee: Decimal


@dataclass
class JournalFacts:
    """Of one state directory, over all its sessions."""

    places: dict[str, Place] = field(default_factory=dict)
    places_while_killed: int = 0
    fills: list[OrderFilled] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    """Kill events by their source."""
    decisions: int = 0
    signals: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Of all decisions."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """What became of the signals: "order", or the code of a refusal."""
    measurements: list[dict[str, Any]] = field(default_factory=list)
    builds: list[str] = field(default_factory=list)
    """Of each session."""
    steps: Steps | None = None
    records: int = 0
    head: str = ""
    _killed: bool = False

    def last(self, name: str) -> int | None:
        """A counter of the newest measurement; None when nothing was measured."""
        return int(self.measurements[-1][name]) if self.measurements else None

    def error_percent(self) -> float | None:
        """Calls to the venue without a usable answer, refused for their rate included, of all calls (A-14)."""
        calls = sum(int(found["api_calls"]) for found in self._session_ends())
        errors = sum(int(found["api_errors"]) + int(found["api_throttled"]) for found in self._session_ends())
        if not self.measurements:
            return None
        return 100.0 * errors / calls if calls else 0.0

    def fill_facts(self) -> dict[str, FillFact]:
        """The fills by trade id; one that no order of the journal explains has no side."""
        if self.steps is None:
            return {}
        steps, found = self.steps, {}
        for fill in self.fills:
            place = self.places.get(fill.client_id)
            found[fill.trade_id] = FillFact(
                fill.client_id,
                place.side if place is not None else 0,
                fill.lots * steps.lot_size,
                fill.price * steps.tick_size,
                Decimal(fill.fee).scaleb(-steps.money_scale),
            )
        return found

    def _session_ends(self) -> list[dict[str, Any]]:
        """Counters begin anew with each session: the last measurement of each."""
        ends: list[dict[str, Any]] = []
        for found in self.measurements:
            if ends and found["market_events"] >= ends[-1]["market_events"]:
                ends.pop()
            ends.append(found)
        return ends

    def take(self, record: Record) -> None:
        """Count one record."""
        self.records = record.seq
        self.head = record.hash.hex()
        match record.kind:
            case "place":
                place = decode(record.kind, record.body)
                assert isinstance(place, Place)
                self.places[place.client_id] = place
                self.places_while_killed += self._killed
            case "order_filled":
                fill = decode(record.kind, record.body)
                assert isinstance(fill, OrderFilled)
                self.fills.append(fill)
            case "kill":
                self.kills[json.loads(record.body)["source"]] += 1
            case "notify":
                self._notice(record)
            case "decisions":
                self._count_decisions(record.body)
            case "measurement":
                self.measurements.append(json.loads(record.body))
            case "session":
                session = msgspec.json.decode(record.body, type=_Session)
                self.builds.append(session.build)
                self.steps = session.engine.instruments[0]

    def _notice(self, record: Record) -> None:
        notice = decode(record.kind, record.body)
        assert isinstance(notice, Notify)
        self.notices[notice.code] += 1
        if notice.code in ("killed", "resumed"):
            self._killed = notice.code == "killed"

    def _count_decisions(self, body: bytes) -> None:
        for _, _, action, reason, _, outcome in decode_decisions(body):
            self.decisions += 1
            self.reasons[reason] += 1
            if action:
                self.signals += 1
                self.outcomes["order" if outcome.startswith(ORDER_PREFIX) else outcome] += 1


def read(state_dir: Path) -> JournalFacts:
    """Everything that the ladder asks of a journal."""
    facts = JournalFacts()
    with closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read():
            facts.take(record)
    return facts


def chain(state_dir: Path) -> VerifyReport:
    """Walk the whole chain."""
    return verify(state_dir / JOURNAL_NAME)


def outcomes(state_dir: Path) -> Counter[str]:
    """What became of the signals so far, as in ``JournalFacts``; cheap enough to be asked again and again."""
    facts = JournalFacts()
    with closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read(kinds={DECISIONS}):
            facts.take(record)
    return facts.outcomes


def decision_lines(state_dir: Path) -> list[str]:
    """Each decision as a JSON line: what the policy saw (its features) and what became of it."""
    if not (state_dir / JOURNAL_NAME).exists():
        return []
    lines: list[str] = []
    names = ("ts_ns", "instrument", "action", "reason", "inputs", "outcome")
    with closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read(kinds={DECISIONS}):
            for row in decode_decisions(record.body):
                if len(lines) >= DECISION_LINES_MAX:
                    return lines
                lines.append(json.dumps(dict(zip(names, row, strict=True))))
    return lines

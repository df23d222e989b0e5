"""What a trader's own journal proves: read-only, verified record by record, also while the trader runs."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ztb.core.command import Notify, Place
from ztb.core.event import OrderFilled
from ztb.store.codec import DECISIONS, decode, decode_decisions
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader
from ztb.store.verify import VerifyReport, verify

MEASUREMENT: Final = "measurement"
DECISION_LINES_MAX: Final = 200_000


@dataclass
class JournalFacts:
    """Of one state directory, over all its sessions."""

    places: dict[str, Place] = field(default_factory=dict)
    fills: list[OrderFilled] = field(default_factory=list)
    notices: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    signals: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """What became of the signals: "order", or the code of a refusal."""
    measurements: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    head: str = ""

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

    def _session_ends(self) -> list[dict[str, Any]]:
        """Counters begin anew with each session: the last measurement of each."""
        ends: list[dict[str, Any]] = []
        for found in self.measurements:
            if ends and found["market_events"] >= ends[-1]["market_events"]:
                ends.pop()
            ends.append(found)
        return ends


def read(state_dir: Path) -> JournalFacts:
    """Everything that the ladder asks of a journal."""
    facts = JournalFacts()
    with closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read():
            facts.records = record.seq
            facts.head = record.hash.hex()
            match record.kind:
                case "place":
                    place = decode(record.kind, record.body)
                    assert isinstance(place, Place)
                    facts.places[place.client_id] = place
                case "order_filled":
                    fill = decode(record.kind, record.body)
                    assert isinstance(fill, OrderFilled)
                    facts.fills.append(fill)
                case "notify":
                    notice = decode(record.kind, record.body)
                    assert isinstance(notice, Notify)
                    facts.notices[notice.code] += 1
                case "decisions":
                    _count_decisions(facts, record.body)
                case "measurement":
                    facts.measurements.append(json.loads(record.body))
    return facts


def _count_decisions(facts: JournalFacts, body: bytes) -> None:
    for _, _, action, _, _, outcome in decode_decisions(body):
        facts.decisions += 1
        if action:
            facts.signals += 1
            facts.outcomes["order" if outcome in facts.places or outcome.startswith("ztb-") else outcome] += 1


def chain(state_dir: Path) -> VerifyReport:
    """Walk the whole chain."""
    return verify(state_dir / JOURNAL_NAME)


def decision_lines(state_dir: Path) -> list[str]:
    """Each decision as a JSON line: what the policy saw (its features) and what became of it."""
    lines: list[str] = []
    names = ("ts_ns", "instrument", "action", "reason", "inputs", "outcome")
    with closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read(kinds={DECISIONS}):
            for row in decode_decisions(record.body):
                if len(lines) >= DECISION_LINES_MAX:
                    return lines
                lines.append(json.dumps(dict(zip(names, row, strict=True))))
    return lines

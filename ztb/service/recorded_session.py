"""One past session as it stands in a state directory: the market on its tape, everything else in the journal.

The rule: what the engine saw comes back in exactly the order in which it saw it. Each event carries a time stamp that
is greater than the one before (see ``inbox``), so time alone puts tape, journal and timers together again.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec

from ztb.core.error import StoreCorrupt
from ztb.core.event import Event, Timer
from ztb.core.step import DecisionRow
from ztb.service.loop import TIMERS
from ztb.service.opened import TAPES_DIRECTORY
from ztb.service.session_record import SESSION, SessionRecord, decode_session
from ztb.store.chain import Record
from ztb.store.codec import COMMAND_KINDS, DECISIONS, EVENT_KINDS, decode_decisions, decode_event
from ztb.store.reader import JournalReader
from ztb.store.tape import TapeReader

_TIMERS: Final = msgspec.json.Decoder(list[int])


def sessions(journal: JournalReader, directory: Path) -> list[RecordedSession]:
    """All of them, oldest first. Walks the whole chain: StoreCorrupt where it breaks."""
    end_seq = journal.head.seq + 1
    begins = [record for record in journal.read(kinds={SESSION}) if record.seq < end_seq]
    ends = [record.seq for record in begins[1:]] + [end_seq] * bool(begins)
    return [
        RecordedSession(journal, directory, number, begin, decode_session(begin.body), end)
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True), 1)
    ]


@dataclass(frozen=True)
class RecordedSession:
    """The records from one session record to the next; ``number`` counts from 1."""

    journal: JournalReader
    directory: Path
    number: int
    begin: Record
    made_of: SessionRecord
    end_seq: int
    """Of the first record that is not of this session any more."""

    @property
    def tape_path(self) -> Path:
        """Where the market of this session was recorded. A name that leads elsewhere is not followed."""
        return self.directory / TAPES_DIRECTORY / Path(self.made_of.tape).name

    def events(self, tape: TapeReader) -> Iterator[Event]:
        """Everything that the engine took, in order."""
        return heapq.merge(tape.events(), self._recorded_events(), self._timers(), key=attrgetter("ts_ns"))

    def commands(self) -> Iterator[Record]:
        """What the engine asked for then."""
        return self._records(COMMAND_KINDS)

    def decisions(self) -> Iterator[tuple[Record, DecisionRow]]:
        """What the policy decided then, each row with the record that it stands in."""
        for record in self._records({DECISIONS}):
            for row in decode_decisions(record.body):
                yield record, row

    def complete_until_ns(self, tape: TapeReader) -> int | None:
        """Up to when every event is there; None: to the end.

        A process that was killed loses what it had not yet handed out: the end of the tape, and the newest timers
        and decisions. Those are handed out before every command, so up to the last one nothing is missing.
        """
        if tape.cut is None:
            return None
        handed_out_ns = self.begin.ts_ns
        for record in self._records({TIMERS, *COMMAND_KINDS}):
            handed_out_ns = max(handed_out_ns, record.ts_ns)
        return min(handed_out_ns, tape.span.last_ns) if tape.counts.total else self.begin.ts_ns

    def _recorded_events(self) -> Iterator[Event]:
        for record in self._records(EVENT_KINDS):
            event = decode_event(record.kind, record.body)
            if event.ts_ns != record.ts_ns:
                raise StoreCorrupt(f"record {record.seq}: its time is {record.ts_ns}, its event's is {event.ts_ns}")
            yield event

    def _timers(self) -> Iterator[Event]:
        for record in self._records({TIMERS}):
            try:
                stamps = _TIMERS.decode(record.body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise StoreCorrupt(f"record {record.seq}: {TIMERS}: {error}") from error
            yield from map(Timer, stamps)

    def _records(self, kinds: Collection[str]) -> Iterator[Record]:
        read = self.journal.read(self.begin.seq, kinds)
        return takewhile(lambda record: record.seq < self.end_seq, read)

"""Runs past sessions again from their own records, and holds what the engine does now against what it did then.

The rule (F-26): the same events give the same commands and decisions, byte for byte, and at each checkpoint the same
state. What cannot be compared (a tape that lost its end in a crash, or is gone) is counted and said, never assumed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from ztb.core.error import ConfigError, InvariantBroken, StoreCorrupt, TapeError, UsageError
from ztb.core.event import Event
from ztb.core.policy import plain_text
from ztb.core.state import EngineConfig, State
from ztb.core.step import DecisionRow, Engine
from ztb.policies.registry import load_policy
from ztb.service.books import Books, books_of
from ztb.service.recorded_session import RecordedSession, sessions
from ztb.service.recovery import recover
from ztb.store.chain import Record
from ztb.store.checkpoint import Checkpoint, CheckpointStore
from ztb.store.codec import encode, encode_decisions
from ztb.store.database import JOURNAL_NAME, open_reader
from ztb.store.reader import JournalReader
from ztb.store.tape import TapeReader

PROGRESS_EACH: Final = 1_024


@dataclass(frozen=True)
class Difference:
    """The first place where then and now are not the same."""

    what: str
    ts_ns: int
    seq: int | None = None
    """Of the record that says otherwise; None where there is no record of it."""
    recorded: str = ""
    replayed: str = ""


@dataclass
class SessionAudit:
    """What came of one session."""

    session: RecordedSession
    events: int = 0
    commands: int = 0
    decisions: int = 0
    checkpoints: int = 0
    """All four: compared, and the same."""
    checkpoints_unchecked: int = 0
    """Whose moment cannot be told, or lies beyond what is known."""
    checkpoints_bad: int = 0
    """That belong to no record of this journal any more, or do not decode."""
    left_over: int = 0
    """Recorded commands and decisions beyond the point up to which the market is known."""
    difference: Difference | None = None
    notes: list[str] = field(default_factory=list)
    end_state: dict[str, Any] | None = field(default=None, repr=False)
    """Of the engine, when the replay came to the session's own end."""
    problem: str = ""
    """Why the session could not be run again at all."""

    @property
    def is_proven(self) -> bool:
        """Everything that was recorded came out again."""
        return self.difference is None and not (self.problem or self.left_over or self.checkpoints_bad)


class _Differs(Exception):
    """Leaves the comparison at the first difference."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference.what)
        self.difference = difference


def audit(
    directory: Path, *, only: int | None = None, advance: Callable[[int], None] = lambda count: None
) -> list[SessionAudit]:
    """Every session of a state directory, or the ``only`` one; also beside a running trader.

    UsageError when there is nothing to replay, StoreCorrupt when the journal itself is broken.
    """
    path = directory / JOURNAL_NAME
    journal = JournalReader(path)
    database = open_reader(path)
    try:
        found = sessions(journal, directory)
        if not found:
            raise UsageError(f"{path} holds no session of a trader", remedy="name the state directory of a trader")
        if only is not None:
            if not 1 <= only <= len(found):
                raise UsageError(f"there is no session {only} in {path}", remedy=f"sessions 1 to {len(found)}")
            found = [found[only - 1]]
        material = _Material(CheckpointStore(database), Books(journal), advance)
        done: list[SessionAudit] = []
        for session in found:
            done.append(_audited(session, material, done[-1].end_state if done else None))
        return done
    finally:
        journal.close()
        database.close()


@dataclass(frozen=True)
class _Material:
    """What every session is held against besides its own records."""

    checkpoints: CheckpointStore
    books: Books
    advance: Callable[[int], None]


def _audited(session: RecordedSession, material: _Material, before: dict[str, Any] | None) -> SessionAudit:
    """``before`` is the state in which the replay of the session before this one ended, where it came to its end."""
    done = SessionAudit(session)
    try:
        made_of = session.made_of
        engine = Engine(made_of.engine, load_policy(made_of.policy, made_of.parameters))
        _check_books(session, engine.config, material.books)
        _check_beginning(session, engine, material.checkpoints, before, done)
        tape = TapeReader(session.tape_path, allow_cut=True)
        _Comparison(session, engine, material, done).run(tape)
        if tape.cut is None:
            done.end_state = _plain(engine.state)
    except _Differs as found:
        done.difference = found.difference
    except (ConfigError, TapeError, StoreCorrupt, InvariantBroken) as error:
        done.problem = error.message
    return done


def _check_books(session: RecordedSession, config: EngineConfig, books: Books) -> None:
    """What the bot holds and paid must follow from the records alone, whatever checkpoints there are."""
    followed = books.before(session.begin.seq, config)
    said = books_of(session.made_of.state)
    for name, then in said.items():
        _same(f"the books at the beginning: {name}", then, followed[name], session.begin.ts_ns, session.begin.seq)


def _check_beginning(
    session: RecordedSession,
    engine: Engine,
    checkpoints: CheckpointStore,
    before: dict[str, Any] | None,
    done: SessionAudit,
) -> None:
    """Start-up was recovery: checkpoint and records before the session must give the state that it says it had."""
    seq = session.made_of.checkpoint_seq
    begin_seq = session.begin.seq
    # Several may stand after one record: the newest was taken.
    kept = _loaded(checkpoints, seq, seq + 1, done) if seq else []
    snapshot: dict[str, Any] | None = kept[-1].snapshot["engine"] if kept else None
    if seq and snapshot is None and seq == begin_seq - 1:
        snapshot = before  # the checkpoint of an orderly stop is the state in which that session ended
    if seq and snapshot is None:
        done.notes.append(f"the checkpoint after record {seq} is not kept any more; its recovery is not checked")
    else:
        state = State(engine.config)
        recover(state, snapshot, (record for record in session.journal.read(seq) if record.seq < begin_seq))
        _same_state("the state at the beginning", session.made_of.state, state, session.begin.ts_ns, begin_seq)
    engine.state.restore(session.made_of.state)


class _Comparison:
    """One run of the engine beside the records."""

    def __init__(
        self,
        session: RecordedSession,
        engine: Engine,
        material: _Material,
        done: SessionAudit,
    ) -> None:
        self._session = session
        self._engine = engine
        self._done = done
        self._advance = material.advance
        self._commands = session.commands()
        self._decisions = session.decisions()
        found = _loaded(material.checkpoints, session.begin.seq, session.end_seq, done)
        self._checkpoints = sorted(found, key=lambda checkpoint: int(checkpoint.snapshot["engine"]["now_ns"]))

    def run(self, tape: TapeReader) -> None:
        """To the end, or to the first difference."""
        until_ns = self._session.complete_until_ns(tape)
        if tape.cut is not None:
            self._done.notes.append("its tape has no end: compared as far as market, timers and decisions were kept")
        last_ns = 0
        events = self._session.events(tape)
        for event in events:
            if until_ns is not None and event.ts_ns > until_ns:
                break
            if event.ts_ns <= last_ns:
                raise _Differs(Difference("an event is not later than the one before it", event.ts_ns))
            last_ns = event.ts_ns
            if not self._step(event):
                self._no_more_than(events)
                break
            self._pass_checkpoints(event.ts_ns)
            self._count()
        self._finish(until_ns)

    def _step(self, event: Event) -> bool:
        """False when the engine stopped there."""
        try:
            commands = self._engine.step(event)
        except Exception as error:  # whatever stopped the engine then must stop it here as well
            self._done.notes.append(f"the engine stopped at {event.ts_ns}: {plain_text(error)}")
            return False
        for row in self._engine.take_decisions():
            self._compare_decision(row)
        for command in commands:
            kind, body = encode(command)
            self._compare_command(event.ts_ns, kind, body)
        return True

    def _compare_command(self, ts_ns: int, kind: str, body: bytes) -> None:
        record = next(self._commands, None)
        replayed = f"{kind} {body.decode()}"
        if record is None:
            raise _Differs(Difference("a command that was not recorded", ts_ns, replayed=replayed))
        if (record.ts_ns, record.kind, record.body) != (ts_ns, kind, body):
            raise _Differs(Difference("another command", ts_ns, record.seq, _text(record), replayed))
        self._done.commands += 1

    def _compare_decision(self, row: DecisionRow) -> None:
        record, recorded = next(self._decisions, (None, None))
        replayed = encode_decisions([row])
        if record is None or recorded is None:
            raise _Differs(Difference("a decision that was not recorded", row[0], replayed=replayed.decode()))
        if encode_decisions([recorded]) != replayed:
            found = encode_decisions([recorded]).decode()
            raise _Differs(Difference("another decision", row[0], record.seq, found, replayed.decode()))
        self._done.decisions += 1

    def _pass_checkpoints(self, ts_ns: int) -> None:
        """Compare the checkpoints that were made right after this event."""
        state = self._engine.state
        while self._checkpoints and self._checkpoints[0].snapshot["engine"]["now_ns"] <= ts_ns:
            checkpoint = self._checkpoints.pop(0)
            snapshot = checkpoint.snapshot["engine"]
            if snapshot["now_ns"] != ts_ns or state.now_ns != ts_ns:
                # The clock had gone back over a restart, so the state's time does not tell which event it was.
                self._done.checkpoints_unchecked += 1
                continue
            _same_state(f"the state of checkpoint {checkpoint.id}", snapshot, state, ts_ns, checkpoint.seq)
            self._done.checkpoints += 1

    def _no_more_than(self, events: Iterator[Event]) -> None:
        """After the event that stopped the engine there can be no other."""
        event = next(events, None)
        if event is not None:
            raise _Differs(Difference("the engine stopped here, then it went on", event.ts_ns))

    def _finish(self, until_ns: int | None) -> None:
        """What is recorded and did not come out: a difference, or beyond the point up to which the market is known."""
        for record, row in zip_longest(self._commands, self._decisions):
            self._missed(until_ns, record)
            if row is not None:
                self._missed(until_ns, row[0], row[1])
        self._done.checkpoints_unchecked += len(self._checkpoints)

    def _missed(self, until_ns: int | None, record: Record | None, row: DecisionRow | None = None) -> None:
        if record is None:
            return
        ts_ns = record.ts_ns if row is None else row[0]
        if until_ns is None or ts_ns <= until_ns:
            what = "a recorded command does not come out" if row is None else "a recorded decision does not come out"
            recorded = _text(record) if row is None else encode_decisions([row]).decode()
            raise _Differs(Difference(what, ts_ns, record.seq, recorded))
        self._done.left_over += 1

    def _count(self) -> None:
        self._done.events += 1
        if self._done.events % PROGRESS_EACH == 0:
            self._advance(PROGRESS_EACH)


def _loaded(checkpoints: CheckpointStore, first_seq: int, end_seq: int, done: SessionAudit) -> list[Checkpoint]:
    """The good ones, oldest first; the others are noted."""
    found = []
    for id_ in checkpoints.ids_between(first_seq, end_seq):
        try:
            found.append(checkpoints.load(id_))
        except StoreCorrupt as error:
            done.checkpoints_bad += 1
            done.notes.append(f"checkpoint {id_}: {error.message}")
    return found


def _same_state(what: str, recorded: dict[str, Any], state: State, ts_ns: int, seq: int) -> None:
    """Raises the difference of the first member that is not the same."""
    now = _plain(state)
    for name in sorted(recorded.keys() | now.keys()):
        _same(f"{what}: {name}", recorded.get(name), now.get(name), ts_ns, seq)


def _plain(state: State) -> dict[str, Any]:
    """The snapshot as a checkpoint gives it back."""
    plain: dict[str, Any] = json.loads(json.dumps(state.snapshot()))
    return plain


def _same(what: str, then: object, now: object, ts_ns: int, seq: int) -> None:
    if then != now:
        then_text, now_text = (json.dumps(value, sort_keys=True) for value in (then, now))
        raise _Differs(Difference(what, ts_ns, seq, then_text, now_text))


def _text(record: Record) -> str:
    return f"{record.kind} {record.body.decode(errors='replace')}"

"""``ztb audit replay`` in words, from audits of every outcome."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.reports.test_replay_through_engine import LIMITS
from tests.store.samples import filled_journal
from tests.store.tape_samples import BTC_JPY
from ztb.cli.audit_text import SHOWN_LENGTH, audit_data, audit_text
from ztb.core.state import EngineConfig
from ztb.host.build import build_id
from ztb.service.audit_replay import Difference, SessionAudit
from ztb.service.recorded_session import RecordedSession
from ztb.service.session_record import SESSION, SessionRecord
from ztb.store.chain import Record
from ztb.store.reader import JournalReader

BEGIN_NS = 1_790_000_000_000_000_000
"""2026-09-21 14:13:20 UTC, by date(1)."""
FIRST_LINES = [
    "session 3: 2026-09-21 14:13:20 UTC, records 101 to 199, policy buy_hold",
    "  9 events gave 2 commands, 4 decisions and 1 checkpoints as recorded",
]


@pytest.fixture
def reader(tmp_path: Path) -> JournalReader:
    """A journal stands behind every session; nothing here reads it."""
    with closing(JournalReader(filled_journal(tmp_path, 1))) as opened:
        return opened


def audit_of(reader: JournalReader, *, build: str = "", **outcome: Any) -> SessionAudit:  # noqa: ANN401 - members
    config = EngineConfig((BTC_JPY,), LIMITS, 10_000, order_lots=1)
    made_of = SessionRecord(build or str(build_id()), "d1", "buy_hold", {}, config, "a.tape", 0, {})
    begin = Record(101, BEGIN_NS, SESSION, b"", b"")
    session = RecordedSession(reader, reader.path.parent, 3, begin, made_of, 200)
    return SessionAudit(session, events=9, commands=2, decisions=4, checkpoints=1, **outcome)


def lines_of(*audits: SessionAudit) -> list[str]:
    return audit_text(audits).splitlines()


def test_a_proven_session(reader: JournalReader) -> None:
    assert lines_of(audit_of(reader)) == [*FIRST_LINES, "1 of 1 sessions came out again, byte for byte"]


def test_a_difference_shows_both_sides(reader: JournalReader) -> None:
    difference = Difference("another command", BEGIN_NS + 5, 150, '{"lots":1}', '{"lots":2}')
    assert lines_of(audit_of(reader, difference=difference)) == [
        *FIRST_LINES,
        f"  DIFFERS at record 150 (time {BEGIN_NS + 5}): another command",
        '    then: {"lots":1}',
        '    now:  {"lots":2}',
        "0 of 1 sessions came out again, byte for byte; 1 DIFFER",
    ]


def test_a_difference_that_has_no_record_and_only_one_side(reader: JournalReader) -> None:
    lines = lines_of(audit_of(reader, difference=Difference("a command too many", 7, replayed="x")))
    assert lines[2:4] == ["  DIFFERS (time 7): a command too many", "    now:  x"]


def test_another_build_may_be_the_reason_of_a_difference_and_of_nothing_else(reader: JournalReader) -> None:
    told = f"  it was made by build 0.0.9 (old), this is {build_id()}: that may be the reason"
    assert told in lines_of(audit_of(reader, build="0.0.9 (old)", difference=Difference("x", 1)))
    assert told not in lines_of(audit_of(reader, build="0.0.9 (old)"))


@pytest.mark.parametrize("length", [SHOWN_LENGTH, SHOWN_LENGTH + 1])
def test_a_long_record_is_cut_and_says_so(reader: JournalReader, length: int) -> None:
    lines = lines_of(audit_of(reader, difference=Difference("x", 1, recorded="r" * length)))
    assert lines[3] == f"    then: {'r' * SHOWN_LENGTH}{' ...' if length > SHOWN_LENGTH else ''}"


@pytest.mark.parametrize(
    ("outcome", "line"),
    [
        ({"problem": "the tape is gone"}, "  CANNOT BE REPLAYED: the tape is gone"),
        ({"left_over": 8}, "  8 recorded commands and decisions lie beyond what can be replayed"),
        ({"checkpoints_bad": 2}, "  2 checkpoints do not belong to this journal or are damaged"),
    ],
)
def test_what_could_not_be_compared_is_no_proof(reader: JournalReader, outcome: dict[str, Any], line: str) -> None:
    assert lines_of(audit_of(reader, **outcome)) == [
        *FIRST_LINES,
        line,
        "0 of 1 sessions came out again, byte for byte; 1 could not be compared to the end",
    ]


def test_what_is_only_told_takes_nothing_from_the_proof(reader: JournalReader) -> None:
    lines = lines_of(audit_of(reader, checkpoints_unchecked=3, notes=["the tape\x1b[2J was cut"]))
    assert lines[2:] == [
        "  3 checkpoints could not be compared",
        "  the tape\\x1b[2J was cut",
        "1 of 1 sessions came out again, byte for byte",
    ]


def test_every_session_is_counted_once(reader: JournalReader) -> None:
    both = audit_of(reader, difference=Difference("x", 1), left_over=2, checkpoints_bad=1)
    lines = lines_of(audit_of(reader), both, audit_of(reader, problem="p"))
    assert lines[-1] == (
        "1 of 3 sessions came out again, byte for byte; 1 DIFFER; 1 could not be compared to the end"
    )  # fmt: skip


def test_the_same_as_plain_data(reader: JournalReader) -> None:
    difference = Difference("w", 1, 150, "a", "b")
    assert audit_data(audit_of(reader, build="b0", difference=difference, left_over=2, notes=["n"])) == {
        "session": 3, "first_seq": 101, "last_seq": 199, "begin_ns": BEGIN_NS, "build": "b0", "config_digest": "d1",
        "policy": "buy_hold", "proven": False, "events": 9, "commands": 2, "decisions": 4, "checkpoints": 1,
        "checkpoints_unchecked": 0, "checkpoints_bad": 0, "left_over": 2, "problem": "", "notes": ["n"],
        "difference": {"what": "w", "ts_ns": 1, "seq": 150, "recorded": "a", "replayed": "b"},
    }  # fmt: skip
    assert audit_data(audit_of(reader))["difference"] is None

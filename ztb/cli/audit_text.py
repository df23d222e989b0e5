"""``ztb audit replay`` in words and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ztb.cli.result import printable
from ztb.host.build import build_id
from ztb.service.audit_replay import Difference, SessionAudit

EXIT_UNPROVEN: Final = 3
"""Nothing differs, and not everything could be compared."""
SHOWN_LENGTH: Final = 600
_NS: Final = 1_000_000_000


def audit_data(done: SessionAudit) -> dict[str, Any]:
    """One session as plain values."""
    made_of, difference = done.session.made_of, done.difference
    return {
        "session": done.session.number,
        "first_seq": done.session.begin.seq,
        "last_seq": done.session.end_seq - 1,
        "begin_ns": done.session.begin.ts_ns,
        "build": made_of.build,
        "config_digest": made_of.config_digest,
        "policy": made_of.policy,
        "proven": done.is_proven,
        "events": done.events,
        "commands": done.commands,
        "decisions": done.decisions,
        "checkpoints": done.checkpoints,
        "checkpoints_unchecked": done.checkpoints_unchecked,
        "checkpoints_bad": done.checkpoints_bad,
        "left_over": done.left_over,
        "difference": None if difference is None else vars(difference),
        "problem": done.problem,
        "notes": list(done.notes),
    }


def audit_text(sessions: Sequence[SessionAudit]) -> str:
    """A paragraph for each session, and the verdict."""
    proven = sum(done.is_proven for done in sessions)
    different = sum(done.difference is not None for done in sessions)
    verdict = f"{proven} of {len(sessions)} sessions came out again, byte for byte"
    if different:
        verdict += f"; {different} DIFFER"
    if len(sessions) - proven - different:
        verdict += f"; {len(sessions) - proven - different} could not be compared to the end"
    return "\n".join([*(line for done in sessions for line in _session_lines(done)), verdict])


def _session_lines(done: SessionAudit) -> list[str]:
    session = done.session
    moment = datetime.fromtimestamp(session.begin.ts_ns // _NS, UTC)
    lines = [
        f"session {session.number}: {moment:%Y-%m-%d %H:%M:%S} UTC, records {session.begin.seq} to "
        f"{session.end_seq - 1}, policy {session.made_of.policy}",
        f"  {done.events} events gave {done.commands} commands, {done.decisions} decisions and "
        f"{done.checkpoints} checkpoints as recorded",
    ]
    if done.problem:
        lines.append(f"  CANNOT BE REPLAYED: {done.problem}")
    if done.difference is not None:
        lines += _difference_lines(done.difference)
        build = str(build_id())
        if session.made_of.build != build:
            lines.append(f"  it was made by build {session.made_of.build}, this is {build}: that may be the reason")
    if done.left_over:
        lines.append(f"  {done.left_over} recorded commands and decisions lie beyond what can be replayed")
    if done.checkpoints_bad:
        lines.append(f"  {done.checkpoints_bad} checkpoints do not belong to this journal or are damaged")
    if done.checkpoints_unchecked:
        lines.append(f"  {done.checkpoints_unchecked} checkpoints could not be compared")
    return [printable(line) for line in [*lines, *(f"  {note}" for note in done.notes)]]


def _difference_lines(difference: Difference) -> list[str]:
    place = "" if difference.seq is None else f" at record {difference.seq}"
    lines = [f"  DIFFERS{place} (time {difference.ts_ns}): {difference.what}"]
    for name, text in (("then", difference.recorded), ("now", difference.replayed)):
        if text:
            lines.append(f"    {name + ':':5} {text if len(text) <= SHOWN_LENGTH else text[:SHOWN_LENGTH] + ' ...'}")
    return lines

"""The sessions of a trader run again from their own records, in a process of its own (F-26)."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from ztb.ladder.child import Child
from ztb.ladder.context import WORK, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.trader import TraderProcess, environment

AUDIT_S_MAX: Final = 600.0


def judge_audit(context: Context, findings: Findings, trader: TraderProcess) -> None:
    """The same events give the same orders. What a SIGKILL took from a tape cannot be compared, and is only counted."""
    sessions = _replayed(context, trader)
    wrong = [f"session {one['session']}: {one['difference'] or one['problem']}"
             for one in sessions if one["difference"] or one["problem"]]  # fmt: skip
    compared = sum(int(one["decisions"]) + int(one["commands"]) for one in sessions)
    proven = sum(bool(one["proven"]) for one in sessions)
    findings.at_least("F-26", "sessions that came out again to their end", proven, 1, "sessions")
    findings.at_least("F-26", "orders and decisions compared with the records", compared, 1, "records")
    findings.holds("F-26", "no session came out differently", bool(sessions) and not wrong,
                   "; ".join(wrong)[:300] or f"{len(sessions)} sessions, none differs")  # fmt: skip


def _replayed(context: Context, trader: TraderProcess) -> list[dict[str, Any]]:
    """What ``ztb audit replay`` says of each session; empty when it says nothing that can be read."""
    work = context.directory(WORK)
    name = trader.state_dir.name
    said = work / f"{name}-audit.json"
    command = [sys.executable, "-m", "ztb", "audit", "replay", "--json", "--state-dir", str(trader.state_dir)]
    child = Child(command, output=said, errors=work / f"{name}-audit.err", environ=environment())
    try:
        child.wait(AUDIT_S_MAX)
    finally:
        child.kill()
    try:
        sessions = json.loads(said.read_text())["data"]["sessions"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return []
    return list(sessions)

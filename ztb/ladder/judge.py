"""Criteria that more than one rung has: the journal's identity, the log, memory and CPU."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from ztb.ladder import journal_facts, logs
from ztb.ladder.context import Context
from ztb.ladder.evidence import Findings
from ztb.ladder.journal_facts import JournalFacts
from ztb.ladder.trader import TraderProcess

MEMORY_MB: Final = 500.0
CPU_PERCENT: Final = 80.0


def judge_sessions(context: Context, findings: Findings, facts: JournalFacts, *traders: TraderProcess) -> None:
    """The journal is unbroken, and holds the sessions of exactly these traders, of this build and configuration."""
    chain = journal_facts.chain(traders[-1].state_dir)
    findings.holds("E-11", "the journal is one unbroken chain", chain.ok, chain.reason or f"{chain.records} records")
    findings.equal("A-23", "sessions in the journal, of the traders started", len(facts.builds), len(traders))
    builds = sorted(set(facts.builds))
    findings.equal("E-11", "build of every session", ", ".join(builds) or None, context.build)
    status = traders[-1].status()
    told = None if status is None else str(status["config"])
    findings.same_digest("E-11", "configuration of the trader, SHA-256", told, traders[-1].config_sha256)


def judge_signals(findings: Findings, signals: int | None, reasons: Mapping[str, int]) -> None:
    """The policy wanted something; when it did not, its own reasons say why (A-18)."""
    if signals == 0:
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.items()) or "it decided nothing"
        findings.fail("A-18", "signals", f"0 signals; the policy's reasons: {told[:200]}")
    else:
        findings.at_least("A-18", "signals", signals, 1, "signals")


def judge_log(findings: Findings, path: Path, *, expected: Collection[str], time_scale: float) -> None:
    """Structured to the last line, and no record of an error but the ``expected`` events."""
    facts = logs.read(path)
    if time_scale > 1:
        # A minute of the market without data is a second of the wall then, in which this host may do something else.
        expected = {*expected, "market_data_lost"}
    findings.at_least("A-20", "log lines", facts.lines, 1, "lines")
    findings.holds("A-20", "every log line is structured", not facts.unstructured, facts.first_unstructured or "all")
    errors = [record for record in facts.errors if record["event"] not in expected]
    told = "; ".join(f"{record['event']}: {record['text']}"[:100] for record in errors[:3]) or "none"
    findings.holds("A-29", "log records of errors", not errors, told)


def judge_use(context: Context, findings: Findings, name: str, *traders: TraderProcess) -> None:
    """Memory and CPU of the traders of a rung, measured at the processes (A-15, A-16)."""
    memory = [used for trader in traders if (used := trader.usage.rss_mb_max) is not None]
    cpu = [used for trader in traders if (used := trader.usage.cpu_percent()) is not None]
    findings.below("A-15", "memory", max(memory, default=None), MEMORY_MB, "MB")
    findings.below("A-16", "CPU of one core", max(cpu, default=None), CPU_PERCENT, "%")
    context.system_metrics[name] = [trader.usage.to_dict() for trader in traders]

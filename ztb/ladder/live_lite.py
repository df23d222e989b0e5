"""Third rung: the market as it comes, signals but no orders: the trader has no account and so no way to send (A-05).

That it sent nothing is not taken from the trader: the exchange's own record must not hold one private call.
"""

from __future__ import annotations

import time
from typing import Any, Final

from ztb.ladder import journal_facts, logs
from ztb.ladder.context import LOGS, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.processes import Exchange, TraderProcess

NAME: Final = "live-lite"
MEMORY_MB: Final = 500.0
CPU_PERCENT: Final = 80.0
ERROR_PERCENT: Final = 1.0
DATA_AGE_S: Final = 30.0
"""Of scaled time; the streams' own warning threshold."""
READY_S: Final = 5.0
STOP_S: Final = 5.0


def run(context: Context) -> Findings:
    """Watch a window of the market with a trader that can only decide."""
    findings = Findings()
    exchange = Exchange(context, NAME)
    log = context.directory(LOGS) / f"trade-bot-{NAME}.log"
    words = ("--observe", *policy_words(context))
    trader = TraderProcess(context, exchange=exchange, name=NAME, log=log, words=words)
    try:
        ready_s = trader.wait_ready()
        ages_ms = _watch(context, trader)
        was_running = trader.is_running
        code, stop_s = trader.stop()
        requests, calls = exchange.status()["requests"], exchange.calls()
    finally:
        if trader.is_running:
            trader.kill()
        exchange.stop()
    findings.at_most("A-22", "READY after", ready_s, READY_S, "s")
    findings.equal("A-05", "it ran the whole window", was_running, True)
    findings.equal("A-22", "exit code after SIGTERM", code, 0)
    findings.at_most("A-22", "stopped within", stop_s, STOP_S, "s")
    _judge_market(context, findings, trader, ages_ms)
    findings.equal("A-05", "private calls that the exchange received", len(calls), 0)
    findings.equal("A-19", "requests that the exchange refused for their rate", rate_refusals(requests), 0)
    judge_log(findings, log)
    judge_use(context, findings, NAME, trader)
    return findings


def policy_words(context: Context) -> tuple[str, ...]:
    """The policy of the run and the kill threshold, as options of ``ztb run``."""
    options = context.options
    words: list[str] = []
    if options.policy != options.loaded.profile.policy.name:
        words += ["--set", f"policy.name={options.policy}"]
    words += ["--set", f"limits.drawdown_max_pct={options.kill_threshold * 100:g}"]
    return tuple(words)


def rate_refusals(requests: dict[str, int]) -> int:
    """Requests that the exchange counted as refused for their rate."""
    return sum(count for name, count in requests.items() if "rate" in name or "refused" in name or "limit" in name)


def judge_log(findings: Findings, path: Any) -> None:  # noqa: ANN401 - a Path
    """Structured to the last line, and no record of an error."""
    facts = logs.read(path)
    findings.at_least("A-20", "log lines", facts.lines, 1, "lines")
    findings.holds("A-20", "every log line is structured", not facts.unstructured, facts.first_unstructured or "all")
    errors = "; ".join(f"{record['event']}: {record['text']}"[:100] for record in facts.errors[:3]) or "none"
    findings.holds("A-29", "log records of errors", not facts.errors, errors)


def judge_use(context: Context, findings: Findings, name: str, *traders: TraderProcess) -> None:
    """Memory and CPU of the traders of a rung, measured at the processes (A-15, A-16)."""
    memory = [trader.usage.rss_mb_max for trader in traders]
    cpu = [used for trader in traders if (used := trader.usage.cpu_percent()) is not None]
    known = [used for used in memory if used is not None]
    findings.below("A-15", "memory", max(known, default=None), MEMORY_MB, "MB")
    findings.below("A-16", "CPU of one core", max(cpu, default=None), CPU_PERCENT, "%")
    context.system_metrics[name] = [trader.usage.to_dict() for trader in traders]


def _watch(context: Context, trader: TraderProcess) -> list[int]:
    """Data ages seen while it ran, in ms of scaled time."""
    seconds = context.wall_seconds(context.options.durations.live_lite)
    ages: list[int] = []
    with context.progress(NAME, int(seconds * 10)) as advance:
        for passed in trader.watch(seconds):
            advance(int(passed * 10))
            status = trader.status()
            for desk in (status or {}).get("instruments", {}).values():
                if desk["data_age_ms"] is not None:
                    ages.append(desk["data_age_ms"])
    return ages


def _judge_market(context: Context, findings: Findings, trader: TraderProcess, ages_ms: list[int]) -> None:
    facts = journal_facts.read(trader.state_dir)
    chain = journal_facts.chain(trader.state_dir)
    findings.at_least("A-17", "market events received", facts.last("market_events"), 1, "events")
    findings.equal("A-17", "times that the stream was lost", facts.last("feed_losses"), 0)
    oldest_s = max(ages_ms) / 1000 if ages_ms else None
    findings.below("A-17", "oldest last price seen", oldest_s, DATA_AGE_S, "s")
    findings.at_least("A-18", "decisions", facts.decisions, 1, "decisions")
    findings.at_least("A-18", "signals", facts.signals, 1, "signals")
    findings.equal("A-05", "orders decided", len(facts.places), 0)
    findings.below("A-14", "error rate", facts.error_percent(), ERROR_PERCENT, "%")
    findings.holds("E-11", "the journal is one unbroken chain", chain.ok, chain.reason or f"{chain.records} records")
    last = facts.measurements[-1] if facts.measurements else {}
    context.performance_metrics[NAME] = {
        "decisions": facts.decisions,
        "signals": facts.signals,
        "outcomes": dict(facts.outcomes),
        "step_us": last.get("step_us"),
        "feed_losses": last.get("feed_losses"),
        "window_wall_s": (time.time_ns() - trader.started_wall_ns) / 1e9,
    }

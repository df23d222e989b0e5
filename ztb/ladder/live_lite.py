"""Third rung: the market as it comes, signals but no orders: the trader has no account and so no way to send (A-05).

That it sent nothing is not taken from the trader: the exchange's own record must not hold one private request.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ztb.ladder import journal_facts
from ztb.ladder.audit_check import judge_audit
from ztb.ladder.context import LOGS, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.exchange import Exchange
from ztb.ladder.judge import judge_log, judge_sessions, judge_signals, judge_use
from ztb.ladder.trader import TraderProcess

NAME: Final = "live-lite"
ERROR_PERCENT: Final = 1.0
DATA_AGE_S: Final = 30.0
"""Of scaled time; the streams' own warning threshold."""
STATUS_AGE_S: Final = 5.0
"""Of the wall; the trader writes it twice a second."""
READY_S: Final = 5.0
STOP_S: Final = 5.0


@dataclass
class Seen:
    """What was read from the status while the window passed."""

    data_age_ms: list[int] = field(default_factory=list)
    """In scaled time."""
    status_age_s: list[float] = field(default_factory=list)


def run(context: Context, findings: Findings) -> None:
    """Watch a window of the market with a trader that can only decide."""
    exchange = Exchange(context, NAME)
    try:
        log = context.directory(LOGS) / f"trade-bot-{NAME}.log"
        overrides = context.options.trader_overrides()
        trader = TraderProcess(
            context, exchange=exchange, name=NAME, log=log, overrides=overrides, observe=True
        )  # fmt: skip
        try:
            _observe(context, findings, exchange, trader)
        finally:
            trader.kill()
    finally:
        exchange.stop()
    context.sessions[NAME] = trader.state_dir
    _judge_journal(context, findings, trader)
    judge_audit(context, findings, trader)
    judge_log(findings, log, expected=(), time_scale=context.options.time_scale)
    judge_use(context, findings, NAME, trader)


def _observe(context: Context, findings: Findings, exchange: Exchange, trader: TraderProcess) -> None:
    """What is measured while the processes live."""
    ready_s = trader.wait_ready()
    findings.at_most("A-22", "READY after", ready_s, READY_S, "s")
    if ready_s is None:
        findings.fail("A-05", "the trader gets READY", f"exit code {trader.exit_code}: {trader.last_words()}")
        return
    seen = _watch(context, trader)
    findings.equal("A-05", "it ran the whole window", trader.is_running, True)
    oldest_ms = max(seen.data_age_ms, default=None)
    findings.below("A-17", "oldest last price seen", None if oldest_ms is None else oldest_ms / 1000, DATA_AGE_S, "s")
    findings.below("A-05", "oldest status seen", max(seen.status_age_s, default=None), STATUS_AGE_S, "s")
    code, stop_s = trader.stop()
    findings.equal("A-22", "exit code after SIGTERM", code, 0)
    findings.at_most("A-22", "stopped within", stop_s, STOP_S, "s")
    findings.equal("A-05", "private requests that the exchange received", exchange.private_requests(), 0)
    findings.equal("A-19", "requests that the exchange refused for their rate", exchange.rate_refusals(), 0)


def _watch(context: Context, trader: TraderProcess) -> Seen:
    seconds = context.wall_seconds(context.options.durations.live_lite)
    seen = Seen()
    with context.progress(NAME, max(1, int(seconds * 1000))) as advance:
        for passed in trader.watch(seconds):
            advance(int(passed * 1000))
            age_s = trader.status_age_s()
            if age_s is not None:
                seen.status_age_s.append(age_s)
            for desk in (trader.status() or {}).get("instruments", {}).values():
                if desk["data_age_ms"] is not None:
                    seen.data_age_ms.append(desk["data_age_ms"])
    return seen


def _judge_journal(context: Context, findings: Findings, trader: TraderProcess) -> None:
    facts = journal_facts.read(trader.state_dir)
    findings.at_least("A-17", "market events received", facts.last("market_events"), 1, "events")
    findings.equal("A-17", "times that the stream was lost", facts.last("feed_losses"), 0)
    findings.at_least("A-18", "decisions", facts.decisions, 1, "decisions")
    judge_signals(findings, facts.signals, facts.reasons)
    findings.equal("A-05", "orders decided", len(facts.places), 0)
    findings.below("A-14", "error rate", facts.error_percent(), ERROR_PERCENT, "%")
    judge_sessions(context, findings, facts, trader)
    last = facts.measurements[-1] if facts.measurements else {}
    context.performance_metrics[NAME] = {
        "decisions": facts.decisions,
        "signals": facts.signals,
        "outcomes": dict(facts.outcomes),
        "step_us": last.get("step_us"),
        "feed_losses": last.get("feed_losses"),
        "window_minutes": context.options.durations.live_lite,
    }

"""Second rung: the policy over recorded data, twice, in a process of its own; baseline of what follows (A-04).

The report must be of this run: it is written into this run's directory, by a process that this rung started, and names
the market data that the preflight read.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ztb.ladder.child import Child, Usage
from ztb.ladder.context import REPORTS, WORK, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.judge import CPU_PERCENT, MEMORY_MB, judge_signals
from ztb.ladder.trader import environment

NAME: Final = "replay"
REPLAY_S_MAX: Final = 600.0
ERROR_PERCENT: Final = 1.0
LOOK_S: Final = 0.05
KILL_AT_PERCENT: Final = 50
RUNS: Final = 2
"""Processes; the first one replays twice."""
_BASELINE: Final = (
    "events", "decisions", "orders", "trades", "pnl", "drawdown_max", "slippage_bps", "decision_latency_us",
    "throughput",
)  # fmt: skip
"""What the replay leaves for later rungs to be compared with."""


class Replay:
    """One process that replayed: what it said, what it used, how it ended."""

    def __init__(self, context: Context, name: str, out: Path, *words: str) -> None:
        options = context.options
        work = context.directory(WORK)
        self._said = work / f"{name}.json"
        command = [
            sys.executable, "-m", "ztb", "replay", *options.profile_words(), "--tape", str(options.tape),
            "--policy", options.policy, "--out", str(out), "--json", *words,
        ]  # fmt: skip
        child = Child(command, output=self._said, errors=work / f"{name}.err", environ=environment())
        self.exit_code: int | None = None
        try:
            for _ in range(int(REPLAY_S_MAX / LOOK_S)):
                child.measure()
                self.exit_code = child.wait(LOOK_S)
                if self.exit_code is not None:
                    break
        finally:
            child.kill()
        self.usage: Usage = child.usage
        self.errors = (work / f"{name}.err").read_text(errors="replace").strip()[-300:]

    def data(self) -> dict[str, Any]:
        """What it reported; empty when it reported nothing that can be read."""
        try:
            envelope = json.loads(self._said.read_text())
        except json.JSONDecodeError:
            return {}
        data = envelope.get("data") if isinstance(envelope, dict) else None
        return data if isinstance(data, dict) else {}

    def failure(self) -> str:
        """Why it reported an error, in its words."""
        try:
            errors = json.loads(self._said.read_text())["errors"]
        except (json.JSONDecodeError, KeyError, TypeError):
            return self.errors
        return "; ".join(str(error["message"]) for error in errors)[:300] or self.errors


def run(context: Context, findings: Findings) -> None:
    """Replay, replay again, and once more with a kill in the middle."""
    with context.progress(NAME, RUNS) as advance:
        plain = Replay(context, "replay", context.directory(REPORTS), "--verify")
        advance(1)
        _judge_run(context, findings, plain)
        killed = Replay(
            context, "replay-kill", context.directory(WORK) / "replay-kill", "--kill-at", str(KILL_AT_PERCENT)
        )
        advance(1)
    _judge_kill(findings, killed)


def _judge_run(context: Context, findings: Findings, replay: Replay) -> None:
    data, usage = replay.data(), replay.usage
    findings.equal("A-13", "backtest ends normally", replay.exit_code, 0)
    if replay.exit_code != 0 and replay.failure():
        findings.notes.append(f"the replay said: {replay.failure()}")
    used = (data.get("tape") or {}).get("sha256")
    findings.same_digest("A-13", "market data of the report, SHA-256", used, context.data_sha256)
    events = data.get("events")
    findings.at_least("A-13", "market events replayed", events, 1, "events")
    refused = data.get("refused_market_events")
    rate = None if not events or refused is None else 100.0 * refused / events
    findings.below("A-14", "error rate", rate, ERROR_PERCENT, "%")
    suspended = data.get("policy_suspended")
    findings.holds("A-14", "the policy ran to the end", suspended == "",
                   "no data" if suspended is None else suspended or "it did")  # fmt: skip
    judge_signals(findings, _signals(data), (data.get("decisions") or {}).get("by_reason") or {})
    findings.equal("F-26", "a second run writes the same journal", data.get("verified"), True)
    findings.equal("A-13", "equity explained by the fills to the last unit", _unexplained(data), "0")
    findings.below("A-15", "memory", usage.rss_mb_max, MEMORY_MB, "MB")
    findings.below("A-16", "CPU per time of the market", _cpu_per_market_time(data, usage), CPU_PERCENT, "%")
    context.performance_metrics[NAME] = {name: data.get(name) for name in _BASELINE}
    context.system_metrics[NAME] = usage.to_dict()


def _judge_kill(findings: Findings, replay: Replay) -> None:
    data = replay.data()
    findings.equal("A-04", "replay with a kill in the middle ends normally", replay.exit_code, 0)
    findings.equal("A-04", "orders after the kill", data.get("orders_after_kill"), 0)
    findings.at_least("A-04", "decisions after the kill", data.get("decisions_after_kill"), 1, "decisions")
    refused = data.get("refusals", {}).get("by_reason", {}).get("killed", 0)
    text = "signals that the kill stopped"
    if refused:
        findings.at_least("A-04", text, refused, 1, "signals")
    else:
        findings.warn("A-04", text, "0: the policy wanted nothing after it", ">= 1 signals")


def _signals(data: dict[str, Any]) -> int | None:
    orders, refusals = data.get("orders"), data.get("refusals")
    return None if orders is None or refusals is None else int(orders["placed"]) + int(refusals["count"])


def _unexplained(data: dict[str, Any]) -> str | None:
    """Equity that the fills do not explain, as text; None when the report has none."""
    text = (data.get("equity") or {}).get("unexplained")
    return None if text is None else str(Decimal(text).normalize() + 0)


def _cpu_per_market_time(data: dict[str, Any], usage: Usage) -> float | None:
    """A replay runs flat out, so its CPU is set against the time that the market took; there were two runs."""
    span_ns = (data.get("span") or {}).get("ns")
    if usage.cpu_seconds_total is None or not span_ns:
        return None
    return 100.0 * usage.cpu_seconds_total / (2 * int(span_ns) / 1e9)

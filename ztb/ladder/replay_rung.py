"""Second rung: the policy over recorded data, twice, in a process of its own; baseline of what follows (A-04).

The report must be of this run: it is written into this run's directory, by a process that this rung started.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ztb.host.process import ProcessMeter
from ztb.ladder.context import REPORTS, WORK, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.processes import Usage

NAME: Final = "replay"
REPLAY_S_MAX: Final = 600.0
MEMORY_MB: Final = 500.0
CPU_PERCENT: Final = 80.0
ERROR_PERCENT: Final = 1.0
LOOK_S: Final = 0.05
KILL_AT_PERCENT: Final = 50
_BASELINE: Final = (
    "events", "decisions", "orders", "trades", "pnl", "drawdown_max", "slippage_bps", "decision_latency_us",
    "throughput",
)  # fmt: skip
"""What the replay leaves for later rungs to be compared with."""


def run(context: Context) -> Findings:
    """Replay, replay again, and once more with a kill in the middle."""
    findings = Findings()
    out = context.directory(REPORTS)
    with context.progress(NAME, 2) as advance:
        plain, usage, code = _replay(context, "replay", out, "--verify")
        advance(1)
        killed, _, killed_code = _replay(
            context, "replay-kill", context.directory(WORK) / "replay-kill", "--kill-at", str(KILL_AT_PERCENT)
        )
        advance(1)
    findings.equal("A-13", "backtest ends normally", code, 0)
    _judge_run(context, findings, plain, usage)
    _judge_kill(findings, killed, killed_code)
    return findings


def _judge_run(context: Context, findings: Findings, plain: dict[str, Any], usage: Usage) -> None:
    events = plain.get("events")
    findings.at_least("A-13", "market events replayed", events, 1, "events")
    if events:
        errors = int(plain["refused_market_events"]) + bool(plain["policy_suspended"])
        findings.below("A-14", "error rate", 100.0 * errors / events, ERROR_PERCENT, "%")
        findings.equal("F-26", "a second run writes the same journal", plain.get("verified"), True)
        findings.equal("A-13", "equity explained by the fills to the last unit", _unexplained(plain), "0")
    findings.below("A-15", "memory", usage.rss_mb_max, MEMORY_MB, "MB")
    findings.below("A-16", "CPU per time of the market", _cpu_per_market_time(plain, usage), CPU_PERCENT, "%")
    context.performance_metrics["replay"] = {name: plain.get(name) for name in _BASELINE}
    context.system_metrics["replay"] = usage.to_dict()


def _judge_kill(findings: Findings, killed: dict[str, Any], code: int | None) -> None:
    findings.equal("A-04", "replay with a kill in the middle ends normally", code, 0)
    findings.equal("A-04", "orders after the kill", killed.get("orders_after_kill"), 0)
    findings.at_least("A-04", "decisions after the kill", killed.get("decisions_after_kill"), 1, "decisions")


def _unexplained(plain: dict[str, Any]) -> str | None:
    """Equity that the fills do not explain, as text; None when the report has none."""
    text = plain.get("equity", {}).get("unexplained")
    return None if text is None else str(Decimal(text).normalize() + 0)


def _cpu_per_market_time(plain: dict[str, Any], usage: Usage) -> float | None:
    """A replay runs flat out, so its CPU is set against the time that the market took; there were two runs."""
    span_ns = plain.get("span", {}).get("ns")
    if not usage.samples or not span_ns:
        return None
    return 100.0 * usage.samples[-1].cpu_seconds / (2 * int(span_ns) / 1e9)


def _replay(context: Context, name: str, out: Path, *words: str) -> tuple[dict[str, Any], Usage, int | None]:
    options = context.options
    command = [
        sys.executable, "-m", "ztb", "replay", *options.profile_words, "--tape", str(options.tape),
        "--policy", options.policy, "--out", str(out), "--json", *words,
    ]  # fmt: skip
    log = context.directory(WORK) / f"{name}.json"
    usage = Usage()
    deadline = time.monotonic() + REPLAY_S_MAX
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=dict(os.environ))
        meter = ProcessMeter(process.pid)
        while process.poll() is None and time.monotonic() < deadline:
            use = meter.measure()
            if use is not None:
                usage.samples.append(use)
            time.sleep(LOOK_S)
        if process.poll() is None:
            process.kill()
    try:
        envelope: dict[str, Any] = json.loads(log.read_text())
    except json.JSONDecodeError:
        return {}, usage, process.wait()
    return envelope.get("data") or {}, usage, process.wait()

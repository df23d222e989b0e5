"""Fourth rung: kill a trading trader, see that nothing leaves, bring it back, see that it is stable (A-06).

Two kinds of kill. The *kill latch*, by its file, while orders flow: latched at once, durable, lifted only with a
reason. And SIGKILL of the process, while orders flow: what was under way must be found again, and nothing sent twice.
What the exchange received is the judge of both.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, Final

from ztb.ladder import journal_facts, logs
from ztb.ladder.context import LOGS, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.live_lite import judge_use, policy_words, rate_refusals
from ztb.ladder.orders import judge_orders, read_books
from ztb.ladder.processes import Exchange, TraderProcess

NAME: Final = "kill-resume"
LOAD: Final = (
    "--set", "policy.parameters.fast=2", "--set", "policy.parameters.slow=4",
    "--set", "limits.orders_per_minute_max=50",
)  # fmt: skip
"""Averages so short that orders are always on their way; for the shipped policy only."""
WARM_UP_ORDERS: Final = 3
WARM_UP_S_MAX: Final = 45.0
LATCH_MS_MAX: Final = 1_000.0
LATCH_S_MAX: Final = 5.0
READY_S: Final = 5.0
STOP_S: Final = 5.0
READY_AFTER_KILL_S: Final = 15.0
"""Looking up an order of unknown fate takes repeated looks at the venue."""
SETTLE_S: Final = 0.2
"""Bytes that left before the latch may still be on their way through the loopback."""
SLOW_MS: Final = 150
"""Orders answered so slowly that a SIGKILL finds some of them under way."""
SIGKILLS: Final = 3
ERROR_PERCENT: Final = 1.0
KILL_REASON: Final = "canary ladder: kill exercise"
RESUME_REASON: Final = "canary ladder: resume exercise"


class Exercise:
    """The rung's state: one exchange, and one trader after another on the same state directory."""

    def __init__(self, context: Context, findings: Findings) -> None:
        self.context = context
        self.findings = findings
        self.exchange = Exchange(context, NAME)
        self.log = context.directory(LOGS) / f"trade-bot-{NAME}.log"
        self.traders: list[TraderProcess] = []
        self.ready_s: list[float | None] = []
        self.window_s = context.wall_seconds(context.options.durations.kill_resume)
        self.killed_status: dict[str, Any] | None = None
        self.calls: list[dict[str, Any]] = []
        self.account: dict[str, Any] = {}

    @property
    def trader(self) -> TraderProcess:
        """The one that runs now, or ran last."""
        return self.traders[-1]

    def start(self) -> None:
        """Start a trader on the state of the one before it, and wait for READY."""
        load = LOAD if self.context.options.policy == "sma_fast_slow" else ()
        words = (*policy_words(self.context), *load)
        trader = TraderProcess(self.context, exchange=self.exchange, name=NAME, log=self.log, words=words)
        self.traders.append(trader)
        self.ready_s.append(trader.wait_ready())

    def orders_received(self) -> int:
        """Orders that reached the exchange so far."""
        return sum(call["method"] == "trade" for call in self.exchange.calls())

    def wait_for_orders(self, count: int) -> int:
        """Until the exchange has received ``count`` more orders, or too long; how many it did."""
        before = self.orders_received()
        deadline = time.monotonic() + WARM_UP_S_MAX
        while time.monotonic() < deadline and self.trader.is_running:
            received = self.orders_received() - before
            if received >= count:
                return received
            self.trader.measure()
            time.sleep(0.1)
        return self.orders_received() - before

    def operator_file(self, name: str) -> Path:
        """A file of the operator directory."""
        return self.trader.runtime_dir / "operator" / name

    def close(self) -> None:
        """End whatever still runs."""
        for trader in self.traders:
            if trader.is_running:
                trader.kill()
        self.exchange.stop()


def run(context: Context) -> Findings:
    """The whole exercise."""
    findings = Findings()
    exercise = Exercise(context, findings)
    steps = (_trade, _kill, _stay_silent, _restart_killed, _resume, _kill_processes, _stop)
    try:
        with context.progress(NAME, len(steps)) as advance:
            for step in steps:
                step(exercise)
                advance(1)
    finally:
        exercise.close()
    _judge_books(exercise)
    return findings


def _trade(exercise: Exercise) -> None:
    exercise.start()
    exercise.findings.at_most("A-22", "READY after", exercise.ready_s[-1], READY_S, "s")
    received = exercise.wait_for_orders(WARM_UP_ORDERS)
    exercise.findings.at_least("A-06", "orders under way before the kill", received, WARM_UP_ORDERS, "orders")


def _kill(exercise: Exercise) -> None:
    """By the kill file; the latch is timed by the trader's log, which knows milliseconds."""
    kill = exercise.operator_file("kill")
    fresh = kill.with_name(".kill.new")
    fresh.write_text(KILL_REASON)
    begin_ns = time.time_ns()
    fresh.replace(kill)
    latched_ns = None
    deadline = time.monotonic() + LATCH_S_MAX
    while latched_ns is None and time.monotonic() < deadline:
        time.sleep(0.02)
        latched_ns = logs.read(exercise.log).first_ns("killed")
    latch_ms = None if latched_ns is None else max(0.0, (latched_ns - begin_ns) / 1e6)
    exercise.findings.at_most("A-21", "kill file to latch", latch_ms, LATCH_MS_MAX, "ms")
    exercise.context.performance_metrics["kill_latch_ms"] = latch_ms


def _stay_silent(exercise: Exercise) -> None:
    """A quarter of the window under the latch, the market running: nothing leaves, and the policy is still asked."""
    findings = exercise.findings
    time.sleep(SETTLE_S)
    before = exercise.orders_received()
    for _ in exercise.trader.watch(exercise.window_s / 4):
        pass
    findings.equal("A-21", "orders that left after the latch", exercise.orders_received() - before, 0)
    working = len(exercise.exchange.account_state()["orders"])
    findings.equal("A-21", "orders still working at the exchange", working, 0)
    code, stop_s = exercise.trader.stop()
    findings.equal("A-22", "exit code after SIGTERM", code, 0)
    findings.at_most("A-22", "stopped within", stop_s, STOP_S, "s")
    exercise.killed_status = exercise.trader.status()
    refused = journal_facts.read(exercise.trader.state_dir).outcomes["killed"]
    findings.at_least("A-21", "signals refused because of the kill", refused, 1, "signals")


def _restart_killed(exercise: Exercise) -> None:
    """The latch and the books are as they were; the deleted kill file does not lift it."""
    findings = exercise.findings
    exercise.operator_file("kill").unlink(missing_ok=True)
    exercise.start()
    findings.at_most("A-23", "READY again after", exercise.ready_s[-1], READY_S, "s")
    before, now = exercise.killed_status, exercise.trader.status()
    if before is None or now is None:
        findings.fail("A-23", "state after the restart", "a trader left no status")
        return
    findings.equal("A-23", "kill latch survives restart and deleted file", now["kill"]["on"], True)
    for name, value in before["instruments"].items():
        for member in ("position", "realised", "fees"):
            findings.equal("A-23", f"{member} of {name}", now["instruments"][name][member], value[member])
    findings.equal("A-23", "order sequence", now["session"]["sequence"], before["session"]["sequence"])
    received = exercise.orders_received()
    for _ in exercise.trader.watch(exercise.window_s / 8):
        pass
    findings.equal("A-23", "orders that left before the resume", exercise.orders_received() - received, 0)


def _resume(exercise: Exercise) -> None:
    """Only with a reason; then orders flow again."""
    findings = exercise.findings
    fresh = exercise.operator_file(".resume.new")
    fresh.write_text(RESUME_REASON)
    fresh.replace(exercise.operator_file("resume"))
    received = exercise.wait_for_orders(WARM_UP_ORDERS)
    findings.at_least("A-24", "orders after the resume", received, WARM_UP_ORDERS, "orders")
    notices = journal_facts.read(exercise.trader.state_dir).notices
    findings.equal("A-24", "resumes in the journal", notices["resumed"], 1)


def _kill_processes(exercise: Exercise) -> None:
    """SIGKILL while orders are under way, again and again, at moments that the run id decides."""
    findings = exercise.findings
    moments = random.Random(exercise.context.options.run_id)
    exercise.exchange.mood(name="slow", ms=SLOW_MS, methods=["trade"])
    for _ in range(SIGKILLS):
        exercise.wait_for_orders(1)
        time.sleep(moments.random() * 0.2)
        exercise.trader.measure()
        exercise.trader.kill()
        chain = journal_facts.chain(exercise.trader.state_dir)
        findings.holds(
            "A-23", "the journal verifies after SIGKILL", chain.ok, chain.reason or f"{chain.records} records"
        )
        exercise.start()
        findings.at_most("A-23", "READY after SIGKILL", exercise.ready_s[-1], READY_AFTER_KILL_S, "s")
    exercise.exchange.mood(name="slow", off=True)


def _stop(exercise: Exercise) -> None:
    """The rest of the window, undisturbed; then an orderly stop."""
    findings = exercise.findings
    received = exercise.wait_for_orders(1)
    findings.at_least("A-24", "orders after the last restart", received, 1, "orders")
    for _ in exercise.trader.watch(exercise.window_s / 2):
        pass
    findings.equal("A-24", "it runs to the end of the window", exercise.trader.is_running, True)
    code, stop_s = exercise.trader.stop()
    findings.equal("A-22", "exit code of the last stop", code, 0)
    findings.at_most("A-22", "last stop within", stop_s, STOP_S, "s")
    exercise.calls = exercise.exchange.calls()
    exercise.account = exercise.exchange.account_state()
    requests = exercise.exchange.status()["requests"]
    findings.equal("A-19", "requests that the exchange refused for their rate", rate_refusals(requests), 0)


def _judge_books(exercise: Exercise) -> None:
    findings, trader = exercise.findings, exercise.trader
    facts = journal_facts.read(trader.state_dir)
    chain = journal_facts.chain(trader.state_dir)
    findings.holds("A-23", "the journal is one unbroken chain", chain.ok, chain.reason or f"{chain.records} records")
    findings.below("A-14", "error rate", facts.error_percent(), ERROR_PERCENT, "%")
    judge_orders(findings, facts, read_books(facts, exercise.calls, exercise.account), trader.status())
    judge_use(exercise.context, findings, NAME, *exercise.traders)
    last = facts.measurements[-1] if facts.measurements else {}
    exercise.context.performance_metrics[NAME] = {
        "sessions": len(exercise.traders),
        "ready_s": exercise.ready_s,
        "orders": len(facts.places),
        "fills": len(facts.fills),
        "step_us": last.get("step_us"),
        "place_us": last.get("place_us"),
        "journal_records": facts.records,
        "journal_head": facts.head,
    }

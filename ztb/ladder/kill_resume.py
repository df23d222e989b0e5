"""Fourth rung: kill a trading trader, see that nothing leaves, bring it back, see that it is stable (A-06).

Two kinds of kill. The *kill latch*, by its file, by SIGUSR1 and by ZTB_KILL=1: latched at once, durable, lifted only
with a reason. And SIGKILL of the process, while orders flow: what was under way must be found again, and nothing sent
twice. What the exchange received is the judge of both.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from typing import Any, Final

from ztb.core.rules import CONSERVATIVE
from ztb.ladder import journal_facts
from ztb.ladder.audit_check import judge_audit
from ztb.ladder.context import Context
from ztb.ladder.evidence import Findings
from ztb.ladder.exercise import KILLED, LOAD, LOAD_POLICY, PERMILLE, Exercise, step_progress
from ztb.ladder.judge import judge_log, judge_sessions, judge_use
from ztb.ladder.orders import judge_orders, read_books

NAME: Final = "kill-resume"
WARM_UP_ORDERS: Final = 3
LATCH_MS_MAX: Final = 1_000.0
READY_S: Final = 5.0
STOP_S: Final = 5.0
READY_AFTER_KILL_S: Final = 15.0
"""Looking up an order of unknown fate takes repeated looks at the venue."""
SETTLE_S: Final = 0.2
"""Bytes that left before the latch may still be on their way through the loopback."""
SILENT_MINUTES: Final = 0.25
"""Of the market, at least, under a kill by signal or environment; the kill by file is watched until it stopped one."""
SLOW_MS: Final = 150
"""Orders answered so slowly that a SIGKILL finds some of them under way."""
SIGKILLS: Final = 3
ERROR_PERCENT: Final = 1.0
KILL_REASON: Final = "canary ladder: kill exercise"
RESUME_REASON: Final = "canary ladder: resume exercise"
CHOICE: Final = json.dumps({"profile": "configured", "reason": RESUME_REASON})
"""The operator's file that ends the conservative limits."""
KILL_SOURCES: Final = ("kill file", "signal", "environment")
ERRORS_EXPECTED: Final = ("killed",)
"""The kills of this rung are told as emergencies."""


class Unready(Exception):
    """The trader did not get READY; what failed stands in the findings, and no later step makes sense."""


def run(context: Context, findings: Findings) -> None:
    """The whole exercise."""
    exercise = Exercise(context, findings, NAME)
    context.sessions[NAME] = exercise.context.directory("work") / f"{NAME}-state"
    try:
        with context.progress(NAME, len(STEPS) * PERMILLE) as advance:
            for step in STEPS:
                exercise.tick = step_progress(advance)
                step(exercise)
                exercise.tick(1.0)
        calls, account = exercise.exchange.calls(), exercise.exchange.account_state()
        refused = exercise.exchange.rate_refusals()
    except Unready:
        return
    finally:
        exercise.close()
    findings.equal("A-19", "requests that the exchange refused for their rate", refused, 0)
    _judge(exercise, calls, account)


def _start(exercise: Exercise, limit_s: float, *, killed: bool = False) -> None:
    ready_s = exercise.start(killed=killed)
    exercise.findings.at_most("A-22", f"READY, start {len(exercise.traders)}", ready_s, limit_s, "s")
    if ready_s is None:
        raise Unready


def _stop_orderly(exercise: Exercise) -> None:
    code, stop_s = exercise.trader.stop()
    number = len(exercise.traders)
    exercise.findings.equal("A-22", f"exit code after SIGTERM, stop {number}", code, 0)
    exercise.findings.at_most("A-22", f"stopped within, stop {number}", stop_s, STOP_S, "s")


def _trade(exercise: Exercise) -> None:
    """A policy that trades too rarely to be killed in the act hands over to one that does not: a person decides."""
    findings, policy = exercise.findings, exercise.context.options.policy
    _start(exercise, READY_S)
    received = exercise.wait_for_orders(WARM_UP_ORDERS)
    if received < WARM_UP_ORDERS and not exercise.load:
        minutes = exercise.orders_wall_s_max * exercise.context.options.time_scale / 60
        told = f"{policy}: {received} in {minutes:g} min of the market; the exercise goes on with {LOAD_POLICY}"
        findings.warn("A-06", "the policy itself trades while it is killed", told, f">= {WARM_UP_ORDERS} orders")
        _stop_orderly(exercise)
        exercise.load = LOAD
        _start(exercise, READY_S)
        received = exercise.wait_for_orders(WARM_UP_ORDERS)
    findings.at_least("A-06", "orders under way before the kill", received, WARM_UP_ORDERS, "orders")


def _kill_by_file(exercise: Exercise) -> None:
    latch_ms = exercise.wait_for_latch(exercise.put("kill", KILL_REASON))
    exercise.findings.at_most("A-21", "kill file to latch", latch_ms, LATCH_MS_MAX, "ms")
    exercise.context.performance_metrics["kill_latch_ms"] = {"kill file": latch_ms}


def _stay_silent(exercise: Exercise) -> None:
    """A quarter of the window under the latch, the market running: nothing leaves, though the policy wants to trade."""
    findings = exercise.findings
    time.sleep(SETTLE_S)
    before = exercise.orders_received()
    exercise.watch_killed(exercise.window_s / 4)
    findings.equal("A-21", "orders that left after the latch", exercise.orders_received() - before, 0)
    working = len(exercise.exchange.account_state()["orders"])
    findings.equal("A-21", "orders still working at the exchange", working, 0)
    _stop_orderly(exercise)
    refused = journal_facts.outcomes(exercise.trader.state_dir)[KILLED]
    findings.at_least("A-21", "signals refused because of the kill", refused, 1, "signals")


def _restart_killed(exercise: Exercise) -> None:
    """The latch and the books are as they were; the deleted kill file does not lift it."""
    findings = exercise.findings
    before = exercise.trader.status()
    exercise.operator_file("kill").unlink(missing_ok=True)
    received = exercise.orders_received()
    _start(exercise, READY_S)
    now = exercise.trader.status()
    if before is None or now is None:
        findings.fail("A-23", "state after the restart", "a trader left no status")
        return
    findings.equal("A-23", "kill latch survives restart and deleted file", now["kill"]["on"], True)
    _same_books(findings, before, now)
    exercise.watch(exercise.window_s / 8)
    findings.equal("A-23", "orders that left before the resume", exercise.orders_received() - received, 0)


def _same_books(findings: Findings, before: dict[str, Any], now: dict[str, Any]) -> None:
    findings.at_least("A-23", "instruments in the books", len(before["instruments"]), 1, "instruments")
    for name, value in before["instruments"].items():
        desk = now["instruments"].get(name, {})
        for member in ("position", "realised", "fees"):
            findings.equal("A-23", f"{member} of {name}", desk.get(member), value[member])
    for member in ("install", "sequence"):
        findings.equal("A-23", f"order {member}", now["session"][member], before["session"][member])


def _resume(exercise: Exercise) -> None:
    """Only with a reason; then orders flow again."""
    _lift_latch(exercise, "first")
    received = exercise.wait_for_orders(WARM_UP_ORDERS)
    exercise.findings.at_least("A-24", "orders after the resume", received, WARM_UP_ORDERS, "orders")


def _lift_latch(exercise: Exercise, name: str) -> None:
    """A resume leaves the conservative limits in force, if the profile wants that; then a person ends them too."""
    findings, risk = exercise.findings, exercise.context.options.loaded.profile.risk
    configured = "" if exercise.load or risk.profile == "none" else risk.profile
    after_kill = CONSERVATIVE if risk.conservative_after_kill else configured
    exercise.put("resume", RESUME_REASON)
    findings.equal("B-15", f"limits after the {name} resume", exercise.wait_for_limits(after_kill), after_kill)
    exercise.put("risk-profile", CHOICE)
    held = exercise.wait_for_limits(configured)
    findings.equal("B-15", f"limits after the {name} choice of a person", held, configured)


def _kill_by_signal(exercise: Exercise) -> None:
    findings = exercise.findings
    begin_ns = time.time_ns()
    exercise.trader.signal(signal.SIGUSR1)
    latch_ms = exercise.wait_for_latch(begin_ns)
    findings.at_most("A-21", "SIGUSR1 to latch", latch_ms, LATCH_MS_MAX, "ms")
    exercise.context.performance_metrics["kill_latch_ms"]["SIGUSR1"] = latch_ms
    time.sleep(SETTLE_S)
    before = exercise.orders_received()
    exercise.watch(max(exercise.window_s / 16, exercise.context.wall_seconds(SILENT_MINUTES)))
    findings.equal("A-21", "orders that left after SIGUSR1", exercise.orders_received() - before, 0)
    _lift_latch(exercise, "second")
    findings.at_least("A-24", "orders after the second resume", exercise.wait_for_orders(1), 1, "orders")
    _stop_orderly(exercise)


def _kill_by_environment(exercise: Exercise) -> None:
    """Started with ZTB_KILL=1 a trader is killed from its first moment."""
    findings = exercise.findings
    before = exercise.orders_received()
    _start(exercise, READY_S, killed=True)
    status = exercise.trader.status()
    findings.equal(
        "A-32", "killed from the start by ZTB_KILL=1", None if status is None else status["kill"]["on"], True
    )
    exercise.watch(max(exercise.window_s / 16, exercise.context.wall_seconds(SILENT_MINUTES)))
    findings.equal("A-21", "orders that left under ZTB_KILL=1", exercise.orders_received() - before, 0)
    _lift_latch(exercise, "third")
    findings.at_least("A-24", "orders after the third resume", exercise.wait_for_orders(1), 1, "orders")


def _kill_processes(exercise: Exercise) -> None:
    """SIGKILL while orders are under way, again and again, at moments that the run id decides."""
    findings = exercise.findings
    moments = random.Random(exercise.context.options.run_id)
    exercise.exchange.mood(name="slow", ms=SLOW_MS, methods=["trade"])
    for number in range(SIGKILLS):
        received = exercise.wait_for_orders(1)
        findings.at_least("A-06", f"orders under way before SIGKILL {number + 1}", received, 1, "orders")
        time.sleep(moments.random() * SLOW_MS / 1000)
        findings.equal("A-24", f"it runs until SIGKILL {number + 1}", exercise.trader.is_running, True)
        exercise.trader.kill()
        chain = journal_facts.chain(exercise.trader.state_dir)
        told = chain.reason or f"{chain.records} records"
        findings.holds("A-23", f"the journal verifies after SIGKILL {number + 1}", chain.ok, told)
        _start(exercise, READY_AFTER_KILL_S)
        exercise.tick((number + 1) / SIGKILLS)
    exercise.exchange.mood(name="slow", off=True)


def _stop(exercise: Exercise) -> None:
    """The rest of the window, undisturbed; then an orderly stop."""
    findings = exercise.findings
    received = exercise.wait_for_orders(1)
    findings.at_least("A-24", "orders after the last restart", received, 1, "orders")
    exercise.watch(exercise.window_s / 2)
    findings.equal("A-24", "it runs to the end of the window", exercise.trader.is_running, True)
    _stop_orderly(exercise)


STEPS: Final[tuple[Callable[[Exercise], None], ...]] = (
    _trade, _kill_by_file, _stay_silent, _restart_killed, _resume, _kill_by_signal, _kill_by_environment,
    _kill_processes, _stop,
)  # fmt: skip


def _judge(exercise: Exercise, calls: list[dict[str, Any]], account: dict[str, Any]) -> None:
    findings, context = exercise.findings, exercise.context
    facts = journal_facts.read(exercise.trader.state_dir)
    judge_sessions(context, findings, facts, *exercise.traders)
    findings.equal("A-21", "orders decided under a kill", facts.places_while_killed, 0)
    kills = ", ".join(f"{name} {facts.kills[name]}" for name in KILL_SOURCES)
    findings.equal("A-21", "kills in the journal, by source", kills, ", ".join(f"{name} 1" for name in KILL_SOURCES))
    findings.equal("A-24", "resumes in the journal", facts.notices["resumed"], len(KILL_SOURCES))
    findings.below("A-14", "error rate", facts.error_percent(), ERROR_PERCENT, "%")
    books = read_books(facts, calls, account)
    judge_orders(findings, facts, books, exercise.trader.status())
    judge_audit(context, findings, exercise.trader)
    judge_log(findings, exercise.log, expected=ERRORS_EXPECTED, time_scale=context.options.time_scale)
    judge_use(context, findings, NAME, *exercise.traders)
    last = facts.measurements[-1] if facts.measurements else {}
    context.performance_metrics[NAME] = {
        "sessions": len(exercise.traders),
        "ready_s": exercise.ready_s,
        "orders": len(facts.places),
        "fills": len(facts.fills),
        "step_us": last.get("step_us"),
        "place_us": last.get("place_us"),
        "journal_records": facts.records,
        "journal_head": facts.head,
    }

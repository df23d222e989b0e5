"""The kill/resume rung's world: one exchange, and one trader after another on the same state directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ztb.ladder import journal_facts, logs
from ztb.ladder.context import LOGS, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.exchange import Exchange
from ztb.ladder.trader import TraderProcess

LOAD_POLICY: Final = "sma_fast_slow"
LOAD: Final = (
    f"policy.name={LOAD_POLICY}", "policy.parameters.fast=2", "policy.parameters.slow=4",
    "policy.parameters.bar_seconds=1", "limits.orders_per_minute_max=50", "risk.profile=none", "risk.cool_down=false",
    "risk.losses_in_row_max=0",
)  # fmt: skip
"""Averages so short that orders are always on their way, and no limit that ends that after a few of them."""
ORDERS_MINUTES_MAX: Final = 10.0
ORDERS_WALL_S_MIN: Final = 10.0
"""How long orders are waited for: so much of the market's time, but never less than so much of the wall's."""
LOOK_S: Final = 0.05
SIGNAL_LOOK_S: Final = 0.25
KILLED: Final = "killed"
"""The code of a refusal because of the kill latch."""
LATCH_S_MAX: Final = 5.0
PERMILLE: Final = 1_000


class Exercise:
    """State and means of the rung; the steps are in ``kill_resume``."""

    def __init__(self, context: Context, findings: Findings, name: str) -> None:
        self.context = context
        self.findings = findings
        self.name = name
        self.exchange = Exchange(context, name)
        self.log = context.directory(LOGS) / f"trade-bot-{name}.log"
        self.traders: list[TraderProcess] = []
        self.ready_s: list[float | None] = []
        self.window_s = context.wall_seconds(context.options.durations.kill_resume)
        self.load = LOAD if context.options.policy == LOAD_POLICY else ()
        """Settings that make orders flow; a policy of the user's own is first tried as it is."""
        self.tick: Callable[[float], None] = lambda part: None
        """Told how far the step is that is under way, from 0 to 1."""

    @property
    def trader(self) -> TraderProcess:
        """The one that runs now, or ran last."""
        return self.traders[-1]

    @property
    def orders_wall_s_max(self) -> float:
        """How long orders are waited for."""
        return max(ORDERS_WALL_S_MIN, self.context.wall_seconds(ORDERS_MINUTES_MAX))

    def start(self, *, killed: bool = False) -> float | None:
        """Start a trader on the state of the one before it; seconds to READY, None when it did not get there."""
        overrides = (*self.context.options.trader_overrides(), *self.load)
        trader = TraderProcess(
            self.context, exchange=self.exchange, name=self.name, log=self.log, overrides=overrides, start_killed=killed
        )
        self.traders.append(trader)
        self.ready_s.append(trader.wait_ready())
        if self.ready_s[-1] is None:
            told = f"exit code {trader.exit_code}: {trader.last_words()}"
            self.findings.fail("A-23", f"start {len(self.traders)} of the trader gets READY", told)
        return self.ready_s[-1]

    def orders_received(self) -> int:
        """Orders that reached the exchange so far."""
        return sum(call["method"] == "trade" for call in self.exchange.calls())

    def wait_for_orders(self, count: int) -> int:
        """Until the exchange has received ``count`` more orders, or too long; how many it did."""
        before, begin = self.orders_received(), time.monotonic()
        received = 0
        while received < count and self.trader.is_running:
            passed = time.monotonic() - begin
            if passed > self.orders_wall_s_max:
                break
            self.tick(max(received / count, passed / self.orders_wall_s_max))
            self.trader.measure()
            time.sleep(LOOK_S)
            received = self.orders_received() - before
        return received

    def watch(self, seconds: float) -> None:
        """Let the trader run."""
        passed = 0.0
        for part in self.trader.watch(seconds):
            passed += part
            self.tick(min(1.0, passed / seconds))

    def watch_killed(self, seconds: float) -> None:
        """Let a killed trader run for ``seconds``, and on until the policy has wanted something that was refused."""
        self.watch(seconds)
        for _ in range(int(self.orders_wall_s_max / SIGNAL_LOOK_S)):
            if journal_facts.outcomes(self.trader.state_dir)[KILLED] or not self.trader.is_running:
                return
            self.watch(SIGNAL_LOOK_S)

    def wait_for_latch(self, begin_ns: int) -> float | None:
        """Milliseconds from ``begin_ns`` until the log says ``killed``, as exact as a log is; None: it never did."""
        deadline = time.monotonic() + LATCH_S_MAX
        while time.monotonic() < deadline:
            latched_ns = logs.read(self.log).first_ns("killed", since_ns=begin_ns)
            if latched_ns is not None:
                return max(0.0, (latched_ns - begin_ns) / 1e6)
            time.sleep(LOOK_S)
        return None

    def wait_for_limits(self, name: str) -> str | None:
        """Until the trader, not killed, says that the risk profile ``name`` holds; what it says in the end."""
        told = None
        deadline = time.monotonic() + LATCH_S_MAX
        while time.monotonic() < deadline and self.trader.is_running:
            status = self.trader.status()
            if status is not None and not status["kill"]["on"]:
                told = str(status["risk"]["profile"])
                if told == name:
                    break
            time.sleep(LOOK_S)
        return told

    def operator_file(self, name: str) -> Path:
        """A file of the operator directory."""
        return self.trader.runtime_dir / "operator" / name

    def put(self, name: str, text: str) -> int:
        """Write an operator file in one step; the wall time (ns) right before it appeared."""
        fresh = self.operator_file(f".{name}.new")
        fresh.write_text(text)
        begin_ns = time.time_ns()
        fresh.replace(self.operator_file(name))
        return begin_ns

    def close(self) -> None:
        """End whatever still runs."""
        try:
            for trader in self.traders:
                trader.kill()
        finally:
            self.exchange.stop()


def step_progress(advance: Callable[[int], None]) -> Callable[[float], None]:
    """Turns how far one step is (0 to 1, never back) into units of a bar that has ``PERMILLE`` for each step."""
    done = 0

    def tick(part: float) -> None:
        nonlocal done
        reached = min(PERMILLE, int(part * PERMILLE))
        if reached > done:
            advance(reached - done)
            done = reached

    return tick

"""The SMA job through the real engine: ``python -m tests.bench.sma_job --csv FILE --journal memory|durable --json``.

The rule: everything that ``ztb replay`` does is done (every row checked, every limit evaluated, every order through
its whole life, every decision and order in the hash-chained journal; with ``durable`` each intent fsynced before the
venue sees it), and the answer is right: as many orders and, to the last unit, as much money as the bare loop.
Measured is CPU time, bare loop and run alternating in one process, the best of each.
"""

from __future__ import annotations

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

from tests.bench.bare_loop import CAPITAL, bare_loop
from ztb.core.error import ZtbError
from ztb.core.event import Reconciled, Started, Trade
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.policy import HOLD, Decision, Policy
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.policies.indicators import Sma
from ztb.service.pump import Log, PumpResult, pump
from ztb.store.journal import Journal, MemoryJournal
from ztb.store.tape_trades_csv import read_trades
from ztb.venues.replay import ReplayVenue

ROOT: Final = Path(__file__).resolve().parents[2]
HOUR_NS: Final = 3_600_000_000_000
NOW_NS: Final = 1_700_000_000_000_000_000
"""Of the journal's identity row; a fixed one, so that two runs write the same bytes."""

INSTRUMENT: Final = Instrument(
    "btc_jpy", "btc", "jpy", tick_size=Decimal(5), lot_size=Decimal("0.001"), money_scale=5, taker_fee_ppm=1_000
)
"""Money in 0.00001 JPY: 0.1 % of 5 JPY x 0.01 BTC is a whole number of them, so no fee of the job is rounded."""

WIDE: Final = Limits(
    order_lots_max=1_000, position_lots_max=1_000, order_notional_max=10**15, position_notional_max=10**15,
    daily_loss_max=10**13, drawdown_ppm_max=999_999, orders_per_minute_max=100_000, open_orders_max=100,
    price_collar_ppm=50_000, stale_ns_max=HOUR_NS, order_ttl_ns=HOUR_NS,
)  # fmt: skip
"""Each one is evaluated for each order, and none is met."""


class SmaLevel(Policy):
    """The job's own rule, which looks at the level and not at the crossing: long while the fast average is above."""

    name = "sma_level"
    input_names = ("price", "fast_sum", "slow_sum")

    def __init__(self, *, fast: int = 10, slow: int = 30) -> None:
        self._fast = Sma(fast)
        self._slow = Sma(slow)
        self._fast_length = fast
        self._slow_length = slow

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """One decision for each trade."""
        price = trade.price
        slow = self._slow
        fast_sum = self._fast.push(price)
        slow_sum = slow.push(price)
        if not slow.ready:
            return Decision(HOLD, "warming_up", (price, fast_sum, slow_sum))
        gap = fast_sum * self._slow_length - slow_sum * self._fast_length
        if gap > 0 and held_lots == 0:
            return Decision(BUY, "fast_above_slow", (price, fast_sum, slow_sum))
        if gap < 0 and held_lots > 0:
            return Decision(SELL, "fast_below_slow", (price, fast_sum, slow_sum))
        return Decision(HOLD, "nothing_to_change", (price, fast_sum, slow_sum))


class SmaWatch(SmaLevel):
    """Sees what the other sees, computes what it computes, and never acts."""

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """Every decision is to hold."""
        decision = super().on_trade(trade, held_lots)
        return decision if decision is None or decision.action == HOLD else Decision(HOLD, "", decision.inputs)


class NoJournal:
    """Takes records and keeps nothing, to see what the rest costs."""

    def append(self, ts_ns: int, kind: str, body: bytes) -> int:
        """Nothing."""
        return 0

    def commit(self) -> None:
        """Nothing."""


def new_engine(policy: Policy) -> Engine:
    """The engine of the job, with all limits set."""
    capital = INSTRUMENT.money.exact(Decimal(CAPITAL))
    return Engine(EngineConfig((INSTRUMENT,), WIDE, capital, order_lots=10), policy)


def run_job(path: Path, engine: Engine, journal: Log, *, commit_each_order: bool) -> PumpResult:
    """The whole job: from the file to the last record."""
    opening = (Started(1, "sma-job", 1), Reconciled(1, True))
    trades = read_trades(path, INSTRUMENT)
    venue = ReplayVenue(INSTRUMENT)
    return pump(trades, engine, venue, journal, commit_each_order=commit_each_order, opening=opening)


def cash_of(engine: Engine) -> Decimal:
    """Money that is not in the position: what the bare loop calls cash."""
    position = engine.state.ledger.positions[INSTRUMENT.symbol]
    return INSTRUMENT.money.decimal(engine.state.ledger.capital + position.realised - position.fees - position.cost)


def check(path: Path, result: PumpResult, engine: Engine) -> None:
    """SystemExit when the engine's answer is not that of the bare loop."""
    ticks, orders, cash = bare_loop(path)
    found = (result.events, result.orders, result.fills, result.decisions, len(result.notices))
    if found != (ticks, orders, orders, ticks, 0):
        raise SystemExit(f"sma_job: events, orders, fills, decisions, notices are {found}; {ticks} ticks, {orders}")
    if abs(cash_of(engine) - Decimal(cash)) > Decimal("0.001"):  # the bare loop adds up floats
        raise SystemExit(f"sma_job: the ledger holds {cash_of(engine)} JPY, the bare loop {cash}")


def cpu_seconds(work: Callable[[], object]) -> tuple[float, float]:
    """CPU and wall time of ``work``."""
    gc.collect()
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


class Job:
    """One kind of journal, measured ``repeat`` times."""

    def __init__(self, path: Path, *, durable_in: Path | None) -> None:
        self.path = path
        self.durable_in = durable_in
        self.engine = new_engine(SmaLevel())
        self.result = PumpResult()
        self.head = ""
        self._number = 0

    def run(self) -> None:
        """Once, with a new engine and a new journal."""
        self.engine = new_engine(SmaLevel())
        journal: Journal | MemoryJournal = MemoryJournal()
        if self.durable_in is not None:
            self._number += 1
            path = self.durable_in / f"journal-{self._number}.db"
            journal = Journal.open(path, profile="bench", mode="replay", now_ns=NOW_NS)
        try:
            self.result = run_job(self.path, self.engine, journal, commit_each_order=self.durable_in is not None)
            self.head = journal.head.hash.hex()
        finally:
            journal.close()


def measure(job: Job, *, repeat: int) -> dict[str, object]:
    """Bare loop and run, alternating; the best of each."""
    bare: list[float] = []
    runs: list[tuple[float, float]] = []
    for _ in range(repeat):
        bare.append(cpu_seconds(lambda: bare_loop(job.path))[0])
        runs.append(cpu_seconds(job.run))
    check(job.path, job.result, job.engine)
    run_cpu, run_wall = min(runs)
    result = job.result
    return {
        "journal": "memory" if job.durable_in is None else "durable",
        "ticks": result.events,
        "orders": result.orders,
        "events_per_s": round(result.events / run_wall),
        "run_cpu_s": round(run_cpu, 3),
        "run_wall_s": round(run_wall, 3),
        "bare_loop_cpu_s": round(min(bare), 3),
        "ratio": round(run_cpu / min(bare), 2),
        "cpu_us_per_tick": round(run_cpu / result.events * 1e6, 3),
        "records": result.records,
        "repeat": repeat,
        "parts_cpu_s": parts(job, run_cpu),
    }


def parts(job: Job, run_cpu: float) -> dict[str, float]:
    """Where the time goes, by leaving out one part after another; the parts add up to the run."""
    path = job.path
    reading = cpu_seconds(lambda: deque(read_trades(path, INSTRUMENT), maxlen=0))[0]
    watching = cpu_seconds(lambda: run_job(path, new_engine(SmaWatch()), NoJournal(), commit_each_order=False))[0]
    unwritten = cpu_seconds(lambda: run_job(path, new_engine(SmaLevel()), NoJournal(), commit_each_order=False))[0]
    return {
        "reading": round(reading, 3),
        "policy_engine_decisions": round(watching - reading, 3),
        "orders": round(unwritten - watching, 3),
        "journal": round(run_cpu - unwritten, 3),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sma_job", description=__doc__)
    parser.add_argument("--csv", type=Path, required=True, metavar="FILE", help="ticks: ts_ns,price,qty,side")
    parser.add_argument("--journal", choices=("memory", "durable"), default="memory")
    parser.add_argument("--dir", type=Path, help="where the durable journal is written (default: build/bench)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each kind, of which the best counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    folder: Path | None = None
    try:
        if options.journal == "durable":
            base = options.dir or ROOT / "build" / "bench"
            base.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix="sma-job-", dir=base))
        figures = measure(Job(options.csv, durable_in=folder), repeat=options.repeat)
    except ZtbError as error:
        print(f"sma_job: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        if folder is not None:
            shutil.rmtree(folder)
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

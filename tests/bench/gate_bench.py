"""One wish through the whole pre-trade gate: ``python -m tests.bench.gate_bench --json``.

Every limit is set and none is met, so that each check is made: controls, arming, freshness, sizing by budget, cap and
bad times, the venue's rules, limits of the order, the instrument, the account and the pace, reduce-only, slippage by
the book; then the gate at the wire. Two instruments, ten working orders, two that have not settled, both held, an hour
of minutes, a quarter of a year of days. The reference is the same arithmetic as a bare function over plain numbers. A
gate that lets nothing through would be fast: whoever is refused ends the benchmark.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from tests.bench.engine_latency import percentiles
from ztb.core.command import Place
from ztb.core.event import (
    Depth,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderFilled,
    OrderSent,
    Reconciled,
    Started,
    Trade,
)
from ztb.core.gate import judge
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.market import Desk
from ztb.core.policy import Decision, Policy
from ztb.core.rules import Exits, SizePlan
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.host.clock import HostClock
from ztb.service.gate import WireGate

WISHES: Final = 50_000
P99_US_MAX: Final = 20.0
START_NS: Final = 1_700_000_040_000_000_000
SECOND_NS: Final = 1_000_000_000
WORKING: Final = 10
PRICE: Final = 10_000

SPOT: Final = Instrument("btc_jpy", "btc", "jpy", Decimal(1), Decimal("0.001"), 3)
LEVERAGED: Final = replace(SPOT, symbol="fx_btc_jpy", leveraged=True)
LIMITS: Final = Limits(
    order_lots_max=1_000, position_lots_max=10_000, order_notional_max=10**10, position_notional_max=10**11,
    daily_loss_max=10**9, drawdown_ppm_max=200_000, orders_per_minute_max=1_000, open_orders_max=100,
    price_collar_ppm=50_000, stale_ns_max=3_600 * SECOND_NS, order_ttl_ns=3_600 * SECOND_NS, exposure_max=10**11,
    leverage_ppm_max=3_000_000, orders_per_day_max=10_000, day_notional_max=10**12, orders_per_hour_max=1_000,
    order_gap_ns=1, volatility_ppm_max=900_000, sharpe_milli_min=-50_000, slippage_ppm_max=50_000,
    daily_loss_ppm_max=100_000, trade_loss_max=10**9, losses_in_row_max=1_000, price_move_ppm_max=100_000,
    fill_slippage_ppm_max=500_000, wallet_drift_lots_max=1,
)  # fmt: skip
PLAN: Final = SizePlan(risk_ppm=900_000, cap_ppm=500_000, shrink=True, high_atr_ppm=100)
EXITS: Final = Exits(stop_loss_ppm=500_000, take_profit_ppm=500_000, trailing_ppm=500_000, cool_down=True)


class Wishes(Policy):
    """Wants what it was told to want."""

    def __init__(self) -> None:
        self.side = 0

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """One wish, once."""
        side, self.side = self.side, 0
        return Decision(side, "wanted", (trade.price,)) if side else None


class Desks:
    """An engine in the middle of its day."""

    def __init__(self) -> None:
        self.policy = Wishes()
        config = EngineConfig((SPOT, LEVERAGED), LIMITS, 10**10, order_lots=100, plan=PLAN, exits=EXITS)
        self.engine = Engine(config, self.policy)
        self.now_ns = START_NS
        self.engine.step(Started(START_NS, "gate", 1))
        self.engine.step(Reconciled(START_NS, True))
        self._fill_the_hour()
        for gained in (300, -200, 100) * 30:
            self.engine.state.tally.turn_day(day_open=10**6, equity=10**6 + gained)
        for symbol in (SPOT.symbol, LEVERAGED.symbol):
            self.order(symbol, ends="filled")
            self.order(symbol, ends="cancelled")
            for _ in range(WORKING // 2):
                self.order(symbol)

    def _fill_the_hour(self) -> None:
        for second in range(0, 63 * 60, 20):
            self.now_ns = START_NS + second * SECOND_NS
            for symbol in (SPOT.symbol, LEVERAGED.symbol):
                self.market(symbol, PRICE + second % 11)
        for symbol in (SPOT.symbol, LEVERAGED.symbol):
            bids = tuple((PRICE - 1 - level, 60) for level in range(10))
            asks = tuple((PRICE + 1 + level, 60) for level in range(10))
            self.engine.step(Depth(self.now_ns, symbol, bids, asks, True))
            self.market(symbol, PRICE)

    def market(self, symbol: str, price: int) -> list[Place]:
        """A trade, and the order that it led to."""
        commands = self.engine.step(Trade(self.now_ns, symbol, price, 1, BUY))
        return [one for one in commands if isinstance(one, Place)]

    def order(self, symbol: str, *, ends: str = "") -> Place:
        """One that works, or has been filled, or was cancelled and has not settled."""
        self.now_ns += SECOND_NS // 10
        self.policy.side = BUY
        placed = self.market(symbol, PRICE)
        if not placed:
            raise SystemExit(f"gate_bench: refused: {self.engine.take_decisions()[-1][5]}")
        place, step = placed[0], self.engine.step
        step(OrderDurable(self.now_ns, place.client_id))
        step(OrderSent(self.now_ns, place.client_id))
        step(OrderAccepted(self.now_ns, place.client_id, f"v{place.sequence}"))
        if ends == "filled":
            step(OrderFilled(self.now_ns, place.client_id, f"t{place.sequence}", place.lots, place.price, 0))
        elif ends == "cancelled":
            step(OrderCancelled(self.now_ns, place.client_id))
        return place


def core_gate(desks: Desks) -> Callable[[int], bool]:
    """One wish to buy, each instrument in its turn."""
    engine = desks.engine
    state, config, rules = engine.state, engine.config, engine.risk.rules
    both: list[Desk] = list(state.desks.values())
    now_ns = desks.now_ns + SECOND_NS

    def ask(number: int) -> bool:
        return judge(state, config, rules, both[number % 2], BUY, now_ns + number).proposal is not None

    return ask


def wire_gate(desks: Desks, place: Place) -> Callable[[int], bool]:
    """The last question before the bytes; it raises where the answer is no."""
    gate = WireGate(desks.engine.state, HostClock(), armed=True, journal_failure=lambda: None)

    def ask(number: int) -> bool:
        gate.check(place)
        return True

    return ask


def bare_gate() -> Callable[[int], bool]:
    """What somebody writes without an engine: the same limits over plain numbers, of one instrument."""
    orders = [(BUY, 100.0, 10_010.0)] * (WORKING // 2 + 1) + [(SELL, 0.0, 10_100.0)]
    returns = [0.0003, -0.0002, 0.0001] * 30

    def ask(number: int) -> bool:
        price, held, equity = 10_010.0 + number % 2, 100.0, 1e10
        lots = min(100.0, equity * 0.9 / 11, equity * 0.5 / price)
        worst = held + sum(size for side, size, _ in orders if side == BUY) + lots
        exposure = worst * max(at for _, _, at in orders)
        mean = sum(returns) / len(returns)
        return (
            lots <= 1_000 and worst <= 10_000 and lots * price <= 1e10 and exposure <= 1e11
            and exposure <= 3 * equity and abs(price - 10_000.0) <= 500.0 and mean > -1.0
        )  # fmt: skip

    return ask


def timed(ask: Callable[[int], bool], *, wishes: int) -> array[int]:
    """Nanoseconds of each wish; SystemExit for one that is refused."""
    clock, taken = time.perf_counter_ns, array("q")
    for number in range(wishes):
        began = clock()
        is_allowed = ask(number)
        taken.append(clock() - began)
        if not is_allowed:
            raise SystemExit("gate_bench: a wish was refused, so not every check was made")
    return taken


def measure(*, wishes: int) -> dict[str, object]:
    """Reference, gate and wire, one after another in the same run."""
    desks = Desks()
    place = desks.order(LEVERAGED.symbol)
    both = core_gate(desks), wire_gate(desks, place)
    gc.collect()
    gc.freeze()
    bare = percentiles(timed(bare_gate(), wishes=wishes))
    core, wire = (percentiles(timed(ask, wishes=wishes)) for ask in both)
    whole = percentiles(timed(lambda number: both[0](number) and both[1](number), wishes=wishes))
    return {
        "wishes": wishes,
        "working_orders": len(desks.engine.state.working),
        "settling_orders": len(desks.engine.state.settling),
        "core_us": core,
        "wire_us": wire,
        "whole_us": whole,
        "bare_us": bare,
        "ratio_p50": round(whole["p50"] / max(0.01, bare["p50"]), 2),
        "p99_us_max": P99_US_MAX,
        "holds": whole["p99"] <= P99_US_MAX,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gate_bench", description=__doc__)
    parser.add_argument("--wishes", type=int, default=WISHES)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.wishes < 1:
        parser.error("--wishes must be at least 1")
    figures = measure(wishes=options.wishes)
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value}" for name, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The trader that ``kill_bench`` kills: a real session on uvloop that orders all the time, and tells of its latch.

Told on standard output, one line for each kill: when the latch was set, and when that was on disk (the clock is the
one of the whole host, so another process can subtract).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

import uvloop

from tests.bench.wire_trader import KEY, SECRET
from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision, Policy
from ztb.host.clock import HostClock
from ztb.host.config import load_profile
from ztb.host.credentials import Keys
from ztb.host.secrets import Secret
from ztb.service.records import Records
from ztb.service.session import Session
from ztb.service.setting import SessionOptions, Setting
from ztb.venues.registry import addresses_at

TRADES_PER_ORDER: Final = 500
"""Of 5,000 a second: ten orders a second, as many as may be configured."""
ORDER_LOTS: Final = 100
HELD_LOTS: Final = 5 * ORDER_LOTS
"""At least so much is held, so that a fall of the price costs something."""
OVERRIDES: Final = (
    "venue.name=gmo", "venue.instrument=BTC", "venue.rate_factor=100", "sizing.order_size=0.0100",
    "sizing.capital=1000000", "limits.order_size_max=0.0100", "limits.order_notional_max=1000000",
    "limits.position_max=0.1000", "limits.position_notional_max=1000000", "limits.leverage_max=0",
    "limits.orders_per_minute_max=600", "limits.open_orders_max=20", "limits.daily_loss_max=900000",
    "limits.drawdown_max_pct=3", "limits.price_collar_pct=10", "risk.losses_in_row_max=0",
    "risk.price_move_max_pct=0", "risk.fill_slippage_max_pct=0", "risk.conservative_after_kill=false",
)  # fmt: skip


class Busy(Policy):
    """Buys until enough is held, then sells and buys by turns."""

    name = "busy"
    input_names: tuple[str, ...] = ("held_lots",)

    def __init__(self) -> None:
        self._trades = 0

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """An order at every so many trades."""
        self._trades += 1
        if self._trades % TRADES_PER_ORDER:
            return None
        return Decision(SELL if held_lots > HELD_LOTS else BUY, "busy", (held_lots,))


def tell_of_kills() -> None:
    """Wrap what the session does at a kill; nothing of it is changed."""
    note, acknowledge = Records.note_kill, Records._acknowledge_kill
    latched_ns = 0

    def noted(records: Records) -> None:
        nonlocal latched_ns
        latched_ns = time.perf_counter_ns()
        note(records)

    async def acknowledged(records: Records) -> None:
        await acknowledge(records)
        os.write(1, b"%d %d\n" % (latched_ns, time.perf_counter_ns()))

    Records.note_kill = noted  # type: ignore[method-assign, assignment]
    Records._acknowledge_kill = acknowledged  # type: ignore[method-assign, assignment]


def main(url: str, directory: Path) -> None:
    """Trade until SIGTERM."""
    options = SessionOptions(
        state_dir=directory / "state",
        runtime_dir=directory / "run",
        addresses=addresses_at("gmo", url),
        keys=Keys(Secret(KEY), Secret(SECRET)),
        mode="bench",
    )
    setting = Setting(load_profile("demo", overrides=OVERRIDES, environ={}), options, HostClock(), Busy())
    tell_of_kills()

    async def session() -> None:
        await Session(setting).run()

    uvloop.run(session())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""The trader that ``wire_latency`` measures: a real session on uvloop, whose policy orders at every trade."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import uvloop

from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision, Policy
from ztb.host.clock import HostClock
from ztb.host.config import load_profile
from ztb.host.credentials import Keys
from ztb.host.secrets import Secret
from ztb.service.session import Session
from ztb.service.setting import SessionOptions, Setting
from ztb.venues.registry import addresses_at

KEY: Final = "11111111-2222-3333-4444-555555555555"
SECRET: Final = "66666666-7777-8888-9999-000000000000"
OVERRIDES: Final = (
    "venue.name=gmo", "venue.instrument=BTC", "limits.orders_per_minute_max=600", "sizing.capital=100000000",
    "limits.order_notional_max=1000000", "limits.position_notional_max=50000000", "limits.daily_loss_max=900000",
)  # fmt: skip


class EachTrade(Policy):
    """Buys when nothing is held, else sells."""

    name = "each_trade"
    input_names: tuple[str, ...] = ("held_lots",)

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """Always an order."""
        return Decision(SELL if held_lots > 0 else BUY, "each_trade", (held_lots,))


def main(url: str, directory: Path) -> None:
    """Trade until SIGTERM."""
    options = SessionOptions(
        state_dir=directory / "state",
        runtime_dir=directory,
        addresses=addresses_at("gmo", url),
        keys=Keys(Secret(KEY), Secret(SECRET)),
        mode="bench",
    )
    loaded = load_profile("demo", overrides=OVERRIDES, environ={})
    setting = Setting(loaded, options, HostClock(), EachTrade())

    async def session() -> None:
        await Session(setting).run()

    uvloop.run(session())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""Markets made for one purpose, and policies of other people, for traders that run as processes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from ztb.core.event import Quote, Trade
from ztb.core.instrument import BUY, Instrument
from ztb.store.tape import TapeMeta, TapeWriter

BTC_JPY = Instrument("btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4, taker_fee_ppm=1_000)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
ONLY_BUYS = """
from ztb.core.instrument import BUY
from ztb.core.policy import Decision, Policy
class Theirs(Policy):
    name = "bull"
    input_names = ("held",)
    trades = 0
    def on_trade(self, trade, held_lots):
        self.trades += 1
        return Decision(BUY, "more", (held_lots,)) if self.trades % 5 == 1 else None
"""
"""A policy to plug in as ``bull``: a wish to sell would take an order to buy out of its way."""
SAW = (1_800_000, 1_799_990, 1_799_980, 1_799_990, 1_800_000, 1_800_010)


def thin_market(path: Path, *, seconds: int = 600) -> Path:
    """One lot is offered at the start and nothing after it: an order to buy takes that lot, and its rest works.

    Everybody else buys as well, so nobody ever sells to it; prices go up and down often enough to cross averages.
    """
    with TapeWriter(path, TapeMeta(BTC_JPY, source="made for a test")) as tape:
        tape.add(Quote(START_NS, "btc_jpy", 1_799_000, 1_000, 1_800_500, 1))
        for number in range(seconds * 10):
            ts_ns = START_NS + (number + 1) * STEP_NS
            tape.add(Trade(ts_ns, "btc_jpy", SAW[number % len(SAW)], 1, BUY))
    return path


def plug_in(folder: Path, name: str, source: str) -> dict[str, str]:
    """Somebody's package with one policy ``name`` (class ``Theirs``); the environment in which it is installed."""
    folder.mkdir(exist_ok=True)
    module = f"policy_{name}"
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[ztb.policies]\n{name} = {module}:Theirs\n")
    return {"PYTHONPATH": str(folder)}

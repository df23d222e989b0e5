"""A market for the soak: a walk with a thin book, so that orders fill in parts, rest, and are cancelled by age."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path

from ztb.core.event import Quote, Trade
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.store.tape import TapeMeta, TapeWriter

SYMBOL = "btc_jpy"
BTC_JPY = Instrument(SYMBOL, "btc", "jpy", Decimal(5), Decimal("0.0001"), 4, taker_fee_ppm=1_000)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 200_000_000
MIDDLE = 1_800_000
"""Ticks of 5 JPY: near 9,000,000."""
REACH = 2_000
"""The walk stays within so many ticks of the middle, so that no price leaves every limit behind."""
PHASE_S = 20
LOTS_SHOWN = (1, 1, 2, 2, 3, 14)
"""An order of ten lots rarely finds them at once: it rests, and is cancelled by its age."""


def write_market(path: Path, *, seed: int, seconds: int) -> Path:
    """Five moments in a second, each a quote and often a trade; every other ``PHASE_S`` is quiet.

    In a quiet phase no quote comes and everybody trades in one direction: an order on that side is left waiting.
    """
    dice = random.Random(seed)
    price, crowd, last = MIDDLE, BUY, (MIDDLE, MIDDLE + 1)
    with TapeWriter(path, TapeMeta(BTC_JPY, source="made for the soak")) as tape:
        for number in range(seconds * 5):
            ts_ns = START_NS + number * STEP_NS
            price += dice.choice((-60, -20, -4, -1, 0, 0, 1, 4, 20, 60))
            price = max(MIDDLE - REACH, min(MIDDLE + REACH, price))
            spread = dice.choice((1, 1, 2, 8))
            bid, ask = price, price + spread
            shown = [dice.choice(LOTS_SHOWN) for _ in range(2)]
            is_quiet = number // (PHASE_S * 5) % 2 == 1
            if not is_quiet:
                crowd = dice.choice((BUY, SELL))
                tape.add(Quote(ts_ns, SYMBOL, bid, shown[0], ask, shown[1]))
                last = (bid, ask)
            if dice.random() < 0.7:
                side = crowd
                bid, ask = last
                lots = dice.randint(1, 9)
                tape.add(Trade(ts_ns + 1, SYMBOL, ask if side == BUY else bid, lots, side))
    return path

"""What the engine knows of one instrument's market: the last trade and the best bid and ask, each with its age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ztb.core.instrument import BUY, Instrument
from ztb.core.money import PPM
from ztb.core.position import Position

AMOUNT_MAX: Final = 1 << 60
"""Ticks or lots beyond this are nonsense; a NaN or an infinity fails the same comparison."""


@dataclass(slots=True)
class Desk:
    """One instrument with its market and this bot's position in it. Prices in ticks, 0 while unknown."""

    instrument: Instrument
    position: Position
    last_price: int = 0
    last_ns: int = 0
    bid: int = 0
    ask: int = 0
    quote_ns: int = 0
    heard_ns: int = 0
    """When anything but a trade arrived last, or the session began."""
    lateness: int = 0
    """What people were told: 0 data arrive, 1 they are late, 2 they are lost."""

    def aggressive_price(self, side: int, *, cross_ppm: int, now_ns: int, stale_ns_max: int) -> int:
        """A limit price that takes: the far touch (the last price when no fresh quote is known), plus ``cross_ppm``.

        This is how a "market" order is made on venues that have none.
        """
        is_fresh = now_ns - self.quote_ns <= stale_ns_max
        if side == BUY:
            touch = self.ask if self.ask and is_fresh else self.last_price
            return touch + touch * cross_ppm // PPM
        touch = self.bid if self.bid and is_fresh else self.last_price
        return max(1, touch - touch * cross_ppm // PPM)

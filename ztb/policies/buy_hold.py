"""Buy once and hold: the yardstick for every other policy.

The rule: it asks once in its life, checkpoints included, and never when something is held already. If that order is
refused or never fills it does not ask again: a yardstick that retries would measure the limits, not the market.
"""

from __future__ import annotations

from typing import Any, Final

from ztb.core.event import Trade
from ztb.core.instrument import BUY
from ztb.core.policy import HOLD, Decision, Policy

BUY_ONCE: Final = "buy_once"
HOLDING: Final = "holding"
ASKED_ALREADY: Final = "asked_already"


class BuyHold(Policy):
    """Buys at the first trade, then holds."""

    name = "buy_hold"
    input_names: tuple[str, ...] = ("price", "held_lots")

    def __init__(self) -> None:
        self._asked: bool = False

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """``buy_once`` at the first trade; later ``holding``, or ``asked_already`` while nothing is held."""
        inputs = (trade.price, held_lots)
        if held_lots > 0:
            self._asked = True
            return Decision(HOLD, HOLDING, inputs)
        if self._asked:
            return Decision(HOLD, ASKED_ALREADY, inputs)
        self._asked = True
        return Decision(BUY, BUY_ONCE, inputs)

    def snapshot(self) -> dict[str, Any]:
        """Whether it asked."""
        return {"asked": self._asked}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take back whether it asked."""
        self._asked = snapshot["asked"]

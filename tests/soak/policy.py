"""What the soak trades with: a policy of dice, plugged in as somebody's package would be."""

from __future__ import annotations

SOURCE = '''
import random

from ztb.core.instrument import BUY, SELL
from ztb.core.policy import Decision, Policy


class Theirs(Policy):
    """Buys and sells by dice, a little more the way back to flat than away from it."""

    name = "dice"
    input_names = ("held",)

    def __init__(self, seed: int = 1, fast: int = 0, slow: int = 0, bar_seconds: int = 0) -> None:
        self._dice = random.Random(seed)

    def on_trade(self, trade, held_lots):
        if self._dice.random() < 0.5:
            return None
        towards_flat = SELL if held_lots > 0 else BUY
        side = towards_flat if self._dice.random() < 0.55 else -towards_flat
        return Decision(side, "dice", (held_lots,))
'''
"""Plugged in as ``dice``."""

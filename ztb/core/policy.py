"""The contract between the engine and a trading policy.

A policy is pure: what it decides depends on the events that it saw and on nothing else. It says what it would like;
whether that becomes an order is the engine's business (size, limits, emergency controls).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, final

from ztb.core.event import Quote, Trade

HOLD: Final = 0


@final
@dataclass(slots=True)
class Decision:
    """What a policy wants, why, and the numbers that it saw. Not frozen for speed; nobody changes one."""

    action: int
    """``BUY`` (1), ``SELL`` (-1) or ``HOLD`` (0)."""
    reason: str
    """A fixed code, for example ``crossing_up`` or ``no_crossing``; also when nothing is wanted."""
    inputs: tuple[int, ...]
    """The integers that decided, named by ``Policy.input_names``."""


class Policy:
    """Base of every policy. ``None`` means: not evaluated (inside a bar, say), so nothing to record."""

    name: str = ""
    input_names: tuple[str, ...] = ()

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        """Called for each trade; ``held_lots`` is what this bot holds of the instrument (negative: short)."""
        return None

    def on_quote(self, quote: Quote, held_lots: int) -> Decision | None:
        """Called for each change of the best bid or ask."""
        return None

    def snapshot(self) -> dict[str, Any]:
        """The state as plain integers, strings, lists and dicts, for a checkpoint."""
        return {}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take the state of ``snapshot`` back."""

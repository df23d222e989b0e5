"""Hostile moods: what exchanges do to their clients on bad days, switched on by name.

Each mood strikes with a probability, or a number of times and then no more, and only for the methods that it names.
The dice are seeded: the same requests in the same order meet the same accidents.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from ztb.core.error import UsageError

SLOW_MS_MAX: Final = 600_000
COUNT_MAX: Final = 1_000_000

KINDS: Final[Mapping[str, str]] = {
    "accept_then_502": "the order is carried out, the answer is an HTML page with status 502",
    "accept_then_hang": "the order is carried out, no answer comes",
    "accept_then_reset": "the order is carried out, then the connection is reset",
    "reject_busy": "refused: trade temporarily unavailable",
    "rate_limit": "refused: over the rate limit",
    "too_new": "a cancel is refused because the order is too new",
    "slow": "answers come `ms` milliseconds late",
    "stream_silence": "streams stay open and say nothing",
    "stream_drop": "streams are closed without a close frame",
    "null_ticker": "figures of the ticker are null",
    "exponent_numbers": "small numbers are written with an exponent",
    "reordered_maps": "members of objects come in another order",
}


@final
@dataclass(slots=True)
class Mood:
    """One switched-on mood. ``count`` None: until it is switched off; ``methods`` empty: wherever it applies."""

    name: str
    probability: float = 1.0
    count: int | None = None
    ms: int = 0
    methods: frozenset[str] = frozenset()
    struck: int = 0


class Moods:
    """The moods of one exchange."""

    def __init__(self, *, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._moods: dict[str, Mood] = {}

    def strike(self, name: str, method: str = "") -> Mood | None:
        """Roll the dice of this mood for a call of ``method``; the mood when it strikes."""
        assert name in KINDS, name
        mood = self._moods.get(name)
        if mood is None or (mood.methods and method not in mood.methods):
            return None
        if mood.probability < 1.0 and self._random.random() >= mood.probability:
            return None
        mood.struck += 1
        if mood.count is not None:
            mood.count -= 1
            if mood.count <= 0:
                del self._moods[name]
        return mood

    def switch_on(self, mood: Mood) -> None:
        """Replace the mood of this name. UsageError when a value makes no sense."""
        if mood.name not in KINDS:
            raise UsageError(f"no mood is called {mood.name!r}", remedy=f"moods: {', '.join(KINDS)}")
        if not 0.0 <= mood.probability <= 1.0:
            raise UsageError(f"probability is {mood.probability!r}", remedy="a number from 0 to 1")
        if mood.count is not None and not 1 <= mood.count <= COUNT_MAX:
            raise UsageError(f"count is {mood.count!r}", remedy=f"a whole number from 1 to {COUNT_MAX}")
        if not 0 <= mood.ms <= SLOW_MS_MAX:
            raise UsageError(f"ms is {mood.ms!r}", remedy=f"a whole number from 0 to {SLOW_MS_MAX}")
        self._moods[mood.name] = mood

    def switch_off(self, name: str) -> None:
        """No effect when it is not on; ``all`` ends every mood."""
        if name == "all":
            self._moods.clear()
        elif name in KINDS:
            self._moods.pop(name, None)
        else:
            raise UsageError(f"no mood is called {name!r}", remedy=f"moods: all, {', '.join(KINDS)}")

    def seed(self, seed: int) -> None:
        """Start the dice again."""
        self._random.seed(seed)

    def shuffled(self, members: list[Any]) -> list[Any]:
        """The same members in another order."""
        return self._random.sample(members, len(members))

    def active(self) -> dict[str, dict[str, Any]]:
        """Every mood that is on, for people."""
        return {
            mood.name: {
                "probability": mood.probability,
                "count": mood.count,
                "ms": mood.ms,
                "methods": sorted(mood.methods),
                "struck": mood.struck,
            }
            for mood in self._moods.values()
        }

"""Hostile moods: what exchanges do to their clients on bad days, switched on by name.

Each mood strikes with a probability, or a number of times and then no more, and only for the methods that it names.
The dice are seeded: the same requests in the same order meet the same accidents. Two moods are states instead of
accidents: ``maintenance`` (between two times of the exchange's day, where it names them) and ``wrong_clock``.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from ztb.core.error import UsageError

SLOW_MS_MAX: Final = 600_000
CLOCK_MS_MAX: Final = 86_400_000
"""A clock can be in the wrong time zone, or on the wrong day."""
COUNT_MAX: Final = 1_000_000
DAY_S: Final = 86_400
_SECOND_NS: Final = 1_000_000_000

KINDS: Final[Mapping[str, str]] = {
    "accept_then_502": "the order is carried out, the answer is an HTML page with status 502",
    "accept_then_hang": "the order is carried out, no answer comes",
    "accept_then_reset": "the order is carried out, then the connection is reset",
    "html_instead_of_json": "the call is carried out, the answer is an HTML page with status 200",
    "reject_busy": "refused: trade temporarily unavailable",
    "rate_limit": "refused: over the rate limit",
    "limits_exceeded": "the same under its other name",
    "too_new": "a cancel is refused because the order is too new",
    "maintenance": "closed, always or from second `from_s` to second `to_s` of the day (UTC)",
    "wrong_clock": "the exchange's clock and its timestamps are `ms` milliseconds ahead, or behind when negative",
    "expired_token": "a token or key that was right is called expired",
    "slow": "answers come `ms` milliseconds late",
    "tiny_fills": "what an order fills is told as many fills of few lots",
    "late_fill_after_cancel": "a cancel is acknowledged, and `ms` milliseconds later the order fills once more",
    "stream_silence": "streams stay open and say nothing",
    "stream_drop": "streams are closed without a close frame",
    "duplicate_events": "what a stream tells comes twice",
    "reordered_events": "what a stream tells comes after what happened later",
    "garbage_frames": "streams also bring what is no JSON, half of a message, or no UTF-8",
    "skip_sequence": "a message of a stream is lost, its number in the sequence is missing (Coinbase)",
    "failed_after_success": "the order is accepted and fails a moment later (Coinbase)",
    "missing_client_id": "the member `client_id` is missing in what a stream brings (Coinbase)",
    "preopen": "only cancels are taken (GMO)",
    "null_ticker": "figures of the ticker are null",
    "exponent_numbers": "small numbers are written with an exponent",
    "reordered_maps": "members of objects come in another order",
}
_ALSO: Final[Mapping[str, str]] = {"rate_limit": "limits_exceeded"}
"""A mood that strikes wherever the other one does."""
_SIGNED: Final = frozenset({"wrong_clock"})


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
    from_s: int | None = None
    """With ``to_s``: only between these seconds of the exchange's day; ``from_s`` > ``to_s`` spans midnight."""
    to_s: int | None = None

    def is_time(self, now_ns: int) -> bool:
        """Whether the time of day is right for it."""
        if self.from_s is None or self.to_s is None:
            return True
        second = now_ns // _SECOND_NS % DAY_S
        if self.from_s <= self.to_s:
            return self.from_s <= second < self.to_s
        return second >= self.from_s or second < self.to_s


class Moods:
    """The moods of one exchange."""

    def __init__(self, *, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._moods: dict[str, Mood] = {}

    def state(self, name: str, now_ns: int) -> Mood | None:
        """The mood if it is on at this time of the exchange; no dice."""
        assert name in KINDS, name
        mood = self._moods.get(name)
        return mood if mood is not None and mood.is_time(now_ns) else None

    def clock_error_ns(self) -> int:
        """How far the exchange's own clock is ahead of the time (``wrong_clock``)."""
        mood = self._moods.get("wrong_clock")
        return mood.ms * 1_000_000 if mood is not None else 0

    def strike(self, name: str, method: str = "") -> Mood | None:
        """Roll the dice of this mood for a call of ``method``; the mood when it strikes."""
        assert name in KINDS, name
        mood = self._moods.get(name) or self._moods.get(_ALSO.get(name, name))
        if mood is None or (mood.methods and method not in mood.methods):
            return None
        if mood.probability < 1.0 and self._random.random() >= mood.probability:
            return None
        mood.struck += 1
        if mood.count is not None:
            mood.count -= 1
            if mood.count <= 0:
                del self._moods[mood.name]
        return mood

    def switch_on(self, mood: Mood) -> None:
        """Replace the mood of this name. UsageError when a value makes no sense."""
        if mood.name not in KINDS:
            raise UsageError(f"no mood is called {mood.name!r}", remedy=f"moods: {', '.join(KINDS)}")
        if not 0.0 <= mood.probability <= 1.0:
            raise UsageError(f"probability is {mood.probability!r}", remedy="a number from 0 to 1")
        if mood.count is not None and not 1 <= mood.count <= COUNT_MAX:
            raise UsageError(f"count is {mood.count!r}", remedy=f"a whole number from 1 to {COUNT_MAX}")
        low, high = (-CLOCK_MS_MAX, CLOCK_MS_MAX) if mood.name in _SIGNED else (0, SLOW_MS_MAX)
        if not low <= mood.ms <= high:
            raise UsageError(f"ms is {mood.ms!r}", remedy=f"a whole number from {low} to {high}")
        for second in (mood.from_s, mood.to_s):
            if second is not None and not 0 <= second <= DAY_S:
                raise UsageError(f"{second!r} is no second of a day", remedy=f"a whole number from 0 to {DAY_S}")
        if (mood.from_s is None) != (mood.to_s is None):
            raise UsageError("from_s without to_s, or the other way round", remedy="name both, or none")
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

    def choice(self, count: int) -> int:
        """A number from 0 to ``count`` - 1, from the same dice."""
        return self._random.randrange(count)

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
                **({"from_s": mood.from_s, "to_s": mood.to_s} if mood.from_s is not None else {}),
            }
            for mood in self._moods.values()
        }

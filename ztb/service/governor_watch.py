"""What the rate governor of the venue says, for people: free places for the status, and the breaker as events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from ztb.core.event import BreakerTurned
from ztb.service.inbox import Inbox
from ztb.venues.limits import BREAKER_OPEN_S
from ztb.venues.port import HeadRoom

LOOK_WALL_S: Final = 0.25
CLOSED: Final = "closed"
HALF_OPEN: Final = "half_open"


class GovernorWatch:
    """Tells the engine when a circuit breaker opens, and when all are closed again."""

    def __init__(self, head_room: Callable[[], Sequence[HeadRoom]], inbox: Inbox) -> None:
        self._head_room = head_room
        self._inbox = inbox
        self._was_open = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_WALL_S)

    def look(self) -> None:
        """One look. A breaker that tries again is neither news nor well."""
        shut = sorted({room.name for room in self._head_room() if room.breaker not in (CLOSED, HALF_OPEN)})
        is_trying = any(room.breaker == HALF_OPEN for room in self._head_room())
        if shut and not self._was_open:
            self._was_open = True
            text = (
                f"the venue does not answer: of {', '.join(shut)} only cancels and look-ups leave; "
                f"trial calls begin after {BREAKER_OPEN_S:g} s and close it when all succeed"
            )
            self._inbox.put_now(BreakerTurned(0, True, text))
        elif self._was_open and not shut and not is_trying:
            self._was_open = False
            self._inbox.put_now(BreakerTurned(0, False, "the venue answers again"))


def plain_rooms(rooms: Sequence[HeadRoom]) -> list[dict[str, Any]]:
    """For the status file."""
    return [
        {
            "name": room.name, "class": str(room.limit_class), "calls": room.calls, "period_s": room.period_s,
            "free": room.free, "free_urgent": room.free_urgent, "breaker": str(room.breaker),
        }
        for room in rooms
    ]  # fmt: skip

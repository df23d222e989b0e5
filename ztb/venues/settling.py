"""Orders that ended without all their lots, until the venue's history says that this is all.

Venues tell fills after they confirmed a cancel. Fills whose reading began well after an order's end are all of its
fills; no clock alone settles anything.
"""

from __future__ import annotations

from typing import Final

from ztb.core.event import OrderEvent, OrderSettled
from ztb.venues import limits
from ztb.venues.watched import Watched

_WAIT_NS: Final = int(limits.SETTLED_S * 1_000_000_000)


class Settling:
    """Of one instrument, by client id."""

    def __init__(self) -> None:
        self._entries: dict[str, Watched] = {}

    def __bool__(self) -> bool:
        """Some order has not settled yet."""
        return bool(self._entries)

    def add(self, entry: Watched) -> None:
        """It has just ended."""
        if entry.filled_lots < entry.lots:
            self._entries[entry.client_id] = entry

    def since_ns(self, recent_ns: int) -> int:
        """When the oldest of them ended, or ``recent_ns`` where that is earlier."""
        return min([recent_ns, *(entry.ended_ns for entry in self._entries.values())])

    def is_due(self, monotonic_ns: int) -> bool:
        """Fills that are read from now on would settle some order."""
        return any(monotonic_ns - entry.ended_ns >= _WAIT_NS for entry in self._entries.values())

    def over(self, ts_ns: int, read_ns: int) -> list[OrderEvent]:
        """After the fills were read, beginning at ``read_ns``: of what ended well before, everything was told."""
        over = [
            entry
            for entry in self._entries.values()
            if entry.filled_lots >= entry.lots or read_ns - entry.ended_ns >= _WAIT_NS
        ]
        for entry in over:
            del self._entries[entry.client_id]
        return [OrderSettled(ts_ns, entry.client_id) for entry in over]

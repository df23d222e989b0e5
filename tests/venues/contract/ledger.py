"""What was told, kept as plainly as possible: orders sent, fills once each, and how each order ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ztb.core.command import Place
from ztb.core.error import VenueError
from ztb.core.event import (
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
)

ENDS = (OrderCancelled, OrderExpired, OrderRejected, OrderNotPlaced)


class Ledger:
    """By client id."""

    def __init__(self) -> None:
        self.sent: dict[str, Place] = {}
        self.errors: dict[str, VenueError] = {}
        self.ends: dict[str, str] = {}
        """How each order ended that did: the event's name without its ``Order``, or the error's."""
        self.fills: dict[str, dict[str, OrderFilled]] = {}
        self.venue_ids: dict[str, str] = {}
        self.told_twice = 0

    def book(self, events: Sequence[OrderEvent]) -> None:
        """Into the ledger, as the core does it: a fill counts once, an end is an end."""
        for event in events:
            if isinstance(event, OrderFilled):
                fills = self.fills.setdefault(event.client_id, {})
                self.told_twice += event.trade_id in fills
                fills.setdefault(event.trade_id, event)
            elif isinstance(event, OrderAccepted):
                self.venue_ids[event.client_id] = event.venue_id
            elif isinstance(event, ENDS):
                assert event.client_id not in self.ends, f"{event.client_id} ended twice"
                self.ends[event.client_id] = type(event).__name__.removeprefix("Order")

    def filled(self, client_id: str) -> int:
        return sum(fill.lots for fill in self.fills.get(client_id, {}).values())

    def levels(self, client_id: str) -> dict[int, int]:
        """Lots filled by price."""
        found = Counter[int]()
        for fill in self.fills.get(client_id, {}).values():
            found[fill.price] += fill.lots
        return dict(found)

    def working(self) -> dict[str, int]:
        """Our orders that should work, with what remains of them."""
        rest = {name: order.lots - self.filled(name) for name, order in self.sent.items() if name not in self.ends}
        return {name: lots for name, lots in rest.items() if lots}

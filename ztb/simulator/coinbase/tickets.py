"""What Coinbase remembers of an order beyond what the exchange does: its words, its product's name, its end time.

The rule: a ticket is written with its order and never without one; orders and tickets go by the same number.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final, final

from ztb.simulator.coinbase.rules import TICKETS_MAX

END_TIME: Final = "end_time"
"""Why an order ended whose time is over."""


@final
@dataclass(slots=True)
class Ticket:
    """``configuration`` is echoed as the client wrote it; ``end_ns`` 0: no end time."""

    product_id: str
    configuration: dict[str, Any]
    in_quote: bool = False
    """Sized by the money that it may cost, fees included."""
    end_ns: int = 0
    edits: list[dict[str, str]] = field(default_factory=list)


class Tickets:
    """Tickets of all accounts by the exchange's order id, the oldest forgotten first."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[int, Ticket] = OrderedDict()
        self._ends: list[tuple[int, str, int]] = []

    def add(self, order_id: int, owner: str, ticket: Ticket) -> None:
        """Write the ticket of a new order."""
        self._tickets[order_id] = ticket
        if ticket.end_ns:
            heapq.heappush(self._ends, (ticket.end_ns, owner, order_id))
        if len(self._tickets) > TICKETS_MAX:
            self._tickets.popitem(last=False)

    def get(self, order_id: int) -> Ticket | None:
        return self._tickets.get(order_id)

    def of(self, order_id: int) -> Ticket:
        """The ticket of an order, or an empty one in the place of a forgotten one."""
        return self._tickets.get(order_id) or Ticket("", {})

    def due(self, now_ns: int) -> list[tuple[str, int]]:
        """Owner and id of the orders whose time is over; each is told once."""
        over: list[tuple[str, int]] = []
        while self._ends and self._ends[0][0] <= now_ns:
            _, owner, order_id = heapq.heappop(self._ends)
            over.append((owner, order_id))
        return over

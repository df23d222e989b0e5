"""One order of ours, and the evidence about it that the venue has given so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from ztb.core.command import Place
from ztb.core.event import OrderRecovered
from ztb.core.order import Order
from ztb.venues.identity import Lost
from ztb.venues.port import OrderStatus

OrderLike = Place | Order | OrderRecovered
"""What is watched: an order about to be sent, or one that an earlier session sent."""


def sent_ns_of(order: OrderLike) -> int:
    """Our clock when it was decided: it was sent at that time or a little later."""
    return order.ts_ns if isinstance(order, Place) else order.created_ns


@dataclass(slots=True)
class Watched:
    """One order of ours and the evidence about it."""

    client_id: str
    side: int
    lots: int
    price: int
    """As the venue shows it: 0 for a market order."""
    since_cursor: str
    """Fills of this order are newer than this."""
    sent_ns: int = 0
    """Our clock, before it was sent."""
    mark: int = 0
    """Ids of the venue that were seen first up to here are older than this order."""
    venue_id: str = ""
    is_known: bool = False
    """The venue acknowledged it, or showed it, or a fill of it."""
    open_lots: int = 0
    """What remained of it in the open orders at the last look; 0: it was not there."""
    told_lots: int = 0
    """Filled according to everything that the venue said besides the fills themselves."""
    fills: dict[str, int] = field(default_factory=dict)
    is_cancel_confirmed: bool = False
    is_told_gone: bool = False
    """A cancel was answered with: there is nothing of it to cancel."""
    ended_as: OrderStatus | None = None
    """How it ended in the venue's own words; the last fills may still be on their way."""
    end_reason: str = ""
    final_lots: int = 0
    """Filled in all, as told together with ``ended_as``."""
    doubt_looks_min: int = 0
    """Above 0: the answer was lost, and this many agreeing looks make it never placed."""
    doubt_spread_ns: int = 0
    absent_looks: int = 0
    absent_since_ns: int = 0
    noted_look: int = 0
    """The look that was under way when the venue last answered for this order; only later ones may judge it."""
    ended_ns: int = 0

    @property
    def filled_lots(self) -> int:
        """The sum of the fills seen."""
        return sum(self.fills.values())

    @property
    def is_short_of_fills(self) -> bool:
        """The venue told of more filled lots than its history shows."""
        return self.filled_lots < self.told_lots

    @property
    def is_overfilled(self) -> bool:
        """Its history shows more than the venue says was filled in the end, or more than was ordered."""
        return self.filled_lots > (self.lots if self.ended_as is None else self.final_lots)

    @property
    def is_doubted(self) -> bool:
        """An answer for it was lost, and no look has shown it working since."""
        return self.doubt_looks_min > 0

    @property
    def is_lost(self) -> bool:
        """Its answer was lost, and with it the name by which the venue knows it."""
        return self.is_doubted and not self.venue_id

    @property
    def is_under_way(self) -> bool:
        """Sent, perhaps, and the answer may still come."""
        return not (self.is_known or self.is_doubted or self.venue_id)

    @property
    def is_unsettled(self) -> bool:
        """Something about it has yet to be found out."""
        return self.is_short_of_fills or (self.open_lots == 0 and (self.is_known or self.is_doubted))

    def as_lost(self) -> Lost:
        """Its fingerprint."""
        return Lost(self.client_id, self.side, self.price, self.lots, self.sent_ns, self.mark)

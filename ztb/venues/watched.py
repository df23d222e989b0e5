"""One order of ours, and the evidence about it that the venue has given so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class OrderLike(Protocol):
    """What is watched: a ``Place`` about to be sent, or an ``OrderRecovered`` from the journal."""

    @property
    def client_id(self) -> str: ...
    @property
    def instrument(self) -> str: ...
    @property
    def side(self) -> int: ...
    @property
    def lots(self) -> int: ...
    @property
    def price(self) -> int: ...


@dataclass(slots=True)
class Watched:
    """One order of ours and the evidence about it."""

    client_id: str
    side: int
    lots: int
    price: int
    since_cursor: str
    """Fills of this order are newer than this trade id."""
    venue_id: str = ""
    is_known: bool = False
    """The venue acknowledged it, or showed it, or a fill of it."""
    open_lots: int = 0
    """What remained of it in the open orders at the last look; 0: it was not there."""
    told_lots: int = 0
    """Filled according to everything that the venue said besides the fills themselves."""
    fills: dict[str, int] = field(default_factory=dict)
    is_cancel_confirmed: bool = False
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
    def is_doubted(self) -> bool:
        """An answer for it was lost, and no look has shown it working since."""
        return self.doubt_looks_min > 0

    @property
    def is_unsettled(self) -> bool:
        """Something about it has yet to be found out."""
        return self.is_short_of_fills or (self.open_lots == 0 and (self.is_known or self.is_doubted))

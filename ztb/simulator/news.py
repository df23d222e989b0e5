"""What happened to one account, in order: the source of every private stream, and of late joiners' questions.

The rule: an event is written once, when it happens, with the figures of that moment, and never changed. A reader
keeps its own position; one that was away for too long is told that it missed something.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from ztb.simulator.book_side import Order
from ztb.simulator.limits import ACCOUNT_EVENTS_MAX

PLACED: Final = "placed"
FILLED: Final = "filled"
CHANGED: Final = "changed"
"""The price of a working order is another one now."""
CANCELLING: Final = "cancelling"
"""A cancel is acknowledged and not yet carried out (a hostile mood)."""
ENDED: Final = "ended"
POSITION_OPENED: Final = "position_opened"
POSITION_CHANGED: Final = "position_changed"
POSITION_CLOSED: Final = "position_closed"


@final
@dataclass(slots=True, frozen=True)
class Fill:
    """One account's part in a trade. ``side`` is 0 when it was on both sides of it; ``fee`` in quote units."""

    trade_id: int
    order_id: int
    ts_ns: int
    side: int
    taker_side: int
    price: int
    lots: int
    fee: int
    comment: str
    order: Order | None = field(default=None, compare=False, repr=False)
    """That it filled, as it is now."""
    position_id: int = 0
    """Of the position that it opened or closed; 0 for spot."""
    gain: int = 0
    """Realised by closing, in quote units."""
    other_order_id: int = 0
    """Where ``side`` is 0: the account's order on the other side."""


@final
@dataclass(slots=True, frozen=True)
class PositionNow:
    """A position as it was at one moment."""

    position_id: int
    side: int
    lots: int
    lots_ordered: int
    price: int
    opened_ns: int
    symbol: str


@final
@dataclass(slots=True, frozen=True)
class AccountEvent:
    """``filled_lots``, ``notional`` and ``fee`` are the order's totals when it happened."""

    sequence: int
    ts_ns: int
    kind: str
    order: Order | None = None
    fill: Fill | None = None
    position: PositionNow | None = None
    filled_lots: int = 0
    notional: int = 0
    fee: int = 0
    price: int = 0
    """Of the order when it happened."""
    end: str = ""
    reason: str = ""
    fills: int = 0
    """How many fills the order had by then."""


class News:
    """Bounded; sequence numbers begin with 1 and only rise."""

    def __init__(self) -> None:
        self._events: deque[AccountEvent] = deque(maxlen=ACCOUNT_EVENTS_MAX)
        self.last = 0
        """Sequence number of the newest event."""

    def order(self, kind: str, ts_ns: int, order: Order, fill: Fill | None = None) -> None:
        """Write down what happened to an order."""
        self.last += 1
        end, reason = (order.end, order.reason) if kind == ENDED else ("", "")
        self._events.append(
            AccountEvent(
                self.last, ts_ns, kind, order, fill, None, order.settled_lots, order.notional, order.fee, order.price,
                end, reason, order.fills,
            )
        )  # fmt: skip

    def position(self, kind: str, ts_ns: int, position: PositionNow) -> None:
        """Write down what happened to a position."""
        self.last += 1
        self._events.append(AccountEvent(self.last, ts_ns, kind, position=position))

    def after(self, sequence: int) -> tuple[Sequence[AccountEvent], bool]:
        """Events after the one with this number, oldest first, and whether some of them are gone already."""
        missing = self.last - sequence
        if missing <= 0:
            return (), False
        kept = min(missing, len(self._events))
        return [self._events[len(self._events) - kept + n] for n in range(kept)], kept < missing

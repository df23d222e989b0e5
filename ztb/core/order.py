"""The life of an order, as one table.

Everything that changes an order's state is in ``TRANSITIONS``; a trigger that has no entry in a state changes
nothing there. Terminal is terminal: a terminal state has no entries at all, whatever events arrive in whatever order
(F-07). Money is not decided here: a fill that arrives after the end is still a fill, and the ledger books it.

``UNKNOWN`` means: it may be working, filled, or never placed. Only evidence from the venue leads out of it (F-02).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class OrderState(StrEnum):
    """Where an order is in its life."""

    __hash__ = str.__hash__  # that of Enum is written in Python, and asked several times for each order event

    CREATED = "created"
    DURABLE = "durable"
    SENT = "sent"
    ACCEPTED = "accepted"
    PARTIAL = "partial"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Trigger(StrEnum):
    """What can happen to an order; each is one order event, fills and acceptances told apart by quantity."""

    __hash__ = str.__hash__  # as above

    DURABLE = "durable"
    SENT = "sent"
    ACCEPT = "accept"
    ACCEPT_AFTER_FILL = "accept_after_fill"
    FILL_PART = "fill_part"
    FILL_LAST = "fill_last"
    CANCEL = "cancel"
    REJECT = "reject"
    EXPIRE = "expire"
    LOSE = "lose"
    NOT_PLACED = "not_placed"


TERMINAL: Final = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED})

_S, _T = OrderState, Trigger

_ANY_LIVE: Final[dict[Trigger, OrderState]] = {
    _T.ACCEPT: _S.ACCEPTED,
    _T.ACCEPT_AFTER_FILL: _S.PARTIAL,
    _T.FILL_PART: _S.PARTIAL,
    _T.FILL_LAST: _S.FILLED,
    _T.CANCEL: _S.CANCELLED,
    _T.REJECT: _S.REJECTED,
    _T.EXPIRE: _S.EXPIRED,
    _T.LOSE: _S.UNKNOWN,
}

TRANSITIONS: Final[dict[OrderState, dict[Trigger, OrderState]]] = {
    _S.CREATED: _ANY_LIVE | {_T.DURABLE: _S.DURABLE, _T.SENT: _S.SENT},
    _S.DURABLE: _ANY_LIVE | {_T.SENT: _S.SENT},
    _S.SENT: _ANY_LIVE,
    _S.ACCEPTED: _ANY_LIVE,
    # A venue that rejects what it has partly filled has ended the rest.
    _S.PARTIAL: _ANY_LIVE | {_T.REJECT: _S.CANCELLED},
    # A fill proves that the order was placed, not that its rest still works: that needs the venue's open orders.
    _S.UNKNOWN: _ANY_LIVE | {_T.FILL_PART: _S.UNKNOWN, _T.NOT_PLACED: _S.REJECTED},
    _S.FILLED: {},
    _S.CANCELLED: {},
    _S.REJECTED: {},
    _S.EXPIRED: {},
}


def client_id_of(install: str, epoch: int, sequence: int) -> str:
    """No two orders of any two installations have the same one, as long as the sequence never goes back (F-27)."""
    return "ztb-" + hashlib.sha256(f"{install}:{epoch}:{sequence}".encode()).hexdigest()[:20]


@dataclass(slots=True)
class Order:
    """One order of ours; prices in ticks, sizes in lots."""

    client_id: str
    instrument: str
    side: int
    lots: int
    price: int
    reduce_only: bool
    created_ns: int
    sequence: int
    state: OrderState = OrderState.CREATED
    venue_id: str = ""
    filled_lots: int = 0
    fills: dict[str, int] = field(default_factory=dict)
    """Lots by the venue's trade id."""
    cancel_asked_ns: int = 0
    """When the last cancel was asked for; 0: never, or refused since."""
    cancel_again_ns: int = 0
    """Not before this is a cancel that the venue refused asked for again."""
    looked_up_ns: int = 0
    mark: int = 0
    """The last price at the decision; 0: not known any more."""
    ended_ns: int = 0
    """When the venue ended it without all its lots; 0: it works, or it was filled or refused whole."""
    purpose: str = ""
    """As its ``Place`` says."""

    @property
    def unfilled_lots(self) -> int:
        """What was not filled, whether it works or not: a venue may tell a fill after the end."""
        left = self.lots - self.filled_lots
        return left if left > 0 else 0

    @property
    def remaining_lots(self) -> int:
        """What may still fill; 0 once terminal."""
        if self.state in TERMINAL:
            return 0
        return self.unfilled_lots

    @property
    def is_terminal(self) -> bool:
        """True once nothing can change the state any more."""
        return self.state in TERMINAL

    def apply(self, trigger: Trigger) -> bool:
        """Move along the table; False where the trigger has no entry in the present state."""
        target = TRANSITIONS[self.state].get(trigger)
        if target is None:
            return False
        self.state = target
        return True

    def accept(self, venue_id: str) -> bool:
        """The venue knows the order, under ``venue_id`` where it gives one."""
        if venue_id:
            self.venue_id = venue_id
        return self.apply(Trigger.ACCEPT_AFTER_FILL if self.filled_lots else Trigger.ACCEPT)

    def fill(self, trade_id: str, lots: int) -> bool:
        """Count one fill; False when this trade was counted before (F-13)."""
        assert lots > 0
        if trade_id in self.fills:
            return False
        self.fills[trade_id] = lots
        self.filled_lots += lots
        self.apply(Trigger.FILL_LAST if self.filled_lots >= self.lots else Trigger.FILL_PART)
        return True

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        plain["state"] = self.state.value
        plain["fills"] = dict(self.fills)
        return plain

    @staticmethod
    def restored(plain: dict[str, Any]) -> Order:
        """The order that ``snapshot`` described."""
        fields = {name: plain[name] for name in _FIELDS}
        fields["state"] = OrderState(plain["state"])
        fields["fills"] = dict(plain["fills"])
        return Order(**fields)


_FIELDS: Final = (
    "client_id", "instrument", "side", "lots", "price", "reduce_only", "created_ns", "sequence", "state", "venue_id",
    "filled_lots", "fills", "cancel_asked_ns", "cancel_again_ns",
    "looked_up_ns", "mark", "ended_ns", "purpose",
)  # fmt: skip

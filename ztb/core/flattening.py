"""What is remembered of a flatten: its terms, what was open, what was sent for it and what came of it.

It is part of the engine's state, so it outlives the process: a flatten that a crash interrupts goes on. What it does
next is decided in ``flatten``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

CANCEL_ONLY: Final = "cancel_only"
"""Orders are taken off the book; what is held stays."""
LIMIT: Final = "limit"
"""Closed by orders that take, and never at a price worse than the slippage allows."""
MARKET_MODE: Final = "market"
"""Closed at any price, where the venue has such orders; else by the widest limit."""
MODES: Final = (CANCEL_ONLY, LIMIT, MARKET_MODE)

FLAT: Final = "flat"
FLAT_DUST: Final = "flat_dust"
"""Flat, but for what is smaller than the venue's smallest order."""
ORDERS_OFF: Final = "orders_off"
"""All that was asked for: nothing works any more."""
OUTCOMES: Final = (FLAT, FLAT_DUST, ORDERS_OFF)

SENT_MAX: Final = 256
"""So many orders of one flatten are told one by one; of more than that the newest."""


@dataclass(slots=True)
class Sent:
    """One order of a flatten. Prices in ticks, ``value`` the sum of lots times price, ``fee`` in money units."""

    client_id: str
    instrument: str
    side: int
    lots: int
    price: int
    reference: int
    time_in_force: str
    ts_ns: int
    filled_lots: int = 0
    value: int = 0
    fee: int = 0
    refusal: str = ""
    """Why it was rejected, by whoever did."""


@dataclass(slots=True)
class Flattening:
    """One flatten, running or over. ``begun_ns`` is when the first was asked for, ``asked_ns`` the newest."""

    begun_ns: int
    asked_ns: int
    source: str
    reason: str
    by: str
    mode: str
    slippage_ppm_max: int
    within_ns: int
    then_stop: bool
    holds: bool
    opened: dict[str, int]
    """Lots by instrument, as they were held at the beginning."""
    orders_at_begin: int
    changed_ns: int
    """When anything that the venue must agree with changed last: a fill, an order, an end of one."""
    sent: list[Sent] = field(default_factory=list)
    sent_count: int = 0
    under_way: dict[str, str] = field(default_factory=dict)
    """By instrument the client id of the order that closes it now; at most one."""
    failures: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By instrument: orders in a row that filled nothing, and until when no further one is sent."""
    is_looked_at: bool = False
    """The venue was compared at least once since the beginning, whatever came of it."""
    agreed_ns: int = 0
    """When the venue was asked for the comparison that was clean last."""
    venue_says: str = ""
    """Of the last comparison."""
    priced_blindly: bool = False
    """Prices are old ones; people were told."""
    alarmed_ns: int = 0
    """When people were told that it is not flat in time; 0: they were not."""
    ended_ns: int = 0
    outcome: str = ""
    """Of ``OUTCOMES``; "" while it runs."""

    @property
    def is_active(self) -> bool:
        """It still has something to do."""
        return self.ended_ns == 0

    @property
    def deadline_ns(self) -> int:
        """From then on people know that it is late."""
        return self.asked_ns + self.within_ns

    @property
    def is_agreed(self) -> bool:
        """The venue was asked after the last change, and there was no difference."""
        return self.agreed_ns > self.changed_ns

    def note_place(self, sent: Sent) -> None:
        """An order was made."""
        self.sent_count += 1
        self.sent.append(sent)
        if len(self.sent) > SENT_MAX:
            del self.sent[0]
        self.under_way[sent.instrument] = sent.client_id
        self.changed_ns = max(self.changed_ns, sent.ts_ns)

    def note_fill(self, client_id: str, lots: int, price: int, fee: int, now_ns: int) -> None:
        """Something of ours filled, whether it was sent for this or not."""
        self.changed_ns = max(self.changed_ns, now_ns)
        for sent in self.sent:
            if sent.client_id == client_id:
                sent.filled_lots += lots
                sent.value += lots * price
                sent.fee += fee

    def note_refusal(self, client_id: str, refusal: str) -> None:
        """An order was rejected."""
        for sent in self.sent:
            if sent.client_id == client_id:
                sent.refusal = refusal

    def note_comparison(self, *, clean: bool, text: str, begun_ns: int) -> None:
        """Orders, fills and holdings were compared with the venue's, as they were at ``begun_ns`` or later."""
        self.is_looked_at = True
        self.venue_says = text
        if clean and begun_ns > self.agreed_ns:
            self.agreed_ns = begun_ns

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        plain["opened"] = sorted(self.opened.items())
        plain["under_way"] = sorted(self.under_way.items())
        plain["failures"] = [[name, *value] for name, value in sorted(self.failures.items())]
        plain["sent"] = [[getattr(one, name) for name in _SENT] for one in self.sent]
        return plain

    @staticmethod
    def restored(plain: dict[str, Any]) -> Flattening:
        """What ``snapshot`` described."""
        return Flattening(
            **{name: plain[name] for name in _PLAIN},
            opened=dict(plain["opened"]),
            under_way=dict(plain["under_way"]),
            failures={name: (in_row, until_ns) for name, in_row, until_ns in plain["failures"]},
            sent=[Sent(*values) for values in plain["sent"]],
        )


_SENT: Final = (
    "client_id", "instrument", "side", "lots", "price", "reference", "time_in_force", "ts_ns", "filled_lots", "value",
    "fee", "refusal",
)  # fmt: skip
_PLAIN: Final = (
    "begun_ns", "asked_ns", "source", "reason", "by", "mode", "slippage_ppm_max", "within_ns", "then_stop", "holds",
    "orders_at_begin", "changed_ns", "sent_count", "is_looked_at", "agreed_ns", "venue_says", "priced_blindly",
    "alarmed_ns", "ended_ns", "outcome",
)  # fmt: skip

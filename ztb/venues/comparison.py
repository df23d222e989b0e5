"""Our orders and fills against the venue's, both ways (F-03): what a comparison found, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

from ztb.core.event import OrderEvent
from ztb.venues.port import OpenOrder, VenueFill


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """Both ways: what we hold to be working, against what works at the venue. Lots are what remains."""

    missing_there: tuple[str, ...]
    """Ours, which the venue does not show and its fills do not explain."""
    unknown_here: tuple[OpenOrder, ...]
    """Working at the venue with our tag, which we hold to be ended or never sent."""
    different: tuple[tuple[str, int, int], ...]
    """Client id, lots that we think remain, lots that remain there."""
    stray_fills: tuple[VenueFill, ...]
    contradictions: tuple[str, ...]
    events: tuple[OrderEvent, ...]
    """What the look found out; to be handled before the comparison is believed."""

    @property
    def clean(self) -> bool:
        """Nothing is left to explain."""
        return not (
            self.missing_there or self.unknown_here or self.different or self.stray_fills or self.contradictions
        )

    def text(self) -> str:
        """One line for the operator."""
        if self.clean:
            return "our orders and the venue's agree"
        parts = [f"{client_id} is not at the venue" for client_id in self.missing_there]
        parts += [f"{order.tag} works at the venue as {order.venue_id}, unknown here" for order in self.unknown_here]
        parts += [f"{client_id}: {ours} lots remain here, {theirs} there" for client_id, ours, theirs in self.different]
        parts += [f"fill {fill.trade_id} of {fill.tag} belongs to no order of ours" for fill in self.stray_fills]
        return "; ".join(parts + list(self.contradictions))

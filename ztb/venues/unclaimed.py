"""What the venue shows without a tag, and under an id that nobody told us: somebody else's, or that of a lost order.

It is kept until it is known whose it is. The rule: only ``identity`` makes it ours; until then it is never touched and
never booked, and an order that it may belong to is not judged (F-02, F-25).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ztb.venues import limits
from ztb.venues.identity import POSSIBLE_NS, TURN_UP_NS, Lost, Sighting, assign, may_be
from ztb.venues.port import OpenOrder, OrderReport, OrderStatus, VenueFill
from ztb.venues.roster import Roster
from ztb.venues.watched import Watched

ASKS_MAX: Final = 3
"""So often the venue is asked about an order that only its fills show, unless a lost order may be it."""


class Unclaimed:
    """Of one instrument. ``shows_tags``: the venue shows our tag with orders, so one without is not ours."""

    def __init__(self, roster: Roster, *, shows_tags: bool) -> None:
        self._roster = roster
        self._shows_tags = shows_tags
        self._fills: dict[str, VenueFill] = {}
        self._open: list[Sighting] = []
        self._told: dict[str, tuple[Sighting, OrderReport]] = {}
        self._foreign: dict[str, None] = {}
        self._asked: dict[str, int] = {}
        self._settled: dict[str, Lost] = {}
        self._held: frozenset[str] = frozenset()
        self.unclear: tuple[str, ...] = ()
        """What does not fit, in words for the operator, as of the last whole look."""

    def begin_look(self) -> None:
        """The open orders are about to be read anew."""
        self._open = []

    def keep_open(self, order: OpenOrder, first_seen: int) -> None:
        """An open order without tag and known id."""
        if not self._shows_tags and order.lots > 0:
            self._open.append(
                Sighting(order.venue_id, order.side, order.price, order.lots, order.created_ns, first_seen)
            )

    def keep_fill(self, fill: VenueFill) -> None:
        """A fill of an order whose id is not known."""
        if fill.venue_order_id and fill.venue_order_id not in self._foreign:
            self._roster.see(fill.venue_order_id)
            self._fills[fill.trade_id] = fill
            if len(self._fills) > limits.STRAY_FILLS_MAX:
                del self._fills[next(iter(self._fills))]

    def keep_report(self, report: OrderReport, first_seen: int) -> None:
        """The venue's word on an order whose id is not known: it may be a lost one, or else it is not ours."""
        if report.venue_id in self._foreign:
            return
        seen = Sighting(report.venue_id, report.side, report.price, report.lots, report.created_ns, first_seen)
        ours = [*self._of(lost=True), *self._of(lost=False)]
        if report.status is OrderStatus.WORKING or report.filled_lots:
            # One that ended without a fill makes no difference any more to what was concluded.
            ours += self._settled.values()
        if not self._shows_tags and any(may_be(order, seen) for order in ours):
            self._told[report.venue_id] = (seen, report)
            if len(self._told) > limits.SIGHTINGS_MAX:
                del self._told[next(iter(self._told))]
            return
        self._told.pop(report.venue_id, None)
        self._foreign[report.venue_id] = None
        self.take_fills(report.venue_id)
        if len(self._foreign) > limits.VENUE_IDS_MAX:
            del self._foreign[next(iter(self._foreign))]

    def take_fills(self, venue_id: str) -> list[VenueFill]:
        """Those of one order, whose owner is known now."""
        found = [fill for fill in self._fills.values() if fill.venue_order_id == venue_id]
        for fill in found:
            del self._fills[fill.trade_id]
        self._asked.pop(venue_id, None)
        return found

    def take_report(self, venue_id: str) -> OrderReport | None:
        """The last word on one order, whose owner is known now."""
        kept = self._told.pop(venue_id, None)
        return kept[1] if kept is not None else None

    def ids_to_ask(self) -> list[str]:
        """Orders that only fills or reports have shown, and that may be ours: look them up."""
        # What a stream told may be old: what it is now decides.
        found: dict[str, None] = dict.fromkeys(self._told)
        for fill in self._fills.values():
            venue_id = fill.venue_order_id
            is_plausible = any(self._may_fill(entry, fill) for entry in self._roster.live.values() if entry.is_lost)
            if is_plausible or (self._shows_tags and self._asked.get(venue_id, 0) < ASKS_MAX):
                found[venue_id] = None
        present = {fill.venue_order_id for fill in self._fills.values()}
        self._asked = {venue_id: count for venue_id, count in self._asked.items() if venue_id in present}
        for venue_id in found.keys() & present:
            self._asked[venue_id] = self._asked.get(venue_id, 0) + 1
        return list(found)

    def identify(self, now_ns: int) -> list[tuple[Watched, str]]:
        """Lost orders that were found, and the venue's ids of them."""
        self._settled = {
            client_id: order for client_id, order in self._settled.items() if now_ns <= order.sent_ns + TURN_UP_NS
        }
        lost = self._of(lost=True)
        if self._shows_tags:
            self.unclear = tuple(self._unexplained())
            return []
        sightings = {one.venue_id: one for one, _ in self._told.values()} | {one.venue_id: one for one in self._open}
        settled = [order for client_id, order in self._settled.items() if client_id not in {o.client_id for o in lost}]
        found = assign(lost, list(sightings.values()), under_way=self._of(lost=False), settled=settled)
        self._held = found.held
        self.unclear = (*found.unclear, *self._unexplained())
        pairs: list[tuple[Watched, str]] = []
        for order, one in found.pairs:
            entry = self._roster.live[order.client_id]
            self.settle(entry)
            pairs.append((entry, one.venue_id))
        return pairs

    def settle(self, entry: Watched) -> None:
        """A lost order is given its order or its end: from now on another one like it is a contradiction."""
        self._settled[entry.client_id] = entry.as_lost()

    def is_held(self, entry: Watched) -> bool:
        """Something that is there may be this order, so its absence is none."""
        if not entry.is_lost:
            return False
        return entry.client_id in self._held or any(self._may_fill(entry, fill) for fill in self._fills.values())

    def _of(self, *, lost: bool) -> list[Lost]:
        """Fingerprints of the orders that were lost, or of those whose answer may still come."""
        live = self._roster.live.values()
        return [entry.as_lost() for entry in live if (entry.is_lost if lost else entry.is_under_way)]

    def _may_fill(self, entry: Watched, fill: VenueFill) -> bool:
        is_price = entry.price == 0 or (fill.price - entry.price) * entry.side <= 0
        is_time = fill.venue_ns == 0 or fill.venue_ns >= entry.sent_ns - POSSIBLE_NS
        is_new = self._roster.see(fill.venue_order_id) > entry.mark
        return fill.side in (entry.side, 0) and fill.lots <= entry.lots and is_price and is_time and is_new

    def _unexplained(self) -> Iterator[str]:
        """Fills that may be a lost order's, of an order that the venue has been asked about in vain."""
        for entry in self._roster.live.values():
            if entry.is_lost:
                for fill in self._fills.values():
                    if self._asked.get(fill.venue_order_id, 0) >= ASKS_MAX and self._may_fill(entry, fill):
                        yield (
                            f"fill {fill.trade_id} of {fill.venue_order_id} may be one of {entry.client_id}, whose "
                            "answer was lost, and the venue does not say what that order is: look there"
                        )
                        break

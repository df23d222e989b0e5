"""All orders of ours by both their names, and in which order the venue's ids were first seen."""

from __future__ import annotations

from collections.abc import Iterator, ValuesView

from ztb.venues import limits
from ztb.venues.settling import Settling
from ztb.venues.watched import Watched


class Roster:
    """Of one instrument. Ended orders are kept, because a late fill of one is still a fill."""

    def __init__(self) -> None:
        self.live: dict[str, Watched] = {}
        """Orders whose end is not known yet, by client id."""
        self.settling = Settling()
        self._ended: dict[str, Watched] = {}
        self._by_venue_id: dict[str, str] = {}
        self._first_seen: dict[str, int] = {}
        self._count = 0

    @property
    def ended(self) -> ValuesView[Watched]:
        """The newest ones that ended."""
        return self._ended.values()

    def newest_ended(self) -> Iterator[Watched]:
        """The last one first."""
        return reversed(self._ended.values())

    def find(self, client_id: str) -> Watched | None:
        """The order, ended or not."""
        return self.live.get(client_id) or self._ended.get(client_id)

    def named(self, venue_id: str) -> Watched | None:
        """The order that the venue calls so, if it is known to be ours."""
        client_id = self._by_venue_id.get(venue_id)
        return None if client_id is None else self.find(client_id)

    def add(self, entry: Watched) -> None:
        """Of now: whatever id was seen before is older."""
        entry.mark = self._count
        self.live[entry.client_id] = entry

    def name(self, entry: Watched, venue_id: str) -> bool:
        """The venue calls the order so; False where that name is another one's, or the order has another name."""
        self.see(venue_id)
        holder = self._by_venue_id.setdefault(venue_id, entry.client_id)
        if holder != entry.client_id or entry.venue_id not in ("", venue_id):
            return False
        entry.venue_id = venue_id
        return True

    def see(self, venue_id: str) -> int:
        """The venue showed this id, ours or not; gives the number of its first sight."""
        known = self._first_seen.pop(venue_id, 0)
        if not known:
            self._count += 1
            known = self._count
        # Seen again it is young again: what the venue goes on to show is never forgotten.
        self._first_seen[venue_id] = known
        if len(self._first_seen) > limits.VENUE_IDS_MAX:
            del self._first_seen[next(iter(self._first_seen))]
        return known

    def end(self, entry: Watched, monotonic_ns: int, *, may_fill: bool) -> bool:
        """Stop to judge the order; False if that was done before. ``may_fill``: a fill of it may still be told."""
        if self.live.pop(entry.client_id, None) is None:
            return False
        entry.ended_ns = monotonic_ns
        if may_fill:
            self.settling.add(entry)
        self._ended[entry.client_id] = entry
        if len(self._ended) > limits.ENDED_ORDERS_MAX:
            oldest = self._ended.pop(next(iter(self._ended)))
            self._by_venue_id.pop(oldest.venue_id, None)
        return True

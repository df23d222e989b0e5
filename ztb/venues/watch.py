"""Our orders as the venue shows them in open orders, fills and reports; pure book-keeping, no calls.

The venue is believed where it says something, never where it says nothing (F-03, F-04): what silence means is in
``verdict``, whose an order is in ``identity``. Every fill is told once, by the venue's trade id (F-13), whatever told
it first and however often. An order whose request is still under way is not judged at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from ztb.core.command import MARKET, Place
from ztb.core.event import (
    OrderAccepted,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
)
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.port import OpenOrder, OrderReport, OrderStatus, VenueFill
from ztb.venues.roster import Roster
from ztb.venues.self_trade import OTHER_ORDER_LOOKS_MAX, other_orders
from ztb.venues.unclaimed import Unclaimed
from ztb.venues.verdict import Patience, Verdict, counts, verdict
from ztb.venues.watched import OrderLike, Watched, sent_ns_of

_NS = 1_000_000_000


class Watch:
    """All orders of one instrument that this session or its predecessors sent, by client id."""

    def __init__(
        self,
        instrument: Instrument,
        *,
        tag_prefix: str,
        patience: Patience | None = None,
        shows_tags: bool = True,
        has_status: bool = False,
    ) -> None:
        """``shows_tags``: with orders; fills are known by either. ``has_status``: orders can be looked up."""
        self._instrument = instrument
        self._tag_prefix = tag_prefix
        self._patience = patience or Patience()
        self._has_status = has_status
        self._roster = Roster()
        self.settling = self._roster.settling
        self._unclaimed = Unclaimed(self._roster, shows_tags=shows_tags)
        self.look = 0
        self.stray_fills: dict[str, VenueFill] = {}
        """Fills of ours, by their tag, that belong to no order we know, by trade id."""
        self.stray_orders: dict[str, OpenOrder] = {}
        """Working orders of ours that should not be there, at the last look, by client id."""
        self._self_trades: dict[str, tuple[VenueFill, int]] = {}
        self._overfilled: dict[str, Watched] = {}
        self._owing: dict[str, Watched] = {}
        """Ended orders of which the venue told more than its fills show."""
        self._contradictions: list[str] = []

    @property
    def live(self) -> dict[str, Watched]:
        """Orders whose end is not known yet."""
        return self._roster.live

    @property
    def contradictions(self) -> list[str]:
        """What the venue said that cannot be, in words for the operator; what may yet be cleared up last."""
        overfilled = [
            f"order {entry.client_id}: {entry.filled_lots} lots filled of {entry.final_lots} that the venue says"
            for entry in self._overfilled.values()
            if entry.is_overfilled
        ]
        owing = [
            f"order {entry.client_id} has ended, and {entry.told_lots - entry.filled_lots} lots that the venue says "
            "were filled are not among its fills"
            for entry in self._owing.values()
            if entry.is_short_of_fills
        ]
        return [*self._contradictions, *overfilled, *owing, *self._unclaimed.unclear]

    def find(self, client_id: str) -> Watched | None:
        """The order, ended or not."""
        return self._roster.find(client_id)

    def whose(self, tag: str, venue_id: str) -> str:
        """The client id of an order at the venue; "" where nothing proves it ours (F-25)."""
        if tag:
            return tag if tag.startswith(self._tag_prefix) else ""
        entry = self._roster.named(venue_id)
        return entry.client_id if entry is not None else ""

    def add(
        self,
        order: OrderLike,
        since_cursor: str,
        known_fills: Mapping[str, int],
        *,
        venue_id: str = "",
    ) -> Watched:
        """Begin to watch. ``known_fills`` (lots by trade id) are counted, not told again."""
        entry = self.find(order.client_id)
        if entry is None:
            is_market = isinstance(order, Place) and order.time_in_force == MARKET
            price = 0 if is_market else order.price
            entry = Watched(order.client_id, order.side, order.lots, price, since_cursor, sent_ns_of(order))
            self._roster.add(entry)
        if venue_id:
            self._roster.name(entry, venue_id)
        entry.fills.update(known_fills)
        # What has filled has been placed: such an order can end, but it cannot turn out never to have been there.
        entry.is_known = entry.is_known or bool(known_fills)
        return entry

    def doubt(self, entry: Watched, *, looks_min: int, spread_s: float, ts_ns: int) -> list[OrderEvent]:
        """The answer for this order was lost: it is told again what becomes of it, even where that was told before.

        Told at once: its fills that came before the order was known here.
        """
        entry.doubt_looks_min = looks_min
        entry.doubt_spread_ns = int(spread_s * _NS)
        entry.absent_looks = 0
        entry.noted_look = self.look
        mine = [fill for fill in self.stray_fills.values() if fill.tag == entry.client_id]
        for fill in mine:
            del self.stray_fills[fill.trade_id]
        return self.see_fills(mine, ts_ns)

    def note(
        self,
        client_id: str,
        *,
        venue_id: str = "",
        told_lots: int = 0,
        is_cancelled: bool = False,
        is_gone: bool = False,
        ts_ns: int = 0,
    ) -> list[OrderEvent]:
        """The venue answered for this order outside a look; told are fills that waited for the name of the order."""
        entry = self.find(client_id)
        if entry is None:
            return []
        if (is_gone and entry.is_told_gone) or (is_cancelled and entry.is_cancel_confirmed):
            return []  # said before: looks must not begin anew, however often it is cancelled
        entry.is_known = True
        entry.told_lots = max(entry.told_lots, told_lots)
        entry.is_cancel_confirmed = entry.is_cancel_confirmed or is_cancelled
        entry.is_told_gone = entry.is_told_gone or is_gone
        entry.absent_looks = 0
        entry.noted_look = self.look
        return self._name(entry, venue_id, ts_ns)

    def begin_look(self) -> None:
        """Call before the open orders are asked for: what is noted from here on is newer than their answer."""
        self.look += 1

    # --- what the venue shows -----------------------------------------------------------------------------------

    def see_open(self, orders: Iterable[OpenOrder], ts_ns: int) -> list[OrderEvent]:
        """Take the open orders of one look in."""
        events: list[OrderEvent] = []
        shown: dict[str, str] = {}
        self.stray_orders = {}
        self._unclaimed.begin_look()
        for entry in self.live.values():
            entry.open_lots = 0
        for order in orders:
            first_seen = self._roster.see(order.venue_id)
            client_id = self.whose(order.tag, order.venue_id)
            known = self.live.get(client_id)
            if not client_id:
                if not order.tag:
                    self._unclaimed.keep_open(order, first_seen)
            elif client_id in shown:
                self._contradiction(f"{shown[client_id]} and {order.venue_id} at the venue are both {client_id}")
            elif known is None:
                self.stray_orders[client_id] = order
            else:
                shown[client_id] = order.venue_id
                events += self._see_one_open(known, order, ts_ns)
        return events

    def _see_one_open(self, entry: Watched, order: OpenOrder, ts_ns: int) -> list[OrderEvent]:
        if order.side != entry.side or order.remaining_lots > entry.lots:
            self._contradiction(f"order {entry.client_id} is at the venue with another side or size")
        entry.open_lots = order.remaining_lots
        entry.absent_looks = 0
        entry.told_lots = max(entry.told_lots, entry.lots - order.remaining_lots)
        return self._there(entry, order.venue_id, ts_ns)

    def _there(self, entry: Watched, venue_id: str, ts_ns: int) -> list[OrderEvent]:
        """The venue has the order: told where that is news, and told again where an answer for it was lost."""
        if entry.is_known and entry.venue_id and not entry.is_doubted:
            return self._name(entry, venue_id, ts_ns) if entry.venue_id != venue_id else []
        entry.is_known = True
        entry.doubt_looks_min = 0
        return [OrderAccepted(ts_ns, entry.client_id, venue_id), *self._name(entry, venue_id, ts_ns)]

    def _name(self, entry: Watched, venue_id: str, ts_ns: int) -> list[OrderEvent]:
        """The order's name at the venue is known; what came under that name before is its own."""
        if not venue_id:
            return []
        if not self._roster.name(entry, venue_id):
            self._contradiction(f"order {entry.client_id} is {entry.venue_id or 'new'} and {venue_id} at the venue")
            return []
        report = self._unclaimed.take_report(venue_id)
        events = self.see_report(report, ts_ns) if report is not None else []
        return [*events, *self.see_fills(self._unclaimed.take_fills(venue_id), ts_ns)]

    def see_fills(self, fills: Iterable[VenueFill], ts_ns: int) -> list[OrderEvent]:
        """Take fills in, each once; what is not ours is left alone. A late fill of an ended order is still told."""
        events: list[OrderEvent] = []
        for fill in fills:
            client_id = self.whose(fill.tag, fill.venue_order_id)
            if not client_id:
                if not fill.tag:
                    self._unclaimed.keep_fill(fill)
                continue
            entry = self.find(client_id)
            if entry is None:
                self._stray(fill)
            elif fill.side not in (entry.side, 0):
                self._stray(fill)
                self._contradiction(f"fill {fill.trade_id} of order {client_id} is on the other side")
            elif fill.trade_id not in entry.fills:
                events.append(self._see_one_fill(entry, fill, ts_ns))
                if fill.side == 0 and len(self._self_trades) < limits.STRAY_FILLS_MAX:
                    self._self_trades[fill.trade_id] = (replace(fill, tag=client_id), self.look)
        return events

    def see_report(self, report: OrderReport, ts_ns: int, *, is_asked: bool = False) -> list[OrderEvent]:
        """Take the venue's word on one order in; an older word than the last one changes nothing.

        ``is_asked``: it answers a look-up of this look, and is no older than the open orders.
        """
        first_seen = self._roster.see(report.venue_id)
        client_id = self.whose(report.tag, report.venue_id)
        entry = self.find(client_id)
        if not client_id:
            self._unclaimed.keep_report(report, first_seen)
            return []
        if entry is None:
            # Ours by its tag, and unknown here: its fills are strays by the same tag.
            mine = [replace(fill, tag=client_id) for fill in self._unclaimed.take_fills(report.venue_id)]
            return self.see_fills(mine, ts_ns)
        if (report.side, report.lots) != (entry.side, entry.lots):
            self._contradiction(f"order {client_id} is at the venue with another side or size")
            return []
        entry.told_lots = max(entry.told_lots, report.filled_lots)
        if entry.is_short_of_fills and client_id not in self.live:
            self._owing[client_id] = entry
        if report.status is not OrderStatus.WORKING:
            entry.ended_as = report.status
            entry.end_reason = report.reason or entry.end_reason
            entry.final_lots = max(entry.final_lots, report.filled_lots)
            self._check_total(entry)
        elif entry.ended_as is None:
            entry.absent_looks = 0
        if not is_asked:
            entry.noted_look = self.look
        return self._there(entry, report.venue_id, ts_ns)

    def _see_one_fill(self, entry: Watched, fill: VenueFill, ts_ns: int) -> OrderEvent:
        entry.fills[fill.trade_id] = fill.lots
        entry.is_known = True
        entry.absent_looks = 0
        if entry.filled_lots > entry.lots:
            self._contradiction(f"order {entry.client_id}: {entry.filled_lots} lots filled of {entry.lots}")
        self._check_total(entry)
        return OrderFilled(
            ts_ns=ts_ns,
            client_id=entry.client_id,
            trade_id=fill.trade_id,
            lots=fill.lots,
            price=fill.price,
            fee=self._instrument.money.rounded(fill.fee, "ceiling"),
            maker=fill.maker,
            venue_ns=fill.venue_ns,
        )

    def _check_total(self, entry: Watched) -> None:
        """More fills than the venue says there were: it is asked again, and until its word fits that is said."""
        if entry.ended_as is not None and entry.lots >= entry.filled_lots > entry.final_lots:
            self._overfilled[entry.client_id] = entry
        else:
            self._overfilled.pop(entry.client_id, None)

    def ids_to_ask(self) -> list[str]:
        """Orders whose status decides something now, by the venue's ids; for a venue that tells it."""
        absent = [
            entry.venue_id
            for entry in self.live.values()
            if entry.open_lots == 0 and entry.is_unsettled and entry.venue_id and entry.ended_as is None
        ]
        overfilled = [entry.venue_id for entry in self._overfilled.values()]
        wanted = dict.fromkeys((*absent, *overfilled, *self._unclaimed.ids_to_ask()))
        return list(wanted)[: limits.LOOK_UP_IDS_MAX]

    # --- what follows from it -----------------------------------------------------------------------------------

    def conclude(self, ts_ns: int, monotonic_ns: int) -> list[OrderEvent]:
        """After a whole look (open orders first, then fills, then status): which orders were found, or have ended."""
        events: list[OrderEvent] = []
        for entry, venue_id in self._unclaimed.identify(ts_ns):
            events += self._there(entry, venue_id, ts_ns)
        events += self._other_sides(ts_ns)
        for entry in list(self.live.values()):
            if entry.filled_lots >= entry.lots:
                self.end(entry, monotonic_ns)
            elif counts(entry, look=self.look):
                events += self._judge_absent(entry, ts_ns, monotonic_ns)
        return events

    def _judge_absent(self, entry: Watched, ts_ns: int, monotonic_ns: int) -> list[OrderEvent]:
        if entry.is_short_of_fills or self._unclaimed.is_held(entry):
            entry.absent_looks = 0
            return []
        entry.absent_looks += 1
        if entry.absent_looks == 1:
            entry.absent_since_ns = monotonic_ns
        end = verdict(entry, monotonic_ns=monotonic_ns, patience=self._patience, has_status=self._has_status)
        if end is Verdict.OPEN:
            return []
        if end is Verdict.NEVER_PLACED:
            self._unclaimed.settle(entry)
        self.end(entry, monotonic_ns)
        return [_event_of(end, entry, ts_ns, monotonic_ns)]

    def _other_sides(self, ts_ns: int) -> list[OrderEvent]:
        """The second fill of each trade of the account with itself, as soon as the evidence names its order."""
        events: list[OrderEvent] = []
        for fill, seen_at_look in list(self._self_trades.values()):
            tagged = self.find(fill.tag)
            assert tagged is not None, "the fill was taken in for this order"
            looks = self.look - seen_at_look
            others = other_orders(fill, tagged, self.live.values(), self._roster.ended, looks=looks)
            if others or looks >= OTHER_ORDER_LOOKS_MAX:
                del self._self_trades[fill.trade_id]
            for other, lots in others:
                # The row's fee is that of both sides, and was told with the tagged one.
                half = replace(fill, side=other.side, lots=lots, fee=Decimal(0), maker=True)
                events.append(self._see_one_fill(other, half, ts_ns))
        return events

    def end(self, entry: Watched, monotonic_ns: int, *, may_fill: bool = True) -> None:
        """Stop to judge the order. It is kept, because a late fill of it is still a fill.

        ``may_fill`` False: the venue refused it outright, or an earlier session saw it settle.
        """
        self._roster.end(entry, monotonic_ns, may_fill=may_fill)

    def read_from(self, newest: str, monotonic_ns: int) -> str:
        """The cursor to read fills after, so that one which the venue shows late cannot be missed.

        That is the newest known, unless an order is unsettled or has just ended without all its lots: then the
        history is read again from where the oldest such order began. What is read twice is told once.
        """
        self._owing = {client_id: entry for client_id, entry in self._owing.items() if entry.is_short_of_fills}
        for entry in self._owing.values():
            return entry.since_cursor
        recent_ns = self.settling.since_ns(monotonic_ns - limits.ENDED_RECHECK_S * _NS)
        oldest: Watched | None = None
        for entry in self._roster.newest_ended():
            if entry.ended_ns < recent_ns:
                break
            oldest = entry if entry.filled_lots < entry.lots else oldest
        if oldest is not None:
            return oldest.since_cursor
        for entry in self.live.values():
            if entry.is_unsettled:
                return entry.since_cursor
        return newest

    def _stray(self, fill: VenueFill) -> None:
        if len(self.stray_fills) < limits.STRAY_FILLS_MAX:
            self.stray_fills[fill.trade_id] = fill
        else:
            self._contradiction("too many fills with our tag that belong to no order")

    def _contradiction(self, text: str) -> None:
        self._contradictions = list(dict.fromkeys([*self._contradictions, text]))[-limits.CONTRADICTIONS_MAX :]


def _event_of(end: Verdict, entry: Watched, ts_ns: int, monotonic_ns: int) -> OrderEvent:
    match end:
        case Verdict.EXPIRED:
            return OrderExpired(ts_ns, entry.client_id)
        case Verdict.REJECTED:
            return OrderRejected(ts_ns, entry.client_id, entry.end_reason or "rejected_later", "the venue ended it")
        case Verdict.NEVER_PLACED:
            spread_s = (monotonic_ns - entry.absent_since_ns) / _NS
            evidence = f"in neither open orders nor fills in {entry.absent_looks} looks over {spread_s:.1f} s"
            return OrderNotPlaced(ts_ns, entry.client_id, evidence)
    return OrderCancelled(ts_ns, entry.client_id)

"""Our orders as the venue's open orders and fill history show them; pure book-keeping, no calls.

The venue is believed where it says something, never where it says nothing: an order that is missing counts as ended
(or as never placed) only when looks, repeated over time, agree, and when the fills account for everything that the
venue has said about it otherwise (F-03, F-04, F-13). An order whose request is still under way is not judged at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from ztb.core.event import OrderAccepted, OrderCancelled, OrderEvent, OrderFilled, OrderNotPlaced
from ztb.core.instrument import Instrument
from ztb.venues import limits
from ztb.venues.port import OpenOrder, VenueFill
from ztb.venues.self_trade import OTHER_ORDER_LOOKS_MAX, other_order
from ztb.venues.watched import OrderLike, Watched

_NS = 1_000_000_000
GONE_LOOKS_MIN = 2


class Watch:
    """All orders of one instrument that this session or its predecessors sent, by client id."""

    def __init__(self, instrument: Instrument, *, tag_prefix: str, gone_s: float) -> None:
        self._instrument = instrument
        self._tag_prefix = tag_prefix
        self._gone_ns = int(gone_s * _NS)
        self._ended: dict[str, Watched] = {}
        self.live: dict[str, Watched] = {}
        """Orders whose end is not known yet."""
        self.look = 0
        self.stray_fills: dict[str, VenueFill] = {}
        """Fills with our tag that belong to no order we know, by trade id."""
        self.stray_orders: dict[str, OpenOrder] = {}
        """Working orders with our tag that should not be there, at the last look, by client id."""
        self._self_trades: dict[str, tuple[VenueFill, int]] = {}
        self.contradictions: list[str] = []
        """What the venue said that cannot be, in words for the operator; the newest last."""

    def find(self, client_id: str) -> Watched | None:
        """The order, ended or not."""
        return self.live.get(client_id) or self._ended.get(client_id)

    def add(self, order: OrderLike, since_cursor: str, known_fills: Mapping[str, int]) -> Watched:
        """Begin to watch. ``known_fills`` (lots by trade id) are counted, not told again."""
        entry = self.find(order.client_id)
        if entry is None:
            entry = Watched(order.client_id, order.side, order.lots, order.price, since_cursor)
            self.live[order.client_id] = entry
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

    def note(self, client_id: str, *, venue_id: str = "", told_lots: int = 0, is_cancelled: bool = False) -> None:
        """The venue answered for this order outside a look."""
        entry = self.find(client_id)
        if entry is None:
            return
        entry.is_known = True
        entry.venue_id = venue_id or entry.venue_id
        entry.told_lots = max(entry.told_lots, told_lots)
        entry.is_cancel_confirmed = entry.is_cancel_confirmed or is_cancelled
        entry.absent_looks = 0
        entry.noted_look = self.look

    def begin_look(self) -> None:
        """Call before the open orders are asked for: what is noted from here on is newer than their answer."""
        self.look += 1

    def see_open(self, orders: Iterable[OpenOrder], ts_ns: int) -> list[OrderEvent]:
        """Take the open orders of one look in."""
        events: list[OrderEvent] = []
        self.stray_orders = {}
        for entry in self.live.values():
            entry.open_lots = 0
        for order in orders:
            if not order.tag.startswith(self._tag_prefix):
                continue
            known = self.live.get(order.tag)
            if known is None:
                self.stray_orders[order.tag] = order
            else:
                events += self._see_one_open(known, order, ts_ns)
        return events

    def _see_one_open(self, entry: Watched, order: OpenOrder, ts_ns: int) -> list[OrderEvent]:
        if order.side != entry.side or order.remaining_lots > entry.lots:
            self._contradiction(f"order {entry.client_id} is at the venue with another side or size")
        entry.open_lots = order.remaining_lots
        entry.absent_looks = 0
        entry.told_lots = max(entry.told_lots, entry.lots - order.remaining_lots)
        if entry.is_known and entry.venue_id and not entry.is_doubted:
            return []
        entry.is_known = True
        entry.doubt_looks_min = 0
        entry.venue_id = order.venue_id
        return [OrderAccepted(ts_ns, entry.client_id, order.venue_id)]

    def see_fills(self, fills: Iterable[VenueFill], ts_ns: int) -> list[OrderEvent]:
        """Take fills in, each once; what is not ours is left alone. A late fill of an ended order is still told."""
        events: list[OrderEvent] = []
        for fill in fills:
            if not fill.tag.startswith(self._tag_prefix):
                continue
            entry = self.find(fill.tag)
            if entry is None:
                self._stray(fill)
            elif fill.side not in (entry.side, 0):
                self._stray(fill)
                self._contradiction(f"fill {fill.trade_id} of order {entry.client_id} is on the other side")
            elif fill.trade_id not in entry.fills:
                events.append(self._see_one_fill(entry, fill, ts_ns))
                if fill.side == 0 and len(self._self_trades) < limits.STRAY_FILLS_MAX:
                    self._self_trades[fill.trade_id] = (fill, self.look)
        return events

    def _other_sides(self, ts_ns: int) -> list[OrderEvent]:
        """The second fill of each trade of the account with itself, as soon as the evidence names its order."""
        events: list[OrderEvent] = []
        for fill, seen_at_look in list(self._self_trades.values()):
            tagged = self.find(fill.tag)
            assert tagged is not None, "the fill was taken in for this order"
            looks = self.look - seen_at_look
            other = other_order(fill, tagged, self.live.values(), self._ended.values(), looks=looks)
            if other is not None or looks >= OTHER_ORDER_LOOKS_MAX:
                del self._self_trades[fill.trade_id]
            if other is not None:
                # The row's fee is that of both sides, and was told with the tagged one.
                half = replace(fill, side=other.side, fee=Decimal(0), maker=True)
                events.append(self._see_one_fill(other, half, ts_ns))
        return events

    def _see_one_fill(self, entry: Watched, fill: VenueFill, ts_ns: int) -> OrderEvent:
        entry.fills[fill.trade_id] = fill.lots
        entry.is_known = True
        entry.absent_looks = 0
        if entry.filled_lots > entry.lots:
            self._contradiction(f"order {entry.client_id}: {entry.filled_lots} lots filled of {entry.lots}")
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

    def conclude(self, ts_ns: int, monotonic_ns: int) -> list[OrderEvent]:
        """After a whole look (open orders first, then fills): which orders have ended, or never began."""
        events = self._other_sides(ts_ns)
        for entry in list(self.live.values()):
            if entry.filled_lots >= entry.lots:
                self.end(entry, monotonic_ns)
            elif entry.is_unsettled and entry.open_lots == 0 and entry.noted_look < self.look:
                events += self._conclude_absent(entry, ts_ns, monotonic_ns)
        return events

    def _conclude_absent(self, entry: Watched, ts_ns: int, monotonic_ns: int) -> list[OrderEvent]:
        if entry.is_short_of_fills:
            entry.absent_looks = 0
            return []
        entry.absent_looks += 1
        if entry.absent_looks == 1:
            entry.absent_since_ns = monotonic_ns
        spread_ns = monotonic_ns - entry.absent_since_ns
        if entry.is_known:
            is_gone = entry.absent_looks >= GONE_LOOKS_MIN and spread_ns >= self._gone_ns
            if not (is_gone or entry.is_cancel_confirmed):
                return []
            self.end(entry, monotonic_ns)
            return [OrderCancelled(ts_ns, entry.client_id)]
        if entry.absent_looks < entry.doubt_looks_min or spread_ns < entry.doubt_spread_ns:
            return []
        self.end(entry, monotonic_ns)
        evidence = f"in neither open orders nor fills in {entry.absent_looks} looks over {spread_ns / _NS:.1f} s"
        return [OrderNotPlaced(ts_ns, entry.client_id, evidence)]

    def end(self, entry: Watched, monotonic_ns: int) -> None:
        """Stop to judge the order. It is kept, because a late fill of it is still a fill."""
        if self.live.pop(entry.client_id, None) is None:
            return
        entry.ended_ns = monotonic_ns
        self._ended[entry.client_id] = entry
        if len(self._ended) > limits.ENDED_ORDERS_MAX:
            del self._ended[next(iter(self._ended))]

    def read_from(self, newest: str, monotonic_ns: int) -> str:
        """The trade id to read fills after, so that one which the venue shows late cannot be missed.

        That is the newest known, unless an order is unsettled or has just ended without all its lots: then the
        history is read again from where the oldest such order began. What is read twice is told once.
        """
        recent_ns = monotonic_ns - limits.ENDED_RECHECK_S * _NS
        for entry in self._ended.values():
            if entry.ended_ns >= recent_ns and entry.filled_lots < entry.lots:
                return entry.since_cursor
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
        if text not in self.contradictions:
            self.contradictions.append(text)
            del self.contradictions[: -limits.CONTRADICTIONS_MAX]

"""A venue as a model: its truth is a few dicts, and what it shows of that truth is what a test lets it show.

Three kinds: ``tags`` shows our tag everywhere (as Zaif), ``orders`` with orders only (as Coinbase), ``none`` nowhere
(as GMO). The truth never depends on what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from decimal import Decimal

from tests.venues.scripted_account import ScriptedAccount
from ztb.core.command import TIMES_IN_FORCE, Place
from ztb.core.error import VenueError
from ztb.venues.port import Capabilities, OpenOrder, OrderReport, OrderStatus, VenueFill

KINDS = ("tags", "orders", "none")


def able(kind: str) -> Capabilities:
    """What a venue of this kind can do."""
    return Capabilities(
        times_in_force=frozenset(TIMES_IN_FORCE),
        client_order_id=kind != "none",
        tagged_fills=kind == "tags",
        order_status=kind != "tags",
        tag_status=kind == "orders",
        private_stream=kind != "tags",
        reduce_only=False,
        cancel_many=1 if kind == "tags" else 10,
        positions=False,
        self_trade=kind == "tags",
    )


@dataclass(slots=True)
class Made:
    """One order in the venue's own books."""

    venue_id: str
    tag: str
    side: int
    price: int
    lots: int
    created_ns: int
    filled: int = 0
    status: OrderStatus = OrderStatus.WORKING


class ModelVenue(ScriptedAccount):
    """``port.Account`` over the model."""

    def __init__(self, kind: str, now_ns: Callable[[], int]) -> None:
        super().__init__()
        self._kind = kind
        self._now_ns = now_ns
        self.made: dict[str, Made] = {}
        self.traded: list[VenueFill] = []
        self.hidden: set[str] = set()
        """Venue ids of orders that are shown nowhere, and their fills neither."""
        self.late: set[str] = set()
        """Trade ids that the history does not show yet."""
        self.down = False
        """Every question is answered with 404."""
        self.looked_up: list[tuple[str, ...]] = []

    @property
    def capabilities(self) -> Capabilities:
        return able(self._kind)

    # --- the truth ----------------------------------------------------------------------------------------------

    def accept(self, order: Place, *, ours: bool = True) -> Made:
        """The venue takes the order; whether anybody hears of that is another matter."""
        tag = order.client_id if ours else ""
        made = Made(str(len(self.made) + 1), tag, order.side, order.price, order.lots, self._now_ns())
        self.made[made.venue_id] = made
        return made

    def trade(self, made: Made, lots: int) -> VenueFill:
        """Some of it fills, at its price."""
        made.filled += lots
        if made.filled == made.lots:
            made.status = OrderStatus.FILLED
        fill = VenueFill(
            str(1000 + len(self.traded)), made.tag, made.venue_id, "btc_jpy", made.side, made.price, lots,
            Decimal(0), False, self._now_ns(),
        )  # fmt: skip
        self.traded.append(fill)
        return self._shown_fill(fill)

    def end(self, made: Made, status: OrderStatus) -> OrderReport:
        """It ends without its rest."""
        made.status = status
        return self.report(made)

    def report(self, made: Made) -> OrderReport:
        """What the venue says of it now."""
        return OrderReport(
            made.venue_id, "" if self._kind == "none" else made.tag, "btc_jpy", made.side, made.price, made.lots,
            made.filled, made.status, made.created_ns,
        )  # fmt: skip

    # --- what it shows ------------------------------------------------------------------------------------------

    def _shown_fill(self, fill: VenueFill) -> VenueFill:
        if self._kind == "tags":
            return replace(fill, venue_order_id="")
        return replace(fill, tag="")

    def _ask(self) -> None:
        if self.down:
            raise VenueError("404 not found", kind="exchange", code="404", retryable=True)

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        self._ask()
        shown = [
            made
            for made in self.made.values()
            if made.status is OrderStatus.WORKING and made.venue_id not in self.hidden
        ]
        return [
            OpenOrder(
                made.venue_id, "" if self._kind == "none" else made.tag, "btc_jpy", made.side, made.price,
                made.lots - made.filled, made.created_ns, 0 if self._kind == "tags" else made.lots,
            )
            for made in shown
        ]  # fmt: skip

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        self._ask()
        return [
            self._shown_fill(fill)
            for fill in self.traded
            if fill.venue_order_id not in self.hidden
            and fill.trade_id not in self.late
            and int(fill.trade_id) > int(cursor or 0)
        ]

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        self._ask()
        if self._kind != "orders":
            return []
        made = [one for one in self.made.values() if one.tag in tags and one.created_ns >= since_ns]
        return [self.report(one) for one in made if one.venue_id not in self.hidden]

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        self._ask()
        self.looked_up.append(tuple(venue_ids))
        if self._kind == "tags":
            return []
        return [self.report(self.made[one]) for one in venue_ids if one in self.made and one not in self.hidden]

"""An account whose venue a test plays by hand: what is open, what filled, and which calls fail."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence, Set
from decimal import Decimal

from ztb.core.command import Place
from ztb.core.error import Throttled, VenueError
from ztb.core.instrument import BUY
from ztb.venues.port import (
    Balance,
    Capabilities,
    OpenOrder,
    OrderReport,
    Placed,
    Rights,
    VenueFill,
    VenuePosition,
)
from ztb.venues.zaif.rules import CAPABILITIES


def passing() -> VenueError:
    return VenueError("the venue hiccups", kind="network", retryable=True)


def lasting() -> VenueError:
    return VenueError("no such key", kind="auth", retryable=False)


def throttled() -> Throttled:
    return Throttled("too fast", kind="rate_limit", retryable=True)


class ScriptedAccount:
    """``open`` and ``fills`` are what the venue shows; an error in a queue is raised by the next such call."""

    def __init__(self) -> None:
        self.open: dict[str, OpenOrder] = {}
        self.fills: list[VenueFill] = []
        self.open_errors: deque[VenueError | None] = deque()
        self.fills_errors: deque[VenueError | None] = deque()
        self.open_calls: list[bool] = []
        self.fills_calls: list[tuple[str, bool]] = []

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    def show(self, tag: str, lots: int, *, side: int = BUY, venue_id: str = "7") -> None:
        """Works at the venue with ``lots`` remaining."""
        self.open[tag] = OpenOrder(venue_id, tag, "btc_jpy", side, 100, lots, 0)

    def fill(self, trade_id: int, tag: str, lots: int, *, side: int = BUY) -> None:
        """Filled, and in the history from now on."""
        self.fills.append(VenueFill(str(trade_id), tag, "", "btc_jpy", side, 100, lots, Decimal(0), False, 0))
        self.fills.sort(key=lambda fill: int(fill.trade_id))

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        self.open_calls.append(urgent)
        _maybe_raise(self.open_errors)
        return list(self.open.values())

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        self.fills_calls.append((cursor, urgent))
        _maybe_raise(self.fills_errors)
        return [fill for fill in self.fills if int(fill.trade_id) > int(cursor or 0)]

    async def newest_cursor(self, instrument: str) -> str:
        return self.fills[-1].trade_id if self.fills else ""

    async def place(self, order: Place) -> Placed:
        raise AssertionError("a tracker never sends an order")

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        raise AssertionError("a tracker never cancels")

    async def balances(self) -> dict[str, Balance]:
        return {}

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        return frozenset()

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        return []

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        return []

    async def positions(self, instrument: str) -> list[VenuePosition]:
        return []

    async def rights(self) -> Rights:
        return Rights(read=True, trade=True, withdraw=False)


def _maybe_raise(errors: deque[VenueError | None]) -> None:
    error = errors.popleft() if errors else None
    if error is not None:
        raise error

"""One order of the paper account, from its arrival to its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ztb.core.instrument import Instrument
from ztb.core.money import PPM, ceil_div
from ztb.venues.port import OpenOrder, OrderReport, OrderStatus

AHEAD_UNKNOWN: Final = 1 << 62
"""The book is not displayed as deep as the order's price: only a trade through the price can fill it yet."""


@dataclass(slots=True, eq=False)
class PaperOrder:
    """``price`` is the limit in ticks, 0 for a market order; ``ahead``: displayed lots that trade before it does."""

    venue_id: str
    client_id: str
    instrument: Instrument
    side: int
    price: int
    lots: int
    reduce_only: bool
    created_ns: int
    remaining: int = field(init=False)
    ahead: int = field(init=False, default=AHEAD_UNKNOWN)
    status: OrderStatus = field(init=False, default=OrderStatus.WORKING)
    reason: str = field(init=False, default="")
    _notional: dict[bool, int] = field(init=False, default_factory=lambda: {True: 0, False: 0})
    _fee: dict[bool, int] = field(init=False, default_factory=lambda: {True: 0, False: 0})

    def __post_init__(self) -> None:
        assert self.lots > 0
        assert self.price >= 0
        self.remaining = self.lots

    @property
    def filled(self) -> int:
        """Lots."""
        return self.lots - self.remaining

    def fill(self, price: int, lots: int, *, maker: bool) -> int:
        """Take a fill in; returns its fee in money units. Roundings do not add up over many fills of an order."""
        assert 0 < lots <= self.remaining
        self.remaining -= lots
        self._notional[maker] += self.instrument.notional(price, lots)
        rate = self.instrument.maker_fee_ppm if maker else self.instrument.taker_fee_ppm
        fee = ceil_div(self._notional[maker] * rate, PPM) - self._fee[maker]
        self._fee[maker] += fee
        return fee

    def end(self, status: OrderStatus, reason: str = "") -> None:
        """It works no more."""
        assert self.status is OrderStatus.WORKING
        self.status, self.reason = status, reason

    def opened(self) -> OpenOrder:
        """As the open orders show it."""
        return OpenOrder(
            self.venue_id,
            self.client_id,
            self.instrument.symbol,
            self.side,
            self.price,
            self.remaining,
            self.created_ns,
            self.lots,
        )

    def report(self) -> OrderReport:
        """As a look-up tells it."""
        return OrderReport(
            self.venue_id,
            self.client_id,
            self.instrument.symbol,
            self.side,
            self.price,
            self.lots,
            self.filled,
            self.status,
            self.created_ns,
            self.reason,
        )

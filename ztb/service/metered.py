"""An account that counts its calls, so that rates of error and refusal are measured where they happen (A-14, A-19)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence, Set
from typing import TypeVar

from ztb.core.command import Place
from ztb.core.error import GateClosed, Rejected, Throttled, VenueError
from ztb.service.measure import Meter
from ztb.service.vitals import Vitals
from ztb.venues.limiter import HELD_BACK
from ztb.venues.port import (
    Account,
    Balance,
    Capabilities,
    OpenOrder,
    OrderReport,
    Placed,
    Rights,
    VenueFill,
    VenuePosition,
)

T = TypeVar("T")


class MeteredAccount:
    """``port.Account`` around another one. A refusal by the venue is an answer; only failures count as errors."""

    def __init__(self, account: Account, meter: Meter, vitals: Vitals | None = None) -> None:
        """``vitals`` keep what became of each call within a window; the meter counts since the start."""
        self._account = account
        self._meter = meter
        self._vitals = vitals

    @property
    def capabilities(self) -> Capabilities:
        """Of the venue."""
        return self._account.capabilities

    async def place(self, order: Place) -> Placed:
        return await self._counted(self._account.place(order), order=order)

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        return await self._counted(self._account.cancel(instrument, venue_id))

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        return await self._counted(self._account.cancel_all(instrument, venue_ids))

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        return await self._counted(self._account.look_up(instrument, venue_ids))

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        return await self._counted(self._account.look_up_tags(instrument, tags, since_ns=since_ns))

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        return await self._counted(self._account.open_orders(instrument, urgent=urgent))

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        return await self._counted(self._account.fills_after(instrument, cursor, urgent=urgent))

    async def newest_cursor(self, instrument: str) -> str:
        return await self._counted(self._account.newest_cursor(instrument))

    async def balances(self) -> dict[str, Balance]:
        return await self._counted(self._account.balances())

    async def positions(self, instrument: str) -> list[VenuePosition]:
        return await self._counted(self._account.positions(instrument))

    async def rights(self) -> Rights:
        return await self._counted(self._account.rights())

    async def _counted(self, call: Awaitable[T], *, order: Place | None = None) -> T:
        self._meter.api_calls += 1
        try:
            return await (call if self._vitals is None else self._vitals.timed(call, order=order))
        except GateClosed:
            self._meter.api_calls -= 1  # nothing left
            raise
        except Throttled as error:
            # Our own limiter held it back: that is the limit being respected, not an error of the venue.
            if error.code in HELD_BACK:
                self._meter.api_calls -= 1
                self._meter.held_back += 1
            else:
                self._meter.api_throttled += 1
            raise
        except Rejected:
            raise
        except VenueError:
            self._meter.api_errors += 1
            raise

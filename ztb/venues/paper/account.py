"""The paper account as the port wants it: the same calls as at a real venue, with a wire of a given latency.

A call reaches the matching after the latency, and its answer comes as much later. Like at a real venue, a caller who
gives up waiting does not call the order back. Nothing here can sign, and nothing here holds a key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from typing import Any, Final, TypeVar

from ztb.core.command import Place
from ztb.core.error import InvariantBroken, Unreachable, VenueError
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.paper import rules
from ztb.venues.paper.book import PaperBook
from ztb.venues.paper.exchange import PaperExchange
from ztb.venues.port import (
    AtWire,
    Balance,
    Capabilities,
    Market,
    OpenOrder,
    OrderReport,
    Placed,
    Rights,
    VenueFill,
    VenuePosition,
)

T = TypeVar("T")
UNDER_WAY_MAX: Final = 1_024


class PaperAccount:
    """``port.Account`` upon a ``PaperExchange``."""

    def __init__(
        self,
        exchange: PaperExchange,
        market: Market,
        books: Mapping[str, PaperBook],
        *,
        instruments: Mapping[str, Instrument],
        capabilities: Capabilities,
        clock: Clock,
        latency_s: float,
        at_wire: AtWire | None = None,
    ) -> None:
        """``market`` says what the venue's steps are now, and shows the book while no stream does."""
        self._exchange = exchange
        self._market = market
        self._books = books
        self._instruments = instruments
        self._capabilities = capabilities
        self._clock = clock
        self._latency_s = latency_s
        self._at_wire = at_wire
        self._checked: set[str] = set()
        self._under_way: set[asyncio.Task[Any]] = set()

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def place(self, order: Place) -> Placed:
        """Arrives once; Rejected, or Unreachable where the market of the other venue cannot be seen."""
        if order.instrument not in self._instruments:
            raise InvariantBroken(
                f"order {order.client_id} is for {order.instrument}, which this account does not trade"
            )
        if order.time_in_force not in self._capabilities.times_in_force:
            raise rules.refused(rules.UNSUPPORTED, f"no {order.time_in_force} orders here")
        instrument = self._instruments[order.instrument]
        if self._at_wire is not None:
            await self._at_wire.durable(order)
            self._at_wire.check(order)

        async def arrive() -> Placed:
            await self._see_market(instrument)
            await self._check_steps(instrument, order)
            return self._exchange.place(order, self._clock.now_ns())

        return await self._over_the_wire(arrive)

    async def cancel(self, instrument: str, venue_id: str) -> bool:
        """False: nothing of it works any more."""

        async def arrive() -> bool:
            return self._exchange.cancel(venue_id)

        return await self._over_the_wire(arrive)

    async def cancel_all(self, instrument: str, venue_ids: Sequence[str]) -> frozenset[str]:
        """These orders and no others, all in one call."""

        async def arrive() -> frozenset[str]:
            return frozenset(venue_id for venue_id in venue_ids if self._exchange.cancel(venue_id))

        return await self._over_the_wire(arrive)

    async def open_orders(self, instrument: str, *, urgent: bool = False) -> list[OpenOrder]:
        """Oldest first."""
        return self._exchange.open_orders(instrument)

    async def look_up(self, instrument: str, venue_ids: Sequence[str]) -> list[OrderReport]:
        """Of this session's orders; those of earlier ones are not known any more, and do not work."""
        return self._exchange.reports(instrument, frozenset(venue_ids))

    async def look_up_tags(self, instrument: str, tags: Set[str], *, since_ns: int) -> list[OrderReport]:
        """No answer is ever lost here."""
        return []

    async def fills_after(self, instrument: str, cursor: str, *, urgent: bool = False) -> list[VenueFill]:
        """Of all sessions."""
        return self._exchange.fills_after(instrument, cursor)

    async def newest_cursor(self, instrument: str) -> str:
        """The newest trade id; "" when there is none."""
        fills = self._exchange.fills_after(instrument, "")
        return fills[-1].reading_on if fills else ""

    async def balances(self) -> dict[str, Balance]:
        """The configured ones, changed by every fill."""
        return self._exchange.wallet.balances()

    async def positions(self, instrument: str) -> list[VenuePosition]:
        """Of a leveraged instrument."""
        return self._exchange.wallet.positions(instrument)

    async def rights(self) -> Rights:
        """There is nothing to withdraw."""
        return Rights(read=True, trade=True, withdraw=False)

    async def _see_market(self, instrument: Instrument) -> None:
        """While no stream keeps the book, or keeps silent about it, it is read over REST."""
        book = self._books[instrument.symbol]
        if book.is_live and self._clock.now_ns() - book.ts_ns <= rules.BOOK_AGE_NS_MAX:
            return
        try:
            book.replace(await self._market.depth(instrument))
        except VenueError as error:
            raise _blind(error) from None

    async def _check_steps(self, instrument: Instrument, order: Place) -> None:
        """The venue's own steps decide, whatever the trader was told of them (once for each instrument that fits)."""
        if instrument.symbol in self._checked:
            return
        try:
            real = await self._market.instrument(instrument.symbol)
        except VenueError as error:
            raise _blind(error) from None
        if (real.tick_size, real.lot_size) == (instrument.tick_size, instrument.lot_size):
            self._checked.add(instrument.symbol)
            return
        if instrument.prices.decimal(order.price) % real.tick_size:
            raise rules.refused(rules.OFF_TICK, f"{instrument.prices.text(order.price)} is no multiple of the tick")
        if instrument.sizes.decimal(order.lots) % real.lot_size:
            raise rules.refused(rules.OFF_STEP, f"{instrument.sizes.text(order.lots)} is no multiple of the lot")

    async def _over_the_wire(self, arrive: Callable[[], Coroutine[None, None, T]]) -> T:
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise rules.refused(rules.FULL, f"{UNDER_WAY_MAX} calls are under way", retryable=True)

        async def travel() -> T:
            await self._clock.sleep(self._latency_s)
            answer = await arrive()
            await self._clock.sleep(self._latency_s)
            return answer

        task = asyncio.create_task(travel())
        self._under_way.add(task)
        task.add_done_callback(self._arrived)
        return await asyncio.shield(task)

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            # Looked at, so that a refusal which nobody waits for any more is not reported as forgotten.
            task.exception()

    async def close(self) -> None:
        """What is on its way never arrives."""
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _blind(error: VenueError) -> Unreachable:
    return Unreachable(
        f"the paper venue cannot see the market: {error.message}",
        kind=error.kind,
        code=error.code,
        retryable=True,
        remedy="the order was not placed; check the other venue's public side",
    )

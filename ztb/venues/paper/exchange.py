"""The paper account as one state: the market of another venue in, orders in, fills and reports out. Synchronous.

Every change of the account goes through ``_fill`` or ``_end``; a fill is on disk before it is in the balances, and
there before anybody is told. After a StoreError nothing here can be believed, and the session ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from ztb.core.command import FOK, IOC, MARKET, POST_ONLY, Place
from ztb.core.error import ConfigError, InvariantBroken
from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.paper import rules
from ztb.venues.paper.book import PaperBook
from ztb.venues.paper.fills_file import FillsFile, fill_of, line_of
from ztb.venues.paper.order import PaperOrder
from ztb.venues.paper.wallet import Wallet
from ztb.venues.port import AccountNews, OpenOrder, OrderReport, OrderStatus, Placed, VenueFill

_RESTS_NOT: Final = {IOC: rules.ENDED_IOC, FOK: rules.ENDED_FOK, MARKET: rules.ENDED_MARKET}


class PaperExchange:
    """One account upon the books of its instruments."""

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        books: Mapping[str, PaperBook],
        wallet: Wallet,
        file: FillsFile,
        *,
        session_ns: int,
        tell: Callable[[AccountNews], None],
    ) -> None:
        """``session_ns`` makes the order ids of this session its own; ``tell`` hears every fill and every change."""
        self._instruments = instruments
        self._books = books
        self._file = file
        self._session_ns = session_ns
        self._tell = tell
        self._placed = 0
        self._working: dict[str, PaperOrder] = {}
        self._ended: deque[PaperOrder] = deque(maxlen=rules.ORDERS_ENDED_MAX)
        self._client_ids: dict[str, str] = {}
        self.wallet: Final = wallet
        self.fills: Final[list[VenueFill]] = []
        """Of all sessions, oldest first; the trade ids are 1, 2, 3 …"""
        self._restore()

    def place(self, order: Place, now_ns: int) -> Placed:
        """Match, and rest with what is left where the time in force says so. Rejected for what no venue would take."""
        self._check(order)
        instrument, book = self._instruments[order.instrument], self._books[order.instrument]
        limit = 0 if order.time_in_force == MARKET else order.price
        takes = self._takes(book, order, limit)
        self._check_money(instrument, order, limit, takes)
        self._placed += 1
        made = PaperOrder(
            f"{self._session_ns}-{self._placed}",
            order.client_id,
            instrument,
            order.side,
            limit,
            order.lots,
            order.reduce_only,
            now_ns,
        )
        self._client_ids[order.client_id] = made.venue_id
        self._working[made.venue_id] = made
        self._hold(made)
        if takes:
            for price, lots in takes:
                book.sides[-order.side].take(price, lots)
            self._fill(made, takes, maker=False, ts_ns=now_ns)
        if made.remaining and made.status is OrderStatus.WORKING:
            self._rest_or_end(made, book, order.time_in_force)
        self._tell(made.report())
        return Placed(made.venue_id, made.filled)

    def cancel(self, venue_id: str) -> bool:
        """False: nothing of it works."""
        order = self._working.get(venue_id)
        if order is None:
            return False
        self._end(order, OrderStatus.CANCELLED, rules.ENDED_BY_USER)
        self._tell(order.report())
        return True

    def traded(self, trade: Trade) -> None:
        """A trade of the market; one of an instrument that is not traded here means nothing."""
        if trade.instrument not in self._instruments:
            return
        book, instrument = self._books[trade.instrument], self._instruments[trade.instrument]
        if instrument.leveraged:
            self.wallet.marks[trade.instrument] = trade.price
        for order, lots in book.traded(trade):
            only_reduces = order.reduce_only and instrument.leveraged
            allowed = min(lots, self.wallet.closable(trade.instrument, order.side)) if only_reduces else lots
            if allowed:
                self._fill(order, [(order.price, allowed)], maker=True, ts_ns=trade.ts_ns)
            if only_reduces and order.remaining and not self.wallet.closable(trade.instrument, order.side):
                self._end(order, OrderStatus.CANCELLED, rules.ENDED_REDUCE_ONLY)
            self._tell(order.report())

    def open_orders(self, symbol: str) -> list[OpenOrder]:
        """Oldest first."""
        return [order.opened() for order in self._working.values() if order.instrument.symbol == symbol]

    def reports(self, symbol: str, venue_ids: frozenset[str]) -> list[OrderReport]:
        """Of those that this session knows."""
        known = (*self._working.values(), *self._ended)
        return [order.report() for order in known if order.venue_id in venue_ids and order.instrument.symbol == symbol]

    def fills_after(self, symbol: str, cursor: str) -> list[VenueFill]:
        """Oldest first. A cursor that is none of ours asks for everything."""
        start = int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) <= len(str(rules.FILLS_MAX)) else 0
        return [fill for fill in self.fills[start:] if fill.instrument == symbol]

    def _restore(self) -> None:
        """Balances and positions of earlier sessions."""
        for line in self._file.lines:
            instrument = self._instruments.get(line.instrument)
            if instrument is None:
                raise ConfigError(
                    f"{self._file.path}: fill {line.trade_id} is of {line.instrument}, which is not traded here",
                    remedy="use the instrument that the directory was made with, or a directory of its own",
                )
            fill = fill_of(line, instrument, self._file.path)
            fee = instrument.money.exact(fill.fee)
            try:
                self.wallet.settle(instrument, fill.side, fill.price, fill.lots, fee, closes=line.closes)
            except InvariantBroken as error:
                raise ConfigError(
                    f"{self._file.path}: fill {line.trade_id}: {error.message}",
                    remedy="configure at least the paper balances of the first session",
                ) from None
            self.fills.append(fill)

    def _check(self, order: Place) -> None:
        instrument = self._instruments[order.instrument]
        if order.price <= 0 or order.lots <= 0 or order.side not in (BUY, SELL):
            raise InvariantBroken(f"order {order.client_id} has price {order.price}, lots {order.lots}")
        if order.client_id in self._client_ids:
            raise rules.refused(rules.DUPLICATE_CLIENT_ID, f"order {order.client_id} was placed before")
        if len(self._working) >= rules.ORDERS_WORKING_MAX or len(self.fills) >= rules.FILLS_MAX:
            raise rules.refused(rules.FULL, "the account has too many orders or fills")
        size = instrument.sizes.text(order.lots)
        if order.lots < instrument.lots_min or instrument.notional(order.price, order.lots) < instrument.notional_min:
            raise rules.refused(rules.BELOW_MINIMUM, f"{size} {instrument.base} is too little")
        if order.lots > instrument.lots_max:
            raise rules.refused(rules.ABOVE_MAXIMUM, f"{size} {instrument.base} is too much")

    def _takes(self, book: PaperBook, order: Place, limit: int) -> list[tuple[int, int]]:
        """Levels and lots that the order takes at once."""
        takes: list[tuple[int, int]] = []
        left = order.lots
        for price, free in book.reachable(order.side, limit):
            if not left:
                break
            takes.append((price, min(left, free)))
            left -= min(left, free)
        if order.time_in_force == POST_ONLY and (takes or book.meets_own(order.side, limit)):
            raise rules.refused(rules.POST_ONLY_WOULD_TAKE, "an order that may only rest would take")
        return [] if order.time_in_force == FOK and left else takes

    def _check_money(self, instrument: Instrument, order: Place, limit: int, takes: list[tuple[int, int]]) -> None:
        """Raises Rejected for what the account cannot pay; a market order is judged by the levels that it takes."""
        closes = instrument.leveraged and order.reduce_only
        if closes:
            waiting = sum(
                one.remaining
                for one in self._working.values()
                if one.instrument is instrument and one.reduce_only and one.side == order.side
            )
            if order.lots + waiting > self.wallet.closable(order.instrument, order.side):
                raise rules.refused(rules.REDUCE_ONLY, "there is no position of that size to reduce")
        priced = [(limit, order.lots)] if limit else takes
        needed = 0
        currency = instrument.quote.lower()
        for price, lots in priced:
            currency, amount = self.wallet.cost_max(instrument, order.side, price, lots, closes=closes)
            needed += amount
        if needed > self.wallet.available(currency):
            raise rules.refused(rules.INSUFFICIENT_FUNDS, f"not enough {currency} for order {order.client_id}")

    def _rest_or_end(self, order: PaperOrder, book: PaperBook, time_in_force: str) -> None:
        if time_in_force in _RESTS_NOT:
            self._end(order, OrderStatus.EXPIRED, _RESTS_NOT[time_in_force])
        elif book.meets_own(order.side, order.price):
            self._end(order, OrderStatus.EXPIRED, rules.ENDED_SELF_TRADE)
        else:
            book.sides[order.side].rest(order)

    def _fill(self, order: PaperOrder, matches: list[tuple[int, int]], *, maker: bool, ts_ns: int) -> None:
        """Lots at prices, all at one moment."""
        instrument = order.instrument
        closes = instrument.leveraged and order.reduce_only
        fees = [order.fill(price, lots, maker=maker) for price, lots in matches]
        fills = [
            VenueFill(
                str(len(self.fills) + number),
                order.client_id,
                order.venue_id,
                instrument.symbol,
                order.side,
                price,
                lots,
                instrument.money.decimal(fee),
                maker,
                ts_ns,
            )
            for number, ((price, lots), fee) in enumerate(zip(matches, fees, strict=True), start=1)
        ]
        self._file.append([line_of(fill, instrument, closes=closes) for fill in fills])
        for fill, fee in zip(fills, fees, strict=True):
            self.wallet.settle(instrument, order.side, fill.price, fill.lots, fee, closes=closes)
        self.fills.extend(fills)
        if order.remaining:
            self._hold(order)
        else:
            self._end(order, OrderStatus.FILLED)
        for fill in fills:
            self._tell(fill)

    def _hold(self, order: PaperOrder) -> None:
        if not order.price:
            # A market order is over before anybody else can spend the money.
            return
        instrument = order.instrument
        closes = instrument.leveraged and order.reduce_only
        self.wallet.hold(
            order.venue_id,
            *self.wallet.cost_max(instrument, order.side, order.price, order.remaining, closes=closes),
        )

    def _end(self, order: PaperOrder, status: OrderStatus, reason: str = "") -> None:
        order.end(status, reason)
        del self._working[order.venue_id]
        self._ended.append(order)
        self.wallet.release(order.venue_id)
        resting = self._books[order.instrument.symbol].sides[order.side].orders
        if order in resting:
            resting.remove(order)

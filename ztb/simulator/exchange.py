"""The exchange as one state without input or output: book, accounts, market, and the identity of what happened.

Every entry names its time; the tape is brought up to it first, so that a request meets the market of its moment.
Order ids and trade ids are two number spaces that have nothing to do with each other, and both only rise. An order
works, or it ended, never both; what happened to it stands in its account's news.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from ztb.core.command import GTC
from ztb.core.error import ZtbError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import ceil_div
from ztb.simulator import news
from ztb.simulator.accounts import Account, Purse
from ztb.simulator.book_side import Order
from ztb.simulator.limits import FILLS_MAX, OPEN_ORDERS_MAX, TINY_FILLS_MAX
from ztb.simulator.margin import Position
from ztb.simulator.market import Market
from ztb.simulator.matching import EXPIRE_NEWER, MATCH, Book, Match
from ztb.simulator.moods import Moods
from ztb.simulator.news import Fill
from ztb.simulator.prints import Print, Prints
from ztb.simulator.tape_player import Tape

ORDER_ID_FIRST: Final = 39_679_085
TRADE_ID_FIRST: Final = 250_000_001
LATE_FILL_MS: Final = 500
"""How long after its cancel an order may still fill, where the mood names no ``ms``."""


class OrderRefused(ZtbError):
    """The exchange does not take the order; ``code`` is ``funds`` or ``full``, each dialect has its own words."""

    def __init__(self, code: str) -> None:
        super().__init__(f"order refused: {code}")
        self.code = code


@final
@dataclass(slots=True, frozen=True)
class PlaceResult:
    """``filled_lots`` at once; the rest works as ``order``, unless ``end`` (and ``reason``) say that it does not."""

    order: Order
    filled_lots: int
    end: str = ""
    reason: str = ""


class Exchange:
    """One instrument, its tape and its clients."""

    def __init__(
        self,
        instrument: Instrument,
        tape: Tape,
        accounts: Iterable[Account],
        *,
        loop: bool = True,
        self_trade: str = MATCH,
        fee_unit: int = 1,
    ) -> None:
        self.instrument: Final = instrument
        self.book: Final = Book(self_trade=self_trade)
        self.prints: Final = Prints()
        self.purse: Final = Purse(instrument, accounts, fee_unit=fee_unit)
        self.market: Final = Market(self.book, tape, self._settle, loop=loop)
        self.now_ns = 0
        self.moods = Moods()
        """The server's, once there is one: some of them strike the matching itself."""
        self._order_id = ORDER_ID_FIRST
        self._trade_id = TRADE_ID_FIRST
        self._late: deque[tuple[int, Account, Order]] = deque()

    @property
    def pair(self) -> str:
        """Base and quote in lower case, ``btc_jpy``."""
        return f"{self.purse.units.base}_{self.purse.units.quote}"

    def start(self, now_ns: int, *, offset_ns: int = 0) -> None:
        """Open the market: the tape, from ``offset_ns`` on, begins now."""
        self.now_ns = now_ns
        self.market.start(now_ns, offset_ns=offset_ns)

    def advance(self, now_ns: int) -> bool:
        """Bring the market up to ``now_ns``. True: not done yet, call again. Time never goes back."""
        self.now_ns = max(self.now_ns, now_ns)
        behind = self.market.advance(self.now_ns)
        while self._late and self._late[0][0] <= self.now_ns:
            _, account, order = self._late.popleft()
            self._end_late(account, order)
        return behind

    def account(self, key: str) -> Account | None:
        """The account of an API key."""
        return self.purse.accounts.get(key)

    def place(
        self,
        account: Account,
        *,
        side: int,
        price: int,
        lots: int,
        comment: str = "",
        client_id: str = "",
        time_in_force: str = GTC,
        symbol: str = "",
        leveraged: bool = False,
        closes: Sequence[tuple[Position, int]] = (),
    ) -> PlaceResult:
        """Match an order; the rest works or expires. OrderRefused when it cannot be paid or the account is full.

        ``price`` is 0 for a market order. ``closes``: positions of the account with the lots to close of each, all of
        ``lots`` together; without them a leveraged order opens positions.
        """
        assert not leveraged or self.book.self_trade == EXPIRE_NEWER, "a fill is told once: one side of it per account"
        if len(account.orders) >= OPEN_ORDERS_MAX or len(account.fills) >= FILLS_MAX:
            raise OrderRefused("full")
        order = Order(
            self._order_id, account.key, side, price, lots, self.now_ns, comment, client_id, time_in_force, symbol,
            leveraged, tuple(position.position_id for position, _ in closes),
        )  # fmt: skip
        self.mark()
        offered = self.book.takeable(order)[0] if order.is_market else ()
        if not self.purse.affords(account, order, offered):
            raise OrderRefused("funds")
        self._order_id += 1
        if closes:
            self.purse.margin.reserve(order, closes)
        if client_id:
            account.by_client_id[client_id] = order
        self._enter(account, order, news.PLACED)
        for position, _ in closes:
            if order.order_id in position.ordered:
                account.news.position(news.POSITION_CHANGED, self.now_ns, position.now())
        return PlaceResult(order, order.filled_lots, order.end, order.reason)

    def cancel(
        self, account: Account, order_id: int, *, end: str = "cancelled", reason: str = "user"
    ) -> Order | None:  # fmt: skip
        """Take a working order of this account off the book; None when it has none of this id.

        In a bad mood the cancel is only acknowledged: the order is ``cancelling``, fills once more and then ends.
        """
        order = account.orders.get(order_id)
        if order is None:
            return None
        late = self.moods.strike("late_fill_after_cancel") if reason == "user" else None
        if late is None:
            self.book.cancel(order)
            self._end(account, order, end, reason)
            return order
        order.cancelling = True
        account.cancelling[order_id] = account.orders.pop(order_id)
        account.news.order(news.CANCELLING, self.now_ns, order)
        self._late.append((self.now_ns + (late.ms or LATE_FILL_MS) * 1_000_000, account, order))
        return order

    def change(self, account: Account, order_id: int, price: int) -> Order | None:
        """Give a working order another price; it goes to the end of the queue. OrderRefused when it cannot be paid."""
        order = account.orders.get(order_id)
        if order is None:
            return None
        self.book.cancel(order)
        if not self.purse.reprice(account, order, price):
            self._enter(account, order, "")
            raise OrderRefused("funds")
        self._enter(account, order, news.CHANGED)
        return order

    def _enter(self, account: Account, order: Order, kind: str) -> None:
        """Put an order to the market and see what becomes of it."""
        matches = self.book.place(order)
        if kind:
            account.news.order(kind, self.now_ns, order)
        account.orders[order.order_id] = order
        self._settle(self.now_ns, matches)
        if order.order_id not in account.orders:
            return
        if order.end:
            self._end(account, order, order.end, order.reason)
        else:
            self.purse.hold(order)
            self.purse.check_covered(account.key)

    def _end(self, account: Account, order: Order, end: str, reason: str) -> None:
        """The order works no more: nothing is held for it, and it is remembered."""
        order.end, order.reason, order.ended_ns, order.cancelling = end, reason, self.now_ns, False
        account.orders.pop(order.order_id, None)
        account.cancelling.pop(order.order_id, None)
        self.purse.release(order)
        account.remember(order)
        account.news.order(news.ENDED, self.now_ns, order)
        for position in self.purse.margin.release(order, account.positions):
            account.news.position(news.POSITION_CHANGED, self.now_ns, position.now())

    def _end_late(self, account: Account, order: Order) -> None:
        """What an acknowledged cancel comes to: a last fill at the order's price, and the end of the rest."""
        if order.end:
            return
        self._settle(self.now_ns, self.book.fill_from_crowd(order, ceil_div(order.remaining, 2)))
        if not order.end:
            self.book.cancel(order)
            self._end(account, order, "cancelled", "user")

    def mark(self) -> None:
        """Positions are worth what the other side pays for them now."""
        self.purse.marks(self.book.best(BUY), self.book.best(SELL))

    def _settle(self, ts_ns: int, matches: list[Match]) -> None:
        """Give every match its trade id, pay it, print it, and write it into the accounts of our clients."""
        for match in self._pieces(matches):
            trade_id = self._trade_id
            self._trade_id += 1
            fees = self.purse.settle(match) if match.taker is not None or match.maker is not None else {}
            self.prints.add(Print(trade_id, ts_ns, match.price, match.lots, match.taker_side))
            self._write_fills(trade_id, ts_ns, match, fees)
        # Only when everything is paid: an order may stand in several matches of one batch.
        pairs = ((match.taker, match.maker) for match in matches)
        touched = {order.order_id: order for pair in pairs for order in pair if order is not None}
        for order in touched.values():
            account = self.purse.accounts[order.owner]
            if not order.remaining:
                self._end(account, order, "filled", "")
            elif not order.end and account.working(order.order_id) is not None:
                self.purse.hold(order)
        for owner in {order.owner: None for order in touched.values()}:
            self._cover(self.purse.accounts[owner])
            self.purse.check_covered(owner)

    def _pieces(self, matches: Iterable[Match]) -> Iterator[Match]:
        """Each match as it is told: whole, or cut where it closes several positions, or in a bad mood into many."""
        for match in matches:
            orders = [order for order in (match.taker, match.maker) if order is not None]
            tiny = self.moods.strike("tiny_fills") if orders else None
            most = ceil_div(match.lots, TINY_FILLS_MAX) if tiny is not None else match.lots
            left = match.lots
            while left:
                lots = min(left, most)
                for order in orders:
                    if order.closes:
                        positions = self.purse.accounts[order.owner].positions
                        lots = min(lots, self.purse.margin.first_reserved(order, positions)[1])
                yield match if lots == match.lots else replace(match, lots=lots)
                left -= lots

    def _write_fills(self, trade_id: int, ts_ns: int, match: Match, fees: dict[int, int]) -> None:
        taker, maker = match.taker, match.maker
        if taker is not None and maker is not None and taker.owner == maker.owner:
            fee = fees[taker.order_id] + fees[maker.order_id]
            self._count(maker, match, fees[maker.order_id])
            self._write_fill(taker, trade_id, ts_ns, match, 0, fee, own_fee=fees[taker.order_id], other=maker)
            return
        if taker is not None:
            self._write_fill(taker, trade_id, ts_ns, match, match.taker_side, fees[taker.order_id])
        if maker is not None:
            self._write_fill(maker, trade_id, ts_ns, match, -match.taker_side, fees[maker.order_id])

    def _write_fill(
        self, order: Order, trade_id: int, ts_ns: int, match: Match, side: int, fee: int,
        own_fee: int | None = None, other: Order | None = None,
    ) -> None:  # fmt: skip
        account = self.purse.accounts[order.owner]
        self._count(order, match, fee if own_fee is None else own_fee)
        position, gain = self._move_position(account, order, match, ts_ns) if order.leveraged else (None, 0)
        fill = Fill(
            trade_id, order.order_id, ts_ns, side, match.taker_side, match.price, match.lots, fee, order.comment,
            order, position.position_id if position is not None else 0, gain,
            other.order_id if other is not None else 0,
        )  # fmt: skip
        account.fills.append(fill)
        account.news.order(news.FILLED, ts_ns, order, fill)
        if position is not None:
            kind = news.POSITION_CHANGED if position.lots else news.POSITION_CLOSED
            account.news.position(kind if order.closes else news.POSITION_OPENED, ts_ns, position.now())

    def _count(self, order: Order, match: Match, fee: int) -> None:
        order.settled_lots += match.lots
        order.notional += self.instrument.notional(match.price, match.lots)
        order.fee += fee
        order.fills += 1

    def _move_position(self, account: Account, order: Order, match: Match, ts_ns: int) -> tuple[Position, int]:
        """The position that a leveraged fill opened, or the one that it closed with the profit of it."""
        margin = self.purse.margin
        if not order.closes:
            position = margin.opened(order, match.price, match.lots, ts_ns)
            account.positions[position.position_id] = position
            self.purse.pledge(account, position.pledged)
            return position, 0
        position, _ = margin.first_reserved(order, account.positions)
        pledged = position.pledged
        gain = margin.close(position, order, match.price, match.lots)
        self.purse.pledge(account, position.pledged - pledged)
        self.purse.realise(account, gain)
        if not position.lots:
            del account.positions[position.position_id]
        return position, gain

    def _cover(self, account: Account) -> None:
        """Losses of positions may have eaten what spot orders hold: the newest of those expire."""
        for order in reversed(tuple(account.orders.values())):
            if self.purse.is_covered(account):
                return
            if not order.leveraged and order.side == BUY and order.remaining and not order.end:
                self.book.cancel(order)
                self._end(account, order, "expired", "balance")

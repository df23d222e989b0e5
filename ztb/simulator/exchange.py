"""The exchange as one state without input or output: book, accounts, market, and the identity of what happened.

Every entry names its time; the tape is brought up to it first, so that a request meets the market of its moment.
Order ids and trade ids are two number spaces that have nothing to do with each other, and both only rise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, final

from ztb.core.error import ZtbError
from ztb.core.instrument import Instrument
from ztb.simulator.accounts import Account, Fill, Purse
from ztb.simulator.book_side import Order
from ztb.simulator.limits import FILLS_MAX, OPEN_ORDERS_MAX
from ztb.simulator.market import Market
from ztb.simulator.matching import Book, Match
from ztb.simulator.prints import Print, Prints
from ztb.simulator.tape_player import Tape

ORDER_ID_FIRST: Final = 39_679_085
TRADE_ID_FIRST: Final = 250_000_001


class OrderRefused(ZtbError):
    """The exchange does not take the order; ``code`` is ``funds`` or ``full``, each dialect has its own words."""

    def __init__(self, code: str) -> None:
        super().__init__(f"order refused: {code}")
        self.code = code


@final
@dataclass(slots=True, frozen=True)
class PlaceResult:
    """``filled_lots`` at once; the rest works as ``order``."""

    order: Order
    filled_lots: int


class Exchange:
    """One instrument, its tape and its clients."""

    def __init__(self, instrument: Instrument, tape: Tape, accounts: Iterable[Account], *, loop: bool = True) -> None:
        self.instrument: Final = instrument
        self.book: Final = Book()
        self.prints: Final = Prints()
        self.purse: Final = Purse(instrument, accounts)
        self.market: Final = Market(self.book, tape, self._settle, loop=loop)
        self.now_ns = 0
        self._order_id = ORDER_ID_FIRST
        self._trade_id = TRADE_ID_FIRST

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
        return self.market.advance(self.now_ns)

    def account(self, key: str) -> Account | None:
        """The account of an API key."""
        return self.purse.accounts.get(key)

    def place(self, account: Account, *, side: int, price: int, lots: int, comment: str = "") -> PlaceResult:
        """Match and rest a limit order. OrderRefused when it cannot be paid or the account is full."""
        if len(account.orders) >= OPEN_ORDERS_MAX or len(account.fills) >= FILLS_MAX:
            raise OrderRefused("full")
        if not self.purse.affords(account, side=side, price=price, lots=lots):
            raise OrderRefused("funds")
        order = Order(self._order_id, account.key, side, price, lots, self.now_ns, comment)
        self._order_id += 1
        matches = self.book.place(order)
        self._settle(self.now_ns, matches)
        if order.remaining:
            account.orders[order.order_id] = order
            self.purse.hold(order)
            self.purse.check_covered(account.key)
        return PlaceResult(order, order.lots - order.remaining)

    def cancel(self, account: Account, order_id: int) -> Order | None:
        """Take a working order of this account off the book; None when it has none of this id."""
        order = account.orders.pop(order_id, None)
        if order is not None:
            self.book.cancel(order)
            self.purse.release(order)
        return order

    def _settle(self, ts_ns: int, matches: list[Match]) -> None:
        """Give every match its trade id, pay it, print it, and write it into the accounts of our clients."""
        for match in matches:
            trade_id = self._trade_id
            self._trade_id += 1
            fees = self.purse.settle(match) if match.taker is not None or match.maker is not None else {}
            self.prints.add(Print(trade_id, ts_ns, match.price, match.lots, match.taker_side))
            self._write_fills(trade_id, ts_ns, match, fees)
        # Only when everything is paid: an order may stand in several matches of one batch.
        pairs = ((match.taker, match.maker) for match in matches)
        touched = {order.order_id: order for pair in pairs for order in pair if order is not None}
        for order in touched.values():
            if not order.remaining:
                self.purse.release(order)
                self.purse.accounts[order.owner].orders.pop(order.order_id, None)
            elif order.order_id in self.purse.accounts[order.owner].orders:
                self.purse.hold(order)
        for owner in {order.owner: None for order in touched.values()}:
            self.purse.check_covered(owner)

    def _write_fills(self, trade_id: int, ts_ns: int, match: Match, fees: dict[int, int]) -> None:
        taker, maker = match.taker, match.maker
        if taker is not None and maker is not None and taker.owner == maker.owner:
            fee = fees[taker.order_id] + fees[maker.order_id]
            self._write_fill(taker, trade_id, ts_ns, match, 0, fee)
            return
        if taker is not None:
            self._write_fill(taker, trade_id, ts_ns, match, match.taker_side, fees[taker.order_id])
        if maker is not None:
            self._write_fill(maker, trade_id, ts_ns, match, -match.taker_side, fees[maker.order_id])

    def _write_fill(self, order: Order, trade_id: int, ts_ns: int, match: Match, side: int, fee: int) -> None:
        self.purse.accounts[order.owner].fills.append(
            Fill(
                trade_id, order.order_id, ts_ns, side, match.taker_side, match.price, match.lots, fee, order.comment
            )
        )  # fmt: skip

"""Accounts of the exchange: what each owns, what its working orders hold, what it paid. Integers, to the last unit.

Currencies are counted in ``UNIT_SCALE`` decimals (the quote currency in the instrument's money units). The rule: an
amount is never created here. What one account pays another gets, or the crowd behind the tape (``Purse.crowd``), or
the exchange as a fee (``Purse.fees``), so that the sum over all of them stays what the accounts file said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, final

from ztb.core.instrument import BUY, Instrument
from ztb.core.money import PPM, Grid, ceil_div
from ztb.simulator.book_side import Order
from ztb.simulator.matching import Match

UNIT_SCALE: Final = 8
"""Decimals in which every currency but the quote currency is counted (or the lot's decimals, when it has more)."""

RIGHTS: Final = ("info", "trade", "withdraw", "personal_info", "id_info")
RIGHTS_DEFAULT: Final = frozenset({"info", "trade"})


@final
@dataclass(slots=True, frozen=True)
class Fill:
    """One account's part in a trade. ``side`` is 0 when it was on both sides of it; ``fee`` in quote units."""

    trade_id: int
    order_id: int
    ts_ns: int
    side: int
    taker_side: int
    price: int
    lots: int
    fee: int
    comment: str


@final
@dataclass(slots=True, eq=False)
class Account:
    """One API key and what belongs to it."""

    key: str
    secret: str = field(repr=False)
    balances: dict[str, int]
    """By currency, in its units, amounts held by working orders included."""
    maker_fee_ppm: int
    taker_fee_ppm: int
    rights: frozenset[str] = RIGHTS_DEFAULT
    limits_factor: int = 1
    """The venue grants big traders a multiple of its documented rate limits."""
    held: dict[str, int] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    """Working orders by order id."""
    fills: list[Fill] = field(default_factory=list)
    """Oldest first, trade ids rising."""

    def available(self, currency: str) -> int:
        """What new orders may use."""
        return self.balances.get(currency, 0) - self.held.get(currency, 0)


@final
@dataclass(slots=True)
class _Bill:
    """What an order holds, and its notional and fee so far by role, so that rounding never adds up over many fills."""

    held: int = 0
    notional: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    fee: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})


class Units:
    """How the currencies of one instrument are counted."""

    def __init__(self, instrument: Instrument) -> None:
        self.base = instrument.base.lower()
        self.quote = instrument.quote.lower()
        exponent = instrument.lot_size.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        self._base_scale = max(UNIT_SCALE, -exponent)
        self._money_scale = instrument.money_scale
        self.per_lot = Grid(Decimal(1).scaleb(-self._base_scale)).exact(instrument.lot_size)

    def grid(self, currency: str) -> Grid:
        """Units of a currency as Decimal and back."""
        scale = {self.quote: self._money_scale, self.base: self._base_scale}.get(currency, UNIT_SCALE)
        return Grid(Decimal(1).scaleb(-scale))


class Purse:
    """All accounts of the exchange and the arithmetic between them."""

    def __init__(self, instrument: Instrument, accounts: Iterable[Account]) -> None:
        self.instrument = instrument
        self.units: Final = Units(instrument)
        self.accounts: Final = {account.key: account for account in accounts}
        self.crowd: Final = {self.units.base: 0, self.units.quote: 0}
        self.fees = 0
        self._bills: dict[int, _Bill] = {}

    def affords(self, account: Account, *, side: int, price: int, lots: int) -> bool:
        """Whether the account can pay an order at its limit price, the dearer fee included."""
        if side != BUY:
            return account.available(self.units.base) >= lots * self.units.per_lot
        notional = self.instrument.notional(price, lots)
        rate = max(0, account.maker_fee_ppm, account.taker_fee_ppm)
        # An order that is partly taker and partly maker rounds its fee up twice.
        twice = 1 if account.maker_fee_ppm > 0 and account.taker_fee_ppm > 0 and lots > 1 else 0
        return account.available(self.units.quote) >= notional + ceil_div(notional * rate, PPM) + twice

    def hold(self, order: Order) -> None:
        """Hold what the rest of a working order needs, and no longer what it needed before."""
        bill = self._bills.setdefault(order.order_id, _Bill())
        self._set_held(order, bill, self._needed(order, bill))

    def release(self, order: Order) -> None:
        """The order ended: nothing is held for it any more."""
        bill = self._bills.pop(order.order_id, None)
        if bill is not None:
            self._set_held(order, bill, 0)

    def check_covered(self, owner: str) -> None:
        """What working orders hold is there. Between the orders of one batch it need not be, so ask after the batch."""
        account = self.accounts[owner]
        for currency, held in account.held.items():
            assert 0 <= held <= account.balances.get(currency, 0), (owner, currency)

    def settle(self, match: Match) -> dict[int, int]:
        """Move base and quote of one match; returns the fee of each of our orders in it by order id."""
        notional = self.instrument.notional(match.price, match.lots)
        coins = match.lots * self.units.per_lot
        paid: dict[int, int] = {}
        for order, maker in ((match.taker, False), (match.maker, True)):
            side = match.taker_side if not maker else -match.taker_side
            if order is None:
                self._move(self.crowd, side, coins, notional)
                continue
            account = self.accounts[order.owner]
            self._move(account.balances, side, coins, notional)
            fee = self._fee(account, order, notional, maker=maker)
            account.balances[self.units.quote] -= fee
            self.fees += fee
            paid[order.order_id] = fee
        return paid

    def _move(self, owned: dict[str, int], side: int, coins: int, notional: int) -> None:
        owned[self.units.base] = owned.get(self.units.base, 0) + side * coins
        owned[self.units.quote] = owned.get(self.units.quote, 0) - side * notional

    def _fee(self, account: Account, order: Order, notional: int, *, maker: bool) -> int:
        bill = self._bills.setdefault(order.order_id, _Bill())
        bill.notional[maker] += notional
        rate = account.maker_fee_ppm if maker else account.taker_fee_ppm
        fee = ceil_div(bill.notional[maker] * rate, PPM) - bill.fee[maker]
        bill.fee[maker] += fee
        return fee

    def _needed(self, order: Order, bill: _Bill) -> int:
        if order.side != BUY:
            return order.remaining * self.units.per_lot
        notional = self.instrument.notional(order.price, order.remaining)
        rate = self.accounts[order.owner].maker_fee_ppm
        if rate <= 0:
            return notional
        return notional + ceil_div((bill.notional[True] + notional) * rate, PPM) - bill.fee[True]

    def _set_held(self, order: Order, bill: _Bill, needed: int) -> None:
        account = self.accounts[order.owner]
        currency = self.units.quote if order.side == BUY else self.units.base
        account.held[currency] = account.held.get(currency, 0) - bill.held + needed
        bill.held = needed

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

from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import PPM, Grid, ceil_div
from ztb.simulator.book_side import Order
from ztb.simulator.limits import ENDED_ORDERS_MAX
from ztb.simulator.margin import Margin, Position
from ztb.simulator.matching import Match
from ztb.simulator.news import Fill, News

UNIT_SCALE: Final = 8
"""Decimals in which every currency but the quote currency is counted (or the lot's decimals, when it has more)."""

RIGHTS: Final = ("info", "trade", "withdraw", "personal_info", "id_info")
RIGHTS_DEFAULT: Final = frozenset({"info", "trade"})


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
    public_key_pem: str = ""
    """Where the venue's clients sign with a private key of their own instead of ``secret``."""
    cancelling: dict[int, Order] = field(default_factory=dict)
    """Orders whose cancel was acknowledged and that may still be filled (a hostile mood)."""
    ended: dict[int, Order] = field(default_factory=dict)
    """The newest orders that ended, by order id, oldest first."""
    by_client_id: dict[str, Order] = field(default_factory=dict)
    """Working and ended orders by the id that the client gave them."""
    positions: dict[int, Position] = field(default_factory=dict)
    pledged: dict[str, int] = field(default_factory=dict)
    """Margin of positions, and of orders that would open some."""
    news: News = field(default_factory=News)

    def available(self, currency: str) -> int:
        """What new orders may use."""
        return self.balances.get(currency, 0) - self.held.get(currency, 0) - self.pledged.get(currency, 0)

    def working(self, order_id: int) -> Order | None:
        """An order that may still fill."""
        return self.orders.get(order_id) or self.cancelling.get(order_id)

    def order(self, order_id: int) -> Order | None:
        """An order of this account, working or ended, as far as it is remembered."""
        return self.working(order_id) or self.ended.get(order_id)

    def remember(self, order: Order) -> None:
        """Keep an order that ended; forget the oldest one when there are too many."""
        assert order.end
        self.ended[order.order_id] = order
        if len(self.ended) > ENDED_ORDERS_MAX:
            oldest = self.ended.pop(next(iter(self.ended)))
            self.by_client_id.pop(oldest.client_id, None)


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

    def __init__(self, instrument: Instrument, accounts: Iterable[Account], *, fee_unit: int = 1) -> None:
        """``fee_unit``: fees are whole multiples of so many money units, rounded up."""
        self.instrument = instrument
        self.margin: Final = Margin(instrument)
        self._fee_unit = fee_unit
        self.units: Final = Units(instrument)
        self.accounts: Final = {account.key: account for account in accounts}
        self.crowd: Final = {self.units.base: 0, self.units.quote: 0}
        self.fees = 0
        self._bills: dict[int, _Bill] = {}
        self._marks: dict[int, int] = {BUY: 0, SELL: 0}

    def affords(self, account: Account, order: Order, offered: Iterable[tuple[int, int]]) -> bool:
        """Whether the account can pay an order at its limit price, the dearer fee included.

        A market order has no limit: it is measured with what is ``offered``, (price, lots), when it comes.
        """
        if order.closes:
            return True
        units = self.units
        parts = tuple(offered) if order.is_market else ((order.price, order.remaining),)
        if order.leveraged:
            required = sum(self.margin.required(price, lots) for price, lots in parts)
            return self.margin_available(account) >= required
        if order.side != BUY:
            return account.available(units.base) >= order.remaining * units.per_lot
        notional = sum(self.instrument.notional(price, lots) for price, lots in parts)
        rate = max(0, account.maker_fee_ppm, account.taker_fee_ppm)
        # An order that is partly taker and partly maker rounds its fee up twice.
        twice = account.maker_fee_ppm > 0 and account.taker_fee_ppm > 0 and order.remaining > 1
        needed = notional + self._rounded_fee(notional, rate) + (self._fee_unit if twice else 0)
        return account.available(units.quote) >= needed

    def marks(self, bid: int, ask: int) -> None:
        """At these prices positions could be closed now; 0 where nobody offers."""
        self._marks = {BUY: bid, SELL: ask}

    def unrealised(self, account: Account) -> int:
        """Profit of all open positions, if they were closed now."""
        return sum(self.margin.unrealised(held, self._marks[held.side]) for held in account.positions.values())

    def margin_available(self, account: Account) -> int:
        """What may be pledged for more positions."""
        return account.available(self.units.quote) + self.unrealised(account)

    def hold(self, order: Order) -> None:
        """Hold what the rest of a working order needs, and no longer what it needed before."""
        bill = self._bills.setdefault(order.order_id, _Bill())
        self._set_held(order, bill, self._needed(order, bill))

    def reprice(self, account: Account, order: Order, price: int) -> bool:
        """Give an order another price and hold nothing for it; False, and nothing changed, where it cannot be paid."""
        bill, old = self._bills.setdefault(order.order_id, _Bill()), order.price
        self._set_held(order, bill, 0)
        order.price = price
        if self.affords(account, order, ()):
            return True
        order.price = old
        self.hold(order)
        return False

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

    def is_covered(self, account: Account) -> bool:
        """Whether losses of positions left what the working spot orders hold."""
        return all(held <= account.balances.get(currency, 0) for currency, held in account.held.items())

    def settle(self, match: Match) -> dict[int, int]:
        """Move base and quote of one match; returns the fee of each of our orders in it by order id.

        For a leveraged order the crowd moves in its place: positions are the business of ``pledge`` and ``realise``.
        """
        notional = self.instrument.notional(match.price, match.lots)
        coins = match.lots * self.units.per_lot
        paid: dict[int, int] = {}
        for order, maker in ((match.taker, False), (match.maker, True)):
            side = match.taker_side if not maker else -match.taker_side
            if order is None or order.leveraged:
                self._move(self.crowd, side, coins, notional)
                if order is not None:
                    paid[order.order_id] = 0
                continue
            account = self.accounts[order.owner]
            self._move(account.balances, side, coins, notional)
            fee = self._fee(account, order, notional, maker=maker)
            account.balances[self.units.quote] -= fee
            self.fees += fee
            paid[order.order_id] = fee
        return paid

    def pledge(self, account: Account, units: int) -> None:
        """Pledge so many more units of the quote currency, or fewer when negative."""
        account.pledged[self.units.quote] = account.pledged.get(self.units.quote, 0) + units
        assert account.pledged[self.units.quote] >= 0

    def realise(self, account: Account, gain: int) -> None:
        """A position was closed: its profit comes from the crowd, its loss goes there."""
        account.balances[self.units.quote] = account.balances.get(self.units.quote, 0) + gain
        self.crowd[self.units.quote] -= gain

    def _move(self, owned: dict[str, int], side: int, coins: int, notional: int) -> None:
        owned[self.units.base] = owned.get(self.units.base, 0) + side * coins
        owned[self.units.quote] = owned.get(self.units.quote, 0) - side * notional

    def _rounded_fee(self, notional: int, rate: int) -> int:
        return ceil_div(notional * rate, PPM * self._fee_unit) * self._fee_unit

    def _fee(self, account: Account, order: Order, notional: int, *, maker: bool) -> int:
        bill = self._bills.setdefault(order.order_id, _Bill())
        bill.notional[maker] += notional
        rate = account.maker_fee_ppm if maker else account.taker_fee_ppm
        fee = self._rounded_fee(bill.notional[maker], rate) - bill.fee[maker]
        bill.fee[maker] += fee
        return fee

    def _needed(self, order: Order, bill: _Bill) -> int:
        if order.leveraged:
            return 0 if order.closes else self.margin.required(order.price, order.remaining)
        if order.side != BUY:
            return order.remaining * self.units.per_lot
        notional = self.instrument.notional(order.price, order.remaining)
        rate = self.accounts[order.owner].maker_fee_ppm
        if rate <= 0:
            return notional
        return notional + self._rounded_fee(bill.notional[True] + notional, rate) - bill.fee[True]

    def _set_held(self, order: Order, bill: _Bill, needed: int) -> None:
        account = self.accounts[order.owner]
        if order.leveraged:
            self.pledge(account, needed - bill.held)
        else:
            currency = self.units.quote if order.side == BUY else self.units.base
            account.held[currency] = account.held.get(currency, 0) - bill.held + needed
        bill.held = needed

"""What the paper account owns, what its working orders hold, and its leveraged positions. Pure; exact integers.

Amounts are counted in 10^-18 of their currency, so that instruments with different steps share one balance. The rule:
no balance goes below zero. Spot holds what an order may cost, the dearer fee included. Leverage is judged carefully:
a position binds its whole value divided by the leverage, losses that are not realised yet count, gains do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ztb.core.error import AmountError, ConfigError, InvariantBroken
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.money import PPM, Grid, ceil_div
from ztb.venues.port import Balance, VenuePosition

SCALE: Final = 18
GRID: Final = Grid(Decimal(1).scaleb(-SCALE))


@dataclass(slots=True)
class _Position:
    """Lots of one side, and what they cost in money units."""

    instrument: Instrument
    lots: int = 0
    cost: int = 0


class Wallet:
    """All currencies of one account."""

    def __init__(self, balances: Mapping[str, Decimal], *, leverage: int = 1) -> None:
        """ConfigError for a balance below zero or finer than 10^-18."""
        if leverage < 1:
            raise ConfigError(f"paper leverage is {leverage}", remedy="1 or more")
        self._leverage = leverage
        self._totals: dict[str, int] = {}
        for currency, amount in balances.items():
            try:
                units = GRID.exact(amount)
            except AmountError as error:
                raise ConfigError(
                    f"paper balance of {currency}: {error.message}", remedy="write fewer digits"
                ) from None
            if units < 0:
                raise ConfigError(f"paper balance of {currency} is {amount}", remedy="0 or more")
            self._totals[currency.lower()] = units
        self._held: dict[str, tuple[str, int]] = {}
        self._positions: dict[tuple[str, int], _Position] = {}
        self.marks: dict[str, int] = {}
        """Newest price of each leveraged instrument, in ticks."""
        self.shortfall: dict[str, int] = {}
        """Losses beyond the balance, by currency: a real venue would have closed the position before."""

    def cost_max(self, instrument: Instrument, side: int, price: int, lots: int, *, closes: bool) -> tuple[str, int]:
        """Currency and amount that an order at ``price`` may need at the most."""
        quote = instrument.quote.lower()
        if not instrument.leveraged and side != BUY:
            return instrument.base.lower(), lots * GRID.exact(instrument.lot_size)
        notional = instrument.notional(price, lots)
        rate = max(0, instrument.maker_fee_ppm, instrument.taker_fee_ppm)
        # Of one order the fee as maker and the fee as taker are each rounded up.
        fee = ceil_div(notional * rate, PPM) + (1 if rate else 0)
        bound = notional if not instrument.leveraged else 0 if closes else ceil_div(notional, self._leverage)
        return quote, (bound + (0 if closes else fee)) * _per_money(instrument)

    def hold(self, order_id: str, currency: str, amount: int) -> None:
        """For a working order; replaces what was held for it before."""
        self._held[order_id] = (currency, amount)

    def release(self, order_id: str) -> None:
        """The order ended."""
        self._held.pop(order_id, None)

    def total(self, currency: str) -> int:
        """In 10^-18."""
        return self._totals.get(currency, 0)

    def available(self, currency: str) -> int:
        """What a new order may use; below zero when losses of open positions have eaten more than there is."""
        held = sum(amount for of, amount in self._held.values() if of == currency)
        margin = sum(
            self._bound(position, side) * _per_money(position.instrument)
            for (_, side), position in self._positions.items()
            if position.instrument.quote.lower() == currency
        )
        return self.total(currency) - held - margin

    def settle(self, instrument: Instrument, side: int, price: int, lots: int, fee: int, *, closes: bool) -> None:
        """Book one fill; ``fee`` in money units. ``closes``: it may only reduce a leveraged position."""
        quote = instrument.quote.lower()
        if instrument.leveraged:
            profit = self._settle_position(instrument, side, price, lots, closes=closes)
            self._pay(quote, (profit - fee) * _per_money(instrument))
            if self.total(quote) < 0:
                self.shortfall[quote] = self.shortfall.get(quote, 0) - self.total(quote)
                self._totals[quote] = 0
            return
        base = instrument.base.lower()
        self._pay(base, side * lots * GRID.exact(instrument.lot_size))
        self._pay(quote, (-side * instrument.notional(price, lots) - fee) * _per_money(instrument))
        for currency in (base, quote):
            if self.total(currency) < 0:
                raise InvariantBroken(f"the paper balance of {currency} would be {GRID.text(self.total(currency))}")

    def closable(self, symbol: str, side: int) -> int:
        """Lots that an order of ``side`` can close."""
        position = self._positions.get((symbol, -side))
        return position.lots if position is not None else 0

    def balances(self) -> dict[str, Balance]:
        """As the port tells them."""
        return {
            currency: Balance(currency, GRID.decimal(max(0, self.available(currency))), GRID.decimal(total))
            for currency, total in self._totals.items()
        }

    def positions(self, symbol: str) -> list[VenuePosition]:
        """Of one leveraged instrument."""
        found = []
        for side in (BUY, SELL):
            position = self._positions.get((symbol, side))
            if position is not None:
                of = position.instrument
                average = of.money.decimal(position.cost) / of.sizes.decimal(position.lots)
                found.append(VenuePosition(symbol, side, position.lots, average))
        return found

    def _settle_position(self, instrument: Instrument, side: int, price: int, lots: int, *, closes: bool) -> int:
        """Profit or loss of what is closed, in money units; the rest opens."""
        against = self._positions.get((instrument.symbol, -side))
        closing = min(lots, against.lots) if against is not None and (closes or instrument.nets) else 0
        profit = 0
        if against is not None and closing:
            # Rounded against us: what a long position cost upwards, what a short one brought downwards.
            part = against.cost * closing
            cost = ceil_div(part, against.lots) if side != BUY else part // against.lots
            profit = -side * (instrument.notional(price, closing) - cost)
            against.lots -= closing
            against.cost -= cost
            if not against.lots:
                del self._positions[(instrument.symbol, -side)]
        if lots > closing:
            assert not closes, "an order that only reduces was filled beyond the position"
            opened = self._positions.setdefault((instrument.symbol, side), _Position(instrument))
            opened.lots += lots - closing
            opened.cost += instrument.notional(price, lots - closing)
        return profit

    def _bound(self, position: _Position, side: int) -> int:
        """What a position binds, in money units: its value divided by the leverage, and its loss at the last price."""
        mark = self.marks.get(position.instrument.symbol, 0)
        worth = position.instrument.notional(mark, position.lots) if mark else position.cost
        return ceil_div(position.cost, self._leverage) + max(0, side * (position.cost - worth))

    def _pay(self, currency: str, amount: int) -> None:
        self._totals[currency] = self.total(currency) + amount


def _per_money(instrument: Instrument) -> int:
    """How many 10^-18 one money unit of this instrument is."""
    return int(10 ** (SCALE - instrument.money_scale))

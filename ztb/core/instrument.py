"""What can be traded, and in which steps.

Price is an integer number of ticks, size an integer number of lots, money an integer number of the account's
smallest unit (10**-money_scale of the quote currency). ``tick * lot`` must be a whole number of money units, so
that notional, fees and profit are exact integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ztb.core.error import AmountError
from ztb.core.money import PPM, Grid, ceil_div

BUY: Final = 1
SELL: Final = -1
SIDE_NAMES: Final = {BUY: "BUY", SELL: "SELL"}
MONEY_SCALE_MAX: Final = 18


@dataclass(frozen=True)
class Instrument:
    """One tradable pair of one venue, for example btc_jpy with tick 5 JPY and lot 0.0001 BTC."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    money_scale: int
    """Money is counted in 10**-money_scale of the quote currency (JPY with 4: 0.0001 JPY)."""
    leveraged: bool = False
    """False: spot, a sell may only give what this bot bought. True: a sell may open a short position."""
    lots_min: int = 1
    lots_max: int = 1_000_000_000
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    notional_min: int = 0
    """The venue takes no order worth less, in money units; what is left below it is dust (F-14)."""
    nets: bool = True
    """False: leverage where an order on the other side opens a second position instead of closing the first."""
    money_per_tick_lot: int = field(init=False)
    """Money units that one lot gains when the price rises by one tick."""

    def __post_init__(self) -> None:
        if not 0 <= self.money_scale <= MONEY_SCALE_MAX:
            raise AmountError(f"{self.symbol}: money_scale {self.money_scale}", remedy=f"0 to {MONEY_SCALE_MAX}")
        tick, tick_parts = Grid(self.tick_size).step.as_integer_ratio()
        lot, lot_parts = Grid(self.lot_size).step.as_integer_ratio()
        product, rest = divmod(tick * lot * 10**self.money_scale, tick_parts * lot_parts)
        if rest:
            raise AmountError(
                f"{self.symbol}: tick {self.tick_size} x lot {self.lot_size} is not a whole number of "
                f"10^-{self.money_scale} {self.quote}",
                remedy="raise money_scale",
            )
        if not 0 < self.lots_min <= self.lots_max:
            raise AmountError(f"{self.symbol}: lots_min {self.lots_min} and lots_max {self.lots_max} make no range")
        if self.notional_min < 0:
            raise AmountError(f"{self.symbol}: notional_min {self.notional_min}", remedy="0 or more")
        object.__setattr__(self, "money_per_tick_lot", product)

    @property
    def prices(self) -> Grid:
        """The price grid (ticks)."""
        return Grid(self.tick_size)

    @property
    def sizes(self) -> Grid:
        """The size grid (lots)."""
        return Grid(self.lot_size)

    @property
    def money(self) -> Grid:
        """The money grid (smallest units of the quote currency)."""
        return Grid(Decimal(1).scaleb(-self.money_scale))

    def notional(self, price: int, lots: int) -> int:
        """Value of ``lots`` at ``price`` ticks, in money units."""
        return price * lots * self.money_per_tick_lot

    def is_dust(self, price: int, lots: int) -> bool:
        """Too little to be sold or closed by an order of its own; nothing at all is no dust."""
        return lots > 0 and (lots < self.lots_min or self.notional(price, lots) < self.notional_min)

    def fee(self, price: int, lots: int, *, maker: bool) -> int:
        """Fee in money units, rounded up: against us, never for us."""
        return ceil_div(self.notional(price, lots) * (self.maker_fee_ppm if maker else self.taker_fee_ppm), PPM)

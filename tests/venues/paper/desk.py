"""A paper account without sockets: btc_jpy with a tick of 5 yen and a lot of 0.0001, and events made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from ztb.core.command import GTC, Place
from ztb.core.event import Depth, Trade
from ztb.core.instrument import BUY, Instrument
from ztb.venues.paper.book import PaperBook
from ztb.venues.paper.exchange import PaperExchange
from ztb.venues.paper.fills_file import FillsFile
from ztb.venues.paper.wallet import Wallet
from ztb.venues.port import AccountNews, Placed, VenueFill

SECOND_NS = 1_000_000_000
NOW_NS = 1_700_000_000 * SECOND_NS
BTC_JPY = Instrument(
    "btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4, maker_fee_ppm=200, taker_fee_ppm=1_000
)  # fmt: skip
MARGIN = replace(BTC_JPY, symbol="BTC_JPY", leveraged=True)
RICH: Mapping[str, Decimal] = {"jpy": Decimal(10_000_000), "btc": Decimal(10)}

Levels = tuple[tuple[int, int], ...]


class Desk:
    """One instrument, its book and its account; what was told is in ``told``."""

    def __init__(
        self,
        folder: Path,
        instrument: Instrument = BTC_JPY,
        *,
        balances: Mapping[str, Decimal] = RICH,
        leverage: int = 1,
        session_ns: int = NOW_NS,
    ) -> None:
        self.instrument = instrument
        self.book = PaperBook()
        self.told: list[AccountNews] = []
        self.file = FillsFile(folder, venue="zaif")
        self.exchange = PaperExchange(
            {instrument.symbol: instrument},
            {instrument.symbol: self.book},
            Wallet(balances, leverage=leverage),
            self.file,
            session_ns=session_ns,
            tell=self.told.append,
        )
        self.now_ns = NOW_NS
        self._orders = 0

    def show(self, bids: Levels, asks: Levels, *, is_snapshot: bool = True) -> None:
        self.book.show(Depth(self.now_ns, self.instrument.symbol, bids, asks, is_snapshot))

    def print(self, price: int, lots: int, *, side: int = BUY, venue_ns: int = 0) -> list[VenueFill]:
        """A trade of the market; our fills by it."""
        before = len(self.exchange.fills)
        self.exchange.traded(Trade(self.now_ns, self.instrument.symbol, price, lots, side, venue_ns))
        return self.exchange.fills[before:]

    def order(
        self,
        side: int,
        lots: int,
        price: int,
        time_in_force: str = GTC,
        *,
        reduce_only: bool = False,
        client_id: str = "",
    ) -> Place:
        self._orders += 1
        name = client_id or f"ztb-{self._orders:020x}"
        return Place(
            self.now_ns,
            name,
            self.instrument.symbol,
            side,
            lots,
            price,
            reduce_only,
            self._orders,
            "test",
            time_in_force,
        )

    def place(self, side: int, lots: int, price: int, time_in_force: str = GTC, *, reduce_only: bool = False) -> Placed:
        return self.exchange.place(self.order(side, lots, price, time_in_force, reduce_only=reduce_only), self.now_ns)

    def fills(self) -> list[tuple[int, int, int, bool]]:
        """(side, price, lots, maker) of every fill."""
        return [(fill.side, fill.price, fill.lots, fill.maker) for fill in self.exchange.fills]

    def total(self, currency: str) -> Decimal:
        return self.exchange.wallet.balances()[currency].total

    def available(self, currency: str) -> Decimal:
        return self.exchange.wallet.balances()[currency].available

    def working(self) -> list[tuple[int, int, int]]:
        """(side, price, remaining) of every working order."""
        orders = self.exchange.open_orders(self.instrument.symbol)
        return [(order.side, order.price, order.remaining_lots) for order in orders]

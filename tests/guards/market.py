"""A simulator on a loopback socket whose market a test moves by hand, event by event.

Prices are whole yen. In most cases one bitcoin is worth about 1,000,000 JPY, the tick is 5 JPY and the lot 0.0001 BTC:
so a lot is worth 100 JPY, and what an order of 0.01 BTC is worth, 10,000 JPY, is easily seen.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

from ztb.core.event import Depth, Trade
from ztb.core.instrument import BUY, Instrument
from ztb.simulator.accounts import Account, Units
from ztb.simulator.dialect import Clock, Dialect
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.gmo.venue import GmoVenue
from ztb.simulator.matching import EXPIRE_NEWER, MATCH
from ztb.simulator.moods import Mood, Moods
from ztb.simulator.record import Call, Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent, TapePlayer
from ztb.simulator.zaif.rules import ZaifRules
from ztb.simulator.zaif.venue import ZaifVenue

KEY = "11111111-2222-3333-4444-555555555555"
SECRET = "66666666-7777-8888-9999-000000000000"
PAIR = Instrument("btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4)
YEN = 1_000_000
"""Where the price stands unless a case says otherwise."""
DEEP = 100_000
"""Lots at a price: more than anybody here wants."""
Side = list[tuple[int, int]]
"""Prices in yen with lots, best first."""


class HandPlayer(TapePlayer):
    """Plays what was queued, at once."""

    def __init__(self, first: MarketEvent) -> None:
        super().__init__(lambda: iter([first]), loop=False)
        self.queue: deque[MarketEvent] = deque()

    def due(self, now_ns: int, count_max: int) -> Iterator[tuple[int, MarketEvent]]:
        while self.queue:
            yield now_ns, self.queue.popleft()


class Simulator:
    """One exchange with one account, the trader's and its owner's."""

    def __init__(
        self,
        clock: Clock,
        *,
        venue: str = "zaif",
        jpy: str = "10000000",
        btc: str = "10",
        price: int = YEN,
        instrument: Instrument = PAIR,
    ) -> None:
        assert venue in ("zaif", "gmo")
        self.price = price
        self.record, self.moods = Record(), Moods(seed=1)
        is_gmo = venue == "gmo"
        first = self._depth([(price - 5, DEEP)], [(price, DEEP)])
        self.exchange = Exchange(
            instrument, lambda: iter([first]), [_account(instrument, jpy, btc)], loop=False,
            self_trade=EXPIRE_NEWER if is_gmo else MATCH,
        )  # fmt: skip
        self._player = HandPlayer(first)
        self.exchange.market._player = self._player
        made: Dialect
        if is_gmo:
            rules = GmoRules(private_limits=False, public_per_second=0, subscribe_interval_ns=0)
            made = GmoVenue(self.exchange, moods=self.moods, record=self.record, rules=rules)
        else:
            made = ZaifVenue(
                self.exchange, moods=self.moods, record=self.record,
                rules=ZaifRules(private_limits=False, public_per_second=0),
            )  # fmt: skip
        self.server = SimulatorServer(self.exchange, made, clock=clock, moods=self.moods, record=self.record)
        self.url = ""

    async def start(self) -> None:
        self.url = f"http://{(await self.server.start()).text}"

    async def restart(self) -> None:
        """Listen again where it listened."""
        await self.server.start()

    # --- the market -------------------------------------------------------------------------------------------------

    def trade(self, price: int | None = None, *, lots: int = 1, side: int = BUY) -> None:
        """Somebody trades; without a price at the last one."""
        self.price = price if price is not None else self.price
        self._player.queue.append(Trade(0, PAIR.symbol, _ticks(self.price), lots, side))

    def book(self, bids: Side, asks: Side) -> None:
        self._player.queue.append(self._depth(bids, asks))

    def move(self, price: int) -> None:
        """The whole market: a deep book around ``price`` and a trade there."""
        self.book([(price - 5, DEEP)], [(price, DEEP)])
        self.trade(price)

    def mood(self, name: str, *methods: str, count: int | None = None, ms: int = 0) -> None:
        self.moods.switch_on(Mood(name, count=count, ms=ms, methods=frozenset(methods)))

    # --- what arrived -----------------------------------------------------------------------------------------------

    def orders(self) -> list[Call]:
        """Every call that asked for an order, in order."""
        return [call for call in self.record.calls if call.method in ("trade", "order", "closeOrder", "closeBulkOrder")]

    def cancels(self) -> list[Call]:
        return [call for call in self.record.calls if call.method.startswith("cancel")]

    @property
    def account(self) -> Account:
        found = self.exchange.account(KEY)
        assert found is not None
        return found

    def held_lots(self) -> int:
        """What the trader's fills come to."""
        return sum(fill.side * fill.lots for fill in self.account.fills)

    def working_lots(self, side: int) -> int:
        return sum(order.remaining for order in self.account.orders.values() if order.side == side)

    @staticmethod
    def _depth(bids: Side, asks: Side) -> Depth:
        sides = [tuple((_ticks(price), lots) for price, lots in side) for side in (bids, asks)]
        return Depth(0, PAIR.symbol, sides[0], sides[1], True)


def _account(instrument: Instrument, jpy: str, btc: str) -> Account:
    units = Units(instrument)
    balances = {"jpy": units.grid("jpy").parse(jpy), "btc": units.grid("btc").parse(btc)}
    return Account(KEY, SECRET, balances, maker_fee_ppm=0, taker_fee_ppm=0)


def _ticks(yen: int) -> int:
    ticks, rest = divmod(yen, 5)
    assert rest == 0, yen
    return ticks

"""What the tests of the core stand on: instruments, limits, an engine whose policy says what the test wants.

Amounts in these tests are chosen so that a reader can compute them: with ``SPOT`` one lot at one tick is worth one
money unit, prices are near 1,000 ticks, and the capital is 1,000,000 money units.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from ztb.core.command import Cancel, Command, LookUp, Notify, Place, Tripped
from ztb.core.event import (
    Event,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderFilled,
    OrderSent,
    OrderSettled,
    Quote,
    Reconciled,
    Started,
    Trade,
)
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.policy import HOLD, Decision, Policy
from ztb.core.rules import FIXED_SIZE, NO_EXITS, Exits, SizePlan
from ztb.core.state import EngineConfig
from ztb.core.step import Engine

SECOND: int = 1_000_000_000
MINUTE: int = 60 * SECOND
DAY: int = 86_400 * SECOND
T0: int = 1_700_000_000 * SECOND
"""2023-11-14 22:13:20 UTC."""

SPOT = Instrument("btc_jpy", "btc", "jpy", Decimal(1), Decimal(1), 0, lots_max=10_000)
LEVERAGED = replace(SPOT, symbol="fx_btc_jpy", leveraged=True)
BOTH = (SPOT, LEVERAGED)

WIDE = Limits(
    order_lots_max=1_000, position_lots_max=5_000, order_notional_max=10**9, position_notional_max=10**9,
    daily_loss_max=10**9, drawdown_ppm_max=900_000, orders_per_minute_max=1_000, open_orders_max=50,
    price_collar_ppm=100_000, stale_ns_max=MINUTE, order_ttl_ns=DAY,
)  # fmt: skip
CAPITAL = 1_000_000


class Told(Policy):
    """Does what the test put into ``answer``: a decision, nothing, anything at all, or an exception to raise."""

    name = "told"

    def __init__(self) -> None:
        self.answer: object = None
        self.calls = 0
        self.held: list[int] = []
        self.on_seen: Callable[[Trade | Quote], None] = lambda event: None

    def _say(self, event: Trade | Quote, held_lots: int) -> Decision | None:
        self.calls += 1
        self.held.append(held_lots)
        self.on_seen(event)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[return-value]  # a policy that breaks its contract is what some tests want

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        return self._say(trade, held_lots)

    def on_quote(self, quote: Quote, held_lots: int) -> Decision | None:
        return self._say(quote, held_lots)


class Desk:
    """An engine, its policy, a clock, and the shortest way to make things happen."""

    def __init__(
        self,
        *,
        limits: Limits = WIDE,
        instruments: tuple[Instrument, ...] = (SPOT,),
        order_lots: int = 10,
        started: bool = True,
        capital: int = CAPITAL,
        day_offset_ns: int = 0,
        observe: bool = False,
        reduce_only: bool = False,
        cross_ppm: int = 1_000,
        plan: SizePlan = FIXED_SIZE,
        exits: Exits = NO_EXITS,
        profile: str = "",
        armed: bool = True,
        conservative_after_kill: bool = False,
    ) -> None:
        self.config = EngineConfig(
            instruments, limits, capital, order_lots, cross_ppm=cross_ppm, day_offset_ns=day_offset_ns,
            observe=observe, reduce_only=reduce_only, plan=plan, exits=exits, risk_profile=profile, armed=armed,
            conservative_after_kill=conservative_after_kill,
        )  # fmt: skip
        self.policy = Told()
        self.engine = Engine(self.config, self.policy)
        self.now_ns = T0
        self.commands: list[Command] = []
        """Everything that the engine ever asked for."""
        self._trades = 0
        if started:
            self.step(Started(self.now_ns, "install", 1))
            self.step(Reconciled(self.now_ns, True))

    def step(self, event: Event) -> list[Command]:
        """One event; the engine must leave it as it was."""
        before = copy.deepcopy(event)
        commands = list(self.engine.step(event))
        assert repr(event) == repr(before), "an event was changed"
        self.commands += commands
        return commands

    def wait(self, duration_ns: int) -> None:
        """Let time pass, without telling the engine."""
        self.now_ns += duration_ns

    def market(self, price: int, *, instrument: Instrument = SPOT, say: int | None = None) -> list[Command]:
        """A trade at ``price``; ``say`` is what the policy wants at this moment (None: it is not evaluated)."""
        self.policy.answer = None if say is None else Decision(say, "wanted" if say != HOLD else "nothing", (price,))
        commands = self.step(Trade(self.now_ns, instrument.symbol, price, 1, BUY))
        self.policy.answer = None
        return commands

    def minutes(self, count: int, *, low: int = 998, high: int = 1_002, instrument: Instrument = SPOT) -> None:
        """So many whole minutes, in each of which the price goes from ``low`` to ``high`` and ends at 1,000."""
        self.wait(MINUTE - self.now_ns % MINUTE)
        for _ in range(count):
            for price in (low, high, 1_000):
                self.market(price, instrument=instrument)
                self.wait(20 * SECOND)
        self.market(1_000, instrument=instrument)

    def order(self, side: int, *, price: int = 1_000, instrument: Instrument = SPOT) -> Place:
        """The order that the policy gets on a trade at ``price``; fails when it is refused."""
        placed = places(self.market(price, instrument=instrument, say=side))
        assert len(placed) == 1, self.outcome()
        return placed[0]

    def refused(self, side: int, *, price: int = 1_000, instrument: Instrument = SPOT) -> str:
        """The reason code that the policy gets instead of an order."""
        commands = self.market(price, instrument=instrument, say=side)
        assert not places(commands)
        return self.outcome()

    def outcome(self) -> str:
        """What became of the last decision."""
        return self.engine.take_decisions()[-1][5]

    def working(self, side: int, *, price: int = 1_000, instrument: Instrument = SPOT) -> Place:
        """An order that the venue has acknowledged."""
        place = self.order(side, price=price, instrument=instrument)
        self.step(OrderDurable(self.now_ns, place.client_id))
        self.step(OrderSent(self.now_ns, place.client_id))
        self.step(OrderAccepted(self.now_ns, place.client_id, f"v{place.sequence}"))
        return place

    def fill(self, place: Place, *, lots: int | None = None, price: int = 1_000, fee: int = 0) -> list[Command]:
        """A fill of all or of ``lots`` at ``price``."""
        self._trades += 1
        trade_id = f"t{self._trades}"
        return self.step(OrderFilled(self.now_ns, place.client_id, trade_id, lots or place.lots, price, fee))

    def bought(self, *, price: int = 1_000, instrument: Instrument = SPOT, times: int = 1) -> None:
        """Hold ``times`` order sizes, bought at ``price``."""
        for _ in range(times):
            self.fill(self.working(BUY, price=price, instrument=instrument), price=price)

    def sold(self, *, price: int = 1_000, instrument: Instrument = SPOT, times: int = 1) -> None:
        """The same, sold."""
        for _ in range(times):
            self.fill(self.working(SELL, price=price, instrument=instrument), price=price)

    def cancelled(self, place: Place) -> list[Command]:
        """The venue confirms that the order is off its book."""
        return self.step(OrderCancelled(self.now_ns, place.client_id))

    def settled(self, place: Place) -> list[Command]:
        """The venue's fills were read once more: this is all."""
        return self.step(OrderSettled(self.now_ns, place.client_id))

    def lots(self, instrument: Instrument = SPOT) -> int:
        """What is held."""
        return self.engine.state.ledger.positions[instrument.symbol].lots


def places(commands: Iterable[Command]) -> list[Place]:
    """Those that send an order."""
    return [command for command in commands if isinstance(command, Place)]


def cancels(commands: Iterable[Command]) -> list[Cancel]:
    """Those that take an order off the book."""
    return [command for command in commands if isinstance(command, Cancel)]


def look_ups(commands: Iterable[Command]) -> list[LookUp]:
    """Those that ask the venue."""
    return [command for command in commands if isinstance(command, LookUp)]


def notices(commands: Iterable[Command]) -> list[tuple[str, str]]:
    """Severity and code of everything told to people."""
    return [(command.severity, command.code) for command in commands if isinstance(command, Notify)]


def trips(desk: Desk) -> list[str]:
    """Everything that tripped so far."""
    return [command.code for command in desk.commands if isinstance(command, Tripped)]


def with_limits(limits: Limits = WIDE, *, order_lots: int = 10, **changes: int) -> Desk:
    """A desk of both instruments with some limits changed."""
    return Desk(limits=replace(limits, **changes), instruments=BOTH, order_lots=order_lots)

"""A venue for the flatten, played by hand: it fills, rejects, loses, delays and contradicts as a test says.

It keeps its own books, from which the tests take what is true: what was really bought and sold, and what really works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.core.scene import CAPITAL, SECOND, SPOT, T0, WIDE, Told
from ztb.core.command import FLATTEN, FOK, GTC, IOC, MARKET, Cancel, Command, LookUp, Notify, Place
from ztb.core.event import (
    CancelFailed,
    Event,
    Flatten,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
    OrderSent,
    OrderSettled,
    OrderUnknown,
    Quote,
    Reconciled,
    Started,
    Timer,
    Trade,
)
from ztb.core.flatten import DONE, wants_comparison
from ztb.core.flattening import LIMIT
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.policy import Decision
from ztb.core.state import EngineConfig, State
from ztb.core.step import Engine

MS = SECOND // 1_000
TICK_NS = 100 * MS
PERP = replace(SPOT, symbol="perp", leveraged=True, nets=False, lots_min=3, lots_max=25)
COIN = replace(SPOT, symbol="coin", lots_min=2, notional_min=4_000, lots_max=40)


@dataclass
class There:
    """An order in the venue's own books."""

    place: Place
    left: int
    is_working: bool
    is_cancelling: bool = False


Choose = Callable[[str, int], int]
"""``choose(what, choices)``: a number from 0 to choices - 1; 0 is what a good venue does."""


def well(what: str, choices: int) -> int:
    """Everything goes well."""
    return 0


class FlatWorld:
    """Engine and venue. ``choose`` decides everything that may go wrong."""

    def __init__(
        self,
        choose: Choose = well,
        *,
        instruments: tuple[Instrument, ...] = (SPOT,),
        times_in_force: tuple[str, ...] = tuple(sorted((GTC, IOC, FOK, MARKET))),
        limits: Limits = WIDE,
    ) -> None:
        self.choose = choose
        self.policy = Told()
        config = EngineConfig(instruments, limits, CAPITAL, 10, times_in_force=times_in_force)
        self.engine = Engine(config, self.policy)
        self.instruments = instruments
        self.now_ns = T0
        self.there: dict[str, There] = {}
        self.lots = {one.symbol: 0 for one in instruments}
        """What was really bought and sold by us, told or not."""
        self.untold: list[tuple[int, Event]] = []
        """Events on their way to the engine, with the time at which they arrive."""
        self.commands: list[Command] = []
        self.notices: list[Notify] = []
        self.sent_by_flatten: list[Place] = []
        self.parked_at: dict[str, int] = {}
        """Prices when it was flat last: by them is told what was dust."""
        self._trades = 0
        self.is_reachable = True
        self.step(Started(0, "install", 1))
        self.step(Reconciled(0, True))
        for one in instruments:
            self.price(one, 1_000)

    # --- engine --------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.engine.state

    def step(self, event: Event) -> list[Command]:
        self.now_ns += 1
        event.ts_ns = self.now_ns
        held_before = {s: p.lots for s, p in self.state.ledger.positions.items()}
        may_fill = [(o.instrument, o.side) for o in self.state.working.values()]
        commands = list(self.engine.step(event))
        self.commands += commands
        for command in commands:
            self._check(command, held_before, may_fill)
            self._carry_out(command)
        return commands

    def _check(self, command: Command, held: dict[str, int], may_fill: list[tuple[str, int]]) -> None:
        """What must hold for each order of a flatten, by the state right before or after the step that made it."""
        if isinstance(command, Place) and command.purpose == FLATTEN:
            self.sent_by_flatten.append(command)
            others = [
                order
                for order in self.state.working.values()
                if order.instrument == command.instrument
                and order.side == command.side
                and order.client_id != command.client_id
            ]
            assert not others, f"something may still work on that side: {others}"
            lots = self.state.ledger.positions[command.instrument].lots
            assert lots * command.side < 0, "an order that closes nothing"
            ended = [
                order.lots - order.filled_lots
                for order in self.state.settling.values()
                if (order.instrument, order.side) == (command.instrument, command.side)
            ]
            assert command.lots + sum(ended) <= abs(lots), "more than is held, if what ended turns out to have filled"
            instrument = self.state.desks[command.instrument].instrument
            assert instrument.lots_min <= command.lots <= instrument.lots_max
            assert command.reduce_only

    def _carry_out(self, command: Command) -> None:
        match command:
            case Place():
                self._place(command)
            case Cancel():
                self._cancel(command)
            case LookUp():
                self._look_up(command)
            case Notify():
                self.notices.append(command)
                if command.code == DONE:
                    self.parked_at = {symbol: desk.last_price for symbol, desk in self.state.desks.items()}

    # --- the venue -----------------------------------------------------------------------------------------------

    def tell(self, event: Event, delay: int = 1) -> None:
        """The engine hears of it after ``delay`` ticks."""
        self.untold.append((self.now_ns + delay * TICK_NS, event))

    def _place(self, place: Place) -> None:
        client_id = place.client_id
        self.tell(OrderDurable(0, client_id), 0)
        self.tell(OrderSent(0, client_id), 0)
        fate = self.choose("place", 6)
        if fate == 1:
            self.tell(OrderRejected(0, client_id, "no", "refused"))
            return
        if fate == 2:  # it never arrived, and nobody knows
            self.tell(OrderUnknown(0, client_id, "no answer"))
            return
        there = self.there[client_id] = There(place, place.lots, True)
        if fate == 3:  # it arrived, and nobody knows
            self.tell(OrderUnknown(0, client_id, "no answer"))
        else:
            self.tell(OrderAccepted(0, client_id, f"v-{client_id}"))
        if place.purpose == FLATTEN or fate == 4:
            part = self.choose("fill", 4)
            self.fill(client_id, (there.left, there.left // 2, 1, 0)[part])
        if place.time_in_force in (IOC, MARKET) and there.is_working:
            there.is_working = False
            self.tell(OrderExpired(0, client_id), 1 + self.choose("expire late", 3))

    def fill(self, client_id: str, lots: int, *, price: int = 0, delay: int | None = None) -> None:
        there = self.there[client_id]
        lots = min(lots, there.left)
        if lots <= 0:
            return
        there.left -= lots
        symbol = there.place.instrument
        self.lots[symbol] += there.place.side * lots
        is_spot = not self.state.desks[symbol].instrument.leveraged
        assert self.lots[symbol] >= 0 or not is_spot, "sold what the owner held"
        if there.left == 0:
            there.is_working = False
        self._trades += 1
        event = OrderFilled(0, client_id, f"t{self._trades}", lots, price or there.place.price, 0)
        self.tell(event, 1 + self.choose("tell a fill late", 3) if delay is None else delay)

    def _cancel(self, cancel: Cancel) -> None:
        client_id = cancel.client_id
        there = self.there.get(client_id)
        fate = self.choose("cancel", 4)
        if fate == 1:
            self.tell(CancelFailed(0, client_id, "too_new"))
            return
        if fate == 2:
            return  # lost, and nobody knows
        if there is None or not there.is_working:
            if there is not None:
                self.tell(OrderCancelled(0, client_id), 4)
            return
        if fate == 3:  # it fills while it is being cancelled
            self.fill(client_id, max(1, there.left // 2))
        there.is_working = False
        self.tell(OrderCancelled(0, client_id), 4)

    def _look_up(self, look_up: LookUp) -> None:
        there = self.there.get(look_up.client_id)
        if self.choose("look up", 3) == 2:
            return
        if there is None:
            self.tell(OrderNotPlaced(0, look_up.client_id, "absent"), 4)
        elif there.is_working:
            self.tell(OrderAccepted(0, look_up.client_id, f"v-{look_up.client_id}"), 1)
        else:
            self.tell(OrderCancelled(0, look_up.client_id), 5)

    def price(self, instrument: Instrument, price: int, *, spread: int = 1) -> None:
        self.step(Trade(0, instrument.symbol, price, 1, BUY))
        self.step(Quote(0, instrument.symbol, price - spread, 5, price + spread, 5))

    # --- time ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """A tenth of a second: what is due arrives, what works may fill, the venue is compared if that is wanted."""
        self.now_ns += TICK_NS
        due = [event for at_ns, event in self.untold if at_ns <= self.now_ns]
        self.untold = [(at_ns, event) for at_ns, event in self.untold if at_ns > self.now_ns]
        for event in due:
            self.step(event)
        self.step(Timer(0))
        for client_id, there in list(self.there.items()):
            if there.is_working and self.choose("works", 8) == 0 and there.place.purpose == FLATTEN:
                self.fill(client_id, there.left)
        self._settle()
        running = self.state.flattening
        if running is not None and wants_comparison(self.state, running):
            self.compare()

    def _settle(self) -> None:
        """As ``venues.settling`` does: the history, read three seconds after an end or later, is all of it."""
        if not self.is_reachable or self.choose("read the history", 4) == 3:
            return
        untold = {event.client_id for _, event in self.untold if isinstance(event, OrderFilled)}
        for order in list(self.state.settling.values()):
            if self.now_ns - order.ended_ns >= 3 * SECOND and order.client_id not in untold:
                self.step(OrderSettled(0, order.client_id))

    def compare(self) -> None:
        """As ``service.reconciliation`` does: what is told is in the books first, then the venue is read."""
        if not self.is_reachable or self.choose("compare", 4) == 3:
            self.step(Reconciled(0, False, "the venue could not be read", self.now_ns))
            return
        begun_ns = self.now_ns
        works = {client_id for client_id, there in self.there.items() if there.is_working}
        is_same = (
            works <= set(self.state.working)
            and all(self.state.ledger.positions[s].lots == lots for s, lots in self.lots.items())
        )  # fmt: skip
        self.step(Reconciled(0, is_same, "" if is_same else "a difference", begun_ns))

    def run(self, seconds: int) -> None:
        for _ in range(seconds * SECOND // TICK_NS):
            self.tick()

    # --- a past --------------------------------------------------------------------------------------------------

    def hold(self, instrument: Instrument, lots: int) -> None:
        """Buy (or sell) ``lots`` and wait until that is known; nothing goes wrong meanwhile."""
        choose, self.choose = self.choose, well
        side, left = (BUY, lots) if lots > 0 else (SELL, -lots)
        while left > 0:
            place = self.wish(instrument, side)
            self.fill(place.client_id, min(left, place.lots), delay=0)
            left -= place.lots
            self.tick()
            self.settle_orders()
        self.choose = choose

    def settle_orders(self) -> None:
        """Take back what works."""
        for client_id, there in self.there.items():
            if there.is_working:
                there.is_working = False
                self.tell(OrderCancelled(0, client_id), 0)
        self.tick()

    def wish(self, instrument: Instrument, side: int) -> Place:
        """The policy's order; it must be let through."""
        price = self.state.desks[instrument.symbol].last_price
        self.policy.answer = Decision(side, "wish", ())
        placed = [c for c in self.step(Trade(0, instrument.symbol, price, 1, BUY)) if isinstance(c, Place)]
        self.policy.answer = None
        assert len(placed) == 1, self.engine.take_decisions()[-1]
        return placed[0]

    def flatten(
        self,
        *,
        mode: str = LIMIT,
        slippage_ppm: int = 20_000,
        within_s: int = 60,
        then_stop: bool = False,
        kill: bool = False,
        holds: bool = True,
    ) -> None:
        within_ns = within_s * SECOND
        self.step(Flatten(0, "test", "drill", mode, slippage_ppm, within_ns, then_stop, kill, holds))

    @property
    def codes(self) -> list[str]:
        return [notice.code for notice in self.notices]

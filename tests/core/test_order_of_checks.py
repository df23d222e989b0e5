"""One wish that breaks everything at once: the checks answer in their one order, each until its cause is repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.core.scene import DAY, LEVERAGED, MINUTE, SECOND, T0, WIDE, Desk, cancels, places
from ztb.core.event import (
    Depth,
    Flatten,
    Kill,
    OrderRejected,
    OrderUnknown,
    Pause,
    Quote,
    Reconciled,
    Started,
    Stop,
    Trade,
)
from ztb.core.gate import REASONS, judge
from ztb.core.guard import Limits
from ztb.core.instrument import BUY
from ztb.core.policy import Decision
from ztb.core.rules import Rules, SizePlan
from ztb.core.state import EngineConfig

NOTHING = Limits(
    order_lots_max=1, position_lots_max=1, order_notional_max=1, position_notional_max=1, daily_loss_max=1,
    drawdown_ppm_max=1, orders_per_minute_max=1, open_orders_max=1, price_collar_ppm=1, stale_ns_max=1,
    order_ttl_ns=DAY, exposure_max=1, leverage_ppm_max=1, orders_per_day_max=1, day_notional_max=1,
    orders_per_hour_max=1, order_gap_ns=DAY, volatility_ppm_max=1, sharpe_milli_min=10**9, slippage_ppm_max=1,
)  # fmt: skip
COARSE = replace(LEVERAGED, lots_min=8, lots_max=9)


Lever = Callable[[], None]


class Broken:
    """A desk in which nothing is as it should be, and the levers that repair one thing each."""

    def __init__(self) -> None:
        self.desk = Desk(instruments=(COARSE,), order_lots=9)
        for place in [self.desk.order(BUY, instrument=COARSE) for _ in range(2)]:
            self.desk.fill(place, lots=1)
        self.lost = next(iter(self.desk.engine.state.working))
        state = self.desk.engine.state
        self.desk.step(OrderUnknown(self.desk.now_ns, self.lost, "no answer"))
        self.config = EngineConfig((COARSE,), NOTHING, 10**6, 10, armed=False, plan=SizePlan(risk_ppm=1))
        self.limits = NOTHING
        self.plan = self.config.plan
        self.symbol = COARSE.symbol
        self.now_ns = self.desk.now_ns + MINUTE
        self.control = state.control
        self.control.killed = self.control.flattening = self.control.stopping = self.control.observe = True
        self.control.reconciled = False
        self.control.pause(self.now_ns + 1, "wait", allow_reduce_only=False)
        self.control.pause(self.now_ns + 1, "look")
        self.control.clock_is_off = True
        self.control.reduce("loss")
        state.desks[self.symbol].last_price = 0

    def said(self) -> str:
        """What the gate says to the wish to buy."""
        state = self.desk.engine.state
        rules = Rules(self.limits, self.plan, self.config.exits)
        return judge(state, self.config, rules, state.desks[self.symbol], BUY, self.now_ns).code

    def limit(self, **values: int | None) -> Lever:
        """Sets limits to what the wish keeps."""

        def relax() -> None:
            self.limits = replace(self.limits, **values)  # type: ignore[arg-type]

        return relax

    def arm(self) -> None:
        """Both keys and the credentials are there."""
        self.config = replace(self.config, armed=True)

    def afford(self) -> None:
        """A budget that leaves the size as it is configured."""
        self.plan = replace(self.plan, risk_ppm=9)

    def know_ranges(self) -> None:
        """Fourteen minutes, each with a range of one tick."""
        bars = self.desk.engine.state.desks[self.symbol].bars
        bars.ranges, bars.range_sum, bars.last_end_ns = 14, 14, self.now_ns

    def find(self) -> None:
        """The venue says that the lost order is off its book."""
        self.desk.cancelled(next(one for one in places(self.desk.commands) if one.client_id == self.lost))


def set_on(thing: object, **values: object) -> Lever:
    """Sets attributes of one thing."""

    def change() -> None:
        for name, value in values.items():
            setattr(thing, name, value)

    return change


def ladder_of(broken: Broken) -> list[tuple[str, Lever]]:
    """Each code of the gate in its order, and what repairs its cause."""
    state, control, limit = broken.desk.engine.state, broken.control, broken.limit
    market = state.desks[broken.symbol]
    return [
        ("killed", set_on(control, killed=False)),
        ("flattening", set_on(control, flattening=False)),
        ("stopping", set_on(control, stopping=False)),
        ("observe_only", set_on(control, observe=False)),
        ("not_reconciled", set_on(control, reconciled=True)),
        ("frozen", control.freezes.clear),
        ("paused", control.lift_pauses),
        ("clock_offset", set_on(control, clock_is_off=False)),
        ("reduce_only", control.reduce_only_reasons.clear),
        ("not_armed", broken.arm),
        ("no_market_data", set_on(market, last_price=1_000)),
        ("stale_market_data", set_on(market, last_ns=broken.now_ns)),
        ("no_atr", broken.know_ranges),
        ("order_size_too_small", broken.afford),
        ("order_unknown", broken.find),
        ("open_orders", limit(open_orders_max=2)),
        ("order_size", limit(order_lots_max=9)),
        ("order_notional", limit(order_notional_max=10**6)),
        ("position_size", limit(position_lots_max=100)),
        ("position_notional", limit(position_notional_max=10**6)),
        ("orders_per_minute", limit(orders_per_minute_max=9)),
        ("price_collar", limit(price_collar_ppm=50_000)),
        ("orders_per_day", limit(orders_per_day_max=9)),
        ("day_notional", limit(day_notional_max=10**6)),
        ("exposure", limit(exposure_max=10**6)),
        ("leverage", limit(leverage_ppm_max=10**6)),
        ("orders_per_hour", limit(orders_per_hour_max=9)),
        ("order_gap", limit(order_gap_ns=1)),
        ("no_volatility", set_on(market.bars, volatility_ppm=2)),
        ("volatility", limit(volatility_ppm_max=2)),
        ("sharpe", limit(sharpe_milli_min=None)),
        ("no_book", lambda: None),
    ]


def test_the_first_reason_is_told_and_repaired_and_then_the_next_one_comes_up() -> None:
    broken = Broken()
    desk, state = broken.desk, broken.desk.engine.state
    market = state.desks[broken.symbol]
    state.tally.sharpe_milli = 0
    state.rate.made_ns.extend([broken.now_ns] * 2)
    market.ask, market.quote_ns = 1_001, broken.now_ns
    for code, repair in ladder_of(broken):
        assert broken.said() == code
        assert code in REASONS
        repair()
    desk.now_ns = broken.now_ns
    for asks, code in (
        (((1_001, 1),), "book_too_thin"),
        (((1_001, 1), (1_010, 99)), "slippage"),
        (((1_001, 99),), ""),
    ):
        desk.engine.state.control.killed = False
        desk.step(Depth(broken.now_ns, broken.symbol, (), asks, True))
        assert broken.said() == code


def test_a_policy_that_wants_everything_forbidden_at_every_moment_gets_nothing() -> None:
    """Both sides of both events, under every control that is on, one after another and all together."""
    on: list[Callable[[Desk], object]] = [
        lambda d: d.step(Started(d.now_ns, "install", 2)),
        lambda d: d.step(Reconciled(d.now_ns, False, "?")),
        lambda d: d.step(Stop(d.now_ns, "SIGTERM")),
        lambda d: d.step(Kill(d.now_ns, "operator", "enough")),
        lambda d: d.step(Pause(d.now_ns, d.now_ns + MINUTE, "operator", "wait", "", True)),
        lambda d: d.step(Flatten(d.now_ns, "operator", "out", "cancel_only", 10_000, MINUTE)),
    ]
    for chosen in [[one] for one in on] + [on, on[::-1]]:
        desk = Desk(instruments=(LEVERAGED,))
        desk.bought(instrument=LEVERAGED)
        for switch in chosen:
            switch(desk)
        count = len(desk.commands)
        for number in range(40):
            side = BUY if number % 2 else -BUY
            desk.policy.answer = Decision(side, "everything", (number,))
            desk.step(Trade(desk.now_ns, LEVERAGED.symbol, 1_000 + number % 3, 1, BUY))
            desk.step(Quote(desk.now_ns, LEVERAGED.symbol, 999, 1, 1_001, 1))
            desk.wait(SECOND // 2)
        assert not places(desk.commands[count:])
        assert desk.lots(LEVERAGED) == 10


def test_a_policy_that_changes_what_it_was_shown_changes_neither_price_nor_size() -> None:
    desk = Desk()

    def forge(event: object) -> None:
        assert isinstance(event, Trade)
        event.price, event.lots = 1, 10**9

    desk.policy.answer = Decision(BUY, "cheap", ())
    desk.policy.on_seen = forge
    [place] = places(desk.engine.step(Trade(T0, "btc_jpy", 1_000, 1, BUY)))
    assert (place.price, place.lots) == (1_001, 10)
    assert desk.engine.state.desks["btc_jpy"].last_price == 1_000


def test_an_order_that_was_refused_is_not_asked_for_again_at_once_and_nothing_is_cancelled_for_it() -> None:
    desk = Desk(limits=WIDE)
    place = desk.order(BUY)
    desk.step(OrderRejected(desk.now_ns, place.client_id, "no"))
    assert desk.refused(BUY) == "rejected_before"
    assert not cancels(desk.commands)

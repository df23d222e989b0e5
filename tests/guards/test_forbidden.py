"""A policy that tries everything forbidden at once, at every trade and at every quote; the exchange is the witness."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.examples import PERCENT
from tests.guards.daemon import ASKED, Daemon, daemon
from tests.guards.market import DEEP, YEN, Simulator
from tests.guards.virtual_time import VirtualClock, VirtualLoop, pass_time, play
from ztb.core.event import Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD, Decision, Policy

LIMITS: dict[str, object] = {
    "limits__position_max": "0.03", "limits__orders_per_minute_max": 8, "limits__open_orders_max": 2,
    "limits__orders_per_day_max": 60, "limits__price_collar_pct": 1, "limits__stale_after_seconds": 10,
    "limits__order_ttl_seconds": 20, "limits__exposure_max": 31_000, "risk__price_move_max_pct": 10,
}  # fmt: skip
LOTS_MAX, HELD_MAX, PER_MINUTE, WORKING_MAX, PER_DAY, COLLAR = 100, 300, 8, 2, 60, 0.01
EXPOSURE_MAX = 31_000
SECOND_NS = 1_000_000_000
SEEDS = (1,) if PERCENT < 100 else tuple(range(1, 9))


class Greedy(Policy):
    """Wants both sides in turn, at each event, whatever it holds and whatever it was told."""

    name = "greedy"

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.wished = 0

    def _say(self) -> Decision:
        self.wished += 1
        return Decision(self._dice.choice((BUY, BUY, BUY, SELL, HOLD)), ASKED, (1,))

    def on_trade(self, trade: Trade, held_lots: int) -> Decision | None:
        return self._say()

    def on_quote(self, quote: Quote, held_lots: int) -> Decision | None:
        return self._say()


class Witness:
    """Looks at the exchange, as often as it is asked to."""

    def __init__(self, d: Daemon) -> None:
        self._d = d
        self._seen = 0
        self.silent_since: int | None = None
        """So many orders had arrived when nothing more was allowed to."""
        self.arrived_ns: list[int] = []

    def look(self) -> None:
        simulator = self._d.simulator
        orders = simulator.orders()
        for call in orders[self._seen :]:
            self._one(dict(call.params), call.received_ns)
        self._seen = len(orders)
        if self.silent_since is not None:
            assert len(orders) == self.silent_since, orders[-1]
        held, working = simulator.held_lots(), simulator.account.orders
        at_worst = held + simulator.working_lots(BUY)
        assert held - simulator.working_lots(SELL) >= 0
        assert at_worst <= HELD_MAX
        assert at_worst * simulator.price // 10_000 <= EXPOSURE_MAX
        assert len(working) <= WORKING_MAX

    def _one(self, call: dict[str, str], received_ns: int) -> None:
        price, lots = int(call["price"]), round(float(call["amount"]) * 10_000)
        assert 0 < lots <= LOTS_MAX
        assert abs(price - self._d.simulator.price) <= COLLAR * self._d.simulator.price
        self.arrived_ns.append(received_ns)
        assert sum(one > received_ns - 60 * SECOND_NS for one in self.arrived_ns) <= PER_MINUTE
        assert len(self.arrived_ns) <= PER_DAY


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_beyond_the_limits_ever_arrives(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def work(loop: VirtualLoop) -> None:
        async with daemon(loop, tmp_path, policy=Greedy(dice), narrow=LIMITS) as d:
            witness = Witness(d)
            await _market(d, witness, dice, seconds=100)
            assert witness.arrived_ns, "the policy must have got some of what it wants"

            # Quotes go on, and nobody trades: the price is too old after 10 s.
            await pass_time(10.5)
            witness.silent_since = len(d.simulator.orders())
            for step in range(10):
                d.simulator.book([(YEN - 10 - 5 * step, DEEP)], [(YEN + 5 * step, DEEP)])
                await pass_time(0.5)
                witness.look()

            # An operator pauses: what shrinks may still leave, nothing opens.
            d.operator_file("pause", '{"minutes": 1, "reason": "a look at it"}')
            await d.until(lambda: d.level == "paused")
            witness.silent_since = None
            held = d.simulator.held_lots() + d.simulator.working_lots(BUY)
            before = len(d.simulator.orders())
            await _market(d, witness, dice, seconds=40)
            assert d.simulator.held_lots() <= held
            assert {call.params["action"] for call in d.simulator.orders()[before:]} <= {"ask"}
            await _market(d, witness, dice, seconds=40)

            # A kill, and after it whatever the policy wants.
            d.operator_file("kill", "enough")
            await d.until(lambda: d.level == "killed")
            witness.silent_since = len(d.simulator.orders())
            await _market(d, witness, dice, seconds=50)
            assert not d.simulator.account.orders
            refused = {row[5] for row in d.wishes() if not row[5].startswith("ztb-")}
            assert {"killed", "paused", "stale_market_data", "orders_per_minute"} <= refused
            assert {"position_size", "exposure"} & refused

    play(work)


@pytest.mark.parametrize("seed", SEEDS)
def test_reduce_only_never_flips_and_never_grows(tmp_path: Path, seed: int) -> None:
    """Leverage: a position is held when a start in reduce-only mode comes; the same policy goes on wanting both."""
    dice = random.Random(seed)

    async def work(loop: VirtualLoop) -> None:
        simulator = Simulator(VirtualClock(loop), venue="gmo")
        await simulator.start()
        async with daemon(loop, tmp_path, simulator, venue="gmo") as d:
            for _ in range(3):
                assert await d.wish(BUY) == ""
                await pass_time(3)
        assert _position(simulator) == 300
        arrived = len(simulator.orders())
        mode: dict[str, object] = {"mode__trading": "reduce_only", "sizing__order_size": "0.007"}
        async with daemon(loop, tmp_path, simulator, venue="gmo", policy=Greedy(dice), narrow=mode) as d:
            held = 300
            for _ in range(60):
                price = YEN + 5 * dice.randrange(-100, 100)
                simulator.book([(price - 5, dice.choice((3, 20, DEEP)))], [(price, dice.choice((3, 20, DEEP)))])
                simulator.trade(price)
                await pass_time(0.5, quantum_s=0.25)
                now = _position(simulator)
                assert 0 <= now <= held
                assert simulator.working_lots(SELL) <= now
                assert simulator.working_lots(BUY) == 0
                held = now
            assert held == 0, "all of it could be closed"
            calls = simulator.orders()[arrived:]
            assert {call.params["side"] for call in calls} == {"SELL"}
            assert "reduce_only" in {row[5] for row in d.wishes()}
        await simulator.server.stop()

    play(work)


def _position(simulator: Simulator) -> int:
    """Lots, long positive, by what is open at the exchange."""
    return sum(one.side * one.lots for one in simulator.account.positions.values())


async def _market(d: Daemon, witness: Witness, dice: random.Random, *, seconds: int) -> None:
    """Trades and books in bursts, now and then thin or far away."""
    simulator = d.simulator
    for _ in range(seconds * 2):
        price = YEN + 5 * dice.randrange(-200, 200)
        spread = dice.choice((0, 5, 50, 30_000))
        lots = dice.choice((3, 50, DEEP))
        simulator.book([(price - 5 - spread, lots)], [(price + spread, lots)])
        for _ in range(dice.choice((0, 1, 5))):
            simulator.trade(price)
        await pass_time(0.5, quantum_s=0.25)
        witness.look()

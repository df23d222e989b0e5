"""A real policy through the real engine: the report's own sums agree with the engine's ledger, to the last unit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from ztb.core.command import Place
from ztb.core.event import OrderAccepted, OrderDurable, OrderFilled, OrderSent, Reconciled, Started, Trade
from ztb.core.guard import Limits
from ztb.core.instrument import BUY, Instrument
from ztb.core.state import EngineConfig
from ztb.core.step import Engine
from ztb.policies.registry import load_policy
from ztb.reports.replay_report import ReplayReport
from ztb.reports.run_recorder import RunRecorder

INSTRUMENT = Instrument("btc_jpy", "btc", "jpy", Decimal("5"), Decimal("0.0001"), 4, taker_fee_ppm=1_000)
CAPITAL = 10_000_000_000
AMPLE = 10**15
LIMITS = Limits(
    order_lots_max=1_000,
    position_lots_max=1_000,
    order_notional_max=AMPLE,
    position_notional_max=AMPLE,
    daily_loss_max=AMPLE,
    drawdown_ppm_max=900_000,
    orders_per_minute_max=40,
    open_orders_max=9,
    price_collar_ppm=900_000,
    stale_ns_max=AMPLE,
    order_ttl_ns=AMPLE,
)


def replayed(prices: list[int], slips: list[int]) -> tuple[ReplayReport, Engine]:
    """Every order fills in two parts, ``slip`` ticks away from the trade that led to it."""
    engine = Engine(EngineConfig((INSTRUMENT,), LIMITS, CAPITAL, order_lots=7), load_policy("sma_fast_slow", FAST))
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    engine.step(Started(0, "test", 1))
    engine.step(Reconciled(0, True))
    for n, price in enumerate(prices):
        now_ns = n * 1_000_000_000
        for command in engine.step(Trade(now_ns, "btc_jpy", price, 100, BUY)):
            if not isinstance(command, Place):
                continue
            recorder.on_place(command, price)
            name = command.client_id
            engine.step(OrderDurable(now_ns, name))
            engine.step(OrderSent(now_ns, name))
            engine.step(OrderAccepted(now_ns, name, f"v{n}"))
            at = price + slips[n % len(slips)]
            parts = [(2, at), (command.lots - 2, at + 1)] if command.lots > 2 else [(command.lots, at)]
            for part, (lots, paid) in enumerate(parts):
                fee = INSTRUMENT.fee(paid, lots, maker=False)
                fill = OrderFilled(now_ns, name, f"{n}-{part}", lots, paid, fee)
                engine.step(fill)
                recorder.on_fill(fill)
        recorder.on_decision_rows(engine.take_decisions())
        recorder.on_equity(now_ns, price, engine.state.ledger.equity)
    report = recorder.finish(
        tape="t", tape_sha256="0", policy="sma_fast_slow", parameters=FAST, events=len(prices), begin_ns=0, end_ns=1
    )
    return report, engine


FAST = {"fast": 2, "slow": 4}


@settings(max_examples=examples(40))
@given(
    prices=st.lists(st.integers(1_900_000, 1_900_040), min_size=1, max_size=120),
    slips=st.lists(st.integers(-3, 30), min_size=1, max_size=5),
)
def test_report_and_ledger_agree(prices: list[int], slips: list[int]) -> None:
    report, engine = replayed(prices, slips)
    (position,) = engine.state.ledger.positions.values()
    assert report.unexplained == 0
    assert report.equity_end == engine.state.ledger.equity
    assert report.held_lots == position.lots
    assert (report.fees or 0) == position.fees
    assert (report.realised or 0) == position.realised
    assert report.decisions == len(prices)
    assert report.orders + sum(report.refusals.values()) == sum(
        count for reason, count in report.decision_reasons.items() if reason in ("crossing_up", "crossing_down")
    )


def test_the_run_has_what_it_is_meant_to_test() -> None:
    report, _ = replayed([1_900_000 + (n * n) % 41 for n in range(400)], [3, 0, 11])
    assert report.round_trips is not None
    assert report.round_trips.count > 20
    assert report.refusals != {}

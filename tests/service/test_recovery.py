"""Start-up is recovery: the journal of any run, folded, is the state that the living engine had.

What the market alone moves (marks, equity, its peak) is not in the journal and is left out of the comparison; money
that flowed, orders and controls must be equal to the last unit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.core.scene import SECOND, T0
from tests.examples import examples
from tests.service.scene import CONFIG, SYMBOL, Bench
from ztb.core.error import ConfigError, StoreCorrupt
from ztb.core.event import (
    CancelFailed,
    Event,
    Kill,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    Pause,
    Resume,
    Started,
    Stop,
)
from ztb.core.instrument import BUY
from ztb.core.state import State
from ztb.service.recovery import recover

ACTS = st.one_of(
    st.tuples(st.just("trade"), st.integers(900, 1_100), st.sampled_from(["buy", "sell", "hold", ""])),
    st.tuples(
        st.just("order"),
        st.integers(0, 5),
        st.sampled_from(
            ["durable", "sent", "accepted", "fill", "last", "rejected", "cancelled", "expired", "unknown",
             "not_placed", "cancel_failed"]
        ),
    ),
    st.tuples(
        st.just("control"), st.just(0), st.sampled_from(["kill", "resume", "pause", "stop", "restart", "wait"])
    ),
)  # fmt: skip


def order_event(bench: Bench, back: int, what: str, number: int) -> Event | None:
    """Something that happens to one of the newest orders, sensible or not."""
    if not bench.places:
        return None
    place = bench.places[-1 - back % len(bench.places)]
    name = place.client_id
    lots = place.lots if what == "last" else 1
    makers: dict[str, Event] = {
        "durable": OrderDurable(0, name), "sent": OrderSent(0, name), "accepted": OrderAccepted(0, name, f"v{number}"),
        "fill": OrderFilled(0, name, f"t{number}", lots, place.price, 2),
        "last": OrderFilled(0, name, f"t{number}", lots, place.price, 2),
        "rejected": OrderRejected(0, name, "no"), "cancelled": OrderCancelled(0, name),
        "expired": OrderExpired(0, name), "unknown": OrderUnknown(0, name, "lost"),
        "not_placed": OrderNotPlaced(0, name, "absent"), "cancel_failed": CancelFailed(0, name, "too new"),
    }  # fmt: skip
    return makers[what]


def act(bench: Bench, step: tuple[str, int, str], number: int) -> None:
    kind, value, what = step
    if kind == "trade":
        bench.trade(value, wish=what)
    elif kind == "order":
        event = order_event(bench, value, what, number)
        if event is not None:
            bench.handle(event)
    elif what == "restart":
        bench.start()
    elif what == "wait":
        bench.clock.advance(6)
        bench.tick()
    else:
        now_ns = bench.clock.ns
        events: dict[str, Event] = {
            "kill": Kill(0, "operator", "because (of it)"), "resume": Resume(0, "operator", "again"),
            "pause": Pause(0, now_ns + 3 * SECOND, "operator", "lunch"), "stop": Stop(0, "test"),
        }  # fmt: skip
        bench.handle(events[what])


def durable_part(state: State) -> dict[str, Any]:
    """What must outlive the process, as plain values."""
    plain = state.snapshot()
    control = {name: plain["control"][name] for name in plain["control"] if name not in ("reconciled", "stopping")}
    positions = {name: values[:4] for name, values in plain["ledger"]["positions"].items()}
    now_ns = state.now_ns
    return {
        "orders": plain["orders"],
        "working": sorted(state.working),
        "positions": positions,
        "control": control,
        "trips": [trip for trip in plain["trips"] if trip[0] > now_ns - 3_600 * SECOND],
        "reacting_until_ns": plain["reacting_until_ns"],
        "tally": {name: plain["tally"][name] for name in plain["tally"] if name not in ("highs", "returns")},
        "in_row": plain["in_row"][0],
        "trades": {name: desk["closed_trades"] for name, desk in plain["markets"].items()},
        "session": (plain["install"], plain["epoch"], plain["sequence"]),
        "made_in_the_last_minute": [made for made in plain["made_ns"] if made > now_ns - 60 * SECOND],
    }


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(ACTS, max_size=60), st.integers(0, 60))
@example([("trade", 900, "buy"), ("trade", 1_001, "buy"), ("order", 1, "last")], 3)  # a new peak on the first day
def test_the_journal_of_any_run_folded_is_the_state_of_the_living_engine(
    acts: list[tuple[str, int, str]], checkpoint_at: int
) -> None:
    bench = Bench()
    bench.start()
    checkpoint: dict[str, Any] | None = None
    after_seq = 0
    for number, step in enumerate(acts):
        if number == checkpoint_at:
            checkpoint = json.loads(json.dumps(bench.engine.state.snapshot()))
            after_seq = len(bench.journal.items)
        act(bench, step, number)
    assert bench.failures == []
    recovered = State(CONFIG)
    recover(recovered, checkpoint, bench.journal.items[after_seq:])
    live = bench.engine.state
    recovered.now_ns = live.now_ns  # market and timers moved it on, and they are not in the journal
    assert durable_part(recovered) == durable_part(live)


def test_a_breakers_kill_comes_back_with_its_source_and_reason() -> None:
    bench = Bench()
    bench.start()
    bench.trade(1_000, wish="buy")
    [place] = bench.places
    bench.handle(OrderFilled(0, place.client_id, "t1", place.lots, 1_000, 0))
    # 90 % of the capital of 1,000,000 is the limit; a fee does what no price could do to ten lots
    bench.trade(1_000, wish="sell")
    bench.handle(OrderFilled(0, bench.places[-1].client_id, "t2", 10, 1_000, 950_000))
    assert bench.engine.state.control.kill_source == "breaker"
    recovered = State(CONFIG)
    recover(recovered, None, bench.journal.items)
    assert recovered.control.snapshot() == {**bench.engine.state.control.snapshot(), "reconciled": False}
    assert (recovered.control.kill_source, recovered.control.kill_reason) == ("breaker", "max_drawdown_exceeded")


@dataclass
class Planted:
    """A record as a damaged or foreign journal might hold it."""

    kind: str
    body: bytes
    seq: int = 7
    ts_ns: int = T0


@pytest.mark.parametrize(
    "record",
    [
        Planted("order_filled", b"{}"),
        Planted("kill", b"nonsense"),
        Planted(
            "place",
            b'{"ts_ns":1,"client_id":"a","instrument":"eth_jpy","side":1,"lots":1,"price":1,"reduce_only":false,'
            b'"sequence":1,"reason":""}',
        ),
    ],
    ids=["members missing", "no JSON", "another instrument"],
)
def test_a_record_that_makes_no_sense_is_named(record: Planted) -> None:
    with pytest.raises(StoreCorrupt, match=r"record 7 \((order_filled|kill|place)\)") as caught:
        recover(State(CONFIG), None, [record])
    assert caught.value.remedy


@pytest.mark.parametrize("snapshot", [{}, {"version": 99}])
def test_a_checkpoint_that_makes_no_sense_is_refused(snapshot: dict[str, Any]) -> None:
    with pytest.raises(StoreCorrupt, match="the checkpoint cannot be restored"):
        recover(State(CONFIG), snapshot, [])


def test_records_of_other_kinds_are_passed_over() -> None:
    state = State(CONFIG)
    assert recover(state, None, [Planted("measurement", b"{}"), Planted("direct_cancel", b"{}")]) == 0


def test_after_a_restart_every_working_order_is_of_unknown_fate() -> None:
    bench = Bench()
    bench.start()
    bench.trade(wish="buy")
    state = State(CONFIG)
    recover(state, None, bench.journal.items)
    [order] = state.working.values()
    assert (order.instrument, order.side, order.lots, order.state.value) == (SYMBOL, BUY, 10, "created")
    second = Planted("started", b'{"ts_ns":%d,"install":"install","epoch":2}' % (T0 + SECOND), ts_ns=T0 + SECOND)
    recover(state, None, [second])
    assert order.state.value == "unknown"
    assert Started(T0, "install", 2).epoch == state.epoch


def test_a_directory_of_another_instrument_is_an_error_of_the_profile() -> None:
    plain = State(CONFIG).snapshot()
    plain["markets"]["eth_jpy"] = [0, 0, 0, 0, 0]
    with pytest.raises(ConfigError, match="holds the books of eth_jpy") as caught:
        recover(State(CONFIG), plain, [])
    assert caught.value.exit_code == 78
    assert "--state-dir" in caught.value.remedy

"""The wireless venue: fills computed by hand, latency, and that nothing is lost between orders and fills."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.zaif.samples import BTC_JPY
from ztb.core.command import Cancel, LookUp, Notify, Place
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    Depth,
    Market,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderEvent,
    OrderFilled,
    OrderSent,
    OrderSettled,
    Quote,
    Trade,
)
from ztb.core.instrument import BUY, SELL
from ztb.venues.replay import ReplayVenue


def place(client_id: str = "a", *, side: int = BUY, lots: int = 10, price: int = 101, ts_ns: int = 0) -> Place:
    return Place(ts_ns, client_id, "btc_jpy", side, lots, price, False, 1, "test")


def trade(ts_ns: int, price: int, *, lots: int = 1, side: int = SELL) -> Trade:
    return Trade(ts_ns, "btc_jpy", price, lots, side)


def quote(ts_ns: int, bid: int, ask: int, *, bid_lots: int = 5, ask_lots: int = 5) -> Quote:
    return Quote(ts_ns, "btc_jpy", bid, bid_lots, ask, ask_lots)


def test_crossing_order_fills_at_the_opposite_best_price_with_the_takers_fee() -> None:
    venue = ReplayVenue(BTC_JPY)
    assert venue.on_market(quote(1, 99, 100)) == []
    # 10 lots x 100 ticks x 5 units = 5,000 units; 0.1 % of it is 5.
    assert venue.on_command(place(), 7) == [
        OrderDurable(7, "a"),
        OrderSent(7, "a"),
        OrderAccepted(7, "a", "1"),
        OrderFilled(7, "a", "replay-1", 10, 100, 5, False, 7),
    ]
    assert not venue.busy


def test_crossing_sell_takes_the_bid() -> None:
    venue = ReplayVenue(BTC_JPY)
    venue.on_market(quote(1, 99, 100))
    [*_, filled] = venue.on_command(place(side=SELL, price=98), 7)
    assert isinstance(filled, OrderFilled)
    assert filled.price == 99


def test_without_a_quote_the_last_trade_is_the_price() -> None:
    venue = ReplayVenue(BTC_JPY)
    venue.on_market(trade(1, 100))
    [*_, filled] = venue.on_command(place(), 7)
    assert isinstance(filled, OrderFilled)
    assert filled.price == 100


def test_without_any_market_an_order_waits() -> None:
    venue = ReplayVenue(BTC_JPY)
    assert [type(event) for event in venue.on_command(place(), 7)] == [OrderDurable, OrderSent, OrderAccepted]
    assert venue.busy
    [filled] = venue.on_market(quote(8, 99, 100))
    assert isinstance(filled, OrderFilled)
    # It rested at 101 when the market came to it.
    assert (filled.price, filled.maker, filled.fee) == (101, True, 0)
    assert not venue.busy


@pytest.mark.parametrize(
    ("side", "price", "event", "is_filled"),
    [
        (BUY, 98, trade(2, 98), False),
        (BUY, 98, trade(2, 97), True),
        (BUY, 98, quote(2, 97, 99), False),
        (BUY, 98, quote(2, 97, 98), True),
        (SELL, 102, trade(2, 102), False),
        (SELL, 102, trade(2, 103), True),
        (SELL, 102, quote(2, 101, 103), False),
        (SELL, 102, quote(2, 102, 103), True),
        (BUY, 98, quote(2, 0, 0), False),
        (BUY, 98, Depth(2, "btc_jpy", ((96, 1),), ((97, 1),), True), True),
        (BUY, 98, Depth(2, "btc_jpy", ((96, 1),), ((97, 1),), False), False),
    ],
)
def test_resting_order_fills_when_the_market_goes_through_it(
    side: int, price: int, event: Market, is_filled: bool
) -> None:
    venue = ReplayVenue(BTC_JPY)
    venue.on_market(quote(1, 99, 100))
    venue.on_command(place(side=side, price=price), 1)
    assert venue.busy
    answers = venue.on_market(event)
    assert [(type(answer), getattr(answer, "price", 0)) for answer in answers] == (
        [(OrderFilled, price)] if is_filled else []
    )
    assert venue.busy is not is_filled


def test_cancel_ends_a_resting_order_once() -> None:
    venue = ReplayVenue(BTC_JPY)
    venue.on_command(place(), 1)
    cancel = Cancel(2, "a", "btc_jpy", "1", "test")
    assert venue.on_command(cancel, 2) == [OrderCancelled(2, "a"), OrderSettled(2, "a")]
    assert venue.on_command(cancel, 3) == []
    assert not venue.busy
    assert venue.on_market(trade(4, 1)) == []


def test_latency_answers_before_the_first_event_at_or_after_its_time_on_the_market_as_it_was() -> None:
    venue = ReplayVenue(BTC_JPY, latency_ns=10)
    venue.on_market(quote(1, 99, 100))
    assert venue.on_command(place(), 5) == [OrderDurable(5, "a"), OrderSent(5, "a")]
    assert venue.busy
    assert venue.on_market(quote(14, 98, 101)) == []
    accepted, filled = venue.on_market(quote(15, 50, 51))
    assert accepted == OrderAccepted(15, "a", "1")
    assert isinstance(filled, OrderFilled)
    assert (filled.ts_ns, filled.price) == (15, 101)  # the ask until then, not that of the event


def test_cancel_under_way_does_not_overtake_its_order() -> None:
    venue = ReplayVenue(BTC_JPY, latency_ns=10)
    venue.on_command(place(), 5)
    venue.on_command(Cancel(6, "a", "btc_jpy", "", "test"), 6)
    assert [type(event) for event in venue.on_market(trade(100, 500))] == [OrderAccepted, OrderCancelled, OrderSettled]


def test_driver_may_set_the_last_price_itself_while_nothing_works() -> None:
    venue = ReplayVenue(BTC_JPY)
    assert not venue.busy
    venue.last_trade = trade(1, 100)
    [*_, filled] = venue.on_command(place(), 1)
    assert isinstance(filled, OrderFilled)
    assert filled.price == 100


def test_other_commands_have_no_answer() -> None:
    venue = ReplayVenue(BTC_JPY)
    assert venue.on_command(LookUp(1, "a", "btc_jpy"), 1) == []
    assert venue.on_command(Notify(1, "info", "x", "y"), 1) == []


def test_what_the_engine_must_never_do_is_said() -> None:
    venue = ReplayVenue(BTC_JPY)
    venue.on_command(place(), 1)
    with pytest.raises(InvariantBroken, match="twice"):
        venue.on_command(place(), 1)
    with pytest.raises(InvariantBroken):
        venue.on_command(place("b", lots=0), 1)


_EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("trade"), st.integers(90, 110)),
        st.tuples(st.just("quote"), st.integers(90, 110)),
        st.tuples(st.just("buy"), st.integers(90, 110)),
        st.tuples(st.just("sell"), st.integers(90, 110)),
        st.tuples(st.just("cancel"), st.integers(0, 10)),
    ),
    max_size=80,
)


@settings(max_examples=200, deadline=None)
@given(steps=_EVENTS, latency_ns=st.integers(0, 3))
def test_any_run_is_deterministic_and_fills_neither_too_much_nor_too_dear(
    steps: list[tuple[str, int]], latency_ns: int
) -> None:
    first = _run(steps, latency_ns)
    assert first == _run(steps, latency_ns)
    orders = {f"o{n}": (name, number) for n, (name, number) in enumerate(steps) if name in ("buy", "sell")}
    filled: dict[str, int] = dict.fromkeys(orders, 0)
    over: set[str] = set()
    for event in first:
        assert event.client_id not in over or isinstance(event, OrderSettled)
        if isinstance(event, OrderFilled):
            name, limit = orders[event.client_id]
            assert event.price <= limit if name == "buy" else event.price >= limit
            filled[event.client_id] += event.lots
            over.add(event.client_id)
        if isinstance(event, OrderCancelled):
            over.add(event.client_id)
    assert set(filled.values()) <= {0, 10}
    trade_ids = [event.trade_id for event in first if isinstance(event, OrderFilled)]
    assert len(trade_ids) == len(set(trade_ids))


def _run(steps: list[tuple[str, int]], latency_ns: int) -> list[OrderEvent]:
    venue = ReplayVenue(BTC_JPY, latency_ns=latency_ns)
    answers: list[OrderEvent] = []
    for now_ns, (name, number) in enumerate(steps):
        if name == "trade":
            answers += venue.on_market(trade(now_ns, number))
        elif name == "quote":
            answers += venue.on_market(quote(now_ns, number - 1, number))
        elif name == "cancel":
            answers += venue.on_command(Cancel(now_ns, f"o{number}", "btc_jpy", "", "t"), now_ns)
        else:
            side = BUY if name == "buy" else SELL
            answers += venue.on_command(place(f"o{now_ns}", side=side, price=number), now_ns)
    return answers

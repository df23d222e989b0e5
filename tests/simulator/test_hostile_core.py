"""What the exchange itself does on bad days, and what an account remembers: the same for every venue."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.simulator.world import ALICE, BOB, QUIET, START_NS, exchange, running, trade
from ztb.core.error import UsageError
from ztb.core.instrument import BUY, SELL
from ztb.simulator import news
from ztb.simulator.accounts import Account
from ztb.simulator.book_side import Order
from ztb.simulator.dialect import DROP
from ztb.simulator.disturbed import Disturbance, html_page, lost_answer
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import DAY_S, Mood, Moods
from ztb.simulator.record import Call

SECOND_NS = 1_000_000_000
BID, ASK = 13_689_995 // 5, 13_690_000 // 5


def opened(*moods: Mood) -> tuple[Exchange, Account]:
    made = exchange()
    made.moods = Moods(seed=1)
    for mood in moods:
        made.moods.switch_on(mood)
    return made, made.purse.accounts[ALICE]


def test_tiny_fills_are_many_and_cost_what_one_costs() -> None:
    made, owner = opened(Mood("tiny_fills"))
    made.place(owner, side=BUY, price=ASK, lots=100)
    whole, other = opened()
    whole.place(other, side=BUY, price=ASK, lots=100)
    assert len(owner.fills) == 12
    assert sum(fill.lots for fill in owner.fills) == 100
    assert len({fill.trade_id for fill in owner.fills}) == 12
    assert owner.balances == other.balances


def test_one_lot_cannot_be_cut() -> None:
    made, owner = opened(Mood("tiny_fills"))
    made.place(owner, side=BUY, price=ASK, lots=1)
    assert [fill.lots for fill in owner.fills] == [1]


@pytest.mark.parametrize(("lots", "filled", "end"), [(10, 5, "cancelled"), (7, 4, "cancelled"), (1, 1, "filled")])
def test_a_late_fill_comes_after_the_cancel_was_acknowledged(lots: int, filled: int, end: str) -> None:
    made, owner = opened(Mood("late_fill_after_cancel", count=1, ms=300))
    order = made.place(owner, side=BUY, price=BID, lots=lots).order
    assert made.cancel(owner, order.order_id) is order
    assert (order.order_id in owner.orders, order.cancelling, owner.held["jpy"] > 0) == (False, True, True)
    assert made.cancel(owner, order.order_id) is None
    made.advance(START_NS + 299 * 1_000_000)
    assert not owner.fills
    made.advance(START_NS + 300 * 1_000_000)
    assert [fill.lots for fill in owner.fills] == [filled]
    assert (order.end, order.cancelling, owner.held["jpy"]) == (end, False, 0)
    assert owner.order(order.order_id) is order
    assert made.book.levels(BUY, 1) == [(BID, 3_000)]
    # It struck once: the next cancel is one.
    again = made.place(owner, side=BUY, price=BID, lots=10).order
    made.cancel(owner, again.order_id)
    assert (again.end, again.filled_lots) == ("cancelled", 0)


def test_the_tape_may_fill_it_before_the_late_fill_does() -> None:
    made = exchange([QUIET[0], trade(1, 13_000_000, 50_000, SELL)])
    made.moods.switch_on(Mood("late_fill_after_cancel", ms=2_000))
    owner = made.purse.accounts[ALICE]
    order = made.place(owner, side=BUY, price=BID, lots=10).order
    made.cancel(owner, order.order_id)
    made.advance(START_NS + 3 * SECOND_NS)
    assert (order.end, [fill.lots for fill in owner.fills]) == ("filled", [10])
    assert not owner.cancelling


def test_the_news_of_an_account_in_order_with_the_figures_of_their_moment() -> None:
    made = exchange([QUIET[0], trade(1, 13_000_000, 50_000, SELL)])
    owner = made.purse.accounts[ALICE]
    order = made.place(owner, side=BUY, price=BID, lots=10).order
    made.change(owner, order.order_id, BID - 1)
    made.advance(START_NS + 2 * SECOND_NS)
    events, missed = owner.news.after(0)
    assert not missed
    assert [(event.kind, event.filled_lots, event.price, event.end) for event in events] == [
        (news.PLACED, 0, BID, ""),
        (news.CHANGED, 0, BID - 1, ""),
        (news.FILLED, 10, BID - 1, ""),
        (news.ENDED, 10, BID - 1, "filled"),
    ]
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert owner.news.after(3)[0][0].kind == news.ENDED
    assert owner.news.after(4) == ((), False)
    assert made.purse.accounts[BOB].news.last == 0


def test_fills_of_one_order_are_told_with_rising_totals() -> None:
    made, owner = opened(Mood("tiny_fills"))
    made.place(owner, side=SELL, price=13_689_000 // 5, lots=5_000)
    totals = [event.filled_lots for event in owner.news.after(0)[0] if event.kind == news.FILLED]
    assert totals == sorted(set(totals))
    assert (totals[-1], len(totals)) == (5_000, 24)


def test_a_reader_that_was_away_for_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.simulator.news.ACCOUNT_EVENTS_MAX", 3)
    told = news.News()
    order = Order(1, ALICE, BUY, 1, 1, 0)
    for _ in range(5):
        told.order(news.PLACED, 0, order)
    assert ([event.sequence for event in told.after(2)[0]], told.after(2)[1]) == ([3, 4, 5], False)
    assert ([event.sequence for event in told.after(1)[0]], told.after(1)[1]) == ([3, 4, 5], True)


def test_ended_orders_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.simulator.accounts.ENDED_ORDERS_MAX", 2)
    made, owner = opened()
    orders = [made.place(owner, side=BUY, price=BID, lots=1, client_id=f"c{number}").order for number in range(3)]
    assert set(owner.by_client_id) == {"c0", "c1", "c2"}
    for order in orders:
        made.cancel(owner, order.order_id)
    assert list(owner.ended) == [order.order_id for order in orders[1:]]
    assert set(owner.by_client_id) == {"c1", "c2"}
    assert owner.order(orders[0].order_id) is None
    assert owner.order(orders[2].order_id) is orders[2]


@pytest.mark.parametrize(
    ("from_s", "to_s", "inside", "outside"),
    [(100, 200, (100, 199), (99, 200)), (86_000, 100, (86_000, 86_399, 0, 99), (100, 85_999)), (5, 5, (), (5, 6))],
)
def test_a_mood_of_some_hours(from_s: int, to_s: int, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    moods = Moods()
    moods.switch_on(Mood("maintenance", from_s=from_s, to_s=to_s))
    for day in (0, 19_675):
        for second in inside:
            assert moods.state("maintenance", (day * DAY_S + second) * SECOND_NS) is not None
        for second in outside:
            assert moods.state("maintenance", (day * DAY_S + second) * SECOND_NS) is None
    assert moods.active()["maintenance"]["from_s"] == from_s


def test_without_hours_it_is_all_day() -> None:
    moods = Moods()
    assert moods.state("maintenance", 0) is None
    moods.switch_on(Mood("maintenance"))
    assert moods.state("maintenance", 0) is not None
    assert "from_s" not in moods.active()["maintenance"]


@pytest.mark.parametrize(
    "mood",
    [Mood("maintenance", from_s=1), Mood("maintenance", to_s=1), Mood("maintenance", from_s=-1, to_s=5),
     Mood("maintenance", from_s=0, to_s=86_401), Mood("wrong_clock", ms=-86_400_001), Mood("slow", ms=-1)],
)  # fmt: skip
def test_hours_and_clocks_that_make_no_sense(mood: Mood) -> None:
    with pytest.raises(UsageError) as caught:
        Moods().switch_on(mood)
    assert caught.value.remedy


def test_a_wrong_clock_may_be_behind() -> None:
    moods = Moods()
    assert moods.clock_error_ns() == 0
    moods.switch_on(Mood("wrong_clock", ms=-1_500))
    assert moods.clock_error_ns() == -1_500_000_000


def test_limits_exceeded_is_the_other_name_of_rate_limit() -> None:
    moods = Moods()
    moods.switch_on(Mood("limits_exceeded", count=2))
    assert [moods.strike("rate_limit", "trade") is not None for _ in range(3)] == [True, True, False]
    assert moods.active() == {}


FRAMES = [json.dumps({"n": number}).encode() for number in range(200)]


@pytest.mark.parametrize("numbered", [False, True])
def test_nothing_is_lost_by_disorder(numbered: bool) -> None:
    moods = Moods(seed=4)
    for name in ("duplicate_events", "reordered_events", "garbage_frames"):
        moods.switch_on(Mood(name, probability=0.3))
    disturbance = Disturbance(moods, numbered=numbered)
    told = [part for frame in FRAMES for part in disturbance.sent((frame,), "c")] + disturbance.sent(())
    assert set(FRAMES) <= set(told)
    known = [part for part in told if part in set(FRAMES)]
    assert (known == FRAMES) is numbered
    garbage = [part for part in told if part not in set(FRAMES)]
    assert len(garbage) > 20
    for part in garbage:
        assert isinstance(part, bytes)
        with pytest.raises(ValueError, match=r"."):
            json.loads(part)


def test_silence_loses_and_a_drop_ends() -> None:
    moods = Moods()
    disturbance = Disturbance(moods)
    moods.switch_on(Mood("stream_silence", count=1, methods=frozenset({"a"})))
    assert disturbance.sent(FRAMES[:1], "b") == FRAMES[:1]
    assert disturbance.sent(FRAMES[:2], "a") == FRAMES[1:2]
    moods.switch_on(Mood("stream_drop", count=1))
    assert disturbance.sent(FRAMES[:2]) == [DROP]


@pytest.mark.parametrize(
    ("mood", "answer"),
    [("accept_then_502", "502"), ("accept_then_hang", "hang"), ("accept_then_reset", "reset"),
     ("html_instead_of_json", "html")],
)  # fmt: skip
def test_what_became_of_an_answer_is_written_down(mood: str, answer: str) -> None:
    moods, call = Moods(), Call(1, 0, "k", "order", "", {})
    assert lost_answer(moods, "order", call) is None
    moods.switch_on(Mood(mood, methods=frozenset({"order"})))
    assert lost_answer(moods, "cancel", call) is None
    assert call.answer == "sent"
    assert lost_answer(moods, "order", call) is not None
    assert call.answer == answer


def test_zaif_has_them_too() -> None:
    async def scenario() -> None:
        async with running() as world:
            client = world.client()
            world.moods.switch_on(Mood("html_instead_of_json"))
            for response in (await client.raw("get_info2"), await client.get("/api/1/ticker/btc_jpy")):
                assert response.status_code == 200
                assert response.content == html_page().body
            world.moods.switch_off("all")
            world.moods.switch_on(Mood("wrong_clock", ms=90_000))
            assert (await client.call("get_info2"))["server_time"] == START_NS // SECOND_NS + 90
            world.moods.switch_on(Mood("maintenance"))
            assert await client.refused("get_info2") == "trade temporarily unavailable."

    asyncio.run(scenario())

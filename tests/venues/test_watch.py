"""The book-keeping of polled orders: what may be concluded from which evidence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.zaif.samples import BTC_JPY
from ztb.core.command import Place
from ztb.core.event import OrderAccepted, OrderCancelled, OrderEvent, OrderFilled, OrderNotPlaced
from ztb.core.instrument import BUY, SELL
from ztb.venues import limits
from ztb.venues.port import OpenOrder, OrderReport, OrderStatus, VenueFill
from ztb.venues.roster import Roster
from ztb.venues.verdict import Patience
from ztb.venues.watch import Watch

SECOND = 1_000_000_000


def place(client_id: str = "ztb-a", *, side: int = BUY, lots: int = 10, price: int = 100) -> Place:
    return Place(0, client_id, "btc_jpy", side, lots, price, False, 1, "test")


def working(tag: str = "ztb-a", *, lots: int = 10, side: int = BUY, venue_id: str = "7") -> OpenOrder:
    return OpenOrder(venue_id, tag, "btc_jpy", side, 100, lots, 0)


def fill(
    trade_id: str, tag: str = "ztb-a", *, lots: int = 4, side: int = BUY, fee: str = "0", price: int = 100
) -> VenueFill:
    return VenueFill(trade_id, tag, "", "btc_jpy", side, price, lots, Decimal(fee), False, 5)


class Looks:
    """A watch, and looks at a second's distance."""

    def __init__(self, *orders: Place) -> None:
        self.watch = Watch(BTC_JPY, tag_prefix="ztb-", patience=Patience(gone_s=1.0, absent_s=1.0, absent_looks_min=2))
        self.now_ns = 0
        for order in orders:
            self.watch.add(order, "", {})

    def look(self, open_orders: list[OpenOrder], fills: list[VenueFill], *, seconds: float = 1.0) -> list[OrderEvent]:
        self.now_ns += int(seconds * SECOND)
        self.watch.begin_look()
        events = self.watch.see_open(open_orders, self.now_ns)
        events += self.watch.see_fills(fills, self.now_ns)
        return events + self.watch.conclude(self.now_ns, self.now_ns)


def names(events: list[OrderEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_order_shows_up_once() -> None:
    looks = Looks(place())
    assert looks.look([working()], []) == [OrderAccepted(SECOND, "ztb-a", "7")]
    assert looks.look([working()], []) == []


def test_order_acknowledged_before_is_not_accepted_again() -> None:
    looks = Looks(place())
    looks.watch.note("ztb-a", venue_id="7")
    assert looks.look([working()], []) == []


def test_fills_are_told_once_with_the_fee_rounded_up_to_money_units() -> None:
    looks = Looks(place())
    events = looks.look([working(lots=6)], [fill("1", fee="0.00011")])
    assert events[1] == OrderFilled(SECOND, "ztb-a", "1", 4, 100, 2, False, 5)
    assert looks.look([working(lots=6)], [fill("1")]) == []
    assert names(looks.look([], [fill("1"), fill("2", lots=6)])) == ["OrderFilled"]
    assert looks.watch.live == {}


def test_order_that_vanished_ends_only_after_looks_that_agree_over_time() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    assert looks.look([], []) == []
    assert looks.look([], [], seconds=0.5) == []
    assert looks.look([], []) == [OrderCancelled(3_500_000_000, "ztb-a")]


def test_venue_that_hiccups_once_does_not_end_an_order() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    assert looks.look([], []) == []
    assert looks.look([working()], []) == []
    assert looks.look([], []) == []
    assert looks.look([working()], []) == []


def test_fill_that_comes_late_restarts_the_count() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    looks.look([], [])
    assert names(looks.look([], [fill("1")])) == ["OrderFilled"]
    assert names(looks.look([], [])) == ["OrderCancelled"]


def test_order_does_not_end_while_the_venue_owes_fills() -> None:
    looks = Looks(place())
    looks.look([working(lots=6)], [])
    for _ in range(20):
        assert looks.look([], []) == []
    assert names(looks.look([], [fill("1")])) == ["OrderFilled"]
    looks.look([], [])
    assert looks.watch.live == {}


def test_what_the_order_answer_said_is_owed_as_well() -> None:
    looks = Looks(place())
    looks.watch.note("ztb-a", told_lots=10)
    for _ in range(20):
        assert looks.look([], []) == []
    assert names(looks.look([], [fill("1", lots=10)])) == ["OrderFilled"]


def test_order_under_way_is_not_judged() -> None:
    looks = Looks(place())
    for _ in range(20):
        assert looks.look([], []) == []
    assert "ztb-a" in looks.watch.live


def test_open_orders_older_than_the_acknowledgement_are_no_evidence() -> None:
    looks = Looks(place())
    watch = looks.watch
    for number in range(10):
        watch.begin_look()
        watch.see_open([], 0)
        watch.note("ztb-a", venue_id="7")
        assert watch.conclude(0, number * 10 * SECOND) == []


def test_confirmed_cancel_ends_at_the_next_whole_look() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    looks.watch.note("ztb-a", is_cancelled=True)
    assert names(looks.look([], [fill("1")])) == ["OrderFilled", "OrderCancelled"]


def test_cancel_confirmed_during_a_look_waits_for_the_next() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    watch = looks.watch
    watch.begin_look()
    watch.see_open([], 0)
    watch.note("ztb-a", is_cancelled=True)
    assert watch.conclude(0, 99 * SECOND) == []
    assert names(looks.look([], [])) == ["OrderCancelled"]


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_cancel_that_is_answered_again_and_again_does_not_keep_the_order_alive(is_gone: bool) -> None:
    # A slow venue: every look is overtaken by the answer to one more cancel.
    looks = Looks(place())
    looks.look([working()], [])
    watch = looks.watch
    watch.note("ztb-a", is_cancelled=not is_gone, is_gone=is_gone)
    ends = []
    for number in range(1, 5):
        watch.begin_look()
        watch.see_open([], 0)
        watch.note("ztb-a", is_cancelled=not is_gone, is_gone=is_gone)
        ends += watch.conclude(0, number * 2 * SECOND)
    assert names(ends) == ["OrderCancelled"]


def test_late_fill_of_an_ended_order_is_still_told() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    looks.look([], [])
    looks.look([], [])
    assert names(looks.look([], [fill("1")])) == ["OrderFilled"]
    assert looks.watch.stray_fills == {}


def test_doubted_order_is_never_placed_only_after_enough_looks_over_enough_time() -> None:
    looks = Looks(place())
    [entry] = looks.watch.live.values()
    looks.watch.doubt(entry, looks_min=3, spread_s=10, ts_ns=0)
    for _ in range(9):
        assert looks.look([], []) == []
    assert looks.look([], []) == []
    [event] = looks.look([], [])
    assert isinstance(event, OrderNotPlaced)
    assert event.evidence == "in neither open orders nor fills in 11 looks over 10.0 s"


def test_doubted_order_that_turns_up_is_there() -> None:
    for open_orders, fills, expected in (
        ([working()], [], ["OrderAccepted"]),
        ([], [fill("1", lots=10)], ["OrderFilled"]),
        ([working(lots=6)], [fill("1")], ["OrderAccepted", "OrderFilled"]),
    ):
        looks = Looks(place())
        [entry] = looks.watch.live.values()
        looks.watch.doubt(entry, looks_min=2, spread_s=1, ts_ns=0)
        looks.look([], [])
        assert names(looks.look(open_orders, fills)) == expected


def test_doubted_order_with_some_fills_ends_as_cancelled_not_as_never_placed() -> None:
    looks = Looks(place())
    [entry] = looks.watch.live.values()
    looks.watch.doubt(entry, looks_min=2, spread_s=1, ts_ns=0)
    assert names(looks.look([], [fill("1")])) == ["OrderFilled"]
    assert names(looks.look([], []) + looks.look([], [])) == ["OrderCancelled"]


def test_order_that_was_seen_before_its_answer_was_lost_is_told_again() -> None:
    looks = Looks(place())
    assert names(looks.look([working()], [])) == ["OrderAccepted"]
    [entry] = looks.watch.live.values()
    looks.watch.doubt(entry, looks_min=3, spread_s=10, ts_ns=0)
    assert names(looks.look([working()], [])) == ["OrderAccepted"]
    assert looks.look([working()], []) == []


def test_order_with_fills_from_an_earlier_session_can_end_but_not_turn_out_never_placed() -> None:
    looks = Looks()
    entry = looks.watch.add(place(), "", {"1": 4})
    looks.watch.doubt(entry, looks_min=3, spread_s=10, ts_ns=0)
    assert names(looks.look([], []) + looks.look([], [])) == ["OrderCancelled"]
    looks = Looks()
    entry = looks.watch.add(place(), "", {"1": 4})
    assert names(looks.look([working(lots=6)], [])) == ["OrderAccepted"]


def test_fills_from_before_we_knew_the_order_are_found_when_it_is_doubted() -> None:
    looks = Looks()
    assert looks.look([], [fill("1")]) == []
    assert list(looks.watch.stray_fills) == ["1"]
    entry = looks.watch.add(place(), "", {})
    assert names(looks.watch.doubt(entry, looks_min=2, spread_s=1, ts_ns=0)) == ["OrderFilled"]
    assert looks.watch.stray_fills == {}


def test_known_fills_are_counted_but_not_told_again() -> None:
    looks = Looks()
    looks.watch.add(place(), "", {"1": 4})
    assert names(looks.look([], [fill("1"), fill("2", lots=6)])) == ["OrderFilled"]
    assert looks.watch.live == {}


def test_other_peoples_orders_and_fills_are_left_alone() -> None:
    looks = Looks(place())
    events = looks.look([working("", venue_id="1"), working("mine-1", venue_id="2")], [fill("1", ""), fill("2", "x")])
    assert events == []
    assert looks.watch.stray_orders == {}
    assert looks.watch.stray_fills == {}


def test_order_with_our_tag_that_we_do_not_know_is_a_stray() -> None:
    looks = Looks()
    looks.look([working("ztb-z")], [])
    assert list(looks.watch.stray_orders) == ["ztb-z"]
    looks.look([], [])
    assert looks.watch.stray_orders == {}


def test_ended_order_that_works_again_is_a_stray() -> None:
    looks = Looks(place())
    looks.look([working()], [])
    looks.look([], [])
    looks.look([], [])
    assert looks.look([working()], []) == []
    assert list(looks.watch.stray_orders) == ["ztb-a"]


def test_what_cannot_be_is_said() -> None:
    looks = Looks(place())
    looks.look([working(side=SELL)], [fill("1", side=SELL)])
    looks.look([working(lots=11)], [fill("2", lots=11)])
    assert looks.watch.contradictions == [
        "order ztb-a is at the venue with another side or size",
        "fill 1 of order ztb-a is on the other side",
        "order ztb-a: 11 lots filled of 10",
    ]
    assert list(looks.watch.stray_fills) == ["1"]


def test_trade_with_ourselves_fills_both_orders() -> None:
    """The venue shows one row, with the taker's tag; that our other order shrank is in the open orders."""
    looks = Looks(place("ztb-m", side=SELL, lots=10), place("ztb-t", lots=4, price=105))
    looks.look([working("ztb-m", side=SELL, venue_id="1")], [])
    looks.watch.note("ztb-t", told_lots=4)
    both = fill("1", "ztb-t", side=0, fee="0.2")
    events = looks.look([working("ztb-m", side=SELL, lots=6, venue_id="1")], [both])
    assert [(type(event), event.client_id) for event in events] == [(OrderFilled, "ztb-t"), (OrderFilled, "ztb-m")]
    told = [(event.lots, event.fee, event.maker) for event in events if isinstance(event, OrderFilled)]
    assert told == [(4, 2000, False), (4, 0, True)]
    assert looks.look([working("ztb-m", side=SELL, lots=6, venue_id="1")], [both]) == []


def test_trade_with_the_owners_own_order_fills_only_ours() -> None:
    looks = Looks(place("ztb-m", side=SELL, lots=10), place("ztb-t", lots=4))
    looks.look([working("ztb-m", side=SELL, venue_id="1")], [])
    looks.watch.note("ztb-t", told_lots=4)
    both = fill("1", "ztb-t", side=0)
    for _ in range(5):
        events = looks.look([working("ztb-m", side=SELL, venue_id="1")], [both])
        assert all(event.client_id == "ztb-t" for event in events)
    assert list(looks.watch.live) == ["ztb-m"]


def test_where_to_read_from() -> None:
    looks = Looks()
    watch = looks.watch
    watch.add(place("ztb-a"), "100", {})
    watch.add(place("ztb-b"), "200", {})
    assert watch.read_from("300", 0) == "300"
    watch.note("ztb-b", told_lots=3)
    assert watch.read_from("300", 0) == "200"
    watch.note("ztb-a", venue_id="7")
    assert watch.read_from("300", 0) == "100"
    for entry in list(watch.live.values()):
        watch.end(entry, 0)
    assert watch.read_from("300", 0) == "100"
    later_ns = (limits.ENDED_RECHECK_S + 1) * SECOND
    assert watch.read_from("300", later_ns) == "100", "until they have settled, however long that takes"
    assert len(watch.settling.over(0, later_ns)) == 2
    assert watch.read_from("300", later_ns) == "300"


def test_memory_is_bounded() -> None:
    looks = Looks()
    for number in range(limits.ENDED_ORDERS_MAX + 10):
        looks.watch.end(looks.watch.add(place(f"ztb-{number}"), "", {}), 0)
    assert looks.watch.find("ztb-9") is None
    assert looks.watch.find("ztb-10") is not None
    for number in range(limits.STRAY_FILLS_MAX + 10):
        looks.look([], [fill(str(number), "ztb-unknown")])
    assert len(looks.watch.stray_fills) == limits.STRAY_FILLS_MAX
    assert looks.watch.contradictions == ["too many fills with our tag that belong to no order"]


@settings(max_examples=examples(200), deadline=None)
@given(
    parts=st.lists(st.integers(1, 5), min_size=0, max_size=6),
    shown_late=st.lists(st.integers(0, 4), min_size=6, max_size=6),
    is_cancelled=st.booleans(),
)
def test_venue_that_shows_fills_late_never_makes_us_lose_or_double_one(
    parts: list[int], shown_late: list[int], is_cancelled: bool
) -> None:
    """An order fills in parts, one a look, its fills show some looks later; then it is cancelled or stays."""
    lots = sum(parts) + 3
    looks = Looks(place(lots=lots))
    told: dict[str, int] = {}
    ended = 0
    for number in range(len(parts) + 12):
        filled = sum(parts[:number])
        is_open = number <= len(parts) or not is_cancelled
        open_orders = [working(lots=lots - filled)] if is_open else []
        shown = [fill(str(index), lots=part) for index, part in enumerate(parts) if number > index + shown_late[index]]
        for event in looks.look(open_orders, shown):
            if isinstance(event, OrderFilled):
                assert event.trade_id not in told
                assert not ended
                told[event.trade_id] = event.lots
            if isinstance(event, OrderCancelled):
                ended += 1
    assert sum(told.values()) == sum(parts)
    assert ended == int(is_cancelled)


def test_two_orders_at_the_venue_that_are_one_of_ours_are_said() -> None:
    """What must never happen (F-01); whoever did it, the operator has to know."""
    looks = Looks(place())
    looks.look([working(venue_id="7"), working(venue_id="8")], [])
    assert looks.watch.contradictions == ["7 and 8 at the venue are both ztb-a"]


def test_one_name_at_the_venue_for_two_orders_of_ours_is_said() -> None:
    looks = Looks(place("ztb-a"), place("ztb-b"))
    looks.watch.note("ztb-a", venue_id="7")
    looks.watch.note("ztb-b", venue_id="7")
    assert looks.watch.contradictions == ["order ztb-b is new and 7 at the venue"]
    looks.watch.note("ztb-a", venue_id="9")
    assert looks.watch.contradictions[1:] == ["order ztb-a is 7 and 9 at the venue"]
    assert looks.watch.whose("", "7") == "ztb-a"


def test_a_report_of_another_shape_is_said_and_changes_nothing() -> None:
    looks = Looks(place())
    looks.watch.note("ztb-a", venue_id="7")
    other = OrderReport("7", "ztb-a", "btc_jpy", BUY, 100, 9, 9, OrderStatus.FILLED, 0)
    assert looks.watch.see_report(other, 0) == []
    assert looks.watch.contradictions == ["order ztb-a is at the venue with another side or size"]
    assert looks.watch.live["ztb-a"].ended_as is None


def test_an_ended_order_of_which_the_venue_tells_more_is_read_again_until_it_fits() -> None:
    looks = Looks()
    watch = looks.watch
    watch.add(place(), "100", {}, venue_id="7")
    watch.note("ztb-a", is_cancelled=True)
    assert names(looks.look([], [])) == ["OrderCancelled"]
    later_ns = (limits.ENDED_RECHECK_S + 100) * SECOND
    watch.settling.over(0, later_ns)
    assert watch.read_from("300", later_ns) == "300"
    watch.see_report(OrderReport("7", "", "btc_jpy", BUY, 100, 10, 4, OrderStatus.CANCELLED, 0), 0)
    assert watch.read_from("300", later_ns) == "100"
    assert "4 lots that the venue says were filled are not among its fills" in watch.contradictions[0]
    assert names(looks.look([], [fill("101", "")], seconds=0)) == []
    assert names(looks.look([], [replace(fill("101", ""), venue_order_id="7")], seconds=0)) == ["OrderFilled"]
    assert watch.read_from("300", later_ns) == "300"
    assert watch.contradictions == []


def test_what_is_nobodys_yet_is_bounded() -> None:
    watch = Watch(BTC_JPY, tag_prefix="ztb-", shows_tags=False, has_status=True)
    entry = watch.add(place(), "", {})
    watch.doubt(entry, looks_min=4, spread_s=65, ts_ns=0)
    fills = [
        replace(fill(str(number), ""), venue_order_id=f"x{number}") for number in range(limits.STRAY_FILLS_MAX + 9)
    ]
    assert watch.see_fills(fills, 0) == []
    assert len(watch.ids_to_ask()) == limits.LOOK_UP_IDS_MAX
    assert len(watch._unclaimed._fills) == limits.STRAY_FILLS_MAX
    for number in range(limits.SIGHTINGS_MAX + 9):
        watch.see_report(OrderReport(f"y{number}", "", "btc_jpy", BUY, 100, 10, 0, OrderStatus.WORKING, 0), 0)
    assert len(watch._unclaimed._told) == limits.SIGHTINGS_MAX
    for number in range(limits.VENUE_IDS_MAX + 9):
        watch.see_report(OrderReport(f"z{number}", "", "btc_jpy", SELL, 100, 10, 0, OrderStatus.WORKING, 0), 0)
    assert len(watch._unclaimed._foreign) == limits.VENUE_IDS_MAX
    assert len(watch._roster._first_seen) == limits.VENUE_IDS_MAX


def test_ids_that_are_shown_again_and_again_are_never_forgotten() -> None:
    roster = Roster()
    first = roster.see("the owner's")
    for number in range(2 * limits.VENUE_IDS_MAX):
        roster.see(str(number))
        if number % 1_000 == 0:
            assert roster.see("the owner's") == first

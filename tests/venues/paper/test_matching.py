"""Fills computed by hand: depth that is walked, queues that are waited in, and money that is counted."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.venues.paper.desk import NOW_NS, SECOND_NS, Desk
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.error import InvariantBroken, Rejected
from ztb.core.event import Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.venues.port import OrderReport, OrderStatus, VenueFill

BIDS, ASKS = ((100, 30), (99, 40)), ((102, 5), (103, 7), (105, 50))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.show(BIDS, ASKS)
    yield desk
    desk.file.close()


def refused(desk: Desk, side: int, lots: int, price: int, time_in_force: str = GTC) -> str:
    with pytest.raises(Rejected) as caught:
        desk.place(side, lots, price, time_in_force)
    return caught.value.code


def test_an_order_that_crosses_walks_the_levels_and_rests_with_what_is_left(desk: Desk) -> None:
    assert desk.place(BUY, 20, 103).filled_lots == 12
    assert desk.fills() == [(BUY, 102, 5, False), (BUY, 103, 7, False)]
    assert desk.working() == [(BUY, 103, 8)]


def test_a_sell_walks_the_bids_downwards(desk: Desk) -> None:
    assert desk.place(SELL, 50, 99).filled_lots == 50
    assert desk.fills() == [(SELL, 100, 30, False), (SELL, 99, 20, False)]


def test_what_was_taken_stays_taken_until_the_level_changes(desk: Desk) -> None:
    desk.place(BUY, 3, 102, IOC)
    desk.show(BIDS, ASKS)
    assert desk.place(BUY, 5, 102, IOC).filled_lots == 2
    desk.show(BIDS, ASKS)
    assert desk.place(BUY, 5, 102, IOC).filled_lots == 0
    desk.show(BIDS, ((102, 6), (103, 7)))
    assert desk.place(BUY, 9, 102, IOC).filled_lots == 6


def test_a_changed_level_is_fresh_and_the_others_are_not(desk: Desk) -> None:
    desk.place(BUY, 12, 103, IOC)
    desk.show((), ((102, 4),), is_snapshot=False)
    assert desk.place(BUY, 12, 103, IOC).filled_lots == 4


def test_fok_takes_all_or_nothing(desk: Desk) -> None:
    assert desk.place(BUY, 13, 103, FOK).filled_lots == 0
    [report] = [news for news in desk.told if isinstance(news, OrderReport)]
    assert (report.status, report.reason, report.filled_lots) == (OrderStatus.EXPIRED, "fok", 0)
    assert desk.place(BUY, 12, 103, FOK).filled_lots == 12
    assert desk.working() == []


@pytest.mark.parametrize(("time_in_force", "reason"), [(IOC, "ioc"), (MARKET, "market")])
def test_what_may_not_rest_expires(desk: Desk, time_in_force: str, reason: str) -> None:
    placed = desk.place(BUY, 100, 103, time_in_force)
    assert placed.filled_lots == (12 if time_in_force == IOC else 62)
    [report] = desk.exchange.reports("btc_jpy", frozenset({placed.venue_id}))
    assert (report.status, report.reason, report.filled_lots) == (OrderStatus.EXPIRED, reason, placed.filled_lots)
    assert desk.working() == []


def test_a_market_order_takes_at_any_price_and_shows_none(desk: Desk) -> None:
    placed = desk.place(SELL, 70, 99_999, MARKET)
    assert desk.fills() == [(SELL, 100, 30, False), (SELL, 99, 40, False)]
    assert desk.exchange.reports("btc_jpy", frozenset({placed.venue_id}))[0].price == 0


def test_post_only_rests_or_is_refused(desk: Desk) -> None:
    assert refused(desk, BUY, 1, 102, POST_ONLY) == "post_only_would_take"
    assert desk.place(BUY, 1, 101, POST_ONLY).filled_lots == 0
    assert refused(desk, SELL, 1, 101, POST_ONLY) == "post_only_would_take"
    assert desk.working() == [(BUY, 101, 1)]


def test_a_resting_order_waits_behind_what_is_displayed(desk: Desk) -> None:
    desk.place(BUY, 10, 100)
    assert desk.print(100, 25, side=SELL) == []
    [fill] = desk.print(100, 9, side=SELL)
    # 25 + 9 lots have traded at 100, 30 of them stood ahead of us.
    assert (fill.price, fill.lots, fill.maker) == (100, 4, True)
    [rest] = desk.print(100, 50, side=SELL)
    assert rest.lots == 6
    assert desk.working() == []


def test_lots_that_leave_the_level_count_as_behind_us_until_there_are_too_few(desk: Desk) -> None:
    desk.place(BUY, 10, 100)
    desk.show(((100, 28),), ASKS)
    assert desk.print(100, 28, side=SELL) == []
    desk.place(BUY, 10, 99)
    desk.show(((100, 3), (99, 12)), ASKS)
    desk.print(100, 10, side=SELL)
    assert [fill.lots for fill in desk.print(99, 15, side=SELL)] == [3]


def test_a_trade_through_the_price_fills_at_the_price_whatever_stands_ahead(desk: Desk) -> None:
    desk.place(BUY, 10, 100)
    [fill] = desk.print(99, 4, side=SELL)
    assert (fill.price, fill.lots) == (100, 4)
    [fill] = desk.print(98, 400, side=BUY)
    assert (fill.price, fill.lots) == (100, 6)


def test_fills_of_one_trade_are_never_more_than_its_lots_and_go_to_the_best_first(desk: Desk) -> None:
    desk.show(((98, 1),), ((105, 50),))
    desk.place(SELL, 5, 104)
    desk.place(SELL, 5, 103)
    desk.place(SELL, 5, 103)
    fills = desk.print(110, 12)
    assert [(fill.price, fill.lots) for fill in fills] == [(103, 5), (103, 5), (104, 2)]


def test_two_orders_of_one_price_share_the_queue_ahead_of_them(desk: Desk) -> None:
    desk.place(BUY, 5, 100)
    desk.place(BUY, 5, 100)
    assert [fill.lots for fill in desk.print(100, 37, side=SELL)] == [5, 2]


def test_a_book_that_only_shows_a_price_beyond_ours_fills_nothing(desk: Desk) -> None:
    desk.place(BUY, 10, 101)
    desk.show(((90, 1),), ((95, 100),))
    desk.print(102, 5)
    assert desk.fills() == []


def test_a_price_deeper_than_the_display_waits_for_a_trade_through_it(desk: Desk) -> None:
    desk.place(BUY, 10, 90)
    assert desk.print(90, 1_000_000, side=SELL) == []
    assert [fill.lots for fill in desk.print(89, 3, side=SELL)] == [3]
    # Once the display reaches so deep the place in the queue is known: last.
    desk.show(((91, 5), (90, 8)), ASKS)
    assert desk.print(90, 8, side=SELL) == []
    assert [fill.lots for fill in desk.print(90, 2, side=SELL)] == [2]


def test_an_empty_level_inside_the_display_has_nobody_ahead(desk: Desk) -> None:
    desk.place(BUY, 10, 101)
    assert [fill.lots for fill in desk.print(101, 2, side=SELL)] == [2]


def test_a_trade_that_happened_before_the_order_does_not_fill_it(desk: Desk) -> None:
    desk.place(BUY, 10, 100)
    assert desk.print(95, 10, side=SELL, venue_ns=NOW_NS - SECOND_NS) == []
    assert len(desk.print(95, 10, side=SELL, venue_ns=NOW_NS)) == 1


def test_a_trade_that_is_told_twice_happened_once(desk: Desk) -> None:
    desk.place(BUY, 10, 100)
    for trade_id, lots in (("7", 3), ("7", 0), ("8", 3), ("", 3), ("", 1)):
        before = len(desk.exchange.fills)
        desk.exchange.traded(Trade(desk.now_ns, "btc_jpy", 99, 3, SELL, 0, trade_id))
        assert sum(fill.lots for fill in desk.exchange.fills[before:]) == lots


def test_an_account_does_not_trade_with_itself(desk: Desk) -> None:
    desk.show(((99, 1),), ((102, 5), (103, 7)))
    desk.place(SELL, 5, 103)
    newer = desk.place(BUY, 20, 103)
    [report] = desk.exchange.reports("btc_jpy", frozenset({newer.venue_id}))
    assert (report.status, report.reason, report.filled_lots) == (OrderStatus.EXPIRED, "self_trade", 5)
    assert desk.working() == [(SELL, 103, 5)]


def test_quotes_are_a_book_where_there_is_no_other(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.book.show(Quote(NOW_NS, "btc_jpy", 100, 3, 102, 4))
    assert desk.place(BUY, 10, 105, IOC).filled_lots == 4
    desk.show(((100, 3),), ((104, 1),))
    desk.book.show(Quote(NOW_NS, "btc_jpy", 100, 3, 102, 400))
    assert desk.place(BUY, 10, 105, IOC).filled_lots == 1


def test_changes_mean_nothing_before_a_snapshot_and_after_a_loss(desk: Desk) -> None:
    desk.book.lost()
    assert not desk.book.is_live
    desk.show((), ((101, 9),), is_snapshot=False)
    assert not desk.book.is_live
    assert desk.place(BUY, 1, 101).filled_lots == 0


def test_fees_and_balances_by_hand(desk: Desk) -> None:
    desk.place(BUY, 20, 103)
    # 5 lots at 510 yen and 7 at 515 yen of 0.0001 BTC: 0.255 + 0.3605 = 0.6155 yen, and 0.1 % of it, rounded up
    # to the money unit of 0.0001 yen: 0.0007.
    assert desk.total("jpy") == Decimal("10000000") - Decimal("0.6155") - Decimal("0.0007")
    assert desk.total("btc") == Decimal("10.0012")
    assert sum(fill.fee for fill in desk.exchange.fills) == Decimal("0.0007")
    # 8 lots at 515 yen are held, 0.412 yen, with 0.1 % of fee rounded up and one unit for a second rounding.
    assert desk.total("jpy") - desk.available("jpy") == Decimal("0.412") + Decimal("0.0006")
    desk.print(103, 8, side=SELL)
    # As maker 0.02 % of 0.412 yen, rounded up: 0.0001.
    assert desk.exchange.fills[-1].fee == Decimal("0.0001")
    assert desk.total("jpy") == desk.available("jpy")


def test_a_cancel_frees_what_was_held_and_comes_too_late_once(desk: Desk) -> None:
    placed = desk.place(SELL, 8, 110)
    assert desk.available("btc") == Decimal("9.9992")
    assert desk.exchange.cancel(placed.venue_id)
    assert not desk.exchange.cancel(placed.venue_id)
    assert desk.available("btc") == 10
    assert [type(news) for news in desk.told] == [OrderReport, OrderReport]
    assert desk.print(200, 100) == []


def test_news_tell_a_fill_before_the_order_that_it_ends(desk: Desk) -> None:
    desk.place(BUY, 5, 102)
    assert [type(news) for news in desk.told] == [VenueFill, OrderReport]


def test_refusals(tmp_path: Path) -> None:
    desk = Desk(tmp_path, balances={"jpy": Decimal("0.5106"), "btc": Decimal("0.0002")})
    desk.show(BIDS, ASKS)
    # 10 lots at 102: 0.51 yen and a fee of 0.0006 and one unit more; 0.5106 is one unit short.
    assert refused(desk, BUY, 10, 102) == "insufficient_funds"
    assert refused(desk, SELL, 3, 102) == "insufficient_funds"
    assert refused(desk, BUY, 10**10, 102) == "above_maximum"
    assert desk.place(SELL, 2, 110).filled_lots == 0
    assert refused(desk, SELL, 1, 110) == "insufficient_funds"
    assert desk.fills() == []
    with pytest.raises(InvariantBroken):
        desk.place(BUY, 0, 102)
    order = desk.order(BUY, 1, 50)
    desk.exchange.place(order, NOW_NS)
    with pytest.raises(Rejected, match="placed before"):
        desk.exchange.place(order, NOW_NS)

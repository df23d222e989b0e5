"""The tape on the exchange's time axis: start, offset, seam, nights slept through, tapes without a book."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.world import (
    BTC_JPY,
    QUIET,
    SECOND_NS,
    START_NS,
    TAPE_NS,
    account,
    depth,
    exchange,
    quote,
    trade,
)
from ztb.core.error import UsageError
from ztb.core.event import Quote
from ztb.core.instrument import BUY, SELL
from ztb.simulator.exchange import TRADE_ID_FIRST, Exchange
from ztb.simulator.limits import TAPE_EVENTS_PER_ADVANCE_MAX, TAPE_SEAM_NS
from ztb.simulator.tape_player import MarketEvent, TapePlayer


def at(seconds: float) -> int:
    return START_NS + int(seconds * SECOND_NS)


def made(events: list[MarketEvent], *, loop: bool = False, offset_s: int = 0) -> Exchange:
    result = Exchange(BTC_JPY, lambda: iter(events), [account()], loop=loop)
    result.start(START_NS, offset_ns=offset_s * SECOND_NS)
    return result


def test_the_tape_begins_when_the_exchange_does() -> None:
    market = made([quote(0, 100, 105), quote(5, 110, 115)])
    assert market.book.best(BUY) == 20
    market.advance(at(5) - 1)
    assert market.book.best(BUY) == 20
    market.advance(at(5))
    assert market.book.best(BUY) == 22


def test_trades_carry_the_exchange_time_and_rising_ids() -> None:
    market = made([quote(0, 100, 105), trade(1, 105, 7, BUY), trade(2, 100, 8, SELL)])
    market.advance(at(60))
    assert [(one.trade_id, one.ts_ns, one.price, one.lots, one.side) for one in market.prints.recent] == [
        (TRADE_ID_FIRST, at(1), 21, 7, BUY),
        (TRADE_ID_FIRST + 1, at(2), 20, 8, SELL),
    ]


def test_it_begins_as_soon_as_there_is_a_bid_and_an_ask() -> None:
    market = made([quote(0, 100, 0, ask_lots=0), quote(3, 100, 105), quote(4, 110, 115)])
    assert (market.book.best(BUY), market.book.best(SELL)) == (20, 21)
    market.advance(at(0.9))
    assert market.book.best(BUY) == 20
    market.advance(at(1))
    assert market.book.best(BUY) == 22


def test_an_offset_starts_inside_the_tape_with_the_history_before_it() -> None:
    market = made([quote(0, 100, 105), trade(1, 105, 7, BUY), quote(30, 110, 115), quote(40, 120, 125)], offset_s=30)
    assert market.book.best(BUY) == 22
    assert [one.ts_ns for one in market.prints.recent] == [at(-29)]
    market.advance(at(10))
    assert market.book.best(BUY) == 24


def test_an_offset_beyond_the_tape_is_an_error() -> None:
    with pytest.raises(UsageError, match="only 1 s long"):
        made(list(QUIET), offset_s=2)


def test_an_empty_tape_is_an_error() -> None:
    with pytest.raises(UsageError, match="no market events"):
        made([])


def test_without_loop_the_market_stands_still_at_the_end() -> None:
    market = made([quote(0, 100, 105), quote(1, 110, 115)])
    market.advance(at(1_000_000))
    assert market.market.player.exhausted
    assert market.book.best(BUY) == 22


def test_with_loop_it_begins_again_and_time_and_ids_go_on() -> None:
    market = made([quote(0, 100, 105), trade(1, 105, 1, BUY), quote(2, 110, 115)], loop=True)
    market.advance(at(2))
    assert (market.book.best(BUY), market.market.player.passes) == (22, 1)
    market.advance(at(2) + TAPE_SEAM_NS)
    assert (market.book.best(BUY), market.market.player.passes) == (20, 2)
    market.advance(at(3.1))
    assert [(one.trade_id, one.ts_ns) for one in market.prints.recent] == [
        (TRADE_ID_FIRST, at(1)),
        (TRADE_ID_FIRST + 1, at(3) + TAPE_SEAM_NS),
    ]


def test_at_the_seam_the_old_book_goes_and_the_clients_stay() -> None:
    market = made([depth(0, [(100, 1)], [(105, 1)]), depth(1, [(95, 5), (90, 5)], [], is_snapshot=False)], loop=True)
    owner = market.purse.accounts[account().key]
    market.advance(at(1))
    market.place(owner, side=BUY, price=10, lots=3)
    market.advance(at(1) + TAPE_SEAM_NS)
    assert market.book.levels(BUY, 9) == [(20, 1), (10, 3)]


def test_whole_passes_slept_through_are_left_out_and_counted() -> None:
    market = made([quote(0, 100, 105), trade(5, 105, 1, BUY), quote(10, 110, 115)], loop=True)
    length = 10 * SECOND_NS + TAPE_SEAM_NS
    market.advance(START_NS + 1_000 * length + 6 * SECOND_NS)
    player = market.market.player
    assert (player.passes, player.passes_skipped) == (2, 999)
    assert market.prints.last is not None
    assert market.prints.last.ts_ns == START_NS + 1_000 * length + 5 * SECOND_NS
    assert len(market.prints.recent) == 2


def test_a_tape_of_one_event_does_not_spin() -> None:
    market = made([quote(0, 100, 105)], loop=True)
    market.advance(at(3_600))
    assert market.market.player.passes == 2


def test_a_long_absence_is_caught_up_in_bounded_batches() -> None:
    events: list[MarketEvent] = [quote(number / 1000, 100, 105 + 5 * (number % 3)) for number in range(50_000)]
    market = made(events)
    assert market.advance(at(1_000)) is True
    assert market.market.player.events == TAPE_EVENTS_PER_ADVANCE_MAX + 1
    assert market.advance(at(1_000)) is True
    assert market.advance(at(1_000)) is False
    assert market.market.player.events == 50_000


def test_a_recording_whose_clock_steps_back_keeps_its_order() -> None:
    player = TapePlayer(lambda: iter([quote(5, 100, 105), quote(1, 110, 115), quote(6, 120, 125)]), loop=False)
    player.anchor(START_NS)
    assert [when for when, _ in player.due(at(100), 10)] == [at(0), at(0), at(1)]


def test_time_never_goes_back() -> None:
    market = made([quote(0, 100, 105), quote(5, 110, 115)])
    market.advance(at(6))
    market.advance(at(1))
    assert market.now_ns == at(6)


def test_a_tape_of_trades_only_shows_a_thin_book_around_the_last_one() -> None:
    market = made([trade(0, 100, 7, BUY), trade(1, 95, 4, SELL)])
    assert (market.book.levels(BUY, 9), market.book.levels(SELL, 9)) == ([(19, 7)], [(20, 7)])
    market.advance(at(1))
    assert (market.book.levels(BUY, 9), market.book.levels(SELL, 9)) == ([(19, 4)], [(20, 4)])


def test_a_tape_with_quotes_is_not_helped_out_by_its_trades() -> None:
    market = made([quote(0, 100, 105, bid_lots=3, ask_lots=3), trade(1, 50, 7, SELL)])
    market.advance(at(1))
    assert market.book.levels(BUY, 9) == [(20, 3)]


def test_nonsense_is_left_out_and_counted() -> None:
    nonsense: list[MarketEvent] = [
        Quote(TAPE_NS, "btc_jpy", 30, 1, 25, 1),
        Quote(TAPE_NS, "btc_jpy", 20, -1, 25, 1),
        depth(0, [(0, 1)], []),
        depth(0, [(100, -1)], []),
        trade(0, -5, 1, BUY),
        trade(0, 100, 0, BUY),
        trade(0, 100, 1, 0),
    ]
    market = made([quote(0, 100, 105), *nonsense, quote(1, 110, 115)])
    market.advance(at(1))
    assert market.market.nonsense == len(nonsense)
    assert market.prints.last is None
    assert market.book.best(BUY) == 22


def test_the_tape_is_opened_again_for_each_pass_and_never_kept() -> None:
    opened = 0

    def tape() -> Iterator[MarketEvent]:
        nonlocal opened
        opened += 1
        return iter([quote(0, 100, 105), quote(1, 110, 115)])

    market = Exchange(BTC_JPY, tape, [account()])
    market.start(START_NS)
    market.advance(at(1.5))
    assert opened == 2


def test_a_tape_that_became_empty_ends_the_exchange_with_an_error() -> None:
    tapes = iter([[quote(0, 100, 105)], []])
    market = Exchange(BTC_JPY, lambda: iter(next(tapes)), [account()])
    market.start(START_NS)
    with pytest.raises(UsageError, match="became empty"):
        market.advance(at(10))


def test_a_maker_pays_the_maker_fee_and_the_tape_is_its_taker() -> None:
    market = exchange([quote(0, 100, 105), trade(1, 100, 3, SELL)], accounts=[account(maker=10_000)])
    owner = next(iter(market.purse.accounts.values()))
    market.book.clear_tape()
    market.place(owner, side=BUY, price=20, lots=2)
    market.advance(at(1))
    (fill,) = owner.fills
    # 100 JPY x 0.0002 BTC = 0.02 JPY; 1 % of it is 0.0002 JPY: 2 units.
    assert (fill.price, fill.lots, fill.fee, fill.side, fill.taker_side) == (20, 2, 2, BUY, SELL)
    assert [(one.lots, one.side) for one in market.prints.recent] == [(2, SELL), (1, SELL)]

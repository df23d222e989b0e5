"""The ledger against an independent replay of all fills in fractions, and against sums done by hand."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import CAPITAL, DAY, LEVERAGED, SECOND, SPOT, T0
from ztb.core.instrument import BUY, SELL
from ztb.core.position import Ledger, Position

HOUR = 3_600 * SECOND


@dataclass(frozen=True)
class Fill:
    """One fill, and the price at which the rest is valued afterwards."""

    side: int
    lots: int
    price: int
    fee: int
    mark: int


FILLS = st.builds(
    Fill,
    side=st.sampled_from([BUY, SELL]),
    lots=st.integers(1, 1_000),
    price=st.integers(1, 10_000),
    fee=st.integers(-5, 50),
    mark=st.integers(1, 10_000),
)


class Reference:
    """Average cost in exact fractions, and the plain account of money that came and went."""

    def __init__(self, per: int) -> None:
        self.per = per
        self.lots = 0
        self.average = Fraction(0)
        self.realised = Fraction(0)
        self.cash = 0
        self.fees = 0

    def fill(self, fill: Fill) -> None:
        """Book one."""
        self.cash -= fill.side * fill.lots * fill.price * self.per
        self.fees += fill.fee
        after = self.lots + fill.side * fill.lots
        if self.lots * fill.side >= 0:
            value = self.average * abs(self.lots) + fill.price * fill.lots
            self.average = value / abs(after)
        else:
            closed = min(fill.lots, abs(self.lots))
            self.realised += closed * (fill.price - self.average) * -fill.side * self.per
            if fill.lots > closed:
                self.average = Fraction(fill.price)
        if after == 0:
            self.average = Fraction(0)
        self.lots = after


def ledger_of(*, day_offset_ns: int = 0) -> Ledger:
    """With both instruments."""
    return Ledger((SPOT, LEVERAGED), capital=CAPITAL, day_offset_ns=day_offset_ns)


@given(st.lists(FILLS, max_size=40), st.sampled_from([1, 5, 50_000]))
def test_profit_is_exactly_the_money_that_flowed_plus_the_value_of_what_is_held(fills: list[Fill], per: int) -> None:
    position, reference = Position(per), Reference(per)
    closings = 0
    for fill in fills:
        closings += position.lots * fill.side < 0
        position.fill(side=fill.side, lots=fill.lots, price=fill.price, fee=fill.fee)
        reference.fill(fill)
        assert position.lots == reference.lots
        assert position.fees == reference.fees
        unrealised = position.lots * fill.mark * per - position.cost
        assert position.realised + unrealised == reference.cash + reference.lots * fill.mark * per
        # The shares of a division are rounded at most by one unit for each closing, and nothing once all is closed.
        assert abs(position.realised - reference.realised) <= closings
        if position.lots == 0:
            assert position.cost == 0
            assert position.realised == reference.cash


@given(st.lists(st.tuples(FILLS, st.sampled_from([SPOT, LEVERAGED])), max_size=40))
def test_equity_is_capital_plus_profit_of_everything_minus_fees(steps: list[tuple[Fill, object]]) -> None:
    ledger = ledger_of()
    references = {SPOT.symbol: Reference(1), LEVERAGED.symbol: Reference(1)}
    marks = dict.fromkeys(references, 0)
    peak = CAPITAL
    for fill, instrument in steps:
        symbol = SPOT.symbol if instrument is SPOT else LEVERAGED.symbol
        ledger.fill(symbol, side=fill.side, lots=fill.lots, price=fill.price, fee=fill.fee, mark=fill.mark)
        references[symbol].fill(fill)
        marks[symbol] = fill.mark
        equity = CAPITAL + sum(r.cash - r.fees + r.lots * marks[s] for s, r in references.items())
        peak = max(peak, equity)
        assert ledger.equity == equity
        assert ledger.peak == peak
        assert ledger.day_loss() == CAPITAL - equity
        assert ledger.drawdown_ppm() == (peak - equity) * 1_000_000 // peak


@given(st.lists(FILLS, min_size=1, max_size=10), st.lists(st.integers(1, 10_000), max_size=10))
def test_a_mark_moves_the_equity_by_the_change_of_value(fills: list[Fill], marks: list[int]) -> None:
    ledger = ledger_of()
    for fill in fills:
        ledger.fill(SPOT.symbol, side=fill.side, lots=fill.lots, price=fill.price, fee=fill.fee, mark=fill.mark)
    position = ledger.positions[SPOT.symbol]
    last = fills[-1].mark
    for mark in marks:
        before = ledger.equity
        ledger.mark(position, mark)
        assert ledger.equity - before == position.lots * (mark - last)
        last = mark


def test_a_long_round_trip_by_hand() -> None:
    ledger = ledger_of()
    position = ledger.positions[SPOT.symbol]
    assert ledger.fill(SPOT.symbol, side=BUY, lots=10, price=100, fee=1, mark=100) == 0
    assert ledger.fill(SPOT.symbol, side=BUY, lots=30, price=120, fee=1, mark=120) == 0
    # 40 lots for 1,000 + 3,600 = 4,600: 115 each. At 120 they are worth 4,800.
    assert (position.lots, position.cost, position.average_price()) == (40, 4_600, 115)
    assert position.unrealised == 200
    assert ledger.equity == CAPITAL + 200 - 2
    # Selling 10 at 130 realises 10 x 15.
    assert ledger.fill(SPOT.symbol, side=SELL, lots=10, price=130, fee=3, mark=130) == 150
    assert (position.lots, position.cost, position.realised, position.fees) == (30, 3_450, 150, 5)
    assert ledger.fill(SPOT.symbol, side=SELL, lots=30, price=110, fee=0, mark=110) == -150
    assert (position.lots, position.cost, position.realised, position.unrealised) == (0, 0, 0, 0)
    assert position.average_price() == 0
    assert ledger.equity == CAPITAL - 5


def test_a_short_that_is_flipped_by_hand() -> None:
    ledger = ledger_of()
    position = ledger.positions[LEVERAGED.symbol]
    ledger.fill(LEVERAGED.symbol, side=SELL, lots=10, price=200, fee=0, mark=200)
    assert (position.lots, position.cost, position.average_price()) == (-10, -2_000, 200)
    # 25 bought at 180: 10 close with a gain of 20 each, 15 are a new long position at 180.
    assert ledger.fill(LEVERAGED.symbol, side=BUY, lots=25, price=180, fee=0, mark=180) == 200
    assert (position.lots, position.cost, position.average_price()) == (15, 2_700, 180)
    assert ledger.equity == CAPITAL + 200


def test_what_a_division_leaves_over_stays_with_what_is_open() -> None:
    position = Position(1)
    position.fill(side=BUY, lots=1, price=10, fee=0)
    position.fill(side=BUY, lots=2, price=11, fee=0)  # 3 lots for 32
    assert position.fill(side=SELL, lots=1, price=20, fee=0) == 20 - 10  # 32 // 3
    assert position.cost == 22
    assert position.fill(side=SELL, lots=1, price=20, fee=0) == 20 - 11
    assert position.fill(side=SELL, lots=1, price=20, fee=0) == 20 - 11
    assert position.realised == 60 - 32


def test_drawdown_is_measured_from_the_peak() -> None:
    ledger = ledger_of()
    ledger.fill(SPOT.symbol, side=BUY, lots=1_000, price=1_000, fee=0, mark=1_000)
    position = ledger.positions[SPOT.symbol]
    assert ledger.drawdown_ppm() == 0
    ledger.mark(position, 1_250)  # equity 1,250,000
    ledger.mark(position, 1_000)  # 250,000 less: a fifth
    assert ledger.peak == 1_250_000
    assert ledger.drawdown_ppm() == 200_000
    ledger.mark(position, 1_249)
    assert ledger.drawdown_ppm() == 800
    assert ledger.peak == 1_250_000


# T0 is 22:13:20 UTC, and 07:13:20 of the next day in Japan.
@pytest.mark.parametrize(("offset_hours", "hours_to_midnight"), [(0, 2), (9, 17), (-5, 7), (2, 24)])
def test_a_day_begins_at_local_midnight(offset_hours: int, hours_to_midnight: int) -> None:
    ledger = ledger_of(day_offset_ns=offset_hours * HOUR)
    full_hour_before_ns = T0 - (13 * 60 + 20) * SECOND
    midnight_ns = full_hour_before_ns + hours_to_midnight * HOUR
    assert not ledger.turn_day(T0)  # the first time is no turn: there was no day before
    ledger.fill(SPOT.symbol, side=BUY, lots=100, price=1_000, fee=0, mark=900)
    assert not ledger.turn_day(midnight_ns - 1)
    assert ledger.day_loss() == 10_000
    assert ledger.turn_day(midnight_ns)
    assert ledger.day_loss() == 0
    assert ledger.day_end_ns == midnight_ns + DAY
    assert not ledger.turn_day(midnight_ns + DAY - 1)
    ledger.mark(ledger.positions[SPOT.symbol], 850)
    assert ledger.day_loss() == 5_000
    # Days without a single event are skipped over, not counted one by one.
    assert ledger.turn_day(midnight_ns + 10 * DAY + 1)
    assert ledger.day_end_ns == midnight_ns + 11 * DAY


@given(st.lists(FILLS, max_size=10))
def test_a_snapshot_gives_the_same_ledger_back(fills: list[Fill]) -> None:
    ledger = ledger_of()
    ledger.turn_day(T0)
    for fill in fills:
        ledger.fill(SPOT.symbol, side=fill.side, lots=fill.lots, price=fill.price, fee=fill.fee, mark=fill.mark)
    again = ledger_of()
    again.restore(ledger.snapshot())
    assert again.snapshot() == ledger.snapshot()
    assert again.positions[SPOT.symbol] is not ledger.positions[SPOT.symbol]


def test_another_capital_shifts_the_equity_and_not_the_profit() -> None:
    ledger = ledger_of()
    ledger.fill(SPOT.symbol, side=BUY, lots=100, price=1_000, fee=7, mark=1_010)
    ledger.mark(ledger.positions[SPOT.symbol], 1_005)
    again = Ledger((SPOT, LEVERAGED), capital=CAPITAL * 2, day_offset_ns=0)
    again.restore(ledger.snapshot())
    assert again.equity - again.capital == ledger.equity - ledger.capital == 493
    assert again.peak - again.capital == ledger.peak - ledger.capital == 993
    assert again.day_loss() == ledger.day_loss()

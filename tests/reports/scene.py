"""A small instrument in round numbers, and a run of a few orders worked out by hand.

Tick 1 JPY, lot 0.1 BTC, money 0.01 JPY: one lot gains 0.1 JPY, ten money units, for each tick.
"""

from __future__ import annotations

from decimal import Decimal

from ztb.core.command import Place
from ztb.core.event import OrderFilled
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.reports.run_recorder import RunRecorder

INSTRUMENT = Instrument("btc_jpy", "btc", "jpy", Decimal("1"), Decimal("0.1"), 2)
CAPITAL = 100_000
SECOND_NS = 1_000_000_000
START_NS = 1_709_640_000 * SECOND_NS
"""2024-03-05 12:00:00 UTC."""


def at(second: int) -> int:
    """``second`` seconds into the run."""
    return START_NS + second * SECOND_NS


def place(second: int, client_id: str, side: int, lots: int, price: int) -> Place:
    """An order; only side, time and id matter to a report."""
    return Place(at(second), client_id, "btc_jpy", side, lots, price, False, 1, "crossing_up")


def fill(second: int, client_id: str, trade_id: str, lots: int, price: int, fee: int) -> OrderFilled:
    """A fill with its fee in money units."""
    return OrderFilled(at(second), client_id, trade_id, lots, price, fee)


def recorded() -> RunRecorder:
    """Three round trips and an open position.

    Buy 10 at 1000 (mark 999), fee 20. Sell 4 at 1010 (mark 1010), fee 8, and 6 at 1020, fee 12, by one order: trip 1
    realises 4*10*10 + 6*20*10 = 1600, less 40 fees = +1560, after 20 s.
    Sell 5 at 1000 (mark 1002), fee 10; buy 15 at 1010 (mark 1010), fee 30: closes 5 at -50 ticks = -500, trip 2 is
    -500 - 10 - 10 = -520 after 10 s, and opens 10 with the other 20 of the fee.
    Sell 10 at 1012 (mark 1012), fee 20: +200 - 20 - 20 = +160 after 10 s. Buy 2 at 1000 (mark 1000), fee 4, stays open.
    """
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    recorder.on_equity(at(0), 1000, 100_000)
    recorder.on_place(place(0, "a", BUY, 10, 1005), 999)
    recorder.on_fill(fill(0, "a", "t1", 10, 1000, 20))
    recorder.on_equity(at(0), 1000, 99_980)
    recorder.on_equity(at(5), 990, 98_980)
    recorder.on_place(place(10, "b", SELL, 10, 1005), 1010)
    recorder.on_fill(fill(10, "b", "t2", 4, 1010, 8))
    recorder.on_fill(fill(20, "b", "t3", 6, 1020, 12))
    recorder.on_equity(at(20), 1020, 101_560)
    recorder.on_place(place(30, "c", SELL, 5, 995), 1002)
    recorder.on_fill(fill(30, "c", "t4", 5, 1000, 10))
    recorder.on_place(place(40, "d", BUY, 15, 1015), 1010)
    recorder.on_fill(fill(40, "d", "t5", 15, 1010, 30))
    recorder.on_equity(at(40), 1010, 101_020)
    recorder.on_place(place(50, "e", SELL, 10, 1005), 1012)
    recorder.on_fill(fill(50, "e", "t6", 10, 1012, 20))
    recorder.on_place(place(60, "f", BUY, 2, 1005), 1000)
    recorder.on_fill(fill(60, "f", "t7", 2, 1000, 4))
    recorder.on_place(place(61, "g", BUY, 2, 1005), 1000)
    recorder.on_equity(at(70), 1003, 101_256)
    return recorder

"""The replay report of a run worked out by hand, of an empty one, and of a real one through the engine."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.reports.scene import CAPITAL, INSTRUMENT, at, fill, place, recorded
from ztb.core.error import InvariantBroken
from ztb.core.instrument import BUY
from ztb.core.step import DecisionRow
from ztb.reports.replay_report import Latency, ReplayReport, RoundTrips, Slippage
from ztb.reports.run_recorder import RunRecorder

ROWS: list[DecisionRow] = [
    (1, "btc_jpy", 0, "no_crossing", (1,), ""),
    (2, "btc_jpy", 0, "no_crossing", (1,), ""),
    (3, "btc_jpy", 1, "crossing_up", (1,), "a"),
    (4, "btc_jpy", -1, "crossing_down", (1,), "price_collar"),
    (5, "btc_jpy", -1, "crossing_down", (1,), "paused"),
    (6, "btc_jpy", 1, "crossing_up", (1,), "price_collar"),
]


def finished(recorder: RunRecorder, **changes: object) -> ReplayReport:
    report = recorder.finish(
        tape="demo.tape",
        tape_sha256="5f" * 32,
        policy="sma_fast_slow",
        parameters={"fast": 10, "slow": 20},
        events=2_000,
        begin_ns=at(0),
        end_ns=at(3_671),
        latency=Latency(p50_us=4.25, p99_us=18.0, max_us=312.5),
        run_seconds=0.5,
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def nothing() -> ReplayReport:
    return RunRecorder(INSTRUMENT, CAPITAL).finish(
        tape="empty.tape", tape_sha256="00" * 32, policy="buy_hold", parameters={}, events=0, begin_ns=None, end_ns=None
    )


def value_of(text: str, row: str) -> str:
    """What stands behind a label, with single spaces."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"  {row}  ")]
    return " ".join(line.removeprefix(f"  {row}").split())


def test_profit_and_fees_by_hand() -> None:
    report = finished(recorded())
    # Fees 20+8+12+10+30+20+4. Realised 1600 - 500 + 200. Open: 2 lots from 1000 to 1003.
    assert (report.realised, report.unrealised, report.fees, report.held_lots) == (1300, 60, 104, 2)
    assert (report.equity_begin, report.equity_end, report.profit) == (100_000, 101_256, 1_256)
    assert report.unexplained == 0


def test_round_trips_by_hand() -> None:
    report = finished(recorded())
    # Held 20 s, 10 s and 10 s.
    assert report.round_trips == RoundTrips(3, 2, 1, 1720, 520, 1560, -520, 13_333_333_333)
    assert report.win_rate_percent == Decimal("66.67")
    assert report.profit_factor == Decimal("3.308")


def test_orders_and_fills_are_counted() -> None:
    report = finished(recorded())
    assert (report.orders, report.orders_filled, report.fills) == (7, 6, 7)
    assert [(mark.side, mark.price, mark.lots) for mark in report.marks][:2] == [(1, 1000, 10), (-1, 1010, 4)]


def test_slippage_by_hand() -> None:
    # Paid: 10*1, 4*0, -6*10, 5*2, 0, 0, 0 = -40 ticks*lots, of 9990 + 10100 + 5010 + 15150 + 10120 + 2000 = 52370.
    # The worst single fill is the short sale: 2 of 1002.
    assert finished(recorded()).slippage == Slippage(Decimal("-7.638"), Decimal("19.960"))


def test_drawdown_is_the_deepest_fall_under_a_peak() -> None:
    report = finished(recorded())
    # From 100,000 to 98,980; the later fall is from 101,560 to 101,020.
    assert (report.drawdown, report.drawdown_ppm) == (1_020, 10_200)


def test_drawdown_in_money_and_in_ratio_may_come_from_different_peaks() -> None:
    recorder = RunRecorder(INSTRUMENT, 1_000)
    for second, equity in enumerate([900, 10_000, 9_500, 9_600, 9_400, 20_000]):
        recorder.on_equity(at(second), 1, equity)
    report = finished(recorder)
    assert (report.drawdown, report.drawdown_ppm) == (600, 100_000)


def test_a_drawdown_is_rounded_up() -> None:
    recorder = RunRecorder(INSTRUMENT, 3_000_000)
    recorder.on_equity(at(0), 1, 2_999_999)
    assert finished(recorder).drawdown_ppm == 1


def test_the_worst_slippage_is_the_worst_in_proportion() -> None:
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    for name, mark, price in (("a", 100, 102), ("b", 1_000, 1_010), ("c", 100, 101)):
        recorder.on_place(place(0, name, BUY, 1, price), mark)
        recorder.on_fill(fill(0, name, name, 1, price, 0))
    # 200, 100 and 100 basis points; together 13 of 1,200.
    assert finished(recorder).slippage == Slippage(Decimal("108.333"), Decimal("200.000"))


def test_decisions_and_refusals_by_reason() -> None:
    recorder = recorded()
    recorder.on_decision_rows(ROWS[:4])
    recorder.on_decision_rows(ROWS[4:])
    report = finished(recorder)
    assert report.decisions == 6
    assert list(report.decision_reasons.items()) == [("crossing_down", 2), ("crossing_up", 2), ("no_crossing", 2)]
    assert list(report.refusals.items()) == [("price_collar", 2), ("paused", 1)]


def test_rows_may_come_before_their_order() -> None:
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    recorder.on_decision_rows(ROWS[2:3])
    recorder.on_place(place(0, "a", BUY, 1, 10), 10)
    assert finished(recorder).refusals == {}


def test_a_repeated_fill_counts_once() -> None:
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    recorder.on_place(place(0, "a", BUY, 5, 10), 10)
    for _ in range(2):
        recorder.on_fill(fill(0, "a", "t1", 5, 10, 1))
    report = finished(recorder)
    assert (report.fills, report.held_lots, report.fees) == (1, 5, 1)


def test_a_fill_of_an_order_that_was_never_placed_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="t9 belongs to order x"):
        recorded().on_fill(fill(0, "x", "t9", 5, 10, 1))


def test_an_equity_that_the_fills_do_not_explain_is_told() -> None:
    recorder = recorded()
    recorder.on_equity(at(71), 1003, 101_250)
    report = finished(recorder)
    assert report.unexplained == -6
    assert value_of(report.to_text(), "DEFECT") == "equity and fills differ by -0.06"
    assert "DEFECT" not in finished(recorded()).to_text()


def test_text_by_hand() -> None:
    recorder = recorded()
    recorder.on_decision_rows(ROWS)
    text = finished(recorder).to_text()
    expected = {
        "tape": "demo.tape",
        "sha256": "5f" * 32,
        "policy": "sma_fast_slow fast=10 slow=20",
        "span": "2024-03-05 12:00:00.000Z to 2024-03-05 13:01:11.000Z (1 h 1 min 11.000 s)",
        "events": "2,000",
        "run": "0.500 s, 4,000 events/s",
        "decision latency": "p50 4.2 us, p99 18.0 us, max 312.5 us",
        "equity at begin": "1,000.00",
        "equity at end": "1,012.56",
        "net profit": "+12.56 +1.2560 %",
        "realised": "+13.00 before fees",
        "unrealised": "+0.60 holding 0.2 BTC",
        "fees": "1.04",
        "max drawdown": "10.20 1.0200 %",
        "orders": "7 placed, 6 filled, 3 refused",
        "fills": "7",
        "round trips": "3 (2 won, 1 lost)",
        "win rate": "66.67 %",
        "profit factor": "3.308",
        "best, worst trip": "+15.60, -5.20",
        "mean holding time": "13.333 s",
        "slippage": "mean -7.638 bps, max +19.960 bps",
        "no_crossing": "2",
        "price_collar": "2",
    }
    assert {row: value_of(text, row) for row in expected} == expected
    assert "Result in JPY\n" in text
    assert max(map(len, text.splitlines())) <= 100


def test_values_stand_in_one_column() -> None:
    block = finished(recorded()).to_text().split("Result in JPY\n")[1].split("\n\n")[0].splitlines()
    assert len({line.rindex(".") for line in (row.split(" %")[0].split("  before")[0] for row in block[:2])}) == 1


def test_an_empty_run_says_no_data_and_shows_no_zero() -> None:
    report = nothing()
    text = report.to_text()
    for row in ("span", "run", "decision latency", "equity at end", "net profit", "realised", "unrealised", "fees",
                "max drawdown", "round trips", "win rate", "profit factor", "slippage"):  # fmt: skip
        assert value_of(text, row).startswith("no data"), row
    assert "  none" not in text
    plain = report.to_dict()
    assert [plain[key] for key in ("trades", "slippage_bps", "decision_latency_us")] == [None] * 3
    assert plain["pnl"] == {"realised": None, "unrealised": None, "fees": None, "net": None}
    assert plain["drawdown_max"] == {"money": None, "percent": None}
    assert "no data" in report.to_svg()


def test_a_run_without_a_trade_has_a_drawdown_of_zero_but_no_profit_figures() -> None:
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    recorder.on_decision_rows(ROWS[:2])
    recorder.on_equity(at(0), 1000, CAPITAL)
    report = finished(recorder)
    assert (report.drawdown, report.profit, report.realised, report.fees) == (0, 0, None, None)
    assert value_of(report.to_text(), "net profit") == "0.00 0.0000 %", "nothing has no sign"
    assert report.to_text().endswith("Refusals by reason\n  none\n")


def test_trips_without_a_loss_have_no_profit_factor() -> None:
    recorder = RunRecorder(INSTRUMENT, CAPITAL)
    recorder.on_place(place(0, "a", BUY, 1, 10), 10)
    recorder.on_place(place(1, "b", -BUY, 1, 10), 10)
    recorder.on_fill(fill(0, "a", "t1", 1, 10, 0))
    recorder.on_fill(fill(1, "b", "t2", 1, 12, 0))
    assert value_of(finished(recorder).to_text(), "profit factor") == "no data"


def test_data_is_json_with_exact_money_as_text() -> None:
    recorder = recorded()
    recorder.on_decision_rows(ROWS)
    plain = json.loads(json.dumps(finished(recorder).to_dict()))
    assert plain["tape"] == {"file": "demo.tape", "sha256": "5f" * 32}
    assert plain["policy"] == {"name": "sma_fast_slow", "parameters": {"fast": 10, "slow": 20}}
    assert plain["span"]["begin"] == "2024-03-05T12:00:00.000Z"
    assert plain["throughput"] == {"run_seconds": 0.5, "events_per_second": 4_000}
    assert plain["pnl"] == {"realised": "13.00", "unrealised": "0.60", "fees": "1.04", "net": "12.56"}
    assert plain["equity"] == {"begin": "1000.00", "end": "1012.56", "unexplained": "0.00"}
    assert plain["drawdown_max"] == {"money": "10.20", "percent": "1.0200"}
    assert plain["refusals"] == {"count": 3, "by_reason": {"price_collar": 2, "paused": 1}}
    assert plain["orders"] == {"placed": 7, "filled": 6, "fills": 7}
    assert plain["trades"]["won"] == "17.20"
    assert plain["trades"]["win_rate_percent"] == "66.67"
    assert plain["trades"]["held_seconds_mean"] == "13.333"
    assert plain["slippage_bps"] == {"mean": "-7.638", "max": "19.960"}
    assert plain["decision_latency_us"] == {"p50": 4.25, "p99": 18.0, "max": 312.5}
    assert plain["held"] == "0.2"

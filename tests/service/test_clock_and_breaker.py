"""A trader whose venue tells another time, and one whose venue answers rubbish: real processes, from log to status."""

from __future__ import annotations

from pathlib import Path

from tests.service.processes import BUSY, exchange, trader

TIME_SCALE = 50.0
"""Five minutes of the market, between two measurements of the clock, are six seconds."""
AHEAD_MS = 30_000


def test_nothing_is_opened_while_the_clock_is_off_and_again_when_it_is_right(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange", time_scale=TIME_SCALE) as venue:
        venue.mood(name="wrong_clock", ms=AHEAD_MS)
        with trader(venue, tmp_path / "trader", *BUSY) as running:
            running.wait_for("clock_offset_exceeded")
            status = running.wait_for_status(lambda plain: bool(plain["level"] == "clock"))
            assert abs(status["clock"]["offset_ms"] - AHEAD_MS) <= status["clock"]["uncertainty_ms"] + 1
            assert "behind the venue's: nothing is opened, closing and cancels go on" in status["says"]
            refused = running.wait_for_status(lambda plain: bool(plain["meter"]["signals"] >= 2))
            assert refused["meter"]["orders_placed"] == 0
            assert venue.calls() == []
            venue.mood(name="wrong_clock", off=True)
            running.wait_for("clock_offset_passed")
            running.wait_for("order_filled")
            code, _ = running.stop()
            assert code == 0, running.text()


def test_a_venue_that_answers_rubbish_is_left_alone_and_tried_again(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange", time_scale=TIME_SCALE) as venue, trader(venue, tmp_path / "trader") as running:
        running.wait_for("ready")
        assert {room["breaker"] for room in running.status()["rate_limits"]} == {"closed"}
        venue.mood(name="html_instead_of_json")
        running.wait_for("breaker_open")
        running.wait_for_status(lambda plain: "open" in {room["breaker"] for room in plain["rate_limits"]})
        venue.mood(name="html_instead_of_json", off=True)
        running.wait_for("breaker_closed")
        code, _ = running.stop()
        assert code == 0, running.text()

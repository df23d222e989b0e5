"""A trader that is killed and started again at once stays within the exchange's limits: its heir knows what it used up.

The exchange counts for itself, as Zaif does over 60 seconds. Looking up orders whose answers were lost takes many calls
of the history, so that without the memory the limit of 12 would be broken after a few lives.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.service.processes import BUSY, Trader, exchange

LIVES = 6
TIME_SCALE = 10.0
"""A minute of the market, over which the exchange counts, lasts six seconds: several lives fall into it."""


def test_six_lives_in_a_minute_of_the_market_break_no_limit(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange", time_scale=TIME_SCALE) as venue:
        venue.mood(name="accept_then_502", probability=0.5)
        for _ in range(LIVES):
            running = Trader(venue, tmp_path / "trader", *BUSY)
            try:
                running.wait_for("ready")
                time.sleep(0.3)
                assert running.process.poll() is None, running.text()
            finally:
                running.close()  # SIGKILL
        status = venue.status()
        assert (tmp_path / "trader" / "state" / "rate-limits").exists()
        assert {method: count for method, count in status["rate_refusals"].items() if count} == {}
        assert status["requests"].get("trade_history", 0) >= LIVES, status["requests"]

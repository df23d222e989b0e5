"""The flatness report as an operator reads it, on a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

import pytest

from ztb.cli.flatness_text import counted, progress_words, report_text, seconds

SENT: dict[str, Any] = {
    "order": "ztb-1", "instrument": "btc_jpy", "side": "SELL", "size": "0.0030", "limit": "8820050",
    "reference": "9000050", "time_in_force": "gtc", "filled": "0.0030", "average": "8995000", "slippage_ppm": 561,
    "fee": "26.9850", "state": "filled",
}  # fmt: skip
REPORT: dict[str, Any] = {
    "outcome": "flat", "is_flat": True, "source": "panic file", "by": "operator ann (uid 1001)", "reason": "drill",
    "mode": "limit", "max_slippage_ppm": 20_000, "took_ms": 1_066, "was_late": False, "then_stop": True,
    "opened": {"btc_jpy": "0.0030"}, "orders_at_begin": 10, "sent_count": 1, "sent": [SENT],
    "says": "held: nothing; no order works",
    "venue": {"compared": "", "agrees": True, "open_orders": 0, "held": {"btc": "1"}, "problem": ""},
}  # fmt: skip
PROGRESS: dict[str, Any] = {
    "active": True, "outcome": "", "mode": "cancel_only", "took_ms": 300, "left_ms": 59_700, "late": False, "sent": 0,
    "says": "held: 0.0030 btc_jpy; 10 orders may work (0 of unknown fate)",
}  # fmt: skip


def test_all_of_it() -> None:
    assert report_text(REPORT).splitlines() == [
        "FLAT after 1.07 s",
        "  asked by  operator ann (uid 1001), through the panic file: drill",
        "  mode      limit, never worse than 2 % from the market",
        "  was open  0.0030 btc_jpy; 10 orders worked",
        "  sent      1 order",
        "    SELL 0.0030 btc_jpy limit 8820050 gtc: filled, 0.0030 at 8995000, 0.056 %",
        "      worse than 9000050, fee 26.9850",
        "  venue     agrees with the books; 0 orders of ours open there",
        "  account   holds 1 btc, the owner's own included",
        "  left      held: nothing; no order works",
    ]


def test_what_is_left_is_told_exactly() -> None:
    late = REPORT | {
        "outcome": "not_flat", "is_flat": False, "was_late": True, "took_ms": 90_012, "sent_count": 41,
        "sent": [SENT | {"average": None, "slippage_ppm": None, "state": "rejected", "refusal": "busy"}] * 41,
        "says": "held: 0.0030 btc_jpy; no order works",
        "venue": REPORT["venue"] | {"agrees": False, "compared": "the venue could not be read: HTTP 502"},
    }  # fmt: skip
    lines = report_text(late).splitlines()
    assert lines[0] == "NOT FLAT after 90 s, late"
    assert lines[5] == "    SELL 0.0030 btc_jpy limit 8820050 gtc: rejected (busy), nothing filled"
    assert "    ... and 21 more; the journal has them all" in lines
    assert lines[-1] == "  left      held: 0.0030 btc_jpy; no order works"
    assert (
        "has not confirmed it since the last change; what it said before: the venue could not be read: HTTP 502"
        in " ".join(line.strip() for line in lines)
    )


@pytest.mark.parametrize(
    ("mode", "words"), [("market", "market, at any price"), ("cancel_only", "cancel-only, what is held stays")]
)
def test_each_mode_in_words(mode: str, words: str) -> None:
    assert f"  mode      {words}" in report_text(REPORT | {"mode": mode}).splitlines()


def test_a_venue_that_cannot_be_asked_is_to_be_looked_at() -> None:
    silent = REPORT | {"venue": REPORT["venue"] | {"problem": "no answer within 5 s", "open_orders": None}}
    assert "  venue     could not be asked: no answer within 5 s; look there" in report_text(silent).splitlines()


def test_a_better_price_is_called_so() -> None:
    better = report_text(REPORT | {"sent": [SENT | {"slippage_ppm": -1_250}]})
    assert "0.125 %" in better
    assert "better than 9000050" in better


@pytest.mark.parametrize("reason", ["y" * 300, "word " * 60])
def test_nothing_that_can_be_folded_is_wider_than_the_terminal(reason: str) -> None:
    lines = report_text(REPORT | {"reason": reason}).splitlines()
    assert all(len(line) <= 80 for line in lines if "yyy" not in line)
    assert reason.split()[0] in " ".join(lines)


def test_progress_in_one_line() -> None:
    assert progress_words(PROGRESS) == (
        "cancel-only, 60 s left, 0 orders sent; held: 0.0030 btc_jpy; 10 orders may work (0 of unknown fate)"
    )
    assert progress_words(PROGRESS | {"late": True, "left_ms": 0}).startswith("cancel-only, LATE, ")
    over = PROGRESS | {"active": False, "outcome": "flat_dust", "sent": 1}
    assert progress_words(over).startswith("FLAT + DUST after 0.30 s, 1 order sent; ")


def test_small_words() -> None:
    assert [counted(number) for number in (0, 1, 2)] == ["0 orders", "1 order", "2 orders"]
    assert [seconds(took_ms) for took_ms in (0, 26, 9_999, 10_000, 90_012)] == [
        "0.00 s", "0.03 s", "10.00 s", "10 s", "90 s"
    ]  # fmt: skip

"""What the ladder reads from a journal, against journals of hand-written records."""

from __future__ import annotations

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import apsw
import pytest

from tests.ladder.world import measurement, session_body, write_journal
from ztb.core.command import Notify, Place
from ztb.core.error import StoreCorrupt, UsageError
from ztb.core.event import Kill, OrderFilled
from ztb.core.instrument import BUY, SELL
from ztb.ladder import journal_facts
from ztb.ladder.journal_facts import FillFact
from ztb.store.codec import encode_decisions


def place(tag: str, side: int = BUY) -> Place:
    return Place(1, tag, "btc_jpy", side, 100, 1_800_000, False, 1, "crossing_up")


def fill(tag: str, trade_id: str, *, lots: int = 100) -> OrderFilled:
    return OrderFilled(2, tag, trade_id, lots=lots, price=1_799_990, fee=899_995)


def test_orders_fills_notices_and_kills(tmp_path: Path) -> None:
    write_journal(tmp_path, [
        ("session", session_body("one")),
        place("ztb-a"),
        fill("ztb-a", "7"),
        Kill(3, "kill file", "drill"),
        Notify(3, "emergency", "killed", "drill (by kill file)"),
        ("session", session_body("two")),
        Notify(4, "warning", "resumed", "go on"),
        place("ztb-b", SELL),
    ])  # fmt: skip
    facts = journal_facts.read(tmp_path)
    assert list(facts.places) == ["ztb-a", "ztb-b"]
    assert facts.places_while_killed == 0
    assert facts.builds == ["one", "two"]
    assert dict(facts.kills) == {"kill file": 1}
    assert (facts.notices["killed"], facts.notices["resumed"]) == (1, 1)
    assert facts.records == 8
    assert len(facts.head) == 64
    assert facts.fill_facts() == {
        "7": FillFact("ztb-a", BUY, Decimal("0.0100"), Decimal("8999950"), Decimal("89.9995"))
    }


def test_an_order_decided_under_a_kill_is_counted(tmp_path: Path) -> None:
    """Also when a breaker killed, which leaves a notice and no event, and also after a restart."""
    killed = Notify(2, "emergency", "killed", "max_drawdown_exceeded (by breaker)")
    write_journal(tmp_path, [killed, ("session", session_body()), place("ztb-a"), place("ztb-b")])
    assert journal_facts.read(tmp_path).places_while_killed == 2


def test_a_fill_that_no_order_explains_has_no_side(tmp_path: Path) -> None:
    write_journal(tmp_path, [("session", session_body()), fill("ztb-x", "7")])
    assert journal_facts.read(tmp_path).fill_facts()["7"].side == 0


def test_a_fill_that_was_told_twice_counts_once(tmp_path: Path) -> None:
    write_journal(tmp_path, [("session", session_body()), place("ztb-a"), fill("ztb-a", "7"), fill("ztb-a", "7")])
    assert list(journal_facts.read(tmp_path).fill_facts()) == ["7"]


def test_signals_by_what_became_of_them(tmp_path: Path) -> None:
    rows = [
        (1, "btc_jpy", 0, "no_crossing", (1, 2), ""),
        (2, "btc_jpy", BUY, "crossing_up", (1, 2), "ztb-a"),
        (3, "btc_jpy", SELL, "crossing_down", (1, 2), "killed"),
        (4, "btc_jpy", BUY, "crossing_up", (1, 2), "killed"),
    ]
    write_journal(tmp_path, [("decisions", encode_decisions(rows))])
    facts = journal_facts.read(tmp_path)
    assert (facts.decisions, facts.signals) == (4, 3)
    assert dict(facts.outcomes) == {"order": 1, "killed": 2}
    lines = [json.loads(line) for line in journal_facts.decision_lines(tmp_path)]
    assert [line["outcome"] for line in lines] == ["", "ztb-a", "killed", "killed"]
    assert lines[0] == {
        "ts_ns": 1, "instrument": "btc_jpy", "action": 0, "reason": "no_crossing", "inputs": [1, 2], "outcome": "",
    }  # fmt: skip


def test_the_error_rate_is_that_of_all_sessions(tmp_path: Path) -> None:
    """Two sessions: 10 calls with 1 error and 1 refusal for the rate, then 30 calls with 2 errors: 4 of 40."""
    write_journal(tmp_path, [
        measurement(market_events=5, api_calls=4),
        measurement(market_events=9, api_calls=10, api_errors=1, api_throttled=1, feed_losses=1),
        measurement(market_events=2, api_calls=20, api_errors=2),
        measurement(market_events=8, api_calls=30, api_errors=2, feed_losses=3),
    ])  # fmt: skip
    facts = journal_facts.read(tmp_path)
    assert facts.error_percent() == pytest.approx(10.0)
    assert facts.last("feed_losses") == 3


def test_what_was_not_measured_is_not_zero(tmp_path: Path) -> None:
    write_journal(tmp_path, [place("ztb-a")])
    facts = journal_facts.read(tmp_path)
    assert facts.error_percent() is None
    assert facts.last("market_events") is None
    assert facts.fill_facts() == {}


def test_no_journal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal"):
        journal_facts.read(tmp_path)
    assert journal_facts.decision_lines(tmp_path) == []


def test_a_changed_record_is_found(tmp_path: Path) -> None:
    path = write_journal(tmp_path, [place("ztb-a"), place("ztb-b")])
    with closing(apsw.Connection(str(path))) as connection:
        for (trigger,) in list(connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
            connection.execute(f"DROP TRIGGER {trigger}")
        changed = "CAST(replace(body, 'crossing_up', 'crossing_xx') AS BLOB)"
        connection.execute(f"UPDATE journal SET body = {changed} WHERE seq = 2")
    report = journal_facts.chain(tmp_path)
    assert (report.ok, report.first_bad_seq) == (False, 2)
    with pytest.raises(StoreCorrupt):
        journal_facts.read(tmp_path)

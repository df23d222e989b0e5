"""Answers that get lost, a stream that repeats itself, and a SIGKILL in the middle, at every venue, as real processes.

The judge is the exchange's own book: no order twice, no fill missing or double, the ledger equal to the last unit.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tests.service.processes import PATIENCE_S, Exchange, Trader, exchange, setting, trader
from tests.service.tapes import plug_in
from tests.soak.market import BTC_JPY, write_market
from tests.soak.policy import SOURCE
from ztb.core.command import Place
from ztb.core.event import OrderFilled
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

SYMBOLS = {"zaif": "btc_jpy", "gmo": "BTC", "coinbase": "BTC-JPY"}
MOODS = {
    "accept_then_502": 0.15, "accept_then_reset": 0.1, "duplicate_events": 0.2, "reordered_events": 0.2,
    "tiny_fills": 0.1, "late_fill_after_cancel": 0.1,
}  # fmt: skip
SIGN = {"buy": 1, "sell": -1}


def wait_for_unknown(running: Trader, count: int) -> None:
    """Until so many answers were lost."""
    deadline = time.monotonic() + 2 * PATIENCE_S
    while running.events().count("order_unknown") < count:
        assert running.process.poll() is None, running.text()
        assert time.monotonic() < deadline, running.text()
        time.sleep(0.05)


def booked(journal: Path) -> tuple[list[tuple[int, int, int]], int]:
    """Every fill in the journal (side, lots, price), and how many orders stand there."""
    sides: dict[str, int] = {}
    fills: list[tuple[int, int, int]] = []
    with closing(JournalReader(journal)) as reader:
        for record in reader.read(kinds={"place", "order_filled"}):
            item = decode(record.kind, record.body)
            if isinstance(item, Place):
                assert item.client_id not in sides
                sides[item.client_id] = item.side
            elif isinstance(item, OrderFilled):
                fills.append((sides[item.client_id], item.lots, item.price))
    return fills, len(sides)


def traded(venue: Exchange) -> list[tuple[int, int, int]]:
    """The same from the exchange's book."""
    prices, sizes = BTC_JPY.prices, BTC_JPY.sizes
    return [
        (SIGN[fill["side"]], sizes.parse(fill["amount"]), prices.parse(fill["price"])) for fill in venue.book()["fills"]
    ]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", SYMBOLS)
def test_books_are_those_of_the_exchange_whatever_gets_lost(name: str, tmp_path: Path) -> None:
    tape = write_market(tmp_path / "walk.tape", seed=5, seconds=600)
    words = setting(
        policy__name="dice", policy__parameters__seed=3, venue__name=name, venue__instrument=SYMBOLS[name],
        sizing__order_size="0.0010", limits__order_size_max="0.0010", limits__position_max="0.0030",
        limits__orders_per_minute_max=600, limits__open_orders_max=20, limits__order_ttl_seconds=4,
        limits__daily_loss_max=900000, limits__drawdown_max_pct=90, limits__position_notional_max=900000,
        service__reconcile_seconds=20,
    )  # fmt: skip
    environ = plug_in(tmp_path / "package", "dice", SOURCE)
    with exchange(tmp_path / "exchange", venue=name, tape=str(tape), time_scale=20.0) as venue:
        known = set(venue.get("/_sim/mood")["known"])
        with trader(venue, tmp_path / "trader", *words, environ=environ) as first:
            first.wait_for("ready")
            for mood, probability in MOODS.items():
                if mood in known:
                    venue.mood(name=mood, probability=probability, seed=4)
            wait_for_unknown(first, 2)
            first.kill()
        with trader(venue, tmp_path / "trader", *words, environ=environ) as second:
            second.wait_for("ready")
            wait_for_unknown(second, 2)
            venue.mood(name="all", off=True)
            second.wait_for_status(lambda status: status["orders"]["unknown"] == 0)
            assert second.stop()[0] == 0, second.text()
            status = second.status()
        assert status["orders"] == {"working": 0, "unknown": 0}
        ours, orders = booked(second.state_dir / JOURNAL_NAME)
        theirs = traded(venue)
        book = venue.book()
        received = venue.get("/_sim/book")["calls"]
    assert Counter(ours) == Counter(theirs)
    position = sum(side * lots for side, lots, _ in theirs)
    assert Decimal(status["instruments"][SYMBOLS[name]]["position"]) == position * BTC_JPY.lot_size
    assert book["orders"] == []
    # Never more orders at the exchange than in the journal: none was sent twice.
    assert (
        0 < sum(call.get("order_id") not in (None, 0) for call in received if "cancel" not in call["method"]) <= orders
    )

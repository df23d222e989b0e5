"""A whole trader on a whole exchange, as two processes: it starts, trades, stops, and keeps to what it was told."""

from __future__ import annotations

import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.service.processes import BUSY, Exchange, exchange, net, setting, trader
from tests.service.tapes import ONLY_BUYS, plug_in, thin_market
from ztb.core.event import OrderDurable, OrderSent
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

RESTING = setting(policy__name="bull", sizing__order_size="0.0010", limits__open_orders_max=1)
"""On a thin market: one order that takes what is offered, and whose rest works."""


def test_it_gets_ready_trades_stops_in_time_and_its_books_are_those_of_the_exchange(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        ready = running.wait_for("ready")
        assert ready["text"] == "trading"
        running.wait_for("order_filled", 4)
        assert running.status()["ready"]
        code, seconds = running.stop()
        assert code == 0, running.text()
        assert seconds < 5
        status = running.status()
        book = venue.book()
        calls = venue.calls()
    assert (status["phase"], status["ready"]) == ("stopped", False)
    assert status["orders"] == {"working": 0, "unknown": 0}
    assert book["orders"] == []
    ours = status["instruments"]["btc_jpy"]
    assert (Decimal(ours["position"]), Decimal(ours["fees"])) == net(book["fills"])
    assert status["meter"]["orders_placed"] == len(calls)
    assert running.events()[-1] == "stopped"
    assert [line for line in running.lines() if "raw" in line] == []


def test_each_order_was_on_record_in_every_step_before_it_left(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        running.wait_for("order_filled", 3)
        assert running.stop()[0] == 0
        received = {call["params"]["comment"]: call["received_ns"] for call in venue.calls()}
    reader = JournalReader(running.state_dir / JOURNAL_NAME)
    steps: dict[str, list[tuple[str, int]]] = {}
    for record in reader.read(kinds={"place", "order_durable", "order_sent"}):
        item = decode(record.kind, record.body)
        steps.setdefault(getattr(item, "client_id", ""), []).append((record.kind, record.ts_ns))
        assert record.kind == "place" or isinstance(item, OrderDurable | OrderSent)
    reader.close()
    assert received.keys() <= steps.keys()
    for client_id, received_ns in received.items():
        assert [kind for kind, _ in steps[client_id]] == ["place", "order_durable", "order_sent"]
        assert steps[client_id][-1][1] <= received_ns


def test_observing_makes_no_private_call_at_all(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "t", *BUSY, "--observe") as running:
        assert "no way to send" in running.wait_for("ready")["text"]
        deadline = time.monotonic() + 20
        while running.status()["meter"]["signals"] < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running.status()["meter"]["signals"] >= 3
        assert running.stop()[0] == 0
        assert venue.status()["requests"] == {}
        assert venue.calls("") == []
    assert not (running.state_dir / "nonce").exists()


def test_working_orders_are_taken_back_when_it_stops(tmp_path: Path) -> None:
    tape = thin_market(tmp_path / "thin.tape")
    bull = plug_in(tmp_path / "plug", "bull", ONLY_BUYS)
    with (
        exchange(tmp_path / "exchange", tape=str(tape)) as venue,
        trader(venue, tmp_path / "t", *RESTING, environ=bull) as running,
    ):
        running.wait_for("order_filled")
        assert len(venue.book()["orders"]) == 1
        code, seconds = running.stop()
        assert code == 0, running.text()
        assert seconds < 5
        assert venue.book()["orders"] == []
        assert running.status()["orders"] == {"working": 0, "unknown": 0}
        assert "order_cancelled" in running.events()


def test_a_stop_that_leaves_orders_finds_them_again(tmp_path: Path) -> None:
    tape = thin_market(tmp_path / "thin.tape")
    words = [*RESTING, *setting(mode__stop_policy="leave", limits__order_ttl_seconds=86400)]
    bull = plug_in(tmp_path / "plug", "bull", ONLY_BUYS)
    with exchange(tmp_path / "exchange", tape=str(tape)) as venue:
        with trader(venue, tmp_path / "t", *words, environ=bull) as running:
            running.wait_for("order_filled")
            [left] = venue.book()["orders"]
            assert running.stop()[0] == 0
        assert [order["order_id"] for order in venue.book()["orders"]] == [left["order_id"]]
        with trader(venue, tmp_path / "t", *words, environ=bull) as again:
            again.wait_for("ready")
            status = again.status()
            assert status["orders"] == {"working": 1, "unknown": 0}
            assert status["instruments"]["btc_jpy"]["position"] == "0.0001"
            assert again.stop()[0] == 0
        assert [order["order_id"] for order in venue.book()["orders"]] == [left["order_id"]]
        assert len({call["params"]["comment"] for call in venue.calls()}) == len(venue.calls())


def test_an_order_of_unknown_fate_is_found_and_taken_back_when_it_stops(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange", time_scale=1.0) as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        running.wait_for("ready")
        venue.mood(name="accept_then_502", methods=["trade"])
        running.wait_for("order_unknown")
        code, seconds = running.stop()
        assert code == 0, running.text()
        assert seconds < 5
        assert venue.book()["orders"] == []


@pytest.mark.parametrize(
    "mood",
    [
        {"name": "slow", "ms": 200_000},
        {"name": "accept_then_hang"},
        {"name": "accept_then_reset"},
    ],
    ids=lambda mood: str(mood["name"]),
)
def test_a_stop_takes_less_than_five_seconds_whatever_the_venue_does(mood: dict[str, object], tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        running.wait_for("order_filled", 1)
        venue.mood(**mood)
        venue.wait_until_struck(str(mood["name"]))
        code, seconds = running.stop()
        assert code == 0, running.text()
        assert seconds < 5


def test_a_second_sigterm_does_not_wait_for_the_venue(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        running.wait_for("order_filled", 1)
        venue.mood(name="slow", ms=200_000)
        venue.wait_until_struck("slow")
        running.signal(signal.SIGTERM)
        running.wait_for("stopping")
        running.signal(signal.SIGTERM)
        assert running.wait() == 0
        assert running.events()[-1] == "stopped"


@pytest.mark.parametrize("after_s", [0.15, 0.3, 0.4, 0.5, 0.6])
def test_a_sigterm_while_it_starts_ends_it_cleanly(after_s: float, tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        time.sleep(after_s)
        running.signal(signal.SIGTERM)
        code = running.wait()
        # Before Python itself is up nobody listens, and nothing has begun.
        assert code in (0, -signal.SIGTERM), running.text()
        assert [line for line in running.lines() if "raw" in line] == []
        if code != 0:
            assert running.events() == []
        # A fast machine may have come as far as trading by then: what counts is that nothing is left behind.
        assert venue.book()["orders"] == []


def test_a_stop_is_heard_while_the_venue_does_not_answer_at_the_start(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        venue.mood(name="slow", ms=400_000, methods=["trade_history"])
        with trader(venue, tmp_path / "trader", *BUSY) as running:
            running.wait_for("recovered")
            code, seconds = running.stop()
            assert code == 0, running.text()
            assert seconds < 5
            assert "ready" not in running.events()


def test_a_venue_that_is_not_there_ends_it_with_the_venues_exit_code(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        gone = Exchange(tmp_path / "gone")
        gone.stop()
        with trader(venue, tmp_path / "trader", "--simulator-url", gone.url) as running:
            assert running.wait() == 69
            assert running.events().count("venue_not_ready") > 1
            assert "Traceback" not in running.text()
            assert "no connection" in running.text()


def test_a_venue_that_goes_away_is_no_end_and_nothing_is_sent_blindly(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        running.wait_for("order_filled", 1)
        venue.stop()
        running.wait_for("feed_down")
        code, seconds = running.stop()
        assert code == 0, running.text()
        assert seconds < 5


def test_a_key_that_the_venue_refuses_ends_it(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        venue.account.key_file.write_text("0" * 32)
        with trader(venue, tmp_path / "trader", *BUSY) as running:
            assert running.wait() == 69
            assert "no data found for the key" in running.text()
            assert "Traceback" not in running.text()


def test_answers_in_odd_forms_are_the_same_answers(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        for mood in ("exponent_numbers", "reordered_maps", "null_ticker"):
            venue.mood(name=mood)
        running.wait_for("order_filled", 4)
        assert running.stop()[0] == 0
        ours = running.status()["instruments"]["btc_jpy"]
        assert (Decimal(ours["position"]), Decimal(ours["fees"])) == net(venue.book()["fills"])


def test_a_stream_that_drops_comes_back_and_trading_goes_on(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "trader", *BUSY) as running:
        running.wait_for("order_filled")
        venue.mood(name="stream_drop", count=1)
        running.wait_for("feed_down")
        running.wait_for("feed_up", 2)
        running.wait_for("order_filled", running.events().count("order_filled") + 1)
        assert running.stop()[0] == 0
        assert running.status()["meter"]["feed_losses"] == 1

"""Kill and resume, through every door that an operator has, and across restarts."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.processes import BUSY, Exchange, Trader, exchange, setting, trader
from tests.service.tapes import ONLY_BUYS, plug_in, thin_market
from ztb.core.command import Notify
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader


def by_file(running: Trader) -> None:
    running.operator_file("kill", "by file\n")


def by_signal(running: Trader) -> None:
    running.signal(signal.SIGUSR1)


def notices(running: Trader) -> list[str]:
    """Codes of every notice on record."""
    reader = JournalReader(running.state_dir / JOURNAL_NAME)
    found = [decode(record.kind, record.body) for record in reader.read(kinds={"notify"})]
    reader.close()
    return [notice.code for notice in found if isinstance(notice, Notify)]


def orders_within(venue: Exchange, seconds: float) -> int:
    """Orders that the exchange receives from now on."""
    before = len(venue.calls())
    time.sleep(seconds)
    return len(venue.calls()) - before


@pytest.mark.parametrize(("kill", "source"), [(by_file, "kill file"), (by_signal, "signal")], ids=["file", "signal"])
def test_a_kill_latches_survives_a_restart_and_is_lifted_by_a_reason_only(
    kill: Callable[[Trader], None], source: str, tmp_path: Path
) -> None:
    with exchange(tmp_path / "exchange") as venue:
        with trader(venue, tmp_path / "t", *BUSY) as running:
            running.wait_for("order_filled", 2)
            kill(running)
            running.wait_for("killed")
            sent = running.events().count("order_accepted")
            assert orders_within(venue, 1.0) == 0
            assert running.events().count("order_accepted") <= sent + 1  # the answer to one that had left before
            assert venue.book()["orders"] == []
            assert running.stop()[0] == 0
            assert running.status()["kill"]["source"] == source
        (running.runtime_dir / "operator" / "kill").unlink(missing_ok=True)
        with trader(venue, tmp_path / "t", *BUSY) as again:
            again.wait_for("ready")
            assert again.wait_for("recovered")["killed"] is True
            assert again.status()["kill"] == {**running.status()["kill"], "on": True}
            assert orders_within(venue, 0.7) == 0
            again.operator_file("resume", "")
            assert "needs a reason" in again.wait_for("resume_refused")["text"]
            assert orders_within(venue, 0.3) == 0
            again.operator_file("resume", "all is well\n")
            again.wait_for("resumed")
            again.wait_for("order_accepted")
            assert again.status()["level"] in ("normal", "killed")  # the status is half a second behind
            assert again.stop()[0] == 0
        assert notices(again).count("killed") == 1
        assert notices(again).count("resumed") == 1


def test_a_kill_takes_working_orders_back(tmp_path: Path) -> None:
    tape = thin_market(tmp_path / "thin.tape")
    bull = plug_in(tmp_path / "plug", "bull", ONLY_BUYS)
    words = setting(policy__name="bull", sizing__order_size="0.0010", limits__order_ttl_seconds=86400)
    with (
        exchange(tmp_path / "exchange", tape=str(tape)) as venue,
        trader(venue, tmp_path / "t", *words, environ=bull) as running,
    ):
        running.wait_for("order_accepted", 2)
        running.operator_file("kill", "now")
        running.wait_for("order_cancelled", running.events().count("order_accepted"))
        assert venue.book()["orders"] == []
        assert running.process.poll() is None


def test_killed_from_the_environment_it_starts_and_sends_nothing(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        with trader(venue, tmp_path / "t", *BUSY, environ={"ZTB_KILL": "1"}) as running:
            running.wait_for("ready")
            assert "killed by environment" in running.status()["says"]
            assert orders_within(venue, 0.7) == 0
            running.kill()
        with trader(venue, tmp_path / "t", *BUSY) as again:
            again.wait_for("ready")
            assert again.status()["kill"]["on"] is True
            assert orders_within(venue, 0.5) == 0
        assert venue.calls() == []


def test_a_kill_file_that_lies_there_at_the_start_counts(tmp_path: Path) -> None:
    directory = tmp_path / "t" / "run" / "operator"
    directory.mkdir(parents=True, mode=0o700)
    directory.parent.chmod(0o700)
    (directory / "kill").write_text("before it began")
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "t", *BUSY) as running:
        running.wait_for("ready")
        assert running.status()["kill"]["reason"] == "before it began"
        assert orders_within(venue, 0.5) == 0
        running.operator_file("resume", "please")
        assert "kill file is still there" in running.wait_for("resume_refused")["text"]
        assert running.status()["kill"]["on"] is True


def test_a_resume_before_the_books_are_reconciled_is_refused(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        venue.mood(name="slow", ms=400_000, methods=["active_orders"])
        with trader(venue, tmp_path / "t", *BUSY, environ={"ZTB_KILL": "1"}) as running:
            running.wait_for("killed")
            running.operator_file("resume", "in a hurry")
            assert "not reconciled" in running.wait_for("resume_refused")["text"]
            assert running.status()["kill"]["on"] is True
            assert "ready" not in running.events()
        assert venue.calls() == []


def test_a_kill_while_it_starts_is_not_lost(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        venue.mood(name="slow", ms=10_000, methods=["trade_history"])
        with trader(venue, tmp_path / "t", *BUSY) as running:
            running.wait_for("recovered")
            running.signal(signal.SIGUSR1)
            running.wait_for("killed")
            running.wait_for("ready")
            assert running.status()["kill"]["source"] == "signal"
            assert running.stop()[0] == 0
        assert venue.calls() == []


def test_a_kill_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        venue.mood(name="slow", ms=400_000, methods=["trade_history"])
        with trader(venue, tmp_path / "t", *BUSY) as running:
            running.wait_for("recovered")
            running.signal(signal.SIGUSR1)
            time.sleep(0.2)
            assert running.stop()[0] == 0
            assert "ZTB_KILL=1" in running.wait_for("kill_not_latched")["text"]

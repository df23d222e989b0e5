"""What a trader does not start with, or does not go on with: each with its exit code, and no order on the way."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.service.processes import BUSY, exchange, setting, trader
from tests.service.tapes import ONLY_BUYS, plug_in, thin_market
from ztb.core.command import Notify
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

NO_TRACE = "Traceback"


def test_a_second_trader_on_the_same_state_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue, trader(venue, tmp_path / "one", *BUSY) as first:
        first.wait_for("ready")
        with trader(venue, tmp_path / "two", *BUSY, state_dir=first.state_dir) as second:
            assert second.wait() == 75
            assert f"process {first.process.pid} " in second.text()
            assert NO_TRACE not in second.text()
        first.wait_for("order_filled")
        assert first.stop()[0] == 0


def test_a_journal_with_a_broken_chain_is_refused_and_the_record_named(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        with trader(venue, tmp_path / "t", *BUSY) as running:
            running.wait_for("order_filled")
            assert running.stop()[0] == 0
        before = len(venue.calls())
        with closing(sqlite3.connect(running.state_dir / JOURNAL_NAME)) as database:
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {name}")  # whoever can write to the file can do that as well
            [(seq, body)] = database.execute("SELECT seq, body FROM journal WHERE kind = 'order_filled' LIMIT 1")
            database.execute("UPDATE journal SET body = ? WHERE seq = ?", (body.replace(b'"fee":', b'"fee":1'), seq))
            database.commit()
        with trader(venue, tmp_path / "t", *BUSY) as again:
            assert again.wait() == 65
            assert f"record {seq}" in again.text()
            assert NO_TRACE not in again.text()
        assert len(venue.calls()) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root to mount it")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("market", ["busy", "thin"])
def test_a_full_disk_lets_no_order_out_and_leaves_none_working(market: str, tmp_path: Path, small_disk: Path) -> None:
    tape = str(thin_market(tmp_path / "thin.tape")) if market == "thin" else "demo-btc_jpy.tape"
    state = small_disk / "state"
    policy = setting(policy__name="bull", sizing__order_size="0.0010") if market == "thin" else BUSY
    words = [*policy, *setting(limits__order_ttl_seconds=86400)]
    environ = plug_in(tmp_path / "plug", "bull", ONLY_BUYS)
    with exchange(tmp_path / "exchange", tape=tape) as venue:
        with trader(venue, tmp_path / "t", *words, environ=environ, state_dir=state) as running:
            running.wait_for("order_accepted", 2)
            if market == "thin":
                assert venue.book()["orders"]
            _fill(small_disk / "ballast")
            assert running.wait() == 74, running.text()
            assert NO_TRACE not in running.text()
            assert "session_failed" in running.events()
        received = {call["params"]["comment"] for call in venue.calls()}
        assert venue.book()["orders"] == []
        (small_disk / "ballast").unlink()
        reader = JournalReader(state / JOURNAL_NAME)
        places = {getattr(decode(r.kind, r.body), "client_id", "") for r in reader.read(kinds={"place"})}
        reader.close()
        assert received <= places
        with trader(venue, tmp_path / "t", *words, environ=environ, state_dir=state) as again:
            again.wait_for("ready")
            assert again.status()["orders"]["unknown"] == 0
            assert again.stop()[0] == 0
        assert {call["params"]["comment"] for call in venue.calls("trade")} >= received


def _fill(ballast: Path) -> None:
    """To the last byte."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_a_policy_that_does_not_exist_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        with trader(venue, tmp_path / "t", *setting(policy__name="martingale")) as running:
            assert running.wait() == 78
            assert re.search("buy_hold.*rsi_reversion.*sma_fast_slow", running.text())
            assert NO_TRACE not in running.text()
        assert not (running.state_dir / JOURNAL_NAME).exists()
        assert venue.status()["requests"] == {}


RAISES = """
from ztb.core.policy import Policy
class Theirs(Policy):
    name = "theirs"
    seen = 0
    def on_trade(self, trade, held_lots):
        self.seen += 1
        if self.seen > 20:
            raise RuntimeError("their database is gone")
"""
NONSENSE = RAISES.replace('raise RuntimeError("their database is gone")', 'return "buy everything"')
ENDLESS = RAISES.replace("RuntimeError", "RecursionError")


@pytest.mark.parametrize(
    ("source", "why"),
    [(RAISES, "RuntimeError: their database is gone"), (NONSENSE, "returned a str"), (ENDLESS, "RecursionError")],
    ids=["raises", "nonsense", "recursion"],
)
def test_a_policy_that_fails_is_suspended_and_the_trader_stays_up(source: str, why: str, tmp_path: Path) -> None:
    environ = plug_in(tmp_path / "plug", "theirs", source)
    with exchange(tmp_path / "exchange") as venue:
        with trader(venue, tmp_path / "t", *setting(policy__name="theirs"), environ=environ) as running:
            running.wait_for("policy_suspended")
            running.wait_for_status(lambda status: why in status["policy_suspended"])
            assert "the policy is suspended" in running.status()["says"]
            assert running.process.poll() is None
            assert running.stop()[0] == 0
        assert venue.calls() == []
    reader = JournalReader(running.state_dir / JOURNAL_NAME)
    found = [decode(record.kind, record.body) for record in reader.read(kinds={"notify"})]
    reader.close()
    [notice] = [notice for notice in found if isinstance(notice, Notify) and notice.code == "policy_suspended"]
    assert why in notice.text


SABOTEUR = """
import ztb.core.step as step
from ztb.core.instrument import BUY
from ztb.core.policy import Decision, Policy
class Theirs(Policy):
    name = "theirs"
    wishes = 0
    def on_trade(self, trade, held_lots):
        self.wishes += 1
        if self.wishes == 40:
            step.client_id_of = None
        return Decision(BUY, "more", (1,)) if self.wishes in (20, 40) else None
"""


def test_an_engine_that_fails_takes_its_orders_back_and_ends(tmp_path: Path) -> None:
    # Their code breaks ours from inside the process: the engine raises in the middle of a step.
    environ = plug_in(tmp_path / "plug", "theirs", SABOTEUR)
    words = setting(policy__name="theirs", sizing__order_size="0.0010")
    tape = thin_market(tmp_path / "thin.tape")
    with exchange(tmp_path / "exchange", tape=str(tape), time_scale=5.0) as venue:
        with trader(venue, tmp_path / "t", *words, environ=environ) as running:
            running.wait_for("order_accepted")
            assert len(venue.book()["orders"]) == 1
            assert running.wait() == 70, running.text()
            assert "session_failed" in running.events()
            assert running.events().count("direct_cancel") == 1
            assert NO_TRACE not in running.text()
        assert venue.book()["orders"] == []
        assert len(venue.calls()) == 1
        # What was taken back without the engine is found out at the next start.
        words = setting(mode__trading="reduce_only", service__absence_seconds=15)
        with trader(venue, tmp_path / "t", *words) as again:
            again.wait_for("ready")
            assert again.status()["orders"] == {"working": 0, "unknown": 0}
            assert again.status()["instruments"]["btc_jpy"]["position"] == "0.0001"
            assert again.stop()[0] == 0

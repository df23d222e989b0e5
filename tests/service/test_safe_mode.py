"""Three starts in a row that fail: the fourth stays up, holds the directory, sends nothing and says what to do (F-05).

Real processes on a real exchange; what fails is a journal that somebody damaged on the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.cli.command import clean_environ
from tests.service.processes import BUSY, PATIENCE_S, Exchange, Trader, exchange, trader
from ztb.core.error import StoreCorrupt, StoreLocked
from ztb.service.starts import FAILED_STARTS_MAX, STARTS_NAME
from ztb.store.database import JOURNAL_NAME


def damage(journal: Path) -> Path:
    """A journal that is none any more; what it was is kept beside it."""
    kept = journal.with_suffix(".kept")
    shutil.copyfile(journal, kept)
    with journal.open("r+b") as file:
        file.write(b"nobody can read this" * 50)
    return kept


def status_of(running: Trader, level: str) -> dict[str, Any]:
    """The status, as soon as this process says that it is at ``level``."""
    deadline = time.monotonic() + PATIENCE_S
    path = running.runtime_dir / "status.json"
    while True:
        plain: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        if plain.get("pid") == running.process.pid and plain["level"] == level:
            return plain
        assert time.monotonic() < deadline, running.text()
        assert running.process.poll() is None, running.text()
        time.sleep(0.02)


def fail_three_times(venue: Exchange, directory: Path) -> Path:
    """A trader that was well, and then cannot start; gives the journal as it was."""
    with trader(venue, directory, *BUSY) as well:
        well.wait_for("order_filled")
        assert well.stop()[0] == 0
    kept = damage(well.state_dir / JOURNAL_NAME)
    for number in range(1, FAILED_STARTS_MAX + 1):
        with trader(venue, directory, *BUSY) as broken:
            assert broken.wait() == StoreCorrupt.exit_code, broken.text()
        failed = json.loads((broken.state_dir / STARTS_NAME).read_text())["failed"]
        assert [one["exit_code"] for one in failed] == [StoreCorrupt.exit_code] * number
    return kept


def command(name: str, running: Trader, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "ztb", name, "--profile", "demo",
            "--state-dir", str(running.state_dir), "--runtime-dir", str(running.runtime_dir), *words,
        ],
        capture_output=True, text=True, timeout=PATIENCE_S, env=clean_environ(), check=False,
    )  # fmt: skip


def test_the_fourth_start_stays_up_says_why_and_sends_nothing(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        fail_three_times(venue, tmp_path / "trader")
        asked = venue.status()["requests"]
        with trader(venue, tmp_path / "trader", *BUSY) as safe:
            status = status_of(safe, "safe")
            assert status["ready"] is False
            assert status["phase"] == "safe"
            assert status["says"].startswith("safe mode: 3 starts in a row failed")
            assert JOURNAL_NAME in status["says"]
            assert "ztb resume" in status["says"]
            assert len(status["failed_starts"]) == FAILED_STARTS_MAX
            shown = command("status", safe)
            assert shown.returncode == 0, shown.stderr
            assert "safe mode" in shown.stdout
            asked_to_pause = command("pause", safe, "--minutes", "5", "--reason", "x")
            assert asked_to_pause.returncode == 69
            assert "is in safe mode: it has no engine and sends nothing; nothing was changed" in asked_to_pause.stderr
            # The directory is held: no second trader starts there.
            with trader(venue, tmp_path / "second", *BUSY, state_dir=safe.state_dir) as second:
                assert second.wait() == StoreLocked.exit_code
            assert venue.status()["requests"] == asked
            code, _ = safe.stop()
            assert code == 0, safe.text()
        # Ended in order it is as it was: the next start does not try by itself either.
        with trader(venue, tmp_path / "trader", *BUSY) as again:
            status_of(again, "safe")
            again.signal(signal.SIGINT)
            assert again.wait() == 0


def test_an_operator_resumes_and_it_starts_again(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        kept = fail_three_times(venue, tmp_path / "trader")
        with trader(venue, tmp_path / "trader", *BUSY) as safe:
            status_of(safe, "safe")
            shutil.copyfile(kept, safe.state_dir / JOURNAL_NAME)
            resumed = command("resume", safe, "--reason", "the journal is back")
            assert resumed.returncode == 0, resumed.stdout + resumed.stderr
            assert safe.wait_for("ready")["text"] == "trading"
            assert json.loads((safe.state_dir / STARTS_NAME).read_text()) == {"failed": []}
            left = next(line for line in safe.lines() if line.get("event") == "safe_mode_left")
            assert "the journal is back" in left["text"]
            assert safe.stop()[0] == 0


def test_a_kill_that_comes_in_safe_mode_is_what_the_next_start_begins_with(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        kept = fail_three_times(venue, tmp_path / "trader")
        with trader(venue, tmp_path / "trader", *BUSY) as safe:
            status_of(safe, "safe")
            safe.signal(signal.SIGUSR1)
            safe.wait_for("kill_kept")
            shutil.copyfile(kept, safe.state_dir / JOURNAL_NAME)
            sent = len(venue.calls())
            resumed = command("resume", safe, "--reason", "go on")
            assert resumed.returncode == 0, resumed.stdout + resumed.stderr
            assert "leaves safe mode and starts again\n  its kill latch stays on" in resumed.stdout
            safe.wait_for("ready")
            status = status_of(safe, "killed")
            assert status["kill"]["source"] == "signal"
            assert len(venue.calls()) == sent
            assert safe.stop()[0] == 0


def test_systemd_is_told_so_that_it_does_not_start_it_over_and_over(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        fail_three_times(venue, tmp_path / "trader")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
        with trader(venue, tmp_path / "trader", *BUSY, environ=environ) as safe:
            told = ""
            while "WATCHDOG=1" not in told:
                told += listening.recv(65_536).decode() + "\n"
            assert "READY=1\nSTATUS=safe mode: 3 starts in a row failed" in told
            assert safe.stop()[0] == 0
        listening.close()


def test_what_the_operator_has_to_put_right_first_does_not_count(tmp_path: Path) -> None:
    with exchange(tmp_path / "exchange") as venue:
        for _ in range(FAILED_STARTS_MAX + 1):
            with trader(venue, tmp_path / "trader", "--set", "venue.instrument=no_such_pair") as broken:
                assert broken.wait() == 78, broken.text()
        missing = ("--set", f"credentials.key_file={tmp_path / 'nowhere'}")
        for _ in range(FAILED_STARTS_MAX + 1):
            with trader(venue, tmp_path / "trader", *missing) as broken:
                assert broken.wait() == 77, broken.text()
        with trader(venue, tmp_path / "trader", *BUSY) as well:
            well.wait_for("ready")
            os.kill(well.process.pid, signal.SIGTERM)
            assert well.wait() == 0

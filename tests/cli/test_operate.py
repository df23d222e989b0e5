"""``ztb kill``, ``ztb resume`` and ``ztb status`` beside a real trader: one that runs, hangs, died, or never was."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Outcome, clean_environ, ztb
from tests.e2e.product import BUSY, Trader, body, exchange, records, trader, wait_until

REASON = "価格 looks wrong, 100 % sure"


def data_of(outcome: Outcome) -> dict[str, Any]:
    document = json.loads(outcome.stdout)
    assert document["exit_code"] == outcome.exit_code
    assert document["success"] == (outcome.exit_code == 0)
    data: dict[str, Any] = document["data"]
    return data


@pytest.fixture
def nobody(tmp_path: Path) -> tuple[str, ...]:
    """The options of a place where no trader ever was."""
    return ("--state-dir", str(tmp_path / "state"), "--runtime-dir", str(tmp_path / "run"))


# --- without a trader -------------------------------------------------------------------------------------------------


def test_status_without_a_trader_says_that_none_runs(nobody: tuple[str, ...], tmp_path: Path) -> None:
    outcome = ztb("status", *nobody)
    assert outcome.exit_code == 69
    assert f"no trader of profile demo runs: there is no status in {tmp_path / 'run'}" in outcome.stderr
    assert "ztb run --profile demo" in outcome.stderr
    document = json.loads(ztb("status", *nobody, "--json").stdout)
    assert document["errors"][0]["code"] == "not_running"
    assert not (tmp_path / "run").exists()


def test_resume_without_a_trader_changes_nothing(nobody: tuple[str, ...], tmp_path: Path) -> None:
    ztb("kill", "--reason", "drill", *nobody)
    outcome = ztb("resume", "--reason", "over", *nobody)
    assert outcome.exit_code == 69
    assert "nothing was changed" in outcome.stderr
    assert sorted(path.name for path in (tmp_path / "run" / "operator").iterdir()) == ["kill"]


def test_a_kill_without_a_trader_waits_for_the_next_one(nobody: tuple[str, ...], tmp_path: Path) -> None:
    outcome = ztb("kill", "--reason", REASON, *nobody)
    path = tmp_path / "run" / "operator" / "kill"
    assert outcome.exit_code == 3
    assert outcome.stdout == (
        f"no trader of profile demo runs; {path} stays there, so the next one is killed as it starts\n"
    )
    assert path.read_text() == f"{REASON}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.parent.stat().st_mode & 0o777 == 0o700
    data = data_of(ztb("kill", "--reason", "again", *nobody, "--json"))
    assert (data["running"], data["confirmed"], data["pid"], data["kill_file"]) == (False, False, None, str(path))
    assert [entry.name for entry in path.parent.iterdir()] == ["kill"]
    assert "a kill file that waits" in ztb("status", *nobody).stderr


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\x1b[31m", "x" * 401, "価" * 134])
@pytest.mark.parametrize("noun", ["kill", "resume"])
def test_a_reason_that_the_journal_could_not_hold(
    noun: str, reason: str, nobody: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = ztb(noun, "--reason", reason, *nobody)
    assert outcome.exit_code == 2
    assert "--reason is " in outcome.stderr
    assert "one line of printable text" in outcome.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("noun", ["kill", "resume"])
def test_a_reason_is_required(noun: str, nobody: tuple[str, ...]) -> None:
    outcome = ztb(noun, *nobody)
    assert outcome.exit_code == 2
    assert "--reason" in outcome.stderr


def test_an_unknown_profile_is_an_error_and_leaves_no_kill_file(tmp_path: Path) -> None:
    environ = clean_environ(RUNTIME_DIRECTORY=str(tmp_path / "run"), STATE_DIRECTORY=str(tmp_path / "state"))
    outcome = ztb("kill", "--profile", "dmeo", "--reason", "typing error", environ=environ)
    assert outcome.exit_code == 78
    assert "there is no profile 'dmeo'" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_profile_that_became_unsound_does_not_stop_a_kill(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "demo.toml").write_text("kind = [broken\n")
    environ = clean_environ(RUNTIME_DIRECTORY=str(tmp_path / "run"), STATE_DIRECTORY=str(tmp_path / "state"))
    outcome = ztb("kill", "--config-dir", tmp_path, "--reason", "still works", environ=environ)
    assert outcome.exit_code == 3
    assert (tmp_path / "run" / "demo" / "operator" / "kill").read_text() == "still works\n"
    assert "the profile is not sound" in outcome.stderr
    assert "demo.toml" in outcome.stderr


def test_a_runtime_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    outcome = ztb("kill", "--reason", "x", "--runtime-dir", tmp_path / "file")
    assert outcome.exit_code == 78
    assert f"{tmp_path / 'file'}" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert (tmp_path / "file").read_text() == "precious"


def _is_open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not _is_open_to_all(Path(sys.executable).resolve()), reason="this Python is in a private directory")
@pytest.mark.parametrize(("noun", "exit_code"), [("kill", 77), ("resume", 65), ("status", 65)])
def test_another_user_is_told_whose_it_is(noun: str, exit_code: int, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run" / "status.json").write_text("{}")
    words = [] if noun == "status" else ["--reason", "not mine"]
    done = subprocess.run(
        [sys.executable, "-m", "ztb", noun, *words, "--runtime-dir", str(tmp_path / "run")],
        user=65_534, capture_output=True, text=True, env=clean_environ(), timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == exit_code, done.stderr
    assert "run the command as the trader's own user" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["status.json"]


# --- status files of other kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe", b'{"pid": 1}'])
def test_a_damaged_status_is_never_taken_for_news(content: bytes, nobody: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    path = tmp_path / "run" / "status.json"
    path.write_bytes(content)
    outcome = ztb("status", *nobody)
    assert outcome.exit_code == 65
    assert f"{path} is no status of a trader" in outcome.stderr
    assert "remedy" in outcome.stderr
    outcome = ztb("kill", "--reason", "all the same", *nobody)
    assert outcome.exit_code == 1
    assert "NOT CONFIRMED" in outcome.stdout
    assert (tmp_path / "run" / "operator" / "kill").read_text() == "all the same\n"
    assert path.read_bytes() == content


def test_another_process_with_the_old_pid_is_no_trader(running: Trader, tmp_path: Path) -> None:
    """The status is of yesterday, the PID is now that of a process that began today."""
    document = running.status() | {"pid": os.getpid(), "phase": "running"}
    (tmp_path / "run").mkdir(mode=0o700)
    path = tmp_path / "run" / "status.json"
    path.write_text(json.dumps(document))
    day_ago_s = time.time() - 86_400
    os.utime(path, (day_ago_s, day_ago_s))
    outcome = ztb("status", "--runtime-dir", tmp_path / "run")
    assert outcome.exit_code == 69
    assert "ended without saying so" in outcome.stdout


# --- beside one that runs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trader]:
    """One trader for the tests that leave it as it was."""
    with trader(tmp_path_factory.mktemp("operate") / "shared", *BUSY) as ready:
        ready.wait_orders(1)
        yield ready


def test_status_tells_what_the_trader_does(running: Trader) -> None:
    outcome = ztb("status", *running.places)
    assert outcome.exit_code == 0, outcome.stdout
    assert outcome.stdout.startswith("profile demo: trading\n")
    assert f"PID {running.process.pid}, running, ready, level normal, armed" in outcome.stdout
    assert str(running.state_dir) in outcome.stdout
    data = data_of(ztb("status", *running.places, "--json"))
    assert (data["running"], data["stale"], data["kill_file"]) == (True, False, False)
    assert data["age_ms"] <= 2_000
    assert data["status"]["pid"] == running.process.pid
    # What people read is what the file says, of the same moment or of one half a second later.
    details = outcome.stdout.replace("\n" + 15 * " ", " ").splitlines()[1:]
    shown = dict(line.split(maxsplit=1) for line in details)
    assert set(shown) == {
        "trader", "venue", "reported", "btc_jpy", "equity", "profit", "orders", "limits", "clock", "journal", "build",
    }  # fmt: skip
    assert shown["build"].endswith(data["status"]["config"][:12])


def test_kill_and_resume_are_confirmed_by_the_trader_and_stand_in_its_journal(running: Trader) -> None:
    outcome = ztb("kill", "--reason", REASON, *running.places)
    assert outcome.exit_code == 0, outcome.stdout
    assert f"killed: the trader of profile demo (PID {running.process.pid}) confirmed after " in outcome.stdout
    assert f"kill file: {REASON}" in outcome.stdout
    status = running.status()
    assert status["kill"] == {"on": True, "source": "kill file", "reason": REASON}
    shown = ztb("status", *running.places).stdout
    assert shown.startswith("profile demo: killed by kill file")
    assert "  kill file" in shown

    again = data_of(ztb("kill", "--reason", "once more", *running.places, "--json"))
    assert (again["confirmed"], again["running"], again["pid"]) == (True, True, running.process.pid)
    assert running.status()["kill"]["reason"] == REASON, "the first reason stays"

    kills = records(running.state_dir, "kill")
    assert [body(kill)["reason"] for kill in kills] == [REASON]
    decided = running.status()["meter"]["signals"]
    running.wait(lambda: running.status()["meter"]["signals"] >= decided + 2, "signals that are refused")
    assert [place.seq for place in records(running.state_dir, "place", "order_sent") if place.seq > kills[0].seq] == []

    outcome = ztb("resume", "--reason", "it was a drill", *running.places)
    assert outcome.exit_code == 0, outcome.stdout
    assert outcome.stdout.startswith(f"resumed: the trader of profile demo (PID {running.process.pid})")
    assert not (running.runtime_dir / "operator" / "kill").exists()
    assert [body(record)["reason"] for record in records(running.state_dir, "resume")] == ["it was a drill"]
    assert running.status()["kill"]["on"] is False
    lifted = 0
    while not (outcome := ztb("resume", "--reason", "once more", *running.places)).stdout.startswith("nothing"):
        # The conservative limits let the instrument cool down after a loss.
        assert "lifted: the pause of btc_jpy" in outcome.stdout
        lifted += 1
        assert lifted <= 3, outcome.stdout
    assert (outcome.exit_code, outcome.stdout) == (
        0,
        "nothing to resume: trading; within the conservative limits that a kill left; `ztb risk profile configured` "
        "ends them\n",
    )
    assert len(records(running.state_dir, "resume")) == 1 + lifted


@pytest.mark.parametrize("reason", ["x" * 400, "価" * 133])
def test_the_longest_reason_stands_whole_in_the_journal(reason: str, running: Trader) -> None:
    assert ztb("kill", "--reason", reason, *running.places).exit_code == 0
    assert ztb("resume", "--reason", reason, *running.places).exit_code == 0
    assert body(records(running.state_dir, "kill")[-1])["reason"] == reason
    assert body(records(running.state_dir, "resume")[-1])["reason"] == reason


def test_the_signal_is_the_second_way_when_no_file_can_be_laid(running: Trader) -> None:
    operator = running.runtime_dir / "operator"
    shutil.rmtree(operator)
    operator.write_text("in the way")
    try:
        outcome = ztb("kill", "--reason", "disk is broken", *running.places)
    finally:
        operator.unlink()
        operator.mkdir(mode=0o700)
    assert outcome.exit_code == 0, outcome.stdout + outcome.stderr
    assert "signal: SIGUSR1" in outcome.stdout
    assert "killed by signal, without the reason" in outcome.stderr
    assert ztb("resume", "--reason", "disk is well", *running.places).exit_code == 0


def test_the_directories_are_found_as_the_trader_found_them(tmp_path: Path) -> None:
    environ = clean_environ(RUNTIME_DIRECTORY=str(tmp_path / "run"), STATE_DIRECTORY=str(tmp_path / "state"))
    process = subprocess.Popen(
        [sys.executable, "-m", "ztb", "run", "--profile", "demo", "--time-scale", "20"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ,
    )  # fmt: skip
    try:
        wait_until(lambda: ztb("status", environ=environ).exit_code == 0 or process.poll() is not None, "a status")
        assert ztb("kill", "--reason", "found", environ=environ).exit_code == 0
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


# --- one that hangs, dies, stops, refuses -----------------------------------------------------------------------------


def test_a_trader_that_hangs_is_stale_and_confirms_nothing(tmp_path: Path) -> None:
    with trader(tmp_path / "t") as hanging:
        hanging.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: ztb("status", *hanging.places).exit_code != 0, "stale")
        outcome = ztb("status", *hanging.places)
        assert outcome.exit_code == 1
        assert outcome.stdout.startswith(f"STALE: PID {hanging.process.pid} lives, but has not reported for ")
        assert data_of(ztb("status", *hanging.places, "--json"))["stale"] is True

        outcome = ztb("kill", "--reason", "it hangs", *hanging.places)
        assert outcome.exit_code == 1
        assert outcome.stdout.startswith(f"NOT CONFIRMED: the trader (PID {hanging.process.pid})")
        assert f"kill -KILL {hanging.process.pid}" in outcome.stdout
        assert hanging.status()["kill"]["on"] is False

        hanging.process.send_signal(signal.SIGCONT)
        hanging.wait(lambda: hanging.status()["kill"]["on"], "the kill file counts as soon as it looks again")
        hanging.process.send_signal(signal.SIGSTOP)
        outcome = ztb("resume", "--reason", "too early", *hanging.places)
        assert outcome.exit_code == 1
        assert outcome.stdout.startswith("NOT ANSWERED")
        assert list((hanging.runtime_dir / "operator").iterdir()) == []
        before_ns = hanging.status()["updated_ns"]
        hanging.process.send_signal(signal.SIGCONT)
        hanging.wait(lambda: hanging.status()["updated_ns"] > before_ns, "a new report")
        assert hanging.status()["kill"]["on"] is True, "a wish that was taken back must not come true"


def test_one_that_died_is_told_from_one_that_stopped(tmp_path: Path) -> None:
    with trader(tmp_path / "t") as first:
        first.kill()
        outcome = ztb("status", *first.places)
        assert outcome.exit_code == 69
        assert outcome.stdout.startswith(f"no trader of profile demo runs: PID {first.process.pid} ended without")
        assert ztb("kill", "--reason", "it is dead", *first.places).exit_code == 3
    with trader(tmp_path / "t") as second:
        assert second.status()["kill"] == {"on": True, "source": "kill file", "reason": "it is dead"}
        assert ztb("resume", "--reason", "it lives", *second.places).exit_code == 0
        assert second.stop() == 0
        outcome = ztb("status", *second.places)
        assert outcome.exit_code == 69
        assert f"PID {second.process.pid} stopped in order" in outcome.stdout
        data = data_of(ztb("status", *second.places, "--json"))
        assert (data["running"], data["stale"], data["status"]["phase"]) == (False, False, "stopped")


def test_a_refusal_says_why_and_the_latch_stays(tmp_path: Path) -> None:
    """The exchange answers no private call any more, so nothing can be reconciled."""
    with exchange(tmp_path / "exchange") as venue:
        words = (*venue.words(), "--set", "service.reconcile_seconds=1")
        with trader(tmp_path / "t", *words) as refusing:
            venue.mood("reject_busy")
            refusing.wait(lambda: not refusing.status()["ready"], "no reconciliation any more")
            assert ztb("kill", "--reason", "the venue is gone", *refusing.places).exit_code == 0
            outcome = ztb("resume", "--reason", "I hope so", *refusing.places)
            assert outcome.exit_code == 1
            assert "REFUSED by the trader" in outcome.stdout
            assert "not reconciled with the venue" in outcome.stdout
            assert refusing.status()["kill"]["on"] is True
            data = data_of(ztb("resume", "--reason", "once more", *refusing.places, "--json"))
            assert data["resumed"] is False
            assert "not reconciled" in data["refusal"]

            venue.mood("all", off=True)
            refusing.wait(lambda: body(records(refusing.state_dir, "reconciled")[-1])["clean"], "reconciliation")
            outcome = ztb("resume", "--reason", "it is back", *refusing.places)
            assert outcome.exit_code == 0, outcome.stdout

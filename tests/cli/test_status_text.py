"""``ztb status`` to the letter, from status files of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ztb.cli.main import main
from ztb.cli.sighting import STALE_S

DESK = {
    "position": "0.0100", "average_price": "9000000", "last_price": "9005000", "data_age_ms": 1250,
    "realised": "-12.5000", "unrealised": "50.0000", "fees": "90.0000",
}  # fmt: skip

HANGING = 4 * " "
ROOMS = [
    {"name": "trade", "class": "exec", "calls": 9, "period_s": 10.0, "free": 2, "free_urgent": 4, "breaker": "closed"},
    {"name": "trade_history", "class": "private", "calls": 12, "period_s": 60.0, "free": 1, "free_urgent": 3,
     "breaker": "closed"},
]  # fmt: skip


def document(**changes: object) -> dict[str, Any]:
    """Of a trader that trades: this very process."""
    plain: dict[str, Any] = {
        "schema_version": "1.0.0",
        "updated_ns": 1,
        "profile": "demo",
        "mode": "simulator",
        "armed": True,
        "build": "0.1.0 (abc)",
        "config": "c0ffee" * 10,
        "phase": "running",
        "pid": os.getpid(),
        "state_dir": "/state",
        "time_scale": 1.0,
        "ready": True,
        "level": "normal",
        "says": "trading",
        "kill": {"on": False, "source": "", "reason": ""},
        "reduce_only": "",
        "pause_until_ns": 0,
        "policy_suspended": "",
        "session": {"install": "i", "epoch": 1, "sequence": 2},
        "instruments": {"btc_jpy": DESK},
        "equity": "999947.5000",
        "drawdown_ppm": 53,
        "orders": {"working": 1, "unknown": 2},
        "journal_seq": 77,
        "meter": {"orders_placed": 5, "orders_rejected": 3, "fills": 4},
    }
    return {**plain, **changes}


def shown(
    capsys: pytest.CaptureFixture[str], directory: Path, plain: dict[str, Any], *, age_s: float = 0.0
) -> tuple[int, list[str]]:
    """Exit code and lines of the command for a status that was written ``age_s`` ago."""
    path = directory / "status.json"
    path.write_text(json.dumps(plain))
    written_s = time.time() - age_s
    os.utime(path, (written_s, written_s))
    code = main(["status", "--runtime-dir", str(directory)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, unfolded(captured.out.splitlines())


def unfolded(lines: list[str]) -> list[str]:
    """One line for each fact; none of those shown is longer than 80 columns, unless one word is."""
    found: list[str] = []
    for line in lines:
        assert len(line) <= 80 or " " not in line.strip()
        if line.startswith(HANGING):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def test_all_of_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, lines = shown(capsys, tmp_path, document())
    assert code == 0
    assert lines.pop(3).startswith("  reported     0.")
    assert lines == [
        "profile demo: trading",
        f"  trader       PID {os.getpid()}, running, ready, level normal, armed",
        "  venue        simulator",
        "  btc_jpy      holds 0.0100 at 9000000, last 9005000 (1.2 s old then)",
        "  equity       999947.5000, 0.0053 % below its peak",
        "  profit       realised -12.5000, unrealised 50.0000, fees 90.0000",
        "  orders       1 working, 2 of unknown fate; since the start 5 placed, 3 rejected, 4 fills",
        "  unknown      looked up until their fate is known; nothing is opened there meanwhile",
        "  journal      record 77 in /state",
        "  build        0.1.0 (abc), configuration c0ffeec0ffee",
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"time_scale": 20.0}, "  venue        simulator, time x 20"),
        ({"venue": "gmo"}, "  venue        gmo (simulator)"),
        ({"venue": "gmo", "mode": "paper", "time_scale": 20.0}, "  venue        gmo (paper), time x 20"),
        ({"armed": False}, "  trader       PID {pid}, running, ready, level normal, not armed"),
        ({"ready": False}, "  trader       PID {pid}, running, not ready, level normal, armed"),
        ({"drawdown_ppm": 1_000_000}, "  equity       999947.5000, 100.0000 % below its peak"),
        ({"meter": {}}, "  orders       1 working, 2 of unknown fate; since the start ? placed, ? rejected, ? fills"),
        ({"kill": {"on": True, "source": "file", "reason": "drill"}}, "  kill         on, by file: drill"),
        ({"reduce_only": "profile"}, "  reduce-only  profile"),
        ({"policy_suspended": "ValueError: x"}, "  policy       suspended: ValueError: x"),
        ({"says": "a\x1b[2Jb"}, "profile demo: a\\x1b[2Jb"),
        (
            {"clock": {"offset_ms": -7, "uncertainty_ms": 30}},
            "  clock        7 ms ahead of the venue's, give or take 30 ms",
        ),
        ({"clock": {"offset_ms": 7, "uncertainty_ms": 0}}, "  clock        7 ms behind the venue's, give or take 0 ms"),
        ({"rate_limits": ROOMS}, "  limits       tightest trade_history, 1 of 12 calls free"),
        (
            {"rate_limits": [*ROOMS, {**ROOMS[0], "breaker": "open"}]},
            "  breaker      open for trade: no answers; only cancels and look-ups leave, trial calls begin within 60 s",
        ),
        (
            {"instruments": {"btc_jpy": {**DESK, "dust": "0.0001"}}},
            "  btc_jpy      holds 0.0100 at 9000000, last 9005000 (1.2 s old then); 0.0001 of it is dust, too small to "
            "be closed",
        ),
        (
            {"instruments": {"btc_jpy": {**DESK, "last_price": None, "data_age_ms": None}}},
            "  btc_jpy      holds 0.0100 at 9000000, no price yet",
        ),
    ],
)  # fmt: skip
def test_what_is_different_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: dict[str, Any], line: str
) -> None:
    line = line.format(pid=os.getpid())
    code, lines = shown(capsys, tmp_path, document(**change))
    assert code == 0
    assert line in lines
    assert line not in shown(capsys, tmp_path, document())[1]


def test_safe_mode_tells_every_failed_start_and_no_numbers_that_nobody_knows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # 2026-11-21 06:02:23 UTC is 1,795,240,943 s after the epoch.
    failed = [{"ts_ns": 1_795_240_943 * 10**9, "exit_code": 69, "text": "the venue answered no"}]
    safe = document(
        level="safe", phase="safe", ready=False, says="safe mode: look", failed_starts=failed, instruments={},
        equity="unknown", orders={"working": 0, "unknown": 0}, session=None,
    )  # fmt: skip
    code, lines = shown(capsys, tmp_path, safe)
    assert code == 0
    assert lines[0] == "profile demo: safe mode: look"
    assert "  failed start 2026-11-21 06:02:23 UTC, exit code 69: the venue answered no" in lines
    assert not [line for line in lines if line.split()[0] in ("equity", "profit", "orders")]


def test_two_instruments_are_told_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, lines = shown(capsys, tmp_path, document(instruments={"btc_jpy": DESK, "eth_jpy": {**DESK, "fees": "1.0000"}}))
    (profit,) = [line for line in lines if line.startswith("  profit")]
    assert profit.endswith("eth_jpy realised -12.5000, eth_jpy unrealised 50.0000, eth_jpy fees 1.0000")
    assert "btc_jpy fees 90.0000, eth_jpy" in profit


def test_a_kill_file_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "operator").mkdir()
    (tmp_path / "operator" / "kill").write_text("x\n")
    _, lines = shown(capsys, tmp_path, document())
    assert lines[-1].split() == ["kill", "file", str(tmp_path / "operator" / "kill"), "is", "there"]


def test_numbers_that_are_old_are_marked_before_they_are_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # Only a process that lived then can have written it: our parent, or whoever else is older than ten seconds.
    code, lines = shown(capsys, tmp_path, document(pid=1), age_s=STALE_S + 8)
    assert code == 1
    assert lines[0].startswith("STALE: PID 1 lives, but has not reported for 10.")
    assert lines[0].endswith(" s; do not trust these numbers")


@pytest.mark.parametrize(("phase", "how"), [("stopped", "stopped in order"), ("running", "ended without saying so")])
def test_one_that_ended_is_no_trader(capsys: pytest.CaptureFixture[str], tmp_path: Path, phase: str, how: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait(timeout=60)
    code, lines = shown(capsys, tmp_path, document(pid=child.pid, phase=phase))
    assert code == 69
    assert lines[0] == f"no trader of profile demo runs: PID {child.pid} {how}; this is its last report"


def test_one_that_said_that_it_stopped_has_stopped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Although a process with its PID is there."""
    code, lines = shown(capsys, tmp_path, document(phase="stopped"))
    assert code == 69
    assert "stopped in order" in lines[0]


def test_a_dead_one_whose_parent_does_not_look_is_dead(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.read() == b"1\n"
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie from here on
    code, lines = shown(capsys, tmp_path, document(pid=child.pid))
    child.communicate()
    assert code == 69
    assert "ended without saying so" in lines[0]


def test_under_json_the_whole_file_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text(json.dumps(document()))
    assert main(["status", "--runtime-dir", str(tmp_path), "--json"]) == 0
    envelope = json.loads(capsys.readouterr().out)
    data = envelope["data"]
    assert data.pop("age_ms") < 60_000
    assert data == {"running": True, "stale": False, "kill_file": False, "status": document()}


def test_age_and_staleness_stand_in_the_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    shown(capsys, tmp_path, document(pid=1), age_s=100)
    assert main(["status", "--runtime-dir", str(tmp_path), "--json"]) == 1
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["running"], data["stale"]) == (True, True)
    assert 100_000 <= data["age_ms"] < 160_000


def test_a_process_that_began_after_the_report_did_not_write_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """This process has the PID, and the status is of yesterday."""
    code, lines = shown(capsys, tmp_path, document(), age_s=86_400)
    assert code == 69
    assert "ended without saying so" in lines[0]


@pytest.mark.parametrize("has_kill_file", [False, True])
def test_where_nobody_ever_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path, has_kill_file: bool) -> None:
    if has_kill_file:
        (tmp_path / "operator").mkdir()
        (tmp_path / "operator" / "kill").write_text("x")
    assert main(["status", "--runtime-dir", str(tmp_path)]) == 69
    told = capsys.readouterr()
    waits = ", only a kill file that waits for the next start" if has_kill_file else ""
    assert told.out == ""
    assert told.err.splitlines()[0] == (
        f"ztb: error: no trader of profile demo runs: there is no status in {tmp_path}{waits}"
    )

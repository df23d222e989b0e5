"""``ztb canary run`` as its operator has it: exit codes, summary, bundle, and no process left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from tests.cli.command import Outcome, clean_environ, ztb
from tests.ladder import planted

WAIT_S = 60.0
"""Only ends a test that hangs."""
QUICK = ("--time-scale", "60", "--duration", "1")
BRISK = ("--set", "policy.parameters.fast=2", "--set", "policy.parameters.slow=4")
"""Signals every few seconds of the market, so that a short window has some."""
KEY, SECRET = "feedface" * 4, "0badc0de" * 8
KNOWN_SECRETS = f"""
import secrets
token_hex = secrets.token_hex
known = {{16: {KEY!r}, 32: {SECRET!r}}}
secrets.token_hex = lambda nbytes=None: known.get(nbytes) or token_hex(nbytes)
"""
"""The throw-away accounts of a run get this key and this secret."""


def environ_with(*directories: Path) -> dict[str, str]:
    return clean_environ(PYTHONPATH=":".join(map(str, directories)))


def canary(tmp_path: Path, *words: str, environ: dict[str, str] | None = None) -> tuple[Outcome, dict[str, Any]]:
    """A run into ``tmp_path/run``; the outcome and the data of its envelope."""
    words = ("run", "--json", *QUICK, "--output-dir", str(tmp_path / "run"), *words)
    outcome = ztb("canary", *words, environ=environ)
    data: dict[str, Any] = json.loads(outcome.stdout)["data"]
    return outcome, data


def failed(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By rung: text and measured value of what failed."""
    return {
        rung["name"]: {c["text"]: c["measured"] for c in rung["criteria"] if c["verdict"] == "FAIL"}
        for rung in data["rungs"]
    }


def test_a_sound_run_is_go(tmp_path: Path) -> None:
    """The whole ladder, and its bundle: it verifies, and the known key and secret are in no file that is left."""
    environ = environ_with(planted.plant(tmp_path / "planted", KNOWN_SECRETS, noun="canary"))
    outcome, data = canary(tmp_path, *BRISK, environ=environ)
    assert {name: found for name, found in failed(data).items() if found} == {}
    assert (outcome.exit_code, data["verdict"]) == (0, "GO")
    assert [rung["verdict"] for rung in data["rungs"]] == ["GO"] * 5
    archive = tmp_path / "run" / "canary_report.zip"
    assert data["archive"] == str(archive)
    verified = ztb("canary", "verify", archive)
    assert (verified.exit_code, data["manifest_sha256"] in verified.stdout) == (0, True)
    with zipfile.ZipFile(archive) as opened:
        contents = {name: opened.read(name) for name in opened.namelist()}
    assert {"canary_report.html", "evidence.jsonl", "run.json", "reports/kill_resume_chart.svg"} <= set(contents)
    left = {str(path): path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    holding = [name for name, content in (contents | left).items() if KEY.encode() in content]
    assert holding + [name for name, content in (contents | left).items() if SECRET.encode() in content] == []
    assert any((tmp_path / "run" / "work").rglob("journal.db"))


def test_a_policy_that_raises_is_no_go(tmp_path: Path) -> None:
    environ = environ_with(planted.plant_policies(tmp_path / "planted"))
    outcome, data = canary(tmp_path, "--policy", "planted_raises", environ=environ)
    assert (outcome.exit_code, data["verdict"]) == (1, "NO-GO")
    assert "division" in failed(data)["replay"]["the policy ran to the end"]
    assert [rung["notes"] for rung in data["rungs"]][2:4] == [
        ["not reached: a rung before it failed, so its evidence is missing"]
    ] * 2


def test_a_policy_that_never_wants_anything_is_no_go(tmp_path: Path) -> None:
    environ = environ_with(planted.plant_policies(tmp_path / "planted"))
    outcome, data = canary(tmp_path, "--policy", "planted_silent", environ=environ)
    assert (outcome.exit_code, data["verdict"]) == (1, "NO-GO")
    (told,) = failed(data)["replay"].values()
    assert told.startswith("0 signals; the policy's reasons: nothing ")


def test_a_trader_that_dies_at_once_is_no_go(tmp_path: Path) -> None:
    """As people see it: the summary names the rung, the criterion and the reason."""
    environ = environ_with(planted.plant(tmp_path / "planted", planted.DIES_AT_ONCE))
    outcome = ztb("canary", "run", *QUICK, "--output-dir", tmp_path / "run", environ=environ)
    assert outcome.exit_code == 1
    lines = outcome.stdout.splitlines()
    assert lines[-1] == "[canary] DECISION: NO-GO"
    assert len(lines) < 40
    assert "FAIL  live-lite  A-05  the trader gets READY" in outcome.stdout
    assert "exit code 3: the disk is on fire" in outcome.stdout
    assert "kill-resume  NO-GO       not reached" in outcome.stdout
    assert "live-lite    NO-GO" in outcome.stderr
    assert ztb("canary", "verify", tmp_path / "run").exit_code == 0


def trader_runs(out: Path) -> bool:
    return (out / "work" / "live-lite-run" / "status.json").exists()


def replay_runs(out: Path) -> bool:
    return (out / "work" / "replay.json").exists()


def processes_of(out: Path) -> list[psutil.Process]:
    """Those whose command line names this run's directory."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(out) in word for word in process.info["cmdline"] or ())
    ]


@pytest.mark.parametrize(
    ("number", "begun"),
    [
        (signal.SIGINT, trader_runs),
        (signal.SIGTERM, replay_runs),
        (signal.SIGHUP, trader_runs),
        (signal.SIGKILL, trader_runs),
    ],
)
def test_an_interrupted_run_leaves_no_process(
    tmp_path: Path, number: signal.Signals, begun: Callable[[Path], bool]
) -> None:
    out = tmp_path / "run"
    words = ("canary", "run", "--time-scale", "60", "--duration", "60", "--output-dir", str(out))
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ztb", *words], env=clean_environ(), stdout=said, stderr=said, start_new_session=True
        )
    deadline = time.monotonic() + WAIT_S
    while not begun(out) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    started = [found for found in processes_of(out) if found.pid != process.pid]
    assert started
    process.send_signal(number)
    code = process.wait(WAIT_S)
    _, alive = psutil.wait_procs(started, timeout=WAIT_S)
    assert alive == []
    assert processes_of(out) == []
    if number is not signal.SIGKILL:
        assert code == 130
        text = (tmp_path / "said").read_text()
        assert f"interrupted: its processes are ended, what there is stands in {out}" in text
        assert "Traceback" not in text
        assert json.loads((out / "reports" / "preflight_report.json").read_text())["verdict"] == "GO"
        assert not list(out.rglob("simulator-key"))
    assert not (out / "canary_report.zip").exists()


def test_a_run_under_nohup_does_not_mind_a_lost_terminal(tmp_path: Path) -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from ztb.cli.canary import _interrupted_by_signals\n"
        "with _interrupted_by_signals():\n"
        "    signal.raise_signal(signal.SIGHUP); print('went on')\n"
        "    try:\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert done.stdout.splitlines() == ["went on", "interrupted", "True"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--time-scale", "0"), "--time-scale"),
        (("--time-scale", "nan"), "--time-scale"),
        (("--time-scale", "100000"), "--time-scale"),
        (("--duration", "-1"), "--duration"),
        (("--kill-threshold", "0"), "--kill-threshold"),
        (("--kill-threshold", "1.5"), "--kill-threshold"),
        (("--policy",), "--policy"),
    ],
)
def test_an_option_that_makes_no_sense(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    outcome = ztb("canary", "run", *words, cwd=tmp_path)
    assert outcome.exit_code == 2
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "older.json").write_text("{}")
    outcome = ztb("canary", "run", "--output-dir", tmp_path)
    assert outcome.exit_code == 2
    assert "is not empty" in outcome.stderr


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = ztb("canary", "run", "--output-dir", tmp_path / "file")
    assert outcome.exit_code == 2
    assert "remedy" in outcome.stderr


def test_a_profile_that_does_not_exist(tmp_path: Path) -> None:
    outcome = ztb("canary", "run", "--profile", "unheard-of", cwd=tmp_path)
    assert outcome.exit_code == 78
    assert "demo" in outcome.stderr


def test_the_default_directory_is_that_of_the_guide(tmp_path: Path) -> None:
    """A-12; the run ends at once because the profile is not armed."""
    outcome = ztb("canary", "run", "--quiet", "--set", "mode.execute_orders=false", cwd=tmp_path)
    assert outcome.exit_code == 1
    assert "not armed" in outcome.stdout
    (made,) = (tmp_path / "artifacts").iterdir()
    assert time.strptime(made.name, "canary_%Y%m%d_%H%M%S")
    assert outcome.stderr == ""

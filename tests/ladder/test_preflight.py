"""Every check of the preflight passes on this machine, and fails when what it looks at is really wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.ladder.world import context_in, failed, mark_of
from ztb.core.error import ConfigError
from ztb.ladder import preflight
from ztb.ladder.context import Context
from ztb.ladder.evidence import Findings, Mark, Verdict
from ztb.store.tape import DEMO_TAPE, TapeReader


def checked(context: Context) -> Findings:
    findings = Findings()
    preflight.run(context, findings)
    return findings


def one_check(name: str, context: Context) -> Findings:
    """The check of this name alone, with what the rung does when it raises."""
    findings = Findings()
    before = preflight.CHECKS
    preflight_checks = [(text, check) for text, check in before if text == name]
    assert preflight_checks, name
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(preflight, "CHECKS", preflight_checks)
        preflight.run(context, findings)
    return findings


def test_a_sound_machine_passes(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    findings = checked(context)
    assert failed(findings) == {}
    assert findings.verdict() is Verdict.GO
    assert context.data_sha256 == TapeReader(DEMO_TAPE).sha256
    assert not list(tmp_path.rglob("simulator-key"))
    assert not list(tmp_path.rglob("preflight-sync"))


def test_a_profile_that_is_not_armed(tmp_path: Path) -> None:
    findings = one_check("Risk Configuration", context_in(tmp_path, overrides=("mode.execute_orders=false",)))
    assert "not armed" in str(failed(findings)["Risk Configuration"])


def test_a_tape_with_a_flipped_byte(tmp_path: Path) -> None:
    content = bytearray(DEMO_TAPE.read_bytes())
    content[len(content) // 2] ^= 0xFF
    tape = tmp_path / "flipped.tape"
    tape.write_bytes(content)
    context = context_in(tmp_path / "run", tape=tape)
    findings = one_check("market data reads", context)
    assert "TapeError" in str(failed(findings)["market data reads"])
    assert context.data_sha256 == ""


@pytest.mark.parametrize("kept", [0, 100, 500_000])
def test_a_tape_that_was_cut(tmp_path: Path, kept: int) -> None:
    tape = tmp_path / "cut.tape"
    tape.write_bytes(DEMO_TAPE.read_bytes()[:kept])
    findings = one_check("market data reads", context_in(tmp_path / "run", tape=tape))
    assert "TapeError" in str(failed(findings)["market data reads"])


def test_a_policy_that_does_not_exist(tmp_path: Path) -> None:
    findings = one_check("policy can be loaded", context_in(tmp_path, policy="unheard_of"))
    assert "sma_fast_slow" in str(failed(findings)["policy can be loaded"])


def test_a_profile_that_changed_since_it_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_in(tmp_path)
    monkeypatch.setenv("ZTB_LIMITS__ORDERS_PER_MINUTE_MAX", "5")
    findings = one_check("Environment Variables", context)
    assert mark_of(findings, "Profile Configuration, SHA-256") is Mark.FAIL


def test_a_profile_that_cannot_be_read_any_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_in(tmp_path)
    monkeypatch.setenv("ZTB_LIMITS__ORDERS_PER_MINUTE_MAX", "many")
    assert ConfigError.__name__ in str(failed(one_check("Environment Variables", context)))


def test_a_disk_that_refuses_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", refuse)
    assert "Input/output error" in str(failed(one_check("durable write", context_in(tmp_path)))["durable write"])


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(
    ("free", "mark"), [(2 * 10**9, Mark.PASS), (7 * 10**8, Mark.WARN), (4 * 10**8, Mark.FAIL), (0, Mark.FAIL)]
)
def test_a_disk_that_fills_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, mark: Mark) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Disk(10**12, 0, free))
    assert mark_of(one_check("Disk Space", context_in(tmp_path)), "Disk Space") is mark


def test_a_clock_that_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = iter([0, 3 * 10**9])
    monkeypatch.setattr("ztb.ladder.preflight.time.time_ns", lambda: next(stamps))
    assert mark_of(one_check("System Time", context_in(tmp_path)), "System Time") is Mark.FAIL


def test_an_old_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    assert failed(one_check("Python Version", context_in(tmp_path))) == {"Python Version": "3.10.9"}


@pytest.mark.parametrize("declared", [[], None, ["httpx", "ztb-no-such-package>=1"]])
def test_a_dependency_that_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: list[str] | None
) -> None:
    monkeypatch.setattr(preflight, "requires", lambda name: declared)
    assert mark_of(one_check("Dependencies", context_in(tmp_path)), "Dependencies") is Mark.FAIL


def test_an_exchange_that_does_not_start(tmp_path: Path) -> None:
    tape = tmp_path / "no.tape"
    tape.write_bytes(b"no tape")
    findings = one_check("API Connectivity", context_in(tmp_path / "run", tape=tape))
    assert "did not start" in str(failed(findings)["API Connectivity"])
    assert not list((tmp_path / "run").rglob("simulator-key"))


def test_a_venue_that_cannot_be_reached(tmp_path: Path) -> None:
    """Port 1 of this machine: nobody listens there."""
    overrides = ("venue.simulator=false", "venue.rest_url=http://127.0.0.1:1", "venue.stream_url=ws://127.0.0.1:1")
    context = context_in(tmp_path, overrides=overrides)
    assert "Unreachable" in str(failed(one_check("API Connectivity", context))["API Connectivity"])


def test_reachability_may_be_left_out_and_then_a_person_decides(tmp_path: Path) -> None:
    findings = one_check("API Connectivity", context_in(tmp_path, connectivity_skip=True))
    assert mark_of(findings, "API Connectivity") is Mark.SKIPPED
    assert findings.verdict() is Verdict.CONDITIONAL


def test_an_old_kill_file_is_warned_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = tmp_path / "ztb.stop"
    monkeypatch.setattr(preflight, "OLD_KILL_FILE", stop)
    context = context_in(tmp_path / "run")
    assert one_check("old kill file", context).criteria == []
    stop.touch()
    assert mark_of(one_check("old kill file", context), "old kill file") is Mark.WARN


@pytest.mark.parametrize("error", [OSError("no"), ValueError("no"), KeyError("no"), AssertionError("no")])
def test_a_check_that_raises_has_failed_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(context: Context, findings: Findings) -> None:
        raise error

    def sound(context: Context, findings: Findings) -> None:
        findings.holds("E-11", "sound", True, "yes")

    checks: list[tuple[str, Callable[[Context, Findings], None]]] = [("broken", broken), ("sound", sound)]
    monkeypatch.setattr(preflight, "CHECKS", checks)
    findings = checked(context_in(tmp_path))
    assert list(failed(findings)) == ["broken"]
    assert mark_of(findings, "sound") is Mark.PASS

"""Processes of a rung: what they used is known to the end, and none of them outlives the ladder."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from ztb.core.error import UsageError
from ztb.host.process import ProcessUse
from ztb.ladder.child import Child, Usage
from ztb.ladder.trader import environment

WAIT_S = 60.0
"""Only ends a test that hangs."""


def child(tmp_path: Path, code: str) -> Child:
    return Child(
        [sys.executable, "-c", code], output=tmp_path / "out", errors=tmp_path / "err", environ=dict(os.environ)
    )


def test_output_and_exit_code(tmp_path: Path) -> None:
    one = child(tmp_path, "import sys; print('said'); print('wailed', file=sys.stderr); sys.exit(7)")
    assert one.wait(WAIT_S) == 7
    assert not one.is_running
    assert (tmp_path / "out").read_text() == "said\n"
    assert (tmp_path / "err").read_text() == "wailed\n"
    one.send(signal.SIGTERM)
    one.kill()
    assert one.exit_code == 7


def test_a_process_that_needs_force(tmp_path: Path) -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    )
    one = child(tmp_path, code)
    deadline = time.monotonic() + WAIT_S
    while not (tmp_path / "out").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    one.send(signal.SIGTERM)
    assert one.wait(0.2) is None
    one.kill()
    assert one.exit_code == -signal.SIGKILL


def test_what_was_used_after_the_last_sample_counts(tmp_path: Path) -> None:
    """No sample is taken at all here: its memory and some CPU are known from the kernel's account alone.

    That account tells the child's peak only where it is above ours, so the child takes 300 MB more than we ever had.
    """
    size = 300_000_000 + resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    one = child(tmp_path, f"held = bytes({size}); held = b'x' * {size}; sum(range(2_000_000))")
    assert one.wait(WAIT_S) == 0
    assert one.usage.rss_mb_max is not None
    assert one.usage.rss_mb_max > 0.97 * size / 1e6
    assert one.usage.cpu_seconds_total is not None
    assert one.usage.cpu_seconds_total > 0.01
    assert one.usage.cpu_percent() is None


def test_a_small_process_is_not_given_the_size_of_who_started_it(tmp_path: Path) -> None:
    """The kernel's peak counts the moment between fork and exec, when the child was a copy of us, here a large one."""
    ballast = b"x" * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    ours_mb = psutil.Process().memory_info().rss / 1e6
    one = Child(["sleep", "600"], output=tmp_path / "out", errors=tmp_path / "err", environ=dict(os.environ))
    deadline = time.monotonic() + WAIT_S
    while psutil.Process(one.pid).name() != "sleep" and time.monotonic() < deadline:
        time.sleep(0.01)
    one.measure()
    one.kill()
    assert one.usage.rss_mb_max is not None
    assert one.usage.rss_mb_max < min(20, ours_mb)
    assert ballast


def use(monotonic_s: float, cpu_s: float, rss: int = 1) -> ProcessUse:
    return ProcessUse(int(monotonic_s * 1e9), rss_bytes=rss, cpu_seconds=cpu_s, fds=1, threads=1)


def test_the_mean_cpu_begins_at_the_first_sample_and_ends_with_the_process() -> None:
    usage = Usage([use(10, 1.0), use(12, 1.5)])
    assert usage.cpu_percent() == pytest.approx(25.0)
    usage.cpu_seconds_total, usage.ended_monotonic_ns = 4.0, 14 * 10**9
    assert usage.cpu_percent() == pytest.approx(75.0)


def test_no_sample_is_no_measurement() -> None:
    assert Usage().cpu_percent() is None
    assert Usage().rss_mb_max is None
    assert Usage([use(10, 1.0)]).cpu_percent() is None
    assert Usage([use(10, 1.0), use(10.1, 1.1)]).cpu_percent() is None


def test_the_largest_of_sample_and_peak_counts() -> None:
    assert Usage([use(1, 0, rss=5_000_000), use(2, 0, rss=4_000_000)]).rss_mb_max == pytest.approx(5.0)
    assert Usage([use(1, 0, rss=5_000_000)], rss_bytes_peak=9_000_000).rss_mb_max == pytest.approx(9.0)


def test_a_child_ends_with_whoever_started_it_even_by_sigkill(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from ztb.ladder.child import Child
out = Path({str(tmp_path)!r})
one = Child(["sleep", "600"], output=out / "o", errors=out / "e", environ=dict(os.environ))
while os.readlink(f"/proc/{{one.pid}}/exe").rpartition("/")[2] not in ("sleep", "coreutils", "busybox"):
    time.sleep(0.01)
print(one.pid, flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        grandchild = psutil.Process(int(starter.stdout.readline()))
        assert grandchild.is_running()
        starter.kill()
        starter.wait(WAIT_S)
    gone, alive = psutil.wait_procs([grandchild], timeout=WAIT_S)
    assert (len(gone), alive) == (1, [])


def test_without_setpriv_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="setpriv") as caught:
        child(tmp_path, "print()")
    assert "util-linux" in caught.value.remedy


def test_the_environment_of_a_rung_has_the_settings_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "ZTB_LIMITS__ORDERS_PER_MINUTE_MAX": "5", "ZAIF_API_SECRET": "s", "ZTB_KILL": "1", "STATE_DIRECTORY": "/x",
        "DRY_RUN": "0", "NOTIFY_SOCKET": "/y", "PYTHONPATH": "/z",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, text)
    given = environment()
    assert given["ZTB_LIMITS__ORDERS_PER_MINUTE_MAX"] == "5"
    assert (given["DRY_RUN"], given["PYTHONPATH"], given["ZTB_LOG"]) == ("0", "/z", "json")
    assert {"ZAIF_API_SECRET", "ZTB_KILL", "STATE_DIRECTORY", "NOTIFY_SOCKET"}.isdisjoint(given)

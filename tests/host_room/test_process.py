"""Measurements of a real child process, checked against /proc and the kernel's own accounts."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from ztb.host.process import ProcessMeter

CHILD = """
import sys, threading, time
kept = bytearray(b"x" * 50_000_000)
files = [open("/dev/null") for _ in range(7)]
held = threading.Event()
[threading.Thread(target=held.wait, daemon=True).start() for _ in range(3)]
end = time.process_time() + 0.2
while time.process_time() < end: pass
print("ready", flush=True)
sys.stdin.readline()
"""


def test_a_child_is_measured_and_its_end_noticed() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdin is not None
    meter = ProcessMeter(child.pid)
    child.stdout.readline()
    use = meter.measure()
    assert use is not None
    assert use.rss_bytes > 50_000_000
    assert use.threads == 4
    assert use.cpu_seconds >= 0.2
    assert use.fds == len(list(Path(f"/proc/{child.pid}/fd").iterdir()))
    child.stdin.close()
    child.wait(timeout=30)
    assert meter.measure() is None
    child.stdout.close()


def test_our_own_cpu_time_agrees_with_the_kernel() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    use = ProcessMeter(os.getpid()).measure()
    assert use is not None
    # /proc counts in ticks of 10 ms
    assert use.cpu_seconds >= before.ru_utime + before.ru_stime - 0.05


def test_a_process_that_never_was() -> None:
    assert ProcessMeter(2**22 + 1).measure() is None

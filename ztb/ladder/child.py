"""A process that a rung starts: it ends when we end, and what it used is measured to its last moment.

Samples are taken while it runs; the kernel's account of the ended process completes them, because what a process did
after the last sample counts as well.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ztb.core.error import UsageError
from ztb.host.process import ProcessMeter, ProcessUse

LOOK_S: Final = 0.01
KIB: Final = 1024
RSS_BYTES_UNSURE: Final = 4_000_000
"""The kernel adds up resident pages per CPU, in batches: two readings of one size differ by some hundred pages."""
CPU_SPAN_S_MIN: Final = 0.25
"""A shorter time says nothing about a mean."""


@dataclass
class Usage:
    """What one process used."""

    samples: list[ProcessUse] = field(default_factory=list)
    cpu_seconds_total: float | None = None
    """User and system time of its whole life; None while it lives."""
    rss_bytes_peak: int | None = None
    """The kernel's peak; None while it lives, and where it cannot be told from that of the process that started it."""
    ended_monotonic_ns: int | None = None

    @property
    def rss_mb_max(self) -> float | None:
        """Highest resident memory in MB; None when nothing was measured."""
        found = [use.rss_bytes for use in self.samples]
        if self.rss_bytes_peak is not None:
            found.append(self.rss_bytes_peak)
        return max(found) / 1e6 if found else None

    def cpu_percent(self) -> float | None:
        """Mean share of one core from the first sample to the end (or to the last sample, while it lives)."""
        if not self.samples:
            return None
        first, last = self.samples[0], self.samples[-1]
        cpu_s, until_ns = last.cpu_seconds, last.monotonic_ns
        if self.cpu_seconds_total is not None and self.ended_monotonic_ns is not None:
            cpu_s, until_ns = self.cpu_seconds_total, self.ended_monotonic_ns
        span_s = (until_ns - first.monotonic_ns) / 1e9
        return 100.0 * (cpu_s - first.cpu_seconds) / span_s if span_s >= CPU_SPAN_S_MIN else None

    def to_dict(self) -> dict[str, Any]:
        """For the metrics file."""
        last = self.samples[-1] if self.samples else None
        return {
            "samples": len(self.samples),
            "rss_mb_max": self.rss_mb_max,
            "cpu_percent_mean": self.cpu_percent(),
            "cpu_seconds_total": self.cpu_seconds_total,
            "fds_last": last.fds if last else None,
            "threads_last": last.threads if last else None,
        }


class Child:
    """One process, in a session of its own. The kernel kills it when we end, however we end."""

    def __init__(self, command: Sequence[str], *, output: Path, errors: Path, environ: Mapping[str, str]) -> None:
        """Appends standard output to ``output`` and standard error to ``errors``, which may be the same file."""
        guard = shutil.which("setpriv")
        if guard is None:
            raise UsageError("setpriv is missing: a killed ladder would leave its traders behind",
                             remedy="apt install util-linux")  # fmt: skip
        self.usage = Usage()
        self._rss_bytes_of_starter = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
        with output.open("ab") as out, errors.open("ab") as err:
            self._process = subprocess.Popen(
                [guard, "--pdeathsig", "KILL", "--", *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(environ), start_new_session=True,
            )  # fmt: skip
        ours_now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
        self._rss_bytes_of_starter = max(self._rss_bytes_of_starter, ours_now)
        self._meter = ProcessMeter(self._process.pid)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        if self._process.returncode is None:
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self._ended(status, used)
        return self._process.returncode

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self.exit_code is None

    def _ended(self, status: int, used: resource.struct_rusage) -> None:
        # Popen must not wait for a process that is gone: another one may have its PID by then.
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.usage.ended_monotonic_ns = time.monotonic_ns()
        self.usage.cpu_seconds_total = used.ru_utime + used.ru_stime
        # Between fork and exec the child was a copy of us, and the kernel's peak knows that copy too.
        peak_bytes = used.ru_maxrss * KIB
        is_own = peak_bytes > self._rss_bytes_of_starter + RSS_BYTES_UNSURE
        self.usage.rss_bytes_peak = peak_bytes if is_own else None

    def measure(self) -> None:
        """Take one sample."""
        if self.is_running and (use := self._meter.measure()) is not None:
            self.usage.samples.append(use)

    def wait(self, seconds: float) -> int | None:
        """The exit code; None when it still runs after ``seconds``."""
        deadline = time.monotonic() + seconds
        while self.is_running and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return self.exit_code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.send(signal.SIGKILL)
        while self.is_running:
            time.sleep(LOOK_S)

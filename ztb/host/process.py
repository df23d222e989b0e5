"""What a process uses, measured from outside by its PID (A-15, A-16)."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """One measurement; ``cpu_seconds`` is user and system time since the process began."""

    monotonic_ns: int
    rss_bytes: int
    cpu_seconds: float
    fds: int
    threads: int


class ProcessMeter:
    """Measures one process; a later process with the same PID is not mistaken for it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._process: psutil.Process | None = psutil.Process(pid)
        except psutil.NoSuchProcess:
            self._process = None

    def measure(self) -> ProcessUse | None:
        """What the process uses now, or None when it has ended or may not be looked at."""
        process = self._process
        if process is None or not process.is_running():
            return None
        try:
            with process.oneshot():
                memory, cpu = process.memory_info(), process.cpu_times()
                return ProcessUse(
                    monotonic_ns=time.monotonic_ns(),
                    rss_bytes=memory.rss,
                    cpu_seconds=cpu.user + cpu.system,
                    fds=process.num_fds(),
                    threads=process.num_threads(),
                )
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

"""How long ``ztb run --profile demo`` takes from the shell to READY, and what it then uses.

``python -m tests.bench.start_up [--runs N] [--idle-seconds S] [--json]``. The trader starts the built-in exchange by
itself; both are measured. The bare figure beside them is the interpreter starting, importing asyncio and ending.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

RUNS = 5
IDLE_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
MB = 1e6

Figures = dict[str, float]


def bare_start_seconds() -> float:
    """The interpreter and its event loop, and nothing else."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import asyncio"], check=True)
    return time.perf_counter() - started


def one_run(directory: Path, idle_seconds: float) -> Figures:
    """One trader from start to stop, on a state directory of its own."""
    log = directory / "log"
    command = [
        sys.executable, "-m", "ztb", "run", "--profile", "demo",
        "--state-dir", str(directory / "state"), "--runtime-dir", str(directory / "run"),
    ]  # fmt: skip
    with log.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env={**os.environ, "ZTB_LOG": "json"}
        )
    try:
        _wait_for_ready(process, log, started)
        ready = time.perf_counter() - started
        trader = psutil.Process(process.pid)
        [simulator] = trader.children()
        figures = {
            "ready_s": ready,
            "trader_rss_mb": trader.memory_info().rss / MB,
            "simulator_rss_mb": simulator.memory_info().rss / MB,
        }
        if idle_seconds:
            figures |= _idle(trader, simulator, idle_seconds)
        stopping = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE_SECONDS)
        if code != 0:
            raise SystemExit(f"exit code {code} after SIGTERM: {log.read_text()}")
        return {**figures, "stop_s": time.perf_counter() - stopping}
    finally:
        process.kill()
        process.wait()


def _wait_for_ready(process: subprocess.Popen[bytes], log: Path, started: float) -> None:
    while '"event": "ready"' not in log.read_text():
        if process.poll() is not None or time.perf_counter() - started > PATIENCE_SECONDS:
            raise SystemExit(f"no READY: {log.read_text()}")
        time.sleep(0.002)


def _idle(trader: psutil.Process, simulator: psutil.Process, seconds: float) -> Figures:
    """Share of one core over some seconds in which the market moves as it does."""
    before = {process: sum(process.cpu_times()[:2]) for process in (trader, simulator)}
    started = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - started
    used = {process: sum(process.cpu_times()[:2]) - before[process] for process in before}
    return {
        "trader_cpu_percent": 100 * used[trader] / passed,
        "simulator_cpu_percent": 100 * used[simulator] / passed,
        "trader_rss_mb_later": trader.memory_info().rss / MB,
    }


def measure(runs: int, idle_seconds: float) -> Figures:
    """Medians over ``runs``; only the last one is watched while it idles."""
    results: list[Figures] = []
    bare: list[float] = []
    for number in range(runs):
        bare.append(bare_start_seconds())
        with tempfile.TemporaryDirectory(prefix="ztb-start-up-") as directory:
            results.append(one_run(Path(directory), idle_seconds if number == runs - 1 else 0.0))
    medians = {name: statistics.median(result[name] for result in results) for name in results[0]}
    bare_s = statistics.median(bare)
    ratio = medians["ready_s"] / bare_s
    return {**results[-1], **medians, "bare_start_s": bare_s, "ready_ratio": ratio, "runs": float(runs)}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Measure the start of the demonstration.")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.runs, options.idle_seconds)
    if options.json:
        print(json.dumps(figures))
    else:
        print("\n".join(f"{name:24} {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()

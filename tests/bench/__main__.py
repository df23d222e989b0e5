"""``make bench``: run every benchmark as its own process and print one table of figures.

Each benchmark is ``python -m tests.bench.NAME --json`` and prints one JSON object, whose members are its figures; a
figure that depends on the machine stands beside its ratio to a bare Python loop of the same run. Options:
``--only NAME`` (may be repeated), ``--json`` for one object of all, ``--list``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.gen_ticks import ticks_file

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 900
TICKS = "{ticks}"
"""Stands in a benchmark's arguments for the path of the generated trades."""


@dataclass(frozen=True)
class Benchmark:
    """One run; ``module`` lies in tests/bench."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()


BENCHMARKS = (
    Benchmark("sma_job memory", "sma_job", ("--csv", TICKS, "--journal", "memory")),
    Benchmark("sma_job durable", "sma_job", ("--csv", TICKS, "--journal", "durable")),
    Benchmark("engine_latency", "engine_latency"),
    Benchmark("journal_bench", "journal_bench"),
    Benchmark("start_up", "start_up"),
    Benchmark("decode_bench", "decode_bench"),
    Benchmark("wire_latency", "wire_latency"),
    Benchmark("gate_bench", "gate_bench"),
    Benchmark("kill_bench", "kill_bench"),
    Benchmark("panic_bench", "panic_bench"),
)


def exists(benchmark: Benchmark) -> bool:
    """Whether the module of the benchmark is there."""
    return importlib.util.find_spec(f"tests.bench.{benchmark.module}") is not None


def run(benchmark: Benchmark, *, ticks: str) -> dict[str, Any]:
    """The figures, or under ``error`` why there are none: its last line, not its trace."""
    arguments = [ticks if argument == TICKS else argument for argument in benchmark.arguments]
    command = [sys.executable, "-m", f"tests.bench.{benchmark.module}", *arguments, "--json"]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no result after {TIMEOUT_SECONDS} s"}
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        return {"error": f"exit code {done.returncode}: {last}"}
    return figures_of(done.stdout)


def figures_of(output: str) -> dict[str, Any]:
    """The JSON object that a benchmark printed: the whole output, or its last line."""
    for text in (output, output.strip().rpartition("\n")[2]):
        try:
            figures = json.loads(text)
        except ValueError:
            continue
        if isinstance(figures, dict) and figures:
            return figures
    return {"error": "printed no JSON object"}


def flatten(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted name and text of every figure, nested objects opened."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield prefix + name, f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        elif isinstance(value, int) and not isinstance(value, bool):
            yield prefix + name, f"{value:,}"
        else:
            yield prefix + name, str(value)


def table(results: dict[str, dict[str, Any]]) -> str:
    """One line for each figure: benchmark, figure, value."""
    lines = [(name, figure, text) for name, figures in results.items() for figure, text in flatten(figures)]
    if not lines:
        return "no benchmark ran"
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    out = []
    before = ""
    for name, figure, text in lines:
        out.append(f"{name if name != before else '':{widths[0]}}  {figure:{widths[1]}}  {text}")
        before = name
    return "\n".join(out)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when every benchmark that was asked for gave figures, else 1; 2 for a name that is none."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure ztb on this machine.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run this one (repeat for more)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--list", action="store_true", help="name the benchmarks and stop")
    options = parser.parse_args(arguments)
    known = {name for benchmark in BENCHMARKS for name in (benchmark.name, benchmark.module)}
    if unknown := sorted(set(options.only) - known):
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    wanted = [one for one in BENCHMARKS if not options.only or {one.name, one.module} & set(options.only)]
    if options.list:
        print("\n".join(f"{one.name}{'' if exists(one) else '  (not there yet)'}" for one in wanted))
        return 0

    ticks = ""
    results: dict[str, dict[str, Any]] = {}
    for benchmark in wanted:
        if not exists(benchmark):
            if options.only:
                results[benchmark.name] = {"error": f"tests/bench/{benchmark.module}.py is not there yet"}
            continue
        if TICKS in benchmark.arguments and not ticks:
            ticks = str(ticks_file(ROOT / "build" / "bench"))
        print(f"bench: {benchmark.name} ...", file=sys.stderr, flush=True)
        started = time.monotonic()
        results[benchmark.name] = run(benchmark, ticks=ticks)
        print(f"bench: {benchmark.name} took {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
    print(json.dumps(results, indent=2) if options.json else table(results))
    failed = any("error" in figures for figures in results.values())
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())

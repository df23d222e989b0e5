"""How fast the journal makes records durable, beside a bare fsync loop of the same run on the same disk.

``python -m tests.bench.journal_bench [--directory DIR] [--json]``. A single commit and a bare write with fdatasync take
turns, so that both meet the same disk in the same mood. Nothing is asserted: a figure is read, not passed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ztb.core.event import Trade
from ztb.store.codec import decode, encode, encode_decisions
from ztb.store.journal import Journal, MemoryJournal
from ztb.store.verify import verify
from ztb.store.writer import JournalWriter

ROOT = Path(__file__).resolve().parents[2]
NOW_NS = 1_790_000_000_000_000_000
SINGLE_COMMITS = 2_000
GROUPED_RECORDS = {1: 2_000, 64: 60_000, 1024: 200_000}
WAL_WRITE_BYTES = 2 * (4_096 + 24)
"""What one small commit of ours writes: two pages (journal and head), each with its frame header."""
WAL_WRITES = 500
"""SQLite begins the WAL anew after so many of them, and then writes over blocks that the file already has."""
KIND, BODY = encode(Trade(NOW_NS, "btc_jpy", 1_834_567, 120, 1, NOW_NS, "123456789"))

Figures = dict[str, float]


def percentile_us(samples_ns: list[int], percent: int) -> float:
    """The nearest-rank percentile, in microseconds."""
    return sorted(samples_ns)[max(0, -(-len(samples_ns) * percent // 100) - 1)] / 1_000


def open_journal(directory: Path, name: str) -> Journal:
    """A new journal in ``directory``."""
    return Journal.open(directory / name, profile="bench", mode="bench", now_ns=NOW_NS)


def single_commits(directory: Path) -> Figures:
    """Latency of one durable record and of a bare durable write, turn by turn."""
    journal = open_journal(directory, "single.db")
    descriptor = os.open(directory / "bare", os.O_CREAT | os.O_WRONLY, 0o600)
    block = bytes(WAL_WRITE_BYTES)
    commit_ns: list[int] = []
    fsync_ns: list[int] = []
    clock = time.perf_counter_ns
    for number in range(SINGLE_COMMITS):
        start = clock()
        journal.append(NOW_NS + number, KIND, BODY)
        journal.commit()
        middle = clock()
        os.pwrite(descriptor, block, number % WAL_WRITES * WAL_WRITE_BYTES)
        os.fdatasync(descriptor)
        end = clock()
        commit_ns.append(middle - start)
        fsync_ns.append(end - middle)
    os.close(descriptor)
    journal.close()
    p50, fsync_p50 = percentile_us(commit_ns, 50), percentile_us(fsync_ns, 50)
    return {
        "commit_us_p50": p50,
        "commit_us_p99": percentile_us(commit_ns, 99),
        "bare_fsync_us_p50": fsync_p50,
        "bare_fsync_us_p99": percentile_us(fsync_ns, 99),
        "commit_to_bare_fsync_ratio_p50": round(p50 / fsync_p50, 2),
    }


def grouped(directory: Path) -> Figures:
    """Durable records a second in groups, one thread."""
    figures: Figures = {}
    for size, total in GROUPED_RECORDS.items():
        journal = open_journal(directory, f"group-{size}.db")
        start = time.perf_counter()
        for first in range(0, total, size):
            for number in range(first, min(first + size, total)):
                journal.append(NOW_NS + number, KIND, BODY)
            journal.commit()
        figures[f"records_per_s_group_{size}"] = round(total / (time.perf_counter() - start))
        journal.close()
    path = directory / f"group-{size}.db"
    start = time.perf_counter()
    report = verify(path)
    assert report.ok, report.reason
    figures["verified_records_per_s"] = round(report.records / (time.perf_counter() - start))
    return figures


def through_the_writer(directory: Path) -> Figures:
    """From an event loop through the writer thread: groups of 64 each awaited, then single records (an order's way)."""
    total, size = 60_000, 64
    single_ns: list[int] = []

    async def work() -> float:
        journal = open_journal(directory, "writer.db")
        writer = JournalWriter(journal, on_failure=lambda error: None)
        start = time.perf_counter()
        for first in range(0, total, size):
            for number in range(first, first + size):
                writer.append(NOW_NS + number, KIND, BODY)
            await writer.durable()
        seconds = time.perf_counter() - start
        for number in range(SINGLE_COMMITS):
            begin_ns = time.perf_counter_ns()
            writer.append(NOW_NS + number, KIND, BODY)
            await writer.durable()
            single_ns.append(time.perf_counter_ns() - begin_ns)
        await writer.close()
        journal.close()
        return seconds

    seconds = asyncio.run(work())
    return {
        "writer_records_per_s_group_64": round(total / seconds),
        "writer_durable_us_p50": percentile_us(single_ns, 50),
        "writer_durable_us_p99": percentile_us(single_ns, 99),
    }


def without_disk() -> Figures:
    """What hashing and encoding alone cost."""
    total = 200_000
    journal = MemoryJournal()

    def chain() -> None:
        for number in range(total):
            journal.append(NOW_NS + number, KIND, BODY)
            if number % 1_024 == 0:
                journal.commit()
        journal.commit()

    rows = [(NOW_NS + number, "btc_jpy", 0, "no_crossing", (1_834_567, 1_834_568), "") for number in range(1_000)]
    event = decode(KIND, BODY)
    return {
        "memory_records_per_s": round(total / seconds_of(chain)),
        "encode_event_ns": round(seconds_of(lambda: [encode(event) for _ in range(100_000)]) * 10_000),
        "decode_event_ns": round(seconds_of(lambda: [decode(KIND, BODY) for _ in range(100_000)]) * 10_000),
        "encode_decision_row_ns": round(seconds_of(lambda: [encode_decisions(rows) for _ in range(200)]) * 5_000),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """How long ``work`` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Prints the figures as text, or with ``--json`` as one object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--directory", type=Path, default=ROOT / "build", help="on the disk to be measured")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=args.directory) as name:
        directory = Path(name)
        figures = single_commits(directory) | grouped(directory) | through_the_writer(directory) | without_disk()
    if args.json:
        print(json.dumps(figures))
        return
    for label, value in figures.items():
        print(f"{label:34} {value:>14,}")


if __name__ == "__main__":
    main()

"""One million synthetic BTC/JPY trades for the SMA job: the same bytes on every machine.

Columns ``ts_ns,price,qty,side``; the price is a multiple of 5 JPY, the size has three decimals and is never below the
order size of the job, so that no order is filled in part. ``SHA256_1M`` is the digest of the file as specified.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

ROWS = 1_000_000
SEED = 20250127
SHA256_1M = "8ae858b8ecb84db90963f28b553230dddd9ab1c736298018b9a723b171d18c82"

_MASK = (1 << 64) - 1
_ROWS_PER_WRITE = 50_000


def splitmix64(seed: int) -> Iterator[int]:
    """Endless 64-bit numbers; Steele, Lea and Flood's SplitMix64."""
    state = seed & _MASK
    while True:
        state = (state + 0x9E3779B97F4A7C15) & _MASK
        mixed = state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        yield mixed ^ (mixed >> 31)


def rows(count: int, *, seed: int = SEED) -> Iterator[str]:
    """The lines of the file, heading first, each with its newline."""
    numbers = splitmix64(seed)
    ts_ns = 1_735_689_600_000_000_000  # 2025-01-01T00:00:00Z
    price = 15_000_000
    yield "ts_ns,price,qty,side\n"
    for _ in range(count):
        number = next(numbers)
        ts_ns += 1_000_000 * (1 + (number & 0x7FF) % 2000)  # 1 to 2000 ms later
        price = max(5_000_000, price + 5 * (((number >> 11) & 0xFFFF) % 7 - 3))  # at most 15 JPY away
        thousandths = 10 + ((number >> 27) & 0xFFFF) % 100
        side = "b" if (number >> 43) & 1 else "s"
        yield f"{ts_ns},{price},0.{thousandths:03d},{side}\n"


def write(path: Path, *, count: int = ROWS, seed: int = SEED) -> str:
    """Write the file and give its SHA-256."""
    digest = hashlib.sha256()
    lines: list[str] = []

    with path.open("wb") as file:

        def drain() -> None:
            chunk = "".join(lines).encode()
            digest.update(chunk)
            file.write(chunk)
            lines.clear()

        for line in rows(count, seed=seed):
            lines.append(line)
            if len(lines) >= _ROWS_PER_WRITE:
                drain()
        drain()
    return digest.hexdigest()


def ticks_file(directory: Path) -> Path:
    """The file of the SMA job, made once; one that is damaged or cut is made again."""
    path = directory / "ticks.csv"
    if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == SHA256_1M:
        return path
    directory.mkdir(parents=True, exist_ok=True)
    if write(path) != SHA256_1M:
        raise SystemExit(f"{path}: the generator no longer makes the specified file; its figures would compare nothing")
    return path

"""What every importer shares: reading lines of plain or gzip files, and an account of the rows that it cannot use.

The rule: a row is used, or it is counted by its reason with the places where it occurred first. Nothing is dropped
silently, and nothing is repaired unless asked for.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from ztb.core.error import TapeError
from ztb.core.event import Market, Trade
from ztb.store.tape_meta import InputFile

LINE_BYTES_MAX: Final = 4 << 20
"""A full book of 10,000 levels in JSON takes less than 1 MiB."""
PLACES_MAX: Final = 5
"""So many places of each finding are kept to be shown."""
REPAIR_WINDOW: Final = 10_000
"""Rows within which ``repaired`` puts times in order; ten times the longest answer of a polled venue."""
IDS_MAX: Final = 100_000
"""Trade ids that are remembered to recognise a repetition."""

Advance = Callable[[int], None]


class UnusableRow(Exception):  # not an error: a row of the input that the tally will count
    """``reason`` is a fixed name (snake_case), ``detail`` what stands there."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason.replace('_', ' ')}: {detail}" if detail else reason.replace("_", " "))
        self.reason = reason


class Tally:
    """Counts by name, and the first places of each."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.places: dict[str, list[str]] = {}

    def add(self, name: str, place: str = "", count: int = 1) -> None:
        """One more of ``name``."""
        self.counts[name] = self.counts.get(name, 0) + count
        if place:
            places = self.places.setdefault(name, [])
            if len(places) < PLACES_MAX:
                places.append(place)

    def with_prefix(self, prefix: str) -> dict[str, int]:
        """The counts of one family, for example ``unused.``, without the prefix."""
        return {name[len(prefix) :]: count for name, count in self.counts.items() if name.startswith(prefix)}


def open_input(path: Path) -> tuple[BinaryIO, BinaryIO]:
    """The text's bytes (unpacked if the name ends in .gz), and the file below it, whose ``tell`` shows progress."""
    try:
        below = path.open("rb")
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror}", remedy="name a file that exists and may be read") from None
    if path.suffix == ".gz":
        return gzip.GzipFile(fileobj=below), below  # type: ignore[return-value]  # a GzipFile reads like a BinaryIO
    return below, below


def read_lines(path: Path, advance: Advance | None = None) -> Iterator[tuple[int, bytes]]:
    """Line number (from 1) and line without its end; TapeError for cut or damaged gzip data and endless lines."""
    text, below = open_input(path)
    number = 0
    shown = 0
    with below, text:
        try:
            while line := text.readline(LINE_BYTES_MAX + 1):
                number += 1
                if len(line) > LINE_BYTES_MAX:
                    raise TapeError(f"{path}:{number}: a line longer than {LINE_BYTES_MAX} bytes")
                yield number, line.rstrip(b"\r\n")
                if advance is not None and number % 1024 == 0:
                    advance(below.tell() - shown)
                    shown = below.tell()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise damaged_gzip(path, number, error) from None
    if advance is not None:
        advance(path.stat().st_size - shown)


def damaged_gzip(path: Path, line: int, error: Exception) -> TapeError:
    """The complaint about compressed input that does not unpack."""
    what = f"{path}: after line {line}: the gzip data are cut or damaged: {error}"
    return TapeError(what, remedy="copy the file again, or unpack what is whole with `zcat` and import that")


def input_file(path: Path) -> InputFile:
    """Name and content of an input, for the tape's header."""
    try:
        with path.open("rb") as file:
            return InputFile(path.name, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror}", remedy="name a file that exists and may be read") from None


class Recent:
    """Remembers the last ``limit`` keys, to recognise repetitions in bounded memory."""

    def __init__(self, limit: int = IDS_MAX) -> None:
        self._keys: OrderedDict[object, None] = OrderedDict()
        self._limit = limit

    def seen(self, key: object) -> bool:
        """True when ``key`` is among the last; remembers it either way."""
        if key in self._keys:
            return True
        self._keys[key] = None
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)
        return False


def repaired(events: Iterable[Market], tally: Tally, window: int = REPAIR_WINDOW) -> Iterator[Market]:
    """In order of time as far as ``window`` events reach, without repeated trade ids; both are counted."""
    recent = Recent()
    heap: list[tuple[int, int, Market]] = []
    latest_ns = 0
    for number, event in enumerate(events):
        if type(event) is Trade and event.trade_id and recent.seen(event.trade_id):
            tally.add("repaired.duplicate_trade")
            continue
        if event.ts_ns < latest_ns:
            tally.add("repaired.out_of_order")
        latest_ns = max(latest_ns, event.ts_ns)
        heapq.heappush(heap, (event.ts_ns, number, event))
        if len(heap) > window:
            yield heapq.heappop(heap)[2]
    while heap:
        yield heapq.heappop(heap)[2]

"""A small coverage-guided fuzzer: it keeps what reaches code that nothing before it reached, and mutates that.

Guidance is which line follows which in our own modules, and in which words an error is told, because most decoding
happens in C, where no line is seen. One seed gives one sequence of inputs. Knows neither venues nor files.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from types import FrameType
from typing import Any, Final

INPUT_BYTES_MAX: Final = 16_384
SLOW_S_MAX: Final = 5.0
"""No input of this size may take longer; twice as slow under the tracer as without it, and then some."""
STACKED_MUTATIONS_MAX: Final = 4
FEATURES_OF_TEXT_MAX: Final = 500
"""Different words of errors; an error that quotes its input would otherwise never cease to be new."""

TEXTS_KEPT_MAX: Final = 60
"""Different refusals for whose sake alone an input is kept in the end."""

TOKENS: Final = (
    b"null", b"true", b"false", b"0", b"-1", b"-0", b"1e999999", b"1e-999999", b"1E5", b"0.1", b"9" * 40, b'"NaN"',
    b'"sNaN"', b'"-Infinity"', b'"1e999999"', b'""', b"{}", b"[]", b"[[", b"]]", b"],[", b'"\\ud800"', b'"\\u0000"',
    b"\xff", b"\xed\xa0\x80", b"[" * 2_000, b'{"a":' * 500, b" ", b"\n", b"18446744073709551616",
    b"-9223372036854775809", b'"2023-13-45T99:99:99Z"', b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999999Z"',
    b'"\xd9\xa1"',
)  # fmt: skip
VALUES: Final[tuple[object, ...]] = (
    None, True, False, 0, 1, -1, 2**63, 2**70, 0.5, 1e300, "", "0", "1", "-1", "NaN", "sNaN", "Infinity", "1e999999",
    "1_000", " 1", "\u0661", "\ud800", "x" * 300, [], {}, [[]], [None], {"a": 1}, "2023-13-45T99:99:99Z",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999999Z", "9" * 40, "0." + "0" * 40 + "1",
)  # fmt: skip

Run = Callable[[bytes], str]
"""Takes one input; gives what was said of it, a line for each refusal. Whatever it raises is a defect."""
_DIGITS: Final = re.compile(r"[0-9]+|'[^']*'|\"[^\"]*\"|`[^`]*`(?= - )")


class Defect(Exception):
    """An input that a target does not handle as it must."""

    def __init__(self, data: bytes, why: str) -> None:
        super().__init__(f"{why}; input {data[:300]!r}")
        self.data = data


def checked(run: Run, data: bytes) -> str:
    """Run one input; Defect for every exception and for an input that is too slow."""
    began = time.perf_counter()
    try:
        told = run(data)
    except Exception as error:
        raise Defect(data, f"{type(error).__name__}: {str(error)[:200]}") from error
    if time.perf_counter() - began > SLOW_S_MAX:
        raise Defect(data, f"took longer than {SLOW_S_MAX:g} s")
    return told


class Coverage:
    """Runs inputs under ``sys.settrace`` and gives what each reached, as a set of features."""

    def __init__(self, prefix: str, *, texts_max: int = FEATURES_OF_TEXT_MAX) -> None:
        """``prefix`` of the file names that count; so many different refusals count as well."""
        self._texts_max = texts_max
        self._prefix = prefix
        self._is_ours: dict[str, bool] = {}
        self._texts: set[str] = set()
        self._found: set[object] = set()

    def of(self, run: Run, data: bytes) -> set[object]:
        """The features of one input; Defect as ``checked`` raises it."""
        self._found = set()
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            told = checked(run, data)
        finally:
            sys.settrace(before)
        for line in told.splitlines():
            words = _DIGITS.sub("#", line)[:120]
            if words in self._texts or len(self._texts) < self._texts_max:
                self._texts.add(words)
                self._found.add(words)
        return self._found

    def _called(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        code = frame.f_code
        name = code.co_filename
        is_ours = self._is_ours.get(name)
        if is_ours is None:
            is_ours = self._is_ours[name] = name.startswith(self._prefix)
        if not is_ours:
            return None
        found, last = self._found, 0

        def line(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            nonlocal last
            if event == "line":
                found.add((code, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line


class Mutator:
    """Makes new inputs out of kept ones: by their bytes, and by their JSON where they are JSON."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def mutated(self, kept: Sequence[bytes]) -> bytes:
        """One to a few changes of one of ``kept``."""
        random = self._random
        data = random.choice(kept)
        for _ in range(random.randint(1, STACKED_MUTATIONS_MAX)):
            data = self._by_json(data) if random.random() < 0.6 else self._by_bytes(data, random.choice(kept))
        return data[:INPUT_BYTES_MAX]

    def _by_bytes(self, data: bytes, other: bytes) -> bytes:
        random = self._random
        at, end = sorted((random.randint(0, len(data)), random.randint(0, len(data))))
        match random.randrange(8):
            case 0:
                return data[:at] + random.choice(TOKENS) + data[end:]
            case 1:
                return data[:at] + random.choice(TOKENS) + data[at:]
            case 2:
                return data[:at] + data[end:]
            case 3:
                return data[:end] + data[at:end] * random.randint(1, 4) + data[end:]
            case 4:
                return data[:at] + other[random.randint(0, len(other)) :]
            case 5:
                return data + b"\n" + other
            case 6:
                return data[:at] + random.randbytes(random.randint(1, 4)) + data[at + 1 :]
            case _:
                return data[:at]

    def _by_json(self, data: bytes) -> bytes:
        """One line of the input is taken for JSON, and one place of it changed."""
        lines = data.split(b"\n")
        chosen = self._random.randrange(len(lines))
        try:
            document = json.loads(lines[chosen])
        except (ValueError, RecursionError):
            return self._by_bytes(data, data)
        holder: list[Any] = [document]
        places: list[tuple[Any, Any]] = []
        waiting: list[Any] = [holder]
        while waiting and len(places) < 5_000:
            inside = waiting.pop()
            names = list(inside) if isinstance(inside, dict) else range(len(inside))
            for name in names:
                places.append((inside, name))
                if isinstance(inside[name], dict | list):
                    waiting.append(inside[name])
        self._change(*self._random.choice(places), places)
        lines[chosen] = json.dumps(holder[0], separators=self._random.choice(((",", ":"), (", ", ": ")))).encode()
        return b"\n".join(lines)

    def _change(self, inside: Any, name: Any, places: list[tuple[Any, Any]]) -> None:  # noqa: ANN401 - any JSON
        random = self._random
        match random.randrange(6):
            case 0 | 1:
                inside[name] = random.choice(VALUES)
            case 2 if isinstance(inside, dict):
                del inside[name]
            case 3 if isinstance(inside, list):
                inside.extend(inside[name : name + 1] * random.randint(1, 3))
            case 4:
                other, place = random.choice(places)
                # A copy through text: a document that contained itself could not be written.
                inside[name] = json.loads(json.dumps(other[place]))
            case _:
                inside[name] = self._near(inside[name])

    def _near(self, value: object) -> object:
        """A value of the same kind."""
        random = self._random
        match value:
            case bool():
                return not value
            case int() | float() if abs(value) < 10**100:
                return random.choice((value + 1, -value, value * 10, value // 3, str(value), 0.1))
            case str() if value:
                at = random.randrange(len(value))
                return random.choice((value[:at], value + value, value[:at] + "0" + value[at:], value.swapcase(), at))
            case _:
                return random.choice(VALUES)


@dataclass
class Outcome:
    """What a run found."""

    runs: int = 0
    kept: list[bytes] = field(default_factory=list)
    features: int = 0
    defects: list[Defect] = field(default_factory=list)


def fuzz(
    run: Run, seeds: Iterable[bytes], *, prefix: str, seed: int, seconds: float = 0.0, runs_max: int = 0,
    defects_max: int = 5,
) -> Outcome:  # fmt: skip
    """Until ``seconds`` have passed or ``runs_max`` inputs ran (0: no such limit), or enough defects are found."""
    coverage, mutator = Coverage(prefix), Mutator(Random(seed))
    outcome, seen = Outcome(), set[object]()
    waiting = [data[:INPUT_BYTES_MAX] for data in seeds]
    deadline = time.monotonic() + seconds
    while len(outcome.defects) < defects_max:
        is_over = (seconds and time.monotonic() >= deadline) or (runs_max and outcome.runs >= runs_max)
        if not waiting and is_over:
            break
        data = waiting.pop() if waiting else mutator.mutated(outcome.kept or [b"{}"])
        outcome.runs += 1
        try:
            found = coverage.of(run, data)
        except Defect as defect:
            outcome.defects.append(defect)
            continue
        if not found <= seen:
            seen |= found
            outcome.kept.append(data)
    outcome.features = len(seen)
    return outcome


def smallest(run: Run, kept: Sequence[bytes], *, prefix: str, count_max: int) -> list[bytes]:
    """Inputs that together reach what all of ``kept`` reach, short ones first; at most ``count_max``."""
    coverage, seen, chosen = Coverage(prefix, texts_max=TEXTS_KEPT_MAX), set[object](), list[bytes]()
    for data in sorted(set(kept), key=lambda data: (len(data), data)):
        found = coverage.of(run, data)
        if not found <= seen and len(chosen) < count_max:
            seen |= found
            chosen.append(data)
    return chosen

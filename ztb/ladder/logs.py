"""The traders' log files: are they structured, and what errors do they hold (A-20, A-29)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

REQUIRED: Final = ("ts", "level", "log", "profile", "event", "text")
ERROR_LEVELS: Final = frozenset({"ERROR", "CRITICAL"})
RESOLUTION_NS: Final = 1_000_000
"""A log line knows milliseconds; it is rounded down."""


@dataclass(frozen=True)
class LogFacts:
    """Of one log file."""

    lines: int
    unstructured: int
    first_unstructured: str
    errors: tuple[dict[str, Any], ...]
    records: tuple[dict[str, Any], ...]

    def first_ns(self, event: str, *, since_ns: int) -> int | None:
        """Wall time (ns, whole milliseconds) of the first record of ``event`` that is not older than ``since_ns``."""
        for record in self.records:
            if record["event"] == event and (moment_ns := _moment_ns(record["ts"])) > since_ns - RESOLUTION_NS:
                return moment_ns
        return None


def read(path: Path) -> LogFacts:
    """Every line must be one JSON object with the required members. A file that is not there has no lines."""
    records: list[dict[str, Any]] = []
    unstructured: list[str] = []
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in lines:
        record = _record(line)
        if record is None:
            unstructured.append(line)
        else:
            records.append(record)
    errors = tuple(record for record in records if record["level"] in ERROR_LEVELS)
    first = unstructured[0][:200] if unstructured else ""
    return LogFacts(len(lines), len(unstructured), first, errors, tuple(records))


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        if not isinstance(record, dict) or not all(isinstance(record.get(name), str) for name in REQUIRED):
            return None
        _moment_ns(record["ts"])
    except ValueError:
        return None
    return record


def _moment_ns(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000) * RESOLUTION_NS

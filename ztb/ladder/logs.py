"""The traders' log files: are they structured, and what errors do they hold (A-20, A-29)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

REQUIRED: Final = ("ts", "level", "log", "profile", "event", "text")
ERROR_LEVELS: Final = frozenset({"ERROR", "CRITICAL"})


@dataclass(frozen=True)
class LogFacts:
    """Of one log file."""

    lines: int
    unstructured: int
    first_unstructured: str
    errors: tuple[dict[str, Any], ...]
    records: tuple[dict[str, Any], ...]

    def first_ns(self, event: str) -> int | None:
        """Wall time (ns) of the first record of ``event``; a log line knows milliseconds."""
        for record in self.records:
            if record["event"] == event:
                moment = datetime.strptime(record["ts"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
                return int(moment.timestamp() * 1000) * 1_000_000
        return None


def read(path: Path) -> LogFacts:
    """Every line must be one JSON object with the required members."""
    records: list[dict[str, Any]] = []
    unstructured: list[str] = []
    lines = path.read_text(errors="replace").splitlines()
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            unstructured.append(line)
            continue
        if isinstance(record, dict) and all(name in record for name in REQUIRED):
            records.append(record)
        else:
            unstructured.append(line)
    errors = tuple(record for record in records if record["level"] in ERROR_LEVELS)
    first = unstructured[0][:200] if unstructured else ""
    return LogFacts(len(lines), len(unstructured), first, errors, tuple(records))

"""A trader's log: every line must be structured, and the time of an event is that of this kill, not of an older one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ztb.host.log import ERROR, close_log, configure_log, get_log
from ztb.ladder import logs

SECOND_NS = 1_000_000_000
NOON_NS = 1_709_640_000 * SECOND_NS
"""2024-03-05 12:00:00 UTC."""


def line(event: str, *, ts: str = "2024-03-05T12:00:00.250Z", level: str = "INFO") -> str:
    plain = {"ts": ts, "level": level, "log": "engine", "profile": "demo", "event": event, "text": "t"}
    return json.dumps(plain)


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def test_what_our_own_log_writes_is_structured(tmp_path: Path) -> None:
    stream = io.StringIO()
    try:
        configure_log(profile="demo", form="json", stream=stream)
        get_log("engine").event("ready", "trading", wall_ms=60)
        get_log("engine").event("broken", "line one\nline two", level=ERROR)
    finally:
        close_log()
    facts = logs.read(written(tmp_path / "log", *stream.getvalue().splitlines()))
    assert (facts.lines, facts.unstructured) == (2, 0)
    assert [record["event"] for record in facts.errors] == ["broken"]


@pytest.mark.parametrize(
    "bad",
    [
        "Traceback (most recent call last):",
        '{"ts": "2024-03-05T12:00:00.250Z"',
        "[]",
        '"ready"',
        json.dumps({"ts": "2024-03-05T12:00:00.250Z", "level": "INFO"}),
        line("ready", ts="yesterday"),
        json.dumps({**json.loads(line("ready")), "text": 5}),
    ],
)
def test_a_line_that_is_not_structured_is_found(tmp_path: Path, bad: str) -> None:
    facts = logs.read(written(tmp_path / "log", line("ready"), bad, line("stopped")))
    assert (facts.lines, facts.unstructured, facts.first_unstructured) == (3, 1, bad)
    assert [record["event"] for record in facts.records] == ["ready", "stopped"]


@pytest.mark.parametrize("level", ["ERROR", "CRITICAL"])
def test_errors_are_found(tmp_path: Path, level: str) -> None:
    facts = logs.read(written(tmp_path / "log", line("a"), line("b", level=level), line("c", level="WARNING")))
    assert [record["event"] for record in facts.errors] == ["b"]


def test_no_file_is_no_line(tmp_path: Path) -> None:
    assert logs.read(tmp_path / "absent").lines == 0


def test_the_second_kill_is_not_timed_by_the_first(tmp_path: Path) -> None:
    path = written(
        tmp_path / "log",
        line("killed", ts="2024-03-05T12:00:00.250Z"),
        line("resumed", ts="2024-03-05T12:00:05.000Z"),
        line("killed", ts="2024-03-05T12:00:09.125Z"),
    )
    facts = logs.read(path)
    assert facts.first_ns("killed", since_ns=NOON_NS) == NOON_NS + 250_000_000
    assert facts.first_ns("killed", since_ns=NOON_NS + SECOND_NS) == NOON_NS + 9_125_000_000
    assert facts.first_ns("killed", since_ns=NOON_NS + 10 * SECOND_NS) is None
    assert facts.first_ns("absent", since_ns=0) is None


def test_a_record_of_the_same_millisecond_counts(tmp_path: Path) -> None:
    """The log rounds down: a kill at .2509 that is logged at .250 was logged after it."""
    facts = logs.read(written(tmp_path / "log", line("killed")))
    assert facts.first_ns("killed", since_ns=NOON_NS + 250_900_000) == NOON_NS + 250_000_000
    assert facts.first_ns("killed", since_ns=NOON_NS + 251_000_000) is None

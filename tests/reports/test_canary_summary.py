"""The half screen at the end of a climb: what stands in the way of a GO is on it, what passed is counted."""

from __future__ import annotations

from typing import Any

import pytest

from ztb.core.error import UsageError
from ztb.reports.canary_summary import render_canary_summary

SECOND_NS = 1_000_000_000


def criterion(verdict: str, text: str = "memory", measured: object = "88 MB") -> dict[str, Any]:
    return {"id": "A-15", "text": text, "measured": measured, "threshold": "< 500 MB", "verdict": verdict}


def run(**changes: object) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "run_id": "canary_1",
        "started": 0,
        "ended": 5 * SECOND_NS,
        "build": "0.1.0",
        "profile": "demo",
        "verdict": "GO",
        "scaled": False,
        "rungs": [
            {"name": "preflight", "verdict": "GO", "started": 0, "ended": 2 * SECOND_NS, "notes": [],
             "criteria": [criterion("PASS"), criterion("PASS", "disk")]},
        ],
    }  # fmt: skip
    return plain | changes


def test_a_good_run_is_short() -> None:
    text = render_canary_summary(run(), [("page", "/r/page.html"), ("bundle", "/r/b.zip")])
    assert text == (
        "Canary run canary_1, profile demo, build 0.1.0\n"
        "\n"
        "  preflight    GO            2 of  2 criteria  2.000 s\n"
        "\n"
        "page    /r/page.html\n"
        "bundle  /r/b.zip\n"
        "[canary] DECISION: GO"
    )


@pytest.mark.parametrize("verdict", ["FAIL", "WARN", "SKIPPED"])
def test_what_did_not_pass_is_told_with_what_was_measured(verdict: str) -> None:
    rung = {"name": "replay", "verdict": "NO-GO", "started": 0, "ended": SECOND_NS, "notes": [],
            "criteria": [criterion("PASS"), criterion(verdict, "error rate", None)]}  # fmt: skip
    text = render_canary_summary(run(rungs=[rung], verdict="NO-GO"), [])
    assert f"  {verdict}  replay  A-15  error rate\n        measured no data; required < 500 MB\n" in text
    assert "memory" not in text
    assert "1 of  2 criteria" in text
    assert text.endswith("[canary] DECISION: NO-GO")


def test_a_rung_that_was_not_reached_says_why() -> None:
    rung = {"name": "live-lite", "verdict": "NO-GO", "started": None, "ended": None, "criteria": [],
            "notes": ["not reached: a rung before it failed"]}  # fmt: skip
    text = render_canary_summary(run(rungs=[rung]), [])
    assert "  live-lite    NO-GO       not reached: a rung before it failed\n" in text


def test_a_note_of_a_rung_is_told() -> None:
    rung = {"name": "replay", "verdict": "NO-GO", "started": 0, "ended": SECOND_NS,
            "criteria": [criterion("FAIL")], "notes": ["the replay said: no such tape"]}  # fmt: skip
    text = render_canary_summary(run(rungs=[rung]), [])
    assert "required < 500 MB\n  note  replay  the replay said: no such tape\n" in text


def test_scaled_time_is_told() -> None:
    assert "time x20: this evidence is not that of a run in real time" in render_canary_summary(run(scaled="20"), [])


def test_what_comes_from_outside_does_not_drive_the_terminal() -> None:
    text = render_canary_summary(run(profile="demo\x1b[2J"), [("page", "/r/\x1b[31m")])
    assert "\x1b" not in text


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(UsageError):
        render_canary_summary({"run_id": "canary_1"}, [])

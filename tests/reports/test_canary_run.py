"""A canary run in words: values, times and counts as every report of it shows them, and the half-screen summary."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import pytest

from tests.reports.scene import at
from tests.reports.test_canary_report import canary, criterion, hostile, rows
from ztb.core.error import UsageError
from ztb.reports.canary_report import render_canary_html, render_canary_text
from ztb.reports.canary_run import VALUE_LENGTH_MAX, canary_run, moment_text, took_text, value_text
from ztb.reports.canary_summary import render_canary_summary

PLACES = [("page", "out/canary.html"), ("bundle", "out.tar.zst")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "no data"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1, "1"),
        (-12, "-12"),
        (0.5, "0.5"),
        (math.nan, "nan"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.10"), "-0.10"),
        ("", ""),
        ("two\n  lines\t\x1b[2J", "two lines \ufffd[2J"),
        ([1, None, "日"], '[1, null, "日"]'),
        ({"p50": Decimal("1.5")}, '{"p50": "1.5"}'),
    ],
)
def test_values(value: object, expected: str) -> None:
    assert value_text(value) == expected


@pytest.mark.parametrize("length", [VALUE_LENGTH_MAX - 1, VALUE_LENGTH_MAX, VALUE_LENGTH_MAX + 1, 10_000])
def test_a_long_value_is_cut_and_says_so(length: int) -> None:
    told = value_text("x" * length)
    assert told == ("x" * length if length <= 400 else "x" * 400 + " ...")


@pytest.mark.parametrize(
    ("started", "ended", "expected"),
    [
        (at(0), at(0), "0.000 s"),
        (at(0), at(183), "3 min 3.000 s"),
        (at(1), at(0), "no data"),
        (at(0), None, "no data"),
        (None, at(0), "no data"),
        ("noon", at(0), "no data"),
        (at(0), "one", "no data"),
    ],
)
def test_durations_need_two_times_in_order(started: int | str | None, ended: int | str | None, expected: str) -> None:
    assert took_text(started, ended) == expected


@pytest.mark.parametrize(
    ("moment", "expected"), [(at(0), "2024-03-05 12:00:00.000Z"), ("at noon", "at noon"), (None, "no data")]
)
def test_moments(moment: int | str | None, expected: str) -> None:
    assert moment_text(moment) == expected


@pytest.mark.parametrize(
    ("scaled", "expected"),
    [(20, " 20 times:"), (2.5, " 2.5 times:"), ("20", " 20 times:"), (True, ":"), (False, None), (None, None)],
)
def test_how_much_time_was_compressed(scaled: object, expected: str | None) -> None:
    facts = dict(canary_run(canary(scaled=scaled)).facts())
    told = None if expected is None else f"compressed{expected} this evidence is not that of a run in real time"
    assert facts.get("Time") == told


def verdicts(*of: str) -> dict[str, Any]:
    """A run of one rung with a criterion for each verdict."""
    rung = canary()["rungs"][0]
    return canary(rungs=[{**rung, "criteria": [criterion(f"A-{n}", n, n, one) for n, one in enumerate(of)]}])


def test_only_passed_criteria_count_as_passed() -> None:
    run = canary_run(verdicts("PASS", "FAIL", "CONDITIONAL", "SKIPPED", "PASS"))
    assert run.summary() == "1 of 1 rungs and 2 of 5 criteria passed."
    assert [entry.verdict for _, entry in run.not_passed()] == ["FAIL", "CONDITIONAL", "SKIPPED"]


def test_the_rungs_at_a_glance() -> None:
    run = canary()
    run["rungs"].append({**run["rungs"][0], "name": "bundle", "criteria": [], "started": None, "verdict": "NOT RUN"})
    found = rows(render_canary_html(run))
    table = found[found.index(["Rung", "Criteria passed", "Duration", "Verdict"]) :][:4]
    assert table[1:] == [
        ["replay", "2 of 2", "18.000 s", "\u2714 GO"],
        ["live-lite", "1 of 2", "no data", "\u2718 NO-GO"],
        ["bundle", "none evaluated", "no data", "\u2013 NOT RUN"],
    ]


def test_a_run_without_rungs_has_no_table_of_them() -> None:
    assert ["Rung", "Criteria passed", "Duration", "Verdict"] not in rows(render_canary_html(canary(rungs=[])))


def test_a_long_cell_does_not_widen_the_column_of_the_others() -> None:
    run = verdicts("PASS", "PASS")
    run["rungs"][0]["criteria"][0]["measured"] = "m" * 60
    lines = render_canary_text(run).splitlines()
    assert f"  PASS  A-0  measured {'m' * 60}  required 0  text of A-0" in lines
    assert "  PASS  A-1  measured 1  required 1  text of A-1" in lines


def test_the_summary_by_hand() -> None:
    """Half a screen; the decision last."""
    run = canary(scaled=20)
    run["rungs"].append({**run["rungs"][0], "name": "bundle", "verdict": "NOT RUN", "criteria": [], "notes": ["why"]})
    assert render_canary_summary(run, PLACES) == (
        "Canary run 20240305-120000, profile demo, build 0.1.0+abc\n"
        "time x20: this evidence is not that of a run in real time\n"
        "\n"
        "  replay       GO            2 of  2 criteria  18.000 s\n"
        "  live-lite    NO-GO         1 of  2 criteria  no data\n"
        "  bundle       NOT RUN     why\n"
        "\n"
        "not passed\n"
        "  FAIL  live-lite  A-17  text of A-17\n"
        "        measured no data; required >= 1\n"
        "\n"
        "page    out/canary.html\n"
        "bundle  out.tar.zst\n"
        "[canary] DECISION: NO-GO"
    )


def test_the_summary_of_a_clean_run_lists_nothing() -> None:
    run = canary(verdict="GO", rungs=canary()["rungs"][:1])
    told = render_canary_summary(run, [])
    assert "not passed" not in told
    assert "time x" not in told
    assert told.endswith("18.000 s\n\n[canary] DECISION: GO")


def test_the_summary_cannot_steer_the_terminal() -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", render_canary_summary(hostile(), [("page", "a\x1b[2Jb")]))


def test_a_summary_of_something_else_is_refused() -> None:
    with pytest.raises(UsageError, match="no canary run"):
        render_canary_summary({}, PLACES)

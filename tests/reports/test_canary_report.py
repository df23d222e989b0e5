"""The canary's page and text: complete, escaped, alone, and with the verdict where the reader looks."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reports.scene import INSTRUMENT, at
from ztb.core.error import InvariantBroken, UsageError
from ztb.reports.canary_report import render_canary_html, render_canary_text
from ztb.reports.canary_run import kind
from ztb.reports.chart import price_equity_chart
from ztb.reports.curve import CurvePoint

VOID = {"meta"}


def criterion(identifier: str, measured: object, threshold: object, verdict: str = "PASS") -> dict[str, Any]:
    text = f"text of {identifier}"
    return {"id": identifier, "text": text, "measured": measured, "threshold": threshold, "verdict": verdict}


def canary(**changes: object) -> dict[str, Any]:
    """Two rungs, one with a failure and a criterion that was never measured."""
    points = [CurvePoint(at(0), 1000, 5), CurvePoint(at(9), 1001, 6)]
    svg = price_equity_chart(title="t", subtitle="s", instrument=INSTRUMENT, points=points, fills=[])
    run: dict[str, Any] = {
        "run_id": "20240305-120000",
        "started": at(0),
        "ended": at(183),
        "build": "0.1.0+abc",
        "profile": "demo",
        "verdict": "NO-GO",
        "scaled": False,
        "rungs": [
            {
                "name": "replay",
                "verdict": "GO",
                "started": at(0),
                "ended": at(18),
                "criteria": [criterion("A-13", True, True), criterion("A-15", "88 MB", "< 500 MB")],
                "notes": ["38,627 orders"],
            },
            {
                "name": "live-lite",
                "verdict": "NO-GO",
                "started": at(18),
                "ended": None,
                "criteria": [criterion("A-17", None, ">= 1", "FAIL"), criterion("A-18", 12, "> 0")],
                "notes": [],
            },
        ],
        "charts": [{"title": "Replay", "svg": svg}],
        "manifest": [{"path": "reports/replay_report.json", "size": 12_345, "sha256": "ab" * 32}],
    }
    return {**run, **changes}


class Reader(HTMLParser):
    """Holds that every element is closed in order, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.said: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def rows(page: str) -> list[list[str]]:
    """The text of every table row."""
    body = ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))
    return [["".join(cell.itertext()) for cell in row] for row in body.iter("tr")]


def test_the_page_holds_every_criterion_and_file() -> None:
    found = rows(render_canary_html(canary()))
    assert ["A-13 text of A-13", "yes", "yes", "\u2714 PASS"] in found
    assert ["A-15 text of A-15", "88 MB", "< 500 MB", "\u2714 PASS"] in found
    assert ["A-17 text of A-17", "no data", ">= 1", "\u2718 FAIL"] in found
    assert ["reports/replay_report.json", "12,345", "ab" * 32] in found


def test_the_page_begins_with_the_verdict_and_what_did_not_pass() -> None:
    page = render_canary_html(canary())
    said = "|".join(read(page).said)
    assert said.index("NO-GO") < said.index("Not passed") < said.index("Charts") < said.index("Rung replay")
    assert "1 of 2 rungs and 3 of 4 criteria passed." in said
    assert "3 min 3.000 s" in said
    assert rows(page)[1] == ["live-lite", "A-17 text of A-17", "no data", ">= 1", "\u2718 FAIL"]


def test_the_page_is_well_formed_and_refers_to_nothing() -> None:
    page = render_canary_html(canary())
    reader = read(page)
    names = {name for name, _ in reader.elements}
    assert "svg" in names
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a", "use", "image"}
    for _, attributes in reader.elements:
        assert not {key for key in attributes if key.startswith("on") or key.endswith(("href", "src"))}
    assert set(re.findall(r"[a-z]+://[^\"'<> ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page


HOSTILE = "<script>alert('1')</script>&amp;\"${body}$title\x00\x1b]0;x\x07"


def hostile() -> dict[str, Any]:
    """Every text of a run, hostile."""
    run = canary(run_id=HOSTILE, build=HOSTILE, profile=HOSTILE, verdict=HOSTILE, scaled=HOSTILE, started=HOSTILE)
    for rung in run["rungs"]:
        rung |= {"name": HOSTILE, "verdict": HOSTILE, "started": HOSTILE, "notes": [HOSTILE]}
        for entry in rung["criteria"]:
            entry |= dict.fromkeys(entry, HOSTILE)
    run["charts"][0]["title"] = HOSTILE
    run["manifest"][0] |= {"path": HOSTILE, "sha256": HOSTILE}
    return run


def test_hostile_text_stays_text() -> None:
    page = render_canary_html(hostile())
    reader = read(page)
    assert "script" not in {name for name, _ in reader.elements}
    shown = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\x07", "\ufffd")
    assert "".join(reader.said).count(shown) >= 20
    assert ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n")).tag == "html"


def test_hostile_text_cannot_steer_the_terminal() -> None:
    text = render_canary_text(hostile())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)


def test_a_bad_chart_is_refused() -> None:
    with pytest.raises(InvariantBroken, match="element"):
        render_canary_html(canary(charts=[{"title": "t", "svg": '<svg xmlns="http://www.w3.org/2000/svg"><a/></svg>'}]))


def test_text_by_hand() -> None:
    assert render_canary_text(canary(scaled=20)) == (
        "Canary run 20240305-120000\n"
        "  Profile   demo\n"
        "  Build     0.1.0+abc\n"
        "  Started   2024-03-05 12:00:00.000Z\n"
        "  Ended     2024-03-05 12:03:03.000Z\n"
        "  Duration  3 min 3.000 s\n"
        "  Time      compressed 20 times: this evidence is not that of a run in real time\n"
        "\n"
        "replay: GO  (18.000 s)\n"
        "  PASS  A-13  measured yes    required yes       text of A-13\n"
        "  PASS  A-15  measured 88 MB  required < 500 MB  text of A-15\n"
        "  note: 38,627 orders\n"
        "\n"
        "live-lite: NO-GO  (no data)\n"
        "  FAIL  A-17  measured no data  required >= 1  text of A-17\n"
        "  PASS  A-18  measured 12       required > 0   text of A-18\n"
        "\n"
        "Bundle: 1 file, 12,345 bytes\n"
        "\n"
        "Not passed\n"
        "  live-lite  FAIL  A-17  measured no data  required >= 1  text of A-17\n"
        "\n"
        "1 of 2 rungs and 3 of 4 criteria passed.\n"
        "Verdict: NO-GO\n"
    )


def test_a_clean_run_has_no_list_of_what_did_not_pass() -> None:
    run = canary(verdict="GO", rungs=canary()["rungs"][:1])
    assert "Not passed" not in render_canary_text(run)
    assert "Not passed" not in render_canary_html(run)
    assert render_canary_text(run).endswith("1 of 1 rungs and 2 of 2 criteria passed.\nVerdict: GO\n")


@pytest.mark.parametrize(("scaled", "is_told"), [(False, False), (None, False), (True, True), (20, True), ("20", True)])
def test_compressed_time_is_told(scaled: object, is_told: bool) -> None:
    assert ("compressed" in render_canary_text(canary(scaled=scaled))) is is_told
    assert ("compressed" in render_canary_html(canary(scaled=scaled))) is is_told


def test_a_rung_without_criteria_says_so() -> None:
    run = canary()
    run["rungs"][0]["criteria"] = []
    assert "No criterion was evaluated." in render_canary_html(run)


def test_charts_and_manifest_may_be_missing() -> None:
    run = canary()
    del run["charts"], run["manifest"]
    assert "Charts" not in render_canary_html(run)
    assert "Bundle" not in render_canary_text(run)


def paths_of(value: object, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key of a run that must be there."""
    found: list[tuple[Any, ...]] = []
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("charts", "manifest", "notes"):
                found.append((*trail, key))
            found += paths_of(inner, (*trail, key))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            found += paths_of(inner, (*trail, index))
    return found


@pytest.mark.parametrize("trail", paths_of(canary()), ids=lambda trail: ".".join(map(str, trail)))
def test_what_is_missing_is_named(trail: tuple[Any, ...]) -> None:
    run = copy.deepcopy(canary())
    holder: Any = run
    for step in trail[:-1]:
        holder = holder[step]
    del holder[trail[-1]]
    with pytest.raises(UsageError, match=f"no canary run: .*{trail[-1]}"):
        render_canary_html(run)


def test_a_value_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(UsageError, match=r"manifest\[0\]\.size") as told:
        render_canary_text(canary(manifest=[{"path": "a", "size": "big", "sha256": "b"}]))
    assert told.value.exit_code == 2


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("GO", "passed"), ("pass", "passed"), ("NO-GO", "failed"), ("no_go", "failed"), ("FAIL", "failed"),
        ("CONDITIONAL", "limited"), ("SKIPPED", "open"), ("", "open"), ("GO?", "open"),
    ],
)  # fmt: skip
def test_only_a_known_word_counts_as_passed(verdict: str, expected: str) -> None:
    assert kind(verdict) == expected


@given(
    measured=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.decimals()
    | st.lists(st.integers(), max_size=200)
    | st.dictionaries(st.text(), st.floats(), max_size=3)
)
def test_any_measured_value_can_be_shown(measured: object) -> None:
    run = canary()
    run["rungs"][0]["criteria"][0]["measured"] = measured
    read(render_canary_html(run))
    lines = render_canary_text(run).splitlines()
    assert max(map(len, lines)) < 600

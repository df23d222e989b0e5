"""The climb: rungs in order, evidence kept whatever happens, and no GO without all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.ladder.world import context_in, measurement, session_body, write_journal
from ztb.core.error import InvariantBroken, StoreCorrupt, UsageError
from ztb.ladder import bundle, ladder
from ztb.ladder.bundle_check import check_bundle
from ztb.ladder.context import LOGS, REPORTS, WORK, Context
from ztb.ladder.evidence import NAMES, Findings, Verdict
from ztb.ladder.ladder import CanaryResult, Renderers, Work, climb
from ztb.reports.canary_report import render_canary_html
from ztb.reports.session_chart import session_chart

SECRET = "5ecre75ecre75ecre7"
RENDERERS = Renderers(render_canary_html, session_chart)


def passes(context: Context, findings: Findings) -> None:
    findings.holds("A-13", "sound", True, "yes")


def leaves_a_report(context: Context, findings: Findings) -> None:
    (context.directory(REPORTS) / "replay_report.json").write_text("{}\n")
    passes(context, findings)


def warns(context: Context, findings: Findings) -> None:
    findings.warn("A-13", "strange", "seen", "not seen")


def fails(context: Context, findings: Findings) -> None:
    findings.fail("A-13", "broken", "yes")


def raising(error: BaseException) -> Work:
    def work(context: Context, findings: Findings) -> None:
        findings.holds("A-13", "found before", True, "yes")
        raise error

    return work


def leaks(context: Context, findings: Findings) -> None:
    (context.directory(LOGS) / "trade-bot-kill-resume.log").write_text(f'{{"key": "{SECRET}"}}\n')
    passes(context, findings)


class Climb:
    """Climbs a ladder whose rungs are the given ones, in a directory of its own."""

    def __init__(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out = out
        self.lines: list[str] = []
        self.context = context_in(out)
        self.context.secrets.append(SECRET)
        self._monkeypatch = monkeypatch

    def __call__(self, **works: Work) -> CanaryResult:
        planted: dict[str, Work] = dict.fromkeys(NAMES[:-1], passes)
        planted |= {"replay": leaves_a_report, **{name.replace("_", "-"): work for name, work in works.items()}}
        self._monkeypatch.setattr(ladder, "RUNGS", tuple(planted.items()))
        return climb(self.context, renderers=RENDERERS, told=self.lines.append)

    def rungs(self) -> dict[str, Any]:
        plain = json.loads((self.out / "run.json").read_text())
        return {rung["name"]: rung for rung in plain["rungs"]}


@pytest.fixture
def climbing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Climb:
    return Climb(tmp_path / "run", monkeypatch)


def test_a_sound_climb_is_go_and_its_bundle_verifies(climbing: Climb) -> None:
    result = climbing()
    assert (result.verdict, result.exit_code) == (Verdict.GO, 0)
    assert result.archive is not None
    report = check_bundle(result.archive)
    assert (report.problems, report.verdict, report.records) == ((), "GO", 5)
    assert report.manifest_sha256 == result.manifest_sha256
    assert [line.split()[:2] for line in climbing.lines] == [[name, "GO"] for name in NAMES]
    assert "Canary run" in result.page.read_text()


def test_a_warning_makes_it_conditional(climbing: Climb) -> None:
    result = climbing(live_lite=warns)
    assert (result.verdict, result.exit_code) == (Verdict.CONDITIONAL, 3)
    assert check_bundle(result.page.parent).problems == ()


@pytest.mark.parametrize("at", range(4))
def test_after_a_failure_nothing_more_is_begun_and_the_bundle_is_made(climbing: Climb, at: int) -> None:
    result = climbing(**{NAMES[at].replace("-", "_"): fails})
    assert (result.verdict, result.exit_code) == (Verdict.NO_GO, 1)
    for number, name in enumerate(NAMES[:-1]):
        rung = climbing.rungs()[name]
        if number > at:
            assert rung["notes"] == ["not reached: a rung before it failed, so its evidence is missing"]
            assert (rung["verdict"], rung["criteria"]) == ("NO-GO", [])
        else:
            assert rung["verdict"] == ("NO-GO" if number == at else "GO")
    assert result.archive is not None
    assert check_bundle(result.archive).problems == ()


@pytest.mark.parametrize(
    "error", [StoreCorrupt("broken", remedy="look"), OSError(5, "no disk"), KeyError("orders"), AssertionError("no")]
)
def test_a_rung_that_raises_has_failed_and_keeps_what_it_found(climbing: Climb, error: Exception) -> None:
    assert climbing(kill_resume=raising(error)).verdict is Verdict.NO_GO
    found = {criterion["text"]: criterion for criterion in climbing.rungs()["kill-resume"]["criteria"]}
    assert found["found before"]["verdict"] == "PASS"
    assert found["the rung could be done to its end"]["verdict"] == "FAIL"


def test_a_rung_without_criteria_has_failed(climbing: Climb) -> None:
    assert climbing(live_lite=lambda context, findings: None).verdict is Verdict.NO_GO


def test_a_rung_that_is_left_out_makes_no_go(climbing: Climb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "RUNGS", (("preflight", passes), ("replay", leaves_a_report), ("live-lite", passes)))
    assert climb(climbing.context, renderers=RENDERERS, told=lambda line: None).verdict is Verdict.NO_GO


def test_a_secret_in_a_log_is_no_go_without_an_archive(climbing: Climb) -> None:
    result = climbing(kill_resume=leaks)
    assert (result.verdict, result.archive) == (Verdict.NO_GO, None)
    assert not (climbing.out / "canary_report.zip").exists()
    (found,) = [c for c in climbing.rungs()["bundle"]["criteria"] if c["verdict"] == "FAIL"]
    assert found["text"] == "no secret in any file"
    assert "logs/trade-bot-kill-resume.log" in found["measured"]


def test_a_secret_that_comes_later_is_never_a_go(climbing: Climb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should a page bring one in after the judgement, the run ends in an error."""
    page: Callable[[dict[str, Any]], str] = lambda run: SECRET  # noqa: E731
    monkeypatch.setattr("tests.ladder.test_ladder.RENDERERS", Renderers(page, session_chart))
    with pytest.raises(InvariantBroken, match="a secret got into a file"):
        climbing()
    assert not (climbing.out / "canary_report.zip").exists()


def test_an_interrupted_climb_keeps_what_it_has_and_makes_no_archive(climbing: Climb) -> None:
    with pytest.raises(KeyboardInterrupt):
        climbing(live_lite=raising(KeyboardInterrupt()))
    assert json.loads((climbing.out / "reports/replay_rung_report.json").read_text())["verdict"] == "GO"
    assert not (climbing.out / "reports/livelite_report.json").exists()
    assert not (climbing.out / "canary_report.zip").exists()


def test_evidence_is_never_mixed_with_that_of_an_older_run(climbing: Climb) -> None:
    (climbing.out / "older.json").write_text("{}")
    with pytest.raises(UsageError, match="not empty"):
        climbing()


def test_the_evidence_says_what_it_is_about(climbing: Climb) -> None:
    climbing.context.data_sha256 = "d" * 64
    climbing()
    plain = json.loads((climbing.out / "reports/livelite_report.json").read_text())
    options = climbing.context.options
    assert (plain["run_id"], plain["rung"], plain["time_scale"]) == (options.run_id, "live-lite", 60.0)
    assert (plain["config_sha256"], plain["data_sha256"]) == (options.loaded.digest, "d" * 64)
    assert plain["started_ns"] <= plain["ended_ns"]
    assert plain["build"] == climbing.context.build


def test_a_session_that_cannot_be_drawn_is_no_reason_to_fail(climbing: Climb) -> None:
    """Its evidence stands elsewhere: a journal without a tape is drawn by nobody."""

    def trades(context: Context, findings: Findings) -> None:
        state = context.directory(WORK) / "kill-resume-state"
        write_journal(state, [("session", session_body()), measurement()])
        context.sessions["kill-resume"] = state
        passes(context, findings)

    assert climbing(kill_resume=trades).verdict is Verdict.GO
    assert not (climbing.out / "reports/kill_resume_chart.svg").exists()


def test_the_real_rungs_are_the_ones_that_a_verdict_needs() -> None:
    assert [name for name, _ in ladder.RUNGS] == ["preflight", "replay", "live-lite", "kill-resume"]
    assert (*(name for name, _ in ladder.RUNGS), bundle.NAME) == NAMES

"""The first rungs in order: preflight, replay, live-lite, kill/resume; each leaves evidence, then comes the bundle.

A rung is not begun when the one before it failed: its evidence is then missing, and what is missing has failed.
Evidence goes into a hash-chained journal of the run, as each rung ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ztb.core.error import ZtbError
from ztb.ladder import bundle, kill_resume, live_lite, preflight, replay_rung
from ztb.ladder.context import REPORTS, WORK, Context
from ztb.ladder.evidence import EXIT_CODES, Findings, RungEvidence, Verdict, overall
from ztb.store.journal import Journal

RUNGS: Final[tuple[tuple[str, Callable[[Context], Findings]], ...]] = (
    (preflight.NAME, preflight.run),
    (replay_rung.NAME, replay_rung.run),
    (live_lite.NAME, live_lite.run),
    (kill_resume.NAME, kill_resume.run),
)
EVIDENCE: Final = "evidence"
EVIDENCE_NAME: Final = "evidence.db"
CHART_OF: Final = (("Replay: price, equity and fills", "replay_chart.svg"),)


@dataclass(frozen=True)
class CanaryResult:
    """What the ladder found."""

    verdict: Verdict
    run: dict[str, Any]
    """Everything, as ``ztb.reports.canary_report`` takes it."""
    archive: str

    @property
    def exit_code(self) -> int:
        """0 GO, 1 NO-GO, 3 CONDITIONAL."""
        return EXIT_CODES[self.verdict]


def climb(context: Context, *, page: Callable[[dict[str, Any]], str], told: Callable[[str], None]) -> CanaryResult:
    """Every rung, then the bundle. ``page`` renders the HTML; ``told`` hears one line for each rung."""
    started_ns = time.time_ns()
    journal = Journal.open(
        context.directory(WORK) / EVIDENCE_NAME, profile=context.options.loaded.name, mode="canary", now_ns=started_ns
    )
    rungs: list[RungEvidence] = []
    try:
        for name, work in RUNGS:
            rung = _climb_one(context, name, work)
            rungs.append(rung)
            _record(journal, rung)
            told(_line(rung))
            if rung.verdict is Verdict.NO_GO:
                break
    finally:
        journal.close()
    verdict = overall(rungs, tuple(name for name, _ in RUNGS))
    return _bundle(context, rungs, verdict, started_ns, page)


def _climb_one(context: Context, name: str, work: Callable[[Context], Findings]) -> RungEvidence:
    started_ns = time.time_ns()
    try:
        findings = work(context)
    except (ZtbError, OSError) as error:
        findings = Findings()
        findings.fail("A-13", f"{name} could be done", f"{type(error).__name__}: {error}"[:400])
    options = context.options
    return RungEvidence(
        run_id=options.run_id,
        rung=name,
        started_ns=started_ns,
        ended_ns=time.time_ns(),
        build=context.build,
        config_sha256=options.loaded.digest,
        data_sha256=context.data_sha256,
        time_scale=options.time_scale,
        verdict=findings.verdict(),
        criteria=tuple(findings.criteria),
        notes=tuple(findings.notes),
    )


def _record(journal: Journal, rung: RungEvidence) -> None:
    journal.append(rung.ended_ns, EVIDENCE, json.dumps(rung.to_dict(), sort_keys=True).encode())
    journal.commit()


def _bundle(
    context: Context,
    rungs: list[RungEvidence],
    verdict: Verdict,
    started_ns: int,
    page: Callable[[dict[str, Any]], str],
) -> CanaryResult:
    bundle.collect(context, rungs)
    run = _as_run(context, rungs, verdict, started_ns)
    run["manifest"] = [vars(bundle.entry(context.out, path)) for path in bundle.bundle_files(context.out)]
    bundle.seal(context, page(run))
    return CanaryResult(verdict, run, str(context.out / bundle.ARCHIVE))


def _as_run(context: Context, rungs: list[RungEvidence], verdict: Verdict, started_ns: int) -> dict[str, Any]:
    options = context.options
    done = {rung.rung for rung in rungs}
    shown: list[dict[str, Any]] = [
        {
            "name": rung.rung,
            "verdict": rung.verdict.value,
            "started": rung.started_ns,
            "ended": rung.ended_ns,
            "criteria": [
                {"id": c.id, "text": c.text, "measured": c.measured, "threshold": c.threshold, "verdict": c.verdict}
                for c in rung.criteria
            ],
            "notes": list(rung.notes),
        }
        for rung in rungs
    ]
    shown += [
        {
            "name": name,
            "verdict": Verdict.NO_GO.value,
            "started": None,
            "ended": None,
            "criteria": [],
            "notes": ["not reached: a rung before it failed, so its evidence is missing"],
        }
        for name, _ in RUNGS
        if name not in done
    ]
    charts = [
        {"title": title, "svg": path.read_text()}
        for title, name in CHART_OF
        if (path := context.out / REPORTS / name).exists()
    ]
    return {
        "run_id": options.run_id,
        "started": started_ns,
        "ended": time.time_ns(),
        "build": context.build,
        "profile": options.loaded.name,
        "verdict": verdict.value,
        "scaled": options.time_scale if options.time_scale != 1.0 else False,
        "rungs": shown,
        "charts": charts,
        "manifest": [],
    }


def _line(rung: RungEvidence) -> str:
    seconds = (rung.ended_ns - rung.started_ns) / 1e9
    failed = [f"{c.id} {c.text}: {c.measured}" for c in rung.criteria if c.verdict == "FAIL"]
    text = f"{rung.rung:12} {rung.verdict.value:11} {len(rung.criteria):3} criteria  {seconds:6.1f} s"
    return text + "".join(f"\n    FAIL {line}" for line in failed)

"""The first rungs in order: preflight, replay, live-lite, kill/resume, bundle; each leaves evidence.

A rung is not begun when the one before it failed: its evidence is then missing, and what is missing has failed. The
bundle is made in any case, so that a failure can be looked at. Evidence goes into a hash-chained journal of the run,
as each rung ends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ztb.core.error import InvariantBroken, UsageError, ZtbError
from ztb.ladder import bundle, kill_resume, live_lite, preflight, replay_rung
from ztb.ladder.context import REPORTS, WORK, Context
from ztb.ladder.evidence import EXIT_CODES, NAMES, Findings, RungEvidence, Verdict, overall
from ztb.store.journal import Journal

Work = Callable[[Context, Findings], None]
"""A rung's work: it adds what it finds to the findings, and keeps them whatever it raises."""

RUNGS: Final[tuple[tuple[str, Work], ...]] = (
    (preflight.NAME, preflight.run),
    (replay_rung.NAME, replay_rung.run),
    (live_lite.NAME, live_lite.run),
    (kill_resume.NAME, kill_resume.run),
)
assert (*(name for name, _ in RUNGS), bundle.NAME) == NAMES
EVIDENCE: Final = "evidence"
EVIDENCE_NAME: Final = "evidence.db"
ROW_OF: Final = {"preflight": "E-11", "replay": "A-13", "live-lite": "A-05", "kill-resume": "A-06", "bundle": "A-07"}
CHART_TITLES: Final = {"kill-resume": "Kill/resume: price, equity and fills over all sessions"}
FAILURE_LENGTH_MAX: Final = 400


@dataclass(frozen=True)
class Renderers:
    """What makes pages and pictures; given by whoever runs the ladder."""

    page: Callable[[dict[str, Any]], str]
    """HTML from a run."""
    session_chart: Callable[[Path, str], str]
    """SVG from a state directory and a title."""


@dataclass(frozen=True)
class CanaryResult:
    """What the ladder found."""

    verdict: Verdict
    run: dict[str, Any]
    """Everything, as ``ztb.reports.canary_report`` takes it."""
    page: Path
    archive: Path | None
    """None: a secret was found, so there is none."""
    manifest_sha256: str

    @property
    def exit_code(self) -> int:
        """0 GO, 1 NO-GO, 3 CONDITIONAL."""
        return EXIT_CODES[self.verdict]


def climb(context: Context, *, renderers: Renderers, told: Callable[[str], None]) -> CanaryResult:
    """Every rung. ``told`` hears one line for each. UsageError when the run directory holds an older run."""
    started_ns = time.time_ns()
    if any(context.out.iterdir()):
        raise UsageError(f"{context.out} is not empty", remedy="evidence needs a new directory: --output-dir")
    path = context.directory(WORK) / EVIDENCE_NAME
    rungs: list[RungEvidence] = []
    profile = context.options.loaded.name
    with closing(Journal.open(path, profile=profile, mode="canary", now_ns=started_ns)) as journal:

        def climb_one(name: str, work: Work) -> bool:
            rungs.append(_climb_one(context, name, work))
            journal.append(rungs[-1].ended_ns, EVIDENCE, json.dumps(asdict(rungs[-1]), sort_keys=True).encode())
            journal.commit()
            told(_line(rungs[-1]))
            return rungs[-1].verdict is not Verdict.NO_GO

        try:
            for name, work in RUNGS:
                if not climb_one(name, work):
                    break
        except KeyboardInterrupt:
            bundle.collect(context, rungs)
            raise
        charts = _charts(context, renderers)
        bundle.collect(context, rungs)
        climb_one(bundle.NAME, bundle.judge)
        bundle.write_json(context.directory(REPORTS) / bundle.REPORT_OF[bundle.NAME], asdict(rungs[-1]))
    return _finish(context, renderers, rungs, started_ns, path, charts)


def _climb_one(context: Context, name: str, work: Work) -> RungEvidence:
    started_ns = time.time_ns()
    findings = Findings()
    try:
        work(context, findings)
    except Exception as error:  # whatever it is, what was found so far stays, and the rung has failed
        told = str(error) if isinstance(error, ZtbError) else f"{type(error).__name__}: {error}"
        findings.fail(ROW_OF[name], "the rung could be done to its end", told[:FAILURE_LENGTH_MAX])
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


def _charts(context: Context, renderers: Renderers) -> list[dict[str, str]]:
    """The replay drew its own; a session that cannot be drawn is left out, its evidence stands elsewhere."""
    found = []
    replay = context.out / REPORTS / "replay_chart.svg"
    if replay.exists():
        found.append({"title": "Replay: price, equity and fills", "svg": replay.read_text()})
    for name, title in CHART_TITLES.items():
        try:
            svg = renderers.session_chart(context.sessions[name], title)
        except (KeyError, ZtbError, OSError):
            continue
        (context.directory(REPORTS) / f"{name.replace('-', '_')}_chart.svg").write_text(svg)
        found.append({"title": title, "svg": svg})
    return found


def _finish(
    context: Context,
    renderers: Renderers,
    rungs: list[RungEvidence],
    started_ns: int,
    journal: Path,
    charts: list[dict[str, str]],
) -> CanaryResult:
    verdict = overall(rungs)
    evidence = bundle.export_evidence(journal, context.out / bundle.EVIDENCE)
    run = _as_run(context, rungs, verdict, started_ns)
    bundle.write_json(context.out / bundle.RUN, run)
    run["charts"] = charts
    run["manifest"] = [asdict(bundle.entry(context.out, path)) for path in bundle.files_of(context.out)]
    page = context.out / bundle.PAGE
    page.write_text(renderers.page(run))
    digest, archive = bundle.seal(context, verdict=verdict.value, evidence=evidence)
    if archive is None and verdict is not Verdict.NO_GO:
        raise InvariantBroken("a secret got into a file after the bundle was judged", remedy=f"look into {context.out}")
    return CanaryResult(verdict, run, page, archive, digest)


def _as_run(context: Context, rungs: list[RungEvidence], verdict: Verdict, started_ns: int) -> dict[str, Any]:
    options = context.options
    done = {rung.rung: rung for rung in rungs}
    return {
        "run_id": options.run_id,
        "started": started_ns,
        "ended": time.time_ns(),
        "build": context.build,
        "profile": options.loaded.name,
        "policy": options.policy,
        "verdict": verdict.value,
        "scaled": False if options.time_scale == 1.0 else f"{options.time_scale:g}",
        "rungs": [_shown(name, done.get(name)) for name in NAMES],
    }


def _shown(name: str, rung: RungEvidence | None) -> dict[str, Any]:
    if rung is None:
        notes = ["not reached: a rung before it failed, so its evidence is missing"]
        missing = {"verdict": Verdict.NO_GO.value, "started": None, "ended": None, "criteria": [], "notes": notes}
        return {"name": name, **missing}
    return {
        "name": name,
        "verdict": rung.verdict.value,
        "started": rung.started_ns,
        "ended": rung.ended_ns,
        "criteria": [asdict(criterion) for criterion in rung.criteria],
        "notes": list(rung.notes),
    }


def _line(rung: RungEvidence) -> str:
    seconds = (rung.ended_ns - rung.started_ns) / 1e9
    return f"{rung.rung:12} {rung.verdict.value:11} {len(rung.criteria):3} criteria  {seconds:6.1f} s"

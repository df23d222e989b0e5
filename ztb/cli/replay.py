"""``ztb replay``: a policy over recorded market data."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ztb.cli.files import output_directory, write_files
from ztb.cli.options import add_profile_options, profile_from, tape_file, whole
from ztb.cli.progress import progress
from ztb.cli.result import Result
from ztb.core.error import UsageError
from ztb.core.instrument import Instrument
from ztb.host.config import LoadedProfile
from ztb.reports.replay_report import Latency, ReplayReport
from ztb.reports.run_recorder import RunRecorder
from ztb.service.replay import Replayed, ReplayOptions, replay, to_dict
from ztb.store.tape import DEMO_TAPE, TapeReader

EPILOG = """\
examples:
  ztb replay                                          the bundled tape with the profile's policy
  ztb replay --tape T --policy rsi_reversion --out R  report, chart and figures in R/
  ztb replay --tape T --verify                        run twice; exit 1 when anything differs
  ztb replay --tape T --out R --journal durable       every decision and order in R/journal.db
"""
REPORT_JSON = "replay_report.json"
REPORT_TEXT = "replay_report.txt"
CHART = "replay_chart.svg"


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb replay``."""
    parser.description = "Run a policy over a tape, through the engine, its limits and the order life cycle."
    parser.epilog = EPILOG
    add_profile_options(parser)
    add = parser.add_argument
    add("--tape", type=tape_file, default=DEMO_TAPE, metavar="FILE", help="a tape, or the name of a bundled one")
    add("--policy", default="", metavar="NAME", help="a policy with its defaults, instead of the profile's")
    add("--out", type=Path, metavar="DIR", help="write report, chart and figures into DIR")
    add("--journal", choices=("memory", "durable"), default="memory", help="durable: keep it in DIR/journal.db")
    add("--latency-ms", type=whole(0, 60_000), default=0, metavar="MS", help="between decision and arrival (default 0)")
    add(
        "--kill-at",
        type=whole(0, 100),
        metavar="PERCENT",
        help="kill after so much of the tape: nothing may leave then",
    )
    add("--verify", action="store_true", help="run twice and compare every record")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> Result:
    """One replay, or two to compare."""
    loaded = profile_from(args)
    options = _options(args)
    total = TapeReader(options.tape).counts.total
    replayed, report = _once(loaded, options, "replay", total)
    data = {**report.to_dict(), **to_dict(replayed)}
    text = report.to_text()
    exit_code = 0
    if replayed.after_kill is not None:
        text += f"\nafter the kill: {replayed.after_kill.orders} orders, {replayed.after_kill.decisions} decisions"
    if args.verify:
        again, _ = _once(loaded, options, "replay again", total)
        same = replayed.head == again.head
        data["verified"] = same
        verdict = "the second run wrote the same journal" if same else "THE SECOND RUN DIFFERS: this is a defect"
        text += f"\n{verdict}: {replayed.head[:16]} {again.head[:16]}"
        exit_code = 0 if same else 1
    if options.out is not None:
        _write(options.out, data, report)
        text += f"\nwritten to {options.out}"
    if replayed.policy_suspended:
        return Result(data, f"{text}\nthe policy was suspended: {replayed.policy_suspended}", 1)
    return Result(data, text, exit_code)


def _once(loaded: LoadedProfile, options: ReplayOptions, label: str, total: int) -> tuple[Replayed, ReplayReport]:
    recorders: list[RunRecorder] = []

    def recorder_for(instrument: Instrument, capital: int) -> RunRecorder:
        recorders.append(RunRecorder(instrument, capital))
        return recorders[-1]

    with progress(label, total) as advance:
        done = replay(loaded, options, recorder_for=recorder_for, advance=advance)
    latency = done.latency
    report = recorders[-1].finish(
        tape=options.tape.name,
        tape_sha256=done.data_sha256,
        policy=done.policy,
        parameters=done.parameters,
        events=done.result.events,
        begin_ns=done.begin_ns if done.result.events else None,
        end_ns=done.end_ns if done.result.events else None,
        latency=None if latency is None else Latency(latency.p50_us, latency.p99_us, latency.max_us),
        run_seconds=done.run_seconds,
    )
    return done, report


def _options(args: argparse.Namespace) -> ReplayOptions:
    if args.journal == "durable" and args.out is None:
        raise UsageError("a durable journal needs a place", remedy="add --out DIR")
    if args.journal == "durable" and args.verify:
        raise UsageError("--verify compares journals in memory", remedy="leave --journal durable away")
    if args.out is not None:
        output_directory(args.out)
    return ReplayOptions(
        tape=args.tape,
        policy=args.policy,
        out=args.out,
        durable=args.journal == "durable",
        latency_ms=args.latency_ms,
        kill_at_percent=args.kill_at,
    )


def _write(out: Path, data: dict[str, Any], report: ReplayReport) -> None:
    texts = {
        REPORT_JSON: json.dumps(data, indent=2) + "\n",
        REPORT_TEXT: report.to_text() + "\n",
        CHART: report.to_svg(),
    }
    write_files(out, texts)

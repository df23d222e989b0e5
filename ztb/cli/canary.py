"""``ztb canary``: a release, a policy or a limit up the canary ladder."""

from __future__ import annotations

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from ztb.cli.options import add_profile_options, add_verbs, number, profile_from
from ztb.cli.progress import progress
from ztb.cli.result import Result
from ztb.core.error import UsageError
from ztb.host.build import build_id
from ztb.ladder.bundle_check import check_bundle
from ztb.ladder.context import CanaryOptions, Context, Durations
from ztb.ladder.ladder import CanaryResult, Renderers, climb
from ztb.reports.canary_report import render_canary_html, render_canary_text
from ztb.reports.canary_summary import render_canary_summary
from ztb.reports.session_chart import session_chart
from ztb.service.foreground import tape_path

DEFAULT_POLICY = "sma_fast_slow"
SIMULATED_SCALE = 20.0
SCALE_MAX = 200.0
MINUTES_MAX = 24 * 60

EPILOG = """\
examples:
  ztb canary run                                  the demo profile, time twenty times as fast: about two minutes
  ztb canary run --policy buy_hold                another policy, with its own defaults
  ztb canary run --duration 30 --time-scale 1     thirty real minutes for each phase
  ztb canary verify artifacts/canary_...          whether a bundle is what its run made

exit code: 0 GO, 1 NO-GO, 3 CONDITIONAL (a person has to decide), 130 interrupted. Evidence made with scaled time is
marked as such. docs/canary-ladder.md tells every criterion.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb canary run|verify``."""
    parser.description = "Take a release, a policy or a limit up the canary ladder, where every rung needs evidence."
    parser.epilog = EPILOG
    verbs = add_verbs(parser)
    run_parser = verbs.add_parser(
        "run",
        help="preflight, replay, live-lite, kill/resume, bundle",
        description="Climb the first rungs of the canary ladder and bundle the evidence.",
        epilog=EPILOG,
    )
    add_profile_options(run_parser)
    add = run_parser.add_argument
    add("--policy", default=None, metavar="NAME", help=f"policy to use (default: the profile's, or {DEFAULT_POLICY})")
    add("--duration", type=number(MINUTES_MAX), metavar="MINUTES",
        help="of each window (default: live-lite 20, kill/resume 5)")  # fmt: skip
    add("--kill-threshold", type=number(1), default=0.01, metavar="FRACTION",
        help="drawdown that kills the traders (default 0.01)")  # fmt: skip
    add("--connectivity-skip", action="store_true", help="leave the venue's reachability out (verdict: CONDITIONAL)")
    add("--output-dir", type=Path, metavar="DIR", help="default: artifacts/canary_YYYYmmdd_HHMMSS")
    add("--time-scale", type=number(SCALE_MAX), metavar="N",
        help=f"run N times as fast (built-in exchange: {SIMULATED_SCALE:g})")  # fmt: skip
    run_parser.set_defaults(handler=run)
    verify_parser = verbs.add_parser(
        "verify",
        help="whether a bundle is what its run made",
        description="Read a bundle again: every file against the manifest, the evidence as a chain, the verdict.",
    )
    verify_parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the directory of a run, or its archive")
    verify_parser.set_defaults(handler=verify)


def run(args: argparse.Namespace) -> Result:
    """The ladder, then its verdict."""
    options = _options(args)
    context = Context(options, build=str(build_id()), progress=progress)
    quiet = args.json or args.quiet

    def told(line: str) -> None:
        if not quiet:
            print(line, file=sys.stderr, flush=True)

    told(f"canary {options.run_id}: profile {options.loaded.name}, policy {options.policy}, "
         f"time x{options.time_scale:g}, into {options.out}")  # fmt: skip
    with _interrupted_by_signals():
        try:
            result = climb(context, renderers=Renderers(render_canary_html, session_chart), told=told)
        except KeyboardInterrupt:
            print(f"ztb: canary interrupted: its processes are ended, what there is stands in {options.out}",
                  file=sys.stderr, flush=True)  # fmt: skip
            raise
    return _result(result, options.out, is_verbose=args.verbose > 0)


def verify(args: argparse.Namespace) -> Result:
    """Exit code 1 when anything differs."""
    report = check_bundle(args.bundle)
    lines = [
        f"{args.bundle}: run {report.run_id}, verdict {report.verdict}",
        *(f"  PROBLEM  {problem}" for problem in report.problems),
        f"{report.files} files, {report.records} records of evidence, manifest sha256 {report.manifest_sha256}",
        "NOT WHOLE" if report.problems else "whole: compare the manifest's sha256 with the one that the run printed",
    ]
    return Result(asdict(report), "\n".join(lines), 1 if report.problems else 0)


def _result(result: CanaryResult, out: Path, *, is_verbose: bool) -> Result:
    archive = "none: a secret stands in a file" if result.archive is None else str(result.archive)
    data: dict[str, Any] = {
        **{name: value for name, value in result.run.items() if name != "charts"},
        "output_dir": str(out),
        "page": str(result.page),
        "archive": None if result.archive is None else archive,
        "manifest_sha256": result.manifest_sha256,
    }
    places = [
        ("page", str(result.page)),
        ("bundle", archive),
        ("manifest", f"sha256 {result.manifest_sha256}"),
    ]
    text = render_canary_summary(result.run, places)
    if is_verbose:
        text = f"{render_canary_text(result.run)}\n{text}"
    return Result(data, text, result.exit_code)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and a lost terminal end the run as ctrl-c does: in order, with every process that it started.

    A signal that our caller ignores (nohup) stays ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    heard = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _options(args: argparse.Namespace) -> CanaryOptions:
    loaded = profile_from(args)
    simulated = loaded.profile.venue.simulator
    scale = args.time_scale if args.time_scale is not None else SIMULATED_SCALE if simulated else 1.0
    if scale != 1.0 and not simulated:
        raise UsageError("time can be scaled on the built-in exchange only", remedy="leave --time-scale away")
    stamp = time.strftime("%Y%m%d_%H%M%S")
    return CanaryOptions(
        loaded=loaded,
        policy=args.policy or loaded.profile.policy.name,
        tape=tape_path(loaded),
        out=_output_directory(args.output_dir or Path("artifacts") / f"canary_{stamp}"),
        run_id=f"canary_{stamp}_{secrets.token_hex(3)}",
        durations=Durations() if args.duration is None else Durations(args.duration, args.duration, args.duration),
        kill_threshold=args.kill_threshold,
        connectivity_skip=args.connectivity_skip,
        time_scale=scale,
        config_dir=args.config_dir,
        overrides=tuple(args.overrides),
    )


def _output_directory(out: Path) -> Path:
    """A new or empty directory, and absolute."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise UsageError(f"{out} is not empty", remedy="name a new directory with --output-dir")
    except OSError as error:
        raise UsageError(f"{out}: {error.strerror}", remedy="name another directory with --output-dir") from None
    return out.absolute()

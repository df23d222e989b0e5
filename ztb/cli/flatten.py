"""``ztb flatten``: cancel all of ours and close what the bot holds, and wait until the venue says that it is flat."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final

from ztb.cli import operate
from ztb.cli.flatness_text import progress_words, report_text
from ztb.cli.operate import LOOK_EACH_S, Place
from ztb.cli.options import loopback_url, number, whole
from ztb.cli.progress import is_silent
from ztb.cli.result import Result, printable
from ztb.cli.risk_text import folded
from ztb.cli.sighting import NotRunning, Sighting, sight
from ztb.core.error import ZtbError
from ztb.core.flattening import LIMIT, MODES
from ztb.service.flatness import FLATNESS
from ztb.service.flatten_files import FLATTEN_NAME, SLIPPAGE_PPM, WITHIN_S, WITHIN_S_MAX, FlattenWish, encode_wish
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader

EXIT_NOT_FLAT: Final = 1
PPM_PER_PERCENT: Final = 10_000
SLIPPAGE_PCT_MAX: Final = 50.0
SCALE_MAX: Final = 1_000.0
TAKE_S_MAX: Final = 2.0
"""How long a trader that reports may take to take the file; one that does not is frozen."""
STOPS: Final = "flat; the trader stops as soon as no late fill can come any more"
PATIENCE_S: Final = 15.0
"""Beyond the deadline: for the report, whose writing asks the venue."""

EPILOG: Final = """\
examples:
  ztb flatten --reason "going on holiday"
  ztb flatten --reason drill --mode cancel-only
  ztb flatten --reason "exchange in trouble" --mode market --deadline 120
  ztb flatten --direct --profile live --reason "the trader hangs"

modes: limit closes at the market and never worse than --max-slippage; market at any price (where the venue has no such
orders: within 10 %); cancel-only takes the orders off and leaves what is held.
Nothing else leaves meanwhile, and nothing is opened afterwards until `ztb resume`. At the deadline the command ends;
the trader goes on. --direct is for a trader that is dead or frozen: it works from the journal and the venue alone.

exit codes: 0 flat, or flat + dust, and the venue agrees; 1 not flat by the deadline; 69 no trader runs, or the venue
cannot be reached.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb flatten``."""
    parser.description = "Cancel all orders of the bot and close what it holds, until the venue says flat."
    parser.epilog = EPILOG
    add_terms(parser)
    parser.add_argument("--stop", action="store_true", help="stop the trader once it is flat")
    add_direct_options(parser)
    parser.set_defaults(handler=flatten)


def add_terms(parser: argparse.ArgumentParser) -> None:
    """The options of both ``flatten`` and ``panic``; read them with ``wish_from``."""
    operate.add_reason_option(parser)
    operate.add_place_options(parser)
    add = parser.add_argument
    modes = [mode.replace("_", "-") for mode in MODES]
    add("--mode", choices=modes, default=LIMIT, help="how to close (default: limit)")
    add("--max-slippage", type=number(SLIPPAGE_PCT_MAX), metavar="PERCENT", help="of a limit's price (default: 2)")
    add("--deadline", type=whole(1, WITHIN_S_MAX), default=WITHIN_S, metavar="SECONDS", help="then people are alarmed")


def add_direct_options(parser: argparse.ArgumentParser) -> None:
    """For a trader that cannot do it itself."""
    parser.add_argument("--direct", action="store_true", help="without the trader: it is dead or frozen")
    parser.add_argument("--simulator-url", type=loopback_url, metavar="URL", help="as of `ztb run`")
    parser.add_argument("--time-scale", type=number(SCALE_MAX), default=1.0, metavar="N", help="as of `ztb run`")
    parser.add_argument("--epoch-ns", type=int, metavar="NS", help="as of `ztb run`")
    parser.add_argument("--spare", action="store_true", help="with --direct: fence a frozen trader, do not end it")


def wish_from(args: argparse.Namespace) -> FlattenWish:
    """The terms on the command line."""
    ppm = SLIPPAGE_PPM if args.max_slippage is None else round(args.max_slippage * PPM_PER_PERCENT)
    then_stop = getattr(args, "stop", False)
    return FlattenWish(operate.reason_from(args), args.mode.replace("-", "_"), ppm, args.deadline, then_stop)


def flatten(args: argparse.Namespace) -> Result:
    """Ask the trader, or do it directly."""
    if args.direct:
        from ztb.cli.direct import flatten_directly

        return flatten_directly(args, wish_from(args))
    return ask(args, FLATTEN_NAME)


def ask(args: argparse.Namespace, name: str) -> Result:
    """Lay the file ``name``, follow what the trader does, and show its report."""
    wish = wish_from(args)
    place = operate.place_from(args)
    before = sight(place.runtime)
    if before is None or not before.is_alive:
        raise NotRunning(
            f"no trader of profile {place.profile} runs (looked in {place.runtime}); nothing was done",
            remedy=f"`ztb flatten --direct --profile {place.profile} --reason ...` closes what it left open",
        )
    asked_before = _asked_ns(before)
    path = operate.lay_file(place, name, encode_wish(wish))
    taken_s = _wait_taken(place, path, asked_before)
    data: dict[str, Any] = {"profile": place.profile, "pid": before.status.pid, "taken": taken_s is not None}
    if taken_s is None:
        return _not_taken(place, path, before, data)
    return _outcome(place, before, data, *_follow(place, before, wish, asked_before))


def _asked_ns(seen: Sighting | None) -> int:
    if seen is None or seen.status.flatten is None:
        return 0
    return int(seen.status.flatten["asked_ns"])


def _wait_taken(place: Place, path: Path, asked_before: int) -> float | None:
    """The trader took the file away, and says that it flattens; None: it did not within ``TAKE_S_MAX``."""

    def is_taken() -> bool:
        now = operate.look(place)
        if path.exists() or now is None:
            return False
        is_over = not now.is_alive or now.status.mode == "observe"
        return is_over or _asked_ns(now) > asked_before or now.status.level == "safe"

    return operate.wait_for(is_taken)


def _not_taken(place: Place, path: Path, before: Sighting, data: dict[str, Any]) -> Result:
    lines = (
        f"NOT TAKEN: the trader (PID {before.status.pid}) did not begin within {TAKE_S_MAX:g} s; its status is "
        f"{before.age_s:.1f} s old",
        f"  {path} stays where it is, if it is still there",
        f"  remedy: `ztb flatten --direct --profile {place.profile} --reason ...` does it without the trader",
    )
    text = "\n".join(part for line in lines for part in folded(line, indent=4))
    return Result(data, text, EXIT_NOT_FLAT, place.warnings)


def _follow(
    place: Place, before: Sighting, wish: FlattenWish, asked_before: int
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Show what goes on until it is over; the newest report, and the last that the status said."""
    deadline_s = time.monotonic() + wish.within_s / min(1.0, before.status.time_scale) + PATIENCE_S
    said, last = "", None
    while time.monotonic() < deadline_s:
        now = operate.look(place)
        if now is not None and _asked_ns(now) > asked_before:
            last = now.status.flatten
        if last is not None and said != STOPS and (line := progress_words(last)) != said and not is_silent():
            said = line
            _say(line)
        report = newest_report(Path(before.status.state_dir), after_asked_ns=asked_before)
        is_stopping = wish.then_stop and now is not None and now.is_alive and (report or {}).get("is_flat")
        if is_stopping and said != STOPS and not is_silent():
            said = STOPS
            _say(STOPS)
        if report is not None and not is_stopping:
            return report, last
        if now is None or not now.is_alive:
            return report, last
        time.sleep(LOOK_EACH_S)
    return None, last


def _say(line: str) -> None:
    """What goes on, while the result is waited for."""
    for part in folded(f"flatten: {printable(line)}", indent=9):
        print(part, file=sys.stderr, flush=True)


def newest_report(state_dir: Path, *, after_asked_ns: int) -> dict[str, Any] | None:
    """The newest flatness report of a flatten asked for later than that; None: there is none (to be read)."""
    import msgspec

    try:
        reader = JournalReader(state_dir / JOURNAL_NAME)
    except ZtbError:
        return None
    try:
        found = None
        for record in reader.read(kinds={FLATNESS}):
            report = msgspec.json.decode(record.body, type=dict[str, Any])
            if report["asked_ns"] > after_asked_ns:
                found = report
        return found
    except ZtbError:
        return None
    finally:
        reader.close()


def _outcome(
    place: Place,
    before: Sighting,
    data: dict[str, Any],
    report: dict[str, Any] | None,
    last: dict[str, Any] | None,
) -> Result:
    data |= {"report": report, "progress": last, "running": True}
    now = operate.look(place)
    data["running"] = now is not None and now.is_alive
    end = "" if data["running"] else f"\n  the trader (PID {before.status.pid}) has ended"
    if report is None and not data["running"]:
        end += "; its log says why\n  look at the venue yourself, and close there what must not stay"
    if report is not None:
        exit_code = 0 if report["is_flat"] else EXIT_NOT_FLAT
        if not report["is_flat"]:
            end += "\n  the trader goes on trying; `ztb status` follows it" if data["running"] else ""
        elif report["then_stop"] and data["running"]:
            end = f"\n  the trader (PID {before.status.pid}) stops as soon as no late fill can come any more"
        return Result(data, printable(report_text(report) + end), exit_code, place.warnings)
    if last is not None and last["outcome"]:  # the journal is another user's
        return Result(data, printable(progress_words(last) + end), 0, place.warnings)
    if now is not None and now.status.mode == "observe":
        return Result(data, "this trader only observes: it has no account, and nothing is open", 0, place.warnings)
    words = progress_words(last) if last is not None else "the trader said nothing of it"
    return Result(data, printable(f"NOT FLAT: {words}{end}"), EXIT_NOT_FLAT, place.warnings)

"""``ztb pause``: nothing is opened for some minutes, everywhere or in one instrument; ``--lift`` ends it early.

A pause is the weakest emergency control: it expires by itself, positions may still be closed, and it never shortens an
older one.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Final

from ztb.cli import operate
from ztb.cli.answers import STATUS_AFTER_NS, answers
from ztb.cli.operate import ANSWER_S_MAX, Place
from ztb.cli.options import whole
from ztb.cli.result import Result, printable
from ztb.cli.sighting import NotRunning, Sighting, need_engine, sight
from ztb.core.command import Notify
from ztb.core.error import UsageError
from ztb.service.pausing import MINUTES_MAX, PAUSE_NAME, UNPAUSE_NAME
from ztb.service.sentence import MS_NS, duration, reason_in_words

EXIT_REFUSED: Final = 1
KEPT: Final = "paused_longer"
PAUSED: Final = "paused"
LIFTED: Final = "pause_lifted"
REFUSED: Final = "pause_refused"
ANSWERS: Final = (KEPT, PAUSED, LIFTED, REFUSED)
"""Codes of the notices with which the engine answers."""

EPILOG: Final = """\
examples:
  ztb pause --minutes 30 --reason "the central bank speaks at ten"
  ztb pause --minutes 5 --instrument btc_jpy --reason "spread is odd"
  ztb pause --lift --reason "all is calm"                 end every pause, also those of guards

Minutes are of the trader's own time. While it is paused nothing is opened; orders that shrink a position and cancels
still leave. An older pause that ends later stays, and the answer says so. `ztb kill` is what stops everything.

exit codes: 0 paused, or lifted; 1 the trader refused or did not answer; 69 no trader runs, nothing was changed.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb pause``."""
    parser.description = "Open nothing for some minutes, in one instrument or in all; or end pauses early."
    parser.epilog = EPILOG
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--minutes", type=whole(1, MINUTES_MAX), metavar="N", help=f"how long (at most {MINUTES_MAX})")
    what.add_argument("--lift", action="store_true", help="end pauses instead")
    parser.add_argument("--instrument", default="", metavar="SYMBOL", help="only this one (default: all)")
    operate.add_reason_option(parser)
    operate.add_place_options(parser)
    parser.set_defaults(handler=pause)


def pause(args: argparse.Namespace) -> Result:
    """Only a trader that runs can be paused: a pause that waited for the next start would come at a wrong time."""
    reason = operate.reason_from(args)
    place = operate.place_from(args)
    before = sight(place.runtime)
    if before is None or not before.is_alive:
        raise NotRunning(
            f"no trader of profile {place.profile} runs (looked in {place.runtime}); nothing was changed",
            remedy="`ztb kill` holds also the next one that starts",
        )
    need_engine(before)
    if args.instrument and args.instrument not in before.status.instruments:
        known = ", ".join(before.status.instruments) or "none yet"
        raise UsageError(
            f"--instrument {args.instrument[:40]!r}: this trader does not trade it", remedy=f"it has {known}"
        )
    wish: dict[str, Any] = {"reason": reason, "instrument": args.instrument}
    name = UNPAUSE_NAME if args.lift else PAUSE_NAME
    if not args.lift:
        wish["minutes"] = args.minutes
    with answers(before, ANSWERS) as answered:
        asked = operate.lay_file(place, name, json.dumps(wish, ensure_ascii=False))
        asked_ns = time.time_ns()
        answer: list[Notify] = []

        def has_answered() -> bool:
            # The answer to an earlier wish may reach the journal only now.
            answer.extend(notice for notice in answered() if reason in notice.text)
            if answer:
                return True
            if time.time_ns() - asked_ns < STATUS_AFTER_NS:
                return False
            now = operate.look(place)
            # Without a journal that can be read the status has to do; it is up to half a second late.
            return now is not None and not asked.exists() and now.written_ns > asked_ns and _shows(now, args)

        took_s = operate.wait_for(has_answered)
    if took_s is None:
        return _unanswered(place, before, asked)
    return _outcome(place, before, answer, args)


def _shows(seen: Sighting, args: argparse.Namespace) -> bool:
    """Whether the status says what was asked for."""
    ours = [pause for pause in pauses_of(seen) if pause["instrument"] in ("", args.instrument)]
    return not ours if args.lift else bool(ours)


def pauses_of(seen: Sighting) -> list[dict[str, Any]]:
    """Those in force, as the status file has them."""
    risk = seen.document.get("risk")
    found: list[dict[str, Any]] = risk["pauses"] if isinstance(risk, dict) else []
    return found


def _unanswered(place: Place, before: Sighting, asked: Path) -> Result:
    asked.unlink(missing_ok=True)  # a wish of now must not come true later
    pid = before.status.pid
    text = (
        f"NOT ANSWERED: the trader (PID {pid}) said nothing for {ANSWER_S_MAX:g} s; the wish was taken back\n"
        "  remedy: see `ztb status`; `ztb kill` is what stops a trader that does not answer"
    )
    data = {"profile": place.profile, "pid": pid, "answer": None, "text": "", "pauses": pauses_of(before)}
    return Result(data, text, EXIT_REFUSED, place.warnings)


def _outcome(place: Place, before: Sighting, answer: list[Notify], args: argparse.Namespace) -> Result:
    code = answer[0].code if answer else (LIFTED if args.lift else PAUSED)
    said = answer[0].text if answer else ""
    if code in (PAUSED, LIFTED):
        # Until the status says so as well: whoever looks right after this must not see the pauses of before.
        operate.wait_for(lambda: (now := operate.look(place)) is None or _shows(now, args))
    now = operate.look(place) or before
    data = {
        "profile": place.profile, "pid": before.status.pid, "answer": code, "text": said, "pauses": pauses_of(now)
    }  # fmt: skip
    what = args.instrument or "everything"
    match code:
        case "paused":
            text = f"paused: {what} for {args.minutes} min of the trader's time"
        case "paused_longer":
            text = f"an older pause ends later and stays: {said}"
        case "pause_lifted":
            text = f"lifted: no pause of {what} is left"
        case _:
            text = f"REFUSED by the trader (PID {before.status.pid}): {said}"
    lines = [text, *(_line(pause) for pause in pauses_of(now))]
    return Result(data, printable("\n".join(lines)), EXIT_REFUSED if code == REFUSED else 0, place.warnings)


def _line(pause: dict[str, Any]) -> str:
    left = duration(pause["remaining_ms"] * MS_NS)
    return f"  {pause['instrument'] or 'everything'}: {left} left, {reason_in_words(pause['reason'])}"

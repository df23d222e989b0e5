"""``ztb resume``: ask the trader to lift the kill latch, pauses and a guard's reduce-only. The trader decides."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any, Final

from ztb.cli import operate
from ztb.cli.answers import answers
from ztb.cli.operate import ANSWER_S_MAX, Place
from ztb.cli.pause import pauses_of
from ztb.cli.result import Result, printable
from ztb.cli.risk_text import folded
from ztb.cli.sighting import NotRunning, Sighting, sight
from ztb.core.command import Notify
from ztb.core.error import CredentialError, StoreError
from ztb.service.operator import KILL_NAME, RESUME_NAME
from ztb.service.status import SAFE

EXIT_REFUSED: Final = 1
ANSWERS: Final = ("resumed", "resume_refused")
"""Codes of the notices with which the engine answers."""

EPILOG: Final = """\
examples:
  ztb resume --reason "prices were right, the feed was late"
  ztb resume --profile demo --reason "drill is over" --json

exit codes: 0 the trader resumed, or nothing was on; 1 it refused, or did not answer; 69 no trader runs.
A refusal says why (orders and fills that are not reconciled with the venue, for example), and the latch stays.
A trader in safe mode (three starts in a row failed) tries to start again.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb resume``."""
    parser.description = "Take the kill file away and ask the trader of a profile to lift its latch."
    parser.epilog = EPILOG
    operate.add_reason_option(parser)
    operate.add_place_options(parser)
    parser.set_defaults(handler=resume)


def resume(args: argparse.Namespace) -> Result:
    """Only a trader that runs can resume: without one nothing is touched, and the next start is as safe as before."""
    reason = operate.reason_from(args)
    place = operate.place_from(args)
    kill_file = place.operator / KILL_NAME
    before = sight(place.runtime)
    if before is None or not before.is_alive:
        raise NotRunning(
            f"no trader of profile {place.profile} runs (looked in {place.runtime}); nothing was changed",
            remedy="start it, then resume: a latch is lifted only after reconciliation",
        )
    if not kill_file.exists() and not held_by(before):
        data = {"profile": place.profile, "pid": before.status.pid, "resumed": False, "level": before.status.level}
        return Result(data, f"nothing to resume: {before.status.says}", warnings=place.warnings)
    was_safe = before.status.level == SAFE
    with answers(before, ANSWERS) as answered:
        _take_away(kill_file)
        asked = operate.lay_file(place, RESUME_NAME, reason)
        asked_ns = time.time_ns()
        answer: list[Notify] = []

        def has_answered() -> bool:
            answer.extend(answered())
            if answer:
                return True
            now = operate.look(place)
            # Without a journal that can be read the status has to do; it is up to half a second late.
            if now is None or now.written_ns <= asked_ns or asked.exists():
                return False
            return now.status.level != SAFE if was_safe else not held_by(now)

        took_s = operate.wait_for(has_answered)
    return _outcome(place, before, answer, took_s, asked)


def held_by(seen: Sighting) -> list[str]:
    """Everything that is on and that a resume lifts, in words."""
    status = seen.status
    found = ["safe mode"] if status.level == SAFE else []
    if status.kill.on:
        found.append("the kill latch")
    if status.flatten is not None:
        found.append("what a flatten left behind")
    found += [f"the pause of {pause['instrument'] or 'everything'}" for pause in pauses_of(seen)]
    if status.reduce_only not in ("", "profile"):
        found.append("reduce-only")
    return found


def _outcome(place: Place, before: Sighting, answer: list[Notify], took_s: float | None, asked: Path) -> Result:
    pid = before.status.pid
    data: dict[str, Any] = {"profile": place.profile, "pid": pid, "resumed": False, "refusal": None, "answer_ms": None}
    if took_s is None:
        asked.unlink(missing_ok=True)  # a wish of now must not come true later
        text = (
            f"NOT ANSWERED: the trader (PID {pid}) said nothing for {ANSWER_S_MAX:g} s; the wish was taken back\n"
            "  remedy: see `ztb status`, and ask again when it reports"
        )
        return Result(data, text, EXIT_REFUSED, place.warnings)
    data["answer_ms"] = int(took_s * 1000)
    if answer and answer[0].code == "resume_refused":
        data["refusal"] = answer[0].text
        text = printable(f"REFUSED by the trader (PID {pid}): {answer[0].text}\n  the latch stays as it was")
        return Result(data, text, EXIT_REFUSED, place.warnings)
    data["resumed"] = True
    if before.status.level == SAFE:
        text = f"resumed: the trader of profile {place.profile} (PID {pid}) leaves safe mode and starts again"
        now = operate.look(place)
        if before.status.kill.on or (now is not None and now.status.kill.on):
            text += "\n  its kill latch stays on: resume once more when it is ready"
        return Result(data, f"{text}; `ztb status` says how far it is", warnings=place.warnings)
    # Until the status says so as well: whoever looks or asks again right after this must not see the latch of before.
    operate.wait_for(lambda: (now := operate.look(place)) is None or not held_by(now))
    what = ", ".join(held_by(before)) or "what the kill file had asked for"
    text = f"resumed: the trader of profile {place.profile} (PID {pid}), after {took_s:.2f} s\n  lifted: {what}"
    now = operate.look(place)
    if now is not None:
        text += f"\n  now: {now.status.says}"
    lines = [part for line in text.splitlines() for part in folded(line, indent=4)]
    return Result(data, printable("\n".join(lines)), warnings=place.warnings)


def _take_away(kill_file: Path) -> None:
    """While it lies there every resume is refused."""
    try:
        kill_file.unlink(missing_ok=True)
    except PermissionError:
        remedy = "run the command as the trader's own user"
        raise CredentialError(f"{kill_file}: this user may not remove it", remedy=remedy) from None
    except OSError as error:
        raise StoreError(f"{kill_file}: {error.strerror}", remedy="remove it by hand, then resume") from None

"""``ztb risk profile``: an operator says which limits hold after a kill, the conservative ones or those configured.

Every kill leaves the conservative limits behind, and a resume keeps them: whoever resumes in a hurry resumes small.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Final

from ztb.cli import operate
from ztb.cli.answers import STATUS_AFTER_NS, answers
from ztb.cli.operate import ANSWER_S_MAX
from ztb.cli.result import Result, printable
from ztb.cli.sighting import NotRunning, Sighting, need_engine, sight
from ztb.core.command import Notify
from ztb.service.pausing import CONFIGURED, PROFILE_NAME

EXIT_REFUSED: Final = 1
CHOICES: Final = (CONFIGURED, "conservative")
ANSWER: Final = "risk_profile"
"""Code of the notice with which the engine answers."""

EPILOG: Final = """\
examples:
  ztb risk profile configured --reason "the cause was found: a late feed"
  ztb risk profile conservative --reason "elections tonight"

A kill makes the limits conservative, and a resume keeps them. `configured` lets those of the profile hold again;
`conservative` tightens them without a kill. `ztb risk status` shows which hold.

exit codes: 0 it holds; 1 the trader did not answer; 69 no trader runs, nothing was changed.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb risk profile``."""
    parser.description = "Let the conservative limits hold, or those of the profile again."
    parser.epilog = EPILOG
    parser.add_argument("choice", choices=CHOICES, help="which limits are to hold")
    operate.add_reason_option(parser)
    operate.add_place_options(parser)
    parser.set_defaults(handler=choose)


def choose(args: argparse.Namespace) -> Result:
    """Only a trader that runs can be told: a wish that waited would come true at a wrong time."""
    reason = operate.reason_from(args)
    place = operate.place_from(args)
    before = sight(place.runtime)
    if before is None or not before.is_alive:
        raise NotRunning(
            f"no trader of profile {place.profile} runs (looked in {place.runtime}); nothing was changed",
            remedy=f"start it first: `ztb run --profile {place.profile}`",
        )
    need_engine(before)
    with answers(before, (ANSWER,)) as answered:
        asked = operate.lay_file(place, PROFILE_NAME, json.dumps({"profile": args.choice, "reason": reason}))
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
            return now is not None and not asked.exists() and now.written_ns > asked_ns and _holds(now, args.choice)

        took_s = operate.wait_for(has_answered)
    pid = before.status.pid
    data: dict[str, Any] = {"profile": place.profile, "pid": pid, "choice": args.choice, "holds": took_s is not None}
    if took_s is None:
        asked.unlink(missing_ok=True)  # a wish of now must not come true later
        text = (
            f"NOT ANSWERED: the trader (PID {pid}) said nothing for {ANSWER_S_MAX:g} s; the wish was taken back\n"
            "  remedy: see `ztb status`; `ztb kill` is what stops a trader that does not answer"
        )
        return Result(data, text, EXIT_REFUSED, place.warnings)
    # Until the status says so as well: whoever looks right after this must not see the limits of before.
    operate.wait_for(lambda: (now := operate.look(place)) is None or _holds(now, args.choice))
    text = answer[0].text if answer else f"the {args.choice} limits hold"
    return Result(data, printable(f"{text}\n  `ztb risk status` shows them"), warnings=place.warnings)


def _holds(seen: Sighting, choice: str) -> bool:
    risk = seen.document.get("risk")
    return isinstance(risk, dict) and bool(risk.get("conservative")) == (choice != CONFIGURED)

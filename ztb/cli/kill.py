"""``ztb kill``: latch the trader. Nothing leaves any more, working orders are cancelled, restarts do not lift it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from ztb.cli import operate
from ztb.cli.operate import ANSWER_S_MAX, Place
from ztb.cli.result import Result, printable
from ztb.cli.risk_text import folded
from ztb.cli.sighting import Sighting, sight
from ztb.core.error import StoreCorrupt, ZtbError
from ztb.service.operator import KILL_NAME

EXIT_NOT_CONFIRMED: Final = 1
FILE_TIME_NS: Final = 20_000_000
"""So much a file's time may lag behind the clock: the kernel looks at it only at its own ticks."""
EXIT_NONE_RUNS: Final = 3
"""The kill file lies there and no trader has read it yet: done as far as that goes."""

EPILOG: Final = """\
examples:
  ztb kill --reason "prices look wrong"
  ztb kill --profile demo --reason drill --json

exit codes: 0 the trader confirmed the latch; 3 no trader runs, the kill file stays and the next start is killed at
once; 1 a trader runs and did not confirm. `ztb resume --reason TEXT` lifts the latch; deleting the file does not.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb kill``."""
    parser.description = "Latch the trader of a profile: cancel what works, send nothing more, also after a restart."
    parser.epilog = EPILOG
    operate.add_reason_option(parser)
    operate.add_place_options(parser)
    parser.set_defaults(handler=kill)


def kill(args: argparse.Namespace) -> Result:
    """First the file, then everything else: the latch must not wait for a question."""
    reason = operate.reason_from(args)
    place = operate.place_from(args)
    path, warnings = _lay(place, reason)
    laid_ns = time.time_ns()
    before = operate.look(place)
    data: dict[str, Any] = {
        "profile": place.profile,
        "kill_file": None if path is None else str(path),
        "reason": reason,
        "running": before is not None and before.is_alive,
        "pid": None if before is None or not before.is_alive else before.status.pid,
        "confirmed": False,
        "confirmed_ms": None,
    }
    seen: list[Sighting] = []

    def is_latched() -> bool:
        now = operate.look(place)
        if now is None or not now.is_alive or now.written_ns < laid_ns - FILE_TIME_NS or not now.status.kill.on:
            return False
        seen.append(now)
        return True

    took_s = operate.wait_for(is_latched) if before is not None and before.is_alive else None
    if took_s is not None:
        data |= {
            "confirmed": True,
            "confirmed_ms": int(took_s * 1000),
            "orders_working": seen[-1].status.orders.working,
        }
        return Result(data, _confirmed_text(place, seen[-1], took_s), warnings=warnings)
    try:
        now = sight(place.runtime)
    except StoreCorrupt as error:
        text = f"NOT CONFIRMED: {path} lies there, and whether a trader took it cannot be seen\n  {error.message}"
        return Result(data, text, EXIT_NOT_CONFIRMED, warnings)
    if now is not None and now.is_alive:
        return Result(data, _unconfirmed_text(now), EXIT_NOT_CONFIRMED, warnings)
    data |= {"running": False, "pid": None}
    return Result(data, _none_runs_text(place, path), EXIT_NONE_RUNS, warnings)


def _lay(place: Place, reason: str) -> tuple[Path | None, tuple[str, ...]]:
    """The kill file; where it cannot be written, an empty one (a kill needs no words), and else the signal."""
    try:
        return operate.lay_file(place, KILL_NAME, reason), place.warnings
    except ZtbError as error:
        failed = error
    with contextlib.suppress(OSError):
        path = place.operator / KILL_NAME
        path.touch(mode=0o640)
        return path, (*place.warnings, f"the kill file is there, the reason is not: {failed.message}")
    found = operate.look(place)
    if found is None or not found.is_alive:
        raise failed
    try:
        os.kill(found.status.pid, signal.SIGUSR1)
    except OSError:
        raise failed from None
    return None, (*place.warnings, f"killed by signal, without the reason: {failed.message}")


def _confirmed_text(place: Place, seen: Sighting, took_s: float) -> str:
    status = seen.status
    orders = status.orders
    return _folded(
        [
            f"killed: the trader of profile {place.profile} (PID {status.pid}) confirmed after {took_s:.2f} s",
            printable(f"  {status.kill.source}: {status.kill.reason}"),
            f"  {orders.working} orders still working, {orders.unknown} of unknown fate; see `ztb status`",
        ]
    )


def _unconfirmed_text(seen: Sighting) -> str:
    pid = seen.status.pid
    return _folded(
        [
            f"NOT CONFIRMED: the trader (PID {pid}) did not confirm within {ANSWER_S_MAX:g} s; its status is "
            f"{seen.age_s:.1f} s old",
            "  the kill file stays: it counts as soon as the trader looks, and at its next start",
            "  remedy: `ztb flatten --direct --mode cancel-only --reason ...` fences it out and cancels its orders "
            "(without that mode it closes as well); or end the process "
            f"(`kill -KILL {pid}`), then look at the venue",
        ]
    )


def _none_runs_text(place: Place, path: Path | None) -> str:
    return f"no trader of profile {place.profile} runs; {path} stays there, so the next one is killed as it starts"


def _folded(lines: list[str]) -> str:
    return "\n".join(part for line in lines for part in folded(line, indent=4))

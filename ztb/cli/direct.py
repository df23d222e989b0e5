"""``ztb flatten --direct``: the trader is dead or frozen, and what it holds is closed from its journal and the venue.

The rule: one process has the state directory, and a frozen one that wakes up must not send. So its lock is taken away
before anything else (it looks before each order), and then it is ended, unless it is to be spared for a look at it.
The kill latch is set in the journal: the next trader starts killed, sees what was done, and waits for `ztb resume`.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from ztb.cli import operate
from ztb.cli.flatness_text import report_text
from ztb.cli.options import profile_from
from ztb.cli.result import Result, printable
from ztb.cli.sighting import NotRunning, Sighting, process_lives, sight
from ztb.core.error import StoreLocked
from ztb.core.event import Flatten
from ztb.host.log import ERROR, ROOT, configure_log
from ztb.host.paths import state_directory
from ztb.service.flatten_files import SECOND_NS, FlattenWish
from ztb.service.setting import Direct
from ztb.store.lock import StateLock, owner_of

EXIT_NOT_FLAT: Final = 1
SOURCE: Final = "direct flatten"
END_S_MAX: Final = 3.0


def flatten_directly(args: argparse.Namespace, wish: FlattenWish) -> Result:
    """Takes the directory, flattens, and lets go; raises what keeps it from that."""
    place = operate.place_from(args)
    loaded = profile_from(args)
    state = state_directory(loaded.name, option=args.state_dir, configured=loaded.profile.state.directory)
    seen = sight(place.runtime)
    if seen is not None and seen.is_alive and Path(seen.status.state_dir).absolute() != state.absolute():
        state = Path(seen.status.state_dir)
    if not state.is_dir():
        raise NotRunning(f"{state} is no state directory: no trader of profile {place.profile} ever ran there")
    if seen is not None and seen.is_alive and not seen.is_stale:
        raise StoreLocked(
            f"the trader of profile {place.profile} (PID {seen.status.pid}) lives and reports; nothing was done",
            remedy="`ztb panic --reason ...` has it flatten and stop",
        )
    lock, fenced = _take(state, seen, spare=args.spare)
    from ztb.service.foreground import RunOptions, run_directly

    configure_log(profile=loaded.name)
    if not args.verbose:
        logging.getLogger(ROOT).setLevel(ERROR)
    options = RunOptions(
        state_dir=state,
        runtime_dir=place.runtime,
        time_scale=args.time_scale,
        epoch_ns=args.epoch_ns,
        simulator_url=args.simulator_url or "",
    )
    who = f"uid {os.getuid()}"
    event = Flatten(
        0, SOURCE, wish.reason, wish.mode, wish.slippage_ppm_max, wish.within_s * SECOND_NS, then_stop=True, kill=True,
        by=who,
    )  # fmt: skip
    try:
        report = run_directly(loaded, options, Direct(lock, (event,)))
    finally:
        lock.close()
    return _result(place, report, fenced)


def _take(state: Path, seen: Sighting | None, *, spare: bool) -> tuple[StateLock, str]:
    """The directory is ours, and nobody who held it before can send any more; what was done for that, in words."""
    try:
        return StateLock(state), ""
    except StoreLocked as locked:
        owner = owner_of(state)
        if seen is None or owner is None or owner != seen.status.pid or not seen.is_stale:
            raise StoreLocked(
                f"{locked.message}, and whether that one is frozen cannot be seen",
                remedy="end that process, then try again; a trader that reports is stopped by `ztb panic`",
            ) from None
    lock = StateLock.taken_over(state)
    said = f"the frozen trader (PID {owner}) is fenced out"
    if not spare and _end(owner, seen):
        return lock, f"{said} and was ended"
    for path in state.glob("nonce*.lock"):
        path.unlink(missing_ok=True)  # held by it as well; its own numbers are behind ours from now on
    return lock, f"{said}; its process is still there: it cannot send, and ends itself when it wakes up"


def _end(pid: int, seen: Sighting) -> bool:
    """SIGKILL works on what is stopped; False where it does not (another user's, or stuck in the kernel)."""
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        return False
    until_s = time.monotonic() + END_S_MAX
    while time.monotonic() < until_s:
        if not process_lives(pid, since_ns=seen.written_ns):
            return True
        time.sleep(0.01)
    return False


def _result(place: operate.Place, report: dict[str, Any] | None, fenced: str) -> Result:
    warnings = (*place.warnings, *([fenced] if fenced else []))
    data: dict[str, Any] = {"profile": place.profile, "direct": True, "fenced": fenced, "report": report}
    after = "\n  the kill latch is set: the next trader opens nothing until `ztb resume`"
    if report is None:
        text = "NOT FLAT: it ended before anything could be proven; look at the venue, and run it again" + after
        return Result(data, text, EXIT_NOT_FLAT, warnings)
    return Result(data, printable(report_text(report) + after), 0 if report["is_flat"] else EXIT_NOT_FLAT, warnings)

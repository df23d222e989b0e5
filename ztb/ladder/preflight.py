"""First rung: is this machine, this configuration and this data fit to begin? A first set of checks.

Each check measures; a check that raises has failed with what it raised.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from ztb.host.clock import HostClock
from ztb.host.config import load_profile
from ztb.host.paths import make_private
from ztb.host.profile import Venue
from ztb.ladder.context import WORK, Context
from ztb.ladder.evidence import Findings
from ztb.ladder.exchange import Exchange
from ztb.ladder.trader import environment
from ztb.policies.registry import load_policy
from ztb.store.tape import TapeReader
from ztb.venues.port import Addresses
from ztb.venues.registry import addresses_at, addresses_of, open_venue

NAME: Final = "preflight"
PYTHON_MIN: Final = (3, 11)
DISK_FREE_GB_OK: Final = 1.0
DISK_FREE_GB_MIN: Final = 0.5
CLOCK_DRIFT_S_MAX: Final = 1.0
API_S_MAX: Final = 2.0
SYNC_BYTES: Final = 4_096
OLD_KILL_FILE: Final = Path("/tmp/ztb.stop")
"""What the systems before this one looked for; an operator who makes it believes that it works."""

Check = Callable[[Context, Findings], None]


def run(context: Context, findings: Findings) -> None:
    """Every check, each on its own."""
    with context.progress(NAME, len(CHECKS)) as advance:
        for name, check in CHECKS:
            try:
                check(context, findings)
            except Exception as error:  # somebody else's package, file or exchange: whatever it raises is a finding
                findings.fail("E-11", name, f"{type(error).__name__}: {error}"[:300])
            advance(1)


def _python(_: Context, findings: Findings) -> None:
    found = ".".join(str(part) for part in sys.version_info[:3])
    findings.holds("E-11", "Python Version", sys.version_info[:2] >= PYTHON_MIN, found)


def _dependencies(_: Context, findings: Findings) -> None:
    missing = []
    names = [text.split(";")[0].split("=")[0].split(">")[0].strip() for text in requires("ztb") or ()]
    for name in names:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    told = f"{len(names)} declared, missing: {', '.join(missing) or 'none'}"
    findings.holds("E-11", "Dependencies", bool(names) and not missing, told)


def _configuration(context: Context, findings: Findings) -> None:
    """Read once more, with the environment that the rungs' processes get: it must be what this run is judged by."""
    options = context.options
    again = load_profile(
        options.loaded.name, config_dir=options.config_dir, overrides=options.overrides, environ=environment()
    )
    findings.same_digest("E-11", "Profile Configuration, SHA-256", again.digest, options.loaded.digest)
    for warning in options.loaded.warnings:
        findings.warn("E-11", "Environment Variables", warning, "no warnings")


def _policy(context: Context, findings: Findings) -> None:
    """Raises, and so fails, when it cannot."""
    options = context.options
    profile = options.loaded.profile.policy
    parameters = profile.parameters if options.policy == profile.name else {}
    policy = load_policy(options.policy, parameters)
    findings.holds("A-09", "policy can be loaded", True, f"{options.policy}: {type(policy).__name__}")


def _tape(context: Context, findings: Findings) -> None:
    reader = TapeReader(context.options.tape)
    events = sum(1 for _ in reader.events())
    context.data_sha256 = reader.sha256
    findings.equal("B-79", "every block of the market data reads", events, reader.counts.total)


def _state(context: Context, findings: Findings) -> None:
    """A write that is synced: where this fails or takes seconds, no order may ever leave."""
    path = make_private(context.directory(WORK)) / "preflight-sync"
    begin = time.monotonic()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, b"\0" * SYNC_BYTES)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        path.unlink()
    findings.at_most("B-79", "a durable write of 4 KiB", (time.monotonic() - begin) * 1000, 1000.0, "ms")


def _disk(context: Context, findings: Findings) -> None:
    free_gb = shutil.disk_usage(context.out).free / 1e9
    if DISK_FREE_GB_MIN <= free_gb < DISK_FREE_GB_OK:
        findings.warn("E-11", "Disk Space", f"{free_gb:.2f} GB", f">= {DISK_FREE_GB_OK:g} GB")
    else:
        findings.at_least("E-11", "Disk Space", free_gb, DISK_FREE_GB_OK, "GB")


def _time(_: Context, findings: Findings) -> None:
    """The wall clock runs as the monotonic clock does: no step, no gross slew while we look."""
    wall, monotonic = time.time_ns(), time.monotonic_ns()
    time.sleep(0.2)
    drift_s = abs((time.time_ns() - wall) - (time.monotonic_ns() - monotonic)) / 1e9
    findings.below("E-11", "System Time", drift_s, CLOCK_DRIFT_S_MAX, "s")


def _connectivity(context: Context, findings: Findings) -> None:
    options = context.options
    profile = options.loaded.profile
    text = "API Connectivity"
    if options.connectivity_skip:
        findings.skip("A-11", text, "--connectivity-skip")
        return
    if not profile.venue.simulator:
        taken_s = asyncio.run(
            _instrument_s(profile.venue, addresses_of(profile.venue.name, rest=profile.venue.rest_url))
        )
        findings.below("B-83", text, taken_s, API_S_MAX, "s")
        return
    exchange = Exchange(context, NAME)
    try:
        taken_s = asyncio.run(_instrument_s(profile.venue, addresses_at(profile.venue.name, exchange.url)))
        findings.below("B-83", text, taken_s, API_S_MAX, "s")
    finally:
        exchange.stop()


async def _instrument_s(named: Venue, addresses: Addresses) -> float:
    """Seconds until the exchange has told of the instrument, as it would tell a trader."""
    venue = open_venue(named.name, addresses, clock=HostClock(), jitter=lambda: 0.5)
    try:
        begin = time.monotonic()
        await venue.market.instrument(named.instrument)
        return time.monotonic() - begin
    finally:
        await venue.close()


def _armed(context: Context, findings: Findings) -> None:
    profile = context.options.loaded.profile
    if profile.armed:
        findings.holds("E-11", "Risk Configuration", True, f"armed, stop policy {profile.mode.stop_policy}")
    else:
        findings.fail("E-11", "Risk Configuration", "not armed: kill/resume needs a trader that may send")


def _place(context: Context, findings: Findings) -> None:
    if OLD_KILL_FILE.exists():
        findings.warn("A-32", "old kill file", f"{OLD_KILL_FILE} exists and does nothing here", "absent")


CHECKS: Final[Sequence[tuple[str, Check]]] = (
    ("Python Version", _python),
    ("Dependencies", _dependencies),
    ("Environment Variables", _configuration),
    ("API Connectivity", _connectivity),
    ("Risk Configuration", _armed),
    ("policy can be loaded", _policy),
    ("market data reads", _tape),
    ("durable write", _state),
    ("System Time", _time),
    ("Disk Space", _disk),
    ("old kill file", _place),
)

"""``ztb run``: a trader in the foreground, with the built-in exchange beside it where the profile asks for one.

An exchange that is started here is a new one, with an empty history; so its trader gets a state directory of its own,
below the profile's. A trader that shall find its state again needs an exchange that outlives it (``--simulator-url``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError
from ztb.host.child import SimulatorProcess, make_account, start_simulator
from ztb.host.clock import HostClock
from ztb.host.config import LoadedProfile
from ztb.host.log import get_log
from ztb.host.paths import make_private
from ztb.host.secrets import load_credential
from ztb.service.link import Keys
from ztb.service.session import Session, SessionOptions

BUNDLED_TAPES: Final = Path(__file__).resolve().parent.parent / "data"
DEMO_BASE_BALANCE: Final = "1.0"
"""The owner's own holdings at the built-in exchange: the bot must leave them alone."""

log = get_log("run")


@dataclass(frozen=True)
class RunOptions:
    """What the command line says."""

    state_dir: Path
    runtime_dir: Path
    time_scale: float = 1.0
    epoch_ns: int | None = None
    observe: bool = False
    simulator_url: str = ""
    """A running built-in exchange; "": start one where the profile asks for it."""


async def run(loaded: LoadedProfile, options: RunOptions, *, environ: Mapping[str, str] = os.environ) -> None:
    """Returns after an orderly stop; raises what ended the session otherwise."""
    profile = loaded.profile
    if profile.mode.stop_policy == "flatten":
        raise ConfigError(
            "mode.stop_policy is flatten, which this version cannot do yet", remedy="use cancel, or leave"
        )
    clock = HostClock(options.time_scale, options.epoch_ns)
    killed = environ.get("ZTB_KILL", "") == "1"
    if profile.venue.simulator and not options.simulator_url:
        await _run_with_exchange(loaded, options, clock, killed=killed)
        return
    rest_url, stream_url = profile.venue.rest_url, profile.venue.stream_url
    if options.simulator_url:
        if not profile.venue.simulator:
            raise ConfigError(
                f"profile {loaded.name} trades on {rest_url}, not on the built-in exchange",
                remedy="use a profile with venue.simulator = true",
            )
        rest_url, stream_url = options.simulator_url, _stream_url(options.simulator_url)
    keys = None if options.observe or not profile.armed else credentials(loaded, environ)
    session = SessionOptions(
        state_dir=make_private(options.state_dir),
        runtime_dir=make_private(options.runtime_dir),
        rest_url=rest_url,
        stream_url=stream_url,
        keys=keys,
        mode=_mode(loaded, keys),
        start_killed=killed,
    )
    await Session(loaded, session, clock).run()


async def _run_with_exchange(loaded: LoadedProfile, options: RunOptions, clock: HostClock, *, killed: bool) -> None:
    profile = loaded.profile
    name = time.strftime("exchange-%Y%m%d-%H%M%S", time.gmtime()) + f"-{os.getpid()}"
    state_dir = make_private(make_private(options.state_dir) / name)
    quote = profile.venue.instrument.partition("_")[2]
    base = profile.venue.instrument.partition("_")[0]
    account = make_account(state_dir, balances={quote: str(profile.sizing.capital), base: DEMO_BASE_BALANCE})
    exchange = _start_exchange(loaded, account.accounts_file, clock)
    log.event("exchange_started", "the built-in exchange, on its own tape", url=exchange.url, state=str(state_dir))
    try:
        keys = None if options.observe or not profile.armed else Keys(account.key, account.secret)
        session = SessionOptions(
            state_dir=state_dir,
            runtime_dir=make_private(options.runtime_dir),
            rest_url=exchange.url,
            stream_url=_stream_url(exchange.url),
            keys=keys,
            mode=_mode(loaded, keys),
            start_killed=killed,
        )
        await Session(loaded, session, clock).run()
    finally:
        exchange.stop()


def _start_exchange(loaded: LoadedProfile, accounts: Path, clock: HostClock) -> SimulatorProcess:
    return start_simulator(
        venue=loaded.profile.venue.name,
        tape=tape_path(loaded),
        accounts=accounts,
        time_scale=clock.scale,
        epoch_ns=clock.epoch_ns,
        errors=accounts.with_name("simulator.log"),
    )


def tape_path(loaded: LoadedProfile) -> Path:
    """The tape of the profile: a file, or the bundled one of that name."""
    name = loaded.profile.venue.tape
    if not name:
        raise ConfigError(f"profile {loaded.name} names no venue.tape", remedy="name a tape for the built-in exchange")
    path = Path(name)
    bundled = BUNDLED_TAPES / name
    return bundled if path.name == name and not path.exists() and bundled.exists() else path


def credentials(loaded: LoadedProfile, environ: Mapping[str, str]) -> Keys:
    """Key and secret of the account; CredentialError when they are missing or open to others."""
    venue = loaded.profile.venue.name
    found = [
        load_credential(f"{venue}-{part}", file=file, variable=f"{venue.upper()}_API_{part.upper()}", environ=environ)
        for part, file in (
            ("key", loaded.profile.credentials.key_file),
            ("secret", loaded.profile.credentials.secret_file),
        )
    ]
    for credential in found:
        if credential.warning:
            log.warning("credential_exposed", credential.warning)
    return Keys(found[0].secret, found[1].secret)


def _mode(loaded: LoadedProfile, keys: Keys | None) -> str:
    """Part of the store's identity: a paper run never continues a live journal (F-24)."""
    if keys is None:
        return "observe"
    return "simulator" if loaded.profile.venue.simulator else "live"


def _stream_url(rest_url: str) -> str:
    return rest_url.replace("http", "ws", 1) + "/stream"

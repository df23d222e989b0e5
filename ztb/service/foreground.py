"""``ztb run``: a trader in the foreground, with the built-in exchange beside it where the profile asks for one.

An exchange that is started here is a new one, with an empty history; so its trader gets a state directory of its own,
below the profile's. A trader that shall find its state again needs an exchange that outlives it (``--simulator-url``).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ztb.core.error import ConfigError
from ztb.host.child import launch_simulator, make_account
from ztb.host.clock import HostClock
from ztb.host.config import LoadedProfile
from ztb.host.credentials import Keys, credentials, no_keys
from ztb.host.log import get_log
from ztb.host.paths import make_private
from ztb.policies.registry import load_policy
from ztb.service.old_kill_file import refuse_configured
from ztb.service.operator import KILL_NAME, OPERATOR_DIRECTORY
from ztb.service.setting import SIGNALS, STOP_SIGNALS, Direct, Paper, SessionOptions, Setting
from ztb.venues.port import Addresses
from ztb.venues.registry import addresses_at, addresses_of

BUNDLED_TAPES: Final = Path(__file__).resolve().parent.parent / "data"
DEMO_BASE_BALANCE: Final = "1.0"
"""The owner's own holdings at the built-in exchange: the bot must leave them alone."""

_LOOK: Final = "`ztb status` and `ztb audit show` tell what it did"

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


class StoppedEarly(BaseException):
    """A stop signal before the session listens; like KeyboardInterrupt it is no error that anybody may handle."""


@dataclass
class EarlySignals:
    """What came before the session listened by itself."""

    is_killed: bool = False
    is_stopped: bool = False
    """Looked at again before the session begins: a library that is being loaded may swallow what was raised."""


@dataclass(frozen=True)
class _Exchange:
    """Where the trader trades, and with which keys (None: there is no way to send)."""

    state_dir: Path
    addresses: Addresses
    keys: Keys | None


def run(loaded: LoadedProfile, options: RunOptions, *, environ: Mapping[str, str] = os.environ) -> None:
    """Returns after an orderly stop; raises what ended the session otherwise."""
    profile = loaded.profile
    refuse_configured(environ, options.runtime_dir / OPERATOR_DIRECTORY / KILL_NAME)
    clock = HostClock(options.time_scale, options.epoch_ns)
    try:
        with _early_signals() as early:
            policy = load_policy(profile.policy.name, profile.policy.parameters)
            with _exchange(loaded, options, clock, environ) as exchange:
                session = SessionOptions(
                    state_dir=exchange.state_dir,
                    runtime_dir=make_private(options.runtime_dir),
                    addresses=exchange.addresses,
                    keys=exchange.keys,
                    mode=_mode(loaded, exchange.keys),
                    paper=_paper(loaded),
                    start_killed=early.is_killed or environ.get("ZTB_KILL", "") == "1",
                )
                _run_session(Setting(loaded, session, clock, policy), early)
    except StoppedEarly:
        log.event("stopped", "before anything had begun")
    finally:
        _ignore_signals()


def run_directly(
    loaded: LoadedProfile, options: RunOptions, direct: Direct, *, environ: Mapping[str, str] = os.environ
) -> dict[str, Any] | None:
    """Flatten without a trader; the flatness report, None when there was no time for one. Raises as ``run`` does."""
    from ztb.policies.none import NONE, NoPolicy
    from ztb.service.session import Session

    profile = loaded.profile
    if not profile.armed:
        raise ConfigError(f"profile {loaded.name} is not armed: its trader cannot have sent anything", remedy=_LOOK)
    if profile.venue.paper or (profile.venue.simulator and not options.simulator_url):
        raise ConfigError(f"the exchange of profile {loaded.name} ended with its trader", remedy=_LOOK)
    policy = profile.policy.model_copy(update={"name": NONE, "parameters": {}})
    mode = profile.mode.model_copy(update={"stop_policy": "cancel"})
    loaded = replace(loaded, profile=profile.model_copy(update={"policy": policy, "mode": mode}))
    clock = HostClock(options.time_scale, options.epoch_ns)
    with _exchange(loaded, options, clock, environ) as exchange:
        session_options = SessionOptions(
            state_dir=exchange.state_dir,
            runtime_dir=make_private(options.runtime_dir),
            addresses=exchange.addresses,
            keys=exchange.keys,
            mode=_mode(loaded, exchange.keys),
            direct=direct,
        )
        import uvloop

        session = Session(Setting(loaded, session_options, clock, NoPolicy()))
        uvloop.run(session.run())
        return session.flatness


def _run_session(setting: Setting, early: EarlySignals) -> None:
    import uvloop

    from ztb.service.session import Session

    async def session() -> None:
        try:
            await Session(setting).run()
        finally:
            # The loop gives its handlers back when it closes; what comes then waits until it is ignored.
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    # From here until the session listens a signal waits: an exception inside the event loop would help nobody.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if early.is_stopped:
        raise StoppedEarly
    uvloop.run(session())


def _load_the_rest() -> None:
    """Event loop, adapters and store: called while a built-in exchange starts, because loading them takes as long."""
    import uvloop  # noqa: F401

    import ztb.service.session  # noqa: F401


@contextmanager
def _early_signals() -> Iterator[EarlySignals]:
    """Until the session listens: a stop ends the start where it is, SIGUSR1 is a kill that the session starts with."""
    early = EarlySignals()

    def stop(number: int, frame: FrameType | None) -> None:
        if not early.is_stopped:
            early.is_stopped = True
            raise StoppedEarly

    def kill(number: int, frame: FrameType | None) -> None:
        early.is_killed = True

    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    signal.signal(signal.SIGUSR1, kill)
    yield early


def _ignore_signals() -> None:
    """The end is under way, also that of the interpreter; whoever asks again gets no other one."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _exchange(
    loaded: LoadedProfile, options: RunOptions, clock: HostClock, environ: Mapping[str, str]
) -> Iterator[_Exchange]:
    """The venue of the profile, a running built-in exchange, or a new one that ends with the trader."""
    profile = loaded.profile
    is_armed = profile.armed and not options.observe
    if profile.venue.simulator and not options.simulator_url:
        with _own_exchange(loaded, options, clock, is_armed=is_armed) as exchange:
            yield exchange
        return
    venue = profile.venue
    addresses = addresses_of(
        venue.name, rest=venue.rest_url, stream=venue.stream_url, account_stream=venue.account_stream_url
    )
    if options.simulator_url:
        if not (venue.simulator or venue.paper):
            raise ConfigError(
                f"profile {loaded.name} trades on {addresses.rest}, not on the built-in exchange",
                remedy="use a profile with venue.simulator = true, or venue.paper = true for its public side",
            )
        addresses = addresses_at(profile.venue.name, options.simulator_url)
    keys = None
    if is_armed:
        keys = no_keys() if profile.venue.paper else credentials(loaded, environ)
    yield _Exchange(make_private(options.state_dir), addresses, keys)


@contextmanager
def _own_exchange(
    loaded: LoadedProfile, options: RunOptions, clock: HostClock, *, is_armed: bool
) -> Iterator[_Exchange]:
    profile = loaded.profile
    name = time.strftime("exchange-%Y%m%d-%H%M%S", time.gmtime()) + f"-{os.getpid()}"
    state_dir = make_private(make_private(options.state_dir) / name)
    base, quote = profile.venue.currencies
    balances = {quote: str(profile.sizing.capital), base: DEMO_BASE_BALANCE}
    account = make_account(state_dir, balances=balances, venue=profile.venue.name)
    starting = launch_simulator(
        venue=profile.venue.name,
        tape=tape_path(loaded),
        accounts=account.accounts_file,
        time_scale=clock.scale,
        epoch_ns=clock.epoch_ns,
        errors=state_dir / "simulator.log",
    )
    try:
        _load_the_rest()
    except BaseException:
        starting.stop()
        raise
    process = starting.wait()
    log.event("exchange_started", "the built-in exchange, on its own tape", url=process.url, state=str(state_dir))
    try:
        keys = Keys(account.key, account.secret) if is_armed else None
        yield _Exchange(state_dir, addresses_at(profile.venue.name, process.url), keys)
    finally:
        process.stop()


def tape_path(loaded: LoadedProfile) -> Path:
    """The tape of the profile: a file, or the bundled one of that name."""
    name = loaded.profile.venue.tape
    if not name:
        raise ConfigError(f"profile {loaded.name} names no venue.tape", remedy="name a tape for the built-in exchange")
    path = Path(name)
    bundled = BUNDLED_TAPES / name
    return bundled if path.name == name and not path.exists() and bundled.exists() else path


def _mode(loaded: LoadedProfile, keys: Keys | None) -> str:
    """Part of the store's identity: a paper run never continues a live journal (F-24)."""
    if keys is None:
        return "observe"
    if loaded.profile.venue.paper:
        return "paper"
    return "simulator" if loaded.profile.venue.simulator else "live"


def _paper(loaded: LoadedProfile) -> Paper | None:
    """A paper account begins with the bot's capital and nothing else."""
    profile = loaded.profile
    if not profile.venue.paper:
        return None
    return Paper({profile.venue.currencies[1]: profile.sizing.capital}, profile.venue.paper_latency_ms / 1000)

"""What every part of one session shares, made before anything is opened or asked.

It imports nothing that takes long: an exchange that starts beside the trader has begun before the rest is loaded.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from ztb.core.event import Event
from ztb.core.policy import Policy
from ztb.host.build import build_id
from ztb.host.clock import HostClock
from ztb.host.config import LoadedProfile
from ztb.host.credentials import Keys
from ztb.host.systemd import Systemd
from ztb.service.inbox import Inbox
from ztb.service.measure import Meter
from ztb.service.status import Facts
from ztb.service.vitals import Vitals
from ztb.store.lock import StateLock
from ztb.venues.port import Addresses, HeadRoom

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
KILL_SIGNAL: Final = signal.SIGUSR1
SIGNALS: Final = (*STOP_SIGNALS, KILL_SIGNAL)


@dataclass(frozen=True)
class Paper:
    """A market that is live and orders that never leave: the balances by currency that it begins with."""

    balances: dict[str, Decimal]
    latency_s: float


@dataclass(frozen=True)
class SessionOptions:
    """What a session needs to know besides its profile."""

    state_dir: Path
    runtime_dir: Path
    addresses: Addresses
    keys: Keys | None
    """None: there is no account, and so no way to send (live-lite)."""
    mode: str
    start_killed: bool = False
    paper: Paper | None = None
    """None: orders go to the venue."""
    direct: Direct | None = None
    """Not a trader, but what closes the positions of one that is dead or frozen."""


@dataclass(frozen=True)
class Direct:
    """A flatten without a trader: the lock is held already, and the session begins with these events, then ends."""

    lock: StateLock
    opening: tuple[Event, ...]


class Setting:
    """Profile, policy and clock; the inbox and the meter that all parts use; the facts that the status tells."""

    def __init__(self, loaded: LoadedProfile, options: SessionOptions, clock: HostClock, policy: Policy) -> None:
        self.name = loaded.name
        self.profile = loaded.profile
        self.options = options
        self.clock = clock
        self.policy = policy
        self.inbox = Inbox(clock)
        self.meter = Meter()
        self.vitals = Vitals(clock.now_ns)
        self.systemd = Systemd()
        self.head_room: Callable[[], tuple[HeadRoom, ...]] = lambda: ()
        """Of the venue's rate limits; set as soon as there is a venue."""
        self.facts = Facts(
            profile=loaded.name,
            mode=options.mode,
            armed=loaded.profile.armed and options.keys is not None,
            build=str(build_id()),
            config=loaded.digest,
            phase="starting",
            pid=os.getpid(),
            state_dir=str(options.state_dir),
            time_scale=clock.scale,
            venue=loaded.profile.venue.name,
        )

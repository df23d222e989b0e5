"""What can be seen of a trader from outside: its status file, how old that is, and whether its process lives.

The rule: numbers of a trader that ended, or that has stopped to report, are never shown as if they were of now. The
age is that of the file on the wall's clock, because a trader on the built-in exchange may run on scaled time.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil  # type: ignore[import-untyped]

from ztb.core.error import StoreCorrupt, ZtbError
from ztb.service.status import SAFE, SCHEMA_VERSION, STATUS_NAME

STALE_S: Final = 2.0
"""A trader writes its status twice a second; one that is older than this belongs to a trader that hangs or died."""
STATUS_BYTES_MAX: Final = 1_000_000
CLOCK_SLACK_S: Final = 2.0
"""How far the kernel's start time of a process and a file's time may be apart where the clock was set meanwhile."""


class NotRunning(ZtbError):
    """There is no trader to talk to."""

    exit_code = 69


class Kill(msgspec.Struct):
    """The kill latch."""

    on: bool
    source: str
    reason: str


class Desk(msgspec.Struct):
    """One instrument, as text in the units that people use."""

    position: str
    average_price: str
    last_price: str | None
    data_age_ms: int | None
    """In the trader's own, possibly scaled, time."""
    realised: str
    unrealised: str
    fees: str
    dust: str = "0"
    """What of the position is too small to be closed."""


class RateLimit(msgspec.Struct):
    """How much of one of the venue's limits is free."""

    name: str
    calls: int
    free: int
    breaker: str


class Clock(msgspec.Struct):
    """The venue's clock against the trader's."""

    offset_ms: int = 0
    uncertainty_ms: int = 0


class FailedStart(msgspec.Struct):
    """One of those that led to safe mode."""

    ts_ns: int
    exit_code: int
    text: str


class Orders(msgspec.Struct):
    """Those that are not finished."""

    working: int
    unknown: int


class Status(msgspec.Struct):
    """The members of the status file that commands read; it has more."""

    schema_version: str
    profile: str
    mode: str
    armed: bool
    build: str
    config: str
    phase: str
    pid: int
    state_dir: str
    time_scale: float
    ready: bool
    level: str
    says: str
    kill: Kill
    reduce_only: str
    pause_until_ns: int
    policy_suspended: str
    instruments: dict[str, Desk]
    equity: str
    drawdown_ppm: int
    orders: Orders
    journal_seq: int
    meter: dict[str, Any]
    rate_limits: list[RateLimit] = msgspec.field(default_factory=list)
    clock: Clock = msgspec.field(default_factory=Clock)
    flatten: dict[str, Any] | None = None
    """As ``ztb.service.flatness.progress`` tells it."""
    venue: str = ""
    failed_starts: list[FailedStart] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Sighting:
    """One look at a trader."""

    status: Status
    document: dict[str, Any]
    """The whole file."""
    written_ns: int
    """When the file was written, on the wall's clock."""
    is_alive: bool
    """Its process lives, and has not said that it has stopped."""

    @property
    def age_s(self) -> float:
        """Seconds since the trader last reported."""
        return max(0.0, (time.time_ns() - self.written_ns) / 1e9)

    @property
    def is_stale(self) -> bool:
        """It lives, but does not report any more."""
        return self.is_alive and self.age_s > STALE_S


def sight(runtime: Path) -> Sighting | None:
    """The trader whose runtime directory this is; None if none ever reported there.

    StoreCorrupt for a file that no trader of this version wrote.
    """
    path = runtime / STATUS_NAME
    try:
        with path.open("rb") as file:
            written_ns = os.fstat(file.fileno()).st_mtime_ns
            body = file.read(STATUS_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreCorrupt(f"{path}: {error.strerror}", remedy="run the command as the trader's own user") from None
    try:
        document: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
        status = msgspec.convert(document, Status)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        remedy = f"a running trader writes it anew twice a second; this ztb reads version {SCHEMA_VERSION}"
        raise StoreCorrupt(f"{path} is no status of a trader: {error}", remedy=remedy) from None
    alive = status.phase != "stopped" and process_lives(status.pid, since_ns=written_ns)
    return Sighting(status, document, written_ns, alive)


def need_engine(seen: Sighting) -> None:
    """NotRunning for a trader in safe mode: it can be told to start again, and nothing else."""
    if seen.status.level == SAFE:
        raise NotRunning(
            f"the trader of PID {seen.status.pid} is in safe mode: it has no engine and sends nothing; nothing was "
            "changed",
            remedy="`ztb status` says what has to be put right",
        )


def process_lives(pid: int, *, since_ns: int) -> bool:
    """Whether the process that had this PID at the wall's time ``since_ns`` is still there (a zombie is not)."""
    try:
        process = psutil.Process(pid)
        began_s = float(process.create_time())
        return bool(process.status() != psutil.STATUS_ZOMBIE) and began_s <= since_ns / 1e9 + CLOCK_SLACK_S
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
    except psutil.AccessDenied:
        return True  # it is there, and not ours to look at

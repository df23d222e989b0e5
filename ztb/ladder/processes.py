"""The processes that a rung starts: the exchange and the trader, each measured from outside while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from ztb.core.error import UsageError
from ztb.host.child import ExchangeAccount, SimulatorProcess, make_account, start_simulator
from ztb.host.process import ProcessMeter, ProcessUse
from ztb.ladder.context import WORK, Context

READY_S_MAX: Final = 20.0
STOP_S_MAX: Final = 10.0
LOOK_S: Final = 0.05
BASE_BALANCE: Final = "1.0"
QUOTE_BALANCE_FACTOR: Final = 10
"""The exchange's account holds this many times the bot's capital: the bot must leave the rest alone."""
BOOK_PAGE_S_MAX: Final = 10.0


@dataclass
class Usage:
    """What a process used, sampled about twice a second."""

    samples: list[ProcessUse] = field(default_factory=list)

    @property
    def rss_mb_max(self) -> float | None:
        """Highest resident memory in MB; None without a sample."""
        return max((use.rss_bytes for use in self.samples), default=0) / 1e6 if self.samples else None

    def cpu_percent(self) -> float | None:
        """Mean share of one core between the first and the last sample."""
        if len(self.samples) < 2:
            return None
        return self.samples[-1].cpu_percent_since(self.samples[0])

    def to_dict(self) -> dict[str, Any]:
        """For the metrics file."""
        last = self.samples[-1] if self.samples else None
        return {
            "samples": len(self.samples),
            "rss_mb_max": self.rss_mb_max,
            "cpu_percent_mean": self.cpu_percent(),
            "fds_last": last.fds if last else None,
            "threads_last": last.threads if last else None,
        }


class TraderProcess:
    """One ``ztb run``, with its log in a file. A new one may be started on the same state after it has ended."""

    def __init__(self, context: Context, *, exchange: Exchange, name: str, log: Path, words: tuple[str, ...]) -> None:
        work = context.directory(WORK)
        self.state_dir = work / f"{name}-state"
        self.runtime_dir = work / f"{name}-run"
        self.log = log
        self.usage = Usage()
        self._file = log.open("ab")
        options = context.options
        command = [
            sys.executable, "-m", "ztb", "run", *options.profile_words,
            "--set", f"credentials.key_file={exchange.account.key_file}",
            "--set", f"credentials.secret_file={exchange.account.secret_file}",
            *words,
            "--state-dir", str(self.state_dir), "--runtime-dir", str(self.runtime_dir),
            "--simulator-url", exchange.url, "--time-scale", repr(options.time_scale),
            "--epoch-ns", str(exchange.epoch_ns),
        ]  # fmt: skip
        self.started_wall_ns = time.time_ns()
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._file, stderr=self._file, start_new_session=True,
            env=_environment(),
        )  # fmt: skip
        self._meter = ProcessMeter(self._process.pid)

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def wait_ready(self) -> float | None:
        """Seconds from the start to READY; None when it did not get there."""
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline and self.is_running:
            status = self.status()
            if status is not None and status["ready"]:
                return (time.time_ns() - self.started_wall_ns) / 1e9
            time.sleep(LOOK_S)
        return None

    def status(self) -> dict[str, Any] | None:
        """The status file of this very process; None until it has written one."""
        with contextlib.suppress(OSError, json.JSONDecodeError):
            plain: dict[str, Any] = json.loads((self.runtime_dir / "status.json").read_text())
            if plain["pid"] == self._process.pid:
                return plain
        return None

    def watch(self, seconds: float) -> Iterator[float]:
        """Let it run, measuring; yields the seconds passed since the last time, ends early when the process ends."""
        end = before = time.monotonic()
        end += seconds
        while (now := time.monotonic()) < end and self.is_running:
            self.measure()
            time.sleep(min(0.5, end - now))
            yield time.monotonic() - before
            before = time.monotonic()

    def measure(self) -> None:
        """Take one sample."""
        use = self._meter.measure()
        if use is not None:
            self.usage.samples.append(use)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> tuple[int | None, float]:
        """SIGTERM; exit code (None: it had to be killed) and the seconds that it took."""
        started = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            code: int | None = self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            code = None
        self._file.close()
        return code, time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._file.close()


class Exchange:
    """The built-in exchange of one rung, with one account and its own book to ask."""

    def __init__(self, context: Context, name: str) -> None:
        options = context.options
        profile = options.loaded.profile
        if not profile.venue.simulator:
            raise UsageError(
                f"profile {options.loaded.name} trades on {profile.venue.rest_url}",
                remedy="these rungs run on the built-in exchange: use a profile with venue.simulator = true",
            )
        base, _, quote = profile.venue.instrument.partition("_")
        quote_balance = str(profile.sizing.capital * QUOTE_BALANCE_FACTOR)
        work = context.directory(WORK) / f"{name}-exchange"
        work.mkdir(mode=0o700, exist_ok=True)
        self.account: ExchangeAccount = make_account(work, balances={base: BASE_BALANCE, quote: quote_balance})
        context.secrets += [self.account.key.reveal(), self.account.secret.reveal()]
        self.epoch_ns = time.time_ns()
        self._process: SimulatorProcess = start_simulator(
            venue=profile.venue.name, tape=options.tape, accounts=self.account.accounts_file,
            time_scale=options.time_scale, epoch_ns=self.epoch_ns, errors=work / "simulator.log", admin=True,
        )  # fmt: skip
        self._client = httpx.Client(base_url=self._process.url, trust_env=False, timeout=BOOK_PAGE_S_MAX)

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._process.url

    def status(self) -> dict[str, Any]:
        """``/_sim/status``."""
        plain: dict[str, Any] = self._client.get("/_sim/status").raise_for_status().json()
        return plain

    def calls(self) -> list[dict[str, Any]]:
        """Every private call that it received, in order."""
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["sequence"] if found else 0
            page = self._client.get("/_sim/book", params={"after": after}).raise_for_status().json()
            if page["calls_dropped"]:
                raise UsageError("the exchange's record overflowed", remedy="shorten the window")
            found += page["calls"]
            if not page["calls_more"]:
                return found

    def account_state(self) -> dict[str, Any]:
        """Balances, working orders and fills of the account."""
        page = self._client.get("/_sim/book").raise_for_status().json()
        plain: dict[str, Any] = page["accounts"][self.account.key.reveal()]
        return plain

    def now_ns(self) -> int:
        """The exchange's clock."""
        return int(self.status()["now_ns"])

    def mood(self, **order: object) -> None:
        """Switch a hostile mood."""
        self._client.post("/_sim/mood", json=order).raise_for_status()

    def stop(self) -> None:
        """End it."""
        self._client.close()
        self._process.stop()


def _environment() -> dict[str, str]:
    """What a trader needs, and nothing that could change what it does."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "ZTB_CONFIG_DIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"ZTB_LOG": "json"}

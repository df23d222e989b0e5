"""The whole product as its operator has it: real processes, started by the real command, in directories of a test."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.cli.command import clean_environ
from ztb.host.child import ExchangeAccount, make_account, start_simulator
from ztb.store.chain import Record
from ztb.store.reader import JournalReader
from ztb.store.tape import DEMO_TAPE

TIME_SCALE = 20.0
WAIT_S = 60.0
"""Only ends a test that hangs."""
BUSY = (
    "--set", "policy.parameters.fast=4", "--set", "policy.parameters.slow=9",
    "--set", "limits.orders_per_minute_max=600",
)  # fmt: skip
"""A policy that trades about every eight seconds of its own time: each fill costs a call of the venue's trade history,
of which there are 12 a minute, and a trader that has none left learns of its fills a minute late."""


@dataclass(frozen=True)
class Exchange:
    """A built-in exchange that outlives the traders on it."""

    url: str
    epoch_ns: int
    account: ExchangeAccount

    def mood(self, name: str, **how: object) -> None:
        """Switch a hostile mood on, or off with ``off=True``."""
        httpx.post(f"{self.url}/_sim/mood", json={"name": name, **how}, timeout=WAIT_S).raise_for_status()

    def words(self) -> tuple[str, ...]:
        """The options with which a trader trades here."""
        return (
            "--simulator-url", self.url, "--epoch-ns", str(self.epoch_ns),
            "--set", f"credentials.key_file={self.account.key_file}",
            "--set", f"credentials.secret_file={self.account.secret_file}",
        )  # fmt: skip


@contextmanager
def exchange(directory: Path) -> Iterator[Exchange]:
    """One that plays the demo tape."""
    directory.mkdir(mode=0o700)
    account = make_account(directory, balances={"jpy": "1000000", "btc": "1.0"})
    epoch_ns = time.time_ns()
    process = start_simulator(
        venue="zaif", tape=DEMO_TAPE, accounts=account.accounts_file, time_scale=TIME_SCALE, epoch_ns=epoch_ns,
        errors=directory / "log", admin=True,
    )  # fmt: skip
    try:
        yield Exchange(process.url, epoch_ns, account)
    finally:
        process.stop()


class Trader:
    """One ``ztb run`` of the profile demo; ``base`` holds its directories and its log."""

    def __init__(self, base: Path, *words: str, environ: dict[str, str] | None = None) -> None:
        self.base = base
        self.log = base / "trader.log"
        self.places = ("--state-dir", str(base / "state"), "--runtime-dir", str(base / "run"))
        base.mkdir(mode=0o700, exist_ok=True)
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "ztb", "run", "--profile", "demo", "--time-scale", str(TIME_SCALE),
                    *self.places, *words,
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environ or clean_environ(),
            )  # fmt: skip

    @property
    def runtime_dir(self) -> Path:
        """Of status and operator files."""
        return self.base / "run"

    @property
    def state_dir(self) -> Path:
        """Where the journal is, as the trader itself says."""
        return Path(self.status()["state_dir"])

    def status(self) -> dict[str, Any]:
        """The status file, whoever wrote it."""
        document: dict[str, Any] = json.loads((self.runtime_dir / "status.json").read_text())
        return document

    def is_ready(self) -> bool:
        """Whether this very process says so."""
        with contextlib.suppress(OSError):
            status = self.status()
            return bool(status["pid"] == self.process.pid and status["ready"])
        return False

    def wait_ready(self) -> Trader:
        """Returns itself, ready."""
        self.wait(self.is_ready, "ready")
        return self

    def wait_orders(self, count: int) -> None:
        """Until so many orders were placed in this session."""
        self.wait(lambda: self.status()["meter"]["orders_placed"] >= count, f"{count} orders")

    def wait(self, reached: Callable[[], bool], what: str) -> None:
        """Until ``reached``; AssertionError with the log when the process ends, or nothing happens for too long."""
        wait_until(lambda: reached() or self.process.poll() is not None, f"{what}: {self.said()}")
        assert reached(), f"it ended with {self.process.poll()} before: {what}\n{self.said()}"

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(WAIT_S)


@contextmanager
def trader(base: Path, *words: str, environ: dict[str, str] | None = None) -> Iterator[Trader]:
    """A ready trader; whatever is left of it in the end is killed."""
    running = Trader(base, *words, environ=environ)
    try:
        yield running.wait_ready()
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGCONT)
            running.kill()


def wait_until(reached: Callable[[], bool], what: str) -> None:
    """Look again and again; AssertionError when it does not come for far too long."""
    deadline = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def records(state_dir: Path, *kinds: str) -> list[Record]:
    """Verified records of a journal, all of them or those of some kinds."""
    reader = JournalReader(state_dir / "journal.db")
    try:
        return list(reader.read(kinds=kinds or None))
    finally:
        reader.close()


def body(record: Record) -> dict[str, Any]:
    """Of a record that holds one JSON object."""
    plain: dict[str, Any] = json.loads(record.body)
    return plain

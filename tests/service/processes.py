"""The exchange and the trader as real processes, driven and watched from outside as an operator would."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from tests.cli.command import clean_environ
from ztb.host.child import ExchangeAccount, make_account

PATIENCE_S = 30.0
"""Ends a hung test; nothing is measured by it."""
BALANCES = {"jpy": "1000000", "btc": "1.0"}


class Exchange:
    """``ztb simulator --admin`` with one account."""

    def __init__(
        self,
        directory: Path,
        *words: str,
        time_scale: float = 20.0,
        tape: str = "demo-btc_jpy.tape",
        venue: str = "zaif",
        balances: dict[str, str] = BALANCES,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.account: ExchangeAccount = make_account(directory, balances=balances, venue=venue)
        self.time_scale = time_scale
        self.epoch_ns = time.time_ns()
        self._log = (directory / "simulator.log").open("ab")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "ztb", "simulator", "--venue", venue, "--tape", tape,
                "--accounts", str(self.account.accounts_file), "--listen", "127.0.0.1:0", "--admin", "--with-parent",
                "--time-scale", repr(time_scale), "--epoch-ns", str(self.epoch_ns), *words,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, env=clean_environ(),
        )  # fmt: skip
        assert self._process.stdout is not None
        line = _read_line(self._process.stdout.fileno())
        assert " ready" in line, (line, (directory / "simulator.log").read_text())
        self.url = "http://" + line.split("http://")[1].split()[0]
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=PATIENCE_S)

    def status(self) -> dict[str, Any]:
        return self.get("/_sim/status")

    def get(self, path: str) -> dict[str, Any]:
        plain: dict[str, Any] = self._client.get(path).raise_for_status().json()
        return plain

    def calls(self, method: str = "trade", *, after: int = 0) -> list[dict[str, Any]]:
        """Received calls that could move money, in order."""
        page = self._client.get("/_sim/book", params={"after": after}).raise_for_status().json()
        assert not page["calls_more"]
        assert not page["calls_dropped"]
        return [call for call in page["calls"] if method in ("", call["method"])]

    def book(self) -> dict[str, Any]:
        """Balances, working orders and fills of the account."""
        page = self._client.get("/_sim/book").raise_for_status().json()
        plain: dict[str, Any] = page["accounts"][self.account.key.reveal()]
        return plain

    def mood(self, **order: object) -> None:
        self._client.post("/_sim/mood", json=order).raise_for_status()

    def wait_until_struck(self, name: str) -> None:
        """Until the mood has struck a call, which is under way or lost from then on."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.status()["moods"][name]["struck"]:
            assert time.monotonic() < deadline, f"nobody called while {name} was on"
            time.sleep(0.01)

    def stop(self) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def exchange(directory: Path, *words: str, **options: Any) -> Iterator[Exchange]:  # noqa: ANN401 - those of Exchange
    """One exchange, stopped in any case."""
    running = Exchange(directory, *words, **options)
    try:
        yield running
    finally:
        running.stop()


class Trader:
    """``ztb run`` on an exchange; its log is read as JSON lines."""

    def __init__(
        self,
        exchange: Exchange,
        directory: Path,
        *words: str,
        environ: dict[str, str] | None = None,
        state_dir: Path | None = None,
    ) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.state_dir = state_dir or directory / "state"
        self.runtime_dir = directory / "run"
        self.log_path = directory / "trader.log"
        self._log = self.log_path.open("ab")
        self._begin = self._log.tell()
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "ztb", "run", "--profile", "demo",
                "--set", f"credentials.key_file={exchange.account.key_file}",
                "--set", f"credentials.secret_file={exchange.account.secret_file}",
                "--state-dir", str(self.state_dir), "--runtime-dir", str(self.runtime_dir),
                "--simulator-url", exchange.url, "--time-scale", repr(exchange.time_scale),
                "--epoch-ns", str(exchange.epoch_ns), *words,
            ],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            env=clean_environ(ZTB_LOG="json", **(environ or {})),
        )  # fmt: skip

    def lines(self) -> list[dict[str, Any]]:
        """The log of this very process; lines that are no JSON come under ``raw``."""
        with self.log_path.open("rb") as file:
            file.seek(self._begin)
            whole = file.read().decode(errors="replace").rpartition("\n")[0]
        return [_parsed(line) for line in whole.splitlines()]

    def events(self) -> list[str]:
        return [line.get("event", "") for line in self.lines()]

    def text(self) -> str:
        return "\n".join(json.dumps(line) for line in self.lines())

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """The ``count``-th line of ``event``; fails when the process ends without it."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            is_over = self.process.poll() is not None
            found = [line for line in self.lines() if line.get("event") == event]
            if len(found) >= count:
                return found[count - 1]
            assert not is_over, f"ended with {self.process.returncode} before {event}:\n{self.text()}"
            time.sleep(0.01)
        raise AssertionError(f"no {event} within {PATIENCE_S} s:\n{self.text()}")

    def status(self) -> dict[str, Any]:
        path = self.runtime_dir / "status.json"
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists():  # a trader that starts writes it for the first time after half a second
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.02)
        plain: dict[str, Any] = json.loads(path.read_text())
        return plain

    def wait_for_status(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The status that fulfils ``condition``; it is written twice a second."""
        self.wait_for("ready")
        deadline = time.monotonic() + PATIENCE_S
        while not condition(status := self.status()):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return status

    def operator_file(self, name: str, text: str) -> None:
        """Put it there whole."""
        directory = self.runtime_dir / "operator"
        fresh = directory / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(directory / name)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE_S) -> int:
        return self.process.wait(seconds)

    def stop(self) -> tuple[int, float]:
        """SIGTERM; exit code and the seconds that it took."""
        started = time.monotonic()
        self.process.terminate()
        return self.wait(), time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        self._log.close()


@contextlib.contextmanager
def trader(exchange: Exchange, directory: Path, *words: str, **options: Any) -> Iterator[Trader]:  # noqa: ANN401
    """One trader, ended in any case."""
    running = Trader(exchange, directory, *words, **options)
    try:
        yield running
    finally:
        running.close()


def setting(**values: object) -> list[str]:
    """``--set`` words: ``limits__order_ttl_seconds=3`` is ``limits.order_ttl_seconds=3``."""
    words: list[str] = []
    for name, value in values.items():
        words += ["--set", f"{name.replace('__', '.', 1).replace('__', '.')}={value}"]
    return words


BUSY = setting(
    policy__parameters__fast=2, policy__parameters__slow=4, policy__parameters__bar_seconds=0,
    sizing__order_size="0.0010", limits__orders_per_minute_max=600, risk__conservative_after_kill="false",
)  # fmt: skip
"""Averages so short that orders are always on their way, and orders so small that no loss limit is reached; what a kill
leaves behind would hold them back."""


def net(fills: list[dict[str, Any]]) -> tuple[Decimal, Decimal]:
    """Position and fees by the exchange's own fills of our tags."""
    ours = [fill for fill in fills if fill["comment"].startswith("ztb-")]
    signs = {"buy": 1, "sell": -1}
    position = sum((signs[fill["side"]] * Decimal(fill["amount"]) for fill in ours), Decimal(0))
    return position, sum((Decimal(fill["fee"]) for fill in ours), Decimal(0))


def _parsed(line: str) -> dict[str, Any]:
    try:
        plain = json.loads(line)
    except json.JSONDecodeError:
        return {"raw": line}
    return plain if isinstance(plain, dict) else {"raw": line}


def _read_line(descriptor: int) -> str:
    deadline = time.monotonic() + PATIENCE_S
    said = b""
    while b"\n" not in said and (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([descriptor], [], [], left)
        chunk = os.read(descriptor, 4096) if readable else b""
        if not chunk:
            break
        said += chunk
    return said.decode(errors="replace")

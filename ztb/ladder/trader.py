"""One ``ztb run`` that a rung started, with its log in a file: started, watched, stopped, killed.

What it says of itself (its status file) counts only when it comes from this very process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ztb.host.aliases import ALIASES
from ztb.host.config import load_profile
from ztb.ladder.child import Child, Usage
from ztb.ladder.context import WORK, Context
from ztb.ladder.exchange import Exchange

READY_S_MAX: Final = 20.0
STOP_S_MAX: Final = 10.0
LOOK_S: Final = 0.05
SAMPLE_S: Final = 0.25
KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "ZTB_CONFIG_DIR")
LAST_WORDS_LENGTH_MAX: Final = 300


class TraderProcess:
    """A new one may be started on the same state after it has ended."""

    def __init__(
        self,
        context: Context,
        *,
        exchange: Exchange,
        name: str,
        log: Path,
        overrides: tuple[str, ...],
        observe: bool = False,
        start_killed: bool = False,
    ) -> None:
        """``overrides``: settings beside those of the run; ``start_killed``: with ZTB_KILL=1."""
        work = context.directory(WORK)
        self.state_dir = work / f"{name}-state"
        self.runtime_dir = work / f"{name}-run"
        self.log = log
        options = context.options
        settings = (*options.overrides, *overrides)
        self.config_sha256 = load_profile(
            options.loaded.name, config_dir=options.config_dir, overrides=settings, environ=environment()
        ).digest
        """What it must say that its configuration is."""
        words = [
            *options.profile_words(*overrides, f"credentials.key_file={exchange.account.key_file}",
                                   f"credentials.secret_file={exchange.account.secret_file}"),
            *(["--observe"] if observe else []),
            "--state-dir", str(self.state_dir), "--runtime-dir", str(self.runtime_dir),
            "--simulator-url", exchange.url, "--time-scale", repr(options.time_scale),
            "--epoch-ns", str(exchange.epoch_ns),
        ]  # fmt: skip
        environ = environment() | ({"ZTB_KILL": "1"} if start_killed else {})
        self._started_s = time.monotonic()
        self._child = Child([sys.executable, "-m", "ztb", "run", *words], output=log, errors=log, environ=environ)

    @property
    def usage(self) -> Usage:
        """What it used, complete after its end."""
        return self._child.usage

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._child.is_running

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._child.exit_code

    def wait_ready(self) -> float | None:
        """Seconds from the start to READY; None when it did not get there."""
        deadline = time.monotonic() + READY_S_MAX
        while time.monotonic() < deadline and self.is_running:
            status = self.status()
            if status is not None and status["ready"]:
                self.measure()
                return time.monotonic() - self._started_s
            time.sleep(LOOK_S)
        return None

    def status(self) -> dict[str, Any] | None:
        """The status file of this very process; None until it has written one."""
        with contextlib.suppress(OSError, json.JSONDecodeError):
            plain: dict[str, Any] = json.loads((self.runtime_dir / "status.json").read_text())
            if plain["pid"] == self._child.pid:
                return plain
        return None

    def status_age_s(self) -> float | None:
        """How old its status file is, on the wall; None while there is none."""
        if self.status() is None:
            return None
        return max(0.0, time.time() - (self.runtime_dir / "status.json").stat().st_mtime)

    def watch(self, seconds: float) -> Iterator[float]:
        """Let it run, measuring; yields the seconds passed since the last time, ends early when the process ends."""
        before = time.monotonic()
        end = before + seconds
        while (now := time.monotonic()) < end and self.is_running:
            self.measure()
            time.sleep(min(SAMPLE_S, end - now))
            yield time.monotonic() - before
            before = time.monotonic()

    def measure(self) -> None:
        """Take one sample."""
        self._child.measure()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._child.send(number)

    def stop(self) -> tuple[int | None, float]:
        """SIGTERM; exit code (None: it had to be killed) and the seconds that it took."""
        started = time.monotonic()
        self.measure()
        self._child.send(signal.SIGTERM)
        code = self._child.wait(STOP_S_MAX)
        if code is None:
            self._child.kill()
        return code, time.monotonic() - started

    def kill(self) -> None:
        """SIGKILL."""
        self.measure()
        self._child.kill()

    def last_words(self) -> str:
        """The end of its log, for the reader of a failure."""
        lines = self.log.read_text(errors="replace").splitlines()
        return lines[-1][:LAST_WORDS_LENGTH_MAX] if lines else "it said nothing"


def environment() -> dict[str, str]:
    """What the processes of a rung are given: the settings of this run, and nothing else that changes what they do."""
    return {
        name: text
        for name, text in os.environ.items()
        if name in KEPT or name in ALIASES or (name.startswith("ZTB_") and "__" in name)
    } | {"ZTB_LOG": "json"}

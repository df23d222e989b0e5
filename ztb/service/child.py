"""The built-in exchange as a child process, with an account made for it on the spot.

Key and secret are random, written to a file that only we can read, and never stand on a command line. The child ends
when this process ends, however it ends: its standard input is a pipe from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError, UsageError
from ztb.host.secrets import Secret

READY_LINE: Final = re.compile(r"http://(127\.0\.0\.1):(\d+)")
START_S_MAX: Final = 20.0
STOP_S_MAX: Final = 3.0
ACCOUNTS_NAME: Final = "simulator-accounts.toml"


@dataclass(frozen=True)
class Account:
    """An account of the built-in exchange."""

    key: Secret
    secret: Secret


def make_account(directory: Path, *, balances: dict[str, str]) -> tuple[Path, Account]:
    """Write an accounts file (mode 0600) with one new account; returns its path and the account."""
    key, secret = secrets.token_hex(16), secrets.token_hex(32)
    held = ", ".join(f"{currency} = {json.dumps(amount)}" for currency, amount in sorted(balances.items()))
    path = directory / ACCOUNTS_NAME
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f'[[account]]\nkey = "{key}"\nsecret = "{secret}"\nbalances = {{ {held} }}\n')
    return path, Account(Secret(key), Secret(secret))


class SimulatorProcess:
    """One running built-in exchange."""

    def __init__(self, process: Process, url: str) -> None:
        self._process = process
        self.url = url

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    async def stop(self) -> None:
        """End it; by force when it does not go."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S_MAX)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def start_simulator(
    *, venue: str, tape: Path, accounts: Path, time_scale: float, epoch_ns: int, port: int = 0
) -> SimulatorProcess:
    """Start it and wait until it listens. Raises UsageError with its own words when it does not."""
    if not os.path.exists(tape):  # noqa: ASYNC240, PTH110 - one look before the loop has anything else to do
        raise ConfigError(f"the tape {tape} does not exist", remedy="name another in venue.tape, or `ztb tape import`")
    words = [
        sys.executable, "-m", "ztb", "simulator", "--venue", venue, "--tape", str(tape),
        "--accounts", str(accounts), "--listen", f"127.0.0.1:{port}", "--time-scale", repr(time_scale),
        "--epoch-ns", str(epoch_ns), "--with-parent",
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_S_MAX):
            while line := (await process.stdout.readline()).decode(errors="replace"):
                found = READY_LINE.search(line)
                if found:
                    return SimulatorProcess(process, f"http://{found[1]}:{found[2]}")
            said = (await process.stderr.read(4096)).decode(errors="replace").strip()
    except TimeoutError:
        process.kill()
        said = f"it did not listen within {START_S_MAX:g} s"
    raise UsageError(f"the built-in exchange did not start: {said}", remedy="run `ztb simulator` by hand to see more")

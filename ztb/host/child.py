"""The built-in exchange as a child process, with an account made for it on the spot.

Key and secret are random, written to files that only we can read, and never stand on a command line. The child ends
when this process ends, however it ends: its standard input is a pipe from here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError, UsageError
from ztb.host.key_pair import make_key_pair
from ztb.host.secrets import Secret

READY_LINE: Final = re.compile(r"http://(127\.0\.0\.1):(\d+)")
SECRET_VARIABLE: Final = re.compile(r"_API_KEY$|_API_SECRET$|^CREDENTIALS_DIRECTORY$")
START_S_MAX: Final = 20.0
STOP_S_MAX: Final = 3.0
ACCOUNTS_NAME: Final = "simulator-accounts.toml"
KEY_NAME: Final = "simulator-key"
SECRET_NAME: Final = "simulator-secret"


@dataclass(frozen=True)
class ExchangeAccount:
    """An account of the built-in exchange, in memory and as the files that hold it."""

    key: Secret
    secret: Secret
    accounts_file: Path
    key_file: Path
    secret_file: Path


def make_account(directory: Path, *, balances: dict[str, str], venue: str = "zaif") -> ExchangeAccount:
    """A new account: the exchange's accounts file, and key and secret for a trader, each with mode 0600.

    At Coinbase the secret is a private key, and the exchange is told the public half only.
    """
    held = ", ".join(f"{currency} = {json.dumps(amount)}" for currency, amount in sorted(balances.items()))
    if venue == "coinbase":
        pair = make_key_pair()
        key, secret, told = pair.name, pair.private_pem, f'public_key_pem = """\n{pair.public_pem}"""'
    else:
        key, secret = secrets.token_hex(16), secrets.token_hex(32)
        told = f'secret = "{secret}"'
    account = ExchangeAccount(
        Secret(key), Secret(secret), directory / ACCOUNTS_NAME, directory / KEY_NAME, directory / SECRET_NAME
    )
    text = f'[[account]]\nkey = "{key}"\n{told}\nbalances = {{ {held} }}\n'
    for path, content in ((account.accounts_file, text), (account.key_file, key), (account.secret_file, secret)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
    return account


class SimulatorProcess:
    """One running built-in exchange."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """False once it has ended, by itself or not."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it; by force when it does not go."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class StartingSimulator:
    """One that was launched; whoever launches it has other things to do until it listens."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self._process = process
        self._errors = errors

    def wait(self) -> SimulatorProcess:
        """Until it listens; UsageError with its own words when it does not."""
        line = _first_line(self._process)
        found = READY_LINE.search(line)
        if found is None:
            self.stop()
            said = (line + self._errors.read_text(errors="replace")).strip()[-1000:] or f"nothing in {START_S_MAX:g} s"
            raise UsageError(f"the built-in exchange did not start: {said}", remedy="run `ztb simulator` by hand")
        return SimulatorProcess(self._process, f"http://{found[1]}:{found[2]}")

    def stop(self) -> None:
        """End it, wherever it is."""
        self._process.kill()
        self._process.wait()


def start_simulator(
    *,
    venue: str,
    tape: Path,
    accounts: Path,
    time_scale: float,
    epoch_ns: int,
    errors: Path,
    admin: bool = False,
) -> SimulatorProcess:
    """Start it and wait until it listens; what it says on standard error goes to the file ``errors``.

    UsageError with its own words when it does not start.
    """
    return launch_simulator(
        venue=venue, tape=tape, accounts=accounts, time_scale=time_scale, epoch_ns=epoch_ns, errors=errors,
        admin=admin,
    ).wait()  # fmt: skip


def launch_simulator(
    *,
    venue: str,
    tape: Path,
    accounts: Path,
    time_scale: float,
    epoch_ns: int,
    errors: Path,
    admin: bool = False,
) -> StartingSimulator:
    """Start it without waiting for it."""
    if not tape.exists():
        raise ConfigError(f"the tape {tape} does not exist", remedy="name another in venue.tape, or `ztb tape import`")
    words = [
        sys.executable, "-m", "ztb", "simulator", "--venue", venue, "--tape", str(tape), "--accounts", str(accounts),
        "--listen", "127.0.0.1:0", "--time-scale", repr(time_scale), "--epoch-ns", str(epoch_ns),
        "--with-parent",
    ]  # fmt: skip
    with errors.open("ab") as file:
        process = subprocess.Popen(
            [*words, "--admin"] if admin else words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            # of play money only: the keys of a real account are none of its business
            env={name: value for name, value in os.environ.items() if not SECRET_VARIABLE.search(name)},
            start_new_session=True,  # ctrl-c on the terminal is for the trader, which then stops its exchange
        )
    return StartingSimulator(process, errors)


def _first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    deadline = time.monotonic() + START_S_MAX
    said = b""
    while b"\n" not in said and (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([process.stdout], [], [], left)
        chunk = os.read(process.stdout.fileno(), 4096) if readable else b""
        if not chunk:
            break
        said += chunk
    return said.decode(errors="replace")

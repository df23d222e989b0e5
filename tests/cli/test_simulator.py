"""``ztb simulator`` as a process: ready line, signals, and every wrong input with exit code 2 and no stack trace."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.simulator.world import ALICE, BTC_JPY, QUIET, SECRETS, quote
from ztb.cli.simulator import listen_address
from ztb.core.error import UsageError
from ztb.simulator.tape_player import MarketEvent
from ztb.store.tape import TapeMeta, TapeWriter

WAIT_S = 60
READY = "simulator: zaif on http://127.0.0.1:"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return write_tape(tmp_path / "market.tape", QUIET)


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    path = tmp_path / "accounts.toml"
    path.write_text(
        f'[[account]]\nkey = "{ALICE}"\nsecret = "{SECRETS[ALICE]}"\nbalances = {{ jpy = "1000000", btc = "1.0" }}\n'
    )
    return path


def write_tape(path: Path, events: list[MarketEvent]) -> Path:
    with TapeWriter(path, TapeMeta(BTC_JPY)) as writer:
        for event in events:
            writer.add(event)
    return path


def command(tape: Path, accounts: Path, *options: str, listen: str = "127.0.0.1:0") -> list[str]:
    base = [
        sys.executable,
        "-m",
        "ztb",
        "simulator",
        "--venue",
        "zaif",
        "--tape",
        str(tape),
        "--accounts",
        str(accounts),
    ]
    return [*base, "--listen", listen, *options]


@contextmanager
def started(words: list[str], *, ready: str = READY) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL, once it says that it is ready."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(ready), (line, process.stderr.read() if process.stderr else "")
        assert line.endswith(" ready\n")
        yield process, line.split()[3]
    finally:
        process.kill()
        process.communicate()


def failed(words: list[str]) -> str:
    """Standard error of a command that must end with exit code 2, having said nothing on standard output."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "remedy:" in done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_and_ends_cleanly(tape: Path, accounts: Path, number: signal.Signals) -> None:
    with started(command(tape, accounts)) as (process, url):
        assert httpx.get(f"{url}/api/1/currency_pairs/btc_jpy").json()[0]["aux_unit_step"] == 5.0
        assert httpx.get(f"{url}/_sim/status").status_code == 404, "the admin desk is off by default"
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_S)
        assert (process.returncode, out, err) == (0, "simulator: stopped\n", "")


def test_gmo_coin_speaks_with_the_options_of_every_venue(tape: Path, accounts: Path) -> None:
    words = command(tape, accounts, "--public-per-second", "1", "--public-refusal", "429", "--admin")
    words[words.index("zaif")] = "gmo"
    with started(words, ready=READY.replace("zaif", "gmo")) as (_, url):
        rows = httpx.get(f"{url}/public/v1/symbols").json()["data"]
        assert [(row["symbol"], row["takerFee"]) for row in rows] == [("BTC", "0.0005"), ("BTC_JPY", "0")]
        with httpx.Client() as client:
            assert 429 in [client.get(f"{url}/public/v1/status").status_code for _ in range(20)]
        assert "preopen" in httpx.get(f"{url}/_sim/mood").json()["known"]


def test_options_reach_the_exchange(tmp_path: Path, accounts: Path) -> None:
    tape = write_tape(tmp_path / "t.tape", [quote(0, 100, 105), quote(50, 110, 115), quote(500_000, 120, 125)])
    epoch_ns = time.time_ns() - 10_000_000_000
    options = ["--admin", "--start-offset", "60", "--no-loop", "--time-scale", "1000", "--epoch-ns", str(epoch_ns)]
    with started(command(tape, accounts, *options)) as (_, url):
        status = httpx.get(f"{url}/_sim/status").json()
        assert status["bid"] == "110"
        # Ten seconds before the start the scaled clock and the wall agreed: it is at least 10,000 s on by now.
        assert status["now_ns"] - epoch_ns >= 10_000_000_000 * 1000


def test_json_gives_an_envelope_at_the_end(tape: Path, accounts: Path) -> None:
    process = subprocess.Popen(
        command(tape, accounts, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith(READY)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=WAIT_S)
    envelope = json.loads(out)
    assert (envelope["success"], envelope["exit_code"], envelope["data"]["venue"]) == (True, 0, "zaif")


def test_a_port_in_use(tape: Path, accounts: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        message = failed(command(tape, accounts, listen=address))
        assert f"{address}: port in use" in message
        assert "port 0" in message


def test_a_bad_accounts_file(tape: Path, accounts: Path) -> None:
    accounts.write_text(accounts.read_text().replace("1000000", "lots"))
    message = failed(command(tape, accounts))
    assert f"{accounts}: account 1: balances.jpy: not a number: 'lots'" in message
    assert SECRETS[ALICE] not in message
    accounts.unlink()
    assert f"{accounts}: No such file" in failed(command(tape, accounts))


def test_a_bad_tape(tape: Path, accounts: Path, tmp_path: Path) -> None:
    whole = tape.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"no tape at all, but long enough to look at" * 9, whole[:-1]):
        tape.write_bytes(damaged)
        assert str(tape) in failed(command(tape, accounts))
    assert "none.tape" in failed(command(tmp_path / "none.tape", accounts))


def test_a_tape_that_is_too_short_for_the_offset(tape: Path, accounts: Path) -> None:
    assert "only 1 s long" in failed(command(tape, accounts, "--start-offset", "5"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--time-scale", "0"], "--time-scale: '0' is no number above 0"),
        (["--time-scale", "nan"], "--time-scale: 'nan' is no number above 0"),
        (["--time-scale", "x"], "--time-scale"),
        (["--start-offset", "-1"], "--start-offset: '-1' is no whole number from 0"),
        (["--public-per-second", "-1"], "--public-per-second: '-1' is no whole number from 0"),
        (["--public-refusal", "200"], "--public-refusal"),
        (["--order-too-new-ms", "-1"], "--order-too-new-ms: '-1' is no whole number from 0"),
        (["--venue", "mtgox"], "--venue"),
        (["--listen", "0.0.0.0:0"], "does not listen on 0.0.0.0"),
        (["--listen", "127.0.0.1"], "--listen is '127.0.0.1'"),
        (["--listen", "127.0.0.1:99999"], "--listen is '127.0.0.1:99999'"),
    ],
)
def test_bad_options(tape: Path, accounts: Path, options: list[str], text: str) -> None:
    assert text in failed(command(tape, accounts, *options))


def test_addresses() -> None:
    assert listen_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert listen_address("[::1]:65535") == ("::1", 65_535)
    for wrong in ("", ":", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:\N{SUPERSCRIPT TWO}", "8080"):
        with pytest.raises(UsageError):
            listen_address(wrong)

"""The built-in exchange as a child: it starts, says why it does not, and never outlives us; its keys stay in files."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tests.store.tape_samples import small_recording, write_tape
from ztb.core.error import ConfigError, UsageError
from ztb.host.child import SimulatorProcess, make_account, start_simulator
from ztb.host.key_pair import make_key_pair

BALANCES = {"jpy": "1000000", "btc": "1.0"}
WAIT_S = 30.0
"""Only ends a test that hangs."""


def start(
    directory: Path, *, accounts: Path | None = None, tape: Path | None = None, venue: str = "zaif"
) -> SimulatorProcess:
    """With an account and a tape made for it, unless others are given."""
    return start_simulator(
        venue=venue,
        tape=tape or write_tape(directory / "small.tape", small_recording()),
        accounts=accounts or make_account(directory, balances=BALANCES).accounts_file,
        time_scale=1.0,
        epoch_ns=1_723_161_254_000_000_000,
        errors=directory / "errors",
    )


def test_an_account_stands_in_three_files_of_our_own(tmp_path: Path) -> None:
    account = make_account(tmp_path, balances=BALANCES)
    (told,) = tomllib.loads(account.accounts_file.read_text())["account"]
    assert told == {"key": account.key.reveal(), "secret": account.secret.reveal(), "balances": BALANCES}
    assert account.key_file.read_text() == account.key.reveal()
    assert account.secret_file.read_text() == account.secret.reveal()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 3


def test_an_account_of_coinbase_is_a_key_pair_whose_halves_are_kept_apart(tmp_path: Path) -> None:
    account = make_account(tmp_path, balances=BALANCES, venue="coinbase")
    (told,) = tomllib.loads(account.accounts_file.read_text())["account"]
    assert set(told) == {"key", "public_key_pem", "balances"}
    assert told["key"] == account.key.reveal()
    assert "PRIVATE" not in account.accounts_file.read_text()
    secret = account.secret_file.read_text()
    assert secret == account.secret.reveal()
    signed = load_pem_private_key(secret.encode(), password=None)
    assert isinstance(signed, ec.EllipticCurvePrivateKey)
    signature = signed.sign(b"an order", ec.ECDSA(hashes.SHA256()))
    public = load_pem_public_key(told["public_key_pem"].encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, b"an order", ec.ECDSA(hashes.SHA256()))
    assert repr(make_key_pair()).count("PRIVATE") == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_coinbase_starts_with_such_an_account(tmp_path: Path) -> None:
    account = make_account(tmp_path, balances=BALANCES, venue="coinbase")
    process = start(tmp_path, accounts=account.accounts_file, venue="coinbase")
    try:
        answer = httpx.get(f"{process.url}/api/v3/brokerage/market/products/BTC-JPY", timeout=WAIT_S, trust_env=False)
        assert (answer.status_code, answer.json()["status"]) == (200, "online")
    finally:
        process.stop()


def test_no_two_accounts_are_alike(tmp_path: Path) -> None:
    first = make_account(tmp_path, balances=BALANCES)
    second = make_account(tmp_path, balances=BALANCES)
    assert first.key != second.key
    assert first.secret != second.secret
    assert second.key_file.read_text() == second.key.reveal()


def test_it_listens_when_it_is_told_to_be_ready_and_is_gone_when_stopped(tmp_path: Path) -> None:
    process = start(tmp_path)
    try:
        assert process.is_running
        assert process.url.startswith("http://127.0.0.1:")
        answer = httpx.get(f"{process.url}/api/1/currency_pairs/btc_jpy", timeout=WAIT_S)
        assert answer.status_code == 200
    finally:
        process.stop()
    assert not process.is_running
    assert not psutil.pid_exists(process.pid)
    with pytest.raises(httpx.ConnectError):
        httpx.get(process.url, timeout=WAIT_S)
    process.stop()  # a second time does no harm


def test_neither_key_nor_secret_stands_on_its_command_line(tmp_path: Path) -> None:
    account = make_account(tmp_path, balances=BALANCES)
    process = start(tmp_path, accounts=account.accounts_file)
    try:
        child = psutil.Process(process.pid)
        visible = " ".join([*child.cmdline(), *child.environ().values()])
    finally:
        process.stop()
    assert str(account.accounts_file) in visible
    assert account.key.reveal() not in visible
    assert account.secret.reveal() not in visible


def test_one_that_hangs_is_ended_by_force(tmp_path: Path) -> None:
    process = start(tmp_path)
    os.kill(process.pid, signal.SIGSTOP)
    process.stop()
    assert not process.is_running
    assert not psutil.pid_exists(process.pid)


def test_it_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    """SIGKILL leaves the parent no time for anything."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.host_room.test_child import start\n"
        "print(start(Path(sys.argv[1])).pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate(timeout=WAIT_S)
    child.wait(WAIT_S)
    assert not child.is_running()


def test_a_tape_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the tape .*none\.tape does not exist") as caught:
        start(tmp_path, tape=tmp_path / "none.tape")
    assert "venue.tape" in caught.value.remedy
    assert not (tmp_path / "errors").exists()


def test_one_that_does_not_start_gives_its_own_reason(tmp_path: Path) -> None:
    accounts = tmp_path / "bad.toml"
    accounts.write_text('[[account]]\nkey = "k"\nsecret = "s"\nbalances = { jpy = "-1" }\n')
    with pytest.raises(UsageError, match=r"the built-in exchange did not start: .*bad\.toml") as caught:
        start(tmp_path, accounts=accounts)
    assert caught.value.remedy == "run `ztb simulator` by hand"
    assert "Traceback" not in caught.value.message

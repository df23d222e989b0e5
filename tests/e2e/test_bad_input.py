"""Bad input through the real command: file, place and remedy are named, no trace, the exit code says what kind of
mistake it was, and nothing that was there before is lost."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.command import Outcome, ztb
from tests.cli.test_policy import package
from ztb.host.child import make_account
from ztb.store.tape import DEMO_TAPE

WHOLE = DEMO_TAPE.read_bytes()
BLOCK = b"BLCK"


def cut() -> bytes:
    """Half of it: a download that ended early."""
    return WHOLE[: len(WHOLE) // 2]


def flipped_at_the_beginning() -> bytes:
    """One bit of the first block's content."""
    return flipped(WHOLE.index(BLOCK) + 200)


def flipped_near_the_end() -> bytes:
    """One bit that is played only after ten minutes."""
    return flipped(WHOLE.rindex(BLOCK) + 200)


def flipped(offset: int) -> bytes:
    damaged = bytearray(WHOLE)
    damaged[offset] ^= 0b100
    return bytes(damaged)


def empty() -> bytes:
    """A file that was made and never written."""
    return b""


def of_another_version() -> bytes:
    """The version is the little-endian number after the eight magic bytes (docs/tape-format.md)."""
    changed = bytearray(WHOLE)
    changed[8:10] = (77).to_bytes(2, "little")
    return bytes(changed)


DAMAGES: dict[Callable[[], bytes], str] = {
    cut: "the tape has no end: it was cut, damaged, or is still being recorded",
    flipped_at_the_beginning: "a block is damaged (checksum)",
    flipped_near_the_end: "a block is damaged (checksum)",
    empty: "the file is empty",
    of_another_version: "version 77",
}


def told(outcome: Outcome, exit_code: int, *texts: str) -> None:
    """The one form of every refusal: exit code, message and remedy on the error stream, no trace, no result."""
    assert outcome.exit_code == exit_code, outcome
    for text in texts:
        assert text in outcome.stderr
    assert "ztb: error: " in outcome.stderr
    assert "  remedy: " in outcome.stderr
    assert "Traceback" not in outcome.stdout + outcome.stderr
    assert outcome.stdout == ""


@pytest.fixture(params=DAMAGES, ids=lambda damage: damage.__name__)
def damage(request: pytest.FixtureRequest) -> Callable[[], bytes]:
    """Each way in which a tape can be bad."""
    chosen: Callable[[], bytes] = request.param
    return chosen


@pytest.fixture
def tape(damage: Callable[[], bytes], tmp_path: Path) -> Path:
    """A bad tape."""
    path = tmp_path / "market.tape"
    path.write_bytes(damage())
    return path


def content(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_replay_of_a_bad_tape_keeps_the_report_of_the_last_one(
    damage: Callable[[], bytes], tape: Path, report: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(report, tmp_path / "out"))
    before = content(out)
    assert "replay_report.json" in before
    told(ztb("replay", "--tape", tape, "--out", out, "--quiet"), 2, f"{tape}: byte ", DAMAGES[damage])
    assert content(out) == before
    assert tape.read_bytes() == damage()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a replay that went well."""
    out = tmp_path_factory.mktemp("report") / "out"
    assert ztb("replay", "--out", out, "--quiet").exit_code == 0
    return out


def test_an_exchange_does_not_open_with_a_bad_tape(damage: Callable[[], bytes], tape: Path, tmp_path: Path) -> None:
    accounts = make_account(tmp_path, balances={"jpy": "1"}).accounts_file
    words = ("--venue", "zaif", "--listen", "127.0.0.1:0", "--accounts", accounts)
    told(ztb("simulator", "--tape", tape, *words), 2, f"{tape}: byte ", DAMAGES[damage])


def test_a_trader_does_not_start_on_a_bad_tape(damage: Callable[[], bytes], tape: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    outcome = ztb("run", "--set", f"venue.tape={tape}", "--state-dir", state, "--runtime-dir", tmp_path / "run")
    told(outcome, 2, f"{tape}: byte ", DAMAGES[damage])
    assert list(state.rglob("journal.db")) == []


def test_a_tape_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "none.tape"
    told(ztb("replay", "--tape", missing), 2, f"{missing}: No such file")
    words = ("--state-dir", tmp_path / "state", "--runtime-dir", tmp_path / "run")
    told(ztb("run", "--set", f"venue.tape={missing}", *words), 78, f"{missing} does not exist")


# --- policies -------------------------------------------------------------------------------------------------------


def test_an_unknown_policy_starts_nothing(tmp_path: Path) -> None:
    names = "policies that exist: buy_hold, rsi_reversion, sma_fast_slow"
    told(ztb("replay", "--policy", "martingale"), 78, "there is no policy 'martingale'", names)
    words = ("--state-dir", tmp_path / "state", "--runtime-dir", tmp_path / "run")
    outcome = ztb("run", "--set", "policy.name=martingale", *words)
    assert outcome.exit_code == 78
    assert "there is no policy 'martingale'" in outcome.stderr
    assert names in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("1 // 0", "ZeroDivisionError: integer division or modulo by zero"),
        ("float('nan')", "returned a float, which is no decision"),
        ("Decision(7, 'up', ())", "returned an action that is neither BUY, SELL nor HOLD"),
        ("Decision(1, 'up', (float('inf'),))", "returned an input that is no integer"),
        ("Decision(1, None, ())", "returned a reason that is no text"),
    ],
)
def test_a_policy_that_raises_or_returns_nonsense_is_suspended_and_the_replay_goes_on(
    answer: str, complaint: str, tmp_path: Path
) -> None:
    source = (
        "from ztb.core.policy import Decision, Policy\n"
        "class Theirs(Policy):\n"
        '    """Goes wrong at the hundredth trade."""\n'
        "    count = 0\n"
        "    def on_trade(self, trade, held_lots):\n"
        "        self.count += 1\n"
        f"        return {answer} if self.count == 100 else None\n"
    )
    environ = package(tmp_path, "theirs = their_policy:Theirs", their_policy=source)
    out = tmp_path / "out"
    words = ("--policy", "theirs", "--out", out, "--journal", "durable", "--quiet")
    outcome = ztb("replay", *words, environ=environ)
    assert outcome.exit_code == 1
    assert f"the policy was suspended: {complaint}" in outcome.stdout
    assert "Traceback" not in outcome.stderr
    shown = ztb("audit", "show", "--state-dir", out, "--kind", "notify", "--json")
    assert f'"code": "policy_suspended", "text": "Theirs: {complaint}' in shown.stdout


# --- numbers --------------------------------------------------------------------------------------------------------

BAD_PRICES = ("NaN", "nan", "inf", "-Infinity", "-9000000", "0", "-0.0", "1e400", "", "9_000", "0x10", "９")


def csv_rows(*prices: str) -> str:
    """A recording in the documented columns, one second apart."""
    rows = [f"{1_700_000_000_000_000_000 + n * 10**9},{price},0.1,buy" for n, price in enumerate(prices)]
    return "\n".join(["ts_ns,price,qty,side", *rows, ""])


@pytest.mark.parametrize("price", BAD_PRICES)
def test_a_recording_of_bad_prices_makes_no_tape_and_keeps_the_old_one(price: str, tmp_path: Path) -> None:
    source, tape = tmp_path / "ticks.csv", tmp_path / "ticks.tape"
    source.write_text(csv_rows(price, price))
    tape.write_bytes(WHOLE)
    words = ("tape", "import", "--format", "trades-csv", source, "--out", tape, "--replace", "--quiet")
    told(ztb(*words), 2, f"{source}: no row can be used (2 ", f"first at {source}:2")
    assert tape.read_bytes() == WHOLE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ticks.csv", "ticks.tape"]


def test_bad_rows_between_good_ones_are_counted_and_placed(tmp_path: Path) -> None:
    source, tape = tmp_path / "ticks.csv", tmp_path / "ticks.tape"
    source.write_text(csv_rows("9000000", *BAD_PRICES, "9000005"))
    outcome = ztb("tape", "import", "--format", "trades-csv", source, "--out", tape)
    assert outcome.exit_code == 0
    assert "2 trades" in outcome.stdout
    counted = [int(word) for line in outcome.stdout.splitlines() if "unused: " in line for word in line.split()[:1]]
    assert sum(counted) == len(BAD_PRICES), outcome.stdout
    assert f"first: {source}:3" in outcome.stderr
    assert ztb("replay", "--tape", tape, "--quiet").exit_code == 0


def test_a_recording_whose_clock_goes_back_is_told_and_replayed(tmp_path: Path) -> None:
    """The demo's own trades, the second half an hour earlier than the first."""
    rows = [f"{(1_700_000_000 + n - (3_600 if n >= 40 else 0)) * 10**9},{9_000_000 + 5 * n},0.1,buy" for n in range(80)]
    source, tape = tmp_path / "ticks.csv", tmp_path / "ticks.tape"
    source.write_text("\n".join(["ts_ns,price,qty,side", *rows, ""]))
    assert ztb("tape", "import", "--format", "trades-csv", source, "--out", tape).exit_code == 0
    checked = ztb("tape", "check", tape)
    assert checked.exit_code == 3
    assert "disorder" in checked.stdout
    assert "3,599.000 s" in checked.stdout
    replayed = ztb("replay", "--tape", tape, "--verify", "--quiet")
    assert replayed.exit_code == 0, replayed
    assert "the second run wrote the same journal" in replayed.stdout


@pytest.mark.parametrize("amount", ['"NaN"', '"inf"', '"-1"', '"1e30"', "1.5", "true", '"1,000"', '""', '"0.00001"'])
def test_an_accounts_file_with_bad_numbers(amount: str, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    text = f'[[account]]\nkey = "k"\nsecret = "very-secret"\nbalances = {{ jpy = {amount} }}\n'
    accounts.write_text(text)
    words = ("--venue", "zaif", "--listen", "127.0.0.1:0", "--tape", DEMO_TAPE.name, "--accounts", accounts)
    outcome = ztb("simulator", *words)
    told(outcome, 2, f"{accounts}: account 1: balances.jpy")
    assert "very-secret" not in outcome.stderr
    assert accounts.read_text() == text


def test_a_profile_with_bad_numbers_names_the_option(tmp_path: Path) -> None:
    words = ("--state-dir", tmp_path / "state", "--runtime-dir", tmp_path / "run")
    for value in ("nan", "inf", "-1", "0", "1e30", "much"):
        outcome = ztb("run", "--set", f"limits.daily_loss_max={value}", *words)
        told(outcome, 78, "option --set: limits.daily_loss_max = ", "allowed: a number above 0")
    assert list(tmp_path.iterdir()) == []


# --- the host -------------------------------------------------------------------------------------------------------


def test_a_port_in_use(tmp_path: Path) -> None:
    accounts = make_account(tmp_path, balances={"jpy": "1"}).accounts_file
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        words = ("--venue", "zaif", "--tape", DEMO_TAPE.name, "--accounts", accounts)
        outcome = ztb("simulator", *words, "--listen", address)
    assert outcome.exit_code != 0
    assert f"{address}: port in use" in outcome.stderr
    assert "remedy: " in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
def test_a_full_disk_is_told_and_leaves_no_half_file(tiny_disk: Path, tmp_path: Path) -> None:
    prices = [str(9_000_000 + 5 * (n * n % 4_093)) for n in range(60_000)]
    source = tmp_path / "ticks.csv"
    source.write_text(csv_rows(*prices))
    (tiny_disk / "precious").write_bytes(os.urandom(150_000))
    before = content(tiny_disk)
    words = ("tape", "import", "--format", "trades-csv", source, "--out", tiny_disk / "ticks.tape", "--quiet")
    told(ztb(*words), 74, f"{tiny_disk / 'ticks.tape'}: No space left on device", "free some space")
    assert content(tiny_disk) == before

    outcome = ztb("replay", "--out", tiny_disk / "out", "--journal", "durable", "--quiet")
    assert outcome.exit_code == 74, outcome
    assert "journal.db" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert (tiny_disk / "precious").read_bytes() == before["precious"]


def test_a_report_that_cannot_be_written_is_told_without_a_trace(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        outcome = ztb("replay", "--out", out, "--quiet")
        told(outcome, 2, str(out))
    assert (tmp_path / "file").read_text() == "precious"

"""Nonces only rise: in one process, over restarts and SIGKILL, and while the clock goes back."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.scripted_clock import START_NS, ScriptedClock
from ztb.core.error import StoreCorrupt, StoreError, StoreLocked
from ztb.venues.nonce import NonceFile


def test_nonce_is_unix_seconds_with_microseconds(tmp_path: Path) -> None:
    with NonceFile(tmp_path / "nonce", clock=ScriptedClock(START_NS + 123_456_000)) as nonce:
        assert nonce.text() == "1700000000.123456"
        assert nonce.text() == "1700000000.123457"
        assert nonce.next() == Decimal("1700000000.123458")


def test_clock_that_goes_back_does_not_matter(tmp_path: Path) -> None:
    clock = ScriptedClock()
    with NonceFile(tmp_path / "nonce", clock=clock) as nonce:
        before = nonce.next()
        clock.advance(-86_400)
        assert nonce.next() > before
    clock.advance(-86_400)
    with NonceFile(tmp_path / "nonce", clock=clock) as nonce:
        assert nonce.next() > before


def test_file_is_written_once_for_a_minute_of_calls(tmp_path: Path) -> None:
    clock = ScriptedClock()
    path = tmp_path / "nonce"
    with NonceFile(path, clock=clock) as nonce:
        nonce.next()
        first = path.stat().st_ino
        for _ in range(59):
            clock.advance(1)
            nonce.next()
        assert path.stat().st_ino == first
        clock.advance(2)
        nonce.next()
        assert path.stat().st_ino != first


def test_many_restarts_do_not_run_away_from_the_clock(tmp_path: Path) -> None:
    clock = ScriptedClock()
    last = Decimal(0)
    for _ in range(200):
        with NonceFile(tmp_path / "nonce", clock=clock) as nonce:
            value = nonce.next()
        assert value > last
        last = value
    assert last - START_NS // 1_000_000_000 < 120


@settings(max_examples=examples(60), deadline=None)
@given(steps=st.lists(st.tuples(st.integers(-200, 200), st.booleans()), max_size=40))
def test_any_clock_and_any_restarts(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]) -> None:
    path = tmp_path_factory.mktemp("nonce") / "nonce"
    clock = ScriptedClock()
    nonce = NonceFile(path, clock=clock)
    last = Decimal(0)
    for seconds, restarts in steps:
        clock.advance(seconds)
        if restarts:
            nonce.close()
            nonce = NonceFile(path, clock=clock)
        value = nonce.next()
        assert value > last
        last = value
    nonce.close()


_CHILD = """
import sys
from pathlib import Path
from ztb.venues.nonce import NonceFile
from tests.venues.scripted_clock import ScriptedClock
clock = ScriptedClock()
nonce = NonceFile(Path(sys.argv[1]), clock=clock)
while True:
    print(nonce.text(), flush=True)
    clock.advance(float(sys.argv[2]))
"""


def test_killed_process_never_makes_a_nonce_come_again(tmp_path: Path) -> None:
    """Each child starts from the same moment, as if the clock had gone back to it."""
    chance = random.Random(7)
    highest = Decimal(0)
    for _ in range(12):
        command = [sys.executable, "-c", _CHILD, str(tmp_path / "nonce"), str(chance.choice([0.0, 0.5, 30.0, 61.0]))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            seen = [Decimal(child.stdout.readline()) for _ in range(chance.randint(1, 40))]
            child.send_signal(signal.SIGKILL)
            # What it wrote before it died was used as well; a line cut short was not.
            rest = child.stdout.read().splitlines(keepends=True)
            seen += [Decimal(line) for line in rest if line.endswith("\n")]
        assert min(seen) > highest
        assert seen == sorted(set(seen))
        highest = max(seen)


def test_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nonce"
    with NonceFile(path, clock=ScriptedClock()), pytest.raises(StoreLocked, match="another process"):
        NonceFile(path, clock=ScriptedClock())
    NonceFile(path, clock=ScriptedClock()).close()


@pytest.mark.parametrize("content", [b"", b"12", b"-5\n", b"1.5\n", b"\xff\n", b"9" * 40 + b"\n", b"12\n13\n"])
def test_damaged_file_stops_everything(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nonce"
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="nonce") as caught:
        NonceFile(path, clock=ScriptedClock())
    assert caught.value.remedy
    path.unlink()
    NonceFile(path, clock=ScriptedClock()).close()


def test_nothing_is_given_out_that_is_not_reserved_on_disk(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    nonce = NonceFile(folder / "nonce", clock=ScriptedClock())
    (folder / "nonce.new").mkdir()
    with pytest.raises(StoreError, match="cannot be saved"):
        nonce.next()
    (folder / "nonce.new").rmdir()
    assert nonce.next() > 0
    nonce.close()


def test_missing_folder_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        NonceFile(tmp_path / "none" / "nonce", clock=ScriptedClock())

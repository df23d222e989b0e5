"""A tape appears whole or not at all; a live one survives the death of its recorder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.tape_samples import BTC_JPY, START_NS, small_recording, write_tape
from ztb.core.error import TapeError, UsageError
from ztb.core.event import Trade
from ztb.store.tape import TapeMeta, TapeReader, TapeWriter

META = TapeMeta(BTC_JPY)


def record_one_and_fail(tape: TapeWriter) -> None:
    with tape:
        tape.add(small_recording()[0])
        raise ZeroDivisionError


def names_in(folder: Path) -> list[str]:
    """Hidden ones, too."""
    return sorted(path.name for path in folder.iterdir())


def test_an_import_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    with TapeWriter(path, META) as tape:
        for event in small_recording():
            tape.add(event)
        tape.flush()
        assert not path.exists()
    assert list(TapeReader(path).events()) == small_recording()
    assert names_in(tmp_path) == ["a.tape"]


def test_an_import_that_fails_leaves_the_old_tape_and_nothing_else(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "a.tape", small_recording())
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        record_one_and_fail(TapeWriter(path, META))
    assert path.read_bytes() == before
    assert names_in(tmp_path) == ["a.tape"]


def test_a_live_tape_never_overwrites(tmp_path: Path) -> None:
    path = write_tape(tmp_path / "a.tape", small_recording())
    with pytest.raises(UsageError, match="the file exists"):
        TapeWriter(path, META, live=True)
    assert list(TapeReader(path).events()) == small_recording()


def test_a_live_tape_can_be_read_while_it_grows(tmp_path: Path) -> None:
    events = small_recording(30)
    path = tmp_path / "a.tape"
    with TapeWriter(path, META, live=True) as tape:
        for event in events[:20]:
            tape.add(event)
        tape.flush()
        tape.add(events[20])
        with pytest.raises(TapeError, match="still being recorded"):
            TapeReader(path)
        reader = TapeReader(path, allow_cut=True)
        assert list(reader.events()) == events[:20]
        assert reader.cut is not None
        assert reader.cut.lost_bytes == 0
        for event in events[21:]:
            tape.add(event)
    assert list(TapeReader(path).events()) == events
    assert list(reader.events()) == events[:20]


def test_a_live_tape_that_fails_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    with pytest.raises(ZeroDivisionError):
        record_one_and_fail(TapeWriter(path, META, live=True))
    assert list(TapeReader(path, allow_cut=True).events()) == small_recording()[:1]


RECORDER = """
import sys
from pathlib import Path
from tests.store.tape_samples import BTC_JPY, START_NS
from ztb.core.event import Trade
from ztb.store.tape import TapeMeta, TapeWriter
tape = TapeWriter(Path(sys.argv[1]), TapeMeta(BTC_JPY), live=True)
for number in range(1, 10**9):
    tape.add(Trade(START_NS + number, "btc_jpy", number, 1, 1))
    if number % 100 == 0:
        tape.flush()
        print(number, flush=True)
"""


def test_a_killed_recorder_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "live.tape"
    process = subprocess.Popen([sys.executable, "-c", RECORDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    flushed = 0
    for line in process.stdout:
        flushed = int(line)
        if flushed >= 2000:
            os.kill(process.pid, signal.SIGKILL)
            break
    flushed = max([flushed, *map(int, process.stdout)])
    assert process.wait() == -signal.SIGKILL
    events = list(TapeReader(path, allow_cut=True).events())
    assert events == [Trade(START_NS + number, "btc_jpy", number, 1, 1) for number in range(1, len(events) + 1)]
    assert len(events) >= flushed >= 2000


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tests.store.tape_samples import BTC_JPY, small_recording
from ztb.core.error import StoreError
from ztb.store.tape import TapeMeta, TapeWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    with TapeWriter(Path(sys.argv[1]), TapeMeta(BTC_JPY), live=sys.argv[2] == "live") as tape:
        for event in small_recording(5000):
            tape.add(event)
            if len(sys.argv) > 3:
                tape.flush()
except StoreError as error:
    print(error.exit_code, error)
"""


@pytest.mark.parametrize("kind", ["import", "live"])
def test_a_disk_that_refuses_is_a_store_error_and_leaves_no_half_import(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.tape"
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), kind, "flush"], capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(f"74 {path}: ")
    if kind == "import":
        assert names_in(tmp_path) == []
    else:
        events = list(TapeReader(path, allow_cut=True).events())
        assert 0 < len(events) < 5000
        assert events == small_recording(len(events))


@pytest.mark.parametrize("name", ["no/such/folder.tape", "file/below.tape"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="folder you may write"):
        TapeWriter(tmp_path / name, META)


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    with TapeWriter(tmp_path / "a.tape", META) as tape:
        tape.add(Trade(START_NS, "btc_jpy", 1, 1, 1))
        tape.close()
        once = (tmp_path / "a.tape").read_bytes()
    assert (tmp_path / "a.tape").read_bytes() == once
    assert tape.sha256 == TapeReader(tmp_path / "a.tape").sha256

"""Progress: plain lines without a terminal, a bar on one, silence on demand; never on standard output."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ztb.cli.progress import progress, set_silent


@pytest.fixture(autouse=True)
def _loud() -> Iterator[None]:
    set_silent(False)  # a command that ran in this process may have left it silent
    yield
    set_silent(False)


def test_plain_lines_at_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("import", 1000) as advance:
        for _ in range(1000):
            advance(1)
    shown = capsys.readouterr()
    expected = ["import: begins", *(f"import: {percent} %" for percent in range(10, 101, 10))]
    assert shown.err.splitlines() == expected
    assert shown.out == ""


def test_no_percent_is_told_before_it_is_reached(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("import", 100_000) as advance:
        advance(9_999)
        assert capsys.readouterr().err == "import: begins\n"
        advance(1)
        assert capsys.readouterr().err == "import: 10 %\n"
        advance(89_999)
        assert capsys.readouterr().err == "import: 90 %\n"
    assert capsys.readouterr().err == "import: done\n"


def test_one_big_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("import", 10) as advance:
        advance(7)
        advance(3)
    assert capsys.readouterr().err.splitlines() == ["import: begins", "import: 70 %", "import: 100 %"]


@pytest.mark.parametrize("total", [None, 0])
def test_without_a_known_end_it_tells_begin_and_end(capsys: pytest.CaptureFixture[str], total: int | None) -> None:
    with progress("scan", total) as advance:
        for _ in range(25):
            advance(2)
    assert capsys.readouterr().err.splitlines() == ["scan: begins", "scan: done (50)"]


def test_more_than_expected_stays_at_100(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("scan", 10) as advance:
        advance(25)
        advance(25)
    assert capsys.readouterr().err.splitlines() == ["scan: begins", "scan: 100 %"]


def test_work_that_fails_does_not_claim_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with progress("scan", 10) as advance:
            advance(2)
            raise ValueError("disk")

    with pytest.raises(ValueError, match="disk"):
        work()
    assert capsys.readouterr().err.splitlines() == ["scan: begins", "scan: 20 %"]


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    set_silent(True)
    with progress("import", 10) as advance:
        advance(10)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_a_bar_on_a_terminal() -> None:
    script = (
        "from ztb.cli.progress import progress\n"
        "with progress('import', 4) as advance:\n"
        "    for _ in range(4): advance(1)\n"
    )
    master, slave = pty.openpty()
    environ = {**os.environ, "TERM": "xterm"}
    command = [sys.executable, "-c", script]
    child = subprocess.Popen(command, stderr=slave, stdout=subprocess.PIPE, env=environ)
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the kernel's way to say that the other end is closed
            break
        if not part:
            break
        shown += part
    output, _ = child.communicate(timeout=60)
    os.close(master)
    assert child.returncode == 0
    assert output == b""
    assert b"import" in shown
    assert b"100%" in shown

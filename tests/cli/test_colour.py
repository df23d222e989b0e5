"""Colour is for states, on a terminal, and says nothing that the word beside it does not say."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from tests.cli.command import clean_environ
from ztb.cli.colour import MARKS, painted, speaks_unicode, wants_colour


class Stream(io.StringIO):
    """Standard output of a test."""

    def __init__(self, *, terminal: bool, encoding: str | None = "utf-8") -> None:
        super().__init__()
        self._terminal = terminal
        self._encoding = encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str | None:  # type: ignore[override]  # a stream may have none
        return self._encoding


@pytest.mark.parametrize("mark", MARKS.values())
def test_a_mark_is_a_word_a_glyph_and_a_colour(mark: str) -> None:
    text = painted(f"before {mark} after")
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == f"before {mark} after"
    assert re.fullmatch(rf"before \x1b\[[0-9;]+m{mark}\x1b\[0m after", text)


def test_nothing_else_is_painted() -> None:
    for text in ("OK", "all is OK, CRIT is a word", "●", "", "WARN\n▲"):
        assert painted(text) == text


@pytest.mark.parametrize(
    ("terminal", "environ", "wanted"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_who_gets_colour(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, environ: dict[str, str], wanted: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    monkeypatch.setattr("sys.stdout", Stream(terminal=terminal))
    assert wants_colour() is wanted


@pytest.mark.parametrize(
    ("encoding", "speaks"), [("utf-8", True), ("UTF8", True), ("ascii", False), ("latin-1", False), (None, False)]
)
def test_who_gets_glyphs(monkeypatch: pytest.MonkeyPatch, encoding: str | None, speaks: bool) -> None:
    monkeypatch.setattr("sys.stdout", Stream(terminal=True, encoding=encoding))
    assert speaks_unicode() is speaks


SHOW = """
from ztb.cli.output import show_result
from ztb.cli.result import Result
show_result(Result({}, "is OK ●"), "", quiet=True)
"""


def test_a_pipe_gets_none_and_a_terminal_does() -> None:
    environ = {**clean_environ(), "PYTHONUTF8": "1", "TERM": "xterm"}
    environ.pop("NO_COLOR", None)
    words = [sys.executable, "-c", SHOW]
    piped = subprocess.run(words, capture_output=True, env=environ, check=True, timeout=60)
    assert piped.stdout.decode() == "is OK ●\n"
    ours, theirs = pty.openpty()
    try:
        subprocess.run(words, stdout=theirs, env=environ, check=True, timeout=60)
        assert os.read(ours, 1_000).decode() == "is \x1b[34mOK ●\x1b[0m\r\n"
    finally:
        os.close(ours)
        os.close(theirs)

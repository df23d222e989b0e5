"""Help at 80 columns: of every command, whole, with examples, and nothing that the terminal would have to break."""

from __future__ import annotations

import pytest

from tests.cli.command import ztb
from ztb.cli.help_text import fitted
from ztb.cli.main import NOUNS

VERBS = {
    "risk": ("status", "limits", "preview", "profile"),
    "config": ("show", "check", "keys"),
    "audit": ("verify", "show", "export", "replay"),
    "tape": ("import", "info", "check"),
    "venue": ("probe", "instruments"),
    "canary": ("run", "verify"),
    "policy": ("list",),
}
COMMANDS = [(noun,) for noun in NOUNS] + [(noun, verb) for noun, verbs in VERBS.items() for verb in verbs]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_80_columns(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = ztb(*words, "--help")
    assert outcome.exit_code == 0
    lines = outcome.stdout.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert "option_strings" not in outcome.stdout, "a per cent sign in a help text"
    if len(words) == 1:
        assert "examples:" in lines


def test_the_overview_names_the_emergency_controls() -> None:
    lines = ztb("--help").stdout.splitlines()
    named = {line.split()[0] for line in lines if line.startswith("    ")}
    assert {"pause", "resume", "kill", "flatten", "panic", "risk", "health", "status"} <= named


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three four", 9, ["one two", "three", "four"]),
        ("one\ntwo", 9, ["one two"]),
        ("one\n\ntwo", 9, ["one", "", "two"]),
        ("examples:\n  a b", 9, ["examples:", "  a b"]),
        ("  a b  word and word and word", 33, ["  a b  word and word and word"]),
        ("  a b  word and word and word and", 32, ["  a b  word and word and word", "       and"]),
        ("  a b c d e f g h  word and", 20, ["  a b c d e f g h", "      word and"]),
        ("          word and word", 18, ["          word and", "          word"]),
    ],
)
def test_what_does_not_fit_hangs(text: str, width: int, lines: list[str]) -> None:
    assert fitted(text, width) == lines

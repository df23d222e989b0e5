"""The frame of the command: nouns, global options, the two forms of a result, and errors without traces."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import ztb
from tests.cli.command import clean_environ
from tests.cli.command import ztb as run_ztb
from ztb.cli import main as frame
from ztb.cli.main import NOUNS, build_parser, main
from ztb.cli.result import Result
from ztb.core.error import ConfigError, UnknownFate

ENVELOPE = {"success", "exit_code", "command", "data", "errors", "warnings"}


@pytest.fixture
def noun(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], Result]], None]:
    """Adds the command ``ztb thing do`` with the given handler to the real frame."""

    def add(handler: Callable[[argparse.Namespace], Result]) -> None:
        def register(parser: argparse.ArgumentParser) -> None:
            verbs = parser.add_subparsers(dest="verb")
            verb = verbs.add_parser("do")
            verb.add_argument("--name", default="")
            verb.set_defaults(handler=handler)

        module = type(sys)("tests.cli.thing")
        module.register = register  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tests.cli.thing", module)
        monkeypatch.setitem(NOUNS, "thing", ("tests.cli.thing", "a noun of this test"))

    return add


AddNoun = Callable[[Callable[[argparse.Namespace], Result]], None]


def failing(error: BaseException) -> Callable[[argparse.Namespace], Result]:
    """A handler that raises ``error``."""

    def handler(args: argparse.Namespace) -> Result:
        raise error

    return handler


def test_help_names_every_noun_with_its_line() -> None:
    outcome = run_ztb("--help")
    assert outcome.exit_code == 0
    for noun, (_, summary) in NOUNS.items():
        assert noun in outcome.stdout
        assert summary in outcome.stdout


@pytest.mark.parametrize("name", sorted(NOUNS))
def test_every_noun_registers_itself_under_its_name(name: str) -> None:
    module, _ = NOUNS[name]
    assert callable(importlib.import_module(module).register)
    parser = build_parser(name)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args([name, "--help"])
    assert stop.value.code == 0


def test_version() -> None:
    assert run_ztb("--version").stdout == f"ztb {ztb.__version__}\n"


def test_only_the_noun_that_is_asked_for_is_imported() -> None:
    script = "import sys; from ztb.cli.main import parse; parse(['config', 'keys']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.split()
    others = {module for noun, (module, _) in NOUNS.items() if noun != "config"}
    assert "ztb.cli.config" in loaded
    assert others.isdisjoint(loaded)
    assert not {"asyncio", "rich", "httpx", "apsw"} & set(loaded)


@pytest.mark.parametrize(
    ("words", "message", "remedy"),
    [
        ((), "`ztb` alone does nothing", "see `ztb --help`"),
        (("confg",), "there is no `ztb confg`", "did you mean `ztb config`?"),
        (("qqqq",), "there is no `ztb qqqq`", "nouns: "),
        (("config",), "ztb config: the following arguments are required: VERB", "see `ztb config --help`"),
        (("config", "shw"), "invalid choice: 'shw'", "see `ztb config --help`"),
        (
            ("config", "show", "--colour"),
            "ztb config show: unrecognized arguments: --colour",
            "see `ztb config show --help`",
        ),
        (("config", "show", "--prof", "demo"), "unrecognized arguments: --prof demo", "see `ztb config show --help`"),
        (("config", "show", "--profile"), "expected one argument", "see `ztb config show --help`"),
    ],
)
def test_a_wrong_command_line_exits_2_with_a_remedy(words: tuple[str, ...], message: str, remedy: str) -> None:
    outcome = run_ztb(*words)
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    first, second = outcome.stderr.splitlines()
    assert first.startswith("ztb: error: ")
    assert message in first
    assert second.startswith("  remedy: ")
    assert remedy in second


def test_a_wrong_command_line_under_json_is_an_envelope() -> None:
    outcome = run_ztb("config", "shw", "--json")
    document = json.loads(outcome.stdout)
    assert set(document) == ENVELOPE
    assert (document["success"], document["exit_code"], outcome.exit_code) == (False, 2, 2)
    assert document["errors"][0]["code"] == "usage_error"
    assert outcome.stderr == ""


@pytest.mark.parametrize("position", [0, 1, 2])
def test_global_options_stand_anywhere(noun: AddNoun, capsys: pytest.CaptureFixture[str], position: int) -> None:
    noun(lambda args: Result({"verbose": args.verbose, "quiet": args.quiet, "json": args.json}, "text"))
    words = ["thing", "do"]
    words.insert(position, "--json")
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["data"] == {"verbose": 0, "quiet": False, "json": True}


def test_a_result_as_text_and_as_envelope(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    data = {"price": Decimal("1E+3"), "path": Path("/x"), "name": "日本"}
    noun(lambda args: Result(data, "it is done", exit_code=3, warnings=("be careful",)))
    assert main(["thing", "do"]) == 3
    shown = capsys.readouterr()
    assert shown.out == "it is done\n"
    assert shown.err == "ztb: warning: be careful\n"

    assert main(["thing", "do", "--json"]) == 3
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "success": False,
        "exit_code": 3,
        "command": "ztb thing do",
        "data": {"price": "1000", "path": "/x", "name": "日本"},
        "errors": [],
        "warnings": ["be careful"],
    }


def test_quiet_drops_the_warnings_and_keeps_the_result(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(lambda args: Result({}, "answer", warnings=("be careful",)))
    assert main(["--quiet", "thing", "do"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("answer\n", "")


def test_an_error_on_purpose_is_two_lines_and_its_own_exit_code(
    noun: AddNoun, capsys: pytest.CaptureFixture[str]
) -> None:
    noun(failing(ConfigError("demo.toml:3: wrong", remedy="correct it")))
    assert main(["thing", "do"]) == 78
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "ztb: error: demo.toml:3: wrong\n  remedy: correct it\n"

    assert main(["thing", "do", "--json"]) == 78
    document = json.loads(capsys.readouterr().out)
    assert document["errors"] == [
        {"code": "config_error", "message": "demo.toml:3: wrong", "remedy": "correct it"},
    ]


def test_an_error_without_a_remedy_is_one_line(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(failing(UnknownFate("sent, no answer", kind="network")))
    assert main(["thing", "do"]) == 69
    assert capsys.readouterr().err == "ztb: error: sent, no answer\n"
    main(["thing", "do", "--json"])
    assert json.loads(capsys.readouterr().out)["errors"][0]["code"] == "unknown_fate"


def test_a_defect_is_told_without_a_trace(
    noun: AddNoun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZTB_DEBUG", raising=False)
    noun(failing(KeyError("x")))
    assert main(["thing", "do"]) == 70
    shown = capsys.readouterr().err
    assert shown.startswith("ztb: error: internal error: KeyError: 'x'\n")
    assert "ZTB_DEBUG=1" in shown
    assert "Traceback" not in shown

    monkeypatch.setenv("ZTB_DEBUG", "1")
    assert main(["thing", "do"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_handler_that_gives_no_result_is_a_defect(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(lambda args: None)  # type: ignore[arg-type, return-value]
    assert main(["thing", "do"]) == 70


def test_an_interrupt_is_quiet(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(failing(KeyboardInterrupt()))
    assert main(["thing", "do"]) == 130
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_a_reader_that_leaves_is_quiet() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "ztb", "config", "keys"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environ(),
    )
    assert child.stdout is not None
    child.stdout.close()
    _, errors = child.communicate(timeout=60)
    assert errors == b""
    assert child.returncode == frame.EXIT_BROKEN_PIPE


def test_verbose_turns_the_log_on(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    from ztb.host.log import close_log, get_log

    def handler(args: argparse.Namespace) -> Result:
        get_log("thing").event("detail", "seen")
        return Result({}, "")

    noun(handler)
    try:
        assert main(["thing", "do", "-v"]) == 0
        assert "detail" in capsys.readouterr().err
    finally:
        close_log()


def test_an_error_does_not_drive_the_terminal(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(failing(ConfigError("bad \x1b[2J file\r \udcff\nsecond 日本")))
    assert main(["thing", "do"]) == 78
    assert capsys.readouterr().err == "ztb: error: bad \\x1b[2J file\\r \\udcff\nsecond 日本\n"


def test_a_result_does_not_drive_the_terminal(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(lambda args: Result({}, "one \x1b[2J\ttwo\r\x9b\u202e\nthree 日本", warnings=("be \x1b[2J careful",)))
    assert main(["thing", "do"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "one \\x1b[2J\\ttwo\\r\\x9b\\u202e\nthree 日本\n"
    assert shown.err == "ztb: warning: be \\x1b[2J careful\n"


def test_a_terminal_that_knows_no_kanji_gets_an_escape() -> None:
    environ = clean_environ(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    outcome = run_ztb("config", "show", "--set", "venue.tape=相場", environ=environ)
    assert outcome.exit_code == 0
    assert "\\u76f8\\u5834" in outcome.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [("config", "keys"), ("config", "keys", "--json"), ("config", "shw", "--json")])
def test_output_that_cannot_be_written_is_told_without_a_trace(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ztb", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environ(),
            timeout=60,
            check=False,
        )
    assert done.returncode == 74
    assert done.stderr == "ztb: error: the result cannot be written: No space left on device\n"


@pytest.mark.parametrize("words", [["thing", "do"], ["thing", "do", "--json"]])
def test_no_form_of_output_carries_a_loaded_secret(
    noun: AddNoun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    from ztb.host.secrets import Secret

    value = Secret("cli-secret-5678").reveal()
    noun(lambda args: Result({"key": value}, f"key {value}", warnings=(f"key {value}",)))
    main(words)
    monkeypatch.setenv("ZTB_DEBUG", "1")
    noun(failing(KeyError(value)))
    main(words)
    noun(failing(ConfigError(value, remedy=value)))
    main(words)
    shown = capsys.readouterr()
    assert "5678" not in shown.out + shown.err
    assert (shown.out + shown.err).count("[redacted]") >= 5


@pytest.mark.parametrize(("code", "success"), [(0, True), (1, False), (2, False), (3, False)])
def test_only_exit_code_0_is_success(
    noun: AddNoun, capsys: pytest.CaptureFixture[str], code: int, success: bool
) -> None:
    noun(lambda args: Result({}, "", exit_code=code))
    assert main(["thing", "do", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert (document["success"], document["exit_code"]) == (success, code)


def test_data_that_has_no_json_form_is_a_defect_and_not_guessed(
    noun: AddNoun, capsys: pytest.CaptureFixture[str]
) -> None:
    noun(lambda args: Result({"value": object()}, "text"))
    assert main(["thing", "do", "--json"]) == 70
    document = json.loads(capsys.readouterr().out)
    assert document["errors"][0]["message"].startswith("internal error: TypeError: object has no JSON form")


def test_an_envelope_is_one_line_that_any_parser_reads(noun: AddNoun, capsys: pytest.CaptureFixture[str]) -> None:
    noun(lambda args: Result({"text": "two\nlines\x1b[2J 日本"}, ""))
    assert main(["thing", "do", "--json"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert "\x1b" not in shown
    assert json.loads(shown)["data"]["text"] == "two\nlines\x1b[2J 日本"

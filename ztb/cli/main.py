"""The command ``ztb NOUN [VERB] ...``: finds the noun, runs its handler, shows the result or the error.

Only the module of the noun that was asked for is imported, so that every command starts in milliseconds. No error
reaches the operator as a stack trace (``ZTB_DEBUG=1`` shows it).
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from ztb import __version__
from ztb.cli.help_text import HelpFormatter
from ztb.cli.output import drop_output, show_error, show_result
from ztb.cli.progress import set_silent
from ztb.cli.result import Result, Subparsers, result_envelope
from ztb.core.error import UsageError, ZtbError

NOUNS: Final[dict[str, tuple[str, str]]] = {
    # "noun": ("ztb.cli.module", "one line for `ztb --help`"); the module has register(parser)
    "canary": ("ztb.cli.canary", "up the canary ladder, with evidence"),
    "run": ("ztb.cli.run", "the trader, in the foreground"),
    "status": ("ztb.cli.status", "what the trader is doing"),
    "health": ("ztb.cli.health", "whether the trader is well, by checks and signals"),
    "risk": ("ztb.cli.risk", "limits and what is used of them, trips, shock preview"),
    "pause": ("ztb.cli.pause", "nothing is opened for some minutes"),
    "kill": ("ztb.cli.kill", "latch the trader: nothing leaves any more"),
    "flatten": ("ztb.cli.flatten", "close what the bot holds, until the venue says flat"),
    "panic": ("ztb.cli.panic", "kill, flatten, and stop the trader"),
    "resume": ("ztb.cli.resume", "ask the trader to lift the kill latch"),
    "replay": ("ztb.cli.replay", "a policy over recorded market data"),
    "tape": ("ztb.cli.tape", "recorded market data: import, info, check"),
    "simulator": ("ztb.cli.simulator", "an exchange on this machine that speaks a venue's protocol"),
    "venue": ("ztb.cli.venue", "an exchange from outside: probe it, list its instruments"),
    "policy": ("ztb.cli.policy", "the trading policies that are installed"),
    "config": ("ztb.cli.config", "show and check profiles"),
    "audit": ("ztb.cli.audit", "verify, show and export the journal; run past sessions again"),
}
"""One line for each noun, in the order of ``ztb --help``."""

ALIKE_MIN: Final = 0.75
"""How alike an unknown option must be to one that exists, to be taken for it (difflib: 1 is equal)."""
EXIT_INTERNAL: Final = 70
EXIT_OUTPUT: Final = 74
EXIT_INTERRUPTED: Final = 130
EXIT_BROKEN_PIPE: Final = 141


class InternalError(ZtbError):
    """An exception that nobody expected: a defect of ztb."""

    exit_code = EXIT_INTERNAL


class Parser(argparse.ArgumentParser):
    """Takes the global options at every level, and raises usage errors instead of printing them."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - handed on to argparse as they are
        super().__init__(formatter_class=HelpFormatter, **options)
        self.allow_abbrev = False  # an abbreviation could change its meaning when an option is added
        # No default here: the parser of the verb would overwrite what stood before the noun.
        common = self.add_argument_group("global options")
        common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON document")
        common.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help="no progress, no warnings")
        common.add_argument("-v", "--verbose", action="count", default=argparse.SUPPRESS, help="say more")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", remedy=f"see `{self.prog} --help`")


def _options(parser: argparse.ArgumentParser) -> set[str]:
    """The long options of a parser and of those below it. Only the noun that was asked for is complete."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(option for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            found.update(*map(_options, action.choices.values()))
    return found


def build_parser(noun: str | None) -> argparse.ArgumentParser:
    """The parser with every noun named, and ``noun`` complete with its verbs."""
    parser: argparse.ArgumentParser = Parser(prog="ztb", description="Trading appliance for one Debian host.")
    parser.add_argument("--version", action="version", version=f"ztb {__version__}")
    nouns: Subparsers = parser.add_subparsers(dest="noun", metavar="NOUN", title="nouns")
    for name, (module, summary) in NOUNS.items():
        noun_parser = nouns.add_parser(name, help=summary)
        if name == noun:
            importlib.import_module(module).register(noun_parser)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Arguments with ``handler``, ``json``, ``quiet`` and ``verbose`` set; UsageError if there is no such command."""
    noun = next((word for word in argv if not word.startswith("-")), None)
    if noun is not None and noun not in NOUNS:
        near = difflib.get_close_matches(noun, NOUNS, n=1)
        hint = f"did you mean `ztb {near[0]}`?" if near else f"nouns: {', '.join(NOUNS)}"
        raise UsageError(f"there is no `ztb {noun}`", remedy=hint)
    parser = build_parser(noun)
    args, unknown = parser.parse_known_args(argv)
    command = " ".join(filter(None, ("ztb", args.noun, getattr(args, "verb", None))))
    if unknown:
        near = difflib.get_close_matches(unknown[0].partition("=")[0], sorted(_options(parser)), n=1, cutoff=ALIKE_MIN)
        hint = f"did you mean {near[0]}? " if near else ""
        message = f"{command}: unrecognized arguments: {' '.join(unknown)}"
        raise UsageError(message, remedy=f"{hint}see `{command} --help`")
    for name, default in (("json", False), ("quiet", False), ("verbose", 0)):
        vars(args).setdefault(name, default)
    if not hasattr(args, "handler"):
        raise UsageError(f"`{command}` alone does nothing", remedy=f"see `{command} --help`")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code of the command ``argv`` (default: the process's own arguments)."""
    words = sys.argv[1:] if argv is None else list(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no kanji is no reason to fail
    as_json = "--json" in words
    command = " ".join(["ztb", *_command_words(words)])
    try:
        try:
            result = _run(words)
            envelope = result_envelope(command, result) if as_json else ""
        except ZtbError as error:
            return show_error(command, error, as_json)
        except (KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception as error:
            remedy = "this is a defect of ztb; ZTB_DEBUG=1 shows where it happened"
            wrapped = InternalError(f"internal error: {type(error).__name__}: {error}", remedy=remedy)
            wrapped.__cause__ = error
            return show_error(command, wrapped, as_json)
        return show_result(result, envelope, quiet="--quiet" in words)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader left (`ztb ... | head`)
        drop_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        drop_output()
        print(f"ztb: error: the result cannot be written: {error.strerror}", file=sys.stderr)
        return EXIT_OUTPUT


def _run(words: Sequence[str]) -> Result:
    args = parse(words)
    set_silent(args.quiet or args.json)
    if args.verbose:
        importlib.import_module("ztb.host.log").configure_log()
    result = args.handler(args)
    assert isinstance(result, Result), f"{args.handler} gave {type(result).__name__}"
    return result


def _command_words(words: Sequence[str]) -> list[str]:
    """Noun and verb as they stand at the beginning of ``words``, for the envelope."""
    found: list[str] = []
    for word in words:
        if word in ("--json", "--quiet", "-v", "--verbose"):
            continue
        if word.startswith("-") or not word.isalpha() or len(found) == 2:
            break
        found.append(word)
    return found

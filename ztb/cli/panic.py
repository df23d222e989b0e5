"""``ztb panic``: kill, close everything, prove that it is flat, and stop the trader."""

from __future__ import annotations

import argparse
from typing import Final

from ztb.cli import operate
from ztb.cli.flatten import add_direct_options, add_terms, ask, wish_from
from ztb.cli.result import Result
from ztb.cli.sighting import sight
from ztb.service.flatten_files import PANIC_NAME

EPILOG: Final = """\
examples:
  ztb panic --reason "prices are wrong"
  ztb panic --profile live --reason "exchange in trouble" --mode market

The kill latch is set first: nothing but the closing orders leaves, and the next start is killed until `ztb resume`.
A trader that is dead or does not answer is not waited for: the same is done directly, from its journal.

exit codes: those of `ztb flatten`.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb panic``."""
    parser.description = "Kill the trader of a profile, close what it holds, and stop it when the venue says flat."
    parser.epilog = EPILOG
    add_terms(parser)
    add_direct_options(parser)
    parser.set_defaults(handler=panic)


def panic(args: argparse.Namespace) -> Result:
    """By the trader if it answers, else without it."""
    place = operate.place_from(args)
    seen = sight(place.runtime)
    if args.direct or seen is None or not seen.is_alive or seen.is_stale:
        from ztb.cli.direct import flatten_directly

        return flatten_directly(args, wish_from(args))
    return ask(args, PANIC_NAME)

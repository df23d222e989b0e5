"""``ztb policy list``: which trading policies are installed, ours and anybody else's."""

from __future__ import annotations

import argparse
from typing import Final

from ztb.cli.options import add_verbs
from ztb.cli.result import Result, printable
from ztb.policies.registry import GROUP, available

EPILOG: Final = """\
examples:
  ztb policy list
  ztb replay --policy rsi_reversion           try one on the bundled tape

docs/own-policy.md shows how to add one of your own.
"""


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb policy list``."""
    parser.description = "The trading policies that are installed, by the entry point they register."
    parser.epilog = EPILOG
    verbs = add_verbs(parser)
    verbs.add_parser("list", help="name and first line of each").set_defaults(handler=list_policies)


def list_policies(args: argparse.Namespace) -> Result:
    """All of them; one that cannot be loaded is listed with the reason, and is a warning."""
    found = available()
    width = max(map(len, found), default=0)
    lines = [printable(f"{name:{width}}  {text}") for name, text in found.items()]
    unusable = tuple(f"policy {name} is {text}" for name, text in found.items() if text.startswith("unusable: "))
    text = "\n".join(lines) if found else f"no policies: nothing is installed under the entry point {GROUP}"
    return Result({"policies": found}, text, exit_code=0 if found else 1, warnings=unusable)

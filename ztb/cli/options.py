"""Options that several nouns share, so that they read and behave alike everywhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ztb.cli.result import Subparsers

if TYPE_CHECKING:
    from ztb.host.config import LoadedProfile


def add_verbs(parser: argparse.ArgumentParser) -> Subparsers:
    """Where a noun's verbs are added; one of them must be given."""
    return parser.add_subparsers(dest="verb", metavar="VERB", required=True)


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    """``--profile``, ``--config-dir`` and ``--set``; read them with ``profile_from``."""
    parser.add_argument("--profile", default="demo", metavar="NAME", help="named configuration (default: demo)")
    parser.add_argument(
        "--config-dir", type=Path, metavar="DIR", help="look for profiles in DIR/profiles and nowhere else"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="set one value of the profile for this run; may be given again",
    )


def add_state_option(parser: argparse.ArgumentParser) -> None:
    """``--state-dir``, which ``ztb.host.paths.state_directory`` takes as ``option``."""
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="keep journal and checkpoints in DIR")


def whole(low: int, high: int) -> Callable[[str], int]:
    """For ``type=``: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        # int() itself also takes 1_000 and the digits of other scripts, and works long on very many digits
        is_whole = text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 20
        if not is_whole or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {low} to {high}")
        return int(text)

    return parse


def number(maximum: float) -> Callable[[str], float]:
    """For ``type=``: a number above 0 and at most ``maximum``; no amount of money, because it becomes a float."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= maximum:  # what is not a number is neither
            raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and at most {maximum:g}")
        return value

    return parse


def loopback_url(text: str) -> str:
    """For ``type=``: where a built-in exchange listens. No other address, because real money could be there."""
    try:
        url = urlsplit(text)
        is_here = url.hostname == "localhost" or ip_address(url.hostname or "").is_loopback
        is_fine = is_here and url.scheme == "http" and url.username is None
    except ValueError:
        is_fine = False
    if not is_fine:
        raise argparse.ArgumentTypeError(f"{text!r} is no address like http://127.0.0.1:PORT")
    return text.rstrip("/")


def tape_file(text: str) -> Path:
    """A file, or else the tape of this name that comes with ztb; for ``type=``."""
    from ztb.store.tape import DEMO_TAPE  # and with it the readers of tapes

    path = Path(text)
    bundled = DEMO_TAPE.parent / text
    return bundled if path.name == text and not path.exists() and bundled.exists() else path


def profile_from(args: argparse.Namespace) -> LoadedProfile:
    """The profile that the options of ``add_profile_options`` ask for; ConfigError or UsageError if it is not sound."""
    from ztb.host.config import load_profile  # pydantic takes longer to import than many commands take to run

    return load_profile(args.profile, config_dir=args.config_dir, overrides=args.overrides)

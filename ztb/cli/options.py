"""Options that several nouns share, so that they read and behave alike everywhere."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ztb.host.config import LoadedProfile


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

"""What ``ztb kill``, ``ztb resume`` and ``ztb status`` share: where the trader is, and how it is asked for something.

The rule: an emergency command must not fail for a reason that has nothing to do with the emergency. So a profile that
became unsound since the trader started is a warning here, and not an error.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ztb.cli.options import add_profile_options, add_state_option, profile_from
from ztb.cli.sighting import Sighting, sight
from ztb.core.error import ConfigError, CredentialError, StoreCorrupt, StoreError, UsageError
from ztb.host.paths import PROFILE_NAME, make_private, runtime_directory, state_directory
from ztb.service.operator import OPERATOR_DIRECTORY

ANSWER_S_MAX: Final = 2.0
"""How long a trader may take to answer; one that does not is told from one that does, and not waited for."""
LOOK_EACH_S: Final = 0.02
REASON_BYTES_MAX: Final = 400
"""In UTF-8. A trader reads a little more, so a reason that is taken here stands whole in the journal."""


@dataclass(frozen=True)
class Place:
    """Where the operator's files of a profile are."""

    profile: str
    runtime: Path
    warnings: tuple[str, ...] = ()

    @property
    def operator(self) -> Path:
        """The directory that the trader watches."""
        return self.runtime / OPERATOR_DIRECTORY


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """The options by which `ztb run` finds its directories; read them with ``place_from``."""
    add_profile_options(parser)
    add_state_option(parser)
    parser.add_argument("--runtime-dir", type=Path, metavar="DIR", help="where the trader keeps its status file")


def add_reason_option(parser: argparse.ArgumentParser) -> None:
    """``--reason``, which stands in the journal for ever; read it with ``reason_from``."""
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; it is kept in the journal")


def place_from(args: argparse.Namespace) -> Place:
    """By the same rules as `ztb run`."""
    if not PROFILE_NAME.fullmatch(args.profile):
        raise UsageError(f"--profile is {args.profile[:60]!r}", remedy="a name: small letters, digits and hyphens")
    if args.runtime_dir is not None:
        return Place(args.profile, args.runtime_dir.absolute())
    if args.state_dir is not None:
        return Place(args.profile, runtime_directory(args.profile, state=args.state_dir.absolute()))
    configured = ""
    warnings: tuple[str, ...] = ()
    try:
        configured = profile_from(args).profile.state.directory
    except ConfigError as error:
        from ztb.host.config import find_profile

        find_profile(args.profile, config_dir=args.config_dir, environ=os.environ)  # a name that nobody has, raises
        warnings = (f"the profile is not sound, so the directories are the default ones: {error.message}",)
    state = state_directory(args.profile, configured=configured)
    return Place(args.profile, runtime_directory(args.profile, state=state), warnings)


def reason_from(args: argparse.Namespace) -> str:
    """One line of text; UsageError for anything that the journal could not hold as it is given."""
    reason: str = args.reason.strip()
    if not reason or not reason.isprintable() or len(reason.encode(errors="replace")) > REASON_BYTES_MAX:
        raise UsageError(
            f"--reason is {args.reason[:60]!r}",
            remedy=f"one line of printable text, at most {REASON_BYTES_MAX} bytes of it",
        )
    return reason


def lay_file(place: Place, name: str, text: str) -> Path:
    """Put a file into the operator directory, whole, in one step. CredentialError or StoreError if that fails."""
    path = place.operator / name
    fresh = path.with_name(f".{name}.{os.getpid()}.new")
    try:
        if not place.operator.is_dir():
            make_private(make_private(place.runtime) / OPERATOR_DIRECTORY)
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except PermissionError:
        raise CredentialError(
            f"{place.operator}: this user may not write there", remedy="run the command as the trader's own user"
        ) from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", remedy="look at the disk of that directory") from None
    return path


def look(place: Place) -> Sighting | None:
    """The trader, or None when it cannot be seen: then only the file speaks."""
    try:
        return sight(place.runtime)
    except StoreCorrupt:
        return None


def wait_for(answered: Callable[[], bool]) -> float | None:
    """Ask again and again; how many seconds it took until yes, or None after ``ANSWER_S_MAX``."""
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < ANSWER_S_MAX:
        if answered():
            return passed
        time.sleep(LOOK_EACH_S)
    return time.monotonic() - begin if answered() else None

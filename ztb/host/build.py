"""Which build this is: the git commit of a checkout, else the record that the package carries.

The answer goes into logs, evidence and bundles, so it says "unknown" rather than guess.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from ztb import __version__

RECORD: Final = Path("/usr/lib/ztb/build.json")
CHECKOUT: Final = Path(__file__).resolve().parents[2]
GIT_SECONDS_MAX: Final = 10
UNKNOWN: Final = "unknown"


@dataclass(frozen=True)
class Build:
    """``dirty`` None: nobody knows whether files differ from the commit."""

    version: str
    commit: str
    dirty: bool | None
    source: str
    """``package``, ``checkout`` or ``unknown``."""

    def __str__(self) -> str:
        mark = {True: "+dirty", False: "", None: "+unchecked"}[self.dirty]
        return f"{self.version} ({self.commit[:12]}{mark})"


@cache
def build_id() -> Build:
    """The build that runs; looked up once."""
    return read_build(RECORD, CHECKOUT)


def read_build(record: Path, checkout: Path) -> Build:
    """The build by git if ``checkout`` is one, else by the package's ``record``."""
    if (checkout / ".git").exists():
        commit = _git(checkout, "rev-parse", "HEAD")
        if commit:
            changes = _git(checkout, "status", "--porcelain", "--untracked-files=no")
            return Build(__version__, commit, None if changes is None else bool(changes), "checkout")
    try:
        document = json.loads(record.read_text(encoding="utf-8"))
        return Build(str(document["version"]), str(document["commit"]), bool(document["dirty"]), "package")
    except (OSError, ValueError, KeyError, TypeError):
        return Build(__version__, UNKNOWN, None, UNKNOWN)


def _git(checkout: Path, *words: str) -> str | None:
    """What git answers, or None: not installed, not its checkout, or too slow."""
    command = ["git", "--no-optional-locks", "-C", str(checkout), *words]
    # a git hook that runs us points these at its own repository
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=GIT_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None

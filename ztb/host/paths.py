"""Where a profile's state and its runtime files live, by fixed rules; the directories are private (0700).

State: --state-dir, else the profile's state.directory, else systemd's $STATE_DIRECTORY, else /var/lib/ztb/PROFILE for
root and the user ztb of an installed ztb, else $XDG_STATE_HOME/ztb/PROFILE. Runtime files follow the same rules.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError

PROFILE_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""A part of paths, so nothing that could lead out of a directory."""
PRIVATE_MODE: Final = 0o700
SYSTEM_STATE: Final = Path("/var/lib/ztb")
SYSTEM_RUNTIME: Final = Path("/run/ztb")
SERVICE_USERS: Final = ("root", "ztb")


def state_directory(
    profile: str,
    *,
    option: Path | None = None,
    configured: str = "",
    environ: Mapping[str, str] = os.environ,
    system: Path = SYSTEM_STATE,
) -> Path:
    """The state directory of ``profile``; not made yet."""
    if option is not None:
        return option.absolute()
    if configured:
        return Path(configured).expanduser().absolute()
    if environ.get("STATE_DIRECTORY"):
        return _of_unit(environ["STATE_DIRECTORY"], profile)
    if _is_service_user() and os.access(system, os.W_OK | os.X_OK):
        return system / profile
    return _xdg(environ, "XDG_STATE_HOME", Path(".local") / "state") / "ztb" / profile


def runtime_directory(
    profile: str, *, state: Path, environ: Mapping[str, str] = os.environ, system: Path = SYSTEM_RUNTIME
) -> Path:
    """The directory of sockets and kill files of ``profile``; inside ``state`` where the host offers none."""
    if environ.get("RUNTIME_DIRECTORY"):
        return _of_unit(environ["RUNTIME_DIRECTORY"], profile)
    if _is_service_user() and os.access(system, os.W_OK | os.X_OK):
        return system / profile
    if environ.get("XDG_RUNTIME_DIR"):
        return Path(environ["XDG_RUNTIME_DIR"]) / "ztb" / profile
    return state / "run"


def make_private(directory: Path) -> Path:
    """Makes ``directory`` (0700) if it is missing; ConfigError if it cannot be ours alone."""
    try:
        directory.mkdir(mode=PRIVATE_MODE, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror}", remedy="name a directory that this user may make") from None
    if status.st_uid not in (0, os.geteuid()):
        message = f"{directory}: belongs to user {status.st_uid}, we are {os.geteuid()}"
        raise ConfigError(message, remedy="run as its owner, or name another directory")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o027:
        remedy = f"name another directory, or, if it is ztb's alone, chmod 700 {directory}"
        raise ConfigError(f"{directory}: mode {mode:04o} lets others in", remedy=remedy)
    return directory


def _of_unit(text: str, profile: str) -> Path:
    """systemd's directory (the first of several), with the profile's name at its end."""
    path = Path(text.split(":")[0])
    return path if path.name == profile else path / profile


def _is_service_user() -> bool:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name in SERVICE_USERS
    except KeyError:
        return False


def _xdg(environ: Mapping[str, str], variable: str, below_home: Path) -> Path:
    """The base directory by the XDG rules: a relative path in the variable counts for nothing."""
    path = Path(environ.get(variable, ""))
    if path.is_absolute():
        return path
    home = environ.get("HOME") or pwd.getpwuid(os.geteuid()).pw_dir
    return Path(home) / below_home

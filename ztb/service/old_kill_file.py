"""The kill file of the programs before ztb, ``/tmp/ztb.stop``: it is refused, and whoever lays it is told so.

Everybody on the host can make a file in ``/tmp``, and take it away again; and a service with a ``/tmp`` of its own
(PrivateTmp=) never sees it. An emergency stop that may or may not work is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ztb.core.error import ConfigError
from ztb.host.log import get_log
from ztb.service.operator_file import lies_there

OLD_KILL_FILE: Final = Path("/tmp/ztb.stop")
VARIABLES: Final = ("ZTB_KILL_FILE", "KILL_FILE")
"""By which other programs are told of another kill file."""

log = get_log("operator")


def refuse_configured(environ: Mapping[str, str], kill_file: Path) -> None:
    """ConfigError where the environment names a kill file other than the one that counts."""
    for name in VARIABLES:
        value = environ.get(name, "")
        if value and Path(value) != kill_file:
            raise ConfigError(
                f"{name} is {value[:200]}, and that is no kill file of ztb: {_why(Path(value))}",
                remedy=f"unset it; the kill file is {kill_file}, and `ztb kill --reason TEXT` lays it",
            )


class OldKillFile:
    """Watches for it, to say that it does nothing."""

    def __init__(self, kill_file: Path, path: Path = OLD_KILL_FILE) -> None:
        self._kill_file = kill_file
        self._path = path
        self._is_told = False

    def look(self) -> None:
        """Told once for as long as it lies there."""
        is_there = lies_there(self._path, if_unknown=False)
        if is_there and not self._is_told:
            log.error(
                "old_kill_file_refused",
                f"{self._path} does NOT stop this trader: {_why(self._path)}. Use `ztb kill --reason TEXT`, or lay "
                f"{self._kill_file}",
            )
        self._is_told = is_there


def _why(path: Path) -> str:
    if path.is_relative_to("/tmp"):
        return "everybody can lay it or take it away there, and a service with a /tmp of its own does not see it"
    return "one file, in a directory that only the trader's operators can write, counts"

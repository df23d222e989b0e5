"""How a file of an operator is looked at: without waiting, without following links, and never with an exception."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ztb.host.log import get_log

FILE_BYTES_MAX: Final = 2_000
REASON_BYTES_MAX: Final = 500

log = get_log("operator")


def lies_there(path: Path, *, if_unknown: bool) -> bool:
    """Whatever it is; ``if_unknown`` where the directory cannot be looked into."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return if_unknown
    return True


def read_file(path: Path, bytes_max: int = FILE_BYTES_MAX) -> bytes:
    """Its beginning; nothing where it cannot be read."""
    try:
        # Without waiting: a pipe without a writer must not stop the trader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return os.read(descriptor, bytes_max)
        finally:
            os.close(descriptor)
    except OSError as error:
        log.warning("operator_file_unreadable", str(error))
        return b""


def cleaned(body: bytes) -> str:
    """The first line, as much of it as a reason may be, without what does not print."""
    line = body[:REASON_BYTES_MAX].decode(errors="replace").partition("\n")[0]
    return "".join(char for char in line if char.isprintable()).strip()

"""Who put a file into the operator directory: by its owner, whom the kernel vouches for, not by what the file says."""

from __future__ import annotations

import os
import pwd
from pathlib import Path


def who(uid: int) -> str:
    """``operator NAME (uid N)``; without the name where this host knows none."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:  # a user that was removed, or of another name space
        return f"operator (uid {uid})"
    return f"operator {name} (uid {uid})"


def who_laid(path: Path) -> str:
    """The owner of a file that lies there; just ``operator`` where it cannot be seen any more."""
    try:
        return who(os.lstat(path).st_uid)
    except OSError:
        return "operator"

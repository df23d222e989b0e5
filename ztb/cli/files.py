"""Files that a command leaves for its caller: all of them whole, or the old ones as they were."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

from ztb.core.error import StoreError, UsageError


def output_directory(path: Path) -> Path:
    """Make ``path`` if it is missing; UsageError if it cannot be a directory to write into."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="name a directory that you may write to") from None
    return path


def write_files(directory: Path, texts: Mapping[str, str]) -> None:
    """Replace the named files, after every new one is on the disk. UsageError or StoreError leaves the old ones."""
    fresh = {name: directory / f".{name}.{os.getpid()}.partial" for name in texts}
    path = directory
    try:
        for name, text in texts.items():
            path = directory / name
            if path.is_dir():  # found now, and not when others are replaced already
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with fresh[name].open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for name in texts:
            path = directory / name
            fresh[name].replace(path)
    except (PermissionError, IsADirectoryError) as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="name a directory that you may write to") from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", remedy="free some space and try again") from None
    finally:
        for partial in fresh.values():
            partial.unlink(missing_ok=True)
